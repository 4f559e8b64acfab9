package udf

import (
	"strconv"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/value"
)

// TestRunnerMutationResolvesCommitTimestamps: the result says when it committed, also
// when the request is replayed from its record.
func TestRunnerMutationResolvesCommitTimestamps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{
		"mutation m:add": func(c *hostCalls, _ string) (string, error) {
			if _, err := c.async("1.0/insert", `{"table":"rows","value":{"at":{"$commitTs":null}}}`); err != nil {
				return "", err
			}
			return `{"at":{"$commitTs":null},"text":"{\"$commitTs\":null}"}`, nil
		},
		"query m:last": func(c *hostCalls, _ string) (string, error) {
			rows, err := c.collect(scanQuery("rows", "desc"))
			if err != nil {
				return "", err
			}
			return string(rows[0]), nil
		},
		"query m:forge": func(*hostCalls, string) (string, error) { return `[{"$commitTs":null}]`, nil },
		"mutation m:ask": func(c *hostCalls, _ string) (string, error) {
			if _, err := c.async("1.0/insert", `{"table":"rows","value":{"at":{"$commitTs":null}}}`); err != nil {
				return "", err
			}
			return c.async("1.0/runUdf", `{"udfType":"query","name":"m:last","args":{}}`)
		},
	})
	for _, q := range []Request{{Path: "m:add"}, {Path: "m:add", Session: "s", SessionRequest: 1, HasSession: true}} {
		first, err := h.Mutation(t.Context(), q)
		if err != nil || first.Failure != nil {
			t.Fatal(err, first)
		}
		want := string(value.JSON(value.ObjectOf(value.Field{Name: "at", Value: value.Int64(first.TS)}, value.Field{Name: "text", Value: value.String(`{"$commitTs":null}`)})))
		if string(first.Value) != want {
			t.Errorf("result %s, want %s", first.Value, want)
		}
		if !q.HasSession {
			continue
		}
		again, err := h.Mutation(t.Context(), q)
		if err != nil || string(again.Value) != want || again.TS != first.TS || again.Hash != first.Hash {
			t.Errorf("replayed: %s at %d, %v", again.Value, again.TS, err)
		}
		rows, err := h.Query(t.Context(), Request{Path: "m:last"})
		if err != nil || !strings.Contains(string(rows.Value), string(value.JSON(value.Int64(first.TS)))) {
			t.Errorf("stored %s, committed at %s", rows.Value, strconv.FormatInt(int64(first.TS), 10))
		}
	}
	asked, err := h.Mutation(t.Context(), Request{Path: "m:ask"})
	if err != nil || asked.Failure != nil || !strings.Contains(string(asked.Value), `"at":`+string(value.JSON(value.Int64(asked.TS)))) {
		t.Errorf("nested query: %+v, %v", asked, err)
	}
	forged, err := h.Query(t.Context(), Request{Path: "m:forge"})
	if err != nil || forged.Failure == nil || !strings.Contains(forged.Failure.Text, "queries cannot return an unresolved commit timestamp") {
		t.Errorf("query: %+v, %v", forged, err)
	}
}

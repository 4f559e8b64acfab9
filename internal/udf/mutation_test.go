package udf

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestRunnerMutationGivesUp: a mutation that always conflicts ends with the text that clients know.
func TestRunnerMutationGivesUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{"mutation m:lose": func(c *hostCalls, _ string) (string, error) {
		if _, err := c.collect(scanQuery("rows", "asc")); err != nil {
			return "", err
		}
		_, err := h.DB.Update(c.ctx, func(tx *database.Tx) error {
			_, err := tx.Insert(c.ctx, "rows", obj("n", 1))
			return err
		})
		if err != nil {
			return "", err
		}
		return c.async("1.0/insert", `{"table":"rows","value":{}}`)
	}})
	_, err := h.Mutation(t.Context(), Request{Path: "m:lose"})
	if e, ok := apierr.As(err); !ok || e.Code != "OptimisticConcurrencyControlFailure" || e.Message != `Documents read from or written to the "rows" table changed `+
		`while this mutation was being run and on every subsequent retry. See https://docs.convex.dev/error#1` {
		t.Error(err)
	}
	if len(h.lanes.lanes) > 0 {
		t.Error("a lane was left behind")
	}
}

func TestRunnerMutationRetriesConflicts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var id value.ID
	h.update(func(tx *database.Tx) (err error) {
		id, err = tx.Insert(t.Context(), "counters", obj("n", 0))
		return err
	})
	var runs atomic.Int32
	h.push("1", map[string]goFunction{"mutation m:inc": func(c *hostCalls, _ string) (string, error) {
		runs.Add(1)
		doc, err := c.async("1.0/get", fmt.Sprintf(`{"id":%q,"isSystem":false}`, id))
		if err != nil {
			return "", err
		}
		var d struct{ N float64 }
		if err := json.Unmarshal([]byte(doc), &d); err != nil {
			return "", err
		}
		return c.async("1.0/shallowMerge", fmt.Sprintf(`{"id":%q,"value":{"n":%v}}`, id, d.N+1))
	}})
	const clients, each = 32, 10
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if _, err := h.Mutation(t.Context(), Request{Path: "m:inc"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		doc, err := tx.Get(t.Context(), id)
		if err != nil {
			return err
		}
		if n, _ := doc.Object().Get("n"); n != value.Float64(clients*each) {
			t.Errorf("counted %v", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n := runs.Load(); n > 3*clients*each {
		t.Errorf("%d runs for %d increments", n, clients*each)
	}
	if len(h.lanes.lanes) > 0 {
		t.Error("a lane was left behind")
	}
}

func TestRunnerMutationExactlyOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{
		"mutation m:add": func(c *hostCalls, a string) (string, error) {
			c.host.Print("LOG", "'once'")
			return insertInto("rows")(c, a)
		},
		"mutation m:boom": func(c *hostCalls, a string) (string, error) {
			if _, err := insertInto("rows")(c, a); err != nil {
				return "", err
			}
			return "", thrown{"boom"}
		},
		"query m:list": listAll("rows"),
	})
	req := Request{Path: "m:add", Args: []byte(`{"n":1}`), Session: "s1", SessionRequest: 7, HasSession: true}
	first := h.mustMutate(req)
	h.mustMutate(Request{Path: "m:add", Args: []byte(`{"n":2}`), Session: "s1", SessionRequest: 8, HasSession: true})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			again, err := h.Mutation(t.Context(), req)
			if err != nil || again.TS != first.TS || string(again.Value) != string(first.Value) || !cmp.Equal(again.Logs, first.Logs) {
				t.Errorf("%+v, %v instead of %+v", again, err, first)
			}
		})
	}
	fresh := Request{Path: "m:add", Args: []byte(`{"n":3}`), Session: "s2", SessionRequest: 1, HasSession: true}
	for range 5 {
		wg.Go(func() {
			if _, err := h.Mutation(t.Context(), fresh); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if out := h.mustQuery(Request{Path: "m:list"}); strings.Count(string(out.Value), `"n"`) != 3 {
		t.Errorf("%s", out.Value)
	}
	bad := Request{Path: "m:boom", Args: []byte(`{"n":9}`), Session: "s1", SessionRequest: 9, HasSession: true}
	for range 2 { // a failure leaves no record and no writes
		if out, err := h.Mutation(t.Context(), bad); err != nil || out.Failure == nil || !strings.HasPrefix(out.Failure.Message, "[Request ID: "+SessionRequestID("s1", 9)+"]") {
			t.Errorf("%+v, %v", out, err)
		}
	}
	if out := h.mustQuery(Request{Path: "m:list"}); strings.Count(string(out.Value), `"n"`) != 3 {
		t.Errorf("%s", out.Value)
	}
	if err := h.sweep(t.Context(), time.Now().Add(13*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if again := h.mustMutate(req); again.TS != first.TS {
		t.Error("the record went too early")
	}
	if err := h.sweep(t.Context(), time.Now().Add(15*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if again := h.mustMutate(req); again.TS == first.TS {
		t.Error("the record is still there after two weeks")
	}
}

func TestRunnerWrites(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{"mutation m:do": func(c *hostCalls, args string) (string, error) {
		var a []struct{ Op, Args string }
		if err := json.Unmarshal([]byte(args), &a); err != nil {
			return "", err
		}
		return c.async("1.0/"+a[0].Op, a[0].Args)
	}, "query m:list": listAll("rows")})
	do := func(op, args string) *Outcome {
		t.Helper()
		b, _ := json.Marshal(map[string]string{"op": op, "args": args})
		out, err := h.Mutation(t.Context(), Request{Path: "m:do", Args: b})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var made struct {
		ID string `json:"_id"`
	}
	if err := json.Unmarshal(do("insert", `{"table":"rows","value":{"a":1,"b":{"c":2}}}`).Value, &made); err != nil {
		t.Fatal(err)
	}
	gone := strings.Replace(made.ID, made.ID, value.ID{Table: 10001}.String(), 1)
	for _, c := range []struct{ op, args, want string }{
		{"shallowMerge", `{"id":"$ID","value":{"a":{"$undefined":null},"d":3}}`, ""},
		{"get", `{"id":"$ID","isSystem":false,"table":"rows"}`, ""},
		{"get", `{"id":"$ID","isSystem":false,"table":"other"}`, `expected to be an Id<"other">, got Id<"rows"> instead.`},
		{"get", `{"id":"$ID","isSystem":true}`, "User tables cannot be accessed with db.system."},
		{"get", `{"id":"zzz","isSystem":false}`, "Invalid argument `id` for `db.get`: Unable to decode ID"},
		{"get", `{"id":3}`, "Invalid argument `id` for `db.get`: expected a string"},
		{"shallowMerge", `{"id":"$GONE","value":{}}`, "Update on nonexistent document ID $GONE"},
		{"replace", `{"id":"$GONE","value":{}}`, "Replace on nonexistent document ID $GONE"},
		{"remove", `{"id":"$GONE"}`, "Delete on nonexistent document ID $GONE"},
		{"insert", `{"table":"_x","value":{}}`, "read-only"},
		{"insert", `{"table":"1x","value":{}}`, "Invalid table name"},
		{"insert", `{"table":"rows","value":{"_x":1}}`, "Field '_x' starts with an underscore, which is only allowed for system fields like '_id'"},
		{"insert", `{"table":"rows","value":{"_id":"x"}}`, "system field '_id'"},
		{"insert", `{"table":"rows","value":{"$x":1}}`, "reserved"},
		{"insert", `{"table":"rows","value":` + strings.Repeat(`{"a":`, 17) + `1` + strings.Repeat(`}`, 17) + `}`, "Document is too nested"},
		{"insert", `{"table":"rows","value":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`, "Value is too large"},
		{"insert", `{"table":"rows","value":3}`, "Invalid argument `value` for `db.insert`"},
		{"shallowMerge", `{"id":"$ID","value":{"_id":"other"}}`, "'_id' cannot be changed"},
		{"replace", `{"id":"$ID","value":{"_creationTime":1}}`, "'_creationTime' cannot be changed"},
		{"replace", `{"id":"$ID","value":{"z":1,"_id":"$ID"}}`, ""},
		{"count", `{"table":"rows"}`, ""},
		{"remove", `{"id":"$ID"}`, ""},
		{"get", `{"id":"$ID"}`, ""},
	} {
		r := strings.NewReplacer("$ID", made.ID, "$GONE", gone)
		out := do(c.op, r.Replace(c.args))
		switch {
		case c.want == "" && out.Failure != nil:
			t.Errorf("%s %s: %s", c.op, c.args, out.Failure.Text)
		case c.want != "" && (out.Failure == nil || !strings.Contains(out.Failure.Text, r.Replace(c.want))):
			t.Errorf("%s %.99s: %+v", c.op, c.args, out.Failure)
		}
	}
	if out := h.mustQuery(Request{Path: "m:list"}); string(out.Value) != "[]" {
		t.Errorf("%s", out.Value)
	}
	h.update(func(tx *database.Tx) error {
		return SetActiveSchema(t.Context(), tx, []byte(`{"schemaValidation":true,"tables":[{"tableName":"rows","indexes":[],"searchIndexes":[],"vectorIndexes":[],
			"documentType":{"type":"object","value":{"a":{"fieldType":{"type":"number"},"optional":false}}}}]}`))
	})
	if out := do("insert", `{"table":"rows","value":{"a":"x"}}`); out.Failure == nil ||
		!strings.Contains(out.Failure.Text, `Failed to insert or update a document in table "rows" because it does not match the schema: `) {
		t.Errorf("%+v", out.Failure)
	}
	if out := do("insert", `{"table":"rows","value":{"a":1}}`); out.Failure != nil {
		t.Errorf("%+v", out.Failure)
	}
}

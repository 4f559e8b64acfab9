package udf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// FuzzSyscalls asks for every operation, in every kind of function, with any arguments:
// whatever they are, the program gets an answer or an error that it can catch.
func FuzzSyscalls(f *testing.F) {
	const id = `"jd70000000000000000000000000000000"`
	for op, args := range map[string]string{
		"1.0/get": `{"id":` + id + `,"isSystem":false}`, "1.0/queryStream": `{"query":` + scanQuery("rows", "asc") + `}`,
		"1.0/queryStreamNext": `{"queryId":1}`, "1.0/queryCleanup": `{"queryId":1e9}`,
		"1.0/queryPage": `{"query":` + scanQuery("rows", "desc") + `,"cursor":null,"endCursor":null,"pageSize":2,"maximumRowsRead":1,"maximumBytesRead":null}`,
		"1.0/count":     `{"table":"rows"}`, "1.0/insert": `{"table":"rows","value":{"a":{"$commitTs":null}}}`,
		"1.0/shallowMerge": `{"id":` + id + `,"value":{"a":{"$undefined":null}},"table":"rows"}`, "1.0/replace": `{"id":` + id + `,"value":{}}`,
		"1.0/remove": `{"id":` + id + `}`, "1.0/db/normalizeId": `{"table":"rows","idString":` + id + `}`,
		"1.0/signJwt":        `{"claims":{"sub":"x"},"expiresInSeconds":1}`,
		"1.0/runUdf":         `{"udfType":"mutation","name":"m:call","args":{"op":"1.0/getSnapshotTs","args":"{}","sync":true},"transactionLimits":{"documentsRead":0}}`,
		"1.0/actions/action": `{"name":"a:call","args":{"op":"1.0/getFunctionMetadata","args":"{}"}}`, "1.0/createFunctionHandle": `{"functionHandle":"function://x"}`,
		"1.0/componentArgument": `{"name":"x"}`, "1.0/schedule": `{"name":"m:call","ts":1e9,"args":{}}`, "1.0/cancel_job": `{"id":` + id + `}`,
		"1.0/storageGetUrl": `{"storageId":` + id + `}`, "1.0/storageStore": `{"blob":"AA==","contentType":"","sha256":"x"}`,
		"1.0/actions/vectorSearch": `{"query":{"indexName":"rows.v","limit":1,"vector":[1],"expressions":null}}`,
		"1.0/auditLog":             `{"body":{"a":{"$var":"ip"}}}`, "1.0/getServiceUrl": `{"service":"ai-gateway"}`, "1.0/getTransactionMetrics": `{}`,
	} {
		for kind := range byte(3) {
			f.Add(kind, op, args, false)
			f.Add(kind, op, args, true)
		}
	}
	h := newHouse(f)
	call := func(c *hostCalls, args string) (string, error) {
		var list []struct {
			Op, Args string
			Sync     bool
		}
		if err := json.Unmarshal([]byte(args), &list); err != nil || len(list) != 1 {
			return "", thrown{"no call"}
		}
		if q := list[0]; q.Sync {
			_, err := c.sync(q.Op, q.Args)
			return "null", err
		} else {
			_, err := c.async(q.Op, q.Args)
			return "null", err
		}
	}
	h.push("1", map[string]goFunction{"query q:call": call, "mutation m:call": call, "action a:call": call})
	run := [...]func(context.Context, Request) (*Outcome, error){h.Query, h.Mutation, h.Action}
	path := [...]string{"q:call", "m:call", "a:call"}
	f.Fuzz(func(t *testing.T, kind byte, op, args string, sync bool) {
		if op == "throwOcc" || op == "throwOverloaded" {
			return // which are no errors of the caller, on purpose
		}
		text, err := json.Marshal(map[string]any{"op": op, "args": args, "sync": sync})
		if err != nil {
			t.Fatal(err)
		}
		k := int(kind) % len(run)
		out, err := run[k](t.Context(), Request{Path: path[k], Args: text})
		var conflict *database.Conflict
		switch {
		case errors.As(err, &conflict):
		case err != nil:
			t.Errorf("%s of a %s with %s: %v", op, path[k], args, err)
		case out.Failure == nil && string(out.Value) != "null":
			t.Errorf("%s gave %s", op, out.Value)
		}
	})
}

// FuzzFillAudit: what is filled in is JSON, and without variables the same as before.
func FuzzFillAudit(f *testing.F) {
	for _, s := range []string{`{"a":{"$var":"ip"},"b":[1e400,{"$var":"now"}]}`, `{"$var":"ip"}`, `{"a":{"$var":"ip","b":1}}`, `[]`, `{"":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := fillAudit(body, func(string) any { return "filled" })
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
		again, err := fillAudit(out, func(string) any { t.Fatalf("%q still has a variable", out); return nil })
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q became %q, then %q: %v", body, out, again, err)
		}
	})
}

// FuzzUnresolved: values with commit timestamps survive being written and resolved.
func FuzzUnresolved(f *testing.F) {
	for _, s := range []string{`{"a":{"$commitTs":null}}`, `[{"$commitTs":null},{"b":[{"$commitTs":null}]}]`, `"$commitTs"`, `{"a":{"$undefined":null}}`} {
		f.Add([]byte(s), int64(7))
	}
	f.Fuzz(func(t *testing.T, text []byte, ts int64) {
		v, err := value.ParseUnresolved(text)
		if err != nil {
			if apierr.KindOf(err) != apierr.BadRequest {
				t.Fatalf("%v is not for callers", err)
			}
			return
		}
		resolved, err := value.ResolveJSON(string(value.JSON(v)), ts)
		if err != nil {
			t.Fatal(err)
		}
		again, err := value.Parse(resolved)
		if err != nil || value.Unresolved(again) || !value.Equal(again, value.Resolve(v, ts)) || value.Size(again) != value.Size(v) {
			t.Fatalf("%s became %s: %v", text, resolved, err)
		}
		if key := value.AppendKey(nil, v); !value.Unresolved(v) && !bytes.Equal(key, value.AppendKey(nil, again)) {
			t.Fatalf("the key of %s changed", text)
		}
	})
}

package deploy

import (
	"encoding/json"
	"testing"
)

// prepare sends a schema as old clients do and waits for its state.
func (h *house) prepare(tables string, dry bool) (*PreparedSchema, *LegacySchemaState) {
	h.Helper()
	r := bundleOf().withSchema(tables)
	p, err := h.PrepareSchema(h.Context(), &PrepareSchemaRequest{Bundle: *r.AppDefinition.Schema, DryRun: dry})
	if err != nil {
		h.Fatal(err)
	}
	for {
		state, err := h.SchemaState(h.Context(), p.SchemaID)
		if err != nil {
			h.Fatal(err)
		}
		if state.SchemaState.State != "pending" {
			return p, state
		}
	}
}

// pushConfig sends modules as old clients do.
func (h *house) pushConfig(schema *string, modules ...Module) error {
	return h.PushConfig(h.Context(), &PushConfigRequest{
		Config: Config{Functions: "convex/"}, Modules: append([]Module{module("_deps/LIB.js", library)}, modules...), UDFServerVersion: "1.25.4", SchemaID: schema,
	})
}

func TestLegacyPush(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.insert("messages", `{"author":"ann"}`)
	tables := table("messages", withAuthor, "by_author: author")
	p, state := h.prepare(tables, false)
	if len(p.Added) != 1 || p.Added[0].Table != "messages" || p.Added[0].Name != "by_author" || len(p.Dropped) != 0 || state.SchemaState.State != "validated" {
		t.Fatalf("%+v, %+v", p, state)
	}
	if got := h.run("messages:list", "{}"); got != "failure: Could not find function for 'messages:list'. Did you forget to run `npx convex dev` or `npx convex deploy`?" {
		t.Errorf("preparing a schema made something live: %s", got)
	}
	if err := h.pushConfig(&p.SchemaID, module("messages.js", messages)); err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Author string }
	if err := json.Unmarshal([]byte(h.run("messages:byAuthor", `{"author":"ann"}`)), &rows); err != nil || len(rows) != 1 {
		t.Errorf("%+v, %v", rows, err)
	}
	if _, state := h.prepare(tables, false); state.SchemaState.State != "active" {
		t.Errorf("a schema that is live already: %+v", state)
	}
	// What is prepared and never pushed has no effect, and neither has a dry run.
	h.prepare(table("messages", anything), false)
	if dry, state := h.prepare(table("messages", withAuthor, "by_body: body"), true); len(dry.Added) != 1 || len(dry.Dropped) != 1 || state.SchemaState.State != "validated" {
		t.Errorf("%+v, %+v", dry, state)
	}
	if got := h.run("messages:send", `{"body":"x"}`); got == "" || got[0] == '"' {
		t.Errorf("the live schema let %s in", got)
	}
}

func TestLegacyPushRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.insert("messages", `{"author":7}`)
	p, state := h.prepare(table("messages", withAuthor), false)
	if state.SchemaState.State != "failed" || state.SchemaState.Error == "" || *state.SchemaState.TableName != "messages" {
		t.Errorf("%+v", state)
	}
	h.refused(h.pushConfig(&p.SchemaID, module("messages.js", messages)), "SchemaValidationFailed", "does not match the schema")
	nonsense := "nonsense"
	h.refused(h.pushConfig(&nonsense), "InvalidPush", "names no push")
	h.refused(h.pushConfig(nil, module("broken.js", "throw new Error('at import')")), "InvalidModules", "at import")
	if _, err := h.SchemaState(t.Context(), nonsense); err == nil {
		t.Error("a state of nothing")
	}
	q, _ := h.prepare(table("messages", anything), false)
	if state, err := h.SchemaState(t.Context(), p.SchemaID); err != nil || state.SchemaState.State != "overwritten" {
		t.Errorf("%+v, %v", state, err)
	}
	h.refused(h.pushConfig(&p.SchemaID), "RaceDetected", "overwritten")
	if err := h.pushConfig(&q.SchemaID, module("messages.js", messages)); err != nil {
		t.Error(err)
	}
	if err := h.pushConfig(nil, module("messages.js", messages)); err != nil { // without a schema
		t.Error(err)
	}
}

package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
)

func TestWaitExistingDocuments(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 1200 { // more than one batch
		h.insert("messages", fmt.Sprintf(`{"author":"a%d"}`, i))
	}
	h.insert("messages", `{"author":7}`)
	r := bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author"))
	p := h.start(r)
	st := h.wait(p)
	if st.Type != StatusFailed || *st.TableName != "messages" || *st.ComponentPath != "" ||
		!strings.HasPrefix(st.Error, `Document with ID "`) || !strings.Contains(st.Error, "\" in table \"messages\" does not match the schema: Value does not match validator.\nPath: .author\nValue: 7.0\nValidator: v.string()") {
		t.Fatalf("status %+v", st)
	}
	if again := h.wait(p); again.Type != StatusFailed || again.Error != st.Error {
		t.Errorf("asked again: %+v", again)
	}
	_, err := h.finish(p)
	h.refused(err, "SchemaValidationFailed", "Path: .author")
	if got := h.run("messages:list", "{}"); !strings.Contains(got, "Could not find") {
		t.Errorf("a failed push is live: %s", got)
	}
	// The developer mends the document and pushes again; the index is built already.
	if _, err := h.DB.Update(t.Context(), func(tx *database.Tx) error {
		c := tx.Scan("messages", database.ByCreationTime, database.Interval{}, database.Desc)
		d, err := c.Next(t.Context())
		if err != nil {
			return err
		}
		return tx.Delete(t.Context(), d.ID)
	}); err != nil {
		t.Fatal(err)
	}
	h.push(r)
	if got := h.run("messages:byAuthor", `{"author":"a77"}`); !strings.Contains(got, `"author":"a77"`) {
		t.Errorf("by index: %s", got)
	}
}

func TestWaitWritesWhilePending(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push(bundleOf(module("messages.js", messages)).withSchema(table("messages", anything)))
	r := bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor))
	p := h.start(r)
	// Before anybody waits, writes are free.
	h.run("messages:send", `{"author":"ada"}`)
	if st := h.wait(p); st.Type != StatusComplete {
		t.Fatalf("status %+v", st)
	}
	// A write that matches does no harm, one that does not ends the push, and is done.
	h.run("messages:send", `{"author":"bob"}`)
	if st := h.wait(p); st.Type != StatusComplete {
		t.Fatalf("status %+v", st)
	}
	if got := h.run("messages:send", `{"autor":"eve"}`); strings.HasPrefix(got, "f") || strings.HasPrefix(got, "e") {
		t.Fatalf("write: %s", got)
	}
	st := h.wait(p)
	if st.Type != StatusFailed || !strings.Contains(st.Error, "A new document in table \"messages\" does not match the schema") {
		t.Errorf("status %+v", st)
	}
	_, err := h.finish(p)
	h.refused(err, "SchemaValidationFailed", "author")
	if got := h.run("messages:list", "{}"); strings.Count(got, "_id") != 3 {
		t.Errorf("documents: %s", got)
	}
	// The next push replaces the failed one.
	h.push(bundleOf(module("messages.js", messages)).withSchema(table("messages", anything)))
}

func TestWaitSkipsWhatIsCovered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push(bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor)))
	h.run("messages:send", `{"author":"ada"}`)
	wider := strings.Replace(withAuthor, `"body"`, `"more":{"fieldType":{"type":"any"},"optional":true},"body"`, 1)
	r := bundleOf(module("messages.js", messages)).withSchema(table("messages", wider))
	e, err := h.EvaluateSchema(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Evaluations[""].Tables[0]; got.Outcome != "supersetOfEnforced" {
		t.Errorf("wider: %+v", got)
	}
	h.push(r)
	e, err = h.EvaluateSchema(t.Context(), bundleOf().withSchema(table("messages", withAuthor, "by_author: author")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); !strings.Contains(got, `"outcome":"mustWalk","numDocs":1,"sizeBytes":`) ||
		!strings.Contains(got, `"indexes":[{"name":"messages.by_author","type":"database","fields":["author"],"change":"added","needsBackfill":true,"numDocs":1}]`) {
		t.Errorf("narrower: %s", got)
	}
}

func TestWaitTimesOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 700 {
		h.insert("messages", `{"author":"ada"}`)
	}
	p := h.start(bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author")))
	ms := 0.0
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	st, err := h.WaitForSchema(ctx, &WaitRequest{SchemaChange: p.SchemaChange, TimeoutMS: &ms})
	if err != nil {
		t.Fatal(st, err)
	}
	if st.Type == StatusInProgress && st.Components[""].IndexesTotal != 1 {
		t.Errorf("status %+v", st)
	}
	if st := h.wait(p); st.Type != StatusComplete {
		t.Errorf("status %+v", st)
	}
}

func TestFinishIndexes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push(bundleOf(module("messages.js", messages)).withSchema(table("messages", anything, "by_author: author", "by_old: old")))
	h.run("messages:send", `{"author":"ada","body":"hi"}`)
	indexes := func() string {
		var list []string
		if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			for _, ix := range tx.Indexes("messages") {
				list = append(list, fmt.Sprintf("%s%v=%s", ix.Name, ix.Fields, ix.State))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return strings.Join(list, " ")
	}
	if got := indexes(); got != "by_author[author]=enabled by_old[old]=enabled" {
		t.Fatal(got)
	}
	// Other fields under the same name: the live index answers until the push is finished.
	r := bundleOf(module("messages.js", messages)).withSchema(table("messages", anything, "by_author: author, body", "by_body: body"))
	p := h.start(r)
	d := p.SchemaChange.IndexDiffs[""]
	if len(d.Added) != 2 || len(d.Removed) != 2 {
		t.Errorf("diff %+v", d)
	}
	if st := h.wait(p); st.Type != StatusComplete {
		t.Fatalf("status %+v", st)
	}
	if got := h.run("messages:byAuthor", `{"author":"ada"}`); !strings.Contains(got, `"body":"hi"`) {
		t.Errorf("while waiting: %s", got)
	}
	h.run("messages:send", `{"author":"ada","body":"there"}`)
	if _, err := h.finish(p); err != nil {
		t.Fatal(err)
	}
	if got := h.run("messages:byAuthor", `{"author":"ada"}`); strings.Count(got, "_id") != 2 {
		t.Errorf("afterwards: %s", got)
	}
	if got := indexes(); got != "by_author[author body]=enabled by_body[body]=enabled" {
		t.Error(got)
	}
	// Staging disables, removing drops, unstaging enables without building again.
	staged := func(state string) *StartPushRequest {
		return bundleOf(module("messages.js", messages)).withSchema(`[{"tableName":"messages","documentType":{"type":"any"},` + state + `}]`)
	}
	diff := h.push(staged(`"indexes":[],"stagedDbIndexes":[{"indexDescriptor":"by_body","fields":["body"]}]`))
	if d := diff.ComponentDiffs[""].IndexDiff; len(d.Disabled) != 1 || len(d.Removed) != 1 || len(d.Added) != 0 {
		t.Errorf("staging: %+v", d)
	}
	if got := indexes(); got != "by_body[body]=staged" {
		t.Error(got)
	}
	diff = h.push(staged(`"indexes":[{"indexDescriptor":"by_body","fields":["body"]}]`))
	if d := diff.ComponentDiffs[""].IndexDiff; len(d.Enabled) != 1 || len(d.Added)+len(d.Removed) != 0 {
		t.Errorf("unstaging: %+v", d)
	}
	if got := indexes(); got != "by_body[body]=enabled" {
		t.Error(got)
	}
	h.push(bundleOf(module("messages.js", messages)))
	if got := indexes(); got != "" {
		t.Errorf("without a schema: %s", got)
	}
	if got := h.run("messages:list", "{}"); strings.Count(got, "_id") != 2 {
		t.Errorf("documents: %s", got)
	}
}

func TestFinishSearchIndexes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push(bundleOf(module("messages.js", messages)))
	h.run("messages:send", `{"author":"ada","body":"hi"}`)
	of := func(lists string) *StartPushRequest {
		return bundleOf(module("messages.js", messages)).withSchema(`[{"tableName":"messages","documentType":{"type":"any"},"indexes":[],` + lists + `}]`)
	}
	search := func(filters string) string {
		return `[{"indexDescriptor":"s","searchField":"body","filterFields":[` + filters + `]}]`
	}
	vector := func(dimensions int) string {
		return fmt.Sprintf(`[{"indexDescriptor":"v","vectorField":"e","dimensions":%d,"filterFields":["author"]}]`, dimensions)
	}
	for _, c := range []struct{ name, lists, diff, indexes string }{
		{
			"added", `"searchIndexes":` + search("") + `,"vectorIndexes":` + vector(3),
			`"added_indexes":[{"name":"messages.s","type":"search","searchField":"body","filterFields":[]},` +
				`{"name":"messages.v","type":"vector","vectorField":"e","dimensions":3,"filterFields":["author"]}],"removed_indexes":[]`,
			"s[body]=enabled v[e author]=enabled",
		}, {
			"changed", `"searchIndexes":` + search(`"author"`) + `,"vectorIndexes":` + vector(4),
			`"removed_indexes":[{"name":"messages.s","type":"search","searchField":"body","filterFields":[]},` +
				`{"name":"messages.v","type":"vector","vectorField":"e","dimensions":3,"filterFields":["author"]}]`,
			"s[body author]=enabled v[e author]=enabled",
		}, {
			"staged", `"stagedSearchIndexes":` + search(`"author"`) + `,"searchIndexes":[],"stagedVectorIndexes":` + vector(4) + `,"vectorIndexes":[]`,
			`"added_indexes":[],"removed_indexes":[],"enabled_indexes":[],"disabled_indexes":[{"name":"messages.s"`,
			"s[body author]=staged v[e author]=staged",
		}, {
			"enabled", `"searchIndexes":` + search(`"author"`) + `,"vectorIndexes":` + vector(4),
			`"added_indexes":[],"removed_indexes":[],"enabled_indexes":[{"name":"messages.s"`,
			"s[body author]=enabled v[e author]=enabled",
		}, {
			"a database index in its place", `"searchIndexes":[],"vectorIndexes":[],"stagedDbIndexes":[{"indexDescriptor":"s","fields":["body","author"]}]`,
			`"added_indexes":[{"name":"messages.s","type":"database","fields":["body","author"],"staged":true}],"removed_indexes":[{"name":"messages.s","type":"search"`,
			"s[body author]=staged",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(h.push(of(c.lists)).ComponentDiffs[""].IndexDiff)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), c.diff) {
				t.Errorf("diff %s\nlacks %s", text, c.diff)
			}
			var list []string
			if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
				for _, ix := range tx.Indexes("messages") {
					list = append(list, fmt.Sprintf("%s%v=%s", ix.Name, ix.Fields, ix.State))
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(list, " "); got != c.indexes {
				t.Errorf("indexes %s, not %s", got, c.indexes)
			}
		})
	}
}

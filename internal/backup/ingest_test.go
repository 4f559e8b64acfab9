package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// records sends a batch, given as JSON.
func (h *house) records(body string) error {
	h.Helper()
	var in Ingest
	if err := json.Unmarshal([]byte(body), &in); err != nil {
		h.Fatal(err)
	}
	return h.AddRecords(h.Context(), in)
}

// code is that of an error for callers.
func code(err error) string {
	if e, ok := apierr.As(err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestStreamingImport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	keys := map[string][]FieldPath{"users": {{"id"}, {"of", "org"}}}
	for range 2 { // the second time there is nothing to do
		if err := h.AddPrimaryKeys(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
	}
	if ready, err := h.PrimaryKeysReady(t.Context(), []string{"users"}); err != nil || !ready {
		t.Fatalf("the index of an empty table: %v, %v", ready, err)
	}
	const tables = `"tables":{"users":{"primaryKey":[["id"],["of","org"]],"jsonSchema":{}},"events":{"jsonSchema":{}}}`
	err := h.records(`{` + tables + `,"messages":[
		{"tableName":"users","data":{"id":1,"of":{"org":"a"},"n":"first"}},
		{"tableName":"users","data":{"id":1,"of":{"org":"b"},"n":"other"}},
		{"tableName":"events","data":{"at":1}},
		{"tableName":"users","data":{"id":1,"of":{"org":"a"},"n":"second"}},
		{"tableName":"events","data":{"at":1}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	before := h.rows("users")
	if err := h.records(`{` + tables + `,"messages":[{"tableName":"users","data":{"id":1,"of":{"org":"a"},"n":"third"}}]}`); err != nil {
		t.Fatal(err)
	}
	if got, want := h.bare("users"), []string{`{"id":1,"n":"other","of":{"org":"b"}}`, `{"id":1,"n":"third","of":{"org":"a"}}`}; !slices.Equal(got, want) {
		t.Errorf("users: %s", got)
	}
	if after := h.rows("users"); len(before) != 2 || strings.Count(after[0]+after[1], rowID(t, before[0])) != 1 || strings.Count(after[0]+after[1], rowID(t, before[1])) != 1 {
		t.Errorf("a record that was replaced has another id: %s, %s", before, after)
	}
	if got := h.bare("events"); len(got) != 2 {
		t.Errorf("events: %s", got)
	}

	for range 3 { // more than fit into one transaction of clearing
		var messages []string
		for n := range batchDocuments - 1 {
			messages = append(messages, fmt.Sprintf(`{"tableName":"events","data":{"at":%d}}`, n))
		}
		if err := h.records(`{` + tables + `,"messages":[` + strings.Join(messages, ",") + `]}`); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.rows("events")); n != 2+3*(batchDocuments-1) {
		t.Errorf("%d events", n)
	}
	if err := h.ClearTables(t.Context(), []string{"events", "neverSeen"}); err != nil {
		t.Fatal(err)
	}
	if len(h.rows("events")) != 0 || len(h.rows("users")) != 2 {
		t.Errorf("after clearing: %s, %s", h.rows("events"), h.rows("users"))
	}
}

// rowID is the id of a row.
func rowID(t *testing.T, row string) string {
	t.Helper()
	var d struct {
		ID string `json:"_id"`
	}
	if err := json.Unmarshal([]byte(row), &d); err != nil || d.ID == "" {
		t.Fatal(row, err)
	}
	return d.ID
}

func TestStreamingImportBuildsIndexes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.insert("users", `{"id":1.0,"n":"old"}`, `{"id":2.0,"n":"old"}`)
	if err := h.AddPrimaryKeys(t.Context(), map[string][]FieldPath{"users": {{"n"}}}); err != nil {
		t.Fatal(err)
	}
	if err := h.AddPrimaryKeys(t.Context(), map[string][]FieldPath{"users": {{"id"}}}); err != nil { // of other fields
		t.Fatal(err)
	}
	if ready, err := h.PrimaryKeysReady(t.Context(), []string{"users"}); err != nil || ready {
		t.Fatalf("an index that nobody builds is ready: %v, %v", ready, err)
	}
	const one = `{"tables":{"users":{"primaryKey":[["id"]]}},"messages":[{"tableName":"users","data":{"id":1,"n":"new"}}]}`
	if err := h.records(one); code(err) != "PrimaryKeyIndexNotReady" {
		t.Errorf("a record for an index that is being built: %v", err)
	}
	h.runUntil(func() bool {
		ready, err := h.PrimaryKeysReady(t.Context(), []string{"users"})
		if err != nil {
			t.Fatal(err)
		}
		return ready
	})
	if err := h.records(one); err != nil {
		t.Fatal(err)
	}
	if got, want := h.bare("users"), []string{`{"id":1,"n":"new"}`, `{"id":2,"n":"old"}`}; !slices.Equal(got, want) {
		t.Errorf("users: %s", got)
	}
}

func TestStreamingImportRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.schema(`{"tables":[{"tableName":"strict","indexes":[],"documentType":{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":false}}}}],"schemaValidation":true}`)
	if err := h.AddPrimaryKeys(t.Context(), map[string][]FieldPath{"users": {{"id"}}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, body, code string }{
		{"a table of the system", `{"tables":{"_storage":{}},"messages":[]}`, "InvalidTableName"},
		{"a name that is none", `{"tables":{"a-b":{}},"messages":[]}`, "InvalidIdentifier"},
		{"no such stream", `{"tables":{},"messages":[{"tableName":"a","data":{}}]}`, "UnknownStream"},
		{"no index", `{"tables":{"a":{"primaryKey":[["id"]]}},"messages":[{"tableName":"a","data":{"id":1}}]}`, "PrimaryKeyIndexMissing"},
		{"an index of other fields", `{"tables":{"users":{"primaryKey":[["n"]]}},"messages":[{"tableName":"users","data":{"n":1}}]}`, "PrimaryKeyIndexMissing"},
		{"no key", `{"tables":{"users":{"primaryKey":[["id"]]}},"messages":[{"tableName":"users","data":{"n":1}}]}`, "PrimaryKeyMissing"},
		{"an empty path", `{"tables":{"users":{"primaryKey":[[]]}},"messages":[]}`, "InvalidPrimaryKey"},
		{"a field twice", `{"tables":{"users":{"primaryKey":[["id"],["id"]]}},"messages":[]}`, "InvalidPrimaryKey"},
		{"no document", `{"tables":{"a":{}},"messages":[{"tableName":"a","data":{}},{"tableName":"a","data":3}]}`, "ImportFailed"},
		{"against the schema", `{"tables":{"strict":{},"a":{}},"messages":[{"tableName":"a","data":{}},{"tableName":"strict","data":{"n":"x"}}]}`, "SchemaEnforcementError"},
	} {
		if err := h.records(tt.body); code(err) != tt.code {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := h.records(`{"tables":{"strict":{}},"messages":[{"tableName":"strict","data":{"n":1}}]}`); err != nil {
		t.Error(err)
	}
	if got := h.rows("a"); len(got) != 0 {
		t.Errorf("a batch that was refused left %s", got)
	}
	if _, err := h.PrimaryKeysReady(t.Context(), []string{"a"}); code(err) != "PrimaryKeyIndexMissing" {
		t.Error(err)
	}
	if err := h.ClearTables(t.Context(), []string{"_storage"}); code(err) != "InvalidTableName" {
		t.Error(err)
	}
}

// runUntil lets the database work in the background until something holds.
func (h *house) runUntil(holds func() bool) {
	h.Helper()
	ctx, stop := context.WithCancel(h.Context())
	done := make(chan error, 1)
	go func() { done <- h.DB.Run(ctx) }()
	for !holds() {
		// The database says nothing when it is done; asking gives it its turn.
		if _, err := h.DB.Update(h.Context(), func(tx *database.Tx) error { return nil }); err != nil {
			h.Fatal(err)
		}
	}
	stop()
	<-done
}

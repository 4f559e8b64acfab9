package backup

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// walk walks a snapshot and gives its documents, and its timestamp.
func (h *house) walk(f StreamFilter) (all []json.RawMessage, p *StreamPage) {
	h.Helper()
	p = &StreamPage{HasMore: true}
	for p.HasMore {
		next, err := h.ListSnapshot(h.Context(), p.Snapshot, p.Cursor, f)
		if err != nil {
			h.Fatal(err)
		}
		if p.Snapshot != 0 && next.Snapshot != p.Snapshot {
			h.Errorf("snapshot %d became %d", p.Snapshot, next.Snapshot)
		}
		p = next
		all = append(all, p.Values...)
		h.insert("a", `{"late":true}`) // which is not seen
	}
	return all, p
}

func TestStreamingExport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for n := range 2*snapshotPage + 3 {
		h.insert("a", fmt.Sprintf(`{"n":%d,"i":{"$integer":"AQAAAAAAAAA="}}`, n))
	}
	b := h.insert("b", `{"n":1}`, `{"n":2}`)
	all, p := h.walk(StreamFilter{})
	seen := map[string]bool{}
	for _, v := range all {
		var d struct {
			ID        string  `json:"_id"`
			Table     string  `json:"_table"`
			Component *string `json:"_component"`
			TS        int64   `json:"_ts"`
			I         any     `json:"i"`
			Late      bool
		}
		if err := json.Unmarshal(v, &d); err != nil || d.Late || d.Component == nil || d.TS == 0 || d.Table == "a" && d.I != "1" || seen[d.ID] {
			t.Fatalf("%s: %v", v, err)
		}
		seen[d.ID] = true
	}
	if len(all) != 2*snapshotPage+5 {
		t.Errorf("%d documents", len(all))
	}
	if only, _ := h.walk(StreamFilter{Table: "b"}); len(only) != 2 {
		t.Errorf("table b has %s", only)
	}

	// What changed since.
	h.update(func(tx *database.Tx) error {
		if err := tx.Delete(t.Context(), b[0]); err != nil {
			return err
		}
		return tx.Replace(t.Context(), b[1], fields("n", value.Float64(3)))
	})
	d, err := h.Deltas(t.Context(), p.Snapshot, StreamFilter{Table: "b"})
	if err != nil || len(d.Values) != 2 || d.HasMore || d.Through != h.DB.Latest() {
		t.Fatalf("changes %+v, %v", d, err)
	}
	text := string(d.Values[0]) + string(d.Values[1])
	for _, part := range []string{`"_deleted":true,"_table":"b","_ts":`, `"_id":"` + b[0].String() + `"}`, `"_deleted":false`, `"n":3}`} {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %s", text, part)
		}
	}
	if d, err := h.Deltas(t.Context(), d.Through, StreamFilter{}); err != nil || len(d.Values) != 0 || d.HasMore {
		t.Errorf("then %+v, %v", d, err)
	}
	// In pages, which together are everything.
	h.good(ImportOptions{Mode: Append, Format: formatJSONLines, Table: "b"}, lines(0, 3*deltaPage))
	n, after := 0, d.Through
	for more := true; more; {
		d, err := h.Deltas(t.Context(), after, StreamFilter{})
		if err != nil {
			t.Fatal(err)
		}
		n, after, more = n+len(d.Values), d.Through, d.HasMore
	}
	if n != 3*deltaPage {
		t.Errorf("%d changes", n)
	}
	// An import that replaces cannot be told one by one.
	h.good(ImportOptions{Mode: Replace, Format: formatJSONLines, Table: "b"}, lines(0, 1))
	if _, err := h.Deltas(t.Context(), after, StreamFilter{}); !hasCode(err, "TableReplaced") {
		t.Errorf("after a replacement: %v", err)
	}
	if _, err := h.Deltas(t.Context(), h.DB.Latest(), StreamFilter{}); err != nil {
		t.Errorf("from then on: %v", err)
	}
	if err := h.DB.Prune(t.Context(), h.DB.Latest()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Deltas(t.Context(), p.Snapshot, StreamFilter{}); !hasCode(err, "DeltaCursorTooOld") {
		t.Errorf("of a time that is forgotten: %v", err)
	}
	if _, err := h.ListSnapshot(t.Context(), p.Snapshot, "", StreamFilter{}); !hasCode(err, "SnapshotTooOld") {
		t.Errorf("a snapshot that is forgotten: %v", err)
	}
	if _, err := h.Deltas(t.Context(), h.DB.Latest()+1, StreamFilter{}); !hasCode(err, "InvalidCursor") {
		t.Errorf("of the future: %v", err)
	}
}

// hasCode tells whether an error is one that callers see by a code.
func hasCode(err error, code string) bool {
	e, ok := apierr.As(err)
	return ok && e.Code == code
}

func TestJSONSchemas(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.schema(`{"schemaValidation":true,"tables":[{"tableName":"a","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"object","value":{` +
		`"i":{"fieldType":{"type":"bigint"},"optional":false},"u":{"fieldType":{"type":"union","value":[{"type":"null"},{"type":"array","value":{"type":"id","tableName":"b"}}]},"optional":true}}}}]}`)
	h.insert("a", `{"i":{"$integer":"AQAAAAAAAAA="}}`)
	h.insert("b", `{}`)
	got, err := h.JSONSchemas(t.Context(), true, false)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"i":{"$description":"Integer as a decimal string","type":"string"}`, `"anyOf":[{"type":"null"},{"items":{"$description":"Id(b)","type":"string"},"type":"array"}]`, `"_deleted":{"type":"boolean"}`, `"required":["i","_id","_creationTime"]`} {
		if !strings.Contains(string(b), part) {
			t.Errorf("%s lacks %s", b, part)
		}
	}
	if len(got) != 2 {
		t.Errorf("tables %s", b)
	}
}

// FuzzStreamCursor holds that cursors of any text are read or refused.
func FuzzStreamCursor(f *testing.F) {
	f.Add("")
	f.Add((&streamCursor{"mail", "t", []byte{1, 2}}).text())
	f.Add("e30")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseStreamCursor(s)
		if err != nil {
			if !hasCode(err, "InvalidCursor") {
				t.Fatal(err)
			}
			return
		}
		again, err := parseStreamCursor(c.text())
		if err != nil || again.Table != c.Table || string(again.Key) != string(c.Key) {
			t.Fatalf("%+v came back as %+v, %v", c, again, err)
		}
	})
}

package backup

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// mirror is what a reader of a data sync holds.
type mirror struct {
	h      *house
	sel    *Selection
	cursor string
	id     string
	docs   map[string]map[string]string // by table and id
}

// read takes a page in and gives its status.
func (m *mirror) read() string {
	m.h.Helper()
	p, err := m.h.Sync(m.h.Context(), m.cursor, m.sel)
	if err != nil {
		m.h.Fatal(err)
	}
	if m.id != "" && p.ID != m.id {
		m.h.Errorf("sync %s became %s", m.id, p.ID)
	}
	m.cursor, m.id = p.Cursor, p.ID
	for _, t := range p.Truncates {
		m.docs[t.Table] = map[string]string{}
	}
	for _, v := range p.Values {
		var d struct {
			Component, Table string
			TS               int64
			Deleted          bool
			Value            json.RawMessage
		}
		if err := json.Unmarshal(v, &d); err != nil || d.TS == 0 || m.docs[d.Table] == nil {
			m.h.Fatalf("%s: %v", v, err)
		}
		id := rowID(m.h.T, string(d.Value))
		if m.docs[d.Table][id] = string(d.Value); d.Deleted {
			delete(m.docs[d.Table], id)
		}
	}
	return p.Status.Type
}

// same holds that the mirror shows what a table has.
func (m *mirror) same(table string) {
	m.h.Helper()
	want := map[string]string{}
	for _, row := range m.h.rows(table) {
		want[rowID(m.h.T, row)] = ""
	}
	have := map[string]string{}
	for id := range m.docs[table] {
		have[id] = ""
	}
	if !maps.Equal(have, want) {
		m.h.Errorf("of %s %d documents were read, and there are %d", table, len(have), len(want))
	}
}

func TestDataSync(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for n := range snapshotPage + 5 {
		h.insert("a", fmt.Sprintf(`{"n":%d}`, n))
	}
	ids := h.insert("b", `{"n":1,"secret":true}`, `{"n":2}`)
	h.insert("hidden", `{}`)
	m := &mirror{h: h, sel: new(Selection), docs: map[string]map[string]string{"a": {"stray": ""}}}
	if err := json.Unmarshal([]byte(`{"_other":"excluded","":{"_other":"included","hidden":"excluded","b":{"_other":"included","secret":"excluded"}}}`), m.sel); err != nil {
		t.Fatal(err)
	}
	if got := m.read(); got != "snapshotting" {
		t.Errorf("at first: %s", got)
	}
	h.insert("a", `{"late":true}`)
	h.update(func(tx *database.Tx) error { return tx.Delete(t.Context(), ids[1]) })
	for m.read() != "upToDate" {
	}
	m.same("a")
	m.same("b")
	if _, ok := m.docs["hidden"]; ok {
		t.Error("a table that is not selected was to be emptied")
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(m.docs["b"][ids[0].String()]), &first); err != nil || first["n"] != 1.0 || first["secret"] != nil {
		t.Errorf("%v: %v", first, err)
	}

	// More changes than fit into a page.
	from := h.DB.Latest()
	for range 2 {
		h.update(func(tx *database.Tx) error {
			for range deltaPage {
				if _, err := tx.Insert(t.Context(), "a", fields()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	other := &mirror{h: h, sel: m.sel, docs: maps.Clone(m.docs)}
	if got := m.read(); got != "stale" {
		t.Errorf("with more to read: %s", got)
	}
	for m.read() != "upToDate" {
	}
	m.same("a")

	// A reader of deltas goes on as one of a sync.
	other.docs["a"] = map[string]string{}
	var err error
	if other.cursor, err = h.SyncCursor(from, m.sel); err != nil {
		t.Fatal(err)
	}
	for other.read() != "upToDate" {
	}
	if n := len(other.docs["a"]); n != 2*deltaPage {
		t.Errorf("%d changes after deltas", n)
	}

	everything := &Selection{below: map[string]*Selection{"_other": {in: true}}}
	if _, err := h.Sync(t.Context(), m.cursor, everything); code(err) != "SelectionChanged" {
		t.Errorf("another selection: %v", err)
	}
	h.update(func(tx *database.Tx) error { return tx.RetireTable(t.Context(), "a") })
	if _, err := h.Sync(t.Context(), m.cursor, m.sel); code(err) != "SyncCursorExpired" {
		t.Errorf("a table went: %v", err)
	}
	for _, bad := range []string{"x", "e30", "bnVsbA"} {
		if _, err := h.Sync(t.Context(), bad, m.sel); code(err) != "InvalidCursor" {
			t.Errorf("cursor %s: %v", bad, err)
		}
	}
	if _, err := h.SyncCursor(persistence.Timestamp(1<<62), m.sel); code(err) != "InvalidCursor" {
		t.Error(err)
	}
}

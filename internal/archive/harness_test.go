package archive

import (
	"bytes"
	"context"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// row is a document of the model.
type row struct {
	n    int
	text string
}

// moment of the model: what was there from a commit on.
type state struct {
	ts    persistence.Timestamp
	rows  map[value.ID]row
	blobs map[string]string // by key; those that a row would name
}

// testStore is a store of a testHouse with its whole history.
type testStore struct {
	name    string
	db      *database.DB
	blobs   *blob.Dir
	history []state
	removed persistence.Timestamp // 0: it is there
	told    persistence.Timestamp // through of the segment that says that it was removed
	opened  int64
	closed  bool
	used    int
	use     func() error // called when somebody wants access; nil for nothing
}

// at is what the model says of a moment; nil if there was no store.
func (s *testStore) at(ts persistence.Timestamp) (found *state) {
	if s.removed != 0 && ts >= s.removed {
		return nil
	}
	for i := range s.history {
		if s.history[i].ts <= ts {
			found = &s.history[i]
		}
	}
	return found
}

// testHouse is a house of stores in memory.
type testHouse struct {
	t      *testing.T
	dir    string
	stores []*testStore
	files  []File
	mute   error // why it cannot tell what stores there are
}

// newHouse makes a house without stores.
func newHouse(t *testing.T) *testHouse {
	return &testHouse{t: t, dir: t.TempDir(), files: []File{{"keyring", time.Now(), []byte("ring 0")}}}
}

// table is where the rows of all stores are.
const table = "rows"

// add makes a store.
func (h *testHouse) add(name string) *testStore {
	h.t.Helper()
	db, err := database.Open(h.t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		h.t.Fatal(err)
	}
	s := &testStore{name: name, db: db, opened: 1}
	if s.blobs, err = blob.OpenDir(filepath.Join(h.dir, name)); err != nil {
		h.t.Fatal(err)
	}
	if err := db.EnsureTables(h.t.Context(), []database.TableDef{{Name: table, Indexes: []database.IndexDef{{Name: "by_n", Fields: []string{"n"}}}}}); err != nil {
		h.t.Fatal(err)
	}
	s.history = append(s.history, state{db.Latest(), map[value.ID]row{}, map[string]string{}})
	h.stores = append(h.stores, s)
	return s
}

// commit changes the store and the model.
func (s *testStore) commit(t *testing.T, change func(tx *database.Tx, m *state)) persistence.Timestamp {
	t.Helper()
	last := s.history[len(s.history)-1]
	var now state
	ts, err := s.db.Update(t.Context(), func(tx *database.Tx) error {
		now = state{0, maps.Clone(last.rows), maps.Clone(last.blobs)}
		change(tx, &now)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	now.ts = ts
	s.history = append(s.history, now)
	return ts
}

// object is a row as a document.
func (r row) object() value.Object {
	return value.NewObject(map[string]value.Value{"n": value.Float64(r.n), "text": value.String(r.text)})
}

// put inserts or replaces a row; a zero id inserts.
func (s *testStore) put(t *testing.T, id value.ID, r row) value.ID {
	t.Helper()
	s.commit(t, func(tx *database.Tx, m *state) {
		var err error
		if id == (value.ID{}) {
			id, err = tx.Insert(t.Context(), table, r.object())
		} else {
			err = tx.Replace(t.Context(), id, r.object())
		}
		if err != nil {
			t.Fatal(err)
		}
		m.rows[id] = r
	})
	return id
}

// remove deletes a row.
func (s *testStore) remove(t *testing.T, id value.ID) {
	t.Helper()
	s.commit(t, func(tx *database.Tx, m *state) {
		if err := tx.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		delete(m.rows, id)
	})
}

// upload stores a blob, and commits afterwards, as the house does.
func (s *testStore) upload(t *testing.T, key, text string) {
	t.Helper()
	if _, _, err := s.blobs.Put(t.Context(), key, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	s.commit(t, func(tx *database.Tx, m *state) {
		if _, err := tx.Insert(t.Context(), "uploads", value.NewObject(map[string]value.Value{"key": value.String(key)})); err != nil {
			t.Fatal(err)
		}
		m.blobs[key] = text
	})
}

// unload commits that a blob is not wanted any more, and removes it then.
func (s *testStore) unload(t *testing.T, key string) {
	t.Helper()
	s.commit(t, func(tx *database.Tx, m *state) {
		if _, err := tx.Insert(t.Context(), "unloads", value.NewObject(map[string]value.Value{"key": value.String(key)})); err != nil {
			t.Fatal(err)
		}
		delete(m.blobs, key)
	})
	if err := s.blobs.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

// ID is part of House.
func (h *testHouse) ID() string { return "the house of the test" }

// Files is part of House.
func (h *testHouse) Files(context.Context) ([]File, error) { return slices.Clone(h.files), nil }

// Stores is part of House.
func (h *testHouse) Stores(context.Context, persistence.Timestamp) (list []Store, err error) {
	if h.mute != nil {
		return nil, h.mute
	}
	for _, s := range h.stores {
		if s.removed == 0 {
			st := Store{Name: s.name, Open: !s.closed, Opened: s.opened, Use: func(context.Context) (*Access, error) {
				s.used++
				if s.use != nil {
					if err := s.use(); err != nil {
						return nil, err
					}
				}
				return &Access{DB: s.db, Blobs: s.blobs, Release: func() {}}, nil
			}}
			if s.closed {
				st.Newest = s.db.Latest()
			}
			list = append(list, st)
		}
	}
	return list, nil
}

// archiver opens one over a depot, as after a start of the process.
func (h *testHouse) archiver(d depot.Depot, key []byte) *Archiver {
	h.t.Helper()
	a := &Archiver{House: h, Depot: d, Key: key, StateFile: filepath.Join(h.dir, "backup.json"), Follow: true, Rate: -1}
	if err := a.prepare(); err != nil {
		h.t.Fatal(err)
	}
	return a
}

// memorySite restores into memory.
type memorySite struct {
	stores map[string]*kept
	blobs  map[string]*blob.Memory
	files  map[string]string
	check  func(map[string][]byte) error
}

// kept is a store in memory that outlives its closing.
type kept struct{ persistence.Store }

// Close keeps it.
func (kept) Close() error { return nil }

// Check is part of Site.
func (m *memorySite) Check(files map[string][]byte) error {
	if m.check != nil {
		return m.check(files)
	}
	return nil
}

// Store is part of Site.
func (m *memorySite) Store(name string) (persistence.Store, error) {
	if m.stores[name] == nil {
		m.stores[name] = &kept{persistence.NewMemory()}
	}
	return m.stores[name], nil
}

// Blobs is part of Site.
func (m *memorySite) Blobs(name string) (blob.Store, error) {
	if m.blobs[name] == nil {
		m.blobs[name] = blob.NewMemory()
	}
	return m.blobs[name], nil
}

// File is part of Site.
func (m *memorySite) File(name string, content []byte) error {
	m.files[name] = string(content)
	return nil
}

// Remove is part of Site.
func (m *memorySite) Remove(name string) error {
	delete(m.stores, name)
	delete(m.blobs, name)
	return nil
}

// newSite is an empty one.
func newSite() *memorySite {
	return &memorySite{stores: map[string]*kept{}, blobs: map[string]*blob.Memory{}, files: map[string]string{}}
}

// restoreAt restores a moment.
func restoreAt(t *testing.T, d depot.Depot, key []byte, ts persistence.Timestamp) (*memorySite, *Restored) {
	t.Helper()
	site := newSite()
	out, err := Restore(t.Context(), d, key, ts.Time(), site, nil)
	if err != nil {
		t.Fatalf("restore %d: %v", ts, err)
	}
	return site, out
}

// contentsOf reads a store as an app would, by index, and each row by its id too.
func contentsOf(t *testing.T, db *database.DB, at persistence.Timestamp) (rows map[value.ID]row, order []value.ID) {
	t.Helper()
	rows = map[value.ID]row{}
	tx, err := db.BeginAt(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []string{"by_n", database.ByCreationTime} {
		c := tx.Scan(table, index, database.Interval{}, database.Asc)
		for {
			d, err := c.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d == nil {
				break
			}
			n, _ := d.Object().Get("n")
			text, _ := d.Object().Get("text")
			again, err := tx.Get(t.Context(), d.ID)
			if err != nil || again == nil {
				t.Errorf("%s is in the index and not in the table: %v", d.ID, err)
			}
			rows[d.ID] = row{int(n.(value.Float64)), string(text.(value.String))}
			order = append(order, d.ID)
		}
		c.Close()
	}
	return rows, order
}

// compare holds a restored site against the model at a moment.
func (h *testHouse) compare(site *memorySite, ts persistence.Timestamp) {
	h.t.Helper()
	for _, s := range h.stores {
		want, store := s.at(ts), site.stores[s.name]
		if want == nil || store == nil {
			if want != nil {
				h.t.Errorf("%s is not restored", s.name)
			}
			if store != nil && s.removed != 0 && ts >= s.told {
				h.t.Errorf("%s was removed, and is restored", s.name)
			}
			continue
		}
		db, err := database.Open(h.t.Context(), database.Options{Store: store})
		if err != nil {
			h.t.Fatal(err)
		}
		rows, order := contentsOf(h.t, db, db.Latest())
		_, before := contentsOf(h.t, s.db, want.ts)
		if diff := cmp.Diff(want.rows, rows, cmp.AllowUnexported(row{})); diff != "" {
			h.t.Errorf("%s at %d (want, got):\n%s", s.name, ts, diff)
		}
		if !slices.Equal(order, before) {
			h.t.Errorf("%s: the indexes have another order", s.name)
		}
		newest, err := persistence.Newest(h.t.Context(), store)
		if err != nil || newest > want.ts { // it is less after a deletion, of which a base does not tell
			h.t.Errorf("%s: newest commit %d, want %d, %v", s.name, newest, want.ts, err)
		}
		if last := s.history[len(s.history)-1].ts; db.Latest() < last {
			h.t.Errorf("%s: begins at %d, when %d had been seen", s.name, db.Latest(), last)
		}
		for key, text := range want.blobs {
			var b []byte
			var err error = blob.ErrNotFound
			if site.blobs[s.name] != nil {
				b, err = site.blobs[s.name].Get(h.t.Context(), key)
			}
			if err != nil || string(b) != text {
				h.t.Errorf("%s: blob %s = %q, %v", s.name, key, b, err)
			}
		}
	}
}

// openStore opens a database over a restored store.
func openStore(t *testing.T, store persistence.Store) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// nothing is a settle of a house where nothing else goes on.
func nothing(context.Context) error { return nil }

// memoryDepot opens a depot in a directory of the test.
func memoryDepot(t *testing.T) depot.Depot {
	t.Helper()
	d, err := depot.Open(t.TempDir(), func(string) string { return "" }, true)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// first opens an archiver and makes the first base.
func (h *testHouse) first(a *Archiver) {
	h.t.Helper()
	ctx := h.t.Context()
	if err := a.open(ctx); err != nil {
		h.t.Fatal(err)
	}
	h.base(a, true)
}

// base makes a base.
func (h *testHouse) base(a *Archiver, fresh bool) {
	h.t.Helper()
	j, err := a.begin(h.t.Context(), fresh)
	if err != nil {
		h.t.Fatal(err)
	}
	defer j.end()
	if _, err := a.base(h.t.Context(), j); err != nil {
		h.t.Fatal(err)
	}
}

// ship writes a segment.
func (h *testHouse) ship(a *Archiver) {
	h.t.Helper()
	if err := a.ship(h.t.Context(), true); err != nil {
		h.t.Fatal(err)
	}
}

// readAll reads an object of a depot as it lies there.
func readAll(t *testing.T, d depot.Depot, name string) []byte {
	t.Helper()
	r, err := d.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write puts an object as it is.
func write(t *testing.T, d depot.Depot, name string, b []byte) {
	t.Helper()
	if _, err := d.Put(t.Context(), name, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
}

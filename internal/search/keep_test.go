package search

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// vectorIndex is a vector index of the tests.
var vectorIndex = database.Searched{Kind: database.Vector, Field: "e", Filters: []string{"channel"}, Dimensions: 3}

// fill writes some documents with texts and vectors.
func (h *house) fill(words ...string) {
	h.update(func(tx *database.Tx) error {
		for i, w := range words {
			_, err := tx.Insert(h.Context(), "t", value.NewObject(map[string]value.Value{
				"body": value.String(w), "e": value.Array{value.Float64(i), value.Float64(1), value.Float64(0)},
			}))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// index finds an index that is loaded.
func (h *house) index(name string) *index {
	h.Helper()
	tx, err := h.db.Begin(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	for _, ix := range tx.Indexes("t") {
		if ix.Name == name {
			x, err := h.s.at(h.Context(), ix, tx.Snapshot())
			if err != nil {
				h.Fatal(err)
			}
			return x
		}
	}
	h.Fatal("no index " + name)
	return nil
}

// found is what a search for "word" and one for the nearest vector find now.
func (h *house) found() (texts, nearest int) {
	h.Helper()
	tx, err := h.db.Begin(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	ix, _, err := tx.SearchIndex("t", "near", database.Vector)
	if err != nil {
		h.Fatal(err)
	}
	hits, err := h.s.Vectors(h.Context(), tx, ix, VectorQuery{Vector: []float32{2, 1, 0}, Limit: 1})
	if err != nil {
		h.Fatal(err)
	}
	docs, err := tx.Found(h.Context(), []value.ID{{Table: ix.Number, Internal: hits[0].ID}})
	if err != nil {
		h.Fatal(err)
	}
	return len(h.ids(tx, TextQuery{Text: "word"})), int(value.Path(docs[0].Object(), "e").(value.Array)[0].(value.Float64))
}

// journal keeps what a service logs.
type journal struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write is part of io.Writer.
func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.Buffer.Write(b)
}

// count counts the lines with a text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.String(), text)
}

// logger writes into the journal.
func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// TestIndexIsReadBack holds that an index comes back from its files, with what
// was committed since they were written, and from the table where the files are
// gone, damaged, of another format or another database's.
func TestIndexIsReadBack(t *testing.T) {
	t.Parallel()
	edit := func(suffix string, f func(b []byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
			if err != nil || len(names) == 0 {
				t.Fatal("no files ", suffix, err)
			}
			for _, n := range names {
				b, err := os.ReadFile(n)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(n, f(b), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	flip := func(at int) func(b []byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for _, c := range []struct {
		name    string
		spoil   func(t *testing.T, dir string)
		rebuilt bool
	}{
		{"", func(*testing.T, string) {}, false},
		{"no files", func(t *testing.T, dir string) { os.RemoveAll(dir) }, true},
		{"no manifest", func(t *testing.T, dir string) {
			for _, e := range must(filepath.Glob(filepath.Join(dir, "*.index"))) {
				os.Remove(e)
			}
		}, true},
		{"no segments", func(t *testing.T, dir string) {
			for _, e := range must(filepath.Glob(filepath.Join(dir, "*.segment"))) {
				os.Remove(e)
			}
		}, true},
		{"empty segments", edit(".segment", func([]byte) []byte { return nil }), true},
		{"short segments", edit(".segment", func(b []byte) []byte { return b[:len(b)-9] }), true},
		{"flipped magic", edit(".segment", flip(0)), true},
		{"flipped format", edit(".segment", flip(len(segmentMagic))), true},
		{"flipped length", edit(".segment", flip(len(segmentMagic)+8)), true},
		{"flipped data", edit(".segment", flip(290)), true},
		{"flipped manifest", edit(".index", flip(30)), true},
		{"other format", edit(".index", func(b []byte) []byte { return bytes.Replace(b, []byte(`"Format":1`), []byte(`"Format":2`), 1) }), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, dir := persistence.NewMemory(), t.TempDir()
			h, stop := newHouse(t, store, &Service{Dir: dir})
			h.declare("t", "text", textIndex)
			h.declare("t", "near", vectorIndex)
			h.fill("word", "a word", "another word")
			h.found()
			stop()
			c.spoil(t, dir)
			// Commits that no searcher is told of are found in the log.
			h.s.DB.SetSearcher(nil)
			h.update(func(tx *database.Tx) error {
				docs := h.all(tx)
				if err := tx.Delete(t.Context(), docs[2].ID); err != nil {
					return err
				}
				return tx.Replace(t.Context(), docs[0].ID, value.NewObject(map[string]value.Value{"body": value.String("other"), "e": value.Path(docs[0].Object(), "e")}))
			})
			h.fill("late word")
			for _, want := range []map[bool]int{{c.rebuilt: 2}, {false: 2}} {
				j := &journal{}
				h, stop = newHouse(t, store, &Service{Dir: dir, Log: j.logger()})
				if texts, nearest := h.found(); texts != 2 || nearest != 1 {
					t.Errorf("found %d texts and the vector %d; wanted 2 and 1", texts, nearest)
				}
				if built, back := j.count("how=built"), j.count(`how="read back"`); built != want[true] || back != want[false] {
					t.Errorf("%d indexes were built and %d read back; rebuilt: %v\n%s", built, back, want, j.String())
				}
				stop()
			}
		})
	}
}

// must gives the first of two results.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestFilesOfDroppedIndexGo holds that a dropped index leaves no files behind.
func TestFilesOfDroppedIndexGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h, stop := newHouse(t, persistence.NewMemory(), &Service{Dir: dir})
	h.declare("t", "text", textIndex)
	h.declare("t", "near", vectorIndex)
	h.fill("word")
	h.found()
	h.update(func(tx *database.Tx) error { return tx.DropIndex(t.Context(), "t", "near") })
	h.s.maintain(t.Context())
	stop()
	if got := len(must(filepath.Glob(filepath.Join(dir, "*.index")))); got != 1 {
		t.Errorf("%d manifests, not 1", got)
	}
	if got := must(filepath.Glob(filepath.Join(dir, "*.segment"))); len(got) != 1 {
		t.Errorf("segments %v, not one", got)
	}
}

// TestFilesLeftBehindGo holds that a start removes files of indexes that were dropped
// when nobody was there to remove them, and unfinished files, but nothing else.
func TestFilesLeftBehindGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := persistence.NewMemory()
	h, stop := newHouse(t, kept{store}, &Service{Dir: dir})
	h.declare("t", "text", textIndex)
	h.declare("t", "near", vectorIndex)
	h.fill("word")
	h.found()
	gone := h.index("near").info.ID
	stop()
	h, stop = newHouse(t, kept{store}, &Service{})
	h.update(func(tx *database.Tx) error { return tx.DropIndex(t.Context(), "t", "near") })
	stop()
	for _, name := range []string{"new-1", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	was := len(must(os.ReadDir(dir)))
	_, stop = newHouse(t, store, &Service{Dir: dir})
	stop() // what it writes itself is finished or gone from here on
	var left []string
	for _, e := range must(os.ReadDir(dir)) {
		if left = append(left, e.Name()); strings.HasPrefix(e.Name(), "new-") || strings.HasPrefix(e.Name(), fmt.Sprintf("%016x", uint64(gone))) {
			t.Errorf("%s is left", e.Name())
		}
	}
	if !slices.Contains(left, "notes.txt") || len(left) != was-3 {
		t.Errorf("of %d files %v are left", was, left)
	}
}

// kept is a store that outlives its database.
type kept struct{ persistence.Store }

// Close is part of persistence.Store.
func (kept) Close() error { return nil }

// TestIndexOfAnotherTimeIsNotReadBack holds that files which are ahead of the
// database, as after it was restored from a backup, are not believed.
func TestIndexOfAnotherTimeIsNotReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h, stop := newHouse(t, persistence.NewMemory(), &Service{Dir: dir})
	h.declare("t", "text", textIndex)
	h.fill("word")
	x := h.index("text")
	stop()
	otherDir := t.TempDir()
	other, _ := newHouse(t, persistence.NewMemory(), &Service{Dir: otherDir})
	other.fill("word")
	if err := os.CopyFS(otherDir, os.DirFS(dir)); err != nil { // a start would remove them
		t.Fatal(err)
	}
	if err := other.s.readBack(t.Context(), newIndex(x.info, growLimit)); !errors.Is(err, database.ErrTooOld) {
		t.Errorf("read back: %v", err)
	}
}

// TestSearchWaitsForLoading holds that a search for which the index is not
// there in time says so.
func TestSearchWaitsForLoading(t *testing.T) {
	t.Parallel()
	store := persistence.NewMemory()
	h, stop := newHouse(t, store, &Service{})
	h.declare("t", "text", textIndex)
	stop()
	db, err := database.Open(t.Context(), database.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{DB: db, Log: h.s.Log, Patience: 1} // and nobody runs it
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ix, _, err := tx.SearchIndex("t", "text", database.Text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Text(t.Context(), tx, ix, TextQuery{Text: "word"}); err == nil || !strings.Contains(err.Error(), "is being loaded") {
		t.Errorf("search: %v", err)
	}
}

// FuzzReadSegment gives the reader files of any kind.
func FuzzReadSegment(f *testing.F) {
	x := newIndex(database.Index{Kind: database.Text, Fields: []string{"b"}}, growLimit)
	x.add(&database.Document{}, 1, &analysis{terms: []string{"a"}, counts: []uint32{1}, length: 1})
	x.segments[0].freeze()
	path := filepath.Join(f.TempDir(), "s")
	if err := x.segments[0].write(path); err != nil {
		f.Fatal(err)
	}
	f.Add(must(os.ReadFile(path)))
	f.Add([]byte(segmentMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "s")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, dimensions := range []int{0, 3} {
			if s, err := readSegment(path, 1, dimensions); err == nil {
				s.close()
			}
		}
	})
}

package backup

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// house is a service over memory, whose loops the test turns itself.
type house struct {
	*testing.T
	*Service
}

// newHouse opens one.
func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	log := slog.New(slog.DiscardHandler)
	blobs := blob.NewMemory()
	files := &filestorage.Store{DB: db, Blobs: blobs, Sealer: token.NewSealer([]byte("0123456789abcdef")), CloudURL: "http://cloud.test", Log: log}
	if err := files.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := &udf.Runner{DB: db, Engine: new(isolate.Engine), Sealer: files.Sealer, Files: files, Log: log, CloudURL: "http://cloud.test", SiteURL: "http://site.test"}
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	h := &house{t, &Service{Name: "happy-soup-1", DB: db, Blobs: blobs, Files: files, Log: log}}
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// update commits what f writes.
func (h *house) update(f func(*database.Tx) error) {
	h.Helper()
	if _, err := h.DB.Update(h.Context(), f); err != nil {
		h.Fatal(err)
	}
}

// insert adds documents, given as JSON, and gives their ids.
func (h *house) insert(table string, docs ...string) (ids []value.ID) {
	h.Helper()
	h.update(func(tx *database.Tx) error {
		ids = nil
		for _, d := range docs {
			o, err := value.ParseObject([]byte(d))
			if err != nil {
				return err
			}
			id, err := tx.Insert(h.Context(), table, o)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	return ids
}

// rows is every document of a table, as it is stored.
func (h *house) rows(table string) (list []string) {
	h.Helper()
	err := h.DB.View(h.Context(), func(tx *database.Tx) error {
		return documents(h.Context(), tx, table, func(d *database.Document) error {
			list = append(list, string(d.JSON()))
			return nil
		})
	})
	if err != nil {
		h.Fatal(err)
	}
	return list
}

// bare is rows without system fields, sorted.
func (h *house) bare(table string) (list []string) {
	for _, row := range h.rows(table) {
		o, err := value.ParseObject([]byte(row))
		if err != nil {
			h.Fatal(err)
		}
		list = append(list, string(value.JSON(o.Without("_id").Without("_creationTime"))))
	}
	slices.Sort(list)
	return list
}

// turn lets both loops do all there is to do.
func (h *house) turn() {
	h.Helper()
	for _, next := range []func(context.Context) (bool, error){h.nextExport, h.nextImport} {
		for {
			found, err := next(h.Context())
			if err != nil {
				h.Fatal(err)
			}
			if !found {
				break
			}
		}
	}
}

// zip exports everything.
func (h *house) zip(includeStorage bool) []byte {
	h.Helper()
	id, err := h.RequestExport(h.Context(), includeStorage)
	if err != nil {
		h.Fatal(err)
	}
	h.turn()
	e, r, err := h.OpenExport(h.Context(), id.String(), 0)
	if err != nil {
		h.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != e.Size {
		h.Fatalf("%d bytes of %d: %v", len(b), e.Size, err)
	}
	return b
}

// upload uploads a file in parts of a size.
func (h *house) upload(how ImportOptions, file []byte, size int) string {
	h.Helper()
	name, err := h.StartUpload(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	var parts []string
	for n := 1; len(file) > 0; n++ {
		part := file[:min(size, len(file))]
		file = file[len(part):]
		p, err := h.UploadPart(h.Context(), name, n, bytes.NewReader(part))
		if err != nil {
			h.Fatal(err)
		}
		parts = append(parts, p)
	}
	id, err := h.FinishUpload(h.Context(), name, parts, how)
	if err != nil {
		h.Fatal(err)
	}
	return id.String()
}

// find is an import's state.
func (h *house) findImport(id string) (i *Import) {
	h.Helper()
	err := h.DB.View(h.Context(), func(tx *database.Tx) (err error) {
		i, err = FindImport(h.Context(), tx, id)
		return err
	})
	if err != nil || i == nil {
		h.Fatalf("import %s: %v, %v", id, i, err)
	}
	return i
}

// run imports a file and confirms; it gives what became of it, and what there was
// to confirm.
func (h *house) run(how ImportOptions, file []byte) (done *Import, confirm string) {
	h.Helper()
	id := h.upload(how, file, max(1000, len(file)/100))
	h.turn()
	i := h.findImport(id)
	if i.State != waiting {
		return i, ""
	}
	if err := h.Perform(h.Context(), id); err != nil {
		h.Fatal(err)
	}
	h.turn()
	return h.findImport(id), i.Message
}

// good is run for what must work.
func (h *house) good(how ImportOptions, file []byte) string {
	h.Helper()
	i, confirm := h.run(how, file)
	if i.State != completed {
		h.Fatalf("import is %s: %s", i.State, i.Message)
	}
	return confirm
}

// zipOf makes a ZIP file of names and texts in turn.
func zipOf(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		w, err := z.Create(pairs[i])
		if err == nil {
			_, err = io.Copy(w, strings.NewReader(pairs[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

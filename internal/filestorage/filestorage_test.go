package filestorage_test

import (
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// house is a store in memory, with what it stands on.
type house struct {
	*testing.T
	*filestorage.Store
}

// newHouse opens a store.
func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &filestorage.Store{
		DB: db, Blobs: blob.NewMemory(), Sealer: token.NewSealer([]byte("0123456789abcdef")), CloudURL: "http://cloud.test", Log: slog.New(slog.DiscardHandler),
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &house{t, s}
}

// put writes bytes.
func (h *house) put(text string) filestorage.Bytes {
	h.Helper()
	b, err := h.Put(h.Context(), strings.NewReader(text))
	if err != nil {
		h.Fatal(err)
	}
	return b
}

// get finds a file by its id; nil if there is none.
func (h *house) get(id value.ID) (f *filestorage.File) {
	h.Helper()
	err := h.DB.View(h.Context(), func(tx *database.Tx) (err error) {
		f, err = h.Get(h.Context(), tx, id)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return f
}

// has tells whether the bytes of a key are there.
func (h *house) has(key string) bool {
	h.Helper()
	ok, err := h.Blobs.Has(h.Context(), "files/"+key[:2]+"/"+key)
	if err != nil {
		h.Fatal(err)
	}
	return ok
}

// sweep sweeps as of a time from now.
func (h *house) sweep(later time.Duration) {
	h.Helper()
	if err := h.Sweep(h.Context(), time.Now().Add(later)); err != nil {
		h.Fatal(err)
	}
}

// remove deletes a file.
func (h *house) remove(id value.ID) (was bool) {
	h.Helper()
	_, err := h.DB.Update(h.Context(), func(tx *database.Tx) (err error) {
		was, err = h.Delete(h.Context(), tx, id)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return was
}

func TestStoreKeepsFilesUntilTheyAreDeleted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.put("hello, soup")
	id, err := h.Add(t.Context(), 0, b, "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	f := h.get(id)
	if f == nil || f.Size != 11 || f.SHA256 != b.SHA256 || f.ContentType != "text/plain" || !filestorage.IsKey(f.Key) || h.URL(f) != "http://cloud.test/api/storage/"+f.Key {
		t.Fatalf("file %+v", f)
	}
	var found *filestorage.File
	if err := h.DB.View(t.Context(), func(tx *database.Tx) (err error) {
		found, err = h.Find(t.Context(), tx, f.Key)
		return err
	}); err != nil || found == nil || found.ID != id {
		t.Fatalf("found %+v, %v", found, err)
	}
	h.sweep(1000 * time.Hour)
	r, err := h.Read(t.Context(), f, 7)
	if err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "soup" {
		t.Fatalf("read %q", rest)
	}
	r.Close()
	if !h.remove(id) || h.remove(id) || h.get(id) != nil {
		t.Fatal("deleted wrongly")
	}
	h.sweep(0)
	if !h.has(f.Key) {
		t.Fatal("bytes went before their time")
	}
	h.sweep(time.Hour)
	if h.has(f.Key) {
		t.Fatal("bytes stayed")
	}
	if _, err := h.Read(t.Context(), f, 0); !errors.Is(err, filestorage.ErrNoFile) {
		t.Fatalf("read of nothing: %v", err)
	}
}

func TestStoreAttachesWithTheTransaction(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	tx, err := h.DB.Begin(ctx) // before the key is announced
	if err != nil {
		t.Fatal(err)
	}
	kept, lost := h.put("kept"), h.put("lost")
	id, err := h.Attach(ctx, tx, kept, "")
	if err != nil {
		t.Fatal(err)
	}
	before := tx.Savepoint()
	if _, err := h.Attach(ctx, tx, lost, ""); err != nil {
		t.Fatal(err)
	}
	tx.Rollback(before)
	if _, err := h.DB.Commit(ctx, tx); err != nil {
		t.Fatal(err)
	}
	h.sweep(time.Hour)
	if !h.has(kept.Key) || !h.has(lost.Key) {
		t.Fatal("bytes were swept that could still be attached")
	}
	h.sweep(25 * time.Hour)
	if !h.has(kept.Key) || h.has(lost.Key) {
		t.Fatalf("after a day: kept %v, lost %v", h.has(kept.Key), h.has(lost.Key))
	}
	if f := h.get(id); f == nil || f.Size != 4 {
		t.Fatalf("file %+v", f)
	}
	h.remove(id)
	h.sweep(time.Hour)
	if h.has(kept.Key) {
		t.Fatal("bytes stayed")
	}
}

func TestStorePutThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b, err := h.Put(t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	h.sweep(time.Hour)
	if h.has(b.Key) {
		t.Fatal("bytes stayed")
	}
}

func TestUploadLinkIsGoodForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &filestorage.Store{Sealer: token.NewSealer([]byte("0123456789abcdef")), CloudURL: "http://cloud.test"}
		link, err := url.Parse(s.UploadURL(0))
		if err != nil || link.Path != filestorage.UploadPath {
			t.Fatal(link, err)
		}
		tok := link.Query().Get("token")
		time.Sleep(time.Hour - time.Second)
		if _, err := s.CheckUpload(tok); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if e, ok := apierr.As(refusal(s.CheckUpload(tok))); !ok || e.Code != "ExpiredUploadToken" {
			t.Fatal(e)
		}
		for _, bad := range []string{"", "x", tok[:len(tok)-1], s.Sealer.Seal("cursor", make([]byte, 16)), s.Sealer.Seal("upload", nil)} {
			if e, ok := apierr.As(refusal(s.CheckUpload(bad))); !ok || e.Code != "InvalidUploadToken" {
				t.Fatalf("%q: %v", bad, e)
			}
		}
	})
}

// refusal is the error of a check.
func refusal(_ value.Space, err error) error { return err }

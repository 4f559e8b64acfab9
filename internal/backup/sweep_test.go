package backup

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// TestSweepTakesPartsThatFailed: bytes go of every part that was ever begun, however
// its request ended, also where the upload is swept while they come.
func TestSweepTakesPartsThatFailed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	name, err := h.StartUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	whole, err := h.UploadPart(t.Context(), name, 1, bytes.NewReader([]byte("abc")))
	if err != nil {
		t.Fatal(err)
	}
	// Sent again, the part breaks off: what its token stood for is not relied on.
	broken := io.MultiReader(bytes.NewReader([]byte("ab")), brokenReader{})
	if _, err := h.UploadPart(t.Context(), name, 1, broken); err == nil {
		t.Fatal("a broken part was taken")
	}
	if _, err := h.FinishUpload(t.Context(), name, []string{whole}, ImportOptions{Format: "csv", Mode: Replace, Table: "t"}); err == nil {
		t.Error("an upload with a broken part was taken")
	}
	// The process ends with the bytes of a part there, but before its row tells of them.
	if err := h.notePart(t.Context(), name, 2, 0, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Blobs.Put(t.Context(), partKey(name, 2), bytes.NewReader([]byte("def"))); err != nil {
		t.Fatal(err)
	}
	// The sweep comes while a part does.
	_, err = h.UploadPart(t.Context(), name, 3, sweeping{h, bytes.NewReader([]byte("ghi"))})
	if !errors.Is(err, errNoUpload) {
		t.Errorf("part of a swept upload: %v", err)
	}
	for part := 1; part <= 3; part++ {
		if has, err := h.Blobs.Has(t.Context(), partKey(name, part)); err != nil || has {
			t.Errorf("the bytes of part %d are still there, %v", part, err)
		}
	}
	if rows := h.rows(partTable); len(rows) != 0 {
		t.Errorf("rows are left: %v", rows)
	}
}

// brokenReader fails.
type brokenReader struct{}

// Read is part of io.Reader.
func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// sweeping sweeps as of two days later before each read.
type sweeping struct {
	h *house
	io.Reader
}

// Read is part of io.Reader.
func (s sweeping) Read(b []byte) (int, error) {
	if err := s.h.Sweep(s.h.Context(), time.Now().Add(2*uploadLife)); err != nil {
		return 0, err
	}
	return s.Reader.Read(b)
}

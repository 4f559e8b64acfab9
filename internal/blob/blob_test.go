package blob_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lentil-dev/lentil/internal/blob"
)

// stores are the implementations that sit the examination.
func stores(t *testing.T) map[string]blob.Store {
	d, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]blob.Store{"memory": blob.NewMemory(), "dir": d}
}

func TestStoreKeepsWhatWasPut(t *testing.T) {
	t.Parallel()
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if _, err := s.Get(ctx, "a/b"); !errors.Is(err, blob.ErrNotFound) {
				t.Fatalf("get of nothing: %v", err)
			}
			if _, err := s.Open(ctx, "a/b", 0); !errors.Is(err, blob.ErrNotFound) {
				t.Fatalf("open of nothing: %v", err)
			}
			for _, body := range []string{"hello, soup", "second", ""} {
				size, sum, err := s.Put(ctx, "a/b", strings.NewReader(body))
				if err != nil || size != int64(len(body)) || sum != sha256.Sum256([]byte(body)) {
					t.Fatalf("put %q: size %d, %v", body, size, err)
				}
				got, err := s.Get(ctx, "a/b")
				if err != nil || string(got) != body {
					t.Fatalf("get = %q, %v", got, err)
				}
			}
			if _, _, err := s.Put(ctx, "a/c", strings.NewReader("0123456789")); err != nil {
				t.Fatal(err)
			}
			for off, want := range map[int64]string{0: "0123456789", 7: "789", 10: "", 99: ""} {
				r, err := s.Open(ctx, "a/c", off)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				r.Close()
				if err != nil || string(got) != want {
					t.Errorf("from %d: %q, %v", off, got, err)
				}
			}
			for range 2 {
				if err := s.Delete(ctx, "a/c"); err != nil {
					t.Fatal(err)
				}
			}
			if ok, err := s.Has(ctx, "a/c"); ok || err != nil {
				t.Errorf("has after delete: %v, %v", ok, err)
			}
			if ok, err := s.Has(ctx, "a/b"); !ok || err != nil {
				t.Errorf("has: %v, %v", ok, err)
			}
			if ok, err := s.Has(ctx, "a"); ok || err != nil {
				t.Errorf("a folder counts as a key: %v, %v", ok, err)
			}
		})
	}
}

func TestStorePutThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if _, _, err := s.Put(ctx, "k", strings.NewReader("old")); err != nil {
				t.Fatal(err)
			}
			broken := io.MultiReader(strings.NewReader("half of the n"), iotest.ErrReader(io.ErrUnexpectedEOF))
			if _, _, err := s.Put(ctx, "k", broken); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("put of a broken reader: %v", err)
			}
			ended, cancel := context.WithCancel(ctx)
			cancel()
			if _, _, err := s.Put(ended, "k", strings.NewReader("new")); !errors.Is(err, context.Canceled) {
				t.Fatalf("put after the end: %v", err)
			}
			if got, err := s.Get(ctx, "k"); err != nil || string(got) != "old" {
				t.Errorf("get = %q, %v", got, err)
			}
		})
	}
}

func TestStoreRefusesMalformedKeys(t *testing.T) {
	t.Parallel()
	for name, s := range stores(t) {
		for _, key := range []string{"", "/", "a//b", "../x", "a/../b", ".hidden", "a\x00", "a b", "ä", strings.Repeat("x", 600)} {
			if _, _, err := s.Put(t.Context(), key, strings.NewReader("x")); err == nil {
				t.Errorf("%s took the key %q", name, key)
			}
			if _, err := s.Get(t.Context(), key); err == nil || errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s looked up the key %q: %v", name, key, err)
			}
		}
	}
}

func TestOpenDirClearsUnfinishedPuts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := blob.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Put(t.Context(), "x/y/z", strings.NewReader("kept")); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, ".incoming", "put-1")
	if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err = blob.OpenDir(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished file is still there: %v", err)
	}
	if got, err := d.Get(t.Context(), "x/y/z"); err != nil || string(got) != "kept" {
		t.Errorf("get = %q, %v", got, err)
	}
}

package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// incoming is the folder where a Put writes before its rename. Its name starts
// with a dot, which no key segment may, so it never meets a key.
const incoming = ".incoming"

// Dir is a Store in a directory of its own: one file per key. It may be used by
// one process at a time; the house locks its data directory as a whole.
type Dir struct {
	root string
	news news
}

// OpenDir opens or creates the store in dir and removes what an earlier process
// left half written.
func OpenDir(dir string) (*Dir, error) {
	in := filepath.Join(dir, incoming)
	if err := os.MkdirAll(in, 0o700); err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", dir, err)
	}
	left, err := os.ReadDir(in)
	if err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", dir, err)
	}
	for _, e := range left {
		if err := os.Remove(filepath.Join(in, e.Name())); err != nil {
			return nil, fmt.Errorf("blob: clear unfinished %s: %w", e.Name(), err)
		}
	}
	return &Dir{root: dir}, nil
}

// Put implements Store: a temporary file is written and synced, renamed over the
// key's file, and the folder that names it is synced, in this order; after any
// crash the key names complete bytes, old or new.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader) (size int64, sum Sum, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("blob: put %s: %w", key, err)
		}
	}()
	path, err := d.path(key)
	if err != nil {
		return 0, sum, err
	}
	f, err := os.CreateTemp(filepath.Join(d.root, incoming), "put-*")
	if err != nil {
		return 0, sum, err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing left to remove
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, h), ctxReader{ctx, r})
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return 0, sum, err
	}
	if err := d.makeParents(filepath.Dir(path)); err != nil {
		return 0, sum, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return 0, sum, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return 0, sum, err
	}
	h.Sum(sum[:0])
	d.news.note(key, true)
	return size, sum, nil
}

// Get implements Store.
func (d *Dir) Get(_ context.Context, key string) ([]byte, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, notFound(key, err)
	}
	return b, nil
}

// Open implements Store.
func (d *Dir) Open(_ context.Context, key string, offset int64) (io.ReadCloser, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, notFound(key, err)
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, notFound(key, err)
	}
	if offset >= st.Size() && offset > 0 {
		f.Close()
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if offset > 0 {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			f.Close()
			return nil, fmt.Errorf("blob: open %s: %w", key, err)
		}
	}
	return f, nil
}

// Delete implements Store.
func (d *Dir) Delete(_ context.Context, key string) error {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: delete %s: %w", key, err)
	}
	d.news.note(key, false)
	return nil
}

// Has implements Store.
func (d *Dir) Has(_ context.Context, key string) (bool, error) {
	path, err := d.path(key)
	if err != nil {
		return false, err
	}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("blob: look for %s: %w", key, err)
	}
	return !st.IsDir(), nil
}

// path is the file of key.
func (d *Dir) path(key string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	return filepath.Join(d.root, filepath.FromSlash(key)), nil
}

// makeParents creates dir below root and syncs every folder that got a new name.
func (d *Dir) makeParents(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for dir != d.root && strings.HasPrefix(dir, d.root) {
		dir = filepath.Dir(dir)
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// notFound turns the file system's word for absence into ErrNotFound.
func notFound(key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	return fmt.Errorf("blob: read %s: %w", key, err)
}

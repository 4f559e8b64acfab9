package depot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// incoming is the folder where a Put writes before its rename. No segment of a name
// may begin with a dot, so it meets none.
const incoming = ".incoming"

// Dir is a place in a directory: one file for each object.
type Dir struct{ root string }

// openDir opens a directory, or makes it.
func openDir(path string, create bool) (*Dir, error) {
	if path == "" {
		return nil, errors.New("dir: is followed by a path")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path}
	if create {
		if err := os.MkdirAll(filepath.Join(path, incoming), 0o700); err != nil {
			return nil, d.explain(err)
		}
		return d, nil
	}
	st, err := os.Stat(path)
	if err == nil && !st.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, d.explain(err)
	}
	return d, nil
}

// String is the path.
func (d *Dir) String() string { return d.root }

// explain turns what can be wrong with a directory into a line for a person.
func (d *Dir) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s is not a directory: %w", d.root, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s: %w", d.root, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to use %s; give it to this user: %w", d.root, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk that holds %s is full: %w", d.root, err)
	}
	return fmt.Errorf("%s: %w", d.root, err)
}

// Put is part of Depot: a temporary file is written and synced, renamed over the
// object's, and the folder that names it is synced, in this order.
func (d *Dir) Put(ctx context.Context, name string, r io.Reader) (size int64, err error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	path := d.path(name)
	if err := os.MkdirAll(filepath.Join(d.root, incoming), 0o700); err != nil {
		return 0, d.explain(err)
	}
	f, err := os.CreateTemp(filepath.Join(d.root, incoming), "put-*")
	if err != nil {
		return 0, d.explain(err)
	}
	defer os.Remove(f.Name()) // after the rename there is nothing left to remove
	size, err = io.Copy(f, ctxReader{ctx, r})
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.makeParents(filepath.Dir(path))
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return 0, d.explain(err)
	}
	return size, nil
}

// Open is part of Depot.
func (d *Dir) Open(_ context.Context, name string) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := os.Open(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %s: %w", d.root, name, ErrNotFound)
	}
	if err != nil {
		return nil, d.explain(err)
	}
	return f, nil
}

// Delete is part of Depot.
func (d *Dir) Delete(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.explain(err)
	}
	return nil
}

// List is part of Depot.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := d.list(ctx, "", prefix, func(i Info) bool { return yield(i, nil) }); err != nil && !errors.Is(err, fs.SkipAll) {
			yield(Info{}, d.explain(err))
		}
	}
}

// list walks one folder. A folder comes where its name and the slash would, which is
// the order of whole names.
func (d *Dir) list(ctx context.Context, folder, prefix string, yield func(Info) bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	entries, err := os.ReadDir(filepath.Join(d.root, filepath.FromSlash(folder)))
	if errors.Is(err, fs.ErrNotExist) && folder != "" {
		return nil // removed meanwhile
	}
	if err != nil {
		return err
	}
	sorted := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(sorted(a), sorted(b)) })
	for _, e := range entries {
		name := folder + sorted(e)
		if e.Name()[0] == '.' || !strings.HasPrefix(name, prefix) && !(e.IsDir() && strings.HasPrefix(prefix, name)) {
			continue
		}
		if e.IsDir() {
			if err := d.list(ctx, name, prefix, yield); err != nil {
				return err
			}
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !yield(Info{name, info.Size()}) {
			return fs.SkipAll
		}
	}
	return nil
}

// path is the file of an object.
func (d *Dir) path(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }

// makeParents creates a folder below the root and syncs every one that got a new name.
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

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

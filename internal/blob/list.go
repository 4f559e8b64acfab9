package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Info is what a list tells of a key.
type Info struct {
	Key  string
	Size int64
}

// List tells of everything that is stored, folder by folder.
func (d *Dir) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && path != d.root {
				return nil // removed meanwhile
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if strings.HasPrefix(e.Name(), ".") && path != d.root {
				return fs.SkipDir
			}
			if e.IsDir() {
				return nil
			}
			st, err := os.Stat(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			key, err := filepath.Rel(d.root, path)
			if err != nil {
				return err
			}
			if !yield(Info{filepath.ToSlash(key), st.Size()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Info{}, fmt.Errorf("blob: list %s: %w", d.root, err))
		}
	}
}

// maxNews is how many keys are remembered for whoever follows what is stored. With
// more, or when nobody asks, he has to list everything.
const maxNews = 10_000

// news are the keys that were stored, or deleted, since somebody asked.
type news struct {
	mu   sync.Mutex // a leaf
	keys map[string]bool
	lost bool // there were too many
}

// note remembers what became of a key.
func (n *news) note(key string, stored bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.keys == nil || len(n.keys) >= maxNews {
		n.keys, n.lost = map[string]bool{}, n.lost || n.keys != nil
	}
	n.keys[key] = stored
}

// Changes tells which keys were stored (true) or deleted since it was last asked, by
// the only one who may ask. all is set when it may have missed some.
func (d *Dir) Changes() (keys map[string]bool, all bool) {
	d.news.mu.Lock()
	defer d.news.mu.Unlock()
	keys, all = d.news.keys, d.news.lost
	d.news.keys, d.news.lost = nil, false
	return keys, all
}

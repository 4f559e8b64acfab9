package pebblestore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A new store is laid out by dozens of small writes, of Pebble's and of the rooms that
// make their tables, and each would wait for the disk, though nobody has been promised
// anything yet. A store that is held does not wait: a file says that it is held, and
// whoever opens such a directory begins anew. Persist brings everything to the disk at
// once, takes that file away, and from then on every write waits again.
const heldName = "held"

// lockedName is Pebble's lock, the one file that is there before a store is.
const lockedName = "LOCK"

// hold is the file system of a store that is or was held.
type hold struct {
	vfs.FS
	dir string
	on  atomic.Bool // nothing is synced
}

// Unwrap is for Pebble, which looks for the file system underneath.
func (h *hold) Unwrap() vfs.FS { return h.FS }

// takeHold prepares a directory, which the caller has locked: it removes what an
// interrupted beginning has left there. If the store is new then, and is to be held, it
// marks it and gives the file system to open it with; else it gives nil.
func takeHold(disk vfs.FS, dir string, wanted bool) (*hold, error) {
	names, err := disk.List(dir)
	if err != nil {
		return nil, err
	}
	mark := disk.PathJoin(dir, heldName)
	marked := slices.Contains(names, heldName)
	names = slices.DeleteFunc(names, func(n string) bool { return n == heldName || n == lockedName })
	if !marked && (!wanted || len(names) > 0) {
		return nil, nil
	}
	for _, n := range names {
		if err := disk.RemoveAll(disk.PathJoin(dir, n)); err != nil {
			return nil, err
		}
	}
	if !wanted {
		return nil, disk.Remove(mark)
	}
	f, err := disk.Create(mark, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err := syncPath(disk, dir); err != nil {
		return nil, err
	}
	h := &hold{FS: disk, dir: dir}
	h.on.Store(true)
	return h, nil
}

// syncPath brings a file, or the names in a directory, to the disk.
func syncPath(disk vfs.FS, path string) error {
	f, err := disk.OpenDir(path) // which opens files just as well
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// end brings everything to the disk and takes the mark away.
func (h *hold) end() error {
	// What is written from here on is synced by whoever writes it; what was written
	// before is in one of the files that are there now.
	h.on.Store(false)
	names, err := h.List(h.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n == heldName || n == lockedName {
			continue
		}
		// A log that Pebble does not need any more may go meanwhile.
		if err := syncPath(h.FS, h.PathJoin(h.dir, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// The directory and its own name, before the mark goes.
	for _, dir := range []string{h.dir, h.PathDir(h.dir)} {
		if err := syncPath(h.FS, dir); err != nil {
			return err
		}
	}
	if err := h.Remove(h.PathJoin(h.dir, heldName)); err != nil {
		return err
	}
	return syncPath(h.FS, h.dir)
}

// Persist makes a held store durable, all that was written to it. It must return before
// anybody is told of what is in the store. For one that is not held it does nothing.
func (s *Store) Persist() error {
	if s.hold == nil || !s.hold.on.Load() {
		return nil
	}
	if err := s.usable(); err != nil {
		return err
	}
	if err := s.hold.end(); err != nil {
		s.fail(fmt.Errorf("bring a new store to the disk: %w", err))
		return s.err
	}
	return nil
}

// Create is part of vfs.FS.
func (h *hold) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return h.held(h.FS.Create(name, c))
}

// OpenReadWrite is part of vfs.FS.
func (h *hold) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return h.held(h.FS.OpenReadWrite(name, c, o...))
}

// ReuseForWrite is part of vfs.FS.
func (h *hold) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return h.held(h.FS.ReuseForWrite(from, to, c))
}

// OpenDir is part of vfs.FS.
func (h *hold) OpenDir(name string) (vfs.File, error) { return h.held(h.FS.OpenDir(name)) }

// held wraps a file that can be synced.
func (h *hold) held(f vfs.File, err error) (vfs.File, error) {
	if err != nil || !h.on.Load() {
		return f, err
	}
	return heldFile{f, h}, nil
}

// heldFile is synced only when its store is not held any more.
type heldFile struct {
	vfs.File
	h *hold
}

// Sync is part of vfs.File.
func (f heldFile) Sync() error {
	if f.h.on.Load() {
		return nil
	}
	return f.File.Sync()
}

// SyncData is part of vfs.File.
func (f heldFile) SyncData() error {
	if f.h.on.Load() {
		return nil
	}
	return f.File.SyncData()
}

// SyncTo is part of vfs.File.
func (f heldFile) SyncTo(n int64) (bool, error) {
	if f.h.on.Load() {
		return false, nil
	}
	return f.File.SyncTo(n)
}

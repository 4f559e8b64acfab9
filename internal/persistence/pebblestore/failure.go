package pebblestore

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// guard runs something that writes on a goroutine of its own, and returns when
// it is done or the store has failed, whichever comes first: Pebble panics, or
// hangs on a lock that an abandoned goroutine holds. Each of these means that
// the store is failed.
func (s *Store) guard(f func() error) error {
	select {
	case <-s.broken:
		return s.err
	default:
	}
	done := make(chan error, 1)
	go func() {
		finished := false
		defer func() {
			if finished {
				return
			}
			r := recover()
			if err, ok := r.(error); ok {
				s.fail(err)
			} else {
				s.fail(fmt.Errorf("unexpected: %v\n%s", r, debug.Stack()))
			}
		}()
		err := f()
		finished = true
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-s.broken:
		return s.err
	}
}

// fail makes the store fail for good. The first cause counts.
func (s *Store) fail(err error) {
	s.failure.Do(func() {
		s.err = located(s.dir, err)
		close(s.broken)
	})
}

// usable is nil while the store is open and has not failed.
func (s *Store) usable() error {
	select {
	case <-s.broken:
		return s.err
	default:
	}
	if s.closed.Load() {
		return fmt.Errorf("data directory %s: %w", s.dir, persistence.ErrClosed)
	}
	return nil
}

// logger stands between Pebble and the house's log. Pebble calls Fatalf for
// what it cannot go on from, and relies on its not returning.
type logger struct{ s *Store }

// Infof drops what is of interest only to Pebble's authors.
func (l logger) Infof(string, ...any) {}

// Errorf passes an error on.
func (l logger) Errorf(format string, args ...any) {
	l.s.log.Error("store reports an error", "dir", l.s.dir, "err", fmt.Sprintf(format, args...))
}

// Fatalf makes the store fail, and never returns.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok {
			err = cause // %v hides it from errors.Is
		}
	}
	l.s.abandon(err)
}

// abandon makes the store fail and parks the goroutine for good. Pebble holds
// locks here that it would not release, or release twice, if the goroutine
// unwound; guard does not wait for it.
func (s *Store) abandon(err error) {
	s.fail(err)
	select {}
}

// watchedFS sees the errors of Pebble's log before Pebble does, which answers
// some of them with a panic where nothing can recover from it. Errors of other
// files come as background errors.
type watchedFS struct {
	vfs.FS
	s *Store
}

// Unwrap is for Pebble, which looks for the file system underneath.
func (f watchedFS) Unwrap() vfs.FS { return f.FS }

// check abandons the store on an error. While it is being opened, Pebble
// returns all errors as it should.
func (f watchedFS) check(err error) {
	if err != nil && f.s.running.Load() {
		f.s.abandon(err)
	}
}

// isLog tells whether a file belongs to the log.
func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// Create is part of vfs.FS.
func (f watchedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	if isLog(name) {
		return f.watch(file, err)
	}
	return file, err
}

// ReuseForWrite is part of vfs.FS.
func (f watchedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(from, to, c)
	if isLog(to) {
		return f.watch(file, err)
	}
	return file, err
}

// OpenDir is part of vfs.FS. The directory is synced when a file of the log
// was begun.
func (f watchedFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return watchedFile{file, f}, nil
}

// watch checks the opening of a file and all that happens to it.
func (f watchedFS) watch(file vfs.File, err error) (vfs.File, error) {
	f.check(err)
	if err != nil {
		return nil, err
	}
	return watchedFile{file, f}, nil
}

// watchedFile is a file of the log, or a directory.
type watchedFile struct {
	vfs.File
	fs watchedFS
}

// Write is part of vfs.File.
func (w watchedFile) Write(p []byte) (int, error) {
	n, err := w.File.Write(p)
	w.fs.check(err)
	return n, err
}

// Sync is part of vfs.File.
func (w watchedFile) Sync() error {
	err := w.File.Sync()
	w.fs.check(err)
	return err
}

// SyncData is part of vfs.File.
func (w watchedFile) SyncData() error {
	err := w.File.SyncData()
	w.fs.check(err)
	return err
}

// SyncTo is part of vfs.File.
func (w watchedFile) SyncTo(length int64) (bool, error) {
	full, err := w.File.SyncTo(length)
	w.fs.check(err)
	return full, err
}

// Close is part of vfs.File.
func (w watchedFile) Close() error {
	err := w.File.Close()
	w.fs.check(err)
	return err
}

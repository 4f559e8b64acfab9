package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// oneLine fails the test if an error would not do as the one line that a person
// gets to see.
func oneLine(t *testing.T, err, sentinel error, dir string) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Fatalf("error is %v, want %v", err, sentinel)
	}
	if text := err.Error(); strings.Contains(text, "\n") || strings.Count(text, "data directory "+dir) != 1 || len(text) > 300 {
		t.Errorf("message %q", text)
	}
}

func TestOpenLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	oneLine(t, err, persistence.ErrLocked, dir)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashEnv+"="+dir)
	out, err := child.CombinedOutput()
	if err == nil || !strings.Contains(string(out), persistence.ErrLocked.Error()) {
		t.Errorf("another process: %v, %s", err, out)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenNewerFormat(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"cell": func(t *testing.T, dir string) {
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SetCell(t.Context(), formatCell, []byte("2")); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"comparer": func(t *testing.T, dir string) {
			c := *comparer
			c.Name = "lentil.versions.2"
			db, err := pebble.Open(dir, &pebble.Options{Comparer: &c, Logger: logger{&Store{}}, FormatMajorVersion: pebble.FormatTableFormatV6})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"engine": func(t *testing.T, dir string) {
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/marker.format-version.999999.999", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			spoil(t, dir)
			for range 2 { // and it is left unlocked
				_, err := Open(dir, Options{})
				oneLine(t, err, persistence.ErrNewerFormat, dir)
			}
		})
	}
}

// brokenFS lets everything that writes fail while err is set.
type brokenFS struct {
	vfs.FS
	err atomic.Pointer[error]
}

// fail is the error of a write, if they are to fail.
func (f *brokenFS) fail() error {
	if e := f.err.Load(); e != nil {
		return *e
	}
	return nil
}

// Create is part of vfs.FS.
func (f *brokenFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.fail(); err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	file, err := f.FS.Create(name, c)
	return &brokenFile{file, f}, err
}

// ReuseForWrite is part of vfs.FS.
func (f *brokenFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.fail(); err != nil {
		return nil, &fs.PathError{Op: "rename", Path: to, Err: err}
	}
	file, err := f.FS.ReuseForWrite(from, to, c)
	return &brokenFile{file, f}, err
}

// brokenFile is one file of a brokenFS.
type brokenFile struct {
	vfs.File
	fs *brokenFS
}

// Write is part of vfs.File.
func (f *brokenFile) Write(p []byte) (int, error) {
	if err := f.fs.fail(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

// Sync is part of vfs.File.
func (f *brokenFile) Sync() error {
	if err := f.fs.fail(); err != nil {
		return err
	}
	return f.File.Sync()
}

// SyncData is part of vfs.File.
func (f *brokenFile) SyncData() error {
	if err := f.fs.fail(); err != nil {
		return err
	}
	return f.File.SyncData()
}

// SyncTo is part of vfs.File.
func (f *brokenFile) SyncTo(n int64) (bool, error) {
	if err := f.fs.fail(); err != nil {
		return false, err
	}
	return f.File.SyncTo(n)
}

func TestAppendFailsForGood(t *testing.T) {
	t.Parallel()
	for sentinel, cause := range map[error]error{persistence.ErrFull: syscall.ENOSPC, persistence.ErrReadOnly: syscall.EROFS} {
		for _, before := range []persistence.Timestamp{1, 40} { // with the first write, and with flushes under way
			t.Run(fmt.Sprintf("%v after %d", cause, before), func(t *testing.T) {
				t.Parallel()
				mem := vfs.NewCrashableMem()
				files := &brokenFS{FS: mem}
				s, err := Open("data", Options{fs: files, MemTableSize: 32 << 10})
				if err != nil {
					t.Fatal(err)
				}
				ts := persistence.Timestamp(1)
				for ; ts <= before; ts++ {
					if err := s.Append(t.Context(), []persistence.Commit{crashCommit(ts)}); err != nil {
						t.Fatal(err)
					}
				}
				files.err.Store(&cause)
				err = s.Append(t.Context(), []persistence.Commit{crashCommit(ts)})
				oneLine(t, err, sentinel, "data")
				files.err.Store(nil)
				if err := s.Append(t.Context(), []persistence.Commit{crashCommit(ts)}); !errors.Is(err, sentinel) {
					t.Errorf("append after a failed one: %v", err)
				}
				if err := s.SetCell(t.Context(), "a", nil); !errors.Is(err, sentinel) {
					t.Errorf("set cell after a failed append: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				examine(t, "data", mem.CrashClone(vfs.CrashCloneCfg{}), ts-1)
			})
		}
	}
}

func TestOpenOnBrokenDisk(t *testing.T) {
	t.Parallel()
	for sentinel, cause := range map[error]error{persistence.ErrFull: syscall.ENOSPC, persistence.ErrReadOnly: syscall.EROFS} {
		files := &brokenFS{FS: vfs.NewMem()}
		files.err.Store(&cause)
		_, err := Open("data", Options{fs: files})
		oneLine(t, err, sentinel, "data")
	}
}

func TestGuardOutlivesPebble(t *testing.T) {
	t.Parallel()
	s, err := Open("data", Options{fs: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	hang := make(chan struct{})
	defer close(hang)
	go func() { logger{s}.Fatalf("background: %v", syscall.ENOSPC) }()
	if err := s.guard(func() error { <-hang; return nil }); !errors.Is(err, persistence.ErrFull) {
		t.Errorf("guard: %v", err)
	}
	if _, err := s.Prior(context.Background(), nil, 1); !errors.Is(err, persistence.ErrFull) {
		t.Errorf("read of a failed store: %v", err)
	}
}

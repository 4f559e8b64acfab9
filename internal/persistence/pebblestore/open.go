package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// Options tunes a store. Zero values are defaults, which suit a small house:
// idle, a store takes a few megabytes.
type Options struct {
	Log          *slog.Logger // default: discard
	CacheSize    int64        // bytes of blocks kept, taken as they are needed; default 64 MiB
	MaxOpenFiles int          // files of the store kept open; default 500
	MemTableSize uint64       // bytes of writes gathered before they are sorted into a file; default 16 MiB
	// Shared is what the store shares with others of the process, in place of
	// CacheSize and MaxOpenFiles; nil for nothing.
	Shared *Shared
	// Hold opens a store that is new without waiting for the disk: it is there for good
	// when Persist has returned, and not at all if the process ends before.
	Hold bool

	fs vfs.FS // tests put a failing or a forgetful one here
}

// Store is a persistence.Store in a directory.
type Store struct {
	dir    string
	log    *slog.Logger
	lock   *pebble.Lock
	hold   *hold // nil for a store that was there already, or waits for the disk always
	db     *pebble.DB
	closed atomic.Bool

	garbage   atomic.Int64 // deletions that Pebble has only in memory, roughly
	pruned    atomic.Int64 // no record of the log lies below it; a restart forgets it
	reclaimer reclaimer
	running   atomic.Bool // Pebble is past opening, where it returns errors as it should
	failure   sync.Once
	broken    chan struct{} // closed after err was set
	err       error
}

// It is a store.
var _ persistence.Store = (*Store)(nil)

// formatCell names the cell with the version of the layout of keys and values.
//
// 1 (November 2026): as in keys.go and records.go.
const formatCell = "pebblestore.format"

// format is the version that this code writes, and the newest that it reads.
const format = "1"

// Open opens the store in a directory, which is made if need be. Only one
// process can have it open.
func Open(dir string, o Options) (*Store, error) {
	s, err := open(dir, o)
	if err != nil {
		return nil, located(dir, err)
	}
	return s, nil
}

// located says which directory an error is about, once.
func located(dir string, err error) error {
	if prefix := "data directory " + dir + ": "; !strings.HasPrefix(err.Error(), prefix) {
		return fmt.Errorf("%s%w", prefix, classify(err))
	}
	return err
}

// open is Open without the last word on errors.
func open(dir string, o Options) (*Store, error) {
	s := &Store{dir: dir, log: o.Log, broken: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	disk := o.fs
	if disk == nil {
		disk = vfs.Default
	}
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.lock, err = pebble.LockDirectory(dir, disk); err != nil {
		return nil, lockError(err)
	}
	if s.hold, err = takeHold(disk, dir, o.Hold); err != nil {
		_ = s.lock.Close()
		return nil, err
	}
	if s.hold != nil {
		disk = s.hold
	}
	var cache *pebble.Cache
	var files *pebble.FileCache
	if o.Shared != nil {
		cache, files = o.Shared.cache, o.Shared.files
	} else {
		cache = pebble.NewCache(defaulted(o.CacheSize, 64<<20))
		defer cache.Unref()
	}
	opts := &pebble.Options{
		FS:                 watchedFS{disk, s},
		Lock:               s.lock,
		Cache:              cache,
		FileCache:          files,
		Comparer:           comparer,
		Logger:             logger{s},
		MemTableSize:       defaulted(o.MemTableSize, 16<<20),
		MaxOpenFiles:       int(defaulted(int64(o.MaxOpenFiles), 500)),
		FormatMajorVersion: pebble.FormatTableFormatV6,
		// Pebble would try again for ever, while writes wait: a flush that finds
		// the disk full does not end by itself.
		EventListener: &pebble.EventListener{BackgroundError: s.abandon},
	}
	opts.Experimental.CompactionScheduler = newCompactions()
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		opts.Levels[i].FilterType = pebble.TableFilter
	}
	err = s.guard(func() (err error) {
		s.db, err = pebble.Open(dir, opts)
		return err
	})
	if err != nil {
		_ = s.lock.Close()
		return nil, err
	}
	s.running.Store(true)
	if err := s.checkFormat(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// defaulted is v, or d if v is zero.
func defaulted[T int64 | uint64](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// checkFormat reads the version of the layout, and writes it to a new store.
func (s *Store) checkFormat() error {
	cell, err := s.Cell(context.Background(), formatCell)
	switch {
	case err != nil:
		return err
	case cell == nil:
		return s.SetCell(context.Background(), formatCell, []byte(format))
	case string(cell) != format:
		return fmt.Errorf("format %q: %w", cell, persistence.ErrNewerFormat)
	}
	return nil
}

// lockError tells a lock that somebody holds from a disk that has a problem.
func lockError(err error) error {
	if errors.Is(err, syscall.EAGAIN) || strings.Contains(err.Error(), "lock held by current process") {
		return persistence.ErrLocked
	}
	return err
}

// classify names what is wrong with the disk, so that one line can tell it.
func classify(err error) error {
	for sentinel, causes := range map[error][]error{
		persistence.ErrReadOnly: {syscall.EROFS, fs.ErrPermission},
		persistence.ErrFull:     {syscall.ENOSPC, syscall.EDQUOT},
	} {
		for _, cause := range causes {
			if errors.Is(err, cause) {
				return fmt.Errorf("%w (%v)", sentinel, cause)
			}
		}
	}
	if text := err.Error(); strings.Contains(text, "unknown format major version") || strings.Contains(text, "comparer name from file") {
		return fmt.Errorf("%w (%v)", persistence.ErrNewerFormat, err)
	}
	return err
}

// Close is part of persistence.Store. A failed store is left as it is: Pebble
// may hold locks that nobody will give back. The process is about to end.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	select {
	case <-s.broken:
		return nil
	default:
	}
	s.reclaimer.close()
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("data directory %s: close: %w", s.dir, classify(err))
	}
	return nil
}

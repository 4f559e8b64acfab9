package pebblestore

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// countingFS counts how often something waits for the disk.
type countingFS struct {
	vfs.FS
	syncs *atomic.Int64
}

func (f countingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.count(f.FS.Create(name, c))
}

func (f countingFS) OpenDir(name string) (vfs.File, error) { return f.count(f.FS.OpenDir(name)) }

func (f countingFS) count(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return countingFile{file, f.syncs}, nil
}

type countingFile struct {
	vfs.File
	syncs *atomic.Int64
}

func (f countingFile) Sync() error     { f.syncs.Add(1); return f.File.Sync() }
func (f countingFile) SyncData() error { f.syncs.Add(1); return f.File.SyncData() }

// lay writes what a new store of a house begins with.
func lay(t *testing.T, s *Store) {
	t.Helper()
	for ts := persistence.Timestamp(1); ts <= 20; ts++ {
		if err := s.Append(t.Context(), []persistence.Commit{crashCommit(ts)}); err != nil {
			t.Fatal(err)
		}
	}
}

// revisions counts the revisions in a store.
func revisions(t *testing.T, s *Store) (n int) {
	t.Helper()
	for _, err := range s.Log(t.Context(), 0, persistence.Max, persistence.Asc) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestHoldWaitsOnce(t *testing.T) {
	t.Parallel()
	syncs := map[bool]int64{}
	for _, held := range []bool{false, true} {
		var n atomic.Int64
		s, err := Open("data", Options{fs: countingFS{vfs.NewMem(), &n}, Hold: held})
		if err != nil {
			t.Fatal(err)
		}
		lay(t, s)
		if err := s.Persist(); err != nil {
			t.Fatal(err)
		}
		syncs[held] = n.Load()
		before := n.Load()
		if err := s.Append(t.Context(), []persistence.Commit{crashCommit(21)}); err != nil {
			t.Fatal(err)
		}
		if n.Load() == before {
			t.Errorf("held %v: a write after the store is persisted does not wait for the disk", held)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("waits for the disk: %d, and %d when held", syncs[false], syncs[true])
	if syncs[true] > 15 || syncs[true]*2 > syncs[false] {
		t.Errorf("a held store waits %d times for the disk, one that is not %d times", syncs[true], syncs[false])
	}
}

// TestHoldSurvivesPowerLoss loses whatever was not synced, before and after a held
// store is persisted: it is there as a whole or not at all.
func TestHoldSurvivesPowerLoss(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		files := vfs.NewCrashableMem()
		s, err := Open("data", Options{fs: files, MemTableSize: 64 << 10, Hold: true})
		if err != nil {
			t.Fatal(err)
		}
		lay(t, s)
		lost := func(after string, want bool) {
			t.Helper()
			clone := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 7))})
			again, err := Open("data", Options{fs: clone, Hold: seed%2 == 0})
			if err != nil {
				t.Fatalf("seed %d, power lost %s: %v", seed, after, err)
			}
			if got := revisions(t, again) > 0; got != want {
				t.Errorf("seed %d, power lost %s: something is there %v, want %v", seed, after, got, want)
			}
			lay(t, again) // a store that began anew is one like any other
			if err := again.Persist(); err != nil {
				t.Errorf("seed %d, power lost %s: %v", seed, after, err)
			}
			if err := again.Close(); err != nil {
				t.Errorf("seed %d, power lost %s: %v", seed, after, err)
			}
		}
		if want := revisions(t, s); want == 0 {
			t.Fatal("a held store does not see its own writes")
		}
		lost("before it was persisted", false)
		if err := s.Persist(); err != nil {
			t.Fatal(err)
		}
		lost("after it was persisted", true)
		if names, err := files.List("data"); err != nil || slices.Contains(names, heldName) {
			t.Errorf("the mark of a held store is still there: %v, %v", names, err)
		}
		if err := s.Append(t.Context(), []persistence.Commit{crashCommit(21)}); err != nil {
			t.Fatal(err)
		}
		examine(t, "data", files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 30, RNG: rand.New(rand.NewPCG(seed, 8))}), 21)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHoldForgetsInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		s, err := Open(dir, Options{Hold: true})
		if err != nil {
			t.Fatal(err)
		}
		if n := revisions(t, s); n != 0 {
			t.Errorf("%d revisions of a store that was never persisted", n)
		}
		lay(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// A store that was there before is never held, and never forgotten.
	for range 2 {
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		n := revisions(t, s)
		lay(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(dir, Options{Hold: true}); err != nil {
			t.Fatal(err)
		}
		if m := revisions(t, s); m == 0 || m < n {
			t.Errorf("%d revisions, %d were there before", m, n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

package pebblestore

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compacting is a store with compactions that wait, and counts how often it is asked.
type compacting struct {
	mu                             sync.Mutex
	allowed, waiting, begun, asked int
}

// change looks at or changes the figures.
func (c *compacting) change(f func(*compacting)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

func (c *compacting) GetAllowedWithoutPermission() (n int) {
	c.change(func(c *compacting) { c.asked++; n = c.allowed })
	return n
}

func (c *compacting) GetWaitingCompaction() (waiting bool, _ pebble.WaitingCompaction) {
	c.change(func(c *compacting) { waiting = c.waiting > 0 })
	return waiting, pebble.WaitingCompaction{}
}

func (c *compacting) Schedule(pebble.CompactionGrantHandle) bool {
	c.change(func(c *compacting) { c.waiting--; c.begun++ })
	return true
}

func TestCompactionsSleepWhileNoneWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &compacting{allowed: 1}
		s := newCompactions()
		s.Register(1, db)
		var asked, begun int
		look := func() { db.change(func(c *compacting) { asked, begun = c.asked, c.begun }) }
		quiet := func(when string) {
			t.Helper()
			look()
			before := asked
			time.Sleep(time.Hour)
			synctest.Wait()
			if look(); asked != before {
				t.Errorf("%s: asked %d times in an hour", when, asked-before)
			}
		}
		quiet("before the first compaction")
		ok, first := s.TrySchedule()
		if !ok {
			t.Fatal("a first compaction may not run")
		}
		quiet("while one runs and none waits")
		// A second has to wait, and is tried again without anybody's asking.
		if ok, _ := s.TrySchedule(); ok {
			t.Fatal("two compactions run where one may")
		}
		db.change(func(c *compacting) { c.waiting = 1 })
		time.Sleep(time.Second)
		if look(); begun != 0 {
			t.Fatal("the second did not wait")
		}
		db.change(func(c *compacting) { c.allowed = 2 })
		time.Sleep(time.Second)
		if look(); begun != 1 {
			t.Errorf("%d of the waiting began after one more was allowed", begun)
		}
		// A third waits for one that runs, or to be told that more may.
		running := 2
		for _, freed := range []func(){
			func() { running--; first.Done() },
			func() { db.change(func(c *compacting) { c.allowed++ }); s.UpdateGetAllowedWithoutPermission() },
		} {
			db.change(func(c *compacting) { c.waiting, c.begun = 1, 0 })
			freed()
			synctest.Wait()
			if look(); begun != 1 {
				t.Errorf("%d of the waiting began when there was room", begun)
			}
			running++
		}
		for range running {
			first.Done()
		}
		time.Sleep(time.Second) // it may look once more
		quiet("when all have run")
		db.change(func(c *compacting) { c.allowed = 0 })
		if ok, _ := s.TrySchedule(); ok {
			t.Fatal("one runs where none may")
		}
		s.Unregister()
		quiet("after the end")
	})
}

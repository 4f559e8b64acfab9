package database_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/value"
)

// heldStore lets a test hold appends back, look at their batches, and make
// them fail.
type heldStore struct {
	persistence.Store
	mu      sync.Mutex
	batches []int
	hold    chan struct{} // if not nil, each append takes one from it first
	entered chan struct{} // told when an append waits
	err     error
}

// Append is part of persistence.Store.
func (s *heldStore) Append(ctx context.Context, batch []persistence.Commit) error {
	if s.hold != nil {
		s.entered <- struct{}{}
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.batches = append(s.batches, len(batch))
	return s.Store.Append(ctx, batch)
}

// insert adds a document in a transaction of its own.
func insert(ctx context.Context, db *database.DB, table string) (persistence.Timestamp, error) {
	return db.Update(ctx, func(tx *database.Tx) error { _, err := tx.Insert(ctx, table, obj("name", "x")); return err })
}

func TestCommitsFormBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := &heldStore{Store: persistence.NewMemory()}
		db, err := database.Open(ctx, database.Options{Store: s})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := insert(ctx, db, "t"); err != nil {
			t.Fatal(err)
		}
		before := db.Latest()
		s.hold, s.entered = make(chan struct{}), make(chan struct{}, 10)
		var wg sync.WaitGroup
		var answered sync.Map
		for i := range 20 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if _, err := insert(ctx, db, "t"); err != nil {
					t.Error(err)
				}
				answered.Store(i, true)
			}()
		}
		<-s.entered
		synctest.Wait() // all others are accepted while the first is being written
		if db.Latest() != before {
			t.Error("visible before it is durable")
		}
		answered.Range(func(any, any) bool { t.Error("answered before it is durable"); return false })
		close(s.hold)
		wg.Wait()
		// How many the first batch gathers is the scheduler's choice; the rest is one batch.
		sum := 0
		for _, n := range s.batches {
			sum += n
		}
		if len(s.batches) > 3 || sum != 21 {
			t.Errorf("batches %v", s.batches)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestConflictWithPendingWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := &heldStore{Store: persistence.NewMemory()}
		db, err := database.Open(ctx, database.Options{Store: s})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var id value.ID
		update(t, db, func(tx *database.Tx) (err error) { id, err = tx.Insert(ctx, "t", obj("name", "a")); return err })
		s.hold, s.entered = make(chan struct{}), make(chan struct{}, 10)
		a, b := begin(t, db), begin(t, db)
		for _, tx := range []*database.Tx{a, b} {
			if err := tx.Replace(ctx, id, obj("name", "b")); err != nil {
				t.Fatal(err)
			}
		}
		first := make(chan persistence.Timestamp, 1)
		go func() {
			ts, err := db.Commit(ctx, a)
			if err != nil {
				t.Error(err)
			}
			first <- ts
		}()
		<-s.entered
		second := make(chan error, 1)
		go func() { _, err := db.Commit(ctx, b); second <- err }()
		synctest.Wait()
		select {
		case err := <-second:
			t.Errorf("conflict told before the write is visible: %v", err)
		default:
		}
		close(s.hold)
		err = <-second
		var c *database.Conflict
		if !errors.As(err, &c) || c.Table != "t" || c.At != <-first || db.Latest() < c.At {
			t.Errorf("conflict: %v", err)
		}
	})
}

func TestCommitOutlivesItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &heldStore{Store: persistence.NewMemory()}
		db, err := database.Open(t.Context(), database.Options{Store: s})
		if err != nil {
			t.Fatal(err)
		}
		s.hold, s.entered = make(chan struct{}, 1), make(chan struct{}, 10)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { _, err := insert(ctx, db, "t"); done <- err }()
		<-s.entered
		stop()
		synctest.Wait()
		s.hold <- struct{}{}
		if err := <-done; err != nil {
			t.Errorf("a commit that had begun: %v", err)
		}
		if _, err := insert(ctx, db, "t"); !errors.Is(err, context.Canceled) {
			t.Errorf("a commit after its context ended: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if _, err := insert(t.Context(), db, "t"); !errors.Is(err, database.ErrClosed) {
			t.Errorf("a commit after Close: %v", err)
		}
	})
}

func TestFailedStoreEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := &heldStore{Store: persistence.NewMemory()}
		db, err := database.Open(ctx, database.Options{Store: s})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- db.Run(ctx) }()
		if _, err := insert(ctx, db, "t"); err != nil {
			t.Fatal(err)
		}
		last := db.Latest()
		s.mu.Lock()
		s.err = fmt.Errorf("data directory x: %w", persistence.ErrFull)
		s.mu.Unlock()
		for range 2 {
			if _, err := insert(ctx, db, "t"); !errors.Is(err, persistence.ErrFull) {
				t.Errorf("commit: %v", err)
			}
		}
		if err := <-done; !errors.Is(err, persistence.ErrFull) || strings.Contains(err.Error(), "\n") {
			t.Errorf("run: %v", err)
		}
		if db.Latest() != last {
			t.Error("a failed commit is visible")
		}
		if n, err := begin(t, db).Count(ctx, "t"); n != 1 || err != nil {
			t.Errorf("reading on: %d, %v", n, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestTimestampsIncreaseAcrossRestarts(t *testing.T) {
	t.Parallel()
	s := persistence.NewMemory()
	last := persistence.Timestamp(0)
	for range 3 {
		// The clock of the bubble begins in the year 2000, every time.
		synctest.Test(t, func(t *testing.T) {
			db, err := database.Open(t.Context(), database.Options{Store: stepped{s}})
			if err != nil {
				t.Fatal(err)
			}
			if db.Latest() != last {
				t.Errorf("opened at %d, closed at %d", db.Latest(), last)
			}
			time.Sleep(time.Second - 10*time.Duration(last%2))
			for range 3 {
				ts, err := insert(t.Context(), db, "t")
				if err != nil || ts <= last {
					t.Errorf("commit at %d after %d, %v", ts, last, err)
				}
				last = ts
			}
		})
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	var last persistence.Timestamp
	var want []string
	for round := range 3 {
		s, err := pebblestore.Open(dir, pebblestore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		db, err := database.Open(ctx, database.Options{Store: s})
		if err != nil {
			t.Fatal(err)
		}
		if db.Latest() != last {
			t.Errorf("opened at %d, closed at %d", db.Latest(), last)
		}
		letter := string(rune('a' + round))
		if round == 0 {
			fill(t, db, "")
		}
		update(t, db, func(tx *database.Tx) error { _, err := tx.Insert(ctx, "t", obj("name", letter)); return err })
		want = append(want, letter)
		if got := names(t, begin(t, db).Scan("t", "by_name", database.Interval{}, database.Asc), 9); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("round %d: %v", round, got)
		}
		last = db.Latest()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// stepped keeps a store open when its database is closed.
type stepped struct{ persistence.Store }

// Close is part of persistence.Store.
func (stepped) Close() error { return nil }

func TestBeginAtSeesThePast(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := stepped{persistence.NewMemory()}
	db, err := database.Open(ctx, database.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	var at []persistence.Timestamp
	for i := range 4 {
		ts, err := insert(ctx, db, fmt.Sprintf("t%d", i))
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, ts)
	}
	look := func(db *database.DB) {
		t.Helper()
		for i, ts := range at {
			tx, err := db.BeginAt(ctx, ts)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(tx.Tables()); n != i+1 {
				t.Errorf("at %d: %d tables", i, n)
			}
			if got := names(t, tx.Scan(fmt.Sprintf("t%d", i), database.ByCreationTime, database.Interval{}, database.Asc), 9); len(got) != 1 {
				t.Errorf("at %d: %v", i, got)
			}
		}
		if _, err := db.BeginAt(ctx, at[3]+1); err == nil {
			t.Error("began in the future")
		}
	}
	look(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = database.Open(ctx, database.Options{Store: store}); err != nil {
		t.Fatal(err)
	}
	look(db)
	if err := db.Prune(ctx, at[2]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := db.BeginAt(ctx, at[1]); !errors.Is(err, database.ErrTooOld) {
			t.Errorf("below the horizon: %v", err)
		}
		if _, err := db.BeginAt(ctx, at[2]); err != nil {
			t.Errorf("at the horizon: %v", err)
		}
		if db, err = database.Open(ctx, database.Options{Store: store}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCacheKnowsNothingOfThePast(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := stepped{persistence.NewMemory()}
	db, err := database.Open(ctx, database.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	var id value.ID
	first := update(t, db, func(tx *database.Tx) (err error) { id, err = tx.Insert(ctx, "t", obj("name", "old")); return err })
	update(t, db, func(tx *database.Tx) error { return tx.Replace(ctx, id, obj("name", "new")) })
	// Opened again, the cache has not seen the commits that are in the store.
	if db, err = database.Open(ctx, database.Options{Store: store}); err != nil {
		t.Fatal(err)
	}
	past, err := db.BeginAt(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	for tx, want := range map[*database.Tx]string{past: "old", begin(t, db): "new"} {
		for range 2 {
			d, err := tx.Get(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if v, _ := d.Object().Get("name"); v != value.Value(value.String(want)) {
				t.Errorf("at %d: %v, want %s", tx.Snapshot(), v, want)
			}
		}
	}
	if _, err := past.Get(ctx, id); err != nil {
		t.Fatal(err)
	}
	if d, err := begin(t, db).Get(ctx, id); err != nil || d.TS == first {
		t.Errorf("newest snapshot has the revision of %d, %v", d.TS, err)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory(), Retention: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- db.Run(ctx) }()
		ts, err := insert(ctx, db, "t")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := insert(ctx, db, "t"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Minute)
		if _, err := db.BeginAt(ctx, ts); err != nil {
			t.Errorf("within the retention: %v", err)
		}
		time.Sleep(20 * time.Minute)
		if _, err := db.BeginAt(ctx, ts); !errors.Is(err, database.ErrTooOld) {
			t.Errorf("beyond the retention: %v", err)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSubscribeBeyondTheWriteLog(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory(), LogSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	run(t, db)
	tx := begin(t, db)
	names(t, tx.Scan("quiet", database.ByCreationTime, database.Interval{}, database.Asc), 1)
	kept := db.Subscribe(tx.Reads(), tx.Snapshot())
	for range 20 {
		if _, err := insert(ctx, db, "t"); err != nil {
			t.Fatal(err)
		}
	}
	other := begin(t, db)
	names(t, other.Scan("quiet", database.ByCreationTime, database.Interval{}, database.Asc), 1)
	if db.Unchanged(other.Reads(), tx.Snapshot(), db.Latest()) {
		t.Error("the log cannot know that")
	}
	<-db.Subscribe(other.Reads(), tx.Snapshot()).Done()
	for name, sub := range map[string]*database.Subscription{
		"subscribed all the while":               kept,
		"joined to one subscribed all the while": db.Subscribe(tx.Reads(), tx.Snapshot()),
	} {
		select {
		case <-sub.Done():
			t.Errorf("%s: done", name)
		default:
		}
		sub.Close()
		sub.Close()
	}
	if n := db.Stats().Subscriptions; n != 0 {
		t.Errorf("%d read sets are still watched", n)
	}
	old := tx
	if _, err := old.Insert(ctx, "t", obj()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Commit(ctx, old); !errors.Is(err, database.ErrConflict) {
		t.Errorf("a snapshot older than the log: %v", err)
	}
}

func TestNewerFormat(t *testing.T) {
	t.Parallel()
	store := persistence.NewMemory()
	if err := store.SetCell(t.Context(), "database.format", []byte("2")); err != nil {
		t.Fatal(err)
	}
	if _, err := database.Open(t.Context(), database.Options{Store: store}); !errors.Is(err, persistence.ErrNewerFormat) {
		t.Errorf("open: %v", err)
	}
}

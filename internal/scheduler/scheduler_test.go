package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// house is a worker over an in-memory database; call it within a synctest bubble.
type house struct {
	*testing.T
	db  *database.DB
	w   *Worker
	mu  sync.Mutex
	ran []string // names of functions, in the order they began

	stop func()
}

// newHouse opens a database and prepares a worker that runs jobs as mutations would.
func newHouse(t *testing.T) *house {
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := Open(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, db: db}
	h.w = &Worker{DB: db, Log: slog.New(slog.DiscardHandler), Run: h.mutate}
	return h
}

// mutate claims, notes and settles a job in one transaction.
func (h *house) mutate(ctx context.Context, j Job) error {
	_, err := h.db.Update(ctx, func(tx *database.Tx) error {
		c, err := Begin(ctx, tx, j)
		if err != nil || c == nil {
			return err
		}
		h.mu.Lock()
		h.ran = append(h.ran, c.Path)
		h.mu.Unlock()
		return End(ctx, tx, j, nil, time.Now())
	})
	return err
}

// begin starts database and worker.
func (h *house) begin() {
	ctx, cancel := context.WithCancel(h.Context())
	var wg sync.WaitGroup
	wg.Go(func() { h.db.Run(ctx) })
	wg.Go(func() {
		if err := h.w.Work(ctx); err != nil {
			h.Error(err)
		}
	})
	h.stop = func() { cancel(); wg.Wait() }
}

// schedule notes a call of a function after a delay.
func (h *house) schedule(path string, after time.Duration) (id value.ID) {
	h.update(func(tx *database.Tx) (err error) {
		id, err = Schedule(h.Context(), tx, Call{Path: path, At: millis(time.Now().Add(after))}, time.Now())
		return err
	})
	return id
}

func (h *house) update(f func(*database.Tx) error) {
	h.Helper()
	if _, err := h.db.Update(h.Context(), f); err != nil {
		h.Fatal(err)
	}
}

// state is that of a row.
func (h *house) state(id value.ID) (s string) {
	h.update(func(tx *database.Tx) (err error) {
		s, err = State(h.Context(), tx, id)
		return err
	})
	return s
}

// began gives what ran so far.
func (h *house) began() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ran)
}

func same[T any](t *testing.T, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		t.Errorf("got %s, want %s", g, w)
	}
}

func TestWorkerRunsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.w.Parallel = 1
		h.schedule("third", 2*time.Second)
		h.schedule("first", -time.Hour)
		second := h.schedule("second", time.Second)
		h.schedule("last", 24*time.Hour)
		h.begin()
		synctest.Wait()
		same(t, h.began(), []string{"first"})
		same(t, h.state(second), Pending)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		same(t, h.began(), []string{"first", "second", "third"})
		same(t, h.state(second), Success)
		h.schedule("sooner", time.Minute) // the worker sleeps for a day by now
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		same(t, h.began()[3:], []string{"sooner"})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		same(t, h.began()[4:], []string{"last"})
		h.stop()
	})
}

func TestWorkerRunsThousandsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		var mu sync.Mutex
		running, most := 0, 0
		h.w.Run = func(ctx context.Context, j Job) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			return h.mutate(ctx, j)
		}
		const n = 2000
		h.update(func(tx *database.Tx) error {
			for range n {
				if _, err := Schedule(h.Context(), tx, Call{Path: "a", At: millis(time.Now())}, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		h.begin()
		time.Sleep(time.Minute)
		synctest.Wait()
		same(t, len(h.began()), n)
		same(t, most, defaultParallel)
		h.stop()
	})
}

func TestWorkerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		tries := 0
		h.w.Run = func(ctx context.Context, j Job) error {
			if tries++; tries < 4 {
				return errors.New("busy")
			}
			return h.mutate(ctx, j)
		}
		id := h.schedule("a", 0)
		h.begin()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		same(t, tries, 4)
		same(t, h.state(id), Success)
		h.stop()
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		pending, done, running := h.schedule("pending", time.Second), h.schedule("done", 0), h.schedule("running", time.Hour)
		h.begin()
		synctest.Wait()
		h.update(func(tx *database.Tx) error {
			if _, err := Begin(h.Context(), tx, Job{ID: running}); err != nil {
				return err
			}
			for _, id := range []value.ID{pending, done, running} {
				if found, err := Cancel(h.Context(), tx, id, time.Now()); !found || err != nil {
					t.Errorf("cancel: %v, %v", found, err)
				}
			}
			found, err := Cancel(h.Context(), tx, value.ID{Table: pending.Table}, time.Now())
			same(t, found, false)
			return err
		})
		h.update(func(tx *database.Tx) error { return End(h.Context(), tx, Job{ID: running}, nil, time.Now()) })
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		same(t, h.began(), []string{"done"})
		same(t, []string{h.state(pending), h.state(done), h.state(running)}, []string{Canceled, Success, Canceled})

		for i := range 2500 {
			h.schedule([]string{"x", "y"}[i%2], time.Hour)
		}
		n, err := CancelAll(h.Context(), h.db, 0, "x")
		same(t, fmt.Sprint(n, err), "1250 <nil>")
		n, err = CancelAll(h.Context(), h.db, 0, "")
		same(t, fmt.Sprint(n, err), "1250 <nil>")
		h.stop()
	})
}

func TestRecoverAndSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		id := h.schedule("action", 0)
		h.update(func(tx *database.Tx) error {
			_, err := Begin(h.Context(), tx, Job{ID: id})
			return err
		})
		h.begin()
		synctest.Wait()
		h.update(func(tx *database.Tx) error {
			row, err := tx.Get(h.Context(), id)
			if err == nil {
				same(t, string(value.JSON(value.Path(Public(row), "state"))), `{"error":"Transient error while executing action","kind":"failed"}`)
				_, hidden := Public(row).Get(dueField)
				same(t, hidden, false)
			}
			return err
		})
		same(t, len(h.began()), 0)
		time.Sleep(6 * 24 * time.Hour)
		synctest.Wait()
		same(t, h.state(id), Failed)
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		same(t, h.state(id), "")
		h.stop()
	})
}

func TestScheduleRefusesFarTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		for _, years := range []int{-6, 6} {
			_, err := h.db.Update(t.Context(), func(tx *database.Tx) error {
				_, err := Schedule(t.Context(), tx, Call{Path: "a", At: millis(time.Now().AddDate(years, 0, 0))}, time.Now())
				return err
			})
			if err == nil {
				t.Errorf("%d years are accepted", years)
			}
		}
	})
}

func TestCronsRunAndKeepTheirTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		install := func(text string) CronDiff {
			specs, err := ParseCrons([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var d CronDiff
			h.update(func(tx *database.Tx) (err error) {
				d, err = InstallCrons(h.Context(), tx, "", specs, time.Now())
				return err
			})
			return d
		}
		tick := `"tick":{"name":"a:tick","args":[{}],"schedule":{"type":"interval","minutes":10}}`
		same(t, install(`{`+tick+`,"hour":{"name":"a:hour","args":[{}],"schedule":{"type":"hourly","minuteUTC":30}}}`), CronDiff{[]string{"hour", "tick"}, []string{}, []string{}})
		h.begin()
		synctest.Wait()
		same(t, h.began(), []string{"a:tick"}) // at once
		time.Sleep(35 * time.Minute)
		synctest.Wait()
		same(t, slices.Sorted(slices.Values(h.began())), []string{"a:hour", "a:tick", "a:tick", "a:tick", "a:tick"})
		same(t, install(`{`+tick+`}`), CronDiff{[]string{}, []string{}, []string{"hour"}})
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		same(t, len(h.began()), 5)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		same(t, len(h.began()), 6)
		same(t, install(`{"tick":{"name":"a:tick","args":[{"n":1}],"schedule":{"type":"interval","minutes":10}}}`), CronDiff{[]string{}, []string{"tick"}, []string{}})
		synctest.Wait()
		same(t, len(h.began()), 7)
		h.stop()
		time.Sleep(time.Hour) // six occurrences pass; one is made up for
		h.begin()
		synctest.Wait()
		same(t, len(h.began()), 8)
		h.stop()
	})
}

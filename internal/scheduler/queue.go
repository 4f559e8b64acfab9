package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// queue begins the jobs of one table in the order of their due times. It belongs to
// the goroutine of run; what it starts reports back through ended.
type queue struct {
	w     *Worker
	space value.Space
	table string
	turns chan struct{} // of all queues of the table's kind: one for each job that may run

	ready   []Job
	running map[value.ID]bool
	held    map[value.ID]*held // failed to settle, to be tried again
	ended   chan result

	sub   *database.Subscription // of the last look; nil when there is more to look at
	later time.Time              // when the next job is due that was not ready; zero for none

	floor     float64 // nothing pending is due before it, but for rows younger than the last full look
	lastFull  time.Time
	nextAfter time.Time // a look before this would take too much of the machine
}

// held is a job that waits before it is tried again.
type held struct {
	until time.Time
	wait  time.Duration
}

// result tells how a run ended.
type result struct {
	id  value.ID
	err error
}

// How many due jobs are gathered at a time, and how long one waits that could not be
// settled (convex-runtime.md §6.5).
const (
	batch     = 256
	firstWait = 100 * time.Millisecond
	maxWait   = time.Minute
)

// A due time is at or after the beginning of the transaction that wrote it. What
// commits later than slack after that is found by the next full look.
const (
	slack     = 30 * time.Second
	fullEvery = 2 * time.Minute
)

// lookShare bounds what looking may take of a processor: after a look of a
// millisecond there is none for this many.
const lookShare = 4

// run works until ctx ends and all runs have returned.
func (q *queue) run(ctx context.Context) error {
	q.running, q.held, q.ended = map[value.ID]bool{}, map[value.ID]*held{}, make(chan result, q.w.Parallel)
	defer func() {
		for len(q.running) > 0 {
			delete(q.running, (<-q.ended).id)
		}
		q.unsubscribe()
	}()
	trouble := firstWait
	for ctx.Err() == nil {
		q.begin(ctx)
		if len(q.ready) == 0 && q.stale() {
			if err := q.look(ctx); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				q.w.Log.Warn("due jobs not read", "table", q.table, "err", err)
				q.nextAfter = time.Now().Add(trouble)
				trouble = min(2*trouble, maxWait)
			} else {
				trouble = firstWait
			}
			continue
		}
		q.wait(ctx)
	}
	return nil
}

// begin starts ready jobs while there is room.
func (q *queue) begin(ctx context.Context) {
	for len(q.ready) > 0 && len(q.running) < q.w.Parallel {
		j := q.ready[0]
		q.ready = q.ready[1:]
		q.running[j.ID] = true
		go func() {
			select {
			case q.turns <- struct{}{}:
			case <-ctx.Done():
				q.ended <- result{j.ID, ctx.Err()}
				return
			}
			err := q.w.Run(ctx, j)
			<-q.turns
			q.ended <- result{j.ID, err}
		}()
	}
}

// stale tells whether it is time, and worth while, to look for due jobs.
func (q *queue) stale() bool {
	now := time.Now()
	if len(q.running) >= q.w.Parallel || now.Before(q.nextAfter) {
		return false
	}
	if q.sub == nil || !q.later.IsZero() && !now.Before(q.later) {
		return true
	}
	if now.Sub(q.lastFull) >= fullEvery {
		return true
	}
	select {
	case <-q.sub.Done():
		return true
	default:
		return false
	}
}

// wait sleeps until something may have become possible.
func (q *queue) wait(ctx context.Context) {
	var changed <-chan struct{}
	var timer <-chan time.Time
	if len(q.ready) == 0 && len(q.running) < q.w.Parallel {
		until := q.lastFull.Add(fullEvery)
		if !q.later.IsZero() && q.later.Before(until) {
			until = q.later
		}
		if q.nextAfter.After(time.Now()) { // the change, if any, is found then
			until = q.nextAfter
		} else if q.sub != nil {
			changed = q.sub.Done()
		}
		t := time.NewTimer(max(time.Until(until), 0))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timer:
	case r := <-q.ended:
		q.done(ctx, r)
	}
}

// done takes in how a run ended.
func (q *queue) done(ctx context.Context, r result) {
	delete(q.running, r.id)
	if r.err == nil {
		delete(q.held, r.id)
		return
	}
	if ctx.Err() != nil {
		return
	}
	h := q.held[r.id]
	if h == nil {
		h = &held{wait: firstWait}
		q.held[r.id] = h
	}
	h.until = time.Now().Add(h.wait/2 + rand.N(h.wait/2))
	q.w.Log.Warn("scheduled job will be tried again", "job", r.id.String(), "in", h.wait, "err", r.err)
	h.wait = min(2*h.wait, maxWait)
	if q.later.IsZero() || h.until.Before(q.later) {
		q.later = h.until
	}
}

// unsubscribe ends the subscription of the last look.
func (q *queue) unsubscribe() {
	if q.sub != nil {
		q.sub.Close()
		q.sub = nil
	}
}

// look gathers the jobs that are due, up to a batch, and finds out when to look again.
func (q *queue) look(ctx context.Context) error {
	begun := time.Now()
	q.unsubscribe()
	q.later = time.Time{}
	floor := q.floor
	full := begun.Sub(q.lastFull) >= fullEvery
	if full {
		floor = 0
	}
	lowest := millis(begun)
	seen := map[value.ID]bool{}
	err := q.w.DB.View(ctx, func(tx *database.Tx) error {
		c := tx.In(q.space).Scan(q.table, byDue, inState(Pending, floor), database.Asc)
		defer c.Close()
		for len(q.ready) < batch {
			row, err := c.Next(ctx)
			if err != nil {
				return err
			}
			if row == nil {
				break
			}
			due := num(row.Object(), dueField)
			lowest = min(lowest, due)
			at := time.UnixMicro(int64(due * 1000))
			if at.After(begun) {
				q.notLaterThan(at)
				break
			}
			seen[row.ID] = true
			switch h := q.held[row.ID]; {
			case q.running[row.ID]:
			case h != nil && begun.Before(h.until):
				q.notLaterThan(h.until)
			default:
				j := Job{ID: row.ID, Due: due}
				if q.table == cronTable {
					j.Cron = str(row.Object(), "name")
				}
				q.ready = append(q.ready, j)
			}
		}
		if len(q.ready) < batch {
			q.sub = q.w.DB.Subscribe(tx.Reads(), tx.Snapshot())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("scheduler: look at %s: %w", q.table, err)
	}
	if full && q.sub != nil {
		for id := range q.held { // those whose rows are gone or settled
			if !seen[id] && !q.running[id] {
				delete(q.held, id)
			}
		}
	}
	if full {
		q.lastFull = begun
	}
	q.floor = max(0, lowest-float64(slack.Milliseconds()))
	q.nextAfter = time.Now().Add(min(lookShare*time.Since(begun), time.Second))
	return nil
}

// notLaterThan makes the next look happen at t, or before.
func (q *queue) notLaterThan(t time.Time) {
	if q.later.IsZero() || t.Before(q.later) {
		q.later = t
	}
}

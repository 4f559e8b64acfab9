package udf

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// How often a mutation is tried again after a conflict, and how long it waits before
// (convex-runtime.md §6.1: exponential with full jitter, at most 2 s). The first
// retry only waits for its turn (see lanes), which orders those that caused
// each other's conflicts; jitter is for conflicts with others.
const (
	maxRetries   = 4
	firstBackoff = 25 * time.Millisecond
	maxBackoff   = 2 * time.Second
)

// Mutation runs a mutation until it commits. A request of a session that was
// committed before is answered from its record.
func (r *Runner) Mutation(ctx context.Context, q Request) (*Outcome, error) {
	if err := q.prepare(); err != nil {
		return nil, err
	}
	function := q.Component + "|" + q.Path
	if err := r.lanes.pass(ctx, function); err != nil {
		return nil, err
	}
	turn := r.heat.lanesFor(function, q.Args, time.Now())
	if err := r.lanes.enter(ctx, turn); err != nil {
		return nil, err
	}
	defer func() { r.lanes.leave(turn) }()
	if slices.ContainsFunc(turn, r.lanes.crowded) {
		r.heat.keep(turn, time.Now())
	}
	out, conflict, err := r.tryMutation(ctx, &q, 0)
	for try, wait := 1, firstBackoff; conflict != nil; try++ {
		if try > maxRetries {
			return nil, conflictError(conflict)
		}
		if turn, err = r.turnAfter(ctx, turn, r.heat.clashed(function, q.Args, conflict, time.Now())); err != nil {
			return nil, err
		}
		// The first time the turn is enough, against those who clash alike.
		if try > 1 {
			holding := function
			if try > 2 {
				holding = everybody
			}
			r.lanes.hold(holding)
			defer r.lanes.release(holding)
			select {
			case <-time.After(rand.N(wait)): // for those who run already
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			wait = min(2*wait, maxBackoff)
		}
		out, conflict, err = r.tryMutation(ctx, &q, try)
	}
	return out, err
}

// turnAfter waits for a turn in the lanes that a call has and in more. It goes to
// the end of those it had, for lanes must be entered in order.
func (r *Runner) turnAfter(ctx context.Context, had, more []string) (turn []string, err error) {
	missing := slices.DeleteFunc(slices.Clone(more), func(name string) bool { return slices.Contains(had, name) })
	if len(missing) == 0 {
		return had, nil
	}
	r.lanes.leave(had)
	turn = slices.Concat(had, missing)
	if err := r.lanes.enter(ctx, turn); err != nil {
		return nil, err
	}
	return turn, nil
}

// conflictError words the last conflict of a mutation for its caller (convex-runtime.md §6.1).
func conflictError(c *database.Conflict) error {
	table := "some"
	if c.Table != "" {
		table = fmt.Sprintf("the \"%s\"", c.Table)
	}
	return apierr.New(apierr.Overloaded, "OptimisticConcurrencyControlFailure", "Documents read from or written to %s table changed while this mutation "+
		"was being run and on every subsequent retry. See https://docs.convex.dev/error#1", table).Wrap(c)
}

// tryMutation runs a mutation once, with a new snapshot and a new seed. A conflict at
// its commit is no error: the caller decides.
func (r *Runner) tryMutation(ctx context.Context, q *Request, try int) (*Outcome, *database.Conflict, error) {
	tx, err := r.DB.Begin(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("udf: begin mutation: %w", err)
	}
	if q.HasSession {
		if out, err := replay(ctx, tx, q); err != nil || out != nil {
			return out, nil, err
		}
	}
	if q.claim != nil {
		if ok, err := q.claim(ctx, tx); err != nil || !ok {
			return &Outcome{Kind: Mutation, Value: nullJSON, Logs: []string{}}, nil, err
		}
	}
	b := newLogBuffer()
	out := &Outcome{Kind: Mutation, UsedCaller: true}
	if f, ok := r.systemFunction(q); ok {
		out.Value, err = f.call(ctx, r, q, Mutation, tx)
	} else {
		x, done, startErr := r.start(ctx, q, Mutation, tx, b)
		if err = startErr; err == nil {
			out.Value, err = x.perform(ctx, x.tx)
			x.warn()
			out.audits = x.run.audits
		}
		done()
	}
	usage := tx.Usage()
	if errors.Is(err, errTestConflict) {
		return nil, &database.Conflict{}, nil
	}
	if out, err = r.finish(out, err, q, b); err != nil {
		return nil, nil, err
	}
	if out.Failure != nil {
		out.TS = tx.Snapshot()
		r.logged(q, Mutation, b, out, usage, nil)
		return out, nil, nil
	}
	conflict, err := r.commit(ctx, tx, q, out)
	if err != nil {
		return nil, nil, err
	}
	if conflict != nil {
		r.logged(q, Mutation, b, nil, usage, &OCCInfo{TableName: conflict.Table, RetryCount: try})
		return nil, conflict, nil
	}
	r.logged(q, Mutation, b, out, usage, nil)
	return out, nil, nil
}

// commit makes a mutation durable together with the record of its request.
func (r *Runner) commit(ctx context.Context, tx *database.Tx, q *Request, out *Outcome) (*database.Conflict, error) {
	if q.HasSession {
		tx.SetLimits(database.Limits{}) // the record is not the mutation's to pay for
		if err := record(ctx, tx, q, out); err != nil {
			return nil, err
		}
	}
	if err := insertAudits(ctx, tx, q, Mutation, out.audits); err != nil {
		return nil, err
	}
	if q.settle != nil {
		tx.SetLimits(database.Limits{})
		if err := q.settle(ctx, tx); err != nil {
			return nil, err
		}
	}
	ts, err := r.DB.Commit(context.WithoutCancel(ctx), tx)
	var conflict *database.Conflict
	switch {
	case errors.As(err, &conflict):
		return conflict, nil
	case errors.Is(err, database.ErrConflict):
		return &database.Conflict{}, nil
	case err != nil:
		return nil, fmt.Errorf("udf: commit mutation: %w", err)
	}
	return nil, out.resolve(ts)
}

// resolve notes when a mutation committed, also where its result stands for that
// (convex-runtime.md §4.2). The record of a request keeps the result unresolved:
// it has the same timestamp.
func (o *Outcome) resolve(ts persistence.Timestamp) error {
	o.TS = ts
	if !value.MayBeUnresolved(string(o.Value)) {
		return nil
	}
	resolved, err := value.ResolveJSON(string(o.Value), int64(ts))
	if err != nil {
		return fmt.Errorf("udf: resolve commit timestamp of a result: %w", err)
	}
	o.Value = resolved
	o.hash()
	return nil
}

// requestKey are the indexed fields of a record.
func (q *Request) requestKey() []value.Value {
	return []value.Value{value.String(q.Session), value.Int64(q.SessionRequest)}
}

// record notes what a mutation of a session answered (convex-sync.md §4.3).
func record(ctx context.Context, tx *database.Tx, q *Request, out *Outcome) error {
	lines := make(value.Array, len(out.Logs))
	for i, l := range out.Logs {
		lines[i] = value.String(l)
	}
	key := q.requestKey()
	_, err := tx.Insert(ctx, requestTable, value.ObjectOf(
		value.Field{Name: "sessionId", Value: key[0]},
		value.Field{Name: "requestId", Value: key[1]},
		value.Field{Name: "identity", Value: value.String(q.Caller.CacheKey())},
		value.Field{Name: "outcome", Value: value.ObjectOf(
			value.Field{Name: "type", Value: value.String("mutation")},
			value.Field{Name: "result", Value: value.String(out.Value)},
			value.Field{Name: "logLines", Value: lines},
		)},
	))
	if err != nil {
		return fmt.Errorf("udf: record request: %w", err)
	}
	return nil
}

// replay answers a request that was committed before, with its own timestamp; nil if
// it was not. The record is looked up within the transaction that will commit the
// request, so two runs of one request cannot both commit.
func replay(ctx context.Context, tx *database.Tx, q *Request) (*Outcome, error) {
	var out *Outcome
	err := scan(ctx, tx, requestTable, byRequest, q.requestKey(), func(doc *database.Document) error {
		v, _ := doc.Object().Get("outcome")
		o, _ := v.(value.Object)
		out = &Outcome{Kind: Mutation, Value: []byte(text(o, "result")), Logs: []string{}, UsedCaller: true}
		lines, _ := o.Get("logLines")
		list, _ := lines.(value.Array)
		for _, l := range list {
			if s, ok := l.(value.String); ok {
				out.Logs = append(out.Logs, string(s))
			}
		}
		out.hash()
		return out.resolve(doc.TS)
	})
	return out, err
}

// Ages at which rows become garbage.
const (
	recordAge = 14 * 24 * time.Hour // records of requests (convex-sync.md §4.3)
	sourceAge = 24 * time.Hour      // sources of pushes that were not finished
	sweepRows = 256                 // deleted in one transaction at most
)

// sweep deletes garbage of the registry that is old enough at now.
func (r *Runner) sweep(ctx context.Context, now time.Time) error {
	for _, t := range []struct {
		table string
		age   time.Duration
		keep  func(ctx context.Context, tx *database.Tx) (func(value.Object) bool, error)
	}{
		{requestTable, recordAge, nil},
		{sourceTable, sourceAge, liveHashes},
		{AuditTable, auditAge, nil},
	} {
		var from []byte
		for more := true; more; {
			var err error
			if from, more, err = r.sweepSome(ctx, t.table, float64(now.Add(-t.age).UnixMilli()), from, t.keep); err != nil {
				return fmt.Errorf("udf: sweep %s: %w", t.table, err)
			}
		}
	}
	return nil
}

// liveHashes keeps the sources of live modules.
func liveHashes(ctx context.Context, tx *database.Tx) (func(value.Object) bool, error) {
	modules, err := allModules(ctx, tx)
	hashes := map[string]bool{}
	for _, m := range modules {
		hashes[m.Hash] = true
	}
	return func(o value.Object) bool { return hashes[text(o, "hash")] }, err
}

// sweepSome looks at the next rows created before a time and deletes those not kept.
func (r *Runner) sweepSome(ctx context.Context, table string, before float64, from []byte, keep func(context.Context, *database.Tx) (func(value.Object) bool, error)) (next []byte, more bool, err error) {
	_, err = r.DB.Update(ctx, func(tx *database.Tx) error {
		kept := func(value.Object) bool { return false }
		if keep != nil {
			var err error
			if kept, err = keep(ctx, tx); err != nil {
				return err
			}
		}
		c := tx.Scan(table, byCreationTime, database.Interval{Lower: from, Upper: value.AppendKey(nil, value.Float64(before))}, database.Asc)
		defer c.Close()
		more = false
		var old []value.ID
		for n := 0; n < sweepRows; n++ {
			doc, err := c.Next(ctx)
			if err != nil {
				return err
			}
			if doc == nil {
				break
			}
			next, more = justAfter(c.Key()), n == sweepRows-1
			if !kept(doc.Object()) {
				old = append(old, doc.ID)
			}
		}
		for _, id := range old {
			if err := tx.Delete(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
	return next, more, err
}

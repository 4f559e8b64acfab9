package udf

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// start makes the execution of a request in a transaction, or says as a *failed why
// there is nothing to run. done must be called when the run is over; it is never nil.
func (r *Runner) start(ctx context.Context, q *Request, kind Kind, tx *database.Tx, b *logBuffer) (x *execution, done func(), err error) {
	done = func() {}
	if q.Component != "" && !q.internalAllowed() {
		return nil, done, notFoundIn(q.Path, q.Component, false)
	}
	l, err := r.liveIn(ctx, tx, q.Component)
	if err != nil {
		return nil, done, err
	}
	path, fn, err := l.lookup(q.Path, kind, q.internalAllowed())
	if err != nil {
		return nil, done, err
	}
	shared := newRun(r, q, b)
	q.node = l.node[path.Module]
	program, err := shared.load(ctx, l, tx.Snapshot())
	if err != nil {
		return nil, done, err
	}
	x = shared.executionOf(kind, tx, l, program)
	x.path, x.fn = path, fn
	return x, shared.leave, nil
}

// newRun begins what all executions of a request share.
func newRun(r *Runner, q *Request, b *logBuffer) *run {
	return &run{r: r, req: q, now: time.Now(), logs: b}
}

// executionOf makes an execution in a program; which function it runs is still to be said.
func (u *run) executionOf(kind Kind, tx *database.Tx, l *live, program javascript) *execution {
	budget := newBudget(tx) // finding the function is not its own to pay for
	budget.apply(tx)
	u.before, u.mutation = budget.from, kind == Mutation
	return &execution{run: u, live: l, program: program, kind: kind, tx: tx.In(l.component.Space), budget: budget}
}

// runQuery executes a query at a snapshot. The error is ours.
func (r *Runner) runQuery(ctx context.Context, q *Request, at persistence.Timestamp) (out *Outcome, observedTime bool, err error) {
	tx, err := r.DB.BeginAt(ctx, at)
	switch {
	case errors.Is(err, database.ErrTooOld):
		return nil, false, apierr.New(apierr.BadRequest, "TimestampTooOld", "The timestamp %d is older than what the deployment keeps.", at)
	case err != nil:
		return nil, false, fmt.Errorf("udf: begin query: %w", err)
	}
	b := newLogBuffer()
	out = &Outcome{Kind: Query}
	if f, ok := r.systemFunction(q); ok {
		out.Value, err = f.call(ctx, r, q, Query, tx)
		out.UsedCaller = true
	} else {
		x, done, startErr := r.start(ctx, q, Query, tx, b)
		if err = startErr; err == nil {
			out.Value, err = x.perform(ctx, tx.In(x.space()))
			out.Journal, out.UsedCaller, observedTime = x.run.journal, x.run.usedCaller, x.run.observedTime
			out.audits = x.run.audits
			x.warn()
		}
		done()
	}
	if out, err = r.finish(out, err, q, b); err != nil {
		return nil, false, err
	}
	out.TS, out.Reads = tx.Snapshot(), tx.Reads()
	r.logged(q, Query, b, out, tx.Usage(), nil)
	return out, observedTime, nil
}

// perform runs an execution with the arguments of its request, which may name tables.
func (x *execution) perform(ctx context.Context, tx *database.Tx) ([]byte, error) {
	args, err := parseArguments(x.run.req.Args)
	if err != nil {
		return nil, err
	}
	result, err := x.invoke(ctx, args, tx)
	if err != nil {
		return nil, err
	}
	return []byte(result), nil
}

// finish completes an outcome: a failure of user code becomes part of it, any other
// error stays one.
func (r *Runner) finish(out *Outcome, err error, q *Request, b *logBuffer) (*Outcome, error) {
	if err != nil {
		f, ok := asFailed(err)
		if !ok {
			return nil, err
		}
		out.Value, out.Failure, out.Journal, out.audits = nil, f.failure(q.RequestID), nil, nil
	}
	out.Logs = b.text()
	if r.Redact {
		out.Logs = []string{}
		if f := out.Failure; f != nil {
			f.Message = redacted(q.RequestID)
		}
	}
	out.hash()
	return out, nil
}

// hash digests what a client would see change.
func (o *Outcome) hash() {
	h := sha256.New()
	if o.Failure != nil {
		h.Write([]byte{1})
		h.Write([]byte(o.Failure.Text))
		h.Write([]byte{0})
		h.Write(o.Failure.Data)
	} else {
		h.Write([]byte{0})
		h.Write(o.Value)
	}
	for _, l := range o.Logs {
		h.Write([]byte{0})
		h.Write([]byte(l))
	}
	var sum [sha256.Size]byte
	copy(o.Hash[:], h.Sum(sum[:0]))
}

// Action runs an action. What it reads of the registry it reads once, at the beginning.
func (r *Runner) Action(ctx context.Context, q Request) (*Outcome, error) {
	if err := q.prepare(); err != nil {
		return nil, err
	}
	if d, ok := ctx.Value(actionDepth{}).(int); ok && d >= maxActionDepth {
		f := &failed{text: fmt.Sprintf("Actions can call one another at most %d levels deep.", maxActionDepth)}
		return &Outcome{Kind: Action, Failure: f.failure(q.RequestID), Logs: []string{}}, nil
	} else {
		ctx = context.WithValue(ctx, actionDepth{}, d+1)
	}
	tx, err := r.DB.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("udf: begin action: %w", err)
	}
	b := newLogBuffer()
	b.progress = func(line LogLine) {
		e := q.entry(Action, b.executionID)
		e.Kind, e.LogLines = "Progress", []LogLine{line}
		r.logs.add(e)
	}
	out := &Outcome{Kind: Action, UsedCaller: true}
	x, done, err := r.start(ctx, &q, Action, tx, b)
	if err == nil {
		x.tx = nil
		out.Value, err = x.perform(ctx, tx.In(x.space()))
	}
	done()
	if out, err = r.finish(out, err, &q, b); err != nil {
		return nil, err
	}
	r.logged(&q, Action, b, out, database.Usage{}, nil)
	return out, nil
}

// actionDepth is the context key of how many actions are nested.
type actionDepth struct{}

// maxActionDepth bounds actions that call actions, each of which keeps an isolate.
const maxActionDepth = 16

var _ isolate.Host = (*execution)(nil)

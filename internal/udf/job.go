package udf

import (
	"context"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/scheduler"
)

// Callers of jobs, as log entries name them.
const (
	callerScheduler = "Scheduler"
	callerCron      = "Cron"
)

// maxJobError bounds the error text that the row of a failed job keeps.
const maxJobError = 64 << 10

// Job runs a scheduled function or a cron job, as scheduler.Worker asks for: a
// mutation exactly once, an action at most once. An error means that the job was not
// begun, or took no effect, and may be tried again.
func (r *Runner) Job(ctx context.Context, j scheduler.Job) error {
	var c *scheduler.Claim
	kind, refusal := Kind(0), error(nil)
	err := r.DB.View(ctx, func(tx *database.Tx) (err error) {
		if c, err = scheduler.Begin(ctx, tx, j); err != nil || c == nil { // only looks: a view is never committed
			return err
		}
		l, err := r.liveIn(ctx, tx, c.Component)
		if f, ok := asFailed(err); ok { // the component is gone
			refusal = f
			return nil
		}
		if err != nil {
			return err
		}
		kind, refusal = l.schedulable(c.Path)
		return nil
	})
	if err != nil || c == nil {
		return err
	}
	q := Request{Component: c.Component, Path: c.Path, Args: c.Args, Internal: true, CallerName: callerCron}
	if j.Cron == "" {
		q.CallerName, q.origin = callerScheduler, &j.ID
	}
	switch {
	case refusal != nil:
		if err := r.reject(ctx, j, refusal.Error()); err != nil {
			return err
		}
		q.RequestID = NewRequestID()
		r.logged(&q, max(kind, Mutation), newLogBuffer(), &Outcome{Failure: &Failure{Text: refusal.Error()}}, database.Usage{}, nil)
		return nil
	case kind == Action:
		return r.actionJob(ctx, j, q)
	}
	return r.mutationJob(ctx, j, q)
}

// schedulable tells what the function of a job is, or why there is none to run. It may
// have changed since it was scheduled.
func (l *live) schedulable(path string) (Kind, error) {
	p, ok := parsePath(path)
	fn := l.functions[p]
	if !ok || fn == nil {
		return 0, notFoundIn(p.Client(), l.component.Path, true)
	}
	if fn.Kind != Mutation && fn.Kind != Action {
		return 0, &failed{text: fmt.Sprintf("%s is defined as %s. Only mutations and actions can be scheduled.", p, fn.Kind)}
	}
	_, _, err := l.lookup(path, fn.Kind, true)
	return fn.Kind, err
}

// mutationJob claims, runs and settles a job in one transaction.
func (r *Runner) mutationJob(ctx context.Context, j scheduler.Job, q Request) error {
	q.claim = func(ctx context.Context, tx *database.Tx) (bool, error) {
		c, err := scheduler.Begin(ctx, tx, j)
		return c != nil, err
	}
	q.settle = func(ctx context.Context, tx *database.Tx) error {
		return scheduler.End(ctx, tx, j, nil, time.Now())
	}
	out, err := r.Mutation(ctx, q)
	if err != nil || out.Failure == nil {
		return err
	}
	return r.reject(ctx, j, out.Failure.Text)
}

// actionJob commits that the job is in progress before it runs the action. From then
// on there is no other try.
func (r *Runner) actionJob(ctx context.Context, j scheduler.Job, q Request) error {
	begun := false
	_, err := r.DB.Update(ctx, func(tx *database.Tx) error {
		c, err := scheduler.Begin(ctx, tx, j)
		begun = c != nil
		return err
	})
	if err != nil || !begun {
		return err
	}
	out, err := r.Action(ctx, q)
	if err != nil && ctx.Err() != nil {
		return nil // stopping; the next start finds it in progress
	}
	var failure *string
	switch {
	case err != nil:
		text := scheduler.Interrupted
		failure = &text
		r.Log.Error("scheduled action broke down", "job", j.ID.String(), "function", q.Path, "err", err)
	case out.Failure != nil:
		text := clipError(out.Failure.Text)
		failure = &text
	}
	for wait := firstBackoff; ; wait = min(2*wait, maxBackoff) {
		_, err = r.DB.Update(context.WithoutCancel(ctx), func(tx *database.Tx) error {
			return scheduler.End(context.WithoutCancel(ctx), tx, j, failure, time.Now())
		})
		if err == nil || ctx.Err() != nil {
			return nil
		}
		r.Log.Warn("end of scheduled action not noted", "job", j.ID.String(), "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// reject settles a job that failed without an effect.
func (r *Runner) reject(ctx context.Context, j scheduler.Job, text string) error {
	_, err := r.DB.Update(ctx, func(tx *database.Tx) error { return scheduler.Reject(ctx, tx, j, clipError(text), time.Now()) })
	return err
}

// clipError shortens an error text for the row of its job.
func clipError(text string) string {
	if len(text) > maxJobError {
		text = text[:maxJobError] + truncated
	}
	return text
}

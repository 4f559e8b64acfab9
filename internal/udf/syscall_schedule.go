package udf

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/value"
)

// largeScheduledArgs is the size above which the arguments of one scheduled function
// are warned about (convex-runtime.md §5.5).
const largeScheduledArgs = 4 << 20

// scheduleArgs are the arguments of 1.0/schedule.
type scheduleArgs struct {
	address
	TS   float64         `json:"ts"` // seconds
	Args json.RawMessage `json:"args"`
}

// schedule answers ctx.scheduler.runAfter and runAt of mutations: the job commits
// with the transaction.
func (x *execution) schedule(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a scheduleArgs
	if err := decode(args, "scheduler", &a); err != nil {
		return nil, err
	}
	call, err := x.callLater(ctx, x.tx, &a)
	if err != nil {
		return nil, err
	}
	if err := x.charge(functionsScheduled, 1, func(limit int) error {
		return invalid("TooManyFunctionsScheduled", "Too many functions scheduled by this mutation (limit: %d)", limit)
	}); err != nil {
		return nil, err
	}
	if err := x.charge(scheduledArgsBytes, value.Size(call.Args), func(limit int) error {
		return invalid("ScheduledFunctionsArgumentsTooLarge", "Too large total size of the arguments of scheduled functions from this mutation (actual: %d bytes, limit: %d bytes)",
			x.run.counts[scheduledArgsBytes]-x.budget.from[scheduledArgsBytes], limit)
	}); err != nil {
		return nil, err
	}
	id, err := scheduler.Schedule(ctx, x.tx, call, time.Now())
	if err != nil {
		return nil, err
	}
	return value.JSON(value.String(id.String())), nil
}

// scheduleFromAction answers the same of actions, at once.
func (x *execution) scheduleFromAction(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a scheduleArgs
	if err := decode(args, "scheduler", &a); err != nil {
		return nil, err
	}
	var id value.ID
	_, err := x.run.r.DB.Update(ctx, func(tx *database.Tx) error {
		tx = tx.In(x.space())
		call, err := x.callLater(ctx, tx, &a)
		if err != nil {
			return err
		}
		id, err = scheduler.Schedule(ctx, tx, call, time.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	return value.JSON(value.String(id.String())), nil
}

// callLater checks a call that is to be scheduled.
func (x *execution) callLater(ctx context.Context, tx *database.Tx, a *scheduleArgs) (c scheduler.Call, err error) {
	t, err := x.run.r.resolve(ctx, tx, x.live, &a.address, "scheduler")
	if err != nil {
		return c, err
	}
	l, err := x.run.r.liveIn(ctx, tx, t.component) // an action's own may be older
	if err != nil {
		return c, err
	}
	name := t.path
	path, ok := parsePath(name)
	if ok {
		name = path.String()
	}
	fn := l.functions[path]
	switch {
	case !ok || fn == nil:
		return c, invalid("InvalidScheduledFunction", "Attempted to schedule function at nonexistent path: %s", clip([]byte(name)))
	case fn.Kind != Mutation && fn.Kind != Action:
		return c, invalid("InvalidScheduledFunction", "Attempted to schedule %s, which is defined as %s. Only mutations and actions can be scheduled.", name, fn.Kind)
	}
	if _, _, err := l.lookup(name, fn.Kind, true); err != nil {
		return c, nested(err)
	}
	c = scheduler.Call{Component: t.component, Path: name, At: a.TS * 1000}
	if c.Args, err = parseArguments(a.Args); err != nil {
		return c, nested(err)
	}
	if err := checkArguments(fn, path, c.Args, tx.In(l.component.Space)); err != nil {
		return c, nested(err)
	}
	if n := value.Size(c.Args); n > largeScheduledArgs {
		x.run.logs.system("LargeScheduledArguments", fmt.Sprintf("Large arguments of the scheduled function %s (actual: %d bytes). "+
			"Consider storing them in a table and passing the document's id.", path, n))
	}
	if origin := x.run.req.origin; origin != nil {
		kind, err := scheduler.State(ctx, tx.In(origin.Space), *origin)
		if err != nil {
			return c, err
		}
		c.Dead = kind == scheduler.Canceled // by whom it was canceled while it ran
	}
	return c, nil
}

// jobID reads the id of a scheduled function.
func jobID(args json.RawMessage) (id value.ID, err error) {
	var a struct {
		ID string `json:"id"`
	}
	if err := decode(args, "db.cancel_job", &a); err != nil {
		return id, err
	}
	if id, err = value.ParseID(a.ID); err != nil {
		return id, invalidArgument("id", "db.cancel_job", "Unable to decode ID: "+messageOf(err))
	}
	return id, nil
}

// cancelJob answers ctx.scheduler.cancel of mutations.
func (x *execution) cancelJob(ctx context.Context, args json.RawMessage) ([]byte, error) {
	id, err := jobID(args)
	if err != nil {
		return nil, err
	}
	id.Space = x.space()
	if q := x.run.req; q.claim != nil && q.origin != nil && *q.origin == id {
		if atLeast(x.live.config.ServerVersion, 1, 50) {
			return nil, invalid("ScheduledFunctionCancelingItself", "A mutation cannot cancel itself")
		}
		x.run.logs.system("ScheduledFunctionCancelingItself", "A mutation cannot cancel itself: the call has no effect.")
		return nullJSON, nil
	}
	return nullJSON, cancelJob(ctx, x.tx, id)
}

// cancelJobFromAction answers ctx.scheduler.cancel of actions.
func (x *execution) cancelJobFromAction(ctx context.Context, args json.RawMessage) ([]byte, error) {
	id, err := jobID(args)
	if err != nil {
		return nil, err
	}
	_, err = x.run.r.DB.Update(ctx, func(tx *database.Tx) error { return cancelJob(ctx, tx.In(x.space()), id) })
	return nullJSON, err
}

// cancelJob cancels a scheduled function that must exist.
func cancelJob(ctx context.Context, tx *database.Tx, id value.ID) error {
	found, err := scheduler.Cancel(ctx, tx, id, time.Now())
	if err == nil && !found {
		err = invalid("ScheduledFunctionNotFound", "Invalid argument `id` for `db.cancel_job`: there is no scheduled function with the ID %s", id)
	}
	return err
}

// CancelJob cancels a scheduled function on behalf of an admin.
func (r *Runner) CancelJob(ctx context.Context, component, text string) error {
	id, err := value.ParseID(text)
	if err != nil {
		return invalidArgument("id", "db.cancel_job", "Unable to decode ID: "+messageOf(err))
	}
	_, err = r.DB.Update(ctx, func(tx *database.Tx) error {
		space, err := r.Space(ctx, tx, component)
		if err != nil {
			return err
		}
		return cancelJob(ctx, tx.In(space), id)
	})
	return err
}

// CancelAllJobs cancels the pending calls that a component scheduled of a function, or of
// all of them if path is "".
func (r *Runner) CancelAllJobs(ctx context.Context, component, path string) (int, error) {
	if path != "" {
		p, ok := parsePath(path)
		if !ok {
			return 0, invalid("InvalidFunctionPath", "%q is not the path of a function.", clip([]byte(path)))
		}
		path = p.String()
	}
	var space value.Space
	if err := r.DB.View(ctx, func(tx *database.Tx) (err error) {
		space, err = r.Space(ctx, tx, component)
		return err
	}); err != nil {
		return 0, err
	}
	return scheduler.CancelAll(ctx, r.DB, space, path)
}

// atLeast compares an npm version with major.minor; what cannot be read is older.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA == nil && errB == nil && (a > major || a == major && b >= minor)
}

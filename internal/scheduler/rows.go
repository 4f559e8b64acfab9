package scheduler

import (
	"context"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// Tables of the room. Users read FunctionTable through ctx.db.system.
const (
	FunctionTable = "_scheduled_functions"
	cronTable     = "_cron_jobs"
)

// Indexes of these tables.
const (
	byDue       = "by_state_and_due"
	byCompleted = "by_completed_time"
	byName      = "by_name"
)

// dueIndex orders rows of either table by when they are due within a state.
var dueIndex = database.IndexDef{Name: byDue, Fields: []string{"state.kind", dueField}}

// Tables are what whoever uses the room in transactions makes sure of first.
var Tables = []database.TableDef{
	{Name: FunctionTable, Indexes: []database.IndexDef{dueIndex, {Name: byCompleted, Fields: []string{"completedTime"}}}},
	{Name: cronTable, Indexes: []database.IndexDef{dueIndex, {Name: byName, Fields: []string{"name"}}}},
}

// Kinds of state, as users see them in a row's "state" (convex-runtime.md §6.5).
const (
	Pending    = "pending"
	InProgress = "inProgress"
	Success    = "success"
	Failed     = "failed"
	Canceled   = "canceled"
)

// dueField says when a job may begin, in milliseconds: "scheduledTime", but never
// before it was scheduled. It lets the worker look at recent rows only.
const dueField = "due"

// componentField names the component instance whose function a row calls; absent for
// the app. A row may be in the namespace of another one: of whoever scheduled.
const componentField = "component"

// Job is something due, in the namespace of its ID. It holds no arguments: thousands may be due at once.
type Job struct {
	ID   value.ID
	Cron string // name of the cron job; "" for a scheduled function
	Due  float64
}

// Claim is what a job that has begun wants to be run.
type Claim struct {
	Component string // path of the instance; "" for the app
	Path      string // canonical, "messages.js:send"
	Args      []byte // JSON array of one object
}

// millis is a time as rows have it.
func millis(t time.Time) float64 { return float64(t.UnixMicro()) / 1000 }

// str is a string field of a row; "" when absent.
func str(v value.Value, path string) string {
	s, _ := value.Path(v, path).(value.String)
	return string(s)
}

// num is a number field of a row; 0 when absent.
func num(v value.Value, path string) float64 {
	f, _ := value.Path(v, path).(value.Float64)
	return float64(f)
}

// stateOf makes the "state" of a row.
func stateOf(kind string) value.Object {
	return value.ObjectOf(value.Field{Name: "kind", Value: value.String(kind)})
}

// failedState is the "state" of a run that failed.
func failedState(text string) value.Object {
	return stateOf(Failed).With("error", value.String(text))
}

// Public is a row of FunctionTable as users see it.
func Public(doc *database.Document) value.Object {
	return doc.Object().Without(dueField).Without(componentField)
}

// Begin claims a job within the transaction that will run it, or that goes ahead of
// it: the row is in progress then. It is nil if the job is not to be run any more.
func Begin(ctx context.Context, tx *database.Tx, j Job) (*Claim, error) {
	tx = tx.In(j.ID.Space)
	row, err := tx.Get(ctx, j.ID)
	if err != nil {
		return nil, fmt.Errorf("scheduler: begin %s: %w", j.ID, err)
	}
	if row == nil || str(row.Object(), "state.kind") != Pending || j.Cron != "" && num(row.Object(), dueField) != j.Due {
		return nil, nil
	}
	o := row.Object()
	if err := tx.Replace(ctx, j.ID, o.With("state", stateOf(InProgress))); err != nil {
		return nil, fmt.Errorf("scheduler: begin %s: %w", j.ID, err)
	}
	args, _ := o.Get("args")
	path := "name"
	if isCron(o) {
		path = "udfPath"
	}
	return &Claim{Component: str(o, componentField), Path: str(o, path), Args: value.JSON(args)}, nil
}

// End settles a job that has begun: failure is nil if it succeeded. A cron job waits
// for its next occurrence then. A job that was canceled or replaced meanwhile stays as it is.
func End(ctx context.Context, tx *database.Tx, j Job, failure *string, now time.Time) error {
	tx = tx.In(j.ID.Space)
	row, err := tx.Get(ctx, j.ID)
	if err != nil {
		return fmt.Errorf("scheduler: end %s: %w", j.ID, err)
	}
	if row == nil || str(row.Object(), "state.kind") != InProgress {
		return nil
	}
	return settle(ctx, tx, row, failure, now)
}

// Reject settles a job that cannot even begin, such as one whose function is gone.
func Reject(ctx context.Context, tx *database.Tx, j Job, failure string, now time.Time) error {
	if c, err := Begin(ctx, tx, j); err != nil || c == nil {
		return err
	}
	return End(ctx, tx, j, &failure, now)
}

// settle writes how a run ended.
func settle(ctx context.Context, tx *database.Tx, row *database.Document, failure *string, now time.Time) error {
	o := row.Object()
	if isCron(o) {
		next, err := nextOf(o, now)
		if err != nil {
			return err
		}
		o = o.With("state", stateOf(Pending)).With(dueField, value.Float64(next))
	} else {
		state := stateOf(Success)
		if failure != nil {
			state = failedState(*failure)
		}
		o = o.With("state", state).With("completedTime", value.Float64(millis(now)))
	}
	if err := tx.Replace(ctx, row.ID, o); err != nil {
		return fmt.Errorf("scheduler: end %s: %w", row.ID, err)
	}
	return nil
}

// isCron tells rows of cron jobs from those of scheduled functions.
func isCron(o value.Object) bool {
	_, ok := o.Get("schedule")
	return ok
}

// inState is the part of an index by due time that holds a state, from a due time on.
func inState(kind string, from float64) database.Interval {
	in := database.Prefix(value.AppendKey(nil, value.String(kind)))
	if from > 0 {
		in.Lower = value.AppendKey(value.AppendKey(nil, value.String(kind)), value.Float64(from))
	}
	return in
}

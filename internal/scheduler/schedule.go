package scheduler

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxDelay is how far from now a function can be scheduled, either way (convex-runtime.md §6.5).
const maxDelay = 5 * 366 * 24 * time.Hour

// Call is a function to be run later.
type Call struct {
	Component string       // path of the instance whose function it is; "" for the app
	Path      string       // canonical, "messages.js:send"
	Args      value.Object // checked by whoever schedules
	At        float64      // milliseconds; the past means at once
	Dead      bool         // scheduled by a job that was canceled: it is noted, and never run
}

// Schedule notes a call. It will be run if the transaction commits.
func Schedule(ctx context.Context, tx *database.Tx, c Call, now time.Time) (value.ID, error) {
	at := millis(now)
	if delay := c.At - at; math.IsNaN(delay) || math.Abs(delay) > float64(maxDelay.Milliseconds()) {
		when := "future"
		if delay < 0 {
			when = "past"
		}
		return value.ID{}, apierr.New(apierr.BadRequest, "InvalidScheduledFunctionDelay",
			"The scheduled time %s is more than 5 years in the %s.", whenText(c.At), when)
	}
	fields := []value.Field{
		{Name: "name", Value: value.String(c.Path)},
		{Name: "args", Value: value.Array{c.Args}},
		{Name: "scheduledTime", Value: value.Float64(c.At)},
		{Name: dueField, Value: value.Float64(max(c.At, at))},
		{Name: "state", Value: stateOf(Pending)},
	}
	if c.Dead {
		fields[4].Value = stateOf(Canceled)
		fields = append(fields, value.Field{Name: "completedTime", Value: value.Float64(at)})
	}
	if c.Component != "" {
		fields = append(fields, value.Field{Name: componentField, Value: value.String(c.Component)})
	}
	id, err := tx.Insert(ctx, FunctionTable, value.ObjectOf(fields...))
	if err != nil {
		return id, fmt.Errorf("scheduler: schedule %s: %w", c.Path, err)
	}
	return id, nil
}

// whenText writes a time in milliseconds for a message.
func whenText(ms float64) string {
	if math.Abs(ms) < 1<<53 {
		return time.UnixMilli(int64(ms)).UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%g ms", ms)
}

// State is the kind of a scheduled function's state; "" if there is none of that id.
func State(ctx context.Context, tx *database.Tx, id value.ID) (string, error) {
	if name, _ := tx.TableNamed(id.Table); name != FunctionTable {
		return "", nil
	}
	row, err := tx.Get(ctx, id)
	if err != nil || row == nil {
		return "", err
	}
	return str(row.Object(), "state.kind"), nil
}

// Cancel keeps a scheduled function from beginning, and what a running one still
// schedules from being run. One that has ended stays as it ended. It is false if
// there is none of that id.
func Cancel(ctx context.Context, tx *database.Tx, id value.ID, now time.Time) (found bool, err error) {
	kind, err := State(ctx, tx, id)
	if err != nil || kind == "" {
		return false, err
	}
	if kind != Pending && kind != InProgress {
		return true, nil
	}
	row, err := tx.Get(ctx, id)
	if err != nil {
		return true, err
	}
	return true, cancel(ctx, tx, row, now)
}

// cancel writes that a row was canceled.
func cancel(ctx context.Context, tx *database.Tx, row *database.Document, now time.Time) error {
	o := row.Object().With("state", stateOf(Canceled)).With("completedTime", value.Float64(millis(now)))
	if err := tx.Replace(ctx, row.ID, o); err != nil {
		return fmt.Errorf("scheduler: cancel %s: %w", row.ID, err)
	}
	return nil
}

// cancelRows is how many rows CancelAll looks at in one transaction.
const cancelRows = 1000

// CancelAll cancels all pending calls of a function in a namespace, or of all functions
// if path is "", and tells how many there were.
func CancelAll(ctx context.Context, db *database.DB, space value.Space, path string) (n int, err error) {
	in := inState(Pending, 0)
	for more := true; more; {
		var canceled int
		next := in.Lower
		_, err := db.Update(ctx, func(tx *database.Tx) error {
			canceled, more = 0, false
			tx = tx.In(space)
			c := tx.Scan(FunctionTable, byDue, database.Interval{Lower: in.Lower, Upper: in.Upper}, database.Asc)
			defer c.Close()
			var rows []*database.Document
			for seen := 0; seen < cancelRows; seen++ {
				row, err := c.Next(ctx)
				if err != nil {
					return err
				}
				if row == nil {
					break
				}
				next, more = append(c.Key(), 0), seen == cancelRows-1
				if path == "" || str(row.Object(), "name") == path {
					rows = append(rows, row)
				}
			}
			canceled = len(rows)
			for _, row := range rows {
				if err := cancel(ctx, tx, row, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("scheduler: cancel all: %w", err)
		}
		n, in.Lower = n+canceled, next
	}
	return n, nil
}

// Retention of ended functions (convex-runtime.md §6.5), and how often and in what
// portions they are swept.
const (
	keepEnded  = 7 * 24 * time.Hour
	sweepEvery = time.Hour
	sweepRows  = 256
)

// sweep deletes the rows of functions that ended long ago.
func sweep(ctx context.Context, db *database.DB, space value.Space, now time.Time) error {
	in := database.Interval{
		Lower: database.After(value.AppendKey(nil, value.Undefined{})),
		Upper: value.AppendKey(nil, value.Float64(millis(now.Add(-keepEnded)))),
	}
	for more := true; more; {
		_, err := db.Update(ctx, func(tx *database.Tx) error {
			tx = tx.In(space)
			c := tx.Scan(FunctionTable, byCompleted, in, database.Asc)
			defer c.Close()
			var old []value.ID
			for len(old) < sweepRows {
				row, err := c.Next(ctx)
				if err != nil {
					return err
				}
				if row == nil {
					break
				}
				old = append(old, row.ID)
			}
			more = len(old) == sweepRows
			for _, id := range old {
				if err := tx.Delete(ctx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("scheduler: sweep: %w", err)
		}
	}
	return nil
}

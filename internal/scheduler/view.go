package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// JobView is a scheduled function as people look at it.
type JobView struct {
	ID            value.ID
	Component     string // path of the instance whose function it is; "" for the app
	Path          string
	Args          value.Value
	State         string
	Failure       string
	Due, Finished time.Time // Finished is zero before the end
}

// CronView is a cron job as people look at it.
type CronView struct {
	Component, Name, Path, Timing, State string
	Args                                 value.Value
	Next                                 time.Time
}

// moment is a time of a row; zero for none.
func moment(ms float64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(ms * 1000))
}

// Jobs lists at most n scheduled functions in a state, of the transaction's
// namespace: those not yet run by when they are due, the others newest first.
func Jobs(ctx context.Context, tx *database.Tx, state string, n int) (list []JobView, err error) {
	order := database.Asc
	if state != Pending && state != InProgress {
		order = database.Desc
	}
	if _, ok := tx.Table(FunctionTable); !ok {
		return nil, nil
	}
	c := tx.Scan(FunctionTable, byDue, inState(state, 0), order)
	defer c.Close()
	for len(list) < n {
		row, err := c.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("scheduler: list scheduled functions: %w", err)
		}
		if row == nil {
			break
		}
		o := row.Object()
		args, _ := o.Get("args")
		list = append(list, JobView{ID: row.ID, Component: str(o, componentField), Path: str(o, "name"), Args: args, State: str(o, "state.kind"), Failure: str(o, "state.error"),
			Due: moment(num(o, dueField)), Finished: moment(num(o, "completedTime"))})
	}
	return list, nil
}

// Crons lists the cron jobs of the transaction's namespace by name.
func Crons(ctx context.Context, tx *database.Tx) (list []CronView, err error) {
	if _, ok := tx.Table(cronTable); !ok {
		return nil, nil
	}
	c := tx.Scan(cronTable, byName, database.Interval{}, database.Asc)
	defer c.Close()
	for {
		row, err := c.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("scheduler: list cron jobs: %w", err)
		}
		if row == nil {
			return list, nil
		}
		o := row.Object()
		args, _ := o.Get("args")
		list = append(list, CronView{Component: str(o, componentField), Name: str(o, "name"), Path: str(o, "udfPath"), Args: args, State: str(o, "state.kind"),
			Timing: spell(str(o, "schedule")), Next: moment(num(o, dueField))})
	}
}

// spell says a schedule in words.
func spell(schedule string) string {
	var t Timing
	if json.Unmarshal([]byte(schedule), &t) != nil {
		return schedule
	}
	hour, minute := 0, 0
	if t.HourUTC != nil {
		hour = *t.HourUTC
	}
	if t.MinuteUTC != nil {
		minute = *t.MinuteUTC
	}
	at := fmt.Sprintf("at %02d:%02d UTC", hour, minute)
	switch t.Type {
	case "interval":
		return "every " + (time.Duration(t.Seconds) * time.Second).String()
	case "hourly":
		return fmt.Sprintf("each hour at minute %d", minute)
	case "daily":
		return "each day " + at
	case "weekly":
		return "each " + t.DayOfWeek + " " + at
	case "monthly":
		return fmt.Sprintf("on day %d of the month %s", t.Day, at)
	}
	return "cron " + t.CronExpr
}

// RunCronNow schedules what a cron job calls, once and at once; its own times stay.
func RunCronNow(ctx context.Context, tx *database.Tx, name string, now time.Time) (value.ID, error) {
	rows, err := cronRows(ctx, tx)
	if err != nil {
		return value.ID{}, err
	}
	row := rows[name]
	if row == nil {
		return value.ID{}, apierr.New(apierr.NotFound, "CronNotFound", "There is no cron job %q.", name)
	}
	o := row.Object()
	call := Call{Component: str(o, componentField), Path: str(o, "udfPath"), At: millis(now)}
	stored, _ := o.Get("args")
	if list, ok := stored.(value.Array); ok && len(list) == 1 {
		call.Args, _ = list[0].(value.Object)
	}
	return Schedule(ctx, tx, call, now)
}

package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// CronSpec is one cron job of an app, as the push protocol writes it.
type CronSpec struct {
	Identifier string   `json:"identifier"`
	Spec       CronCall `json:"spec"`
}

// CronCall is what a cron job calls, and when.
type CronCall struct {
	Path   string          `json:"udfPath"` // canonical, "messages.js:send"
	Args   json.RawMessage `json:"udfArgs"` // an array of one object
	Timing Timing          `json:"cronSchedule"`
}

// Limits of cron jobs of one app.
const (
	maxCrons          = 1000
	maxCronIdentifier = 1024
)

// invalidCron refuses a cron job of a push.
func invalidCron(format string, args ...any) error {
	return apierr.New(apierr.BadRequest, "InvalidCron", format, args...)
}

// ParseCrons reads what the default export of crons.js exports, in the order of the
// identifiers. Paths are as the library wrote them; the caller resolves them.
func ParseCrons(text []byte) ([]CronSpec, error) {
	var exported map[string]struct {
		Name     string          `json:"name"`
		Args     json.RawMessage `json:"args"`
		Schedule json.RawMessage `json:"schedule"`
	}
	if err := json.Unmarshal(text, &exported); err != nil {
		return nil, invalidCron("The cron jobs of convex/crons.ts cannot be read: its default export must be made by cronJobs().")
	}
	if len(exported) > maxCrons {
		return nil, invalidCron("There are %d cron jobs, more than the maximum of %d.", len(exported), maxCrons)
	}
	list := make([]CronSpec, 0, len(exported))
	for _, name := range slices.Sorted(maps.Keys(exported)) {
		e := exported[name]
		if err := checkIdentifier(name); err != nil {
			return nil, err
		}
		args, err := value.Parse(e.Args)
		a, ok := args.(value.Array)
		if err != nil || !ok || len(a) > 1 {
			return nil, invalidCron("The arguments of cron job %q are not one object of values.", name)
		}
		t, err := parseTiming(e.Schedule)
		if err != nil {
			return nil, invalidCron("Invalid cron job %q: %v.", name, err)
		}
		list = append(list, CronSpec{name, CronCall{Path: e.Name, Args: value.JSON(args), Timing: t}})
	}
	return list, nil
}

// checkIdentifier applies the rule for names of cron jobs: printable ASCII.
func checkIdentifier(name string) error {
	if len(name) > maxCronIdentifier {
		return invalidCron("A cron identifier is longer than %d characters.", maxCronIdentifier)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return invalidCron("Invalid cron identifier %q: use ASCII letters that are not control characters", name)
	}
	return nil
}

// CronDiff tells what a push does to cron jobs, by identifier.
type CronDiff struct {
	Added   []string `json:"added"`
	Updated []string `json:"updated"`
	Deleted []string `json:"deleted"`
}

// cronRows are the live cron jobs by name.
func cronRows(ctx context.Context, tx *database.Tx) (map[string]*database.Document, error) {
	rows := map[string]*database.Document{}
	c := tx.Scan(cronTable, byName, database.Interval{}, database.Asc)
	defer c.Close()
	for {
		row, err := c.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("scheduler: read cron jobs: %w", err)
		}
		if row == nil {
			return rows, nil
		}
		rows[str(row.Object(), "name")] = row
	}
}

// DiffCrons tells what InstallCrons would do.
func DiffCrons(ctx context.Context, tx *database.Tx, specs []CronSpec) (CronDiff, error) {
	d := CronDiff{[]string{}, []string{}, []string{}}
	live, err := cronRows(ctx, tx)
	if err != nil {
		return d, err
	}
	kept := map[string]bool{}
	for i := range specs {
		s := &specs[i]
		kept[s.Identifier] = true
		switch row := live[s.Identifier]; {
		case row == nil:
			d.Added = append(d.Added, s.Identifier)
		case !s.same(row.Object()):
			d.Updated = append(d.Updated, s.Identifier)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(live)) {
		if !kept[name] {
			d.Deleted = append(d.Deleted, name)
		}
	}
	return d, nil
}

// InstallCrons makes these the live cron jobs of a component, in the namespace of the
// transaction. One that is as it was keeps its next
// time; the others begin anew.
func InstallCrons(ctx context.Context, tx *database.Tx, component string, specs []CronSpec, now time.Time) (CronDiff, error) {
	d, err := DiffCrons(ctx, tx, specs)
	if err != nil {
		return d, err
	}
	live, err := cronRows(ctx, tx)
	if err != nil {
		return d, err
	}
	for _, name := range d.Deleted {
		if err := tx.Delete(ctx, live[name].ID); err != nil {
			return d, fmt.Errorf("scheduler: delete cron job %q: %w", name, err)
		}
	}
	for i := range specs {
		s := &specs[i]
		if !slices.Contains(d.Added, s.Identifier) && !slices.Contains(d.Updated, s.Identifier) {
			continue
		}
		fields, err := s.row(now)
		if err != nil {
			return d, err
		}
		if component != "" {
			fields = fields.With(componentField, value.String(component))
		}
		if row := live[s.Identifier]; row != nil {
			err = tx.Replace(ctx, row.ID, fields)
		} else {
			_, err = tx.Insert(ctx, cronTable, fields)
		}
		if err != nil {
			return d, fmt.Errorf("scheduler: write cron job %q: %w", s.Identifier, err)
		}
	}
	return d, nil
}

// schedule is the timing as a row has it.
func (s *CronSpec) schedule() string {
	b, _ := json.Marshal(s.Spec.Timing) // plain fields cannot fail
	return string(b)
}

// same tells whether a row is that of the very job.
func (s *CronSpec) same(o value.Object) bool {
	args, _ := o.Get("args")
	return str(o, "udfPath") == s.Spec.Path && str(o, "schedule") == s.schedule() && args != nil && bytes.Equal(value.JSON(args), s.Spec.Args)
}

// row is the row of a job that begins anew. It shares the names of fields with the
// rows of scheduled functions where Begin and the worker look.
func (s *CronSpec) row(now time.Time) (value.Object, error) {
	delay := rand.N(s.Spec.Timing.delayRange())
	first, err := s.Spec.Timing.first(time.Duration(delay)*time.Second, now)
	if err != nil {
		return value.Object{}, invalidCron("Invalid cron job %q: %v.", s.Identifier, err)
	}
	args, err := value.Parse(s.Spec.Args)
	if err != nil {
		return value.Object{}, err
	}
	return value.ObjectOf(
		value.Field{Name: "name", Value: value.String(s.Identifier)},
		value.Field{Name: "udfPath", Value: value.String(s.Spec.Path)},
		value.Field{Name: "args", Value: args},
		value.Field{Name: "schedule", Value: value.String(s.schedule())},
		value.Field{Name: "delay", Value: value.Float64(delay)},
		value.Field{Name: "state", Value: stateOf(Pending)},
		value.Field{Name: dueField, Value: value.Float64(millis(first))},
	), nil
}

// nextOf is when a cron job's row is due after the occurrence it stands at.
func nextOf(o value.Object, now time.Time) (float64, error) {
	var t Timing
	if err := json.Unmarshal([]byte(str(o, "schedule")), &t); err != nil {
		return 0, fmt.Errorf("scheduler: read cron job %q: %w", str(o, "name"), err)
	}
	prev := time.UnixMicro(int64(num(o, dueField) * 1000))
	next, err := t.next(prev, time.Duration(num(o, "delay"))*time.Second, now)
	if err != nil {
		return 0, fmt.Errorf("scheduler: cron job %q: %w", str(o, "name"), err)
	}
	return millis(next), nil
}

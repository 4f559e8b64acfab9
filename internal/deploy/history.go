package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// historyTable has a row for each push, and each change of variables, that became
// live: "what", "message" and "changes", a list of lines for people.
const historyTable = "_push_history"

// maxHistory is how many rows are kept; maxChanges how many lines of each.
const maxHistory, maxChanges = 500, 50

// Happening is what changed about the code or the variables of a deployment.
type Happening struct {
	At      time.Time
	What    string // "push" or "variables"
	Message string // what the pusher said, if anything
	Changes []string
}

// note writes a happening in the transaction that makes it so.
func note(ctx context.Context, tx *database.Tx, what, message string, changes []string) error {
	if len(changes) > maxChanges {
		changes = append(slices.Clone(changes[:maxChanges]), fmt.Sprintf("and %d more", len(changes)-maxChanges))
	}
	list := make(value.Array, len(changes))
	for i, c := range changes {
		list[i] = value.String(c)
	}
	if _, err := tx.Insert(ctx, historyTable, value.ObjectOf(value.Field{Name: "what", Value: value.String(what)},
		value.Field{Name: "message", Value: value.String(message)}, value.Field{Name: "changes", Value: list})); err != nil {
		return fmt.Errorf("deploy: note %s: %w", what, err)
	}
	c := tx.Scan(historyTable, database.ByCreationTime, database.Interval{}, database.Desc)
	defer c.Close()
	for n := 0; ; n++ {
		row, err := c.Next(ctx)
		if err != nil || row == nil {
			return err
		}
		if n >= maxHistory {
			if err := tx.Delete(ctx, row.ID); err != nil {
				return err
			}
		}
	}
}

// History lists the newest happenings, newest first, at most n.
func History(ctx context.Context, tx *database.Tx, n int) (out []Happening, err error) {
	c := tx.Scan(historyTable, database.ByCreationTime, database.Interval{}, database.Desc)
	defer c.Close()
	for len(out) < n {
		row, err := c.Next(ctx)
		if err != nil || row == nil {
			return out, err
		}
		h := Happening{At: time.UnixMicro(int64(row.CreationTime * 1000))}
		for name, v := range row.Object().All() {
			switch s, _ := v.(value.String); name {
			case "what":
				h.What = string(s)
			case "message":
				h.Message = string(s)
			case "changes":
				list, _ := v.(value.Array)
				for _, e := range list {
					line, _ := e.(value.String)
					h.Changes = append(h.Changes, string(line))
				}
			}
		}
		out = append(out, h)
	}
	return out, nil
}

// lines say what a push changed.
func (d *FinishPushDiff) lines() (out []string) {
	add := func(where, what string, names []string) {
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "_deps/") }) // shared pieces that the bundler made
		if len(names) > 0 {
			out = append(out, where+what+": "+strings.Join(names, ", "))
		}
	}
	add("", "trusted issuers added", d.AuthDiff.Added)
	add("", "trusted issuers removed", d.AuthDiff.Removed)
	for _, path := range slices.Sorted(maps.Keys(d.ComponentDiffs)) {
		c := d.ComponentDiffs[path]
		where := ""
		if path != "" {
			where = path + ": "
		}
		if t := c.DiffType.Type; t != "modify" && path != "" {
			out = append(out, where+t)
		}
		add(where, "modules added or changed", c.ModuleDiff.Added)
		add(where, "modules removed", c.ModuleDiff.Removed)
		add(where, "cron jobs added", c.CronDiff.Added)
		add(where, "cron jobs changed", c.CronDiff.Updated)
		add(where, "cron jobs removed", c.CronDiff.Deleted)
		add(where, "indexes added", indexNames(c.IndexDiff.Added))
		add(where, "indexes removed", indexNames(c.IndexDiff.Removed))
		if c.SchemaDiff != nil {
			out = append(out, where+"schema changed")
		}
		if u := c.UDFConfigDiff; u != nil {
			out = append(out, fmt.Sprintf("%sconvex %s, before %s", where, u.Next, u.Previous))
		}
	}
	return out
}

// indexNames are the names of indexes, each with its table.
func indexNames(list []IndexConfig) (names []string) {
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// variableLines say which variables a change is about; never their values.
func variableLines(changes []udf.EnvChange) (out []string) {
	for _, c := range changes {
		if c.Value == nil {
			out = append(out, c.Name+" removed")
		} else {
			out = append(out, c.Name+" set")
		}
	}
	return out
}

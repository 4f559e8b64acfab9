package dashboard

import (
	"context"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// shownJobs is how many scheduled functions of a state the page shows.
const shownJobs = 100

// schedulesView shows scheduled functions and cron jobs, of the app and of all
// components.
type schedulesView struct {
	*Visit
	Waiting, Ended []jobRow
	More           bool // there are more than are shown
	Crons          []cronRow
}

// jobRow is a scheduled function.
type jobRow struct {
	scheduler.JobView
	Space string // of its row, for the form
	Text  Cell
	URL   string
}

// Brief is the first line of why it failed.
func (j jobRow) Brief() string {
	line, _, _ := strings.Cut(j.Failure, "\n")
	return line
}

// cronRow is a cron job with how it went last.
type cronRow struct {
	scheduler.CronView
	Space string
	Text  Cell
	URL   string
}

func (schedulesView) template() string { return "schedules" }
func (schedulesView) heading() string  { return "Schedules" }

// shortPath is a function's name as people write it.
func shortPath(path string) string {
	if i := len(path); i > 0 {
		for at := 0; at+4 <= i; at++ {
			if path[at:at+4] == ".js:" {
				return path[:at] + path[at+3:]
			}
		}
	}
	return path
}

// showSchedules lists them.
func (s *Site) showSchedules(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &schedulesView{Visit: v}
	err = d.DB.View(v.Context(), func(tx *database.Tx) error {
		out.Waiting, out.Ended, out.Crons, out.More = nil, nil, nil, false
		tree, err := udf.Components(v.Context(), tx)
		if err != nil {
			return err
		}
		places := []udf.Component{{Mounted: true}}
		for _, c := range tree.All {
			if c.Path != "" {
				places = append(places, c)
			}
		}
		for _, c := range places {
			if err := out.read(v.Context(), tx.In(c.Space), c.Path); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// read reads the rows of one namespace.
func (v *schedulesView) read(ctx context.Context, tx *database.Tx, place string) error {
	for _, state := range []string{scheduler.InProgress, scheduler.Pending, scheduler.Failed, scheduler.Success, scheduler.Canceled} {
		jobs, err := scheduler.Jobs(ctx, tx, state, shownJobs+1)
		if err != nil {
			return err
		}
		if len(jobs) > shownJobs {
			jobs, v.More = jobs[:shownJobs], true
		}
		for _, j := range jobs {
			j.Path = shortPath(j.Path)
			row := jobRow{JobView: j, Space: place, Text: argsCell(j.Args), URL: v.functionURL(j.Component, j.Path)}
			if state == scheduler.Pending || state == scheduler.InProgress {
				v.Waiting = append(v.Waiting, row)
			} else if len(v.Ended) < shownJobs {
				v.Ended = append(v.Ended, row)
			}
		}
	}
	crons, err := scheduler.Crons(ctx, tx)
	for _, c := range crons {
		c.Path = shortPath(c.Path)
		v.Crons = append(v.Crons, cronRow{CronView: c, Space: place, Text: argsCell(c.Args), URL: v.functionURL(c.Component, c.Path)})
	}
	return err
}

// argsCell shows arguments, which are stored in a list of one.
func argsCell(args value.Value) Cell {
	if list, ok := args.(value.Array); ok && len(list) == 1 {
		return cell(list[0])
	}
	return cell(args)
}

// functionURL is the page of a function.
func (v *Visit) functionURL(component, path string) string {
	pairs := map[string][]string{"fn": {path}}
	if component != "" {
		pairs["component"] = []string{component}
	}
	return address(v.Base()+"/functions", pairs)
}

// inSpace runs f in the namespace that a form names.
func (v *Visit) inSpace(f func(ctx context.Context, tx *database.Tx) error) error {
	d, err := v.Open()
	if err != nil {
		return err
	}
	ctx := v.Context()
	_, err = d.DB.Update(ctx, func(tx *database.Tx) error {
		if place := v.PostForm.Get("space"); place != "" {
			tree, err := udf.Components(ctx, tx)
			if err != nil {
				return err
			}
			c := tree.At(place)
			if c == nil {
				return apierr.New(apierr.NotFound, "ComponentNotFound", "There is no component %q in this deployment.", place)
			}
			tx = tx.In(c.Space)
		}
		return f(ctx, tx)
	})
	return err
}

// cancelJob cancels a scheduled function.
func (s *Site) cancelJob(v *Visit) (string, error) {
	id, err := value.ParseID(v.PostForm.Get("id"))
	if err != nil {
		return "", err
	}
	err = v.inSpace(func(ctx context.Context, tx *database.Tx) error {
		id.Space = tx.Space()
		found, err := scheduler.Cancel(ctx, tx, id, time.Now())
		if err == nil && !found {
			err = apierr.New(apierr.NotFound, "JobNotFound", "There is no such scheduled function any more.")
		}
		return err
	})
	if err != nil {
		return "", err
	}
	v.Say("Canceled.")
	return "", nil
}

// cancelJobs cancels all that wait.
func (s *Site) cancelJobs(v *Visit) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	n, err := scheduler.CancelAll(v.Context(), d.DB, 0, "")
	if err != nil {
		return "", err
	}
	v.Say("Canceled %s.", plural(n, "scheduled function"))
	return "", nil
}

// runCron runs what a cron job calls, now.
func (s *Site) runCron(v *Visit) (string, error) {
	name := v.PostForm.Get("name")
	err := v.inSpace(func(ctx context.Context, tx *database.Tx) error {
		_, err := scheduler.RunCronNow(ctx, tx, name, time.Now())
		return err
	})
	if err != nil {
		return "", err
	}
	v.Say("%s runs now.", name)
	return "", nil
}

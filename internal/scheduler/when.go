package scheduler

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Timing says when a cron job is to run, in the form of the push protocol
// (convex-cli.md §2.6).
type Timing struct {
	Type      string `json:"type"` // interval, hourly, daily, weekly, monthly, cron
	Seconds   int64  `json:"seconds,omitempty"`
	Day       int    `json:"day,omitempty"`
	DayOfWeek string `json:"dayOfWeek,omitempty"`
	HourUTC   *int   `json:"hourUTC,omitempty"`
	MinuteUTC *int   `json:"minuteUTC,omitempty"`
	CronExpr  string `json:"cronExpr,omitempty"`
}

// libraryTiming is a schedule as cronJobs() of the library exports it (convex-runtime.md §6.6).
type libraryTiming struct {
	Type      string   `json:"type"`
	Seconds   *float64 `json:"seconds"`
	Minutes   *float64 `json:"minutes"`
	Hours     *float64 `json:"hours"`
	Day       float64  `json:"day"`
	DayOfWeek string   `json:"dayOfWeek"`
	HourUTC   *float64 `json:"hourUTC"`
	MinuteUTC *float64 `json:"minuteUTC"`
	Cron      string   `json:"cron"`
}

// daysOfWeek are the library's names of the days, in cron's order.
var daysOfWeek = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// maxInterval bounds an interval: nobody waits longer.
const maxInterval = 100 * 365 * 24 * 3600

// parseTiming reads what the library exported. The error is a sentence for the developer.
func parseTiming(raw json.RawMessage) (t Timing, err error) {
	var l libraryTiming
	if err := json.Unmarshal(raw, &l); err != nil {
		return t, fmt.Errorf("its schedule cannot be read")
	}
	t.Type = l.Type
	whole := func(what string, f *float64, least, most int) (*int, error) {
		if f == nil {
			return nil, nil
		}
		n := int(*f)
		if float64(n) != *f || n < least || n > most {
			return nil, fmt.Errorf("%s must be an integer from %d to %d", what, least, most)
		}
		return &n, nil
	}
	if t.HourUTC, err = whole("hourUTC", l.HourUTC, 0, 23); err != nil {
		return t, err
	}
	if t.MinuteUTC, err = whole("minuteUTC", l.MinuteUTC, 0, 59); err != nil {
		return t, err
	}
	switch l.Type {
	case "interval":
		return t, t.setInterval(l)
	case "hourly":
		t.HourUTC = nil
		return t, nil
	case "daily", "weekly", "monthly":
		if t.HourUTC == nil {
			return t, fmt.Errorf("hourUTC is missing")
		}
	case "cron":
		t.CronExpr, t.HourUTC, t.MinuteUTC = l.Cron, nil, nil
	default:
		return t, fmt.Errorf("its schedule has the unknown type %q", l.Type)
	}
	if l.Type == "weekly" {
		t.DayOfWeek = l.DayOfWeek
	}
	if l.Type == "monthly" {
		day, err := whole("day", &l.Day, 1, 31)
		if err != nil {
			return t, err
		}
		t.Day = *day
	}
	clock, err := t.clock()
	if err != nil {
		return t, err
	}
	if clock.Next(time.Unix(0, 0).UTC()).IsZero() {
		return t, fmt.Errorf("the schedule never comes to pass")
	}
	return t, nil
}

// setInterval reads an interval, given in one of three units.
func (t *Timing) setInterval(l libraryTiming) error {
	n := 0
	var seconds float64
	for _, u := range []struct {
		value *float64
		unit  float64
	}{{l.Seconds, 1}, {l.Minutes, 60}, {l.Hours, 3600}} {
		if u.value != nil {
			n++
			seconds = *u.value * u.unit
		}
	}
	if n != 1 || !(seconds >= 1) || seconds > maxInterval || seconds != float64(int64(seconds)) {
		return fmt.Errorf("an interval is a positive integer of either seconds, minutes or hours")
	}
	t.Seconds, t.HourUTC, t.MinuteUTC = int64(seconds), nil, nil
	return nil
}

// fields is the parser of the five fields of cron expressions. It takes no descriptors.
var fields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// clock gives the occurrences of a schedule that follows the clock, before its delay.
func (t *Timing) clock() (cron.Schedule, error) {
	minute, hour := 0, "*"
	if t.MinuteUTC != nil {
		minute = *t.MinuteUTC
	}
	if t.HourUTC != nil {
		hour = strconv.Itoa(*t.HourUTC)
	}
	expr := fmt.Sprintf("%d %s * * *", minute, hour)
	switch t.Type {
	case "weekly":
		day := -1
		for i, name := range daysOfWeek {
			if name == t.DayOfWeek {
				day = i
			}
		}
		if day < 0 {
			return nil, fmt.Errorf("dayOfWeek must be a day like \"monday\"")
		}
		expr = fmt.Sprintf("%d %s * * %d", minute, hour, day)
	case "monthly":
		expr = fmt.Sprintf("%d %s %d * *", minute, hour, t.Day)
	case "cron":
		var err error
		if expr, err = normalized(t.CronExpr); err != nil {
			return nil, err
		}
	}
	s, err := fields.Parse(expr)
	if err != nil {
		return nil, fmt.Errorf("the cron expression %q cannot be understood: %v", t.CronExpr, err)
	}
	return s, nil
}

// maxExpression bounds a cron expression; nothing real comes near it.
const maxExpression = 256

// normalized checks the form of a cron expression and writes Sunday as 0.
func normalized(expr string) (string, error) {
	parts := strings.Fields(expr)
	if len(expr) > maxExpression || len(parts) != 5 || strings.Contains(expr, "TZ=") {
		return "", fmt.Errorf("the cron expression must have five fields: minute, hour, day of month, month, day of week")
	}
	days := strings.Split(parts[4], ",")
	for i, d := range days {
		if d == "7" {
			days[i] = "0"
		} else if from, ok := strings.CutSuffix(d, "-7"); ok {
			days[i] = from + "-6,0"
		}
	}
	parts[4] = strings.Join(days, ",")
	return strings.Join(parts, " "), nil
}

// delayRange is how many seconds the runs of a schedule may be late by: each job
// keeps a random delay, which spreads jobs of the same time (convex-runtime.md §6.6).
func (t *Timing) delayRange() int {
	switch {
	case t.Type == "interval":
		return 1
	case t.Type == "cron" || t.MinuteUTC != nil:
		return 60
	}
	return 3600
}

// first is when a job that was just pushed runs for the first time.
func (t *Timing) first(delay time.Duration, now time.Time) (time.Time, error) {
	if t.Type == "interval" {
		return now, nil
	}
	return t.next(now, delay, now)
}

// next is when a job runs again after an occurrence: the first time after both
// that and now.
func (t *Timing) next(prev time.Time, delay time.Duration, now time.Time) (time.Time, error) {
	if t.Type == "interval" {
		step := time.Duration(t.Seconds) * time.Second
		next := prev.Add(step)
		if next.After(now) {
			return next, nil
		}
		return next.Add(now.Sub(next).Truncate(step) + step), nil
	}
	clock, err := t.clock()
	if err != nil {
		return time.Time{}, err
	}
	if prev.After(now) {
		now = prev
	}
	next := clock.Next(now.UTC().Add(-delay))
	if next.IsZero() {
		return next, fmt.Errorf("the schedule never comes to pass")
	}
	return next.Add(delay), nil
}

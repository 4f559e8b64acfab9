package scheduler

import (
	"strings"
	"testing"
	"time"
)

func TestTimingNext(t *testing.T) {
	t.Parallel()
	const form = "2006-01-02 15:04:05"
	now, _ := time.Parse(form, "2026-01-31 22:30:10") // a Saturday
	for _, c := range []struct{ schedule, first, then string }{
		{`{"type":"interval","seconds":90}`, "2026-01-31 22:30:10", "2026-01-31 22:31:40"},
		{`{"type":"interval","hours":2}`, "2026-01-31 22:30:10", "2026-02-01 00:30:10"},
		{`{"type":"hourly"}`, "2026-01-31 23:00:07", "2026-02-01 00:00:07"},
		{`{"type":"hourly","minuteUTC":30}`, "2026-01-31 23:30:07", "2026-02-01 00:30:07"},
		{`{"type":"daily","hourUTC":9,"minuteUTC":5}`, "2026-02-01 09:05:07", "2026-02-02 09:05:07"},
		{`{"type":"daily","hourUTC":9}`, "2026-02-01 09:00:07", "2026-02-02 09:00:07"},
		{`{"type":"weekly","dayOfWeek":"saturday","hourUTC":22,"minuteUTC":31}`, "2026-01-31 22:31:07", "2026-02-07 22:31:07"},
		{`{"type":"monthly","day":31,"hourUTC":1,"minuteUTC":0}`, "2026-03-31 01:00:07", "2026-05-31 01:00:07"},
		{`{"type":"cron","cron":"*/20 22-23 * * *"}`, "2026-01-31 22:40:07", "2026-01-31 23:00:07"},
		{`{"type":"cron","cron":"0 0 * * 7"}`, "2026-02-01 00:00:07", "2026-02-08 00:00:07"},
		{`{"type":"cron","cron":"0 0 * * fri-7"}`, "2026-02-01 00:00:07", "2026-02-06 00:00:07"},
		{`{"type":"cron","cron":"0 0 29 feb *"}`, "2028-02-29 00:00:07", "2032-02-29 00:00:07"},
	} {
		timing, err := parseTiming([]byte(c.schedule))
		if err != nil {
			t.Errorf("%s: %v", c.schedule, err)
			continue
		}
		first, err := timing.first(7*time.Second, now)
		if err != nil || first.Format(form) != c.first {
			t.Errorf("%s: first %v, %v", c.schedule, first, err)
		}
		then, err := timing.next(first, 7*time.Second, first)
		if err != nil || then.Format(form) != c.then {
			t.Errorf("%s: then %v, %v", c.schedule, then, err)
		}
	}
}

// refused are exports of crons.js and a part of the message that refuses each.
var refused = map[string]string{
	`[]`: "made by cronJobs()",
	`{"ü":{"name":"a:b","args":[{}],"schedule":{"type":"hourly"}}}`:                                                 "ASCII",
	`{"a":{"name":"a:b","args":[{},{}],"schedule":{"type":"hourly"}}}`:                                              "arguments",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"yearly"}}}`:                                                 "unknown type",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"interval","seconds":0}}}`:                                   "positive integer",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"interval","seconds":1,"hours":1}}}`:                         "either",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"hourly","minuteUTC":60}}}`:                                  "minuteUTC",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"daily"}}}`:                                                  "hourUTC",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"weekly","hourUTC":1,"minuteUTC":1,"dayOfWeek":"someday"}}}`: "dayOfWeek",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"monthly","hourUTC":1,"day":32}}}`:                           "day must be",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"cron","cron":"@every 1s"}}}`:                                "five fields",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"cron","cron":"TZ=UTC * * * *"}}}`:                           "five fields",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"cron","cron":"61 * * * *"}}}`:                               "cannot be understood",
	`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"cron","cron":"0 0 30 2 *"}}}`:                               "never",
}

func TestParseCronsRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range refused {
		if _, err := ParseCrons([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseCrons(f *testing.F) {
	for text := range refused {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"a":{"name":"a:b","args":[{}],"schedule":{"type":"cron","cron":"*/7 1-5,8 * jan-mar mon"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		specs, err := ParseCrons(text)
		if err != nil {
			return
		}
		now := time.Unix(1_770_000_000, 0)
		for i := range specs {
			o, err := specs[i].row(now)
			if err != nil {
				continue
			}
			if !specs[i].same(o) {
				t.Errorf("%s: a row differs from its own specification", text)
			}
			if next, err := nextOf(o, now); err == nil && next <= millis(now) {
				t.Errorf("%s: next %v is not after now", text, next)
			}
		}
	})
}

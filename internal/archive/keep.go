package archive

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Keep says which backups stay.
type Keep struct {
	Window time.Duration // every second of the last so long can be restored
	Daily  int           // and before that the last base of so many days
	Weekly int           // and before that of so many weeks
}

// The defaults of Keep.
const (
	defaultWindow = 7 * 24 * time.Hour
	defaultDaily  = 30
	defaultWeekly = 12
)

// defaulted is k, or the default if nothing is said.
func (k Keep) defaulted() Keep {
	if k == (Keep{}) {
		return Keep{defaultWindow, defaultDaily, defaultWeekly}
	}
	return k
}

// String is as ParseKeep reads it.
func (k Keep) String() string {
	return fmt.Sprintf("%v,%dd,%dw", k.Window, k.Daily, k.Weekly)
}

// ParseKeep reads "7d", "168h,30d,12w": the window first, then days and weeks of which
// one state each is kept. What is not said is none.
func ParseKeep(s string) (k Keep, err error) {
	if s == "" {
		return k.defaulted(), nil
	}
	bad := fmt.Errorf("%q does not say what to keep; write it like 7d,30d,12w: every second of 7 days, one state a day of 30 days, one a week of 12 weeks", s)
	parts := strings.Split(s, ",")
	if len(parts) > 3 {
		return k, bad
	}
	if days, ok := strings.CutSuffix(parts[0], "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil {
			return k, bad
		}
		k.Window = time.Duration(n) * 24 * time.Hour
	} else if k.Window, err = time.ParseDuration(parts[0]); err != nil {
		return k, bad
	}
	for i, unit := range []string{"d", "w"} {
		if len(parts) <= i+1 {
			break
		}
		text, ok := strings.CutSuffix(strings.TrimSpace(parts[i+1]), unit)
		n, err := strconv.Atoi(text)
		if !ok || err != nil || n < 0 || n > 10_000 {
			return k, bad
		}
		if unit == "d" {
			k.Daily = n
		} else {
			k.Weekly = n
		}
	}
	if k.Window <= 0 || k.Window > 10*365*24*time.Hour {
		return k, bad
	}
	return k, nil
}

// choose splits bases, oldest first, into those that stay and those that go, and tells
// the oldest moment from which segments are needed. What is in the window stays, with
// the base that it begins from; of what is older, the last base of each day and week.
// The newest stays whatever its age.
func (k Keep) choose(bases []baseID, now time.Time) (stay, gone []baseID, segmentsFrom baseID) {
	window := now.Add(-k.Window)
	first := 0 // the base that the window begins from
	for i, b := range bases {
		if !b.at.Time().After(window) {
			first = i
		}
	}
	keep := make([]bool, len(bases))
	days, weeks := map[string]bool{}, map[string]bool{}
	for i := len(bases) - 1; i >= 0; i-- {
		at := bases[i].at.Time().UTC()
		if i >= first {
			keep[i] = true
			continue
		}
		age := window.Sub(at)
		day := at.Format(time.DateOnly)
		year, w := at.ISOWeek()
		week := fmt.Sprintf("%d-%d", year, w)
		if !days[day] && age <= time.Duration(k.Daily)*24*time.Hour {
			keep[i] = true
		}
		if !weeks[week] && age <= time.Duration(k.Weekly)*7*24*time.Hour {
			keep[i] = true
		}
		days[day], weeks[week] = true, true
	}
	for i, b := range bases {
		if keep[i] {
			stay = append(stay, b)
		} else {
			gone = append(gone, b)
		}
	}
	if len(bases) > 0 {
		segmentsFrom = bases[first]
	}
	return stay, gone, segmentsFrom
}

package dashboard

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/udf"
)

// shownEntries is how many entries the page of logs shows.
const shownEntries = 200

// logsView is the live log.
type logsView struct {
	*Visit
	Entries  []logEntry
	Held     int // entries that the deployment holds
	Refusals []diagnosis.Entry
	Paused   bool
	Pause    string // address at which the page stands still
}

// logEntry is an execution, or what it printed so far.
type logEntry struct {
	Key, Function, URL  string
	Kind, RequestID     string
	At                  time.Time
	Took, Error, Caller string
	Cached              bool
	Lines               []logLine
}

// logLine is one line of it.
type logLine struct{ Level, Text string }

func (logsView) template() string { return "logs" }
func (logsView) heading() string  { return "Logs" }

// Levels are those that lines can have.
func (logsView) Levels() []string { return []string{"DEBUG", "LOG", "INFO", "WARN", "ERROR"} }

// showLogs shows the newest entries that meet what the address asks for.
func (s *Site) showLogs(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &logsView{Visit: v, Pause: v.With("pause", strconv.FormatInt(time.Now().UnixMilli(), 10))}
	until, err := strconv.ParseInt(v.Q("pause"), 10, 64)
	out.Paused = err == nil
	if !out.Paused {
		v.Again(d.Runner.Logs().Changed())
		out.Pause = "" // it is in no region, and would make each picture another one
	}
	entries := d.Runner.Logs().Recent(maxEntries)
	out.Held = len(entries)
	for _, e := range slices.Backward(entries) {
		if out.Paused && int64(e.Timestamp*1000) > until {
			continue
		}
		if l := v.entry(&e); v.wanted(&e, l) {
			out.Entries = append(out.Entries, *l)
		}
		if len(out.Entries) == shownEntries {
			break
		}
	}
	slices.Reverse(out.Entries)
	if s.Refusals != nil {
		out.Refusals = s.Refusals(v.Row)
	}
	return out, nil
}

// entry makes an entry as the page shows it.
func (v *Visit) entry(e *udf.LogEntry) *logEntry {
	l := &logEntry{Key: "log-" + e.ExecutionID + "-" + strconv.FormatFloat(e.Timestamp, 'f', 3, 64), Function: e.Identifier, Kind: e.UDFType, RequestID: e.RequestID,
		At: time.UnixMilli(int64(e.Timestamp * 1000))}
	q := url.Values{"fn": {e.Identifier}}
	if e.ComponentPath != nil {
		q.Set("component", *e.ComponentPath)
		l.Function = *e.ComponentPath + "/" + e.Identifier
	}
	if e.UDFType != "HttpAction" {
		l.URL = address(v.Base()+"/functions", q)
	}
	if e.Completion != nil {
		l.Key += "-end"
		l.Took, l.Cached, l.Caller = millis(e.ExecutionTime), e.CachedResult, e.Caller
		if e.Error != nil {
			l.Error = clipText(*e.Error, 2000)
		}
	} else if len(e.LogLines) > 0 {
		l.Key += "-" + strconv.FormatInt(e.LogLines[0].Timestamp, 10)
	}
	for _, line := range e.LogLines {
		l.Lines = append(l.Lines, logLine{line.Level, clipText(strings.Join(line.Messages, " "), 4000)})
	}
	return l
}

// wanted says whether an entry meets what the address asks for.
func (v *Visit) wanted(e *udf.LogEntry, l *logEntry) bool {
	if fn := v.Q("fn"); fn != "" && !strings.Contains(strings.ToLower(l.Function), strings.ToLower(fn)) {
		return false
	}
	if id := strings.TrimSpace(v.Q("request")); id != "" && !strings.HasPrefix(e.RequestID, id) && e.ExecutionID != id {
		return false
	}
	if level := v.Q("level"); level != "" {
		has := level == "ERROR" && l.Error != ""
		for _, line := range l.Lines {
			has = has || line.Level == level
		}
		if !has {
			return false
		}
	}
	if text := strings.ToLower(v.Q("q")); text != "" {
		has := strings.Contains(strings.ToLower(l.Error), text)
		for _, line := range l.Lines {
			has = has || strings.Contains(strings.ToLower(line.Text), text)
		}
		return has
	}
	return true
}

// pauseAt keeps the page of logs as it is.
func (s *Site) pauseLogs(v *Visit) (string, error) {
	return v.With("pause", strconv.FormatInt(time.Now().UnixMilli(), 10)), nil
}

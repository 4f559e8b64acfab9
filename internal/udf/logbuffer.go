package udf

import (
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
)

// Limits of the lines of one execution (convex-runtime.md §3.8). The engine
// applies them to each call; here they hold for all nested calls together.
const (
	maxLogLines  = 256
	overflowLine = "Log overflow (maximum 256). Remaining log lines omitted."
	truncated    = " (truncated due to length)"
)

// logBuffer gathers the lines of one execution and those nested in it. An
// action prints from several calls at once, so it locks itself.
type logBuffer struct {
	executionID string
	started     time.Time
	progress    func(LogLine) // told of each line at once; nil when lines only go with the completion

	mu    sync.Mutex
	lines []LogLine
	full  bool
}

// newLogBuffer begins the log of an execution.
func newLogBuffer() *logBuffer {
	return &logBuffer{executionID: NewRequestID(), started: time.Now()}
}

// print adds a line of user code.
func (b *logBuffer) print(level, line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) >= maxLogLines-1 {
		if b.full {
			return
		}
		b.full = true
		if line != overflowLine {
			level, line = "ERROR", overflowLine
		}
	}
	b.add(LogLine{Messages: []string{line}, Level: level, IsTruncated: strings.HasSuffix(line, truncated)})
}

// system adds a warning of the house, which does not count.
func (b *logBuffer) system(code, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := LogLine{Messages: []string{text}, Level: "WARN"}
	if code != "" {
		l.SystemMetadata = &SystemMetadata{Code: code}
	}
	b.add(l)
}

// add appends a line. The caller holds mu.
func (b *logBuffer) add(l LogLine) {
	l.Timestamp = time.Now().UnixMilli()
	b.lines = append(b.lines, l)
	if b.progress != nil {
		b.progress(l)
	}
}

// text gives the lines as clients get them: "[LOG] 'x'".
func (b *logBuffer) text() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]string, len(b.lines))
	for i, l := range b.lines {
		out[i] = "[" + l.Level + "] " + strings.Join(l.Messages, " ")
	}
	return out
}

// identityTypes are the callers as log entries name them.
func identityType(c token.Caller) string {
	switch c.Role {
	case token.User:
		return "user"
	case token.Admin:
		if c.Acting != nil {
			return "member_acting_user"
		}
		return "instance_admin"
	case token.System:
		return "system"
	}
	return "unknown"
}

// seconds is a time as log entries have it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// entry begins a log entry of the request.
func (q *Request) entry(kind Kind, executionID string) LogEntry {
	identifier := q.Path
	if p, ok := parsePath(q.Path); ok {
		identifier = p.Client()
	}
	var component *string
	if q.Component != "" {
		component = &q.Component
	}
	return LogEntry{
		ComponentPath: component,
		Kind:          "Completion", UDFType: kind.String(), Identifier: identifier, LogLines: []LogLine{},
		Timestamp: seconds(time.Now()), RequestID: q.RequestID, ExecutionID: executionID,
	}
}

// environment is the runtime of the request's function as log entries name it.
func (q *Request) environment() string {
	if q.node {
		return "node"
	}
	return "isolate"
}

// logged writes the entry of an execution that has ended.
func (r *Runner) logged(q *Request, kind Kind, b *logBuffer, out *Outcome, u database.Usage, occ *OCCInfo) {
	if strings.HasPrefix(q.Path, systemPrefix) {
		return // what tools ask is not the developer's to read
	}
	e := q.entry(kind, b.executionID)
	e.Completion = &Completion{
		Caller: q.CallerName, ExecutionTime: time.Since(b.started).Seconds(), ExecutionTimestamp: seconds(b.started),
		IdentityType: identityType(q.Caller), Environment: q.environment(), OCCInfo: occ,
		UsageStats: UsageStats{DatabaseReadBytes: u.BytesRead, DatabaseReadDocuments: u.DocumentsRead, DatabaseWriteBytes: u.BytesWritten},
	}
	if q.parent != "" {
		e.ParentExecutionID = &q.parent
	}
	if b.progress == nil { // else the lines went ahead
		b.mu.Lock()
		e.LogLines = append(e.LogLines, b.lines...)
		b.mu.Unlock()
	}
	switch {
	case out == nil:
		e.Error, e.WillRetry = new(string), true
		*e.Error = "Changed by another mutation while it ran."
	case out.Failure != nil:
		e.Error = &out.Failure.Text
	default:
		n := len(out.Value)
		e.ReturnBytes = &n
	}
	r.logs.add(e)
}

// loggedHit writes the entry of a query that was answered from the cache.
func (r *Runner) loggedHit(q *Request, out *Outcome) {
	if strings.HasPrefix(q.Path, systemPrefix) || !r.logs.watched() {
		return
	}
	now := time.Now()
	e := q.entry(Query, NewRequestID())
	n := len(out.Value)
	e.Completion = &Completion{
		CachedResult: true, Caller: q.CallerName, ExecutionTimestamp: seconds(now), IdentityType: identityType(q.Caller),
		Environment: "isolate", ReturnBytes: &n,
	}
	r.logs.add(e)
}

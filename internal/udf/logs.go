package udf

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// LogEntry is one entry of the function-log stream, in the shape that the
// official CLI and dashboards read (convex-cli.md §2.3).
type LogEntry struct {
	Kind          string    `json:"kind"` // "Completion" or "Progress"
	UDFType       string    `json:"udfType"`
	ComponentPath *string   `json:"componentPath"`
	Identifier    string    `json:"identifier"`
	LogLines      []LogLine `json:"logLines"`
	Timestamp     float64   `json:"timestamp"` // seconds
	RequestID     string    `json:"requestId"`
	ExecutionID   string    `json:"executionId"`
	*Completion             // nil for Progress
}

// Completion is what an entry adds when the execution has ended.
type Completion struct {
	CachedResult       bool       `json:"cachedResult"`
	Caller             string     `json:"caller"`
	ParentExecutionID  *string    `json:"parentExecutionId"`
	ExecutionTime      float64    `json:"executionTime"` // seconds
	Success            any        `json:"success"`       // null; a status for HTTP actions
	Error              *string    `json:"error"`
	UsageStats         UsageStats `json:"usageStats"`
	ReturnBytes        *int       `json:"returnBytes"`
	OCCInfo            *OCCInfo   `json:"occInfo"`
	WillRetry          bool       `json:"willRetry"`
	ExecutionTimestamp float64    `json:"executionTimestamp"`
	IdentityType       string     `json:"identityType"`
	Environment        string     `json:"environment"`
}

// UsageStats counts what an execution used.
type UsageStats struct {
	DatabaseReadBytes     int `json:"databaseReadBytes"`
	DatabaseReadDocuments int `json:"databaseReadDocuments"`
	DatabaseWriteBytes    int `json:"databaseWriteBytes"`
	StorageReadBytes      int `json:"storageReadBytes"`
	StorageWriteBytes     int `json:"storageWriteBytes"`
	VectorIndexReadBytes  int `json:"vectorIndexReadBytes"`
	VectorIndexWriteBytes int `json:"vectorIndexWriteBytes"`
	MemoryUsedMB          int `json:"memoryUsedMb"`
}

// OCCInfo tells which table made a mutation try again.
type OCCInfo struct {
	TableName  string `json:"tableName,omitempty"`
	RetryCount int    `json:"retryCount"`
}

// LogLine is one line that a function printed, or a warning of the house.
type LogLine struct {
	Messages       []string        `json:"messages"`
	Level          string          `json:"level"`
	Timestamp      int64           `json:"timestamp"` // milliseconds
	IsTruncated    bool            `json:"isTruncated"`
	SystemMetadata *SystemMetadata `json:"systemMetadata,omitempty"`
}

// SystemMetadata marks a line that the house wrote.
type SystemMetadata struct {
	Code string `json:"code"`
}

// logged is an entry in the ring with its place in time.
type logged struct {
	ms    int64 // never falls from one entry to the next
	entry LogEntry
}

// LogStream is a bounded ring of log entries with readers that wait. When it is
// full the oldest entry goes.
type LogStream struct {
	lastRead atomic.Int64 // wall clock ms of the last Since, so that nobody writes what nobody reads

	size int // how many entries are held at most

	mu      sync.Mutex
	ring    []logged // grows to size: most deployments say little
	next    int      // place of the next entry once the ring is full
	last    int64
	changed chan struct{} // closed at the next entry; nil when nobody waits
}

// newLogStream makes a ring of up to n entries.
func newLogStream(n int) *LogStream { return &LogStream{size: n} }

// watchedFor is how long after the last read the stream counts as watched.
const watchedFor = 2 * time.Minute

// watched tells whether somebody reads the stream: cached results are logged only
// then, lest they push out what happened.
func (s *LogStream) watched() bool {
	return time.Now().UnixMilli()-s.lastRead.Load() < watchedFor.Milliseconds()
}

// add appends an entry and wakes the readers.
func (s *LogStream) add(e LogEntry) {
	now := time.Now().UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, now)
	if len(s.ring) < s.size {
		s.ring = append(s.ring, logged{s.last, e})
	} else {
		s.ring[s.next] = logged{s.last, e}
		s.next = (s.next + 1) % len(s.ring)
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Since returns the entries after the cursor (milliseconds; 0 for all that are
// still held), waiting for the first one until ctx ends, and the cursor to go on
// from. A context that ends is no error: there are no entries then.
func (s *LogStream) Since(ctx context.Context, cursor int64) (entries []LogEntry, next int64, err error) {
	for {
		s.lastRead.Store(time.Now().UnixMilli())
		entries, next, wait := s.after(cursor)
		if len(entries) > 0 {
			return entries, next, nil
		}
		var soon <-chan time.Time
		if wait == nil {
			soon = time.After(time.Millisecond)
		}
		select {
		case <-wait:
		case <-soon:
		case <-ctx.Done():
			return nil, cursor, nil
		}
	}
}

// after collects the entries after the cursor. Those of the present millisecond are
// held back, because more may come with the same time: a nil channel means that such
// are there, else the channel tells of the next entry.
func (s *LogStream) after(cursor int64) (entries []LogEntry, next int64, wait <-chan struct{}) {
	now := time.Now().UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	next = cursor
	recent := false
	for i := range s.ring {
		l := &s.ring[(s.next+i)%len(s.ring)]
		switch {
		case l.ms <= cursor:
		case l.ms >= now:
			recent = true
		default:
			entries = append(entries, l.entry)
			next = l.ms
		}
	}
	if recent || len(entries) > 0 {
		return entries, next, nil
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return nil, next, s.changed
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Statuses of a transaction as its client knows them.
const (
	statusOK      = "ok"      // committed, and the client was told
	statusFailed  = "failed"  // did not happen
	statusUnknown = "unknown" // the answer was lost: it may have happened, at any time since it began
)

// txn is one transaction.
type txn struct {
	Client int     `json:"client"`
	Start  float64 `json:"start"` // milliseconds of one clock
	End    float64 `json:"end"`   // when the answer came; means nothing while unknown
	Status string  `json:"status"`
	Ops    []op    `json:"ops"`

	id int // place in the history
}

// op is one operation: an append of a value that nobody else appends, or a read.
type op struct {
	Kind  string  `json:"op"` // "append" or "read"
	Key   string  `json:"key"`
	Value int64   `json:"value,omitempty"`
	List  []int64 `json:"list,omitempty"` // what was read
}

// readHistory reads a file.
func readHistory(r io.Reader) ([]*txn, error) {
	var history []*txn
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		t := &txn{id: len(history)}
		if err := json.Unmarshal(s.Bytes(), t); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(history)+1, err)
		}
		switch t.Status {
		case statusOK, statusFailed, statusUnknown:
		default:
			return nil, fmt.Errorf("line %d: unknown status %q", len(history)+1, t.Status)
		}
		history = append(history, t)
	}
	return history, s.Err()
}

// String is the transaction in a line, for people.
func (t *txn) String() string {
	s := fmt.Sprintf("T%d (client %d, %.1f–%.1f ms, %s):", t.id, t.Client, t.Start, t.End, t.Status)
	for _, o := range t.Ops {
		if o.Kind == "append" {
			s += fmt.Sprintf(" append %s %d", o.Key, o.Value)
		} else if n := len(o.List); n > 6 {
			s += fmt.Sprintf(" read %s [… %d values, last %v]", o.Key, n, o.List[n-3:])
		} else {
			s += fmt.Sprintf(" read %s %v", o.Key, o.List)
		}
	}
	return s
}

package persistence

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
)

// Memory is a store that lives as long as its process: for tests, and for
// trying things out. Its cells and log end with it.
type Memory struct {
	mu      sync.RWMutex // held for portions of a walk, never while yielding
	indexes map[IndexID]*sorted
	log     []logged
	cells   map[string][]byte
	closed  bool
}

// logged is a commit as the log remembers it.
type logged struct {
	ts        Timestamp
	revisions []Revision
	entries   []IndexWrite
}

// version is one state of a key. For primary indexes the body is there.
type version struct {
	ts      Timestamp
	doc     DocID
	body    []byte
	deleted bool
}

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{indexes: map[IndexID]*sorted{}, cells: map[string][]byte{}}
}

// How many keys are gathered under one hold of the lock: few at first, as many
// walks end early.
const (
	firstPortion = 4
	maxPortion   = 256
)

// Append is part of Store.
func (m *Memory) Append(ctx context.Context, batch []Commit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("memory store: append: %w", ErrClosed)
	}
	last := Timestamp(0)
	if n := len(m.log); n > 0 {
		last = m.log[n-1].ts
	}
	for _, c := range batch {
		if !c.Backfill && c.TS <= last {
			return fmt.Errorf("memory store: append at %d after %d", c.TS, last)
		}
		last = max(last, c.TS)
	}
	for _, c := range batch {
		for _, r := range c.Revisions {
			ts := c.TS
			if c.Backfill {
				ts = r.TS
			}
			m.index(Primary(r.Doc.Table)).put(r.Doc.Internal[:], version{ts: ts, doc: r.Doc, body: r.Body, deleted: r.Body == nil})
		}
		for _, e := range c.Entries {
			ts := c.TS
			if c.Backfill {
				ts = e.TS
			}
			m.index(e.Index).put(e.Key, version{ts: ts, doc: e.Doc, deleted: e.Deleted})
		}
		for _, ix := range c.Drop {
			delete(m.indexes, ix)
		}
		if !c.Backfill {
			revs := slices.Clone(c.Revisions)
			for i := range revs {
				revs[i].TS = c.TS
			}
			m.log = append(m.log, logged{ts: c.TS, revisions: revs, entries: c.Entries})
		}
	}
	return nil
}

// index finds an index or makes it. The lock is held.
func (m *Memory) index(ix IndexID) *sorted {
	s := m.indexes[ix]
	if s == nil {
		s = &sorted{}
		m.indexes[ix] = s
	}
	return s
}

// Log is part of Store.
func (m *Memory) Log(ctx context.Context, after, through Timestamp, o Order) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		m.mu.RLock()
		var commits []logged
		for _, c := range m.log {
			if c.ts > after && c.ts <= through {
				commits = append(commits, c)
			}
		}
		m.mu.RUnlock()
		if o == Desc {
			slices.Reverse(commits)
		}
		for _, c := range commits {
			for i := range c.revisions {
				if o == Desc {
					i = len(c.revisions) - 1 - i
				}
				if !yield(c.revisions[i], nil) {
					return
				}
			}
		}
	}
}

// Scan is part of Store.
func (m *Memory) Scan(ctx context.Context, ix IndexID, at Timestamp, s Span, o Order) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for n := firstPortion; ; n = min(4*n, maxPortion) {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, context.Cause(ctx))
				return
			}
			rows, more := m.portion(ix, at, &s, o, n)
			for _, e := range rows {
				if !yield(e, nil) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

// portion gathers the rows of the next keys of a scan, and moves the span behind them.
func (m *Memory) portion(ix IndexID, at Timestamp, s *Span, o Order, limit int) (rows []Entry, more bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	keys := m.indexes[ix]
	if keys == nil {
		return nil, false
	}
	p := keys.seek(s.Lower)
	if o == Desc {
		if p = keys.end(); s.Upper != nil {
			p = keys.seek(s.Upper)
		}
		p = keys.before(p)
	}
	for n := 0; ; n++ {
		k := keys.at(p)
		if k == nil || !s.Contains(k.key) {
			return rows, false
		}
		if n == limit { // k is the first of the next portion
			if o == Asc {
				s.Lower = k.key
			} else {
				s.Upper = append(bytes.Clone(k.key), 0)
			}
			return rows, true
		}
		if o == Asc {
			p = keys.after(p)
		} else {
			p = keys.before(p)
		}
		if v := k.visible(at); v != nil && !v.deleted {
			rows = append(rows, Entry{Key: k.key, TS: v.ts, Doc: v.doc, Body: v.body})
		}
	}
}

// Prior is part of Store.
func (m *Memory) Prior(ctx context.Context, ids []DocID, at Timestamp) ([]Revision, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]Revision, len(ids))
	for i, id := range ids {
		out[i].Doc = id
		keys := m.indexes[Primary(id.Table)]
		if keys == nil {
			continue
		}
		k := keys.at(keys.seek(id.Internal[:]))
		if k == nil || !bytes.Equal(k.key, id.Internal[:]) {
			continue
		}
		if v := k.visible(at); v != nil {
			out[i].TS, out[i].Body = v.ts, v.body
		}
	}
	return out, nil
}

// Cell is part of Store.
func (m *Memory) Cell(ctx context.Context, name string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return bytes.Clone(m.cells[name]), nil
}

// SetCell is part of Store.
func (m *Memory) SetCell(ctx context.Context, name string, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("memory store: set cell: %w", ErrClosed)
	}
	m.cells[name] = append([]byte{}, b...)
	return nil
}

// Prune is part of Store.
func (m *Memory) Prune(ctx context.Context, before Timestamp, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, done := 0, 0
	for done < len(m.log)-1 && m.log[done].ts <= before && n < limit {
		c := m.log[done]
		for _, r := range c.revisions {
			n += m.prune(Primary(r.Doc.Table), r.Doc.Internal[:], c.ts)
		}
		for _, e := range c.entries {
			n += m.prune(e.Index, e.Key, c.ts)
		}
		done, n = done+1, n+1
	}
	m.log = append(m.log[:0:0], m.log[done:]...)
	return n, nil
}

// prune forgets the versions of a key that one at ts replaced, and that one
// too if it is a deletion.
func (m *Memory) prune(ix IndexID, key []byte, ts Timestamp) int {
	keys := m.indexes[ix]
	if keys == nil {
		return 0
	}
	p := keys.seek(key)
	k := keys.at(p)
	if k == nil || !bytes.Equal(k.key, key) {
		return 0
	}
	n := len(k.versions)
	k.versions = slices.DeleteFunc(slices.Clone(k.versions), func(v version) bool {
		return v.ts < ts || v.ts == ts && v.deleted
	})
	n -= len(k.versions)
	if len(k.versions) == 0 {
		keys.remove(p)
	}
	return n
}

// Close is part of Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

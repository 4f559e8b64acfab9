package database

import (
	"bytes"
	"slices"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Order is the direction of a scan.
type Order = persistence.Order

// The two directions of a scan.
const (
	Asc  = persistence.Asc
	Desc = persistence.Desc
)

// Interval is a half-open range of index keys, [Lower, Upper). A nil bound is
// open. A key is value.AppendKey of each index field, then of _creationTime,
// then the 16 bytes of the id; the key of by_id is value.AppendKey of the id's
// text, that of by_creation_time has no fields of its own.
type Interval struct{ Lower, Upper []byte }

// Prefix is the interval of all keys that begin with p: what equality on the
// first fields of an index asks for.
func Prefix(p []byte) Interval { return Interval{Lower: p, Upper: After(p)} }

// After is the least key above every key that begins with p; nil if there is
// none, which as a bound means open.
func After(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			u := bytes.Clone(p[:i+1])
			u[i]++
			return u
		}
	}
	return nil
}

// point is the span that holds just key. Both bounds share one array.
func point(key []byte) persistence.Span {
	b := make([]byte, len(key)+1)
	copy(b, key)
	return persistence.Span{Lower: b[:len(key):len(key)], Upper: b}
}

// ReadSet is what a transaction looked at: intervals of index keys. It is
// immutable, and the reason for every invalidation.
type ReadSet struct {
	reads   []indexReads
	matches []*Match // of indexes that are searched
}

// indexReads are the intervals read of one index, sorted and disjoint.
type indexReads struct {
	index persistence.IndexID
	spans []persistence.Span
}

// Empty tells whether nothing was read, so that nothing can invalidate it.
func (r *ReadSet) Empty() bool { return r == nil || len(r.reads) == 0 && len(r.matches) == 0 }

// Intervals counts the disjoint intervals.
func (r *ReadSet) Intervals() int {
	n := 0
	if r != nil {
		for _, x := range r.reads {
			n += len(x.spans)
		}
		n += len(r.matches)
	}
	return n
}

// covers tells whether key of ix lies in the set.
func (r *ReadSet) covers(ix persistence.IndexID, key []byte) bool {
	if r == nil {
		return false
	}
	for _, x := range r.reads {
		if x.index != ix {
			continue
		}
		for _, s := range x.spans {
			if s.Contains(key) {
				return true
			}
		}
	}
	return false
}

// Union is the set of everything in any of the sets.
func Union(sets ...*ReadSet) *ReadSet {
	var raw []*read
	var matches []*Match
	for _, r := range sets {
		if r == nil {
			continue
		}
		matches = append(matches, r.matches...)
		for _, x := range r.reads {
			for _, s := range x.spans {
				raw = append(raw, &read{index: x.index, span: s})
			}
		}
	}
	return newReadSet(raw, matches...)
}

// read is one interval as it was recorded. A cursor keeps a pointer to its own
// and widens it as rows are returned.
type read struct {
	index persistence.IndexID
	span  persistence.Span
}

// newReadSet sorts and merges what was recorded.
func newReadSet(raw []*read, matches ...*Match) *ReadSet {
	rs := slices.Clone(raw)
	slices.SortFunc(rs, func(a, b *read) int {
		if a.index != b.index {
			if a.index < b.index {
				return -1
			}
			return 1
		}
		return bytes.Compare(a.span.Lower, b.span.Lower) // nil sorts first, as it should
	})
	set := &ReadSet{matches: slices.Clone(matches)}
	for _, r := range rs {
		n := len(set.reads)
		if n == 0 || set.reads[n-1].index != r.index {
			set.reads = append(set.reads, indexReads{index: r.index, spans: []persistence.Span{r.span}})
			continue
		}
		spans := set.reads[n-1].spans
		last := &spans[len(spans)-1]
		if last.Upper != nil && bytes.Compare(r.span.Lower, last.Upper) > 0 {
			set.reads[n-1].spans = append(spans, r.span)
			continue
		}
		if last.Upper != nil && (r.span.Upper == nil || bytes.Compare(r.span.Upper, last.Upper) > 0) {
			last.Upper = r.span.Upper
		}
	}
	return set
}

// appendIndexKey builds the key of doc in an index over fields.
func appendIndexKey(dst []byte, fields []string, d *Document) []byte {
	if dst == nil {
		dst = make([]byte, 0, 64)
	}
	if len(fields) > 0 {
		obj := d.Object()
		for _, f := range fields {
			dst = value.AppendKey(dst, value.Path(obj, f))
		}
	}
	dst = value.AppendKey(dst, value.Float64(d.CreationTime))
	return append(dst, d.ID.Internal[:]...)
}

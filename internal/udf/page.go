package udf

import (
	"bytes"
	"context"
	"slices"

	"github.com/lentil-dev/lentil/internal/database"
)

// Limits of pages (convex-runtime.md §5.6).
const (
	maxPageSize         = 32000 // results asked for at most
	splitRecommendRows  = 6144  // a page of more rows had better be split
	splitRecommendShare = 0.75  // so had one that read more than this share of a read limit
	readLimitRows       = 32000
	readLimitBytes      = 16 << 20
)

// pageOptions are the arguments of 1.0/queryPage beside the query.
type pageOptions struct {
	cursor, end *string // sealed positions; nil cursor is the beginning, nil end is wherever the page is full
	size        int
	maxRows     int // stop after scanning so many rows; 0 is no such wish
	maxBytes    int
}

// page is what a paginated query returns.
type page struct {
	documents []*database.Document
	isDone    bool
	next      string  // sealed position after the page
	split     *string // sealed position in the middle of the page, if it has a middle
	status    string  // "", "SplitRecommended" or "SplitRequired"
}

// readPage reads one page of q. With an end it reads exactly the rows between
// the two positions, which keeps pages that are re-read gapless and apart.
func (q *query) readPage(ctx context.Context, tx *database.Tx, cs cursorSealer, o pageOptions) (*page, error) {
	begin, stop := position{}, position{}
	var err error
	if o.cursor != nil {
		if begin, err = cs.open(*o.cursor, q.fingerprint); err != nil {
			return nil, err
		}
	}
	if o.end != nil {
		if stop, err = cs.open(*o.end, q.fingerprint); err != nil {
			return nil, err
		}
	}
	if begin.end {
		return q.emptyPage(cs, o)
	}
	narrowed := *q
	if q.search != nil {
		narrowed.search = q.search.between(begin, stop)
	} else {
		narrowed.interval = q.between(begin, stop)
	}
	s := narrowed.open(tx)
	defer s.close()
	p := &page{}
	keys, exhausted, err := p.fill(ctx, s, o)
	if err != nil {
		return nil, err
	}
	last := position{end: exhausted}
	if !exhausted {
		last.key = keys[len(keys)-1]
	}
	if o.end != nil {
		p.next, p.isDone = *o.end, stop.end
	} else {
		p.next, p.isDone = cs.seal(last, q.fingerprint), exhausted
	}
	if n := len(keys); n >= 2 {
		text := cs.seal(position{key: keys[(n-1)/2]}, q.fingerprint)
		p.split = &text
	}
	if p.status == "" && (s.rows > splitRecommendRows || float64(s.rows) > splitRecommendShare*readLimitRows ||
		float64(s.bytes) > splitRecommendShare*readLimitBytes) {
		p.status = "SplitRecommended"
	}
	return p, nil
}

// emptyPage is the page after the end.
func (q *query) emptyPage(cs cursorSealer, o pageOptions) (*page, error) {
	p := &page{isDone: true}
	if o.end != nil {
		p.next = *o.end
	} else {
		p.next = cs.seal(position{end: true}, q.fingerprint)
	}
	return p, nil
}

// fill reads rows into the page until it is full, and gives the index key of
// every row scanned. It is exhausted when the rows ended before the page was full.
func (p *page) fill(ctx context.Context, s *stream, o pageOptions) (keys [][]byte, exhausted bool, err error) {
	for {
		if o.end == nil && len(keys) > 0 {
			if len(p.documents) >= o.size {
				return keys, false, nil
			}
			if o.maxRows > 0 && s.rows >= o.maxRows || o.maxBytes > 0 && s.bytes >= o.maxBytes {
				p.status = "SplitRequired"
				return keys, false, nil
			}
		}
		doc, passed, err := s.step(ctx)
		if err != nil {
			return nil, false, err
		}
		if doc == nil {
			return keys, true, nil
		}
		keys = append(keys, s.cursor.Key())
		if passed {
			p.documents = append(p.documents, doc)
		}
	}
}

// between narrows the range of the query to the rows after begin, up to and including stop.
func (q *query) between(begin, stop position) database.Interval {
	in := q.interval
	if begin.key != nil {
		if q.order == database.Asc {
			in.Lower = larger(in.Lower, justAfter(begin.key))
		} else {
			in.Upper = smaller(in.Upper, begin.key)
		}
	}
	if stop.key != nil {
		if q.order == database.Asc {
			in.Upper = smaller(in.Upper, justAfter(stop.key))
		} else {
			in.Lower = larger(in.Lower, stop.key)
		}
	}
	return in
}

// justAfter is the smallest key above key. Full index keys end in an id and are
// never prefixes of one another, so it lies below the next row's.
func justAfter(key []byte) []byte { return append(slices.Clip(key), 0) }

// larger is the larger of two lower bounds; nil is unbounded.
func larger(a, b []byte) []byte {
	if a == nil || bytes.Compare(a, b) < 0 {
		return b
	}
	return a
}

// smaller is the smaller of two upper bounds; nil is unbounded.
func smaller(a, b []byte) []byte {
	if a == nil || bytes.Compare(a, b) > 0 {
		return b
	}
	return a
}

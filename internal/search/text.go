package search

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Limits of text searches (convex-runtime.md §5.7).
const (
	maxTerms      = 16   // tokens of a search; further ones are passed over
	maxExpansions = 16   // terms that the last token stands for as a prefix
	MaxCandidates = 1024 // documents that a search gives at most
)

// Parameters of BM25, as Tantivy has them.
const (
	bm25K1 = 1.2
	bm25B  = 0.75
)

// prefixWeight is what a term counts that only begins with the last token,
// against 1 for the token itself, so that whole words come first.
const prefixWeight = 0.5

// TextQuery is a search for documents that have any of the words of Text.
type TextQuery struct {
	Text    string
	Filters map[int]value.Value // by position among the index's filter fields
}

// match is the query as part of a read set; nil if it can find nothing.
func (q TextQuery) match(ix database.Index) *database.Match {
	words := tokens(nil, q.Text)
	if len(words) == 0 {
		return nil
	}
	words = words[:min(len(words), maxTerms)]
	m := &database.Match{Index: ix.ID, Prefix: words[len(words)-1], Filters: map[int]string{}}
	slices.Sort(words)
	m.Terms = slices.Compact(words)
	for i, v := range q.Filters {
		m.Filters[i] = filterName(v)
	}
	return m
}

// hit is a document that was found.
type hit struct {
	score   float64
	created float64
	id      value.InternalID
}

// compareHits orders hits, the best first: by score, then newest first.
func compareHits(a, b hit) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.created, a.created), strings.Compare(string(b.id[:]), string(a.id[:])))
}

// best keeps the best so many hits; the worst of them is on top.
type best struct {
	list []hit
	max  int
}

// Len is part of heap.Interface.
func (b *best) Len() int { return len(b.list) }

// Less is part of heap.Interface: the worst comes first.
func (b *best) Less(i, j int) bool { return compareHits(b.list[i], b.list[j]) > 0 }

// Swap is part of heap.Interface.
func (b *best) Swap(i, j int) { b.list[i], b.list[j] = b.list[j], b.list[i] }

// Push is part of heap.Interface.
func (b *best) Push(x any) { b.list = append(b.list, x.(hit)) }

// Pop is part of heap.Interface, and not needed.
func (b *best) Pop() any { panic("search: hits are never popped") }

// least is the score below which a hit does not count any more.
func (b *best) least() float64 {
	if len(b.list) < b.max {
		return math.Inf(-1)
	}
	return b.list[0].score
}

// add takes in a hit if it is among the best.
func (b *best) add(h hit) {
	switch {
	case len(b.list) < b.max:
		heap.Push(b, h)
	case compareHits(h, b.list[0]) < 0:
		b.list[0] = h
		heap.Fix(b, 0)
	}
}

// term is one key that counts in a search.
type term struct {
	key    string
	weight float64
	df     int // documents that have it
}

// textSearch is one search going on.
type textSearch struct {
	at      persistence.Timestamp
	m       *database.Match
	hidden  map[value.InternalID]bool // replaced by the transaction itself
	changes []database.Change
	fields  []string

	own, replaced []*analysis // of changes
	docs          int
	length        uint64
	terms         []term
	norms         []float64 // k1·(1−b+b·length/average) by length
}

// searchText finds the best hits among the documents that a snapshot sees, with
// the changes of a transaction on top. mu is held for reading.
func (x *index) searchText(ctx context.Context, at persistence.Timestamp, m *database.Match, changes []database.Change) ([]hit, error) {
	s := &textSearch{at: at, m: m, changes: changes, fields: x.info.Fields, hidden: map[value.InternalID]bool{}}
	s.analyseChanges()
	for _, seg := range x.segments {
		n, length := seg.seen(at)
		s.docs, s.length = s.docs+n, s.length+length
	}
	s.chooseTerms(x.segments)
	if len(s.terms) == 0 {
		return nil, nil
	}
	average := max(1, float64(s.length)/float64(max(1, s.docs)))
	s.norms = make([]float64, 1024)
	for i := range s.norms {
		s.norms[i] = bm25K1 * (1 - bm25B + bm25B*float64(i)/average)
	}
	found := &best{max: MaxCandidates + 1}
	for _, seg := range x.segments {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		s.scan(seg, average, found)
	}
	s.scoreOwn(average, found)
	slices.SortFunc(found.list, compareHits)
	return found.list, nil
}

// analyseChanges looks at what the transaction itself did.
func (s *textSearch) analyseChanges() {
	for _, ch := range s.changes {
		s.hidden[ch.ID.Internal] = true
		if ch.Old != nil {
			if a := analyse(s.fields, ch.Old); a != nil {
				s.replaced = append(s.replaced, a)
				s.docs--
				s.length -= uint64(a.length)
			}
		}
		var own *analysis
		if ch.New != nil {
			if own = analyse(s.fields, ch.New); own != nil {
				s.docs++
				s.length += uint64(own.length)
			}
		}
		s.own = append(s.own, own) // in step with changes
	}
}

// frequency counts the documents with a key that the search sees.
func (s *textSearch) frequency(segments []*segment, key string) int {
	n := 0
	for _, seg := range segments {
		p, ok := seg.lists.find(key)
		switch {
		case !ok:
		case seg.whole(s.at):
			n += p.n
		default:
			for c := p.walk(); !c.done; c.next() {
				if seg.sees(c.doc, s.at) {
					n++
				}
			}
		}
	}
	for _, a := range s.replaced {
		if _, ok := slices.BinarySearch(a.terms, key); ok {
			n--
		}
	}
	for _, a := range s.own {
		if a != nil {
			if _, ok := slices.BinarySearch(a.terms, key); ok {
				n++
			}
		}
	}
	return n
}

// chooseTerms decides which keys count: the words of the search, and the
// shortest few that begin with the last one.
func (s *textSearch) chooseTerms(segments []*segment) {
	add := func(key string, weight float64) {
		if df := s.frequency(segments, key); df > 0 {
			s.terms = append(s.terms, term{key, weight, df})
		}
	}
	for _, t := range s.m.Terms {
		add(t, 1)
	}
	longer := map[string]bool{}
	collect := func(k string) { longer[k] = true }
	for _, seg := range segments {
		seg.lists.prefixed(s.m.Prefix, collect)
	}
	for _, a := range s.own {
		if a != nil {
			i, _ := slices.BinarySearch(a.terms, s.m.Prefix)
			for ; i < len(a.terms) && strings.HasPrefix(a.terms[i], s.m.Prefix); i++ {
				collect(a.terms[i])
			}
		}
	}
	keys := make([]string, 0, len(longer))
	for k := range longer {
		if _, exact := slices.BinarySearch(s.m.Terms, k); !exact {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	whole := len(s.terms)
	for _, k := range keys {
		if len(s.terms)-whole == maxExpansions-1 { // the token itself is the first expansion
			break
		}
		add(k, prefixWeight)
	}
	// A longer word is rarer, but says no more about what was asked for: all
	// expansions count as one term that any of them is.
	any := 0
	for i, t := range s.terms {
		if i >= whole || t.key == s.m.Prefix {
			any += t.df
		}
	}
	for i := whole; i < len(s.terms); i++ {
		s.terms[i].df = min(any, s.docs)
	}
}

// idf is how much a term tells, by how rare it is.
func (s *textSearch) idf(t term) float64 {
	return t.weight * math.Log(1+(float64(s.docs)-float64(t.df)+0.5)/(float64(t.df)+0.5)) * (bm25K1 + 1)
}

// norm is the part of a score's denominator that depends on a document's length.
func (s *textSearch) norm(length uint32, average float64) float64 {
	if int(length) < len(s.norms) {
		return s.norms[length]
	}
	return bm25K1 * (1 - bm25B + bm25B*float64(length)/average)
}

// window is how many entries of a segment are scored at a time: few enough for
// their scores to stay in the processor's cache.
const window = 4096

// windowBits is a set of entries of a window.
type windowBits [window / 64]uint64

// scan scores the entries of a segment, a window at a time and within it a term
// at a time, so that every entry's score is the same sum in the same order.
func (s *textSearch) scan(seg *segment, average float64, found *best) {
	var words []cursor
	var idfs []float64
	for _, t := range s.terms {
		if p, ok := seg.lists.find(t.key); ok {
			words, idfs = append(words, p.walk()), append(idfs, s.idf(t))
		}
	}
	var filters []cursor
	for i, name := range s.m.Filters {
		p, ok := seg.lists.find(filterKey(i, name))
		if !ok {
			return
		}
		filters = append(filters, p.walk())
	}
	if len(words) == 0 {
		return
	}
	whole := seg.whole(s.at)
	scores := new([window]float64)
	for {
		first := gone
		for i := range words {
			if !words[i].done {
				first = min(first, words[i].doc)
			}
		}
		if first == gone {
			return
		}
		for i := range filters {
			if filters[i].done {
				return
			}
			first = max(first, filters[i].doc)
		}
		base := first &^ (window - 1)
		var hits windowBits
		for i := range words {
			idf := idfs[i]
			c := words[i]
			for !c.done && c.doc < base+window {
				if c.doc >= base {
					n := c.doc - base
					tf := float64(c.count)
					scores[n] += idf * tf / (tf + s.norm(seg.lengths[c.doc], average))
					hits[n>>6] |= 1 << (n & 63)
				}
				c.next()
			}
			words[i] = c
		}
		some := hits
		for i := range filters {
			var with windowBits
			c := filters[i]
			for !c.done && c.doc < base+window {
				if c.doc >= base {
					with[(c.doc-base)>>6] |= 1 << ((c.doc - base) & 63)
				}
				c.next()
			}
			filters[i] = c
			for w := range some {
				some[w] &= with[w]
			}
		}
		for w, set := range hits {
			for ; set != 0; set &= set - 1 {
				n := uint32(w<<6 + bits.TrailingZeros64(set))
				score := scores[n]
				scores[n] = 0
				if some[w]&(set&-set) == 0 || score < found.least() {
					continue
				}
				if doc := base + n; (whole || seg.sees(doc, s.at)) && !s.hidden[seg.ids[doc]] {
					found.add(hit{score, seg.created[doc], seg.ids[doc]})
				}
			}
		}
	}
}

// scoreOwn scores what the transaction itself wrote.
func (s *textSearch) scoreOwn(average float64, found *best) {
	for i, ch := range s.changes {
		a := s.own[i]
		if a == nil || !s.m.Meets(a.digest()) {
			continue
		}
		score := 0.0
		for _, t := range s.terms {
			if n, ok := slices.BinarySearch(a.terms, t.key); ok {
				tf := float64(a.counts[n])
				score += s.idf(t) * tf / (tf + s.norm(a.length, average))
			}
		}
		if score > 0 {
			found.add(hit{score, ch.New.CreationTime, ch.ID.Internal})
		}
	}
}

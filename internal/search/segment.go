package search

import (
	"encoding/binary"
	"slices"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// alive is when an entry was replaced that has not been.
const alive = persistence.Max

// segment is some revisions of documents. All but died, lastDeath, dead and
// deadLength is immutable once the segment is frozen; those are guarded by the
// lock of the index.
type segment struct {
	id      uint64
	ids     []value.InternalID
	born    []persistence.Timestamp // of the commit that wrote the revision
	died    []persistence.Timestamp // of the one that replaced it
	created []float64
	table   idTable

	lists   lists
	lengths []uint32 // text: tokens of each entry
	vectors *vectors

	newest     persistence.Timestamp // the latest of born
	lastDeath  persistence.Timestamp
	dead       int
	length     uint64 // sum of lengths
	deadLength uint64

	saved bool // its file holds it; guarded by index.merging
}

// newSegment makes an empty one to grow.
func newSegment(id uint64) *segment { return &segment{id: id, lists: growing{}} }

// add takes in a revision.
func (s *segment) add(id value.InternalID, created float64, born persistence.Timestamp, a *analysis) {
	n := uint32(len(s.ids))
	s.ids, s.created = append(s.ids, id), append(s.created, created)
	s.born, s.died = append(s.born, born), append(s.died, alive)
	s.newest = max(s.newest, born)
	s.table.set(s.ids, n)
	g := s.lists.(growing)
	for i, t := range a.terms {
		g.add(t, n, a.counts[i])
	}
	for i, name := range a.filters {
		g.add(filterKey(i, name), n, 1)
	}
	if a.vector != nil {
		s.vectors.add(a.vector)
		return
	}
	s.lengths = append(s.lengths, a.length)
	s.length += uint64(a.length)
}

// kill notes that the revision of a document that is current was replaced. It
// reports whether it is in the segment.
func (s *segment) kill(id value.InternalID, ts persistence.Timestamp) bool {
	n, ok := s.table.find(s.ids, id)
	if !ok || s.died[n] != alive {
		return false
	}
	s.died[n] = ts
	s.bury(n)
	return true
}

// bury counts an entry that has died.
func (s *segment) bury(n uint32) {
	s.lastDeath = max(s.lastDeath, s.died[n])
	s.dead++
	if s.lengths != nil {
		s.deadLength += uint64(s.lengths[n])
	}
}

// sees tells whether a snapshot sees an entry.
func (s *segment) sees(n uint32, at persistence.Timestamp) bool {
	return s.born[n] <= at && at < s.died[n]
}

// whole tells whether a snapshot sees every entry.
func (s *segment) whole(at persistence.Timestamp) bool { return s.newest <= at && s.dead == 0 }

// seen counts the entries that a snapshot sees, and their tokens.
func (s *segment) seen(at persistence.Timestamp) (n int, length uint64) {
	if s.newest <= at && s.lastDeath <= at {
		return len(s.ids) - s.dead, s.length - s.deadLength
	}
	for i := range s.ids {
		if s.sees(uint32(i), at) {
			n++
			if s.lengths != nil {
				length += uint64(s.lengths[i])
			}
		}
	}
	return n, length
}

// freeze makes the segment one that does not grow any more.
func (s *segment) freeze() {
	if g, ok := s.lists.(growing); ok {
		s.lists = g.freeze()
	}
}

// merge makes one segment of several frozen ones, in their order, leaving out
// what died at or before a time. died are copies of theirs. The second result
// tells where each entry went.
func merge(sources []*segment, died [][]persistence.Timestamp, before persistence.Timestamp) (*segment, []renumbering) {
	out := &segment{}
	moved := make([]renumbering, len(sources))
	old := make([]*frozen, len(sources))
	for i, s := range sources {
		old[i] = s.lists.(*frozen)
		moved[i].up = uint32(len(out.ids))
		if slices.ContainsFunc(died[i], func(d persistence.Timestamp) bool { return d <= before }) {
			moved[i].to = make([]uint32, len(s.ids))
		}
		for n := range s.ids {
			if died[i][n] <= before {
				moved[i].to[n] = gone
				continue
			}
			if moved[i].to != nil {
				moved[i].to[n] = uint32(len(out.ids))
			}
			out.ids, out.created = append(out.ids, s.ids[n]), append(out.created, s.created[n])
			out.born, out.died = append(out.born, s.born[n]), append(out.died, died[i][n])
			out.newest = max(out.newest, s.born[n])
			if s.lengths != nil {
				out.lengths = append(out.lengths, s.lengths[n])
				out.length += uint64(s.lengths[n])
			}
		}
	}
	for n, d := range out.died {
		if d != alive {
			out.bury(uint32(n))
		}
	}
	out.table = newIDTable(out)
	out.lists = mergeLists(old, moved)
	return out, moved
}

// idTable finds the newest entry of a document in a segment: a hash table with
// open addressing of entry numbers, plus 1. Ids are random, so a few of their
// bytes are the hash.
type idTable struct {
	slots []uint32
	used  int
}

// newIDTable makes the table of a segment's entries; of a document's several,
// the one that is alive or was last comes to be found.
func newIDTable(s *segment) idTable {
	var t idTable
	t.grow(s.ids[:0], len(s.ids))
	for n := range s.ids {
		if have, ok := t.find(s.ids, s.ids[n]); ok && s.died[have] > s.died[n] {
			continue
		}
		t.set(s.ids, uint32(n))
	}
	return t
}

// slot is where the search for an id begins.
func (t *idTable) slot(id value.InternalID) uint64 {
	return binary.LittleEndian.Uint64(id[:8]) & uint64(len(t.slots)-1)
}

// find gives the entry of an id.
func (t *idTable) find(ids []value.InternalID, id value.InternalID) (uint32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	for i := t.slot(id); ; i = (i + 1) & uint64(len(t.slots)-1) {
		switch n := t.slots[i]; {
		case n == 0:
			return 0, false
		case ids[n-1] == id:
			return n - 1, true
		}
	}
}

// set makes n the entry of its id.
func (t *idTable) set(ids []value.InternalID, n uint32) {
	if 2*(t.used+1) > len(t.slots) {
		t.grow(ids[:n], max(64, 2*t.used))
	}
	for i := t.slot(ids[n]); ; i = (i + 1) & uint64(len(t.slots)-1) {
		switch have := t.slots[i]; {
		case have == 0:
			t.slots[i] = n + 1
			t.used++
			return
		case ids[have-1] == ids[n]:
			t.slots[i] = n + 1
			return
		}
	}
}

// grow makes room for n entries.
func (t *idTable) grow(ids []value.InternalID, n int) {
	size := 64
	for size < 2*n+2 {
		size *= 2
	}
	old := t.slots
	t.slots, t.used = make([]uint32, size), 0
	for _, have := range old {
		if have != 0 {
			t.set(ids, have-1)
		}
	}
}

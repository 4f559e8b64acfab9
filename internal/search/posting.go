package search

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
)

// posting lists the entries that have a key, ascending, and how often each does.
//
// An entry is a varint of twice its distance from the one before, plus 1 if the
// count is 1; else the count follows as a varint.
type posting struct {
	n    int // entries
	data []byte
}

// cursor walks a posting.
type cursor struct {
	data  []byte
	doc   uint32 // the entry it is at
	count uint32
	done  bool
}

// walk begins at the first entry.
func (p posting) walk() cursor {
	c := cursor{data: p.data, doc: ^uint32(0)}
	c.next()
	return c
}

// next goes to the next entry.
func (c *cursor) next() {
	if len(c.data) == 0 {
		c.done = true
		return
	}
	v := uint64(c.data[0])
	if v < 0x80 {
		c.data = c.data[1:]
	} else {
		var n int
		if v, n = binary.Uvarint(c.data); n <= 0 {
			c.done = true // damaged; the checksum of the file makes this unlikely
			return
		}
		c.data = c.data[n:]
	}
	c.doc += uint32(v >> 1)
	if v&1 != 0 {
		c.count = 1
		return
	}
	n, w := binary.Uvarint(c.data)
	c.count, c.data = uint32(n), c.data[max(w, 0):]
}

// appendEntry appends an entry that follows after last; the first follows ^0.
func appendEntry(data []byte, last, doc, count uint32) []byte {
	d := uint64(doc-last) << 1
	if count == 1 {
		return binary.AppendUvarint(data, d|1)
	}
	return binary.AppendUvarint(binary.AppendUvarint(data, d), uint64(count))
}

// lists finds the posting of a key.
type lists interface {
	find(key string) (posting, bool)
	// prefixed yields the keys that begin with a prefix, in any order.
	prefixed(prefix string, yield func(key string))
}

// growing are the lists of the newest segment.
type growing map[string]*growingList

// growingList is a posting that is appended to.
type growingList struct {
	posting
	last uint32
}

// add appends an entry to the list of key.
func (g growing) add(key string, doc, count uint32) {
	l := g[key]
	if l == nil {
		l = &growingList{last: ^uint32(0)}
		g[key] = l
	}
	l.data = appendEntry(l.data, l.last, doc, count)
	l.last = doc
	l.n++
}

func (g growing) find(key string) (posting, bool) {
	if l := g[key]; l != nil {
		return l.posting, true
	}
	return posting{}, false
}

func (g growing) prefixed(prefix string, yield func(key string)) {
	for k := range g {
		if len(k) >= len(prefix) && k[:len(prefix)] == prefix {
			yield(k)
		}
	}
}

// frozen are lists in few large pieces of memory without pointers, so that the
// garbage collector has nothing to follow and they are read from a file as
// they are.
type frozen struct {
	keys   []byte   // all keys, sorted, one after the other
	keyEnd []uint32 // where each ends in keys
	end    []uint64 // where each posting ends in data
	n      []uint32 // entries of each posting
	last   []uint32 // the last entry of each
	data   []byte
}

// key is the i-th key.
func (f *frozen) key(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = f.keyEnd[i-1]
	}
	return f.keys[start:f.keyEnd[i]]
}

// posting is the i-th posting.
func (f *frozen) posting(i int) posting {
	start := uint64(0)
	if i > 0 {
		start = f.end[i-1]
	}
	return posting{n: int(f.n[i]), data: f.data[start:f.end[i]]}
}

// search finds the first key that is not below key.
func (f *frozen) search(key string) int {
	return sort.Search(len(f.keyEnd), func(i int) bool { return string(f.key(i)) >= key })
}

func (f *frozen) find(key string) (posting, bool) {
	i := f.search(key)
	if i == len(f.keyEnd) || string(f.key(i)) != key {
		return posting{}, false
	}
	return f.posting(i), true
}

func (f *frozen) prefixed(prefix string, yield func(key string)) {
	for i := f.search(prefix); i < len(f.keyEnd); i++ {
		k := f.key(i)
		if len(k) < len(prefix) || string(k[:len(prefix)]) != prefix {
			return
		}
		yield(string(k))
	}
}

// freeze makes frozen lists of growing ones.
func (g growing) freeze() *frozen {
	keys := make([]string, 0, len(g))
	nk, nd := 0, 0
	for k, l := range g {
		keys, nk, nd = append(keys, k), nk+len(k), nd+len(l.data)
	}
	slices.Sort(keys)
	f := &frozen{
		keys: make([]byte, 0, nk), data: make([]byte, 0, nd),
		keyEnd: make([]uint32, 0, len(g)), end: make([]uint64, 0, len(g)), n: make([]uint32, 0, len(g)), last: make([]uint32, 0, len(g)),
	}
	for _, k := range keys {
		l := g[k]
		f.keys, f.data = append(f.keys, k...), append(f.data, l.data...)
		f.closeList(l.n, l.last)
	}
	return f
}

// gone is where a merge sends an entry that it leaves out.
const gone = ^uint32(0)

// renumbering says where a merge sends the entries of one source: all of them so
// far up, or, where some are left out, each as to says.
type renumbering struct {
	up uint32
	to []uint32
}

// of is where an entry goes.
func (r renumbering) of(doc uint32) uint32 {
	if r.to == nil {
		return doc + r.up
	}
	return r.to[doc]
}

// mergeLists joins lists whose entries are renumbered by moved: ascending within
// each source, and across sources in their order.
func mergeLists(sources []*frozen, moved []renumbering) *frozen {
	out := &frozen{}
	size := 0
	for _, s := range sources {
		size += len(s.data)
	}
	out.data = make([]byte, 0, size+size/16)
	at := make([]int, len(sources))
	for {
		var least []byte
		for i, s := range sources {
			if at[i] < len(s.keyEnd) {
				if key := s.key(at[i]); least == nil || bytes.Compare(key, least) < 0 {
					least = key
				}
			}
		}
		if least == nil {
			return out
		}
		start, n, last := len(out.data), 0, ^uint32(0)
		for i, s := range sources {
			if at[i] == len(s.keyEnd) || !bytes.Equal(s.key(at[i]), least) {
				continue
			}
			c := s.posting(at[i]).walk()
			if moved[i].to == nil {
				// Distances stay the same but for the first.
				out.data = append(appendEntry(out.data, last, c.doc+moved[i].up, c.count), c.data...)
				last = s.last[at[i]] + moved[i].up
				n += int(s.n[at[i]])
			} else {
				for ; !c.done; c.next() {
					if to := moved[i].to[c.doc]; to != gone {
						out.data = appendEntry(out.data, last, to, c.count)
						last = to
						n++
					}
				}
			}
			at[i]++
		}
		if n > 0 {
			out.keys = append(out.keys, least...)
			out.closeList(n, last)
		} else {
			out.data = out.data[:start]
		}
	}
}

// closeList ends the list whose key and data were appended.
func (f *frozen) closeList(n int, last uint32) {
	f.keyEnd = append(f.keyEnd, uint32(len(f.keys)))
	f.end = append(f.end, uint64(len(f.data)))
	f.n, f.last = append(f.n, uint32(n)), append(f.last, last)
}

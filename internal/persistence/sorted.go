package persistence

import (
	"bytes"
	"slices"
	"sort"
)

// sorted holds keys in order, in blocks small enough that an insertion moves
// little.
type sorted struct{ blocks [][]*versions }

// versions are the states of one key, oldest first.
type versions struct {
	key      []byte
	versions []version
}

// visible is the state that a reader at a timestamp sees; nil if the key did
// not exist yet.
func (k *versions) visible(at Timestamp) *version {
	for i := len(k.versions) - 1; i >= 0; i-- {
		if k.versions[i].ts <= at {
			return &k.versions[i]
		}
	}
	return nil
}

// place is where a key is: block, and position within.
type place struct{ block, i int }

// blockSize is where a block is split.
const blockSize = 256

// seek finds the first key at or after key.
func (s *sorted) seek(key []byte) place {
	b := sort.Search(len(s.blocks), func(i int) bool {
		last := s.blocks[i][len(s.blocks[i])-1]
		return bytes.Compare(last.key, key) >= 0
	})
	if b == len(s.blocks) {
		return s.end()
	}
	i, _ := slices.BinarySearchFunc(s.blocks[b], key, func(k *versions, key []byte) int { return bytes.Compare(k.key, key) })
	return place{b, i}
}

// end is the place behind the last key.
func (s *sorted) end() place { return place{len(s.blocks), 0} }

// at is what is at a place; nil outside.
func (s *sorted) at(p place) *versions {
	if p.block < 0 || p.block >= len(s.blocks) {
		return nil
	}
	return s.blocks[p.block][p.i]
}

// after is the next place.
func (s *sorted) after(p place) place {
	if p.i++; p.i == len(s.blocks[p.block]) {
		return place{p.block + 1, 0}
	}
	return p
}

// before is the place in front.
func (s *sorted) before(p place) place {
	if p.i > 0 {
		return place{p.block, p.i - 1}
	}
	if p.block == 0 {
		return place{-1, 0}
	}
	return place{p.block - 1, len(s.blocks[p.block-1]) - 1}
}

// put adds a state to a key. A backfill may bring one that is older than
// what is there.
func (s *sorted) put(key []byte, v version) {
	p := s.seek(key)
	if k := s.at(p); k != nil && bytes.Equal(k.key, key) {
		i := len(k.versions)
		for i > 0 && k.versions[i-1].ts > v.ts {
			i--
		}
		if i > 0 && k.versions[i-1].ts == v.ts {
			k.versions[i-1] = v
			return
		}
		k.versions = slices.Insert(k.versions, i, v)
		return
	}
	add := &versions{key: bytes.Clone(key), versions: []version{v}}
	switch {
	case len(s.blocks) == 0:
		s.blocks = append(s.blocks, nil)
	case p.block == len(s.blocks):
		p = place{p.block - 1, len(s.blocks[p.block-1])}
	}
	b := slices.Insert(s.blocks[p.block], p.i, add)
	s.blocks[p.block] = b
	if len(b) > blockSize {
		half := slices.Clone(b[len(b)/2:])
		s.blocks[p.block] = b[: len(b)/2 : len(b)/2]
		s.blocks = slices.Insert(s.blocks, p.block+1, half)
	}
}

// remove takes out the key at a place.
func (s *sorted) remove(p place) {
	b := slices.Delete(s.blocks[p.block], p.i, p.i+1)
	s.blocks[p.block] = b
	if len(b) == 0 {
		s.blocks = slices.Delete(s.blocks, p.block, p.block+1)
	}
}

package database

import (
	"encoding/binary"
	"sync"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// cache keeps the newest revisions of documents decoded.
//
// Invariant: a document in it is the newest revision, of all commits that
// have been put through commit, of its id. So whoever reads at a snapshot at
// or above the revision's timestamp may have it. put keeps to that by
// refusing what was read at a snapshot before the last commit that went
// through the shard: it may be stale, and evicted entries leave no trace.
type cache struct{ shards [64]cacheShard }

// cacheShard is the part of some ids, with a lock of its own.
type cacheShard struct {
	mu           sync.Mutex
	docs         map[persistence.DocID]*cached
	bytes, limit int
	last         persistence.Timestamp // of the newest commit of any id of the shard
	hits, misses int64
	_            [64]byte // keeps the locks of neighbours apart
}

// cached is one document, and whether it was asked for since the eviction
// last came by.
type cached struct {
	doc  *Document
	cost int
	used bool
}

// newCache makes a cache of about limit bytes for a store whose newest commit
// is last.
func newCache(limit int, last persistence.Timestamp) *cache {
	c := &cache{}
	for i := range c.shards {
		s := &c.shards[i]
		s.docs, s.limit, s.last = map[persistence.DocID]*cached{}, limit/len(c.shards), last
	}
	return c
}

// shard is the one that an id belongs to. Ids are random.
func (c *cache) shard(id persistence.DocID) *cacheShard {
	return &c.shards[binary.LittleEndian.Uint64(id.Internal[:])%uint64(len(c.shards))]
}

// get finds the revision of a document that a snapshot sees; nil if it is not
// known here.
func (c *cache) get(id persistence.DocID, at persistence.Timestamp) *Document {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.docs[id]; e != nil && e.doc.TS <= at {
		e.used = true
		s.hits++
		return e.doc
	}
	s.misses++
	return nil
}

// put keeps a document that was read from the store at a snapshot.
func (c *cache) put(d *Document, at persistence.Timestamp) {
	s := c.shard(d.docID())
	s.mu.Lock()
	defer s.mu.Unlock()
	if at >= s.last {
		s.set(d)
	}
}

// commit takes in the changes of a commit that is about to become visible.
func (c *cache) commit(changes []*change, ts persistence.Timestamp) {
	for _, ch := range changes {
		s := c.shard(ch.doc)
		s.mu.Lock()
		s.last = ts
		if ch.new == nil {
			s.drop(ch.doc)
		} else {
			ch.new.TS = ts // nobody but its transaction knew the document until now
			s.set(ch.new)
		}
		s.mu.Unlock()
	}
}

// set keeps a document and makes room for it. The lock is held.
func (s *cacheShard) set(d *Document) {
	id, cost := d.docID(), d.cost()
	s.drop(id)
	if cost > s.limit/4 {
		return // one large document is not worth many small ones
	}
	s.docs[id] = &cached{doc: d, cost: cost}
	s.bytes += cost
	for s.bytes > s.limit {
		for victim, e := range s.docs { // begins anywhere
			if e.used {
				e.used = false
				continue
			}
			s.drop(victim)
			break
		}
	}
}

// drop forgets a document. The lock is held.
func (s *cacheShard) drop(id persistence.DocID) {
	if e := s.docs[id]; e != nil {
		s.bytes -= e.cost
		delete(s.docs, id)
	}
}

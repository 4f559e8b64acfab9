package database

import (
	"bytes"
	"math/rand/v2"
	"sync"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// touch is an index key that a commit wrote: the old or the new key of a
// document, also when both are the same. In an index that is searched there
// are no keys: there it is the change itself.
type touch struct {
	index persistence.IndexID
	table uint32
	key   []byte
	seen  *seen
}

// keyLog remembers for each index key the newest write, such that the newest
// write within an interval of keys is found in logarithmic time. It is not
// safe for concurrent use; its owners lock.
type keyLog struct {
	indexes  map[persistence.IndexID]*keyTree
	searched map[persistence.IndexID]*seenLog
	count    int
}

// keyTree is the part of one index: a treap by key.
type keyTree struct {
	root  *keyNode
	table uint32
}

// keyNode is one key; newest is the latest timestamp in its subtree.
type keyNode struct {
	key         []byte
	ts, newest  persistence.Timestamp
	priority    uint32
	left, right *keyNode
}

// add notes a write.
func (l *keyLog) add(t touch, ts persistence.Timestamp) {
	if t.seen != nil {
		l.addSeen(t, ts)
		return
	}
	if l.indexes == nil {
		l.indexes = map[persistence.IndexID]*keyTree{}
	}
	tree := l.indexes[t.index]
	if tree == nil {
		tree = &keyTree{table: t.table}
		l.indexes[t.index] = tree
	}
	tree.root = l.insert(tree.root, t.key, ts)
}

// insert puts key into the subtree at n and returns its new root.
func (l *keyLog) insert(n *keyNode, key []byte, ts persistence.Timestamp) *keyNode {
	if n == nil {
		l.count++
		return &keyNode{key: key, ts: ts, newest: ts, priority: rand.Uint32()}
	}
	switch c := bytes.Compare(key, n.key); {
	case c == 0:
		n.ts = ts
	case c < 0:
		n.left = l.insert(n.left, key, ts)
		if n.left.priority > n.priority {
			up := n.left
			n.left, up.right = up.right, n
			n.update()
			n = up
		}
	default:
		n.right = l.insert(n.right, key, ts)
		if n.right.priority > n.priority {
			up := n.right
			n.right, up.left = up.left, n
			n.update()
			n = up
		}
	}
	n.update()
	return n
}

// update recomputes newest from the node and its children.
func (n *keyNode) update() {
	n.newest = n.ts
	if n.left != nil {
		n.newest = max(n.newest, n.left.newest)
	}
	if n.right != nil {
		n.newest = max(n.newest, n.right.newest)
	}
}

// remove forgets a write, unless a later one of the same key took its place.
func (l *keyLog) remove(ix persistence.IndexID, key []byte, ts persistence.Timestamp) {
	tree := l.indexes[ix]
	if tree == nil {
		l.removeSeen(ix, ts)
		return
	}
	tree.root = l.cut(tree.root, key, ts)
	if tree.root == nil {
		delete(l.indexes, ix)
	}
}

// cut removes key, if it has the timestamp, from the subtree at n.
func (l *keyLog) cut(n *keyNode, key []byte, ts persistence.Timestamp) *keyNode {
	if n == nil {
		return nil
	}
	switch c := bytes.Compare(key, n.key); {
	case c < 0:
		n.left = l.cut(n.left, key, ts)
	case c > 0:
		n.right = l.cut(n.right, key, ts)
	case n.ts == ts:
		l.count--
		return join(n.left, n.right)
	}
	n.update()
	return n
}

// join makes one treap of two, all keys of a lying below those of b.
func join(a, b *keyNode) *keyNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		a.right = join(a.right, b)
		a.update()
		return a
	}
	b.left = join(a, b.left)
	b.update()
	return b
}

// within is the timestamp of the latest write within [lo, hi); nil is open.
func (n *keyNode) within(lo, hi []byte) persistence.Timestamp {
	for n != nil {
		switch {
		case lo == nil && hi == nil:
			return n.newest
		case lo != nil && bytes.Compare(n.key, lo) < 0:
			n = n.right
		case hi != nil && bytes.Compare(n.key, hi) >= 0:
			n = n.left
		default:
			return max(n.ts, n.left.within(lo, nil), n.right.within(nil, hi))
		}
	}
	return 0
}

// met finds a write after a timestamp that a read set looked at.
func (l *keyLog) met(r *ReadSet, after persistence.Timestamp) (table uint32, ts persistence.Timestamp) {
	if r == nil {
		return 0, 0
	}
	for _, x := range r.reads {
		tree := l.indexes[x.index]
		if tree == nil || tree.root.newest <= after {
			continue
		}
		for _, s := range x.spans {
			if ts := tree.root.within(s.Lower, s.Upper); ts > after {
				return tree.table, ts
			}
		}
	}
	return l.metSeen(r, after)
}

// overlaps adds to keys the lower bounds of a read set's intervals that were
// written after a timestamp.
func (l *keyLog) overlaps(r *ReadSet, after persistence.Timestamp, keys [][]byte) [][]byte {
	if r == nil {
		return keys
	}
	for _, x := range r.reads {
		tree := l.indexes[x.index]
		if tree == nil || tree.root.newest <= after {
			continue
		}
		for _, s := range x.spans {
			if len(keys) == maxConflictKeys {
				return keys
			}
			if s.Lower != nil && tree.root.within(s.Lower, s.Upper) > after {
				keys = append(keys, s.Lower)
			}
		}
	}
	return keys
}

// writeLog remembers the writes of visible commits, as many as it may hold.
//
// Invariant: every write of a visible commit above floor is in it. Only
// publish adds, under the lock; anybody may ask.
type writeLog struct {
	mu    sync.RWMutex
	keys  keyLog
	floor persistence.Timestamp // writes at or below it may have been forgotten
	limit int
	fifo  []write // in the order of timestamps; those before head are gone
	head  int
	bytes int // of the keys in fifo
}

// maxLogBytes bounds the write log where keys are long.
const maxLogBytes = 64 << 20

// write is one touch with its time.
type write struct {
	index persistence.IndexID
	key   []byte
	ts    persistence.Timestamp
	cost  int // of the documents it keeps alive
}

// init sets the log up as of the newest commit of an opened store.
func (w *writeLog) init(floor persistence.Timestamp, limit int) { w.floor, w.limit = floor, limit }

// add takes in the writes of a commit that becomes visible. The lock is held.
func (w *writeLog) add(touched []touch, ts persistence.Timestamp) {
	for _, t := range touched {
		w.keys.add(t, ts)
		w.fifo = append(w.fifo, write{t.index, t.key, ts, t.seen.cost()})
		w.bytes += len(t.key) + t.seen.cost()
	}
	for len(w.fifo)-w.head > w.limit || w.bytes > maxLogBytes {
		w.forget()
	}
	if w.head > w.limit {
		w.compact()
	}
}

// forget drops the oldest write. The lock is held.
func (w *writeLog) forget() {
	old := w.fifo[w.head]
	w.keys.remove(old.index, old.key, old.ts)
	w.floor = max(w.floor, old.ts)
	w.fifo[w.head] = write{}
	w.bytes -= len(old.key) + old.cost
	w.head++
}

// compact gives back the room of forgotten writes. The lock is held.
func (w *writeLog) compact() {
	w.fifo = append(w.fifo[:0:0], w.fifo[w.head:]...)
	w.head = 0
}

// trim forgets most of what is older than a time, so that memory which heavy
// load took comes back when it is over.
func (w *writeLog) trim(before persistence.Timestamp) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.fifo)-w.head > w.limit/10 && w.fifo[w.head].ts < before {
		w.forget()
	}
	w.compact()
}

// met finds a visible write after a timestamp that a read set looked at; known
// is false if the log does not reach back so far.
func (w *writeLog) met(r *ReadSet, after persistence.Timestamp) (table uint32, ts persistence.Timestamp, known bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if after < w.floor {
		return 0, 0, false
	}
	table, ts = w.keys.met(r, after)
	return table, ts, true
}

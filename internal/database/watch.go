package database

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"sync"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// Subscription tells when what was read has changed.
type Subscription struct {
	w    *watch
	node *watched
	once sync.Once
}

// Done is closed when a write has met the read set, and that write is visible.
func (s *Subscription) Done() <-chan struct{} { return s.node.done }

// Current tells that no write that is visible has met the read set. It knows a
// moment before Done does: a write becomes visible, then Current turns false in
// the same critical section, and after that the channel is closed. So what a
// caller read from Latest before asking is covered by the answer.
func (s *Subscription) Current() bool {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return !s.node.gone
}

// Close ends the subscription. Done may or may not be closed after that.
func (s *Subscription) Close() { s.once.Do(func() { s.w.release(s.node) }) }

// watched is a read set that somebody waits for. All subscriptions to one
// *ReadSet share it, and so its one channel.
type watched struct {
	id    uint64 // order of creation
	reads *ReadSet
	since persistence.Timestamp // no write in (since, now] has met it
	refs  int
	gone  bool // met, or released by all
	done  chan struct{}
}

// watch finds the read sets that a write meets.
//
// Invariants, both under mu: a node is in nodes and all its intervals in the
// trees exactly while it is not gone; a write that is visible has been matched
// against every node, or was in the write log when the node was made. publish
// makes a commit visible and matches its writes in one critical section, so a
// subscriber comes either wholly before it or wholly after.
type watch struct {
	mu    sync.Mutex
	nodes map[*ReadSet]*watched
	trees map[persistence.IndexID]*spanNode
	last  uint64 // id given out last
}

// init makes an empty watch.
func (w *watch) init() {
	w.nodes, w.trees = map[*ReadSet]*watched{}, map[persistence.IndexID]*spanNode{}
}

// Subscribe waits for a write after validAt that meets what was read. If there
// has been one already, or the write log does not reach back to validAt, the
// subscription is done from the start.
func (db *DB) Subscribe(reads *ReadSet, validAt persistence.Timestamp) *Subscription {
	w := &db.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if reads == nil {
		reads = &ReadSet{}
	}
	n := w.nodes[reads]
	if n == nil || validAt < n.since {
		if _, ts, known := db.writes.met(reads, validAt); !known || ts != 0 {
			done := make(chan struct{})
			close(done)
			return &Subscription{w: w, node: &watched{gone: true, done: done}}
		}
	}
	if n == nil {
		w.last++
		n = &watched{id: w.last, reads: reads, since: validAt, done: make(chan struct{})}
		w.nodes[reads] = n
		for _, x := range reads.reads {
			for _, s := range x.spans {
				w.trees[x.index] = w.trees[x.index].insert(&spanNode{span: s, owner: n, priority: rand.Uint32()})
			}
		}
		w.addMatches(n)
	}
	n.refs++
	return &Subscription{w: w, node: n}
}

// Unchanged tells that no write in (from, to] met what was read. It is false
// when that is not known, and may be when a write came only after to.
func (db *DB) Unchanged(reads *ReadSet, from, to persistence.Timestamp) bool {
	if from >= to {
		return true
	}
	if to > db.Latest() {
		return false
	}
	_, ts, known := db.writes.met(reads, from)
	return known && ts == 0
}

// release takes back one subscription.
func (w *watch) release(n *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.refs--; n.refs <= 0 && !n.gone {
		w.remove(n)
	}
}

// remove takes a node out. The lock is held.
func (w *watch) remove(n *watched) {
	n.gone = true
	delete(w.nodes, n.reads)
	for _, x := range n.reads.reads {
		root := w.trees[x.index]
		for _, s := range x.spans {
			root = root.remove(s.Lower, n)
		}
		if root == nil {
			delete(w.trees, x.index)
		} else {
			w.trees[x.index] = root
		}
	}
	w.removeMatches(n)
}

// match takes out, and returns, the nodes that the writes meet. The lock is
// held; the caller closes their channels once the writes are visible.
func (w *watch) match(touched []touch, met []*watched) []*watched {
	for i, t := range touched {
		if t.seen != nil {
			met = w.matchSeen(t, met)
			continue
		}
		root := w.trees[t.index]
		if root == nil || i > 0 && t.index == touched[i-1].index && bytes.Equal(t.key, touched[i-1].key) {
			continue
		}
		n := len(met)
		met = root.stab(t.key, met)
		for _, m := range met[n:] {
			if !m.gone {
				w.remove(m)
			}
		}
	}
	return met
}

// spanNode is an interval in a treap ordered by lower bound, then owner. Every
// node knows the highest upper bound in its subtree, so that the intervals
// around a key are found without looking at others: the cost is logarithmic
// in their number, and linear only in how many are met. The owner is part of
// the order because very many read sets share an interval, such as that of the
// row which says what code is live, and leave again one by one.
type spanNode struct {
	span        persistence.Span
	owner       *watched
	highest     []byte // nil if one is open
	priority    uint32
	left, right *spanNode
}

// insert puts a new node into the subtree at n and returns its new root.
func (n *spanNode) insert(add *spanNode) *spanNode {
	if n == nil {
		add.update()
		return add
	}
	if n.compare(add.span.Lower, add.owner) > 0 {
		n.left = n.left.insert(add)
		if n.left.priority > n.priority {
			up := n.left
			n.left, up.right = up.right, n
			n.update()
			n = up
		}
	} else {
		n.right = n.right.insert(add)
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

// compare orders the node against the interval of an owner that begins at lower.
func (n *spanNode) compare(lower []byte, owner *watched) int {
	if c := bytes.Compare(n.span.Lower, lower); c != 0 {
		return c
	}
	return cmp.Compare(n.owner.id, owner.id)
}

// remove takes an owner's interval out of the subtree at n.
func (n *spanNode) remove(lower []byte, owner *watched) *spanNode {
	if n == nil {
		return nil
	}
	switch c := n.compare(lower, owner); {
	case c == 0:
		return joinSpans(n.left, n.right)
	case c > 0:
		n.left = n.left.remove(lower, owner)
	default:
		n.right = n.right.remove(lower, owner)
	}
	n.update()
	return n
}

// joinSpans makes one treap of two, all of a lying below all of b.
func joinSpans(a, b *spanNode) *spanNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		a.right = joinSpans(a.right, b)
		a.update()
		return a
	}
	b.left = joinSpans(a, b.left)
	b.update()
	return b
}

// update recomputes highest from the node and its children.
func (n *spanNode) update() {
	n.highest = n.span.Upper
	for _, c := range [...]*spanNode{n.left, n.right} {
		if c != nil && n.highest != nil && (c.highest == nil || bytes.Compare(c.highest, n.highest) > 0) {
			n.highest = c.highest
		}
	}
}

// stab collects the owners of the intervals that contain key.
func (n *spanNode) stab(key []byte, met []*watched) []*watched {
	for n != nil && (n.highest == nil || bytes.Compare(key, n.highest) < 0) {
		met = n.left.stab(key, met)
		if bytes.Compare(n.span.Lower, key) > 0 {
			break
		}
		if n.span.Upper == nil || bytes.Compare(key, n.span.Upper) < 0 {
			met = append(met, n.owner)
		}
		n = n.right
	}
	return met
}

package search

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// Sizes of segments. A merge of text makes a segment of any size; vectors are
// bulky and gain nothing by being together, so they stay in small ones.
const (
	growLimit        = 8192     // entries after which a growing segment is frozen
	growBytes        = 32 << 20 // or bytes of vectors
	mergeWidth       = 4        // segments of about a size that are merged
	maxVectorSegment = 16384    // entries
)

// index is one index that is searched.
//
// Invariant: segments hold exactly the revisions of the commits in [since,
// through] that some snapshot in there sees; queue holds, in order, the commits
// after through that the database told of.
type index struct {
	info  database.Index
	limit int // entries after which a growing segment is frozen

	queued sync.Mutex
	queue  []commit

	mu       sync.RWMutex
	segments []*segment // oldest first; the last one may grow
	through  persistence.Timestamp
	since    persistence.Timestamp
	lastID   uint64

	merging sync.Mutex            // held by who merges and saves
	saved   persistence.Timestamp // what the files are as of
	savedAt time.Time

	ready  chan struct{} // closed when it can be searched
	failed error         // set before ready is closed
}

// commit is what a commit did to the documents of an index.
type commit struct {
	ts      persistence.Timestamp
	changes []database.Change
}

// newIndex makes an index that is not ready, and queues commits from now on.
func newIndex(info database.Index, limit int) *index {
	return &index{info: info, limit: limit, ready: make(chan struct{})}
}

// told takes in a commit. It does not block.
func (x *index) told(ts persistence.Timestamp, changes []database.Change) {
	x.queued.Lock()
	x.queue = append(x.queue, commit{ts, changes})
	x.queued.Unlock()
}

// analyse looks at a document as the index does; nil if it is not indexed.
func (x *index) analyse(d *database.Document) *analysis {
	if d == nil {
		return nil
	}
	if x.info.Kind == database.Vector {
		return analyseVector(x.info.Fields, x.info.Dimensions, d)
	}
	return analyse(x.info.Fields, d)
}

// isReady tells whether the index can be searched.
func (x *index) isReady() bool {
	select {
	case <-x.ready:
		return x.failed == nil
	default:
		return false
	}
}

// takeSome is how many commits are taken in between two looks at whether a
// search wants the lock.
const takeSome = 64

// catchUp takes in what was told of. An index that is being loaded takes it in
// when it is ready.
func (x *index) catchUp() {
	if !x.isReady() {
		return
	}
	for {
		x.queued.Lock()
		idle := len(x.queue) == 0
		x.queued.Unlock()
		if idle {
			return
		}
		x.mu.Lock()
		x.queued.Lock()
		n := min(len(x.queue), takeSome)
		some := x.queue[:n:n]
		if x.queue = x.queue[n:]; len(x.queue) == 0 {
			x.queue = nil
		}
		x.queued.Unlock()
		for _, c := range some {
			x.take(c)
		}
		x.mu.Unlock()
	}
}

// take takes in one commit. mu is held.
func (x *index) take(c commit) {
	if c.ts <= x.through {
		return // the index was built from a later snapshot
	}
	for _, ch := range c.changes {
		x.takeChange(c.ts, ch)
	}
	x.through = c.ts
}

// takeChange takes in what a commit did to one document. mu is held, or nobody
// else has the index.
func (x *index) takeChange(ts persistence.Timestamp, ch database.Change) {
	if ch.Old != nil {
		for i := len(x.segments) - 1; i >= 0; i-- {
			if x.segments[i].kill(ch.ID.Internal, ts) {
				break
			}
		}
	}
	if a := x.analyse(ch.New); a != nil {
		x.add(ch.New, ts, a)
	}
}

// add takes in a revision. mu is held, or nobody else has the index.
func (x *index) add(d *database.Document, born persistence.Timestamp, a *analysis) {
	n := len(x.segments)
	if n == 0 || !x.segments[n-1].grows() || x.segments[n-1].full(x.limit) {
		if n > 0 {
			x.segments[n-1].freeze()
		}
		x.lastID++
		s := newSegment(x.lastID)
		if x.info.Kind == database.Vector {
			s.vectors = newVectors(x.info.Dimensions)
		}
		x.segments = append(slices.Clip(x.segments), s)
		n++
	}
	x.segments[n-1].add(d.ID.Internal, d.CreationTime, born, a)
}

// grows tells whether the segment takes in more.
func (s *segment) grows() bool { _, ok := s.lists.(growing); return ok }

// full tells whether the segment had better be frozen.
func (s *segment) full(limit int) bool {
	return len(s.ids) >= limit || s.vectors != nil && s.vectors.bytes() >= growBytes
}

// retire gives back what the index has mapped. Whoever has it still finds that
// it covers no snapshot.
func (x *index) retire() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.since = persistence.Max
	for _, s := range x.segments {
		s.close()
	}
	x.segments = nil
}

// build fills the index with the documents of a snapshot.
func (x *index) build(ctx context.Context, db *database.DB, at persistence.Timestamp) error {
	fresh := newIndex(x.info, x.limit)
	fresh.lastID = x.lastID
	// Analysing costs most, and is done beside the indexing.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	analysed, failed := make(chan []analysedDocument, 4), make(chan error, 1)
	go func() {
		defer close(analysed)
		failed <- x.analyseAll(ctx, db, at, analysed)
	}()
	for some := range analysed {
		for _, d := range some {
			fresh.add(d.doc, d.doc.TS, d.analysis)
		}
		if len(fresh.segments) > mergeWidth {
			for fresh.merge(at) {
			}
		}
	}
	if err := <-failed; err != nil {
		return err
	}
	x.mu.Lock()
	x.segments, x.lastID, x.through, x.since = fresh.segments, fresh.lastID, at, at
	x.mu.Unlock()
	return nil
}

// analysedDocument is a document on its way into an index that is being built.
type analysedDocument struct {
	doc *database.Document
	*analysis
}

// analyseSome is how many documents are handed over at a time.
const analyseSome = 64

// analyseAll reads the documents of a snapshot and analyses them, on as many
// processors as there are. They come out in any order.
func (x *index) analyseAll(ctx context.Context, db *database.DB, at persistence.Timestamp, out chan<- []analysedDocument) error {
	g, ctx := errgroup.WithContext(ctx)
	read := make(chan []*database.Document, 1)
	g.Go(func() error {
		defer close(read)
		var some []*database.Document
		err := db.EachDocument(ctx, x.info, at, func(d *database.Document) error {
			if some = append(some, d); len(some) < analyseSome {
				return nil
			}
			full := some
			some = nil
			return send(ctx, read, full)
		})
		if err != nil {
			return err
		}
		return send(ctx, read, some)
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for some := range read {
				var done []analysedDocument
				for _, d := range some {
					if a := x.analyse(d); a != nil {
						head := &database.Document{ID: d.ID, CreationTime: d.CreationTime, TS: d.TS} // the body can go
						done = append(done, analysedDocument{head, a})
					}
				}
				if err := send(ctx, out, done); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// send puts something into a channel, unless the context ends before.
func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// merge merges what ought to be merged, and forgets what died at or before a
// time. It reports whether there was anything.
func (x *index) merge(before persistence.Timestamp) bool {
	x.merging.Lock()
	defer x.merging.Unlock()
	x.mu.RLock()
	from, to := x.mergeable(before)
	sources := x.segments[from:to:to]
	died := make([][]persistence.Timestamp, len(sources))
	for i, s := range sources {
		died[i] = slices.Clone(s.died)
	}
	x.mu.RUnlock()
	if len(sources) == 0 {
		return false
	}
	merged, moved := merge(sources, died, before)
	if x.info.Kind == database.Vector {
		merged.vectors = mergeVectors(sources, moved, len(merged.ids))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lastID++
	merged.id = x.lastID
	for i, s := range sources { // what died meanwhile
		for n, d := range s.died {
			if to := moved[i].of(uint32(n)); to != gone && merged.died[to] != d {
				merged.died[to] = d
				merged.bury(to)
			}
		}
	}
	list := slices.Clone(x.segments[:from])
	if len(merged.ids) > 0 {
		list = append(list, merged)
	}
	x.segments = append(list, x.segments[to:]...)
	for _, s := range sources {
		s.close() // whoever searched it held the lock
	}
	x.since = max(x.since, min(before, x.through))
	return true
}

// mergeable finds neighbouring segments that had better be one: several of
// about a size, or one a third of which is dead. mu is held.
func (x *index) mergeable(before persistence.Timestamp) (from, to int) {
	end := len(x.segments)
	for end > 0 && x.segments[end-1].grows() {
		end--
	}
	for i, s := range x.segments[:end] {
		if s.dead*3 > len(s.ids) && s.lastDeath <= before {
			return i, i + 1
		}
	}
	for from := range end {
		sum, to := 0, from
		for to < end && to < from+2*mergeWidth && len(x.segments[to].ids) <= 2*len(x.segments[from].ids) {
			if sum += len(x.segments[to].ids); x.info.Kind == database.Vector && sum > maxVectorSegment {
				break
			}
			to++
		}
		if to-from >= mergeWidth {
			return from, to
		}
	}
	return 0, 0
}

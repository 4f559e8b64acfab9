package database

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// committer puts commits in order.
//
// A commit goes through three steps. It is *accepted* by its own goroutine
// under mu: checked against every write after its snapshot, given the next
// timestamp, and queued. One goroutine at a time, flush, *persists* all that is
// queued with one durable Append; commits that arrive meanwhile are accepted
// and form the next batch. Then it *publishes* the batch: the snapshot moves,
// subscriptions that the writes meet are closed, and the commits are answered.
//
// Invariants, under mu:
//
//   - last is the highest timestamp ever given out, or ruled out by Settle.
//   - Every accepted write that is not yet in the write log is in pending. A
//     write leaves pending only after it entered the write log; so whoever
//     looks at both, holding mu, misses none.
//   - catalog is the one after all accepted commits. Index entries of a commit
//     are derived from it, so that an index gets an entry for every commit
//     that is accepted after the one that declared it.
//   - Batches are appended and published in the order of timestamps, by one
//     goroutine at a time: flushing says that it exists.
//   - After failed is set nothing is accepted, appended or published.
type committer struct {
	mu       sync.Mutex
	settled  sync.Cond // a batch was published or failed, or the flush ended
	last     persistence.Timestamp
	accepted persistence.Timestamp // of the newest commit; last may have been moved beyond it
	catalog  *catalog
	pending  keyLog
	ready    []*prepared
	flushing bool
	closed   bool
	failed   error
	stats    CommitStats
	slots    chan struct{} // bounds the commits in progress; when full, Commit waits
}

// CommitStats counts what a committer did since it was opened.
type CommitStats struct {
	Commits, Batches, Conflicts int64
}

// Bounds of what is in progress. A batch that is over the bytes goes alone.
const (
	maxInProgress = 4096
	maxBatchBytes = 16 << 20
)

// prepared is a transaction on its way through the committer.
type prepared struct {
	tx       *Tx
	reads    *ReadSet
	searcher Searcher
	changes  []*change
	tables   []*tableMeta // of changes, as its entries were derived from
	commit   persistence.Commit
	touched  []touch
	bytes    int
	catalog  *catalog // after this commit, if it changes the catalog
	done     chan error
}

// init sets the committer up after the newest commit of an opened store.
func (c *committer) init(last persistence.Timestamp, cat *catalog) {
	c.last, c.accepted, c.catalog = last, last, cat
	c.settled.L = &c.mu
	c.slots = make(chan struct{}, maxInProgress)
}

// Commit makes the writes of a transaction durable and visible, and returns
// their timestamp. A conflict is told only when the write that caused it is
// visible, so that running again at once makes sense. Without writes nothing
// is checked: a snapshot is consistent in itself. ctx counts only until the
// commit has begun.
func (db *DB) Commit(ctx context.Context, tx *Tx) (persistence.Timestamp, error) {
	if tx.spent {
		return 0, errors.New("database: commit: the transaction was committed before")
	}
	if tx.ReadOnly() {
		return tx.snap, nil
	}
	tx.spent = true
	p, err := prepare(tx)
	if err != nil {
		return 0, err
	}
	if len(p.changes) == 0 {
		return tx.snap, nil // everything written was taken back
	}
	c := &db.commits
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, fmt.Errorf("database: commit: %w", context.Cause(ctx))
	}
	defer func() { <-c.slots }()
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("database: commit: %w", context.Cause(ctx))
	}
	if err := db.accept(p); err != nil {
		return 0, err
	}
	if err := <-p.done; err != nil {
		return 0, err
	}
	return p.commit.TS, nil
}

// prepare turns a transaction's changes into revisions and entries, by the
// catalog that the transaction knows. It needs no lock.
func prepare(tx *Tx) (*prepared, error) {
	p := &prepared{tx: tx, reads: tx.Reads(), searcher: tx.db.searcher, done: make(chan error, 1)}
	for _, ch := range tx.order {
		if ch.old == nil && ch.new == nil {
			continue
		}
		p.changes = append(p.changes, ch)
	}
	p.commit.Revisions = make([]persistence.Revision, len(p.changes))
	for i, ch := range p.changes {
		r := persistence.Revision{Doc: ch.doc}
		if ch.old != nil {
			r.Prev = ch.old.TS
		}
		if ch.new != nil {
			r.Body = ch.new.stored
			p.bytes += len(r.Body)
		}
		p.commit.Revisions[i] = r
	}
	return p, p.derive(tx.cat)
}

// derive makes index entries and touched keys by a catalog.
func (p *prepared) derive(cat *catalog) error {
	p.tables = make([]*tableMeta, len(p.changes))
	p.commit.Entries = make([]persistence.IndexWrite, 0, 3*len(p.changes))
	p.touched = make([]touch, 0, 4*len(p.changes))
	for i, ch := range p.changes {
		t := cat.byPlace[place(ch.doc.Table)]
		if t == nil {
			return fmt.Errorf("database: commit: no table has the number %d", ch.doc.Table)
		}
		p.tables[i] = t
		known := len(p.touched)
		// A copy: a part of the change would keep its documents for as long as the
		// write log knows the key.
		p.touched = append(p.touched, touch{index: persistence.Primary(ch.doc.Table), table: ch.doc.Table, key: bytes.Clone(ch.doc.Internal[:])})
		p.entry(byCreation(t.place), nil, ch)
		for _, ix := range t.indexes {
			switch {
			case ix.kind == Ordered:
				p.entry(ix.id, ix.fields, ch)
			case ix.kind == Text && p.searcher != nil:
				p.touched = append(p.touched, touch{index: ix.id, table: ch.doc.Table, seen: newSeen(p.searcher, ix, ch)})
			}
		}
		if t.state != active {
			p.touched = p.touched[:known] // nobody can have read it
		}
	}
	return nil
}

// entry adds what a change does to one index. Where the key stays the same
// the entry in the store does too, but readers of the key are touched.
func (p *prepared) entry(ix persistence.IndexID, fields []string, ch *change) {
	var before, after []byte
	if ch.old != nil {
		before = appendIndexKey(nil, fields, ch.old)
	}
	if ch.new != nil {
		after = appendIndexKey(nil, fields, ch.new)
	}
	same := before != nil && after != nil && bytes.Equal(before, after)
	if before != nil {
		p.touched = append(p.touched, touch{index: ix, table: ch.doc.Table, key: before})
		if !same {
			p.commit.Entries = append(p.commit.Entries, persistence.IndexWrite{Index: ix, Key: before, Doc: ch.doc, Deleted: true})
		}
	}
	if after != nil && !same {
		p.touched = append(p.touched, touch{index: ix, table: ch.doc.Table, key: after})
		p.commit.Entries = append(p.commit.Entries, persistence.IndexWrite{Index: ix, Key: after, Doc: ch.doc})
	}
}

// resolve puts the timestamp of the commit where documents are waiting for it, and
// tells whether there were any. Their size and number stay as they were counted.
func (p *prepared) resolve(ts persistence.Timestamp) (any bool) {
	for i, ch := range p.changes {
		if ch.new != nil && ch.new.unresolved {
			ch.new, any = ch.new.resolved(ts), true
			p.commit.Revisions[i].Body = ch.new.stored
		}
	}
	return any
}

// accept checks a commit against those before it, gives it its timestamp and
// queues it.
func (db *DB) accept(p *prepared) error {
	c := &db.commits
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return c.failed
	}
	if c.closed {
		return ErrClosed
	}
	table, at, known := db.writes.met(p.reads, p.tx.snap)
	if t, pending := c.pending.met(p.reads, p.tx.snap); pending > at {
		table, at = t, pending
	}
	if !known || at != 0 {
		c.stats.Conflicts++
		db.writes.mu.RLock()
		keys := db.writes.keys.overlaps(p.reads, p.tx.snap, nil)
		db.writes.mu.RUnlock()
		return db.conflict(table, at, c.pending.overlaps(p.reads, p.tx.snap, keys))
	}
	cat, err := c.catalog.apply(p.changes)
	if err != nil {
		return err
	}
	if cat != c.catalog {
		p.catalog = cat
	}
	ts := max(persistence.Timestamp(time.Now().UnixNano()), c.last+1)
	stale := p.resolve(ts)
	for i, ch := range p.changes {
		stale = stale || cat.byPlace[place(ch.doc.Table)] != p.tables[i]
	}
	if stale {
		if err := p.derive(cat); err != nil {
			return err
		}
	}
	c.catalog = cat
	c.last, c.accepted = ts, ts
	p.commit.TS = ts
	for i := range p.commit.Revisions {
		p.commit.Revisions[i].TS = c.last
	}
	for _, t := range p.touched {
		c.pending.add(t, c.last)
	}
	checkAccepted(db, p)
	c.ready = append(c.ready, p)
	if !c.flushing {
		c.flushing = true
		go db.flush()
	}
	return nil
}

// conflict waits until the write that was in the way is visible. mu is held.
func (db *DB) conflict(table uint32, at persistence.Timestamp, keys [][]byte) error {
	c := &db.commits
	for db.Latest() < at && c.failed == nil {
		c.settled.Wait()
	}
	if c.failed != nil {
		return c.failed
	}
	err := &Conflict{At: at, Keys: keys}
	if t := c.catalog.byPlace[place(table)]; t != nil {
		err.Table = t.Name
	}
	return err
}

// flush persists and publishes batches until none is left.
func (db *DB) flush() {
	c := &db.commits
	for {
		batch := c.take()
		if batch == nil {
			return
		}
		commits := make([]persistence.Commit, len(batch))
		for i, p := range batch {
			commits[i] = p.commit
		}
		// Whoever asked for a commit may have gone away; it is made all the same.
		if err := db.store.Append(context.Background(), commits); err != nil {
			db.fail(batch, fmt.Errorf("database: commit: %w", err))
			return
		}
		db.publish(batch)
	}
}

// take is the next batch, and nil if the flush ends.
func (c *committer) take() []*prepared {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size := 0, 0
	for n < len(c.ready) && (n == 0 || size+c.ready[n].bytes <= maxBatchBytes) {
		size += c.ready[n].bytes
		n++
	}
	if n == 0 {
		c.flushing, c.ready = false, nil
		c.settled.Broadcast()
		return nil
	}
	batch := c.ready[:n:n]
	c.ready = c.ready[n:]
	c.stats.Commits += int64(n)
	c.stats.Batches++
	return batch
}

// publish makes a durable batch visible. The order matters: documents enter the
// cache before anybody can ask for the new snapshot; the snapshot moves before
// a subscription is closed or a commit answered.
func (db *DB) publish(batch []*prepared) {
	if batch[0].commit.Backfill { // goes alone, and changes nothing that anybody sees
		batch[0].done <- nil
		return
	}
	checkPublished(db, batch)
	last := batch[len(batch)-1].commit.TS
	cat := db.visible.Load().cat
	for _, p := range batch {
		db.cache.commit(p.changes, p.commit.TS)
		db.tellSearcher(p)
		if p.catalog != nil {
			cat = p.catalog
			db.history.add(p.commit.TS, cat)
		}
	}
	var met []*watched
	db.watch.mu.Lock()
	db.writes.mu.Lock()
	for _, p := range batch {
		db.writes.add(p.touched, p.commit.TS)
	}
	db.visible.Store(&snapshot{last, cat})
	db.writes.mu.Unlock()
	for _, p := range batch {
		met = db.watch.match(p.touched, met)
	}
	db.watch.mu.Unlock()
	for _, n := range met {
		close(n.done)
	}
	c := &db.commits
	c.mu.Lock()
	for _, p := range batch {
		for _, t := range p.touched {
			c.pending.remove(t.index, t.key, p.commit.TS)
		}
	}
	c.settled.Broadcast()
	c.mu.Unlock()
	building := false
	for _, p := range batch {
		building = building || p.catalog != nil
		p.done <- nil
	}
	if building {
		for _, c := range [...]chan struct{}{db.kick, db.retiring} {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}

// fail ends everything: after a failed append nobody knows what is in the
// store until it is opened again.
func (db *DB) fail(batch []*prepared, err error) {
	c := &db.commits
	c.mu.Lock()
	c.failed = err
	batch = append(batch, c.ready...)
	c.ready, c.flushing = nil, false
	close(db.broken)
	c.settled.Broadcast()
	c.mu.Unlock()
	for _, p := range batch {
		p.done <- err
	}
}

// failure is what the store failed with, if it did.
func (c *committer) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// close refuses further commits and waits for those in progress.
func (c *committer) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.flushing {
		c.settled.Wait()
	}
}

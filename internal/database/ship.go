package database

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// What a copy of a database elsewhere is made from: everything as of a snapshot, and
// the commits since. Bodies stay bytes; whoever copies need not know what they say.

// Settle returns when every commit at or below a timestamp is visible, after having
// made sure that no later one gets such a timestamp. With the same timestamp it
// settles several databases at one moment.
func (db *DB) Settle(ts persistence.Timestamp) error {
	c := &db.commits
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, ts)
	for accepted := c.accepted; db.Latest() < accepted && c.failed == nil; {
		c.settled.Wait()
	}
	return c.failed
}

// Horizon is the oldest snapshot that can be read; 0 if nothing was forgotten yet.
func (db *DB) Horizon() persistence.Timestamp { return persistence.Timestamp(db.horizon.Load()) }

// Commits yields the revisions of all tables in the commits in (after, through], which
// must be settled, in order. Its error is ErrTooOld if some are forgotten; Hold at after
// keeps them.
func (db *DB) Commits(ctx context.Context, after, through persistence.Timestamp) iter.Seq2[persistence.Revision, error] {
	return db.whole(after, db.store.Log(ctx, after, through, Asc))
}

// Contents yields the newest revision of every document as of a snapshot: those that
// describe the tables first, then table by table, in the order of ids.
func (db *DB) Contents(ctx context.Context, at persistence.Timestamp) iter.Seq2[persistence.Revision, error] {
	return db.whole(at, func(yield func(persistence.Revision, error) bool) {
		cat, err := db.loadCatalog(ctx, at)
		if err != nil {
			yield(persistence.Revision{}, err)
			return
		}
		for _, t := range cat.places() {
			for e, err := range db.store.Scan(ctx, persistence.Primary(uint32(t)), at, persistence.Span{}, Asc) {
				if !yield(persistence.Revision{TS: e.TS, Doc: e.Doc, Body: e.Body}, err) || err != nil {
					return
				}
			}
		}
	})
}

// places are those of all tables, in order: the two that describe the others have the
// lowest numbers.
func (c *catalog) places() []place {
	var list []place
	for p := range c.byPlace {
		list = append(list, p)
	}
	slices.Sort(list)
	return list
}

// whole passes a read on and says at its end if something may have been missing.
func (db *DB) whole(at persistence.Timestamp, read iter.Seq2[persistence.Revision, error]) iter.Seq2[persistence.Revision, error] {
	return func(yield func(persistence.Revision, error) bool) {
		for r, err := range read {
			if err != nil {
				err = fmt.Errorf("database: copy: %w", err)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
		if err := db.retained(at); err != nil {
			yield(persistence.Revision{}, err)
		}
	}
}

// Has tells whether the log has a commit at exactly that timestamp; known is false
// where it has forgotten what it would have to know.
func (db *DB) Has(ctx context.Context, ts persistence.Timestamp) (has, known bool, err error) {
	for _, err := range db.store.Log(ctx, ts-1, ts, Asc) {
		if err != nil {
			return false, false, fmt.Errorf("database: look for a commit: %w", err)
		}
		return true, true, nil
	}
	return false, ts > db.Horizon(), nil
}

// Refill fills an empty store with a copy: first what was there at a snapshot, by Add,
// then the commits after it, by Commit; Finish makes a database of it. Nobody else may
// have the store open, and after an error or a crash it is of no use.
type Refill struct {
	Store persistence.Store

	adding  persistence.Commit
	commits []persistence.Commit
	size    int
	newest  persistence.Revision // of those added
	last    persistence.Timestamp
}

// restoredCell names the cell with the time at which a store was restored; 8 bytes as
// the horizon's. Its history begins there: whoever has seen what was lost, and does not
// want to go back in time, has seen nothing later.
const restoredCell = "database.restored"

// refillBatch is how many revisions are appended at a time.
const refillBatch = 5000

// Add takes a revision of the snapshot, in any order.
func (r *Refill) Add(ctx context.Context, rev persistence.Revision) error {
	if rev.TS > r.newest.TS {
		r.newest = rev
	}
	r.adding.Backfill = true
	r.adding.Revisions = append(r.adding.Revisions, rev)
	return r.grown(ctx, len(rev.Body))
}

// Commit takes a commit after the snapshot; their timestamps increase.
func (r *Refill) Commit(ctx context.Context, ts persistence.Timestamp, revs []persistence.Revision) error {
	if r.last == 0 {
		r.last = r.newest.TS
	}
	if ts <= r.last {
		return fmt.Errorf("database: restore: a commit at %d after %d", ts, r.last)
	}
	r.last = ts
	r.commits = append(r.commits, persistence.Commit{TS: ts, Revisions: revs})
	size := 0
	for _, rev := range revs {
		size += 64 + len(rev.Body)
	}
	return r.grown(ctx, size)
}

// grown appends what has come together when it is enough.
func (r *Refill) grown(ctx context.Context, size int) error {
	if r.size += size; r.size < maxBatchBytes && len(r.adding.Revisions)+len(r.commits) < refillBatch {
		return nil
	}
	return r.Flush(ctx)
}

// Flush appends what has come together; the store may be closed and opened again then.
func (r *Refill) Flush(ctx context.Context) error {
	batch := r.commits
	if len(r.adding.Revisions) > 0 {
		batch = append([]persistence.Commit{r.adding}, batch...)
	}
	r.adding, r.commits, r.size = persistence.Commit{}, nil, 0
	if len(batch) == 0 {
		return nil
	}
	if err := r.Store.Append(ctx, batch); err != nil {
		return fmt.Errorf("database: restore: %w", err)
	}
	return nil
}

// Finish builds all indexes and forgets every earlier snapshot, so that the store is as
// if it had always been there. It tells how many documents the tables of each name have,
// of all namespaces together.
func (r *Refill) Finish(ctx context.Context) (documents map[string]int, err error) {
	if r.last == 0 && r.newest.TS != 0 {
		// The log must know of the newest commit: later ones come after it.
		r.commits = append(r.commits, persistence.Commit{TS: r.newest.TS, Revisions: []persistence.Revision{r.newest}})
	}
	if err := r.Flush(ctx); err != nil {
		return nil, err
	}
	db, err := Open(ctx, Options{Store: r.Store})
	if err != nil {
		return nil, err
	}
	at, cat := db.Latest(), db.visible.Load().cat
	if at != max(r.last, r.newest.TS) {
		return nil, fmt.Errorf("database: restore: the newest commit is %d, not %d", at, max(r.last, r.newest.TS))
	}
	if at == 0 {
		return map[string]int{}, nil // nothing was ever there
	}
	documents = map[string]int{}
	for _, p := range cat.places() {
		t := cat.byPlace[p]
		n, err := db.backfill(ctx, at, p, byCreation(p), nil)
		if err != nil {
			return nil, fmt.Errorf("database: restore: index table %s: %w", cmp.Or(t.Name, "?"), err)
		}
		if t.state == active && t.Name != "" {
			documents[t.Name] += n
		}
		for _, ix := range t.indexes {
			if ix.kind != Ordered || !ix.built {
				continue // kept by a Searcher, or built when the database runs
			}
			if _, err := db.backfill(ctx, at, p, ix.id, ix.fields); err != nil {
				return nil, fmt.Errorf("database: restore: index %s of table %s: %w", ix.name, t.Name, err)
			}
		}
	}
	db.commits.close()
	now := max(at, persistence.Timestamp(time.Now().UnixNano()))
	if err := r.Store.SetCell(ctx, restoredCell, encodeHorizon(now)); err != nil {
		return nil, fmt.Errorf("database: restore: %w", err)
	}
	if err := r.Store.SetCell(ctx, horizonCell, encodeHorizon(at)); err != nil {
		return nil, fmt.Errorf("database: restore: %w", err)
	}
	for n := pruneChunk; n >= pruneChunk; {
		if n, err = r.Store.Prune(ctx, at, pruneChunk); err != nil {
			return nil, fmt.Errorf("database: restore: %w", err)
		}
	}
	return documents, nil
}

package database

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// build builds indexes as they are declared, until ctx ends.
func (db *DB) build(ctx context.Context) error {
	for {
		if err := db.buildIndexes(ctx, true); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-db.broken:
			return db.commits.failure()
		case <-db.kick:
		}
	}
}

// buildIndexes builds every index that is not built as of now; those of a
// Searcher, which take longest, only if they are asked for, and last.
func (db *DB) buildIndexes(ctx context.Context, searched bool) error {
	db.building.Lock()
	defer db.building.Unlock()
	for {
		s := db.visible.Load()
		var next *indexMeta
		for _, t := range s.cat.byPlace {
			for _, ix := range t.indexes {
				switch {
				case ix.built, ix.kind != Ordered && !searched:
				case next == nil, ix.kind == Ordered && next.kind != Ordered, (ix.kind == Ordered) == (next.kind == Ordered) && ix.id < next.id:
					next = ix
				}
			}
		}
		if next == nil {
			return nil
		}
		if err := db.buildIndex(ctx, s.ts, next); err != nil {
			return fmt.Errorf("database: build index %s: %w", next.name, err)
		}
	}
}

// buildChunk is how many entries of a backfill are appended at a time, and
// how many bytes of documents are read for them at most.
const buildChunk = 2000

// buildIndex fills an index that is declared as of the snapshot, and says so
// in its row.
//
// Every commit after the one that declared the index writes its entries, also
// the removal of an entry that is not there yet. So it is enough to write those
// of the documents in the snapshot, each at its revision's own, earlier,
// timestamp: where the document has changed since, the later removal covers it.
// Nobody reads the index before it is enabled, so history changes for nobody.
func (db *DB) buildIndex(ctx context.Context, at persistence.Timestamp, ix *indexMeta) error {
	began, n := time.Now(), 0
	if ix.kind != Ordered && db.searcher != nil {
		t := db.visible.Load().cat.byPlace[ix.table]
		if t == nil {
			return nil
		}
		if err := db.searcher.Build(ctx, ix.public(t), at); err != nil {
			return err
		}
	}
	if ix.kind == Ordered {
		var err error
		if n, err = db.backfill(ctx, at, ix.table, ix.id, ix.fields); err != nil {
			return err
		}
	}
	_, err := db.Update(ctx, func(tx *Tx) error {
		doc, err := tx.load(ctx, ix.row)
		if err != nil || doc == nil {
			return err
		}
		now, err := decodeIndex(doc)
		if err != nil || now.built || now.state == dropped {
			return err
		}
		now.built = true
		if now.state == Building {
			now.state = now.goal
		}
		return tx.Replace(ctx, ix.row, now.object())
	})
	if err == nil {
		db.log.Debug("index built", "table_number", ix.table.number(), "index", ix.name, "documents", n, "took", time.Since(began))
	}
	return err
}

// backfill writes the entries of an index for the documents of a snapshot, and tells
// how many there are.
func (db *DB) backfill(ctx context.Context, at persistence.Timestamp, of place, ix persistence.IndexID, fields []string) (n int, err error) {
	var span persistence.Span
	for more := true; more; {
		more = false
		c := persistence.Commit{Backfill: true}
		size := 0
		for e, err := range db.store.Scan(ctx, persistence.Primary(uint32(of)), at, span, Asc) {
			if err != nil {
				return n, err
			}
			d, err := decodeDocument(e.Doc, e.TS, e.Body)
			if err != nil {
				return n, err
			}
			c.Entries = append(c.Entries, persistence.IndexWrite{
				Index: ix, Key: appendIndexKey(nil, fields, d), Doc: e.Doc, TS: e.TS,
			})
			if size += len(e.Body); len(c.Entries) == buildChunk || size > maxBatchBytes {
				span.Lower, more = following(e.Key), true
				break
			}
		}
		if n += len(c.Entries); len(c.Entries) > 0 {
			if err := db.append(ctx, c); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// append writes to the store outside the order of commits, in between two
// batches of the committer: only one may append at a time.
func (db *DB) append(ctx context.Context, c persistence.Commit) error {
	p := &prepared{commit: c, done: make(chan error, 1)}
	p.bytes = maxBatchBytes + 1 // goes alone
	m := &db.commits
	m.mu.Lock()
	switch {
	case m.failed != nil:
		defer m.mu.Unlock()
		return m.failed
	case m.closed:
		defer m.mu.Unlock()
		return ErrClosed
	}
	m.ready = append(m.ready, p)
	if !m.flushing {
		m.flushing = true
		go db.flush()
	}
	m.mu.Unlock()
	return <-p.done
}

// horizonCell names the cell with the retention horizon: snapshots below it may
// have been pruned. 8 bytes, big-endian.
const horizonCell = "database.horizon"

// encodeHorizon is what that cell holds.
func encodeHorizon(ts persistence.Timestamp) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(ts))
}

// decodeHorizon reads that cell; one never set is zero.
func decodeHorizon(cell []byte) (persistence.Timestamp, error) {
	switch len(cell) {
	case 0:
		return 0, nil
	case 8:
		return persistence.Timestamp(binary.BigEndian.Uint64(cell)), nil
	}
	return 0, errors.New("database: the cell of the retention horizon is damaged")
}

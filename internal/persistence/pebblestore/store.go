package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// Append is part of persistence.Store.
func (s *Store) Append(ctx context.Context, batch []persistence.Commit) error {
	if err := s.usable(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	var key, val []byte
	for i := range batch {
		c := &batch[i]
		for j := range c.Revisions {
			r := &c.Revisions[j]
			ts := c.TS
			if c.Backfill {
				ts = r.TS
			}
			key = appendSuffix(appendDoc(key[:0], r.Doc), ts)
			must(b.Set(key, r.Body, nil))
		}
		for j := range c.Entries {
			e := &c.Entries[j]
			ts := c.TS
			if c.Backfill {
				ts = e.TS
			}
			key = appendSuffix(appendIndex(key[:0], e.Index, e.Key), ts)
			val = appendEntry(val[:0], e)
			must(b.Set(key, val, nil))
		}
		for _, ix := range c.Drop {
			must(b.DeleteRange(appendIndex(nil, ix, nil), afterIndex(ix), nil))
		}
		if !c.Backfill {
			val = appendRecord(val[:0], c)
			must(b.Set(logKey(c.TS), val, nil))
		}
	}
	return s.apply(b, pebble.Sync)
}

// must checks what fails only if a batch in memory is misused.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// apply writes a batch. Any error makes the store fail: what became of the
// batch is known only when the directory is opened again. The batch is then
// left to the garbage collector, as Pebble may still be at it.
func (s *Store) apply(b *pebble.Batch, o *pebble.WriteOptions) error {
	if err := s.guard(func() error { return s.db.Apply(b, o) }); err != nil {
		s.fail(err)
		return s.err
	}
	must(b.Close())
	return nil
}

// Log is part of persistence.Store.
func (s *Store) Log(ctx context.Context, after, through persistence.Timestamp, o persistence.Order) iter.Seq2[persistence.Revision, error] {
	return func(yield func(persistence.Revision, error) bool) {
		if err := s.usable(); err != nil {
			yield(persistence.Revision{}, err)
			return
		}
		upper := logKey(through)
		if through < persistence.Max {
			upper = logKey(through + 1)
		}
		it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: logKey(after + 1), UpperBound: upper})
		if err != nil {
			yield(persistence.Revision{}, s.readError(err))
			return
		}
		defer it.Close()
		step, valid := it.Next, false
		if o == persistence.Asc {
			valid = it.First()
		} else {
			step, valid = it.Prev, it.Last()
		}
		for ; valid; valid = step() {
			if !s.logRecord(it, o, yield) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(persistence.Revision{}, s.readError(err))
		}
	}
}

// logRecord yields the revisions of the commit that it stands at.
func (s *Store) logRecord(it *pebble.Iterator, o persistence.Order, yield func(persistence.Revision, error) bool) bool {
	ts := logTime(it.Key())
	rec, err := decodeRecord(ts, it.Value())
	if err != nil {
		return yield(persistence.Revision{}, fmt.Errorf("data directory %s: log at %d: %w", s.dir, ts, err))
	}
	for i := range rec.revisions {
		if o == persistence.Desc {
			i = len(rec.revisions) - 1 - i
		}
		r := rec.revisions[i]
		if !rec.gone[i] {
			v, closer, err := s.db.Get(appendSuffix(appendDoc(nil, r.Doc), ts))
			if errors.Is(err, pebble.ErrNotFound) {
				continue // replaced, and pruned since
			}
			if err != nil {
				return yield(r, s.readError(err))
			}
			r.Body = bytes.Clone(v)
			_ = closer.Close() // tells of errors only that Get would have
		}
		if !yield(r, nil) {
			return false
		}
	}
	return true
}

// Prior is part of persistence.Store.
func (s *Store) Prior(ctx context.Context, ids []persistence.DocID, at persistence.Timestamp) ([]persistence.Revision, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	it, err := s.db.NewIterWithContext(ctx, nil)
	if err != nil {
		return nil, s.readError(err)
	}
	defer it.Close()
	out := make([]persistence.Revision, len(ids))
	var key []byte
	for i, id := range ids {
		out[i].Doc = id
		key = appendSuffix(appendDoc(key[:0], id), at)
		// Only this prefix is looked at, and files that lack it are passed over
		// by their bloom filters.
		if !it.SeekPrefixGE(key) {
			if err := it.Error(); err != nil {
				return nil, s.readError(err)
			}
			continue
		}
		k := it.Key()
		out[i].TS = version(k[split(k):])
		v, err := it.ValueAndErr()
		if err != nil {
			return nil, s.readError(err)
		}
		if len(v) > 0 {
			out[i].Body = bytes.Clone(v)
		}
	}
	return out, nil
}

// Cell is part of persistence.Store.
func (s *Store) Cell(ctx context.Context, name string) ([]byte, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	v, closer, err := s.db.Get(cellKey(name))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, s.readError(err)
	}
	defer closer.Close()
	return append([]byte{}, v...), nil
}

// SetCell is part of persistence.Store.
func (s *Store) SetCell(ctx context.Context, name string, v []byte) error {
	if err := s.usable(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	must(b.Set(cellKey(name), v, nil))
	return s.apply(b, pebble.Sync)
}

// readError says where a read went wrong.
func (s *Store) readError(err error) error {
	return fmt.Errorf("data directory %s: read: %w", s.dir, classify(err))
}

// DiskBytes is the space that the store takes on the disk now, garbage included.
func (s *Store) DiskBytes() int64 {
	if s.usable() != nil {
		return 0
	}
	return int64(s.db.Metrics().DiskSpaceUsage())
}

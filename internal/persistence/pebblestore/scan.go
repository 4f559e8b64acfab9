package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// nearby is how many versions of one key a scan steps over before it seeks. A
// row that is written all the time has very many.
const nearby = 3

// Scan is part of persistence.Store.
func (s *Store) Scan(ctx context.Context, ix persistence.IndexID, at persistence.Timestamp, span persistence.Span, o persistence.Order) iter.Seq2[persistence.Entry, error] {
	return func(yield func(persistence.Entry, error) bool) {
		if err := s.usable(); err != nil {
			yield(persistence.Entry{}, err)
			return
		}
		lower, upper := bounds(ix, span)
		it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			yield(persistence.Entry{}, s.readError(err))
			return
		}
		defer it.Close()
		w := walk{it: it, ix: ix, at: at, yield: yield, ctx: ctx}
		if o == persistence.Asc {
			w.forward()
		} else {
			w.backward()
		}
		if w.err == nil {
			w.err = it.Error()
		}
		if w.err != nil && !w.stopped {
			yield(persistence.Entry{}, s.readError(w.err))
		}
	}
}

// walk is a scan in progress.
type walk struct {
	it      *pebble.Iterator
	ix      persistence.IndexID
	at      persistence.Timestamp
	yield   func(persistence.Entry, error) bool
	ctx     context.Context
	steps   int
	stopped bool // by whoever ranges over the scan
	err     error
	seek    []byte
}

// more tells whether to go on.
func (w *walk) more() bool {
	if w.steps++; w.steps%256 == 0 && w.ctx.Err() != nil {
		w.err = context.Cause(w.ctx)
	}
	return !w.stopped && w.err == nil
}

// forward goes up the keys; of each it meets the newest version first.
func (w *walk) forward() {
	newer := 0
	for valid := w.it.First(); valid && w.more(); {
		k := w.it.Key()
		n := split(k)
		ts := version(k[n:])
		if ts <= w.at {
			w.hand(k[:n], ts)
			newer = 0
			if w.stopped {
				return
			}
			valid = w.it.NextPrefix()
			continue
		}
		if newer++; newer <= nearby {
			valid = w.it.Next()
			continue
		}
		newer = 0
		w.seek = appendSuffix(append(w.seek[:0], k[:n]...), w.at)
		valid = w.it.SeekGE(w.seek)
	}
}

// backward goes down the keys; of each it meets the oldest version first, so it
// has to look until it finds one that is too new, or another key.
func (w *walk) backward() {
	var prefix, body []byte
	for valid := w.it.Last(); valid && w.more(); {
		k := w.it.Key()
		prefix = append(prefix[:0], k[:split(k)]...)
		found, steps := persistence.Timestamp(0), 0
		for valid {
			k = w.it.Key()
			n := split(k)
			if !bytes.Equal(k[:n], prefix) {
				break
			}
			ts := version(k[n:])
			if ts > w.at {
				// Only newer ones are left in front of it.
				valid = w.it.SeekLT(prefix)
				break
			}
			if steps++; steps > nearby {
				w.seek = appendSuffix(append(w.seek[:0], prefix...), w.at)
				if !w.it.SeekGE(w.seek) {
					return // there is one, so this is an error, which the iterator keeps
				}
				k = w.it.Key()
				ts = version(k[split(k):])
			}
			v, err := w.it.ValueAndErr()
			if err != nil {
				w.err = err
				return
			}
			found, body = ts, append(body[:0], v...)
			if steps > nearby {
				valid = w.it.SeekLT(prefix)
				break
			}
			valid = w.it.Prev()
		}
		if found != 0 {
			w.entry(prefix, found, body)
		}
	}
}

// hand yields the version that the iterator is at.
func (w *walk) hand(prefix []byte, ts persistence.Timestamp) {
	v, err := w.it.ValueAndErr()
	if err != nil {
		w.err = err
		return
	}
	w.entry(prefix, ts, v)
}

// entry yields one version, unless it is a deletion.
func (w *walk) entry(prefix []byte, ts persistence.Timestamp, v []byte) {
	e := persistence.Entry{TS: ts}
	if table, primary := w.ix.Table(); primary {
		if len(v) == 0 {
			return
		}
		e.Key, e.Body = bytes.Clone(indexKey(w.ix, prefix)), bytes.Clone(v)
		e.Doc.Table = table
		if copy(e.Doc.Internal[:], e.Key) != len(e.Key) || len(e.Key) != 16 {
			w.err = fmt.Errorf("document key %x: %w", prefix, errRecord)
			return
		}
	} else {
		key := indexKey(w.ix, prefix)
		doc, deleted, err := decodeEntry(key, v)
		if err != nil {
			w.err = fmt.Errorf("index entry %x: %w", prefix, err)
			return
		}
		if deleted {
			return
		}
		e.Key, e.Doc = bytes.Clone(key), doc
	}
	if !w.yield(e, nil) {
		w.stopped = true
	}
}

// Prune is part of persistence.Store. It goes by the log: a commit that wrote a
// newer revision, or took an index entry away, is what makes an older one
// invisible. Deletions need no fsync: what comes back after a crash is found by
// the log record that comes back with it.
func (s *Store) Prune(ctx context.Context, before persistence.Timestamp, limit int) (int, error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	// Not from the beginning: it would pass over all that was deleted before.
	from := persistence.Timestamp(s.pruned.Load())
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: logKey(from), UpperBound: logKey(persistence.Max)})
	if err != nil {
		return 0, s.readError(err)
	}
	defer it.Close()
	if it.Last() {
		before = min(before, logTime(it.Key())-1) // the newest commit stays
	}
	b := s.db.NewBatch()
	n, through := 0, from
	for valid := it.First(); valid && n < limit && logTime(it.Key()) <= before; valid = it.Next() {
		ts := logTime(it.Key())
		rec, err := decodeRecord(ts, it.Value())
		if err != nil {
			return 0, fmt.Errorf("data directory %s: log at %d: %w", s.dir, ts, err)
		}
		for i, r := range rec.revisions {
			prefix := appendDoc(nil, r.Doc)
			if r.Prev != 0 {
				n += drop(b, prefix, r.Prev)
			}
			if rec.gone[i] {
				n += drop(b, prefix, ts)
			}
		}
		for _, e := range rec.removed {
			k, err := s.dropEntry(b, appendIndex(nil, e.Index, e.Key), ts)
			if err != nil {
				return 0, s.readError(err)
			}
			n += k
		}
		through = ts + 1
		n++
	}
	if err := it.Error(); err != nil {
		return 0, s.readError(err)
	}
	if n == 0 {
		return 0, s.giveBack()
	}
	must(b.DeleteRange(logKey(from), logKey(through), nil))
	if err := s.apply(b, pebble.NoSync); err != nil {
		return 0, err
	}
	s.pruned.Store(int64(through))
	s.garbage.Add(int64(n))
	if n < limit {
		return n, s.giveBack()
	}
	return n, nil
}

// worthFlushing is how many deletions are worth a file of their own.
const worthFlushing = 10_000

// giveBack makes Pebble look at what was pruned. Deletions are small: they would
// stay in memory for long, and what they delete on the disk until then, where
// Pebble weighs by the deletions in its files what to compact.
func (s *Store) giveBack() error {
	s.reclaim()
	if s.garbage.Load() < worthFlushing {
		return nil
	}
	s.garbage.Store(0)
	err := s.guard(func() error { _, err := s.db.AsyncFlush(); return err })
	if err != nil {
		return s.readError(err)
	}
	return nil
}

// drop deletes one version.
func drop(b *pebble.Batch, prefix []byte, ts persistence.Timestamp) int {
	must(b.Delete(appendSuffix(prefix, ts), nil))
	return 1
}

// dropEntry deletes the versions of an entry up to the one that removed it.
func (s *Store) dropEntry(b *pebble.Batch, prefix []byte, ts persistence.Timestamp) (int, error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	n := 0
	for valid := it.SeekPrefixGE(appendSuffix(bytes.Clone(prefix), ts)); valid; valid = it.Next() {
		must(b.Delete(it.Key(), nil))
		n++
	}
	return n, it.Error()
}

// logTime is the timestamp in a key of the log.
func logTime(k []byte) persistence.Timestamp {
	if len(k) != 10 {
		return 0
	}
	return persistence.Timestamp(binary.BigEndian.Uint64(k[1:]))
}

package database

import (
	"bytes"
	"context"
	"fmt"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Cursor walks an index lazily. It holds nothing open between calls: rows are
// fetched a chunk at a time, small at first, since many scans want one row.
type Cursor struct {
	tx    *Tx
	err   error // found when the scan began, told by the first Next
	ix    persistence.IndexID
	order Order
	table *tableMeta
	index *indexMeta // nil for the two that every table has

	bounds persistence.Span // the whole scan
	rest   persistence.Span // what has not been returned
	left   persistence.Span // of rest, what has not been fetched from the store
	read   *read            // from where the scan began to the last row returned
	rows   []row            // fetched, not yet returned
	chunk  int              // rows to fetch next time
	drained,
	done bool // nothing left in the store; nothing left at all
	last []byte
}

// row is an entry fetched from the store; doc is nil until it is looked up.
type row struct {
	key []byte
	id  persistence.DocID
	doc *Document
}

// Sizes of chunks, in rows. The lookup of documents goes in smaller ones, as
// bodies may be large.
const (
	firstChunk = 3 // a unique() asks for two rows, and then perhaps the end
	maxChunk   = 512
	lookups    = 64
)

// Scan walks the rows of an index within an interval. The read set grows only
// as far as rows are returned. The transaction's own writes are seen, also
// those made while the cursor is open, if they lie ahead of it.
func (tx *Tx) Scan(table, index string, in Interval, order Order) *Cursor {
	t := tx.named(table)
	if t == nil {
		return &Cursor{tx: tx, done: true, err: tx.countInterval()}
	}
	span := persistence.Span(in)
	switch index {
	case ByCreationTime:
		return tx.scan(t, index, byCreation(t.place), nil, span, order)
	case ByID:
		span.Lower, span.Upper = idBound(t.Number, in.Lower), idBound(t.Number, in.Upper)
		if in.Lower != nil && span.Lower == nil {
			return &Cursor{tx: tx, done: true, err: tx.countInterval()}
		}
		return tx.scan(t, index, persistence.Primary(uint32(t.place)), nil, span, order)
	}
	if !t.place.describes() {
		tx.recordMeta(indexesByName, indexNameKey(t.place, index))
	}
	ix := t.index(index)
	switch {
	case ix == nil || ix.state == Staged || ix.kind != Ordered:
		return &Cursor{tx: tx, err: &IndexError{Table: table, Index: index}}
	case ix.state != Enabled:
		return &Cursor{tx: tx, err: &IndexError{Table: table, Index: index, Backfilling: true}}
	}
	return tx.scan(t, index, ix.id, ix, span, order)
}

// scan begins a walk over an index that can be queried.
func (tx *Tx) scan(t *tableMeta, _ string, id persistence.IndexID, ix *indexMeta, span persistence.Span, order Order) *Cursor {
	c := &Cursor{tx: tx, ix: id, index: ix, table: t, order: order, bounds: span, rest: span, left: span, chunk: firstChunk}
	c.err = tx.countInterval()
	c.done = span.Lower != nil && span.Upper != nil && bytes.Compare(span.Lower, span.Upper) >= 0
	return c
}

// Next returns the next document, and nil at the end.
func (c *Cursor) Next(ctx context.Context) (*Document, error) {
	if c.err != nil {
		return nil, c.err
	}
	for !c.done {
		if len(c.rows) == 0 && !c.drained {
			if err := c.fetch(ctx); err != nil {
				c.err = err
				return nil, err
			}
		}
		own, ok := c.overlay().next(c.rest, c.order)
		if len(c.rows) == 0 && !ok {
			c.done = true
			c.widen(nil)
			break
		}
		var d *Document
		var key []byte
		switch {
		case ok && (len(c.rows) == 0 || c.before(own.key, c.rows[0].key)):
			key, d = own.key, own.doc
		default:
			if c.rows[0].doc == nil && !(ok && bytes.Equal(own.key, c.rows[0].key)) {
				if err := c.look(ctx); err != nil {
					c.err = err
					return nil, err
				}
			}
			key, d = c.rows[0].key, c.rows[0].doc
			c.rows = c.rows[1:]
			if ok && bytes.Equal(own.key, key) {
				d = own.doc
			}
		}
		if c.order == Asc {
			c.rest.Lower = following(key)
		} else {
			c.rest.Upper = key
		}
		if d == nil {
			continue // the transaction itself took it away
		}
		c.last = key
		c.widen(key)
		checkReturned(c.tx, c.ix, key)
		if err := c.tx.countRead(d); err != nil {
			c.err = err
			return nil, err
		}
		return d, nil
	}
	return nil, nil
}

// following is the least key above key.
func following(key []byte) []byte {
	b := make([]byte, len(key)+1)
	copy(b, key)
	return b
}

// before tells whether a comes before b in the scan's order.
func (c *Cursor) before(a, b []byte) bool {
	if c.order == Asc {
		return bytes.Compare(a, b) < 0
	}
	return bytes.Compare(a, b) > 0
}

// overlay is the transaction's own part of the index.
func (c *Cursor) overlay() *overlay {
	var fields []string
	if c.index != nil {
		fields = c.index.fields
	}
	return c.tx.overlay(c.ix, uint32(c.table.place), fields)
}

// widen makes the read interval reach to the row at key, or, with nil, over the
// whole of the scan. Skipped rows on the way are within.
func (c *Cursor) widen(key []byte) {
	if c.read == nil {
		c.read = c.tx.record(c.ix, c.bounds)
	}
	s := c.bounds
	if key != nil {
		if c.order == Asc {
			s.Upper = c.rest.Lower
		} else {
			s.Lower = key
		}
	}
	c.read.span = s
	c.tx.readSet = nil
}

// fetch gets the next chunk of entries from the store.
func (c *Cursor) fetch(ctx context.Context) error {
	n := c.chunk
	c.chunk = min(c.chunk*6, maxChunk)
	rows := make([]row, 0, n)
	for e, err := range c.tx.db.store.Scan(ctx, c.ix, c.tx.snap, c.left, c.order) {
		if err != nil {
			return fmt.Errorf("database: scan %s: %w", c.table.Name, err)
		}
		r := row{key: e.Key, id: e.Doc}
		if e.Body != nil {
			if r.doc, err = decodeDocument(e.Doc, e.TS, e.Body); err != nil {
				return err
			}
		}
		if rows = append(rows, r); len(rows) == n {
			break
		}
	}
	if err := c.tx.db.retained(c.tx.snap); err != nil {
		return err
	}
	c.rows = rows
	if len(rows) < n {
		c.drained = true
	} else if last := rows[n-1].key; c.order == Asc {
		c.left.Lower = following(last)
	} else {
		c.left.Upper = last
	}
	return nil
}

// look finds the documents of the rows to be returned next.
func (c *Cursor) look(ctx context.Context) error {
	db, rows := c.tx.db, c.rows[:min(len(c.rows), lookups)]
	var ids []persistence.DocID
	var at []int
	for i := range rows {
		if rows[i].doc != nil {
			continue
		}
		if rows[i].doc = db.cache.get(rows[i].id, c.tx.snap); rows[i].doc == nil {
			ids, at = append(ids, rows[i].id), append(at, i)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	docs, err := db.fetch(ctx, ids, c.tx.snap)
	if err != nil {
		return err
	}
	for i, d := range docs {
		if d == nil {
			return fmt.Errorf("database: scan %s: index entry of document %s, which does not exist", c.table.Name, ids[i])
		}
		rows[at[i]].doc = d
	}
	return nil
}

// Key is the index key of the row last returned: the position from which a
// later scan, of the same index, goes on. It is nil before the first row.
func (c *Cursor) Key() []byte {
	if c.last == nil {
		return nil
	}
	if t, primary := c.ix.Table(); primary {
		id := value.ID{Table: place(t).number(), Internal: value.InternalID(c.last)}
		return value.AppendKey(nil, value.String(id.String()))
	}
	return bytes.Clone(c.last)
}

// Close ends the walk. It may be left out.
func (c *Cursor) Close() { c.done, c.rows = true, nil }

// idBound turns a bound over keys of by_id, which are made of the ids' text, to
// one over internal ids, which is what the store keeps. Texts of one table's
// ids sort as their bytes do, so it is the first id whose key is not below the
// bound, found by bisection. It is nil if there is none.
func idBound(t value.TableNumber, bound []byte) []byte {
	if bound == nil {
		return nil
	}
	var text, key [64]byte
	below := func(id value.InternalID) bool {
		s := value.ID{Table: t, Internal: id}.Append(text[:0])
		return bytes.Compare(value.AppendKey(key[:0], value.String(s)), bound) < 0
	}
	var id value.InternalID // becomes the last one below the bound
	if !below(id) {
		return id[:]
	}
	for bit := range 8 * len(id) {
		mask := byte(0x80) >> (bit % 8)
		id[bit/8] |= mask
		if !below(id) {
			id[bit/8] &^= mask
		}
	}
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			return id[:]
		}
	}
	return nil
}

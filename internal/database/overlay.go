package database

import (
	"bytes"
	"slices"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// overlay is what a transaction's own writes make of one index: keys that
// differ from the snapshot, sorted. It is made when the index is first scanned
// and kept up with every write after that.
type overlay struct {
	table  uint32
	fields []string
	rows   []overlayRow
}

// overlayRow is one key and the document that the transaction put there; nil
// if there is none any more.
type overlayRow struct {
	key []byte
	doc *Document
}

// overlay finds or makes the overlay of an index; nil while nothing of the
// table was written.
func (tx *Tx) overlay(ix persistence.IndexID, table uint32, fields []string) *overlay {
	if o := tx.overlays[ix]; o != nil || len(tx.order) == 0 {
		return o
	}
	o := &overlay{table: table, fields: fields}
	for _, ch := range tx.order {
		if ch.doc.Table != table {
			continue
		}
		if ch.old != nil {
			o.rows = append(o.rows, overlayRow{key: o.key(ix, ch.old)})
		}
		if ch.new != nil {
			o.rows = append(o.rows, overlayRow{key: o.key(ix, ch.new), doc: ch.new})
		}
	}
	// Of an old and a new state under the same key the new one, which was
	// appended later, is the one that counts.
	slices.SortStableFunc(o.rows, func(a, b overlayRow) int { return bytes.Compare(a.key, b.key) })
	rows := o.rows[:0]
	for _, r := range o.rows {
		if n := len(rows); n > 0 && bytes.Equal(rows[n-1].key, r.key) {
			rows[n-1] = r
			continue
		}
		rows = append(rows, r)
	}
	o.rows = rows
	if tx.overlays == nil {
		tx.overlays = map[persistence.IndexID]*overlay{}
	}
	tx.overlays[ix] = o
	return o
}

// key is a document's key in the overlay's index.
func (o *overlay) key(ix persistence.IndexID, d *Document) []byte {
	return keyIn(ix, o.fields, d)
}

// keyIn is a document's key in an index, as the store has it.
func keyIn(ix persistence.IndexID, fields []string, d *Document) []byte {
	if _, primary := ix.Table(); primary {
		return d.ID.Internal[:]
	}
	return appendIndexKey(nil, fields, d)
}

// change takes in that a document went from one state to another.
func (o *overlay) change(ix persistence.IndexID, from, to *Document) {
	if from != nil && from.docID().Table == o.table {
		o.set(o.key(ix, from), nil)
	}
	if to != nil && to.docID().Table == o.table {
		o.set(o.key(ix, to), to)
	}
}

// set makes doc the row at key.
func (o *overlay) set(key []byte, doc *Document) {
	i, found := o.search(key)
	if found {
		o.rows[i].doc = doc
		return
	}
	o.rows = slices.Insert(o.rows, i, overlayRow{key, doc})
}

// search finds the first row at or after key.
func (o *overlay) search(key []byte) (int, bool) {
	return slices.BinarySearchFunc(o.rows, key, func(r overlayRow, k []byte) int { return bytes.Compare(r.key, k) })
}

// next finds the first row of a span in the order asked for; ok is false if
// there is none.
func (o *overlay) next(s persistence.Span, order Order) (overlayRow, bool) {
	if o == nil {
		return overlayRow{}, false
	}
	var i int
	if order == Asc {
		if s.Lower != nil {
			i, _ = o.search(s.Lower)
		}
	} else {
		i = len(o.rows) - 1
		if s.Upper != nil {
			n, _ := o.search(s.Upper)
			i = n - 1
		}
	}
	if i < 0 || i >= len(o.rows) || !s.Contains(o.rows[i].key) {
		return overlayRow{}, false
	}
	return o.rows[i], true
}

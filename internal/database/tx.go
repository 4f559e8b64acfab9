package database

import (
	"cmp"
	"context"
	"crypto/rand"
	"math"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Tx is a transaction: a snapshot, what was read of it, and the writes to be
// made. It is used by one goroutine at a time, needs no closing, and is spent
// once it was given to Commit.
//
// Names and numbers of tables, and ids, are those of one namespace: the app's,
// unless the transaction came from In. All that In gives are one transaction.
type Tx struct {
	*txState
	space value.Space
}

// txState is what the views of a transaction share.
type txState struct {
	db   *DB
	snap persistence.Timestamp
	cat  *catalog // the snapshot's, with the transaction's own changes

	reads    []*read
	room     []read          // where the next reads go; full, another one is made
	seen     map[string]bool // catalog reads already recorded, by index and key
	matches  []*Match        // what was searched for
	readSet  *ReadSet        // of reads[:readSetN], kept while nothing is added
	readSetN int

	changes  map[persistence.DocID]*change
	order    []*change // in the order of first writes
	overlays map[persistence.IndexID]*overlay
	undo     []undo

	begun  time.Time
	looked place   // of the last number that was looked up
	clock  float64 // creation time of the next insert
	usage  Usage
	base   Usage // from which limits count
	limits Limits
	spent  bool // was given to Commit
}

// newTx makes a transaction in the app's namespace.
func newTx(db *DB, snap persistence.Timestamp, cat *catalog) *Tx {
	t := &struct { // in one piece
		tx    Tx
		state txState
	}{state: txState{db: db, snap: snap, cat: cat, begun: time.Now()}}
	t.tx.txState = &t.state
	return &t.tx
}

// In is the transaction as seen from another namespace.
func (tx *Tx) In(space value.Space) *Tx {
	if space == tx.space {
		return tx
	}
	return &Tx{tx.txState, space}
}

// Space is the namespace whose tables the transaction names.
func (tx *Tx) Space() value.Space { return tx.space }

// change is what a transaction does to one document.
type change struct {
	doc persistence.DocID
	old *Document // as of the snapshot; nil if it did not exist
	new *Document // nil if it is deleted
}

// id is the document's; one of the states must be there.
func (ch *change) id() value.ID { return cmp.Or(ch.new, ch.old).ID }

// undo is what brings one document's change back to an earlier state.
type undo struct {
	change *change
	new    *Document
	cat    *catalog
	fresh  bool // the change did not exist before
}

// Snapshot is the timestamp as of which the transaction reads.
func (tx *Tx) Snapshot() persistence.Timestamp { return tx.snap }

// SetClock sets the creation time, in milliseconds, of the next insert; each
// further one gets the next representable number. Unset, it is the wall clock
// at the transaction's beginning.
func (tx *Tx) SetClock(ms float64) { tx.clock = ms }

// wall is the transaction's beginning in milliseconds.
func (tx *Tx) wall() float64 { return float64(tx.begun.UnixNano()) / 1e6 }

// tick hands out a creation time.
func (tx *Tx) tick() float64 {
	if tx.clock == 0 {
		tx.clock = tx.wall()
	}
	t := tx.clock
	tx.clock = math.Nextafter(t, math.Inf(1))
	return t
}

// record notes that a span of an index was looked at.
func (tx *Tx) record(ix persistence.IndexID, s persistence.Span) *read {
	if len(tx.room) == cap(tx.room) {
		tx.room = make([]read, 0, min(2*cap(tx.room)+4, 64)) // pointers into the old one stay good
	}
	tx.room = append(tx.room, read{index: ix, span: s})
	r := &tx.room[len(tx.room)-1]
	tx.reads = append(tx.reads, r)
	tx.readSet = nil
	return r
}

// recordMeta notes that rows of the catalog were looked at, once for each key.
func (tx *Tx) recordMeta(ix persistence.IndexID, key []byte) {
	k := string(byte(ix)) + string(key) // ids of the catalog's own indexes are small
	if tx.seen[k] {
		return
	}
	if tx.seen == nil {
		tx.seen = map[string]bool{}
	}
	tx.seen[k] = true
	tx.record(ix, persistence.Span(Prefix(key)))
}

// Reads is what the transaction looked at so far. It does not change when the
// transaction goes on; asked again without anything read in between, it is the
// same pointer.
func (tx *Tx) Reads() *ReadSet {
	if tx.readSet == nil || tx.readSetN != len(tx.reads) {
		tx.readSet, tx.readSetN = newReadSet(tx.reads, tx.matches...), len(tx.reads)
	}
	return tx.readSet
}

// Get reads a document by id; nil if there is none.
func (tx *Tx) Get(ctx context.Context, id value.ID) (*Document, error) {
	if err := tx.countInterval(); err != nil {
		return nil, err
	}
	d, err := tx.load(ctx, id)
	if err != nil || d == nil {
		return nil, err
	}
	return d, tx.countRead(d)
}

// docID is how persistence names a document of the id's namespace. Which table has
// the number is read; if there is none, the name's Table is 0.
func (tx *Tx) docID(id value.ID) persistence.DocID {
	p := placeOf(id.Space, id.Table)
	if p != tx.looked && !p.describes() {
		tx.recordMeta(tablesByNumber, tableNumberKey(p))
		tx.looked = p
	}
	return persistence.DocID{Table: uint32(tx.cat.at(p)), Internal: id.Internal}
}

// load is Get without counting it.
func (tx *Tx) load(ctx context.Context, id value.ID) (*Document, error) {
	id.Space = tx.space
	doc := tx.docID(id)
	if doc.Table == 0 {
		return nil, nil
	}
	tx.record(persistence.Primary(doc.Table), point(doc.Internal[:]))
	checkReturned(tx, persistence.Primary(doc.Table), doc.Internal[:])
	if ch := tx.changes[doc]; ch != nil {
		return ch.new, nil
	}
	return tx.db.read(ctx, doc, tx.snap)
}

// Insert adds a document to a table, which is created with its first document.
// The fields must not include system fields.
func (tx *Tx) Insert(ctx context.Context, table string, fields value.Object) (value.ID, error) {
	for _, name := range [...]string{"_id", "_creationTime"} {
		if _, ok := fields.Get(name); ok {
			return value.ID{}, apierr.New(apierr.BadRequest, "SystemFieldProvided",
				"Provided document already has the system field '%s', which is assigned on insert.", name)
		}
	}
	t, err := tx.ensureTable(ctx, table)
	if err != nil {
		return value.ID{}, err
	}
	return tx.insert(t.Table, tx.tick(), fields)
}

// insert adds a document to a table that exists.
func (tx *Tx) insert(t Table, created float64, fields value.Object) (value.ID, error) {
	id := value.ID{Table: t.Number, Internal: value.NewInternalID(rand.Reader, tx.begun), Space: t.Space}
	d, err := tx.document(t, id, created, fields)
	if err != nil {
		return value.ID{}, err
	}
	return id, tx.put(&change{doc: d.docID()}, d)
}

// Replace puts other fields in the place of a document's. System fields may be
// among them if they are the document's own.
func (tx *Tx) Replace(ctx context.Context, id value.ID, fields value.Object) error {
	ch, err := tx.changing(ctx, id, "Update")
	if err != nil {
		return err
	}
	if v, ok := fields.Get("_id"); ok && v != value.Value(value.String(id.String())) {
		return apierr.New(apierr.BadRequest, "ImmutableSystemField",
			"Provided document has an '_id' other than the one it is to be stored under, %s; '_id' cannot be changed.", id)
	}
	if v, ok := fields.Get("_creationTime"); ok && v != value.Value(value.Float64(ch.new.CreationTime)) {
		return apierr.New(apierr.BadRequest, "ImmutableSystemField",
			"Provided document has a '_creationTime' other than that of document %s; '_creationTime' cannot be changed.", id)
	}
	d, err := tx.document(tx.tableOf(id), ch.new.ID, ch.new.CreationTime, fields)
	if err != nil {
		return err
	}
	return tx.put(ch, d)
}

// Delete removes a document.
func (tx *Tx) Delete(ctx context.Context, id value.ID) error {
	ch, err := tx.changing(ctx, id, "Delete")
	if err != nil {
		return err
	}
	if err := tx.countWrite(tx.tableOf(id), 0); err != nil {
		return err
	}
	return tx.put(ch, nil)
}

// changing finds the document to be changed and what the transaction did to
// it so far. It is an error if it does not exist.
func (tx *Tx) changing(ctx context.Context, id value.ID, verb string) (*change, error) {
	id.Space = tx.space
	ch := tx.changes[tx.docID(id)]
	if ch == nil {
		old, err := tx.load(ctx, id)
		if err != nil {
			return nil, err
		}
		ch = &change{doc: tx.docID(id), old: old, new: old}
	}
	if ch.new == nil {
		return nil, apierr.New(apierr.BadRequest, "NonexistentDocument", "%s on nonexistent document ID %s", verb, id)
	}
	return ch, nil
}

// tableOf is the table of an id of a document that exists.
func (tx *Tx) tableOf(id value.ID) Table {
	if t := tx.cat.numbered(placeOf(tx.space, id.Table)); t != nil {
		return t.Table
	}
	return Table{Number: id.Table, Space: tx.space}
}

// document encodes what is to be written, holds it against the limits and
// counts the write. Rows of the house may be as large as any value: they hold
// modules and their maps.
func (tx *Tx) document(t Table, id value.ID, created float64, fields value.Object) (*Document, error) {
	return tx.documentAt(t, tx.cat.at(placeOf(t.Space, t.Number)), id, created, fields)
}

// documentAt is document for a table at a place.
func (tx *Tx) documentAt(t Table, at place, id value.ID, created float64, fields value.Object) (*Document, error) {
	if err := storable(fields, 0); err != nil {
		return nil, err
	}
	d := newDocument(id, at, created, fields)
	switch {
	case d.Object().Len() > value.MaxFields:
		return nil, apierr.New(apierr.BadRequest, "ObjectTooLarge", "Object has too many fields (%d > maximum number %d, system fields included).",
			d.Object().Len(), value.MaxFields)
	case t.System() && d.Size > value.MaxValueSize:
		return nil, apierr.New(apierr.BadRequest, "ValueTooLarge", "Value is too large (%s > maximum size %s)",
			value.FormatSize(d.Size), value.FormatSize(value.MaxValueSize))
	case !t.System():
		if err := value.CheckDocument(d.Object()); err != nil {
			return nil, err
		}
	}
	return d, tx.countWrite(t, d.Size)
}

// put makes d the transaction's idea of the change's document.
func (tx *Tx) put(ch *change, d *Document) error {
	cat := tx.cat
	if place(ch.doc.Table).describes() {
		next, err := cat.apply([]*change{{doc: ch.doc, old: ch.new, new: d}})
		if err != nil {
			return err
		}
		tx.cat = next
	}
	fresh := tx.changes[ch.doc] == nil
	if fresh {
		if tx.changes == nil {
			tx.changes = map[persistence.DocID]*change{}
		}
		tx.changes[ch.doc] = ch
		tx.order = append(tx.order, ch)
	}
	tx.undo = append(tx.undo, undo{change: ch, new: ch.new, cat: cat, fresh: fresh})
	for ix, o := range tx.overlays {
		o.change(ix, ch.new, d)
	}
	ch.new = d
	return nil
}

// Savepoint marks a state of a transaction's writes.
type Savepoint struct{ undo int }

// Savepoint marks the present state of the writes, for Rollback.
func (tx *Tx) Savepoint() Savepoint { return Savepoint{len(tx.undo)} }

// Rollback undoes the writes made since s. What was read stays read, and what
// was counted stays counted.
func (tx *Tx) Rollback(s Savepoint) {
	for len(tx.undo) > s.undo {
		u := tx.undo[len(tx.undo)-1]
		tx.undo = tx.undo[:len(tx.undo)-1]
		u.change.new, tx.cat = u.new, u.cat
		if u.fresh {
			delete(tx.changes, u.change.doc)
			i := slices.Index(tx.order, u.change)
			tx.order = slices.Delete(tx.order, i, i+1)
		}
	}
	tx.overlays = nil
}

// ReadOnly tells whether there is nothing to commit.
func (tx *Tx) ReadOnly() bool { return len(tx.order) == 0 }

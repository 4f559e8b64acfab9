package database

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// A table can be replaced as a whole: another one is filled over many transactions,
// unseen, and then takes over its name, or its name and number, in one. The one that
// was replaced has lost its name then, and is emptied in the background.
//
// Each has a row in _tables with the name and the number that it has, is to have or
// had, and a state; and a place of its own in the store. So what is looked up by name
// or number reads rows that a take-over changes, and conflicts with it.

// tableState tells which tables are seen.
type tableState string

// The states of a table.
const (
	active  tableState = ""
	staged  tableState = "staged"  // is being filled
	retired tableState = "retired" // is being emptied
)

// firstStagedSpace is where the places of staged tables are: far above the
// namespaces that components get.
const firstStagedSpace = value.Space(1 << 16)

// StagedTable is a table that is being filled.
type StagedTable struct {
	Table
	at  place
	row value.ID
}

// taken are the places of numbers that are some table's, whatever its state.
func (c *catalog) taken() map[place]bool {
	m := make(map[place]bool, 2*len(c.byPlace))
	for p, t := range c.byPlace {
		m[p], m[t.logical()] = true, true
	}
	return m
}

// tableRow is the row of _tables that says t.
func tableRow(t *tableMeta) value.Object {
	m := map[string]value.Value{"name": value.String(qualified(t.Space, t.Name)), "number": value.Float64(t.logical())}
	if t.place != t.logical() {
		m["place"] = value.Float64(t.place)
	}
	if t.state != active {
		m["state"] = value.String(t.state)
	}
	return value.NewObject(m)
}

// StageTable begins a table that is to become the namespace's table of that name, with
// the indexes that one has. A number of 0 stands for the one it has, or a free one.
func (tx *Tx) StageTable(ctx context.Context, name string, n value.TableNumber) (StagedTable, error) {
	have := tx.named(name)
	if have == nil {
		if err := value.CheckIdentifier("table name", name); err != nil {
			return StagedTable{}, err
		}
	}
	if n == 0 && have != nil {
		n = have.Number
	}
	return tx.stage(ctx, name, n)
}

// StageEmpty is StageTable where a number of 0 stands for a free one. The number must
// be free if the table has no such.
func (tx *Tx) StageEmpty(ctx context.Context, name string, n value.TableNumber) (StagedTable, error) {
	return tx.stage(ctx, name, n)
}

// stage begins a table with a number, or a free one.
func (tx *Tx) stage(ctx context.Context, name string, n value.TableNumber) (StagedTable, error) {
	taken := tx.cat.taken()
	if n == 0 {
		for n = firstUserTable; taken[placeOf(tx.space, n)]; n++ {
		}
	}
	logical := placeOf(tx.space, n)
	if n >= 1<<numberBits || logical.describes() {
		return StagedTable{}, apierr.New(apierr.BadRequest, "InvalidTableNumber", "Table %q cannot have the number %d.", name, n)
	}
	slot := firstStagedSpace
	for taken[placeOf(slot, n)] {
		slot++
	}
	if slot >= 1<<(32-numberBits) {
		return StagedTable{}, apierr.New(apierr.Overloaded, "TooManyReplacements", "Table %q was replaced too often in a short time; try again later.", name)
	}
	t := &tableMeta{Table: Table{name, n, tx.space}, place: placeOf(slot, n), state: staged}
	tx.recordMeta(tablesByNumber, tableNumberKey(logical))
	id, err := tx.insert(Table{Name: tablesName, Number: tablesTable}, tx.wall(), tableRow(t))
	if err != nil {
		return StagedTable{}, err
	}
	st := StagedTable{t.Table, t.place, id}
	_, err = tx.FitIndexes(ctx, st)
	return st, err
}

// StagedTables lists the tables of all namespaces that are being filled.
func (tx *Tx) StagedTables() (list []StagedTable) {
	tx.recordMeta(tablesByName, nil)
	for p, t := range tx.cat.byPlace {
		if t.state == staged {
			list = append(list, StagedTable{t.Table, p, t.row})
		}
	}
	return list
}

// meta is what the catalog knows of a staged table; an error if it is staged no more.
func (tx *Tx) meta(st StagedTable) (*tableMeta, error) {
	tx.recordMeta(tablesByNumber, tableNumberKey(placeOf(st.Space, st.Number)))
	t := tx.cat.byPlace[st.at]
	if t == nil || t.state != staged || t.row != st.row {
		return nil, fmt.Errorf("database: table %s is staged no more", st.Name)
	}
	return t, nil
}

// FitIndexes gives a staged table the indexes that the table has which it is to
// replace, and tells whether all are as built as there. DB.Run builds them.
func (tx *Tx) FitIndexes(ctx context.Context, st StagedTable) (ready bool, err error) {
	t, err := tx.meta(st)
	if err != nil {
		return false, err
	}
	var want []*indexMeta
	if have := tx.In(st.Space).named(st.Name); have != nil {
		tx.recordMeta(indexesByName, indexNameKey(have.place))
		want = have.indexes
	}
	ready = true
	for _, ix := range t.indexes {
		w := (&tableMeta{indexes: want}).index(ix.name)
		if w != nil && sameIndex(w, ix) {
			if w.built && !ix.built {
				ready = false
			}
			continue
		}
		if err := tx.dropIndex(ctx, ix); err != nil {
			return false, err
		}
	}
	for _, w := range want {
		t := tx.cat.byPlace[st.at]
		ix := t.index(w.name)
		if ix == nil {
			goal := w.goal
			if w.state == Enabled || w.state == Staged {
				goal = w.state
			}
			if err := tx.addIndexTo(ctx, t, goal, *w); err != nil {
				return false, err
			}
			ix = tx.cat.byPlace[st.at].index(w.name)
			ready = ready && (ix.built || !w.built)
			continue
		}
		if ix.state != w.state && ix.built { // a push went on meanwhile
			n := *ix
			n.state, n.goal = w.state, w.goal
			if err := tx.In(0).Replace(ctx, ix.row, n.object()); err != nil {
				return false, err
			}
		}
	}
	return ready, nil
}

// sameIndex tells whether two indexes have the same entries.
func sameIndex(a, b *indexMeta) bool {
	if a.kind != b.kind || a.dimensions != b.dimensions || len(a.fields) != len(b.fields) {
		return false
	}
	for i := range a.fields {
		if a.fields[i] != b.fields[i] {
			return false
		}
	}
	return true
}

// dropIndex makes an index go away, whatever its table's state.
func (tx *Tx) dropIndex(ctx context.Context, ix *indexMeta) error {
	n := *ix
	n.state, n.goal = dropped, dropped
	return tx.In(0).Replace(ctx, ix.row, n.object())
}

// AddStaged adds a document to a staged table. A zero internal id stands for a new
// one. An id that is there already is refused.
func (tx *Tx) AddStaged(ctx context.Context, st StagedTable, internal value.InternalID, created float64, fields value.Object) error {
	if _, err := tx.meta(st); err != nil {
		return err
	}
	if internal == (value.InternalID{}) {
		internal = value.NewInternalID(rand.Reader, tx.begun)
	}
	id := value.ID{Table: st.Number, Internal: internal, Space: st.Space}
	doc := persistence.DocID{Table: uint32(st.at), Internal: internal}
	tx.record(persistence.Primary(doc.Table), point(internal[:]))
	ch := tx.changes[doc]
	if ch == nil {
		old, err := tx.db.read(ctx, doc, tx.snap)
		if err != nil {
			return err
		}
		ch = &change{doc: doc, old: old, new: old}
	}
	if ch.new != nil {
		return apierr.New(apierr.BadRequest, "DuplicateId", "There is a document with the id %s already.", id)
	}
	d, err := tx.documentAt(st.Table, st.at, id, created, fields)
	if err != nil {
		return err
	}
	return tx.put(ch, d)
}

// setState changes the row of a table.
func (tx *Tx) setState(ctx context.Context, t *tableMeta, state tableState) error {
	n := *t
	n.state = state
	if err := tx.In(0).Replace(ctx, t.row, tableRow(&n)); err != nil {
		return err
	}
	if state != retired {
		return nil
	}
	for _, ix := range t.indexes {
		if err := tx.dropIndex(ctx, ix); err != nil {
			return err
		}
	}
	return nil
}

// Activate lets a staged table take over, whose indexes must be ready. The table that
// has its name goes; a number that another one has must have become free before, in
// the same transaction.
func (tx *Tx) Activate(ctx context.Context, st StagedTable) error {
	t, err := tx.meta(st)
	if err != nil {
		return err
	}
	in := tx.In(st.Space)
	if have := in.named(st.Name); have != nil {
		if err := tx.setState(ctx, have, retired); err != nil {
			return err
		}
	}
	if other, used := in.TableNamed(st.Number); used {
		return fmt.Errorf("database: number %d of staged table %s is that of table %s", st.Number, st.Name, other)
	}
	return tx.setState(ctx, t, active)
}

// RetireTable takes a table away, with all documents.
func (tx *Tx) RetireTable(ctx context.Context, name string) error {
	t := tx.named(name)
	if t == nil {
		return nil
	}
	return tx.setState(ctx, t, retired)
}

// Abandon takes a staged table away; nothing happens if it is staged no more.
func (tx *Tx) Abandon(ctx context.Context, st StagedTable) error {
	t, err := tx.meta(st)
	if err != nil {
		return nil
	}
	return tx.setState(ctx, t, retired)
}

// emptyChunk is how many documents of a retired table are deleted at a time.
const emptyChunk = 500

// empty deletes the documents of retired tables, and then their rows, until ctx ends.
func (db *DB) empty(ctx context.Context) error {
	for {
		if err := db.EmptyRetired(ctx); err != nil && ctx.Err() == nil {
			db.log.Warn("replaced table not emptied", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-db.broken:
			return db.commits.failure()
		case <-db.retiring:
		}
	}
}

// EmptyRetired deletes the documents of retired tables, and then their rows.
func (db *DB) EmptyRetired(ctx context.Context) error {
	for {
		var next *tableMeta
		for _, t := range db.visible.Load().cat.byPlace {
			if t.state == retired {
				next = t
				break
			}
		}
		if next == nil {
			return nil
		}
		if _, err := db.Update(ctx, func(tx *Tx) error { return tx.emptySome(ctx, next) }); err != nil {
			return fmt.Errorf("database: empty table %s: %w", next.Name, err)
		}
	}
}

// emptySome deletes some documents of a retired table, or its row.
func (tx *Tx) emptySome(ctx context.Context, t *tableMeta) error {
	c := tx.scan(t, ByID, persistence.Primary(uint32(t.place)), nil, persistence.Span{}, Asc)
	for n := 0; n < emptyChunk; n++ {
		d, err := c.Next(ctx)
		if err != nil {
			return err
		}
		if d == nil && n == 0 {
			return tx.In(0).Delete(ctx, t.row)
		}
		if d == nil {
			return nil
		}
		if err := tx.put(&change{doc: d.docID(), old: d, new: d}, nil); err != nil {
			return err
		}
	}
	return nil
}

package database

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	crand "crypto/rand"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/value"
)

// A transaction is what validators ask for tables.
var _ schema.Tables = (*Tx)(nil)

// named finds a table by its name in the namespace; nil if there is none. Either
// way that is read.
func (tx *Tx) named(name string) *tableMeta {
	name = qualified(tx.space, name)
	tx.recordMeta(tablesByName, tableNameKey(name))
	return tx.cat.byName[name]
}

// Table finds a table by name.
func (tx *Tx) Table(name string) (Table, bool) {
	t := tx.named(name)
	if t == nil {
		return Table{}, false
	}
	return t.Table, true
}

// shown are the house's tables whose ids users are handed: convex-runtime §8.3.
var shown = map[string]bool{"_storage": true, "_scheduled_functions": true}

// TableNumber is part of schema.Tables. It does not tell of the house's own
// tables, but for those whose ids users are handed.
func (tx *Tx) TableNumber(name string) (value.TableNumber, bool) {
	t, ok := tx.Table(name)
	if t.System() && !shown[name] {
		return 0, false
	}
	return t.Number, ok
}

// TableName is part of schema.Tables, with the same reserve.
func (tx *Tx) TableName(n value.TableNumber) (string, bool) {
	name, ok := tx.TableNamed(n)
	if (Table{Name: name}).System() && !shown[name] {
		return "", false
	}
	return name, ok
}

// TableNamed finds a table's name by its number.
func (tx *Tx) TableNamed(n value.TableNumber) (string, bool) {
	p := placeOf(tx.space, n)
	tx.recordMeta(tablesByNumber, tableNumberKey(p))
	t := tx.cat.numbered(p)
	if t == nil || t.Name == "" {
		return "", false
	}
	return t.Name, true
}

// Tables lists all tables of the namespace but the two that describe the others, by name.
func (tx *Tx) Tables() []Table {
	tx.recordMeta(tablesByName, nil)
	var out []Table
	for _, t := range tx.cat.byName {
		if t.Space == tx.space && !t.place.describes() {
			out = append(out, t.Table)
		}
	}
	slices.SortFunc(out, func(a, b Table) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Indexes lists the declared indexes of a table, by name.
func (tx *Tx) Indexes(table string) []Index {
	t := tx.named(table)
	if t == nil {
		return nil
	}
	tx.recordMeta(indexesByName, indexNameKey(t.place))
	var out []Index
	for _, ix := range t.indexes {
		out = append(out, ix.public(t))
	}
	return out
}

// Count tells how many documents a table has.
func (tx *Tx) Count(ctx context.Context, table string) (int, error) {
	t := tx.named(table)
	if t == nil {
		return 0, nil
	}
	if err := tx.countInterval(); err != nil {
		return 0, err
	}
	ix := byCreation(t.place)
	tx.record(ix, persistence.Span{})
	n := 0
	for _, err := range tx.db.store.Scan(ctx, ix, tx.snap, persistence.Span{}, Asc) {
		if err != nil {
			return 0, fmt.Errorf("database: count %s: %w", table, err)
		}
		n++
	}
	if err := tx.db.retained(tx.snap); err != nil {
		return 0, err
	}
	for _, ch := range tx.order {
		if ch.doc.Table != uint32(t.place) {
			continue
		}
		if ch.old != nil {
			n--
		}
		if ch.new != nil {
			n++
		}
	}
	return n, nil
}

// CreateTable makes sure that a table exists.
func (tx *Tx) CreateTable(ctx context.Context, name string) (Table, error) {
	t, err := tx.ensureTable(ctx, name)
	if err != nil {
		return Table{}, err
	}
	return t.Table, nil
}

// ensureTable finds a table or creates it. Two transactions that create a
// table of the same name, or take the same number, conflict: both have read
// that there was none.
func (tx *Tx) ensureTable(_ context.Context, name string) (*tableMeta, error) {
	if t := tx.named(name); t != nil {
		return t, nil
	}
	if err := value.CheckIdentifier("table name", name); err != nil {
		return nil, err
	}
	n, last := firstUserTable, firstUserTable+maxTables
	if name[0] == '_' {
		n, last = firstSystemTable, firstUserTable
	}
	first, taken := n, tx.cat.taken()
	for taken[placeOf(tx.space, n)] {
		n++
	}
	if n >= last {
		return nil, apierr.New(apierr.BadRequest, "TooManyTables", "Number of tables would exceed the limit of %d; delete some first.", maxTables)
	}
	// Every number from the first on was looked at, and ours was found free.
	tx.record(tablesByNumber, persistence.Span{Lower: tableNumberKey(placeOf(tx.space, first)), Upper: After(tableNumberKey(placeOf(tx.space, n)))})
	return tx.addTable(name, n)
}

// addTable adds the row of a table whose name and number were found free.
func (tx *Tx) addTable(name string, n value.TableNumber) (*tableMeta, error) {
	name = qualified(tx.space, name)
	_, err := tx.insert(Table{Name: tablesName, Number: tablesTable}, tx.wall(), value.NewObject(map[string]value.Value{
		"name": value.String(name), "number": value.Float64(placeOf(tx.space, n)),
	}))
	if err != nil {
		return nil, err
	}
	return tx.cat.byName[name], nil
}

// AddIndex declares an index over fields, to which _creationTime and _id are
// added at the end. The table is created if need be. state is what the index
// is to become: Enabled (queryable as soon as it is built), Building (which
// stops at Ready, for SetIndexState to enable) or Staged. In an empty table
// that is at once; otherwise DB.Run builds the index.
func (tx *Tx) AddIndex(ctx context.Context, table, name string, fields []string, state IndexState) error {
	return tx.addIndex(ctx, table, state, indexMeta{name: name, fields: fields})
}

// addIndex declares an index of any kind.
func (tx *Tx) addIndex(ctx context.Context, table string, state IndexState, def indexMeta) error {
	t, err := tx.ensureTable(ctx, table)
	if err != nil {
		return err
	}
	return tx.addIndexTo(ctx, t, state, def)
}

// addIndexTo is the same for a table that is known, whatever its state.
func (tx *Tx) addIndexTo(ctx context.Context, t *tableMeta, state IndexState, def indexMeta) error {
	table, name := t.Name, def.name
	tx.recordMeta(indexesByName, indexNameKey(t.place, name))
	if t.index(name) != nil || name == ByID || name == ByCreationTime {
		return fmt.Errorf("database: index %s.%s exists already", table, name)
	}
	goal := state
	switch state {
	case Enabled, Staged:
	case Building, Ready:
		goal = Ready
	default:
		return fmt.Errorf("database: index %s.%s: no such state %q", table, name, state)
	}
	var b [8]byte
	_, _ = crand.Read(b[:]) // never fails
	ix := &indexMeta{
		// Random, so that no two indexes of any time share an id: entries of a
		// dropped one outlive it.
		id:    persistence.IndexID(binary.BigEndian.Uint64(b[:])>>3) | firstFreeIndex,
		table: t.place, name: name, fields: def.fields, state: goal, goal: goal,
		kind: def.kind, dimensions: def.dimensions,
	}
	c := tx.scan(t, ByCreationTime, byCreation(t.place), nil, persistence.Span{}, Asc)
	first, err := c.Next(ctx)
	if err != nil {
		return err
	}
	ix.built = first == nil
	if !ix.built && goal != Staged {
		ix.state = Building
	}
	_, err = tx.insert(Table{Name: indexesName, Number: indexesTable}, tx.wall(), ix.object())
	return err
}

// SetIndexState moves an index to another state. Only a built one can be
// enabled.
func (tx *Tx) SetIndexState(ctx context.Context, table, name string, state IndexState) error {
	ix, err := tx.declared(table, name)
	if err != nil {
		return err
	}
	n := *ix
	switch {
	case state == Enabled && !ix.built:
		return &IndexError{Table: table, Index: name, Backfilling: true}
	case state == Building && ix.built:
		state = Ready
	case state != Building && state != Ready && state != Enabled && state != Staged:
		return fmt.Errorf("database: index %s.%s: no such state %q", table, name, state)
	}
	n.state, n.goal = state, state
	if state == Building || state == Ready {
		n.goal = Ready
		if !n.built {
			n.state = Building
		}
	}
	return tx.In(0).Replace(ctx, ix.row, n.object())
}

// DropIndex makes an index go away. Its space comes back when no snapshot is
// left that could read it.
func (tx *Tx) DropIndex(ctx context.Context, table, name string) error {
	ix, err := tx.declared(table, name)
	if err != nil {
		return err
	}
	n := *ix
	n.state, n.goal = dropped, dropped
	return tx.In(0).Replace(ctx, ix.row, n.object())
}

// declared finds a declared index or says that it is missing.
func (tx *Tx) declared(table, name string) (*indexMeta, error) {
	t := tx.named(table)
	if t == nil {
		return nil, &IndexError{Table: table, Index: name}
	}
	tx.recordMeta(indexesByName, indexNameKey(t.place, name))
	ix := t.index(name)
	if ix == nil {
		return nil, &IndexError{Table: table, Index: name}
	}
	return ix, nil
}

// TableDef is a table that a room of the house needs.
type TableDef struct {
	Name    string
	Indexes []IndexDef
}

// IndexDef is an index that a room of the house needs.
type IndexDef struct {
	Name   string
	Fields []string
}

// EnsureTables creates the tables and indexes that are missing, replaces those
// indexes whose fields differ, and returns when all can be queried. DB.Run
// need not be running.
func (db *DB) EnsureTables(ctx context.Context, defs []TableDef) error {
	_, err := db.Update(ctx, func(tx *Tx) error { return tx.EnsureTables(ctx, defs) })
	if err != nil {
		return fmt.Errorf("database: ensure tables: %w", err)
	}
	return db.buildIndexes(ctx, false)
}

// EnsureTables is the same within a transaction. Indexes of tables with documents
// can be queried once they are built.
func (tx *Tx) EnsureTables(ctx context.Context, defs []TableDef) error {
	for _, def := range defs {
		if _, err := tx.CreateTable(ctx, def.Name); err != nil {
			return err
		}
		for _, ix := range def.Indexes {
			have, err := tx.declared(def.Name, ix.Name)
			if err == nil && slices.Equal(have.fields, ix.Fields) {
				continue
			}
			if err == nil {
				if err := tx.DropIndex(ctx, def.Name, ix.Name); err != nil {
					return err
				}
			}
			if err := tx.AddIndex(ctx, def.Name, ix.Name, ix.Fields, Enabled); err != nil {
				return err
			}
		}
	}
	return nil
}

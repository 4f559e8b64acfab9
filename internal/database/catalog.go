package database

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Table is a table as a transaction sees it.
type Table struct {
	Name   string
	Number value.TableNumber
	Space  value.Space // the namespace in which it has its name and number
}

// System tells whether the table belongs to the house rather than the user.
func (t Table) System() bool { return len(t.Name) > 0 && t.Name[0] == '_' }

// IndexState says how far an index is.
type IndexState string

// PrivateMark begins the names of indexes on tables of users that are the house's own:
// functions cannot query them, and pushes leave them alone. No declared index can be
// called so, because it is no identifier.
const PrivateMark = "!"

// The states of an index. A Building index becomes Ready by DB.Run's doing; an
// index added as Enabled goes from Building to Enabled by itself.
const (
	Building IndexState = "building" // being backfilled; not to be queried
	Ready    IndexState = "ready"    // backfilled; to be queried once it is set Enabled
	Enabled  IndexState = "enabled"  // queryable
	Staged   IndexState = "staged"   // kept up to date but never queryable; Built tells whether it is backfilled
	dropped  IndexState = "dropped"  // nobody sees it; its entries go when retention allows
)

// Index is a declared index as a transaction sees it. by_id and
// by_creation_time, which every table has, are not listed.
type Index struct {
	Table  string
	Name   string
	Fields []string
	State  IndexState
	Built  bool // every document has its entry

	Number     value.TableNumber   // of the table
	Space      value.Space         // of the table
	ID         persistence.IndexID // names the index for good, whatever it is called
	Kind       IndexKind
	Dimensions int // of a Vector index

	at place // of the table
}

// Names of the indexes that every table has.
const (
	ByID           = "by_id"
	ByCreationTime = "by_creation_time"
)

// The two tables that describe all tables, themselves included in nothing:
// their numbers, and the ids and fields of their indexes, are fixed here.
const (
	tablesName   = "_tables"
	indexesName  = "_index"
	tablesTable  = 1
	indexesTable = 2

	tablesByName    = persistence.IndexID(1)
	tablesByNumber  = persistence.IndexID(2)
	indexesByName   = persistence.IndexID(3)
	firstFreeIndex  = 1 << 10 // declared indexes have random ids from here
	creationTimeBit = persistence.IndexID(1) << 62
)

// Table numbers are given out from these: convex-runtime §4.6.
const (
	firstSystemTable = value.TableNumber(513)
	firstUserTable   = value.TableNumber(10001)
	maxTables        = 10000
)

// place is a table's number among those of all namespaces, under which the store
// has its documents: the number in the low bits, the namespace above. The places of
// tables that took over from others (replace.go) have the same number, and above it
// what is no namespace.
type place uint32

// numberBits is enough for every number that is given out.
const numberBits = 15

// placeOf puts a number into a namespace. Ids that users make up may have larger
// numbers than any table; those are at no place.
func placeOf(s value.Space, n value.TableNumber) place {
	if n >= 1<<numberBits {
		return 0
	}
	return place(s)<<numberBits | place(n)
}

// number is the table's number within its namespace.
func (p place) number() value.TableNumber { return value.TableNumber(p & (1<<numberBits - 1)) }

// space is the table's namespace.
func (p place) space() value.Space { return value.Space(p >> numberBits) }

// describes tells whether documents of the table are the catalog itself.
func (p place) describes() bool { return p == tablesTable || p == indexesTable }

// qualified is a table's name among those of all namespaces, as the rows of
// _tables have it: "users", and "3/users" for namespace 3.
func qualified(s value.Space, name string) string {
	if s == 0 {
		return name
	}
	return strconv.FormatUint(uint64(s), 10) + "/" + name
}

// byCreation is the index id of a table's by_creation_time.
func byCreation(t place) persistence.IndexID {
	return creationTimeBit | persistence.IndexID(t)
}

// tableMeta is what the catalog knows of a table. It is immutable; a change
// makes a new one, so that equal pointers mean equal indexes.
type tableMeta struct {
	Table
	place   place
	state   tableState
	row     value.ID
	indexes []*indexMeta // every index that is written to, sorted by name
}

// searched are the indexes that are kept by a Searcher.
func (t *tableMeta) searched() (list []*indexMeta) {
	for _, ix := range t.indexes {
		if ix.kind != Ordered {
			list = append(list, ix)
		}
	}
	return list
}

// indexMeta is what the catalog knows of an index.
type indexMeta struct {
	id     persistence.IndexID
	row    value.ID
	table  place
	name   string
	fields []string
	state  IndexState
	goal   IndexState // what Building turns into
	built  bool

	kind       IndexKind
	dimensions int // of a Vector index
}

// index finds a declared index; nil if there is none.
func (t *tableMeta) index(name string) *indexMeta {
	for _, ix := range t.indexes {
		if ix.name == name {
			return ix
		}
	}
	return nil
}

// catalog is every table and index at one point of history. It is immutable.
type catalog struct {
	byName  map[string]*tableMeta // by qualified name; active ones only, as in moved
	byPlace map[place]*tableMeta
	moved   map[place]place // from the place that goes with namespace and number, where the table is at another
	dropped map[persistence.IndexID]*indexMeta
}

// newCatalog knows only the two tables that describe the others.
func newCatalog() *catalog {
	c := &catalog{byName: map[string]*tableMeta{}, byPlace: map[place]*tableMeta{}, moved: map[place]place{}, dropped: map[persistence.IndexID]*indexMeta{}}
	c.set(&tableMeta{Table: Table{Name: tablesName, Number: tablesTable}, place: tablesTable, indexes: []*indexMeta{
		{id: tablesByName, table: tablesTable, name: "by_name", fields: []string{"name"}, state: Enabled, built: true},
		{id: tablesByNumber, table: tablesTable, name: "by_number", fields: []string{"number"}, state: Enabled, built: true},
	}})
	c.set(&tableMeta{Table: Table{Name: indexesName, Number: indexesTable}, place: indexesTable, indexes: []*indexMeta{
		{id: indexesByName, table: indexesTable, name: "by_table_and_name", fields: []string{"table", "name"}, state: Enabled, built: true},
	}})
	return c
}

// set is used only while a catalog is being made.
func (c *catalog) set(t *tableMeta) {
	c.byPlace[t.place] = t
	if t.state != active || t.Name == "" {
		return
	}
	c.byName[qualified(t.Space, t.Name)] = t
	if l := t.logical(); l != t.place {
		c.moved[l] = t.place
	}
}

// unset forgets a table's name and number, where they are still its.
func (c *catalog) unset(t *tableMeta) {
	name := qualified(t.Space, t.Name)
	if have := c.byName[name]; have != nil && have.place == t.place {
		delete(c.byName, name)
	}
	if c.moved[t.logical()] == t.place {
		delete(c.moved, t.logical())
	}
}

// logical is the place that goes with the table's namespace and number.
func (t *tableMeta) logical() place { return placeOf(t.Space, t.Number) }

// numbered finds the active table of a namespace and number, given as a place; nil
// if there is none.
func (c *catalog) numbered(p place) *tableMeta {
	if at, ok := c.moved[p]; ok {
		return c.byPlace[at]
	}
	t := c.byPlace[p]
	if t == nil || t.state != active || t.Name == "" || t.logical() != p {
		return nil
	}
	return t
}

// at is where the store has the documents of a namespace and number, given as a
// place; 0, where there are none, if they are of no active table.
func (c *catalog) at(p place) place {
	if t := c.numbered(p); t != nil {
		return t.place
	}
	return 0
}

// apply is the catalog after documents of _tables and _index went from old to
// new; other changes are passed over. With none that matter it is c itself.
func (c *catalog) apply(changes []*change) (*catalog, error) {
	n := c
	for _, ch := range changes {
		if !place(ch.doc.Table).describes() {
			continue
		}
		if n == c {
			n = &catalog{byName: maps.Clone(c.byName), byPlace: maps.Clone(c.byPlace), moved: maps.Clone(c.moved), dropped: maps.Clone(c.dropped)}
		}
		var err error
		if ch.doc.Table == tablesTable {
			err = n.applyTable(ch.old, ch.new)
		} else {
			err = n.applyIndex(ch.old, ch.new)
		}
		if err != nil {
			return nil, err
		}
	}
	return n, nil
}

// applyTable takes in a changed row of _tables.
func (c *catalog) applyTable(old, doc *Document) error {
	if old != nil {
		was, err := decodeTable(old)
		if err != nil {
			return err
		}
		c.unset(was)
		if doc == nil {
			delete(c.byPlace, was.place)
		}
	}
	if doc == nil {
		return nil
	}
	t, err := decodeTable(doc)
	if err != nil {
		return err
	}
	if have := c.byPlace[t.place]; have != nil {
		t.indexes = have.indexes
	}
	c.set(t)
	return nil
}

// decodeTable reads a row of _tables.
func decodeTable(doc *Document) (*tableMeta, error) {
	o := doc.Object()
	name, _ := o.Get("name")
	number, _ := o.Get("number")
	s, ok := name.(value.String)
	f, ok2 := number.(value.Float64)
	if !ok || !ok2 {
		return nil, fmt.Errorf("database: row %s of %s: %w", doc.ID, tablesName, errBody)
	}
	l := place(f)
	bare := string(s)
	if l.space() != 0 {
		_, bare, _ = strings.Cut(bare, "/")
	}
	t := &tableMeta{Table: Table{bare, l.number(), l.space()}, place: l, row: doc.ID}
	if at, ok := o.Get("place"); ok {
		f, _ := at.(value.Float64)
		t.place = place(f)
	}
	if state, ok := o.Get("state"); ok {
		s, _ := state.(value.String)
		t.state = tableState(s)
	}
	return t, nil
}

// applyIndex takes in a changed row of _index.
func (c *catalog) applyIndex(old, doc *Document) error {
	var was, is *indexMeta
	var err error
	if old != nil {
		if was, err = decodeIndex(old); err != nil {
			return err
		}
		delete(c.dropped, was.id)
	}
	if doc != nil {
		if is, err = decodeIndex(doc); err != nil {
			return err
		}
	}
	p := cmp.Or(is, was).table
	t := &tableMeta{Table: Table{Number: p.number(), Space: p.space()}, place: p}
	if have := c.byPlace[p]; have != nil {
		*t = *have
	}
	t.indexes = slices.Clone(t.indexes)
	if was != nil {
		t.indexes = slices.DeleteFunc(t.indexes, func(ix *indexMeta) bool { return ix.id == was.id })
	}
	switch {
	case is == nil:
	case is.state == dropped:
		c.dropped[is.id] = is
	default:
		t.indexes = append(t.indexes, is)
		slices.SortFunc(t.indexes, func(a, b *indexMeta) int { return cmp.Compare(a.name, b.name) })
	}
	c.set(t)
	return nil
}

// decodeIndex reads a row of _index.
func decodeIndex(doc *Document) (*indexMeta, error) {
	o := doc.Object()
	str := func(name string) string {
		v, _ := o.Get(name)
		s, _ := v.(value.String)
		return string(s)
	}
	id, _ := o.Get("index")
	table, _ := o.Get("table")
	built, _ := o.Get("built")
	fields, _ := o.Get("fields")
	n, ok1 := id.(value.Int64)
	f, ok2 := table.(value.Float64)
	b, ok3 := built.(value.Bool)
	a, ok4 := fields.(value.Array)
	ix := &indexMeta{
		id: persistence.IndexID(n), row: doc.ID, table: place(f), name: str("name"),
		state: IndexState(str("state")), goal: IndexState(str("goal")), built: bool(b),
		kind: IndexKind(str("kind")),
	}
	if d, ok := o.Get("dimensions"); ok {
		n, _ := d.(value.Float64)
		ix.dimensions = int(n)
	}
	for _, v := range a {
		s, ok := v.(value.String)
		ok4 = ok4 && ok
		ix.fields = append(ix.fields, string(s))
	}
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, fmt.Errorf("database: row %s of %s: %w", doc.ID, indexesName, errBody)
	}
	return ix, nil
}

// object is the row of _index that says ix.
func (ix *indexMeta) object() value.Object {
	fields := make(value.Array, len(ix.fields))
	for i, f := range ix.fields {
		fields[i] = value.String(f)
	}
	row := map[string]value.Value{
		"table": value.Float64(ix.table), "name": value.String(ix.name), "fields": fields,
		"index": value.Int64(ix.id), "state": value.String(ix.state), "goal": value.String(ix.goal), "built": value.Bool(ix.built),
	}
	if ix.kind != Ordered {
		row["kind"], row["dimensions"] = value.String(ix.kind), value.Float64(ix.dimensions)
	}
	return value.NewObject(row)
}

// public is the index as users of the room see it.
func (ix *indexMeta) public(t *tableMeta) Index {
	return Index{
		Table: t.Name, Name: ix.name, Fields: slices.Clone(ix.fields), State: ix.state, Built: ix.built,
		Number: t.Number, Space: t.Space, at: ix.table, ID: ix.id, Kind: ix.kind, Dimensions: ix.dimensions,
	}
}

// Keys by which the catalog's rows are found, for read sets.

// tableNameKey begins the key of a table's row in _tables.by_name; the name is
// the qualified one.
func tableNameKey(name string) []byte { return value.AppendKey(nil, value.String(name)) }

// tableNumberKey begins the key of a table's row in _tables.by_number.
func tableNumberKey(p place) []byte { return value.AppendKey(nil, value.Float64(p)) }

// indexNameKey begins the keys of a table's rows in _index.by_table_and_name:
// of all of them, or of the one index if a name is given.
func indexNameKey(p place, name ...string) []byte {
	k := tableNumberKey(p)
	for _, s := range name {
		k = value.AppendKey(k, value.String(s))
	}
	return k
}

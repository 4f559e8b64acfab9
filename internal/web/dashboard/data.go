package dashboard

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// What a page of data holds, and how far a filter looks for it.
const (
	pageRows = 50
	maxLook  = 4000 // documents that one picture of a page looks at
)

// dataView is the browser of a deployment's tables.
type dataView struct {
	*Visit
	Component  string
	Components []string
	Tables     []tableItem
	Table      string // "" when none is chosen
	Columns    []Column
	Rows       []dataRow
	Filters    []filter
	Index      string
	Indexes    []indexItem
	Descending bool
	Next, Prev string // addresses of the pages beside this one
	Looked     int    // documents looked at, when the filter let few through
	Count      string
	Edit       *editor
	Schema     []fieldInfo
	Gone       bool // the table that the address names is not there
	Doomed     []string
}

// tableItem is a table in the list.
type tableItem struct {
	Name, URL, Count string
	Here             bool
}

// Column is a field that the table shows, or does not.
type Column struct {
	Name  string
	Shown bool
	Sort  string // the address at which it is sorted by; "" without an index for it
	Order string // ascending or descending, if it is
}

// indexItem is an index that the table can be read by.
type indexItem struct {
	Name   string
	Fields []string
	State  string
	Here   bool
}

// dataRow is a document in the table.
type dataRow struct {
	ID    string
	Cells []dataCell
	Open  bool
}

// dataCell is one field of it.
type dataCell struct {
	Cell
	Field string
	Edit  string    // address at which it can be edited; "" if it cannot
	At    time.Time // when the document was made, in that column
	Form  *editor
}

// fieldInfo is a field of the schema.
type fieldInfo struct{ Name, Type string }

// editor is a form for a document, or one field of it.
type editor struct {
	ID, Field, Text string
	Was             string // digest of what was there when the form was made
	Now             string // what somebody else made of it meanwhile
	Gone            bool
}

func (dataView) template() string { return "data" }
func (v dataView) heading() string {
	if v.Table != "" {
		return v.Table
	}
	return "Data"
}

// At is the address of the table with what is chosen of it, and other parameters.
func (v dataView) At(pairs ...string) string { return v.With(pairs...) }

// space finds the namespace of the component that the address names.
func (v *Visit) space(ctx context.Context, tx *database.Tx) (*database.Tx, *udf.Tree, error) {
	tree, err := udf.Components(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	name := v.Q("component")
	if name == "" {
		return tx, tree, nil
	}
	c := tree.At(name)
	if c == nil {
		return nil, nil, apierr.New(apierr.NotFound, "ComponentNotFound", "There is no component %q in this deployment.", name)
	}
	return tx.In(c.Space), tree, nil
}

// showData shows the tables, and a page of one.
func (s *Site) showData(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &dataView{Visit: v, Component: v.Q("component")}
	if v.Posted == "delete" || v.Posted == "" && v.PostForm != nil && v.PostForm.Get("do") == "doom" {
		out.Doomed = v.PostForm["id"]
	}
	err = d.DB.View(v.Context(), func(tx *database.Tx) error {
		out.Tables, out.Components = nil, nil
		tx, tree, err := v.space(v.Context(), tx)
		if err != nil {
			return err
		}
		if len(tree.All) > 1 || v.Q("component") != "" {
			for _, c := range tree.All {
				out.Components = append(out.Components, c.Path)
			}
		}
		return out.read(v.Context(), s, d, tx)
	})
	if err != nil {
		return nil, err
	}
	v.Every(countLife)
	return out, nil
}

// userTables are the tables that are the user's.
func userTables(tx *database.Tx) (list []string) {
	for _, t := range tx.Tables() {
		if !t.System() {
			list = append(list, t.Name)
		}
	}
	return list
}

// read fills in the view.
func (v *dataView) read(ctx context.Context, s *Site, d *deployment.Deployment, tx *database.Tx) error {
	tables := userTables(tx)
	v.Table = v.Q("table")
	if v.Table == "" && len(tables) > 0 {
		v.Table = tables[0]
	}
	for _, name := range tables {
		q := url.Values{"table": {name}}
		if v.Component != "" {
			q.Set("component", v.Component)
		}
		v.Tables = append(v.Tables, tableItem{Name: name, URL: address(v.Base()+"/data", q), Count: s.counts.of(ctx, d, tx.Space(), name), Here: name == v.Table})
	}
	if v.Table == "" {
		return nil
	}
	if !slices.Contains(tables, v.Table) {
		v.Gone = true
		return nil
	}
	active, err := udf.ActiveSchema(ctx, tx)
	if err != nil {
		return err
	}
	declared := v.readSchema(active)
	if err := v.readIndexes(tx); err != nil {
		return err
	}
	if err := v.readFilters(); err != nil {
		v.Alert, _ = apierr.As(err)
		return nil
	}
	docs, err := v.readDocuments(ctx, tx)
	if err != nil {
		return err
	}
	v.layColumns(declared, docs)
	may, err := v.May("save")
	if err != nil {
		return err
	}
	for _, doc := range docs {
		v.Rows = append(v.Rows, v.row(tx, doc, may))
	}
	return v.readEditor(ctx, tx)
}

// readSchema tells what the schema says of the table's fields.
func (v *dataView) readSchema(active *schema.Schema) (names []string) {
	if active == nil {
		return nil
	}
	t, ok := active.Table(v.Table)
	if !ok || t.Document == nil {
		return nil
	}
	fields := describeFields(t.Document)
	v.Schema = fields
	for _, f := range fields {
		names = append(names, strings.TrimSuffix(f.Name, "?"))
	}
	return names
}

// readIndexes lists the indexes and finds the one to read by.
func (v *dataView) readIndexes(tx *database.Tx) error {
	v.Index = v.Q("index")
	v.Descending = v.Q("order") != "asc"
	v.Indexes = []indexItem{{Name: byCreation, Fields: []string{"_creationTime"}, State: string(database.Enabled)}}
	for _, ix := range tx.Indexes(v.Table) {
		if strings.HasPrefix(ix.Name, database.PrivateMark) {
			continue
		}
		v.Indexes = append(v.Indexes, indexItem{Name: ix.Name, Fields: ix.Fields, State: string(ix.State)})
	}
	if v.Index == "" {
		v.Index = byCreation
	}
	for i := range v.Indexes {
		if v.Indexes[i].Name == v.Index && v.Indexes[i].State == string(database.Enabled) {
			v.Indexes[i].Here = true
			return nil
		}
	}
	return apierr.New(apierr.BadRequest, "IndexNotFound", "The table %s has no index %q to read by.", v.Table, v.Index)
}

// byCreation is the index that every table has.
const byCreation = "by_creation_time"

// readDocuments reads a page: those after, or before, the key of the address.
func (v *dataView) readDocuments(ctx context.Context, tx *database.Tx) ([]*database.Document, error) {
	span := v.narrow()
	order := database.Asc
	if v.Descending {
		order = database.Desc
	}
	before := v.Q("before") != ""
	mark := v.Q("after") + v.Q("before")
	key, err := base64.RawURLEncoding.DecodeString(mark)
	if err != nil {
		return nil, apierr.New(apierr.BadRequest, "BadPage", "This page does not exist. Go back to the first one.")
	}
	if len(key) > 0 {
		if (order == database.Asc) != before {
			span.Lower = slices.Concat(key, []byte{0}) // just above
		} else {
			span.Upper = key
		}
	}
	if before {
		order = reverse(order)
	}
	c := tx.Scan(v.Table, v.Index, span, order)
	defer c.Close()
	var docs []*database.Document
	var keys [][]byte
	more, looked := false, 0
	for {
		doc, err := c.Next(ctx)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			break
		}
		if len(docs) == pageRows || looked == maxLook {
			more = true
			break
		}
		looked++
		at := slices.Clone(c.Key())
		if v.passes(doc.Object()) {
			docs, keys = append(docs, doc), append(keys, at)
		} else if looked == maxLook {
			keys = append(keys, at) // the next page begins where this one gave up
		}
	}
	if looked == maxLook && len(docs) < pageRows {
		v.Looked = looked
	}
	if before {
		slices.Reverse(docs)
		slices.Reverse(keys)
	}
	v.turn(keys, before, more, len(key) > 0)
	return docs, nil
}

// reverse is the other direction.
func reverse(o database.Order) database.Order {
	if o == database.Asc {
		return database.Desc
	}
	return database.Asc
}

// turn makes the addresses of the pages beside this one.
func (v *dataView) turn(keys [][]byte, before, more, inside bool) {
	if len(keys) == 0 {
		if inside {
			v.Prev = v.With("after", "", "before", "")
		}
		return
	}
	first := base64.RawURLEncoding.EncodeToString(keys[0])
	last := base64.RawURLEncoding.EncodeToString(keys[len(keys)-1])
	if more || before {
		v.Next = v.With("after", last, "before", "", "edit", "", "field", "")
	}
	if before && !more {
		return // the first page
	}
	if inside {
		v.Prev = v.With("before", first, "after", "", "edit", "", "field", "")
	}
}

// layColumns lays out the columns: the id, what the schema and the documents have, the
// time of creation.
func (v *dataView) layColumns(declared []string, docs []*database.Document) {
	names := slices.Clone(declared)
	known := map[string]bool{"_id": true, "_creationTime": true}
	for _, n := range names {
		known[n] = true
	}
	var more []string
	for _, doc := range docs {
		for name := range doc.Object().All() {
			if !known[name] {
				known[name] = true
				more = append(more, name)
			}
		}
	}
	slices.Sort(more)
	names = append(names, more...)
	names = append(append([]string{"_id"}, names...), "_creationTime")
	hidden := v.URL.Query()["hide"]
	for _, n := range names {
		c := Column{Name: n, Shown: !slices.Contains(hidden, n)}
		v.sortBy(&c)
		v.Columns = append(v.Columns, c)
	}
}

// sortBy finds the shortest index that begins with the column's field. Sorted by it
// already, the column turns the order round.
func (v *dataView) sortBy(c *Column) {
	var by *indexItem
	for i := range v.Indexes {
		ix := &v.Indexes[i]
		if ix.Fields[0] != c.Name || ix.State != string(database.Enabled) {
			continue
		}
		if ix.Here || by == nil || !by.Here && len(ix.Fields) < len(by.Fields) {
			by = ix
		}
	}
	if by == nil {
		return
	}
	order := "asc"
	if by.Here {
		c.Order = "ascending"
		if v.Descending {
			c.Order = "descending"
		} else {
			order = "desc"
		}
	}
	c.Sort = v.With("index", by.Name, "order", order, "after", "", "before", "", "edit", "", "field", "", "new", "")
}

// row makes the row of a document.
func (v *dataView) row(tx *database.Tx, doc *database.Document, may bool) dataRow {
	id := doc.ID.String()
	r := dataRow{ID: id, Open: v.Q("edit") == id && v.Q("field") == ""}
	o := doc.Object()
	for _, c := range v.Columns {
		if !c.Shown {
			continue
		}
		val, _ := o.Get(c.Name)
		out := dataCell{Cell: cell(val), Field: c.Name}
		if s, ok := val.(value.String); ok && c.Name != "_id" {
			out.Link = v.linkTo(tx, string(s))
		}
		if may && !strings.HasPrefix(c.Name, "_") {
			out.Edit = v.With("edit", id, "field", c.Name, "new", "")
		}
		switch {
		case c.Name == "_creationTime":
			out.Kind, out.Text, out.Full = "time", "", ""
			out.At = time.UnixMilli(int64(doc.CreationTime)).UTC()
		case c.Name == "_id" || out.Link != "":
			out.Kind, out.Full = "id", out.Text
		}
		r.Cells = append(r.Cells, out)
	}
	return r
}

// linkTo is the address of the document that a text is the id of; "" if it is none.
func (v *dataView) linkTo(tx *database.Tx, text string) string {
	if len(text) < 31 || len(text) > 37 { // lengths of ids
		return ""
	}
	id, err := value.ParseID(text)
	if err != nil {
		return ""
	}
	table, ok := tx.TableName(id.Table)
	if !ok || strings.HasPrefix(table, "_") {
		return ""
	}
	q := url.Values{"table": {table}, "f": {"_id"}, "o": {"eq"}, "v": {`"` + text + `"`}}
	if v.Component != "" {
		q.Set("component", v.Component)
	}
	return address(v.Base()+"/data", q)
}

// digestOf is short for a value, to see whether it has changed; "" for none.
func digestOf(v value.Value) string {
	if v == nil {
		return ""
	}
	h := shortHash(value.JSON(v))
	return hex.EncodeToString(h[:])
}

// readEditor fills in the form that the address asks for.
func (v *dataView) readEditor(ctx context.Context, tx *database.Tx) error {
	may, err := v.May("save")
	if err != nil || !may {
		return err
	}
	if v.Q("new") != "" {
		v.Edit = &editor{Text: v.Typed("add", "value", v.skeleton())}
		return nil
	}
	text := v.Q("edit")
	if text == "" {
		return nil
	}
	e := &editor{ID: text, Field: v.Q("field")}
	id, err := value.ParseID(text)
	if err != nil {
		e.Gone = true
		v.Edit = e
		return nil
	}
	doc, err := tx.Get(ctx, id)
	if err != nil {
		return err
	}
	if table, _ := tx.TableName(id.Table); doc == nil || table != v.Table {
		e.Gone = true
		v.Edit = e
		return nil
	}
	o := doc.Object()
	if e.Field != "" {
		val, _ := o.Get(e.Field)
		e.Was = digestOf(val)
		if val != nil {
			e.Text = writeLiteral(val)
		}
	} else {
		o = o.Without("_id").Without("_creationTime")
		e.Was, e.Text = digestOf(o), writeLiteral(o)
	}
	if v.Posted == "save" {
		if v.Alert == errChanged { // seen now, so that the next saving is meant
			e.Now = e.Text
		} else {
			e.Was = v.PostForm.Get("was")
		}
		e.Text = v.PostForm.Get("value")
		v.Still("data-rows")
	}
	if e.Field != "" {
		for i := range v.Rows {
			for j := range v.Rows[i].Cells {
				if c := &v.Rows[i].Cells[j]; v.Rows[i].ID == text && c.Field == e.Field {
					c.Form = e
					return nil
				}
			}
		}
	}
	v.Edit = e
	return nil
}

// skeleton is what a new document begins with.
func (v *dataView) skeleton() string {
	var b strings.Builder
	b.WriteString("{\n")
	for _, f := range v.Schema {
		if !strings.HasSuffix(f.Name, "?") {
			b.WriteString("  " + fieldName(f.Name) + ": , // " + f.Type + "\n")
		}
	}
	b.WriteString("}")
	return b.String()
}

package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// plan is what an import is to do, as of a snapshot.
type plan struct {
	how    ImportOptions
	tables []*target // those of the import, in its order
	others []*target // with ReplaceAll: those that are to go, or to be empty
}

// target is a table that an import changes.
type target struct {
	*bringing
	number value.TableNumber // of the ids that come; 0 if none come
	exists bool
	is     value.TableNumber // the number that it has now
	has    int               // documents that it has now
	keep   bool              // a schema names it, so it stays, empty
	count  int               // documents that come
}

// label is how messages name the table.
func (t *target) label() string {
	if c := t.component(); c != "" {
		return c + "/" + t.name
	}
	return t.name
}

// makePlan finds out which tables an import changes, and refuses what cannot be.
func (s *Service) makePlan(ctx context.Context, tx *database.Tx, how ImportOptions, a *archive) (*plan, error) {
	p := &plan{how: how}
	names := map[string]bool{}
	for _, b := range a.tables {
		if b.component() != "" {
			return nil, apierr.New(apierr.Unsupported, "ComponentsNotSupported", "%s is data of a component; components cannot be imported by this version of Lentil.", cmpText(b.where, b.component()))
		}
		if b.name != filestorage.FileTable && strings.HasPrefix(b.name, "_") {
			return nil, fault("%s: names of tables that begin with an underscore are the system's. Remove the folder.", b.where)
		}
		if err := value.CheckIdentifier("table name", b.name); err != nil {
			return nil, under(cmpText(b.where, b.name), err)
		}
		t := &target{bringing: b, number: a.numbers[b.folder+b.name]}
		if t.number == 0 || how.Format != formatZip {
			n, err := peekNumber(b, a)
			if err != nil {
				return nil, err
			}
			t.number = n
		}
		if err := t.look(ctx, tx); err != nil {
			return nil, err
		}
		if how.Mode == RequireEmpty && t.has > 0 {
			return nil, fault("Table %q has documents already. Use --append to add to them, or --replace to replace them.", t.label())
		}
		names[t.name] = true
		p.tables = append(p.tables, t)
	}
	if how.Mode != ReplaceAll {
		return p, nil
	}
	active, err := udf.ActiveSchema(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, have := range tx.Tables() {
		if have.System() || names[have.Name] {
			continue
		}
		t := &target{bringing: &bringing{name: have.Name}}
		if err := t.look(ctx, tx); err != nil {
			return nil, err
		}
		if active != nil {
			_, t.keep = active.Table(have.Name)
		}
		p.others = append(p.others, t)
	}
	return p, nil
}

// cmpText is the first text that is not empty.
func cmpText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// look finds out what there is of the table.
func (t *target) look(ctx context.Context, tx *database.Tx) (err error) {
	var have database.Table
	if have, t.exists = tx.Table(t.name); t.exists {
		t.is = have.Number
	}
	t.has, err = tx.Count(ctx, t.name)
	return err
}

// peekNumber is the number of the table that the first document's id is of; 0 if it
// has none.
func peekNumber(b *bringing, a *archive) (value.TableNumber, error) {
	if b.name == storageFolder {
		for id := range a.files[b.folder] {
			parsed, err := value.ParseID(id)
			if err != nil {
				return 0, under(b.folder+storageFolder, err)
			}
			return parsed.Table, nil
		}
	}
	r, c, err := b.open()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	rec, err := r.next()
	if errors.Is(err, io.EOF) {
		return 0, nil
	}
	if err != nil {
		return 0, b.at(err)
	}
	id, err := idOf(rec)
	if err != nil {
		return 0, b.at(err)
	}
	return id.Table, nil
}

// at says in which file an error was met.
func (b *bringing) at(err error) error {
	if b.where == "" {
		return err
	}
	return under(b.where, err)
}

// idOf is a record's id; zero if it has none.
func idOf(rec record) (value.ID, error) {
	v, ok := rec.fields.Get("_id")
	if !ok {
		return value.ID{}, nil
	}
	s, ok := v.(value.String)
	if !ok {
		return value.ID{}, fault("line %d: _id must be a string.", rec.line)
	}
	id, err := value.ParseID(string(s))
	if err != nil {
		return id, under(fmt.Sprintf("line %d", rec.line), err)
	}
	return id, nil
}

// incoming is a document that is to be written.
type incoming struct {
	record
	id      value.ID // zero: to be made
	created float64  // 0: now
}

// take reads the system fields of a record off.
func (t *target) take(rec record) (in incoming, err error) {
	in = incoming{record: rec}
	if in.id, err = idOf(rec); err != nil {
		return in, err
	}
	if want := t.number; in.id.Table != 0 && in.id.Table != want {
		return in, fault("line %d: the _id %s is that of a document of another table: its table number is %d, not %d.", rec.line, in.id, in.id.Table, want)
	}
	if v, ok := rec.fields.Get("_creationTime"); ok {
		f, ok := v.(value.Float64)
		if in.created = float64(f); !ok || math.IsNaN(in.created) || in.created < 0 || in.created > 1e15 {
			return in, fault("line %d: _creationTime must be a number of milliseconds since 1970.", rec.line)
		}
	}
	if err := value.CheckDocument(rec.fields); err != nil {
		return in, under(fmt.Sprintf("line %d", rec.line), err)
	}
	in.fields = rec.fields.Without("_id").Without("_creationTime")
	return in, nil
}

// read gives every document of the table to f. Whatever is wrong is said with its
// place.
func (t *target) read(ctx context.Context, f func(incoming) error) error {
	r, c, err := t.open()
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return t.at(err)
		}
		in, err := t.take(rec)
		if err == nil {
			err = f(in)
		}
		if err != nil {
			return t.at(err)
		}
	}
}

// checker holds documents of one table against the active schema.
type checker struct {
	table  *schema.Table
	tables schema.Tables
}

// checkers finds the schema as it is to hold after the import.
func (p *plan) checkers(ctx context.Context, tx *database.Tx) (func(*target) checker, error) {
	active, err := udf.ActiveSchema(ctx, tx)
	if err != nil {
		return nil, err
	}
	after := &afterwards{tx: tx, byName: map[string]value.TableNumber{}, byNumber: map[value.TableNumber]string{}}
	for _, t := range p.tables {
		if t.number != 0 {
			after.byName[t.name], after.byNumber[t.number] = t.number, t.name
		}
	}
	return func(t *target) checker {
		c := checker{tables: after}
		if active != nil && active.Validate {
			c.table, _ = active.Table(t.name)
		}
		return c
	}, nil
}

// check holds a document against the schema.
func (c checker) check(in incoming) error {
	if c.table == nil {
		return nil
	}
	var m *schema.Mismatch
	if err := c.table.CheckDocument(in.fields, c.tables); errors.As(err, &m) {
		return fault("line %d: the document does not match the schema: %s\nChange the file, or the schema and push that first.", in.line, m.Error())
	} else if err != nil {
		return err
	}
	return nil
}

// afterwards is which tables there will be after an import.
type afterwards struct {
	tx       *database.Tx
	byName   map[string]value.TableNumber
	byNumber map[value.TableNumber]string
}

// TableNumber implements schema.Tables.
func (a *afterwards) TableNumber(name string) (value.TableNumber, bool) {
	if n, ok := a.byName[name]; ok {
		return n, true
	}
	return a.tx.TableNumber(name)
}

// TableName implements schema.Tables.
func (a *afterwards) TableName(n value.TableNumber) (string, bool) {
	if name, ok := a.byNumber[n]; ok {
		return name, true
	}
	name, ok := a.tx.TableName(n)
	if _, moved := a.byName[name]; ok && moved {
		return "", false
	}
	return name, ok
}

// survey reads an upload through and says what the import would do.
func (s *Service) survey(ctx context.Context, i *Import) error {
	f, err := s.openParts(ctx, i.token)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := openArchive(&i.Options, f)
	if err != nil {
		return err
	}
	var p *plan
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		if p, err = s.makePlan(ctx, tx, i.Options, a); err != nil {
			return err
		}
		return s.readThrough(ctx, tx, p, a)
	})
	if err != nil {
		return err
	}
	message, manual := p.summary()
	is, err := s.advance(ctx, i.ID, uploaded, func(tx *database.Tx, row *database.Document) error {
		return change(ctx, tx, row, "state", value.String(waiting), "message", value.String(message), "manual", value.Bool(manual))
	})
	if is && err == nil {
		s.Log.Info("import waits for confirmation", "import", i.ID.String(), "tables", len(p.tables))
	}
	return err
}

// readThrough checks every document that comes, and counts them.
func (s *Service) readThrough(ctx context.Context, tx *database.Tx, p *plan, a *archive) error {
	check, err := p.checkers(ctx, tx)
	if err != nil {
		return err
	}
	for _, t := range p.tables {
		if t.name == filestorage.FileTable {
			t.count, err = checkFiles(ctx, t, a.files[t.folder])
		} else {
			c := check(t)
			t.count = 0
			err = t.read(ctx, func(in incoming) error {
				t.count++
				return c.check(in)
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// summary is the table of what an import creates and deletes, and whether a person
// should look at it first.
func (p *plan) summary() (string, bool) {
	lines := [][3]string{{"table", "create", "delete"}}
	deletes := false
	for _, t := range p.tables {
		gone := "0"
		if t.has > 0 {
			if p.how.Mode == Replace || p.how.Mode == ReplaceAll {
				gone, deletes = fmt.Sprintf("%d of %d", t.has, t.has), true
			} else {
				gone = fmt.Sprintf("0 of %d", t.has)
			}
		}
		lines = append(lines, [3]string{t.label(), fmt.Sprint(t.count), gone})
	}
	var drop []string
	for _, t := range p.others {
		if t.has > 0 || !t.keep {
			deletes = true
			lines = append(lines, [3]string{t.label(), "0", fmt.Sprintf("%d of %d", t.has, t.has)})
		}
		if !t.keep {
			drop = append(drop, t.label())
		}
	}
	var width [3]int
	for _, l := range lines {
		for i, s := range l {
			width[i] = max(width[i], len(s))
		}
	}
	var b strings.Builder
	b.WriteString("Import change summary:\n")
	for n, l := range lines {
		fmt.Fprintf(&b, "%-*s | %-*s | %-*s |\n", width[0], l[0], width[1], l[1], width[2], l[2])
		if n == 0 {
			fmt.Fprintf(&b, "%s-+-%s-+-%s-+\n", strings.Repeat("-", width[0]), strings.Repeat("-", width[1]), strings.Repeat("-", width[2]))
		}
	}
	if len(drop) > 0 {
		slices.Sort(drop)
		fmt.Fprintf(&b, "Tables that go, being neither in the import nor in the schema: %s\n", strings.Join(drop, ", "))
	}
	b.WriteString("Once the import has started, it goes on in the server.\nInterrupting `npx convex import` does not cancel it.")
	return b.String(), deletes
}

package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// plan is what an import is to do, as of a snapshot.
type plan struct {
	how     ImportOptions
	tables  []*target // those of the import, in its order
	others  []*target // with ReplaceAll: those that are to go, or to be empty
	moves   []*target // empty ones that have a number which the import needs
	schemas map[value.Space][]byte
}

// target is a table that an import changes.
type target struct {
	*bringing
	space  value.Space
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

// replaces tells whether what the table has is to go.
func (p *plan) replaces() bool { return p.how.Mode == Replace || p.how.Mode == ReplaceAll }

// direct tells whether documents are added to the table as it is, rather than to one
// that takes its place.
func (p *plan) direct(t *target) bool {
	return p.how.Mode == Append && t.exists && (t.number == 0 || t.number == t.is)
}

// makePlan finds out which tables an import changes, and refuses what cannot be.
func (s *Service) makePlan(ctx context.Context, tx *database.Tx, how ImportOptions, a *archive) (*plan, error) {
	p := &plan{how: how, schemas: map[value.Space][]byte{}}
	tree, err := udf.Components(ctx, tx)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, b := range a.tables {
		t := &target{bringing: b, number: a.numbers[b.folder+b.name]}
		c := tree.At(b.component())
		if c == nil {
			return nil, fault("%s: there is no component %q in this deployment. Push the app that mounts it first, or remove the folder.", cmpText(b.where, b.name), b.component())
		}
		t.space = c.Space
		if b.name != filestorage.FileTable && strings.HasPrefix(b.name, "_") {
			if b.where != "" && ignored[b.name] {
				continue
			}
			return nil, fault("%s: names of tables that begin with an underscore are the system's. Remove the folder.", b.where)
		}
		if err := value.CheckIdentifier("table name", b.name); err != nil {
			return nil, under(cmpText(b.where, b.name), err)
		}
		if t.number == 0 || how.Format != formatZip {
			if t.number, err = peekNumber(b, a); err != nil {
				return nil, err
			}
		}
		if err := t.look(ctx, tx); err != nil {
			return nil, err
		}
		switch {
		case how.Mode == RequireEmpty && t.has > 0:
			return nil, fault("Table %q has documents already. Use --append to add to them, or --replace to replace them.", t.label())
		case how.Mode == Append && t.has > 0 && t.number != 0 && t.number != t.is:
			return nil, fault("The ids that are to be added to table %q are those of another table: their table number is %d, not %d. Leave _id out, or use --replace.", t.label(), t.number, t.is)
		}
		names[t.label()] = true
		p.tables = append(p.tables, t)
	}
	if how.Mode == ReplaceAll {
		all := tree.All
		if tree.At("").Space == 0 && !slices.ContainsFunc(all, func(c udf.Component) bool { return c.Path == "" }) {
			all = append([]udf.Component{{}}, all...)
		}
		for _, c := range all {
			if how.Format != formatZip && c.Path != how.Component {
				continue // a file of one table tells nothing of other components
			}
			if err := p.addOthers(ctx, tx, c, names); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range p.tables {
		if p.schemas[t.space], err = udf.ActiveSchemaJSON(ctx, tx.In(t.space)); err != nil {
			return nil, err
		}
	}
	return p, p.settleNumbers(ctx, tx)
}

// ignored are folders of the system that other services put into their exports and
// that there is nothing to do about.
var ignored = map[string]bool{"_scheduled_functions": true, "_cron_jobs": true, "_cron_job_logs": true}

// addOthers finds the tables of a component that are not in the import.
func (p *plan) addOthers(ctx context.Context, tx *database.Tx, c udf.Component, names map[string]bool) error {
	active, err := udf.ActiveSchema(ctx, tx.In(c.Space))
	if err != nil {
		return err
	}
	for _, have := range tx.In(c.Space).Tables() {
		t := &target{bringing: &bringing{folder: folderOf(c.Path), name: have.Name}, space: c.Space}
		if have.System() || names[t.label()] {
			continue
		}
		if err := t.look(ctx, tx); err != nil {
			return err
		}
		if active != nil {
			_, t.keep = active.Table(have.Name)
		}
		p.others = append(p.others, t)
	}
	return nil
}

// firstUserTable is the lowest number of a user's table (convex-runtime.md §4.6).
const firstUserTable = 10001

// settleNumbers sees to it that the numbers of the import are free: a table that has
// one of them and is empty can get another.
func (p *plan) settleNumbers(ctx context.Context, tx *database.Tx) error {
	type key struct {
		space  value.Space
		number value.TableNumber
	}
	used := map[key]*target{}
	ours := map[string]bool{}
	for _, t := range p.tables {
		ours[t.label()] = true
		if t.number == 0 {
			continue
		}
		if t.number < firstUserTable && t.name != filestorage.FileTable {
			return fault("The ids of table %q have the table number %d, which is below those of users' tables (%d and above).", t.label(), t.number, firstUserTable)
		}
		k := key{t.space, t.number}
		if other := used[k]; other != nil {
			return fault("Tables %q and %q of the import have the same table number, %d.", other.label(), t.label(), t.number)
		}
		used[k] = t
	}
	for k, t := range used {
		name, taken := tx.In(k.space).TableNamed(k.number)
		other := &target{bringing: &bringing{folder: t.folder, name: name}, space: k.space}
		if !taken || name == t.name || ours[other.label()] || slices.ContainsFunc(p.others, func(o *target) bool { return o.label() == other.label() }) {
			continue
		}
		if err := other.look(ctx, tx); err != nil {
			return err
		}
		if other.has > 0 || strings.HasPrefix(name, "_") {
			return fault("The ids of table %q have the table number %d, which is that of table %q here. Import into a new deployment, or use --replace-all.", t.label(), t.number, other.label())
		}
		p.moves = append(p.moves, other)
	}
	return nil
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
	in := tx.In(t.space)
	if have, t.exists = in.Table(t.name); t.exists {
		t.is = have.Number
	}
	t.has, err = in.Count(ctx, t.name)
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

// checkers finds the schemas as they are to hold after the import.
func (p *plan) checkers(ctx context.Context, tx *database.Tx) (func(*target) checker, error) {
	after := map[value.Space]*afterwards{}
	active := map[value.Space]*schema.Schema{}
	for _, t := range p.tables {
		if after[t.space] == nil {
			in := tx.In(t.space)
			var err error
			if active[t.space], err = udf.ActiveSchema(ctx, in); err != nil {
				return nil, err
			}
			after[t.space] = &afterwards{tx: in, byName: map[string]value.TableNumber{}, byNumber: map[value.TableNumber]string{}}
		}
		if t.number != 0 {
			after[t.space].byName[t.name], after[t.space].byNumber[t.number] = t.number, t.name
		}
	}
	return func(t *target) checker {
		c := checker{tables: after[t.space]}
		if a := active[t.space]; a != nil && a.Validate {
			c.table, _ = a.Table(t.name)
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
			if p.replaces() {
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

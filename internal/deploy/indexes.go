package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/schema"
)

// pendingMark begins the name under which the index of a push is built, so that
// it can stand beside the live one of the same name. No declared index can be
// called so, because it is no identifier.
const pendingMark = "~"

// step is one change to an index.
type step struct {
	table, name string
	fields      []string
	staged      bool
	kind        database.IndexKind
	dimensions  int
}

// same tells whether an index is what the step wants, whatever its name and state.
func (s step) same(ix database.Index) bool {
	return s.kind == ix.Kind && s.dimensions == ix.Dimensions && slices.Equal(s.fields, ix.Fields)
}

// stepOf is the step that has a declared index as it is.
func stepOf(table string, ix database.Index) step {
	return step{table, ix.Name, ix.Fields, ix.State == database.Staged, ix.Kind, ix.Dimensions}
}

// steps are the indexes that a schema wants of a table.
func steps(t *schema.Table) (list []step) {
	for _, ix := range t.Indexes {
		list = append(list, step{t.Name, ix.Name, ix.Fields, ix.Staged, database.Ordered, 0})
	}
	for _, ix := range t.Search {
		def := database.Searched{Kind: database.Text, Field: ix.SearchField, Filters: ix.FilterFields}
		list = append(list, step{t.Name, ix.Name, def.Fields(), ix.Staged, def.Kind, 0})
	}
	for _, ix := range t.Vector {
		def := database.Searched{Kind: database.Vector, Field: ix.VectorField, Filters: ix.FilterFields}
		list = append(list, step{t.Name, ix.Name, def.Fields(), ix.Staged, def.Kind, ix.Dimensions})
	}
	return list
}

// declare adds the step's index to the table under a name.
func (s step) declare(ctx context.Context, tx *database.Tx, name string, state database.IndexState) error {
	if s.kind == database.Ordered {
		return tx.AddIndex(ctx, s.table, name, s.fields, state)
	}
	def := database.Searched{Kind: s.kind, Field: s.fields[0], Filters: s.fields[1:], Dimensions: s.dimensions}
	return tx.AddSearchIndex(ctx, s.table, name, def, state)
}

// plan is what a push does to the indexes of user tables.
type plan struct {
	added, removed, enabled, disabled []step
	identical                         []step
}

// planOf compares the live indexes with those of a schema; nil declares none.
func planOf(tx *database.Tx, next *schema.Schema) plan {
	var p plan
	live := map[string]map[string]database.Index{}
	for _, t := range tx.Tables() {
		if t.System() {
			continue
		}
		live[t.Name] = map[string]database.Index{}
		for _, ix := range tx.Indexes(t.Name) {
			if !strings.HasPrefix(ix.Name, pendingMark) && !strings.HasPrefix(ix.Name, database.PrivateMark) {
				live[t.Name][ix.Name] = ix
			}
		}
	}
	if next != nil {
		for _, t := range next.Tables {
			for _, s := range steps(&t) {
				have, ok := live[t.Name][s.name]
				delete(live[t.Name], s.name)
				switch staged := have.State == database.Staged; {
				case !ok:
					p.added = append(p.added, s)
				case !s.same(have):
					p.added = append(p.added, s)
					p.removed = append(p.removed, stepOf(t.Name, have))
				case staged && !s.staged:
					p.enabled = append(p.enabled, s)
				case !staged && s.staged:
					p.disabled = append(p.disabled, s)
				default:
					p.identical = append(p.identical, s)
				}
			}
		}
	}
	for table, rest := range live {
		for _, ix := range rest {
			p.removed = append(p.removed, stepOf(table, ix))
		}
	}
	slices.SortFunc(p.removed, func(a, b step) int {
		return strings.Compare(a.table+"."+a.name, b.table+"."+b.name)
	})
	return p
}

// diff is the plan as clients see it.
func (p plan) diff() IndexDiff {
	list := func(steps []step) []IndexConfig {
		out := []IndexConfig{}
		for _, s := range steps {
			out = append(out, s.config())
		}
		return out
	}
	return IndexDiff{Added: list(p.added), Removed: list(p.removed), Enabled: list(p.enabled), Disabled: list(p.disabled)}
}

// config is the step's index as clients see it.
func (s step) config() IndexConfig {
	c := IndexConfig{Name: s.table + "." + s.name, Type: "database", Staged: s.staged}
	switch s.kind {
	case database.Ordered:
		c.Fields = s.fields
	case database.Text:
		c.Type, c.SearchField, c.FilterFields = "search", s.fields[0], append([]string{}, s.fields[1:]...)
	case database.Vector:
		c.Type, c.VectorField, c.FilterFields = "vector", s.fields[0], append([]string{}, s.fields[1:]...)
		c.Dimensions = s.dimensions
	}
	return c
}

// index finds a declared index of a table.
func index(tx *database.Tx, table, name string) (database.Index, bool) {
	for _, ix := range tx.Indexes(table) {
		if ix.Name == name {
			return ix, true
		}
	}
	return database.Index{}, false
}

// prepare begins to build what the plan needs and stops building what other
// pushes left behind. Indexes of tables that do not exist need no building.
func (p plan) prepare(ctx context.Context, tx *database.Tx) error {
	wanted := map[string]step{} // by table and pending name
	for _, s := range p.added {
		if !s.staged {
			wanted[s.table+"."+pendingMark+s.name] = s
		}
	}
	for _, t := range tx.Tables() {
		if t.System() {
			continue
		}
		for _, ix := range tx.Indexes(t.Name) {
			if !strings.HasPrefix(ix.Name, pendingMark) {
				continue
			}
			if s, ok := wanted[t.Name+"."+ix.Name]; ok && s.same(ix) {
				continue
			}
			if err := tx.DropIndex(ctx, t.Name, ix.Name); err != nil {
				return err
			}
		}
	}
	for _, s := range p.added {
		if _, ok := tx.Table(s.table); !ok || s.staged {
			continue
		}
		if _, ok := index(tx, s.table, pendingMark+s.name); !ok {
			if err := s.declare(ctx, tx, pendingMark+s.name, database.Building); err != nil {
				return err
			}
		}
	}
	return nil
}

// progress counts the indexes that finishing has to wait for.
func (p plan) progress(tx *database.Tx) (complete, total int) {
	for _, s := range p.added {
		if s.staged {
			continue
		}
		total++
		if _, exists := tx.Table(s.table); !exists {
			complete++
		} else if ix, ok := index(tx, s.table, pendingMark+s.name); ok && ix.Built {
			complete++
		}
	}
	for _, s := range p.enabled {
		total++
		if ix, ok := index(tx, s.table, s.name); ok && ix.Built {
			complete++
		}
	}
	return complete, total
}

// apply makes the planned indexes the live ones.
func (p plan) apply(ctx context.Context, tx *database.Tx) error {
	for _, s := range p.removed {
		if err := tx.DropIndex(ctx, s.table, s.name); err != nil {
			return err
		}
	}
	for _, s := range p.disabled {
		if err := tx.SetIndexState(ctx, s.table, s.name, database.Staged); err != nil {
			return err
		}
	}
	for _, s := range p.enabled {
		if err := tx.SetIndexState(ctx, s.table, s.name, database.Enabled); err != nil {
			return err
		}
	}
	for _, s := range p.added {
		if err := s.add(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// add makes one new index live: the one that was built for it, or one of an
// empty table.
func (s step) add(ctx context.Context, tx *database.Tx) error {
	if s.staged {
		return s.declare(ctx, tx, s.name, database.Staged)
	}
	if _, ok := index(tx, s.table, pendingMark+s.name); ok {
		if err := tx.RenameIndex(ctx, s.table, pendingMark+s.name, s.name); err != nil {
			return err
		}
		return tx.SetIndexState(ctx, s.table, s.name, database.Enabled)
	}
	if err := s.declare(ctx, tx, s.name, database.Enabled); err != nil {
		return err
	}
	if ix, _ := index(tx, s.table, s.name); ix.State != database.Enabled {
		return &database.IndexError{Table: s.table, Index: s.name, Backfilling: true}
	}
	return nil
}

package database

import (
	"context"
	"fmt"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// NumberedTable makes sure that a table exists and has a number, as the ids of
// restored documents ask for.
func (tx *Tx) NumberedTable(ctx context.Context, name string, n value.TableNumber) (Table, error) {
	if t := tx.named(name); t != nil {
		if t.Number != n {
			return t.Table, fmt.Errorf("database: table %s has the number %d, not %d", name, t.Number, n)
		}
		return t.Table, nil
	}
	if err := value.CheckIdentifier("table name", name); err != nil {
		return Table{}, err
	}
	first, last := firstUserTable, firstUserTable+maxTables
	if name[0] == '_' {
		first, last = firstSystemTable, firstUserTable
	}
	if n < first || n >= last {
		return Table{}, apierr.New(apierr.BadRequest, "InvalidTableNumber",
			"Table %q cannot have the number %d: the numbers of such tables are from %d to %d.", name, n, first, last-1)
	}
	if other, taken := tx.TableNamed(n); taken {
		return Table{}, fmt.Errorf("database: number %d of table %s is that of table %s", n, name, other)
	}
	t, err := tx.addTable(name, n)
	if err != nil {
		return Table{}, err
	}
	return t.Table, nil
}

// Restore adds a document that has an id and a creation time already, to a table
// that exists.
func (tx *Tx) Restore(ctx context.Context, id value.ID, created float64, fields value.Object) error {
	id.Space = tx.space
	t := tx.cat.numbered(placeOf(tx.space, id.Table))
	if t == nil {
		return fmt.Errorf("database: restore %s: no table has the number %d", id, id.Table)
	}
	old, err := tx.load(ctx, id)
	if err != nil {
		return err
	}
	if old != nil {
		return apierr.New(apierr.BadRequest, "DuplicateId", "There is a document with the id %s already.", id)
	}
	d, err := tx.document(t.Table, id, created, fields)
	if err != nil {
		return err
	}
	ch := tx.changes[d.docID()]
	if ch == nil {
		ch = &change{doc: d.docID()}
	}
	return tx.put(ch, d)
}

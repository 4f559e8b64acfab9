package udf

import (
	"context"
	"errors"
	"fmt"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/value"
)

// States of the row of a schema that a push wants to make active. There is at
// most one row in either.
const (
	pendingState = "pending" // writes are held against it
	failedState  = "failed"  // a write did not match
)

// Pending is a schema that a push wants to make active. Writes that do not match
// it are allowed, but it can then not become active.
type Pending struct {
	Push           string         // id of the push
	Schema         *schema.Schema // nil once it has failed
	Failure, Table string         // what did not match, and in which table; "" while all is well

	row *database.Document
}

// pendingRow finds the row in either state; nil when there is none.
func pendingRow(ctx context.Context, tx *database.Tx) (*database.Document, error) {
	for _, state := range [...]string{pendingState, failedState} {
		var row *database.Document
		err := scan(ctx, tx, schemaTable, byState, []value.Value{value.String(state)}, func(doc *database.Document) error {
			row = doc
			return nil
		})
		if err != nil || row != nil {
			return row, err
		}
	}
	return nil, nil
}

// PendingSchema is the schema a push waits for; nil when there is none.
func PendingSchema(ctx context.Context, tx *database.Tx) (*Pending, error) {
	row, err := pendingRow(ctx, tx)
	if err != nil || row == nil {
		return nil, err
	}
	return pendingOf(row)
}

// pendingOf reads a row in either state.
func pendingOf(row *database.Document) (*Pending, error) {
	o := row.Object()
	p := &Pending{Push: text(o, "push"), Failure: text(o, "error"), Table: text(o, "table"), row: row}
	if text(o, "state") == pendingState {
		var err error
		if p.Schema, err = schema.ParseSchema([]byte(text(o, "schema"))); err != nil {
			return nil, fmt.Errorf("udf: read pending schema: %w", err)
		}
	}
	return p, nil
}

// SetPendingSchema makes a push's schema (its JSON) the one that writes are held
// against from this transaction's commit on; nil ends that.
func SetPendingSchema(ctx context.Context, tx *database.Tx, push string, pushed []byte) error {
	row, err := pendingRow(ctx, tx)
	if err != nil {
		return err
	}
	if row != nil {
		if err := tx.Delete(ctx, row.ID); err != nil {
			return fmt.Errorf("udf: end pending schema: %w", err)
		}
	}
	if pushed == nil {
		return nil
	}
	_, err = tx.Insert(ctx, schemaTable, value.ObjectOf(
		value.Field{Name: "state", Value: value.String(pendingState)},
		value.Field{Name: "push", Value: value.String(push)},
		value.Field{Name: "schema", Value: value.String(pushed)},
	))
	if err != nil {
		return fmt.Errorf("udf: write pending schema: %w", err)
	}
	return nil
}

// check holds a write against the schema. One that does not match makes the
// schema fail, in the same transaction; the write itself goes on.
func (p *Pending) check(ctx context.Context, tx *database.Tx, table string, id value.ID, fields value.Object) error {
	if p == nil || p.Schema == nil || !p.Schema.Validate {
		return nil
	}
	t, ok := p.Schema.Table(table)
	if !ok {
		return nil
	}
	var m *schema.Mismatch
	if !errors.As(t.CheckDocument(fields, tx), &m) {
		return nil
	}
	what := "A new document"
	if id.Table != 0 {
		what = fmt.Sprintf("Document with ID %q", id.String())
	}
	return tx.Replace(ctx, p.row.ID, value.ObjectOf(
		value.Field{Name: "state", Value: value.String(failedState)},
		value.Field{Name: "push", Value: value.String(p.Push)},
		value.Field{Name: "error", Value: value.String(fmt.Sprintf("%s in table %q does not match the schema: %s", what, table, m.Error()))},
		value.Field{Name: "table", Value: value.String(table)},
	))
}

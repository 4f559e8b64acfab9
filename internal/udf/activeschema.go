package udf

import (
	"context"
	"fmt"
	"sync"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/value"
)

// activeState is the state of the row that holds the schema writes are checked
// against; rows in other states are deploy's.
const activeState = "active"

// activeRow finds the row of the active schema; nil when there is none.
func activeRow(ctx context.Context, tx *database.Tx) (*database.Document, error) {
	var row *database.Document
	err := scan(ctx, tx, schemaTable, byState, []value.Value{value.String(activeState)}, func(doc *database.Document) error {
		row = doc
		return nil
	})
	return row, err
}

// ActiveSchema is the schema writes are checked against; nil when there is none.
func ActiveSchema(ctx context.Context, tx *database.Tx) (*schema.Schema, error) {
	text, err := ActiveSchemaJSON(ctx, tx)
	if err != nil || text == nil {
		return nil, err
	}
	s, err := schema.ParseSchema(text)
	if err != nil {
		return nil, fmt.Errorf("udf: read active schema: %w", err)
	}
	return s, nil
}

// ActiveSchemaJSON is the text of the active schema as it was pushed; nil when there is none.
func ActiveSchemaJSON(ctx context.Context, tx *database.Tx) ([]byte, error) {
	doc, err := activeRow(ctx, tx)
	if err != nil || doc == nil {
		return nil, err
	}
	return []byte(text(doc.Object(), "schema")), nil
}

// SetActiveSchema makes the schema (its JSON as pushed; nil for none) the one
// that writes are checked against, when the transaction commits.
func SetActiveSchema(ctx context.Context, tx *database.Tx, pushed []byte) error {
	doc, err := activeRow(ctx, tx)
	if err != nil {
		return err
	}
	fields := value.ObjectOf(
		value.Field{Name: "state", Value: value.String(activeState)},
		value.Field{Name: "schema", Value: value.String(pushed)},
	)
	switch {
	case doc == nil && pushed == nil:
	case doc == nil:
		_, err = tx.Insert(ctx, schemaTable, fields)
	case pushed == nil:
		err = tx.Delete(ctx, doc.ID)
	case text(doc.Object(), "schema") != string(pushed):
		err = tx.Replace(ctx, doc.ID, fields)
	}
	if err != nil {
		return fmt.Errorf("udf: write active schema: %w", err)
	}
	return nil
}

// schemas are the schema that writes are checked against, parsed once for each text
// of its row, and the one that a push waits for. Either may be nil.
func (r *Runner) schemas(ctx context.Context, tx *database.Tx) (active *schema.Schema, waiting *Pending, err error) {
	var doc *database.Document
	err = scan(ctx, tx, schemaTable, byState, nil, func(row *database.Document) (err error) {
		if text(row.Object(), "state") == activeState {
			doc = row
		} else {
			waiting, err = pendingOf(row)
		}
		return err
	})
	if err != nil || doc == nil {
		return nil, waiting, err
	}
	if have := r.parsed.find(tx.Space(), doc); have != nil {
		return have, waiting, nil
	}
	if active, err = schema.ParseSchema([]byte(text(doc.Object(), "schema"))); err != nil {
		return nil, nil, fmt.Errorf("udf: read active schema: %w", err)
	}
	r.parsed.put(tx.Space(), parsedSchema{doc, active})
	return active, waiting, nil
}

// parsedSchemas are the schemas that were parsed last, one for each namespace.
type parsedSchemas struct {
	mu    sync.Mutex
	known map[value.Space]parsedSchema
}

// find gives the schema of a row if that is the one that was parsed last.
func (p *parsedSchemas) find(space value.Space, doc *database.Document) *schema.Schema {
	p.mu.Lock()
	defer p.mu.Unlock()
	if have := p.known[space]; have.doc != nil && sameDocument(have.doc, doc) {
		return have.schema
	}
	return nil
}

// put remembers a schema.
func (p *parsedSchemas) put(space value.Space, s parsedSchema) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[value.Space]parsedSchema{}
	}
	p.known[space] = s
}

// parsedSchema is the schema of a row that was read before.
type parsedSchema struct {
	doc    *database.Document
	schema *schema.Schema
}

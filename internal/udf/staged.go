package udf

import (
	"context"
	"errors"
	"fmt"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/value"
)

// States of a staged validator (convex-runtime.md §5.2). It is never enforced; the
// state tells its author whether the documents would let it be.
const (
	StagedChecking = "checking" // the documents that are there are being looked at
	StagedValid    = "valid"    // every document matches
	StagedInvalid  = "invalid"  // one does not
)

// Staged is what is known of the staged validator of a table.
type Staged struct {
	Table, Validator string // validator as JSON
	State            string
	Failure          string // what did not match, when it is invalid
	Document         string // id of the document; "" if that was a new one
	Space            value.Space

	row *database.Document
}

// StagedValidators lists those of a namespace.
func StagedValidators(ctx context.Context, tx *database.Tx) ([]Staged, error) {
	var list []Staged
	err := scan(ctx, tx, stagedTable, byTable, nil, func(doc *database.Document) error {
		s := stagedOf(doc)
		s.Space = tx.Space()
		list = append(list, s)
		return nil
	})
	return list, err
}

// stagedOf reads a row.
func stagedOf(doc *database.Document) Staged {
	o := doc.Object()
	return Staged{Table: text(o, "table"), Validator: text(o, "validator"), State: text(o, "state"), Failure: text(o, "error"), Document: text(o, "document"), row: doc}
}

// fields is the row.
func (s *Staged) fields() value.Object {
	return value.ObjectOf(
		value.Field{Name: "table", Value: value.String(s.Table)},
		value.Field{Name: "validator", Value: value.String(s.Validator)},
		value.Field{Name: "state", Value: value.String(s.State)},
		value.Field{Name: "error", Value: value.String(s.Failure)},
		value.Field{Name: "document", Value: value.String(s.Document)},
	)
}

// Save writes what changed of a validator that StagedValidators listed in the same transaction.
func (s *Staged) Save(ctx context.Context, tx *database.Tx) error {
	if err := tx.Replace(ctx, s.row.ID, s.fields()); err != nil {
		return fmt.Errorf("udf: write state of the staged validator of %s: %w", s.Table, err)
	}
	return nil
}

// SetStaged makes the staged validators of a schema the ones that are looked at. One
// that is new, or was found invalid, is checked again from the beginning.
func SetStaged(ctx context.Context, tx *database.Tx, sc *schema.Schema) error {
	have, err := StagedValidators(ctx, tx)
	if err != nil {
		return err
	}
	left := map[string]*Staged{}
	for i := range have {
		left[have[i].Table] = &have[i]
	}
	if sc != nil && sc.Validate {
		for _, t := range sc.Tables {
			if t.Staged == nil {
				continue
			}
			next := Staged{Table: t.Name, Validator: string(t.Staged.JSON()), State: StagedChecking}
			was := left[t.Name]
			delete(left, t.Name)
			switch {
			case was == nil:
				_, err = tx.Insert(ctx, stagedTable, next.fields())
			case was.Validator != next.Validator || was.State == StagedInvalid:
				err = tx.Replace(ctx, was.row.ID, next.fields())
			}
			if err != nil {
				return fmt.Errorf("udf: stage validator of %s: %w", t.Name, err)
			}
		}
	}
	for _, s := range left {
		if err := tx.Delete(ctx, s.row.ID); err != nil {
			return fmt.Errorf("udf: end staged validator of %s: %w", s.Table, err)
		}
	}
	return nil
}

// checkStaged holds a write against the staged validator of its table. One that does
// not match is written all the same; the validator is invalid from then on.
func checkStaged(ctx context.Context, tx *database.Tx, sc *schema.Schema, table string, id value.ID, fields value.Object) error {
	if sc == nil || !sc.Validate {
		return nil
	}
	t, ok := sc.Table(table)
	if !ok || t.Staged == nil {
		return nil
	}
	var m *schema.Mismatch
	if !errors.As(t.CheckStaged(fields, tx), &m) {
		return nil
	}
	return scan(ctx, tx, stagedTable, byTable, []value.Value{value.String(table)}, func(doc *database.Document) error {
		s := stagedOf(doc)
		if s.State == StagedInvalid {
			return nil
		}
		s.State, s.Failure, s.Document = StagedInvalid, m.Error(), ""
		if id.Table != 0 {
			s.Document = id.String()
		}
		return s.Save(ctx, tx)
	})
}

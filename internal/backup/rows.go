package backup

import (
	"context"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// fields makes an object of names and values in turn; a nil value is left out.
func fields(pairs ...any) value.Object {
	list := make([]value.Field, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if v, ok := pairs[i+1].(value.Value); ok {
			list = append(list, value.Field{Name: pairs[i].(string), Value: v})
		}
	}
	return value.ObjectOf(list...)
}

// text is a string member of a row; "" when absent.
func text(o value.Object, name string) string {
	v, _ := o.Get(name)
	s, _ := v.(value.String)
	return string(s)
}

// number is a number member of a row; 0 when absent.
func number(o value.Object, name string) float64 {
	v, _ := o.Get(name)
	f, _ := v.(value.Float64)
	return float64(f)
}

// integer is an int64 member of a row; 0 when absent.
func integer(o value.Object, name string) int64 {
	v, _ := o.Get(name)
	n, _ := v.(value.Int64)
	return int64(n)
}

// flag is a boolean member of a row; false when absent.
func flag(o value.Object, name string) bool {
	v, _ := o.Get(name)
	b, _ := v.(value.Bool)
	return bool(b)
}

// each calls f for the rows of a table in the order of an index, as far as the
// first fields of the index equal what is given; f ends it with false.
func each(ctx context.Context, tx *database.Tx, table, index string, order database.Order, prefix []value.Value, f func(*database.Document) (bool, error)) error {
	var key []byte
	for _, v := range prefix {
		key = value.AppendKey(key, v)
	}
	in := database.Interval{}
	if key != nil {
		in = database.Prefix(key)
	}
	c := tx.Scan(table, index, in, order)
	defer c.Close()
	for {
		doc, err := c.Next(ctx)
		if err != nil || doc == nil {
			return err
		}
		if more, err := f(doc); err != nil || !more {
			return err
		}
	}
}

// first is the first row that each would find; nil if there is none.
func first(ctx context.Context, tx *database.Tx, table, index string, order database.Order, prefix ...value.Value) (row *database.Document, err error) {
	err = each(ctx, tx, table, index, order, prefix, func(doc *database.Document) (bool, error) {
		row = doc
		return false, nil
	})
	return row, err
}

// change replaces some members of a row; a nil value takes one away.
func change(ctx context.Context, tx *database.Tx, row *database.Document, pairs ...any) error {
	o := row.Object().Without("_id").Without("_creationTime")
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		if v, ok := pairs[i+1].(value.Value); ok {
			o = o.With(name, v)
		} else {
			o = o.Without(name)
		}
	}
	return tx.Replace(ctx, row.ID, o)
}

// rowOf finds a row of a table by the text of its id; nil if there is none.
func rowOf(ctx context.Context, tx *database.Tx, table, id string) (*database.Document, error) {
	parsed, err := value.ParseID(id)
	if err != nil {
		return nil, nil
	}
	if name, ok := tx.TableNamed(parsed.Table); !ok || name != table {
		return nil, nil
	}
	return tx.Get(ctx, parsed)
}

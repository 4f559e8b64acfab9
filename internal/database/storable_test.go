package database_test

import (
	"fmt"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestWhatIsStoredCanBeRead writes what is at the limits and beyond, and reads
// what was taken from a database that has it from the store only.
func TestWhatIsStoredCanBeRead(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	fields := func(n int) value.Object {
		m := map[string]value.Value{}
		for i := range n {
			m[fmt.Sprintf("f%d", i)] = value.Null{}
		}
		return value.NewObject(m)
	}
	nest := func(n int) (v value.Value) {
		v = value.Null{}
		for range n {
			v = value.Array{v}
		}
		return v
	}
	nulls := make(value.Array, value.MaxArrayLength+1)
	for i := range nulls {
		nulls[i] = value.Null{}
	}
	for _, x := range []struct {
		name  string
		table string
		doc   value.Object
		ok    bool
	}{
		{"as many fields as can be", "t", fields(value.MaxFields - 2), true},
		{"one field too many", "t", fields(value.MaxFields - 1), false},
		{"long array", "_t", obj("a", nulls[1:]), true},
		{"array too long", "_t", obj("a", nulls), false},
		{"deep", "_t", obj("a", nest(value.MaxDepth-1)), true},
		{"too deep", "_t", obj("a", nest(value.MaxDepth)), false},
		{"too deep for a user", "t", obj("a", nest(value.MaxDocumentDepth)), false},
		{"no Unicode", "_t", obj("a", "\xff"), false},
		{"undefined", "_t", obj("a", value.Array{value.Undefined{}}), false},
		{"nothing", "_t", value.NewObject(map[string]value.Value{"a": nil}), false},
		{"name with a dollar", "_t", obj("$a", 1), false},
		{"all kinds", "t", obj("i", value.Int64(-1), "b", value.Bytes("\x00"), "o", obj("", value.Bool(true)), "s", "a\u2028\"\\"), true},
	} {
		var id value.ID
		_, err := db.Update(ctx, func(tx *database.Tx) (err error) { id, err = tx.Insert(ctx, x.table, x.doc); return err })
		if x.ok != (err == nil) || err != nil && apierr.KindOf(err) != apierr.BadRequest {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		if err != nil {
			continue
		}
		cold, err := database.Open(ctx, database.Options{Store: stepped{database.StoreOf(db)}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := begin(t, cold).Get(ctx, id)
		if err != nil || d == nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		if got := d.Object().Without("_id").Without("_creationTime"); !value.Equal(got, x.doc) {
			t.Errorf("%s: read back as %s", x.name, value.JSON(got))
		}
	}
}

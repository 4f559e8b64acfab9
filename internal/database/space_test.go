package database

import (
	"context"
	"slices"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestSpacesAreApart has the same names and numbers of tables in two namespaces,
// and reopens the database.
func TestSpacesAreApart(t *testing.T) {
	t.Parallel()
	store := persistence.NewMemory()
	db := openOn(t, store)
	body := func(s string) value.Object { return value.ObjectOf(value.Field{Name: "x", Value: value.String(s)}) }
	ids := map[value.Space]value.ID{}
	if _, err := db.Update(t.Context(), func(tx *Tx) error {
		for _, space := range []value.Space{0, 1, 7} {
			in := tx.In(space)
			if err := in.EnsureTables(t.Context(), []TableDef{{Name: "_mine"}, {Name: "users", Indexes: []IndexDef{{Name: "by_x", Fields: []string{"x"}}}}}); err != nil {
				return err
			}
			id, err := in.Insert(t.Context(), "users", body(qualified(space, "a")))
			if err != nil {
				return err
			}
			ids[space] = id
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, db *DB) {
		tx, err := db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for space, id := range ids {
			in := tx.In(space)
			if id.Table != ids[0].Table || id.Space != space || in.Space() != space {
				t.Errorf("space %d: the id is %+v", space, id)
			}
			if names := namesOf(in.Tables()); !slices.Contains(names, "users") || slices.Contains(names, "1/users") {
				t.Errorf("space %d has the tables %q", space, names)
			}
			c := in.Scan("users", "by_x", Interval{}, Asc)
			doc, err := c.Next(t.Context())
			if err != nil || doc == nil || doc.ID != id {
				t.Fatalf("space %d: found %v, %v", space, doc, err)
			}
			if more, err := c.Next(t.Context()); err != nil || more != nil {
				t.Errorf("space %d shows %v, %v of another", space, more, err)
			}
			if n, err := in.Count(t.Context(), "users"); err != nil || n != 1 {
				t.Errorf("space %d counts %d, %v", space, n, err)
			}
			// The text of an id of another namespace names nothing here, whatever it claims.
			for other, foreign := range ids {
				parsed, err := value.ParseID(foreign.String())
				if err != nil {
					t.Fatal(err)
				}
				parsed.Space = other
				if doc, err := in.Get(t.Context(), parsed); err != nil || (doc != nil) != (other == space) {
					t.Errorf("space %d reads %s of space %d: %v, %v", space, foreign, other, doc, err)
				}
			}
		}
		if len(tx.In(2).Tables()) != 0 {
			t.Error("an unused namespace has tables")
		}
		// A number that reaches into the bits of the namespace is no table's.
		forged := value.ID{Table: ids[1].Table | 1<<numberBits, Internal: ids[1].Internal}
		if doc, err := tx.Get(t.Context(), forged); err != nil || doc != nil {
			t.Errorf("a forged id reads %v, %v", doc, err)
		}
		if name, ok := tx.TableNamed(forged.Table); ok {
			t.Errorf("a forged number is that of %s", name)
		}
	}
	check(t, db)
	check(t, openOn(t, store))
}

// namesOf lists the names of tables.
func namesOf(tables []Table) (names []string) {
	for _, t := range tables {
		names = append(names, t.Name)
	}
	return names
}

// openOn opens a database whose store outlives it.
func openOn(t *testing.T, store persistence.Store) *DB {
	t.Helper()
	db, err := Open(context.Background(), Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestSpacesConflictApart has writes to one namespace leave reads of another alone.
func TestSpacesConflictApart(t *testing.T) {
	t.Parallel()
	db := openOn(t, persistence.NewMemory())
	insert := func(tx *Tx) error {
		_, err := tx.Insert(t.Context(), "users", value.Object{})
		return err
	}
	if _, err := db.Update(t.Context(), func(tx *Tx) error {
		if err := insert(tx.In(1)); err != nil {
			return err
		}
		return insert(tx.In(2))
	}); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in := tx.In(2)
	if _, err := in.Count(t.Context(), "users"); err != nil {
		t.Fatal(err)
	}
	sub := db.Subscribe(tx.Reads(), tx.Snapshot())
	defer sub.Close()
	if _, err := db.Update(t.Context(), func(tx *Tx) error { return insert(tx.In(1)) }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-sub.Done():
		t.Error("a write to another namespace invalidates")
	default:
	}
	if _, err := db.Update(t.Context(), func(tx *Tx) error { return insert(tx.In(2)) }); err != nil {
		t.Fatal(err)
	}
	<-sub.Done()
}

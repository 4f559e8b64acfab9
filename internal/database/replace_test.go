package database

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// nOf is a document with one number.
func nOf(n int) value.Object {
	return value.ObjectOf(value.Field{Name: "n", Value: value.Float64(n)})
}

// numbersOf lists the numbers of a table's documents by an index.
func numbersOf(t *testing.T, tx *Tx, table, index string) (list []int) {
	t.Helper()
	c := tx.Scan(table, index, Interval{}, Asc)
	for {
		d, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			return list
		}
		if d.ID.Space != tx.Space() {
			t.Errorf("document %s is of namespace %d", d.ID, d.ID.Space)
		}
		if again, err := tx.Get(t.Context(), d.ID); err != nil || again == nil {
			t.Errorf("document %s cannot be read: %v", d.ID, err)
		}
		v, _ := d.Object().Get("n")
		list = append(list, int(v.(value.Float64)))
	}
}

// TestReplaceTable replaces a table while others read, write and watch it; and again
// after reopening.
func TestReplaceTable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, space := range []value.Space{0, 5} {
		t.Run(fmt.Sprint(space), func(t *testing.T) {
			t.Parallel()
			store := persistence.NewMemory()
			db := openOn(t, store)
			update := func(f func(*Tx) error) {
				t.Helper()
				if _, err := db.Update(ctx, func(tx *Tx) error { return f(tx.In(space)) }); err != nil {
					t.Fatal(err)
				}
			}
			begin := func() *Tx {
				t.Helper()
				tx, err := db.Begin(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return tx.In(space)
			}
			var old value.ID
			update(func(tx *Tx) (err error) {
				if err := tx.AddIndex(ctx, "users", "by_n", []string{"n"}, Enabled); err != nil {
					return err
				}
				old, err = tx.Insert(ctx, "users", nOf(1))
				return err
			})
			for round := range 3 {
				if round == 2 {
					db = openOn(t, store)
				}
				var st StagedTable
				update(func(tx *Tx) (err error) {
					st, err = tx.StageTable(ctx, "users", 0)
					return err
				})
				watching := begin()
				before := numbersOf(t, watching, "users", "by_n")
				sub := db.Subscribe(watching.Reads(), watching.Snapshot())
				for n := range 20 {
					update(func(tx *Tx) error {
						return tx.AddStaged(ctx, st, value.InternalID{15: byte(n + 1)}, 1000, nOf(100*round+n))
					})
				}
				select {
				case <-sub.Done():
					t.Fatal("filling a staged table invalidates")
				default:
				}
				if now := numbersOf(t, begin(), "users", "by_n"); !slices.Equal(now, before) {
					t.Fatalf("a staged table shows: %v", now)
				}
				if _, err := db.Update(ctx, func(tx *Tx) error {
					return tx.AddStaged(ctx, st, value.InternalID{15: 1}, 1000, nOf(0))
				}); err == nil {
					t.Fatal("an id may be there twice")
				}
				// One that reads the old table and commits after the take-over must not.
				late := begin()
				if _, err := late.Get(ctx, old); err != nil {
					t.Fatal(err)
				}
				if _, err := late.Insert(ctx, "other", nOf(1)); err != nil {
					t.Fatal(err)
				}
				blind := begin()
				if _, err := blind.Insert(ctx, "users", nOf(7)); err != nil {
					t.Fatal(err)
				}
				update(func(tx *Tx) error {
					if ready, err := tx.FitIndexes(ctx, st); err != nil || !ready {
						t.Errorf("indexes are ready: %v, %v", ready, err)
					}
					return tx.Activate(ctx, st)
				})
				<-sub.Done()
				for name, tx := range map[string]*Tx{"reader": late, "writer": blind} {
					if _, err := db.Commit(ctx, tx); !errors.Is(err, ErrConflict) {
						t.Errorf("a %s of the old table commits: %v", name, err)
					}
				}
				if got := numbersOf(t, watching, "users", "by_n"); !slices.Equal(got, before) {
					t.Errorf("the old snapshot shows %v, not %v", got, before)
				}
				now := begin()
				got := numbersOf(t, now, "users", "by_n")
				if len(got) != 20 || got[0] != 100*round || got[19] != 100*round+19 || !slices.Equal(got, numbersOf(t, now, "users", ByCreationTime)) {
					t.Errorf("after the take-over: %v", got)
				}
				if d, err := now.Get(ctx, old); err != nil || (d != nil) != (round > 0) {
					t.Errorf("round %d: the id of a document of the old table gives %v, %v", round, d, err)
				}
				if table, _ := now.Table("users"); table.Number != old.Table || table.Space != space {
					t.Errorf("table %+v", table)
				}
				// It is a table like any other.
				id := value.ID{Table: old.Table, Internal: value.InternalID{15: 1}, Space: space}
				update(func(tx *Tx) error {
					if err := tx.Delete(ctx, id); err != nil {
						return err
					}
					if err := tx.Replace(ctx, value.ID{Table: old.Table, Internal: value.InternalID{15: 2}}, nOf(-1)); err != nil {
						return err
					}
					_, err := tx.Insert(ctx, "users", nOf(1000))
					return err
				})
				if got := numbersOf(t, begin(), "users", "by_n"); len(got) != 20 || got[0] != -1 || got[19] != 1000 {
					t.Errorf("after changes: %v", got)
				}
				if err := db.EmptyRetired(ctx); err != nil {
					t.Fatal(err)
				}
				rows := 0
				for _, m := range db.visible.Load().cat.byPlace {
					if m.Name == "users" {
						rows++
					}
				}
				if rows != 1 {
					t.Errorf("there are %d tables of the name", rows)
				}
				old = value.ID{Table: old.Table, Internal: value.InternalID{15: 1}, Space: space} // deleted, and back with the next
				update(func(tx *Tx) error {
					_, err := tx.Insert(ctx, "users", nOf(5))
					return err
				})
			}
		})
	}
}

// TestReplaceTableRenumbers swaps the numbers of two tables, and gives a third one
// another.
func TestReplaceTableRenumbers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := openOn(t, persistence.NewMemory())
	number := map[string]value.TableNumber{}
	update := func(f func(*Tx) error) {
		t.Helper()
		if _, err := db.Update(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *Tx) error {
		for _, name := range []string{"a", "b", "c"} {
			table, err := tx.CreateTable(ctx, name)
			if err != nil {
				return err
			}
			number[name] = table.Number
		}
		return nil
	})
	update(func(tx *Tx) error {
		list := []StagedTable{}
		for name, n := range map[string]value.TableNumber{"a": number["b"], "b": number["a"], "c": 12345} {
			st, err := tx.StageTable(ctx, name, n)
			if err != nil {
				return err
			}
			list = append(list, st)
		}
		for _, name := range []string{"a", "b", "c"} {
			if err := tx.RetireTable(ctx, name); err != nil {
				return err
			}
		}
		for _, st := range list {
			if err := tx.Activate(ctx, st); err != nil {
				return err
			}
		}
		_, err := tx.Insert(ctx, "a", nOf(1))
		return err
	})
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]value.TableNumber{"a": number["b"], "b": number["a"], "c": 12345} {
		table, ok := tx.Table(name)
		if back, known := tx.TableNamed(want); !ok || table.Number != want || !known || back != name {
			t.Errorf("table %s is %+v; %d is %s", name, table, want, back)
		}
	}
	if name, ok := tx.TableNamed(number["c"]); ok {
		t.Errorf("the number that became free is %s's", name)
	}
	if got := numbersOf(t, tx, "a", ByID); !slices.Equal(got, []int{1}) {
		t.Errorf("a has %v", got)
	}
	// A table that goes leaves nothing under its number or its name.
	update(func(tx *Tx) error { return tx.RetireTable(ctx, "a") })
	update(func(tx *Tx) error {
		if _, ok := tx.Table("a"); ok {
			t.Error("a retired table is there")
		}
		table, err := tx.CreateTable(ctx, "a")
		if table.Number == number["a"] || table.Number == number["b"] {
			t.Errorf("a new table has the number %d of another", table.Number)
		}
		return err
	})
	// An abandoned one takes nothing with it.
	var st StagedTable
	update(func(tx *Tx) (err error) {
		if st, err = tx.StageTable(ctx, "b", 0); err != nil {
			return err
		}
		return tx.AddStaged(ctx, st, value.InternalID{}, 1, nOf(1))
	})
	update(func(tx *Tx) error { return tx.Abandon(ctx, st) })
	if _, err := db.Update(ctx, func(tx *Tx) error { return tx.Activate(ctx, st) }); err == nil {
		t.Error("an abandoned table takes over")
	}
	if err := db.EmptyRetired(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(db.visible.Load().cat.byPlace); n != 5 {
		t.Errorf("%d tables are left", n)
	}
}

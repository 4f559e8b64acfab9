package backup

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// lines are so many documents, from a number on.
func lines(from, n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"n\":%d}\n", from+i)
	}
	return []byte(b.String())
}

// schema makes a schema active.
func (h *house) schema(text string) {
	h.Helper()
	h.update(func(tx *database.Tx) error { return udf.SetActiveSchema(h.Context(), tx, []byte(text)) })
}

// left lists what imports leave besides tables: staged ones and retired ones.
func (h *house) left() (n int) {
	h.Helper()
	if err := h.DB.EmptyRetired(h.Context()); err != nil {
		h.Fatal(err)
	}
	if err := h.DB.View(h.Context(), func(tx *database.Tx) error {
		n = len(tx.StagedTables())
		return nil
	}); err != nil {
		h.Fatal(err)
	}
	return n
}

func TestLargeImportsOfEachMode(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const n = 2*lastDocuments + 7
	how := ImportOptions{Mode: RequireEmpty, Format: formatJSONLines, Table: "t"}
	h.good(how, lines(0, n))
	if got := len(h.rows("t")); got != n {
		t.Fatalf("%d documents", got)
	}
	// In the order of the file, by creation.
	if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		c := tx.Scan("t", database.ByCreationTime, database.Interval{}, database.Asc)
		for i := range n {
			d, err := c.Next(t.Context())
			if err != nil {
				return err
			}
			if got := number(d.Object(), "n"); int(got) != i {
				return fmt.Errorf("document %d is %v", i, got)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	how.Mode = Append
	h.good(how, lines(n, n))
	if got := len(h.rows("t")); got != 2*n {
		t.Fatalf("%d documents after appending", got)
	}
	how.Mode = Replace
	h.good(how, lines(0, 3))
	if got := len(h.rows("t")); got != 3 {
		t.Fatalf("%d documents after replacing", got)
	}
	if h.left() != 0 {
		t.Error("staged tables are left")
	}
}

// TestAppendThatFailsIsTakenBack appends many documents, the last of which is there.
func TestAppendThatFailsIsTakenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	there := h.insert("t", `{"n":-1}`, `{"n":-2}`)
	before := h.rows("t")
	file := append(lines(0, lastDocuments+500), fmt.Sprintf(`{"_id":%q,"n":-3}`, there[1])...)
	file = append([]byte(fmt.Sprintf("{\"_id\":%q,\"n\":7}\n", value.ID{Table: there[0].Table, Internal: value.InternalID{1}})), file...)
	i, _ := h.run(ImportOptions{Mode: Append, Format: formatJSONLines, Table: "t"}, file)
	if i.State != failed || !strings.Contains(i.Message, fmt.Sprintf("line %d: There is a document with the id", lastDocuments+502)) {
		t.Errorf("import is %s: %s", i.State, i.Message)
	}
	if diff := cmp.Diff(before, h.rows("t")); diff != "" {
		t.Errorf("it left (-want +got):\n%.1000s", diff)
	}
}

// TestInterruptedImportsBeginAgain ends the work at several points, as a shutdown
// does, and lets another service go on.
func TestInterruptedImportsBeginAgain(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Append, Replace} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.insert("t", `{"n":-1}`)
			const n = lastDocuments + 1200
			id := h.upload(ImportOptions{Mode: mode, Format: formatJSONLines, Table: "t"}, lines(0, n), 50_000)
			h.turn()
			if err := h.Perform(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			for k := range 4 {
				ctx, cancel := context.WithCancelCause(t.Context())
				commits := h.DB.Stats().Commit.Commits
				go func() { // after some commits
					for h.DB.Stats().Commit.Commits < commits+int64(k) && ctx.Err() == nil {
						runtime.Gosched()
					}
					cancel(context.Canceled)
				}()
				if _, err := h.nextImport(ctx); err != nil && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				cancel(nil)
			}
			h.turn()
			if i := h.findImport(id); i.State != completed {
				t.Fatalf("import is %s: %s", i.State, i.Message)
			}
			want := n
			if mode == Append {
				want++
			}
			got := h.bare("t")
			if len(got) != want || len(slices.Compact(got)) != want {
				t.Errorf("%d documents, not %d", len(got), want)
			}
			if h.left() != 0 {
				t.Error("staged tables are left")
			}
		})
	}
}

func TestCanceledImport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.insert("t", `{"n":-1}`)
	id := h.upload(ImportOptions{Mode: Replace, Format: formatJSONLines, Table: "t"}, lines(0, 10), 1000)
	h.turn()
	if err := h.CancelImport(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := h.CancelImport(t.Context(), id); err == nil {
		t.Error("canceled twice")
	}
	if err := h.Perform(t.Context(), id); err == nil {
		t.Error("performed a canceled import")
	}
	h.turn()
	if i := h.findImport(id); i.State != failed || i.Message != canceledText {
		t.Errorf("import is %s: %s", i.State, i.Message)
	}
	if got := h.bare("t"); len(got) != 1 {
		t.Errorf("documents %s", got)
	}
}

func TestImportKeepsToTheSchema(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.schema(`{"schemaValidation":true,"tables":[{"tableName":"a","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"object","value":{"b":{"fieldType":{"type":"id","tableName":"b"},"optional":false}}}},` +
		`{"tableName":"b","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"any"}}]}`)
	h.update(func(tx *database.Tx) error { // a new deployment numbers them so
		_, err := tx.CreateTable(t.Context(), "a")
		if err == nil {
			_, err = tx.CreateTable(t.Context(), "b")
		}
		return err
	})
	h.insert("other", `{"x":1}`)
	// A snapshot of one that has them the other way round.
	numbers := "{\"name\":\"b\",\"id\":10001}\n{\"name\":\"a\",\"id\":10002}\n"
	file := func(ref string) []byte {
		return zipOf(t, "_tables/documents.jsonl", numbers, "a/documents.jsonl", `{"_id":"`+id(10002, 1)+`","_creationTime":5,"b":"`+ref+`"}`,
			"b/documents.jsonl", `{"_id":"`+id(10001, 1)+`","_creationTime":6}`)
	}
	how := ImportOptions{Mode: RequireEmpty, Format: formatZip}
	if i, _ := h.run(how, file(id(10002, 1))); i.State != failed || !strings.Contains(i.Message, "a/documents.jsonl: line 1: the document does not match the schema") {
		t.Errorf("an id of another table is %s: %s", i.State, i.Message)
	}
	h.good(how, file(id(10001, 1)))
	want := []string{`{"_creationTime":5,"_id":"` + id(10002, 1) + `","b":"` + id(10001, 1) + `"}`}
	if diff := cmp.Diff(want, h.rows("a")); diff != "" {
		t.Error(diff)
	}
	// All others go; those that the schema names stay, empty.
	confirm := h.good(ImportOptions{Mode: ReplaceAll, Format: formatZip}, zipOf(t, "b/documents.jsonl", `{"n":1}`))
	if !strings.Contains(confirm, "Tables that go, being neither in the import nor in the schema: other\n") {
		t.Error(confirm)
	}
	if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		if _, ok := tx.Table("other"); ok {
			t.Error("other stays")
		}
		if a, ok := tx.Table("a"); !ok || a.Number != 10002 {
			t.Errorf("a is %+v, %v", a, ok)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if rows := h.rows("a"); len(rows) != 0 || len(h.rows("b")) != 1 {
		t.Errorf("a has %s", rows)
	}
}

// TestNumberInTheWay imports ids whose number an empty table has, and a full one.
func TestNumberInTheWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.update(func(tx *database.Tx) error {
		return tx.AddIndex(t.Context(), "empty", "by_n", []string{"n"}, database.Enabled)
	})
	full := h.insert("full", `{"n":1}`)
	line := func(table value.TableNumber) []byte { return []byte(`{"_id":"` + id(table, 1) + `"}`) }
	how := ImportOptions{Mode: RequireEmpty, Format: formatJSONLines, Table: "t"}
	if i, _ := h.run(how, line(full[0].Table)); i.State != failed || !strings.Contains(i.Message, `which is that of table "full" here`) {
		t.Errorf("import is %s: %s", i.State, i.Message)
	}
	if i, _ := h.run(how, line(600)); i.State != failed || !strings.Contains(i.Message, `below those of users' tables`) {
		t.Errorf("import is %s: %s", i.State, i.Message)
	}
	h.good(how, line(full[0].Table-1))
	h.insert("empty", `{"n":1}`)
	if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		table, _ := tx.Table("empty")
		if ix := tx.Indexes("empty"); table.Number == full[0].Table-1 || table.Number == full[0].Table || len(ix) != 1 || !ix[0].Built {
			t.Errorf("table %+v with %+v", table, ix)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestComponentsRoundTrip exports and imports tables of components.
func TestComponentsRoundTrip(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tree := []udf.Component{{Mounted: true}, {Path: "mail", Space: 1, Mounted: true}, {Path: "mail/pool", Space: 2, Mounted: true}}
	h.insert("t", `{"n":0}`)
	h.update(func(tx *database.Tx) error {
		if err := udf.SetComponents(t.Context(), tx, tree); err != nil {
			return err
		}
		for space := range value.Space(2) {
			if _, err := tx.In(space+1).Insert(t.Context(), "t", fields("n", value.Float64(space+1))); err != nil {
				return err
			}
		}
		return nil
	})
	of := func(h *house) (all []string) {
		if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			for space := range value.Space(3) {
				if err := documents(t.Context(), tx.In(space), "t", func(d *database.Document) error {
					all = append(all, fmt.Sprint(space, string(d.JSON())))
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	want, file := of(h), h.zip(false)
	other := newHouse(t)
	if i, _ := other.run(ImportOptions{Mode: RequireEmpty, Format: formatZip}, file); i.State != failed || !strings.Contains(i.Message, `there is no component "mail/pool"`) {
		t.Errorf("import is %s: %s", i.State, i.Message)
	}
	other.update(func(tx *database.Tx) error { return udf.SetComponents(t.Context(), tx, tree) })
	for _, into := range []*house{other, h} {
		into.good(ImportOptions{Mode: ReplaceAll, Format: formatZip}, file)
		if diff := cmp.Diff(want, of(into)); len(want) != 3 || diff != "" {
			t.Error(diff)
		}
	}
	// One table of a component.
	h.good(ImportOptions{Mode: ReplaceAll, Format: formatJSONLines, Table: "u", Component: "mail/pool"}, lines(0, 1))
	if got := of(h); len(got) != 2 {
		t.Errorf("left are %s", got)
	}
}

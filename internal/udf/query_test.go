package udf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

func TestFilterExpressions(t *testing.T) {
	t.Parallel()
	doc := obj("n", 5, "s", "abc", "null", value.Null{}, "big", value.Int64(7), "o", obj("x", 1), "yes", value.Bool(true), "min", value.Int64(-1<<63))
	for _, c := range []struct{ expr, want string }{
		{`{"$eq":[{"$field":"n"},{"$literal":5}]}`, "true"},
		{`{"$eq":[{"$field":"o.x"},{"$literal":1}]}`, "true"},
		{`{"$eq":[{"$field":"big"},{"$literal":7}]}`, "false"}, // Int64 and Float64 are never equal
		{`{"$lt":[{"$field":"big"},{"$literal":-1e300}]}`, "true"},
		{`{"$eq":[{"$field":"absent"},{"$literal":{"$undefined":null}}]}`, "true"},
		{`{"$lt":[{"$field":"absent"},{"$field":"null"}]}`, "true"},
		{`{"$gt":[{"$field":"s"},{"$field":"yes"}]}`, "true"},
		{`{"$neq":[{"$field":"n"},{"$literal":5}]}`, "false"},
		{`{"$gte":[{"$literal":{"$float":"AAAAAAAA+H8="}},{"$literal":1}]}`, "true"}, // NaN sorts above all numbers
		{`{"$eq":[{"$literal":{"$float":"AAAAAAAA+H8="}},{"$literal":{"$float":"AAAAAAAA+H8="}}]}`, "true"},
		{`{"$and":[]}`, "true"}, {`{"$or":[]}`, "false"},
		{`{"$and":[{"$literal":false},{"$literal":1}]}`, "false"}, // the second is never looked at
		{`{"$and":[{"$literal":true},{"$literal":1}]}`, "error"},
		{`{"$or":[{"$field":"yes"},{"$literal":1}]}`, "true"},
		{`{"$not":{"$field":"yes"}}`, "false"}, {`{"$not":{"$field":"n"}}`, "error"},
		{`{"$add":[{"$field":"n"},{"$literal":1}]}`, "6"},
		{`{"$mod":[{"$literal":-7},{"$literal":3}]}`, "-1"},
		{`{"$div":[{"$literal":1},{"$literal":0}]}`, `{"$float":"AAAAAAAA8H8="}`},
		{`{"$add":[{"$field":"n"},{"$field":"big"}]}`, "error"},
		{`{"$add":[{"$field":"s"},{"$literal":"x"}]}`, "error"},
		{`{"$mul":[{"$field":"big"},{"$field":"big"}]}`, `{"$integer":"MQAAAAAAAAA="}`},
		{`{"$mul":[{"$field":"min"},{"$field":"big"}]}`, "error"},
		{`{"$sub":[{"$field":"min"},{"$field":"big"}]}`, "error"},
		{`{"$div":[{"$field":"big"},{"$literal":{"$integer":"AAAAAAAAAAA="}}]}`, "error"},
		{`{"$neg":{"$field":"min"}}`, "error"}, {`{"$neg":{"$field":"n"}}`, "-5"},
	} {
		e, err := parseExpr(json.RawMessage(c.expr), 0)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		got := "error"
		v, err := e.eval(doc)
		if err == nil {
			got = string(value.JSON(v))
		} else if apierr.KindOf(err) != apierr.BadRequest {
			t.Errorf("%s: %v is not the caller's error", c.expr, err)
		}
		if got != c.want {
			t.Errorf("%s = %s, want %s (%v)", c.expr, got, c.want, err)
		}
	}
}

func TestFilterExpressionsMalformed(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		``, `1`, `{}`, `[]`, `{"$eq":1}`, `{"$eq":[]}`, `{"$eq":[{"$literal":1}]}`, `{"$what":[]}`, `{"$field":1}`, `{"$literal":{"$what":1}}`,
		`{"$eq":[1,2]}`, `{"$not":[]}`, `{"$eq":[],"$neq":[]}`,
		strings.Repeat(`{"$not":`, 1000) + `{"$literal":true}` + strings.Repeat(`}`, 1000),
	} {
		if _, err := parseExpr(json.RawMessage(s), 0); err == nil || apierr.KindOf(err) != apierr.BadRequest {
			t.Errorf("%.80s: %v", s, err)
		}
	}
}

func TestSortRangeRules(t *testing.T) {
	t.Parallel()
	fields := []string{"a", "b", "c", "_creationTime"}
	for _, c := range []struct{ specs, code string }{
		{`[]`, ""},
		{`[Eq a]`, ""}, {`[Eq b, Eq a]`, ""}, {`[Eq a, Gt b, Lte b]`, ""}, {`[Gt a]`, ""}, {`[Eq a, Eq b, Eq c, Lt _creationTime]`, ""},
		{`[Eq a, Eq a]`, "AlreadyDefinedBound"}, {`[Gt a, Gte a]`, "AlreadyDefinedBound"}, {`[Lt a, Lte a]`, "AlreadyDefinedBound"},
		{`[Gt a, Lt b]`, "BoundsOnMultipleFields"},
		{`[Eq b]`, "InvalidIndexRange"}, {`[Eq a, Eq c]`, "InvalidIndexRange"}, {`[Gt b]`, "InvalidIndexRange"}, {`[Eq a, Gt a]`, "InvalidIndexRange"},
		{`[Eq a, Lt _creationTime]`, "InvalidIndexRange"},
		{`[Eq z]`, "FieldNotInIndex"}, {`[Gt z]`, "FieldNotInIndex"}, {`[What a]`, "InvalidQuery"},
	} {
		var specs []rangeSpec
		for part := range strings.SplitSeq(strings.Trim(c.specs, "[]"), ", ") {
			if op, field, ok := strings.Cut(part, " "); ok {
				specs = append(specs, rangeSpec{op, field, json.RawMessage("1")})
			}
		}
		_, err := sortRange("t.i", fields, specs)
		code := ""
		if e, ok := apierr.As(err); ok {
			code = e.Code
		}
		if code != c.code {
			t.Errorf("%s: %v, want %q", c.specs, err, c.code)
		}
	}
}

// queried reads a query in a transaction and gives the "n" of each row.
func queried(t *testing.T, h *house, query string) (ns []int, reads *database.ReadSet) {
	t.Helper()
	err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		q, err := parseQuery(tx, json.RawMessage(query))
		if err != nil {
			return err
		}
		s := q.open(tx)
		for {
			doc, err := s.next(t.Context())
			if err != nil || doc == nil {
				reads = tx.Reads()
				return err
			}
			n, _ := doc.Object().Get("n")
			ns = append(ns, int(n.(value.Float64)))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return ns, reads
}

// rows inserts rows {n, g: n mod 3} with an index by g, n.
func rows(t *testing.T, h *house, count int) {
	t.Helper()
	h.update(func(tx *database.Tx) error {
		if err := tx.AddIndex(t.Context(), "rows", "by_g_n", []string{"g", "n"}, database.Enabled); err != nil {
			return err
		}
		for n := range count {
			if _, err := tx.Insert(t.Context(), "rows", obj("n", n, "g", n%3)); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestQueries(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rows(t, h, 9)
	filter := `{"filter":{"$gte":[{"$field":"n"},{"$literal":4}]}}`
	for _, c := range []struct {
		name, source, operators string
		want                    []int
	}{
		{"scan", `"type":"FullTableScan","tableName":"rows","order":null`, ``, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}},
		{"scan desc", `"type":"FullTableScan","tableName":"rows","order":"desc"`, `{"limit":2}`, []int{8, 7}},
		{"no such table", `"type":"FullTableScan","tableName":"nothing","order":null`, ``, nil},
		{"filter then limit", `"type":"FullTableScan","tableName":"rows","order":null`, filter + `,{"limit":2}`, []int{4, 5}},
		{"limit then filter", `"type":"FullTableScan","tableName":"rows","order":null`, `{"limit":6},` + filter, []int{4, 5}},
		{"limit zero", `"type":"FullTableScan","tableName":"rows","order":null`, `{"limit":0}`, nil},
		{"index all", `"type":"IndexRange","indexName":"rows.by_g_n","range":[],"order":"asc"`, ``, []int{0, 3, 6, 1, 4, 7, 2, 5, 8}},
		{"index eq", `"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Eq","fieldPath":"g","value":1}],"order":"desc"`, ``, []int{7, 4, 1}},
		{"index eq gt", `"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Eq","fieldPath":"g","value":1},{"type":"Gt","fieldPath":"n","value":1}],"order":"asc"`, ``, []int{4, 7}},
		{"index lte", `"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Lte","fieldPath":"g","value":0}],"order":"asc"`, ``, []int{0, 3, 6}},
		{"index between", `"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Gte","fieldPath":"g","value":1},{"type":"Lt","fieldPath":"g","value":2}],"order":"asc"`, ``, []int{1, 4, 7}},
		{"index empty", `"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Gt","fieldPath":"g","value":2},{"type":"Lt","fieldPath":"g","value":1}],"order":"asc"`, ``, nil},
		{"index string", `"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Lt","fieldPath":"g","value":"x"}],"order":"asc"`, `{"limit":1}`, []int{0}},
		{"index undefined", `"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Eq","fieldPath":"g","value":{"$undefined":null}}],"order":"asc"`, ``, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, _ := queried(t, h, fmt.Sprintf(`{"source":{%s},"operators":[%s]}`, c.source, c.operators))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQueryByID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rows(t, h, 3)
	var id value.ID
	h.update(func(tx *database.Tx) (err error) {
		id, err = tx.Insert(t.Context(), "rows", obj("n", 42, "g", 0))
		return err
	})
	got, _ := queried(t, h, fmt.Sprintf(`{"source":{"type":"IndexRange","indexName":"rows.by_id","range":[{"type":"Eq","fieldPath":"_id","value":%q}],"order":null},"operators":[]}`, id))
	if !slices.Equal(got, []int{42}) {
		t.Errorf("got %v", got)
	}
	got, _ = queried(t, h, `{"source":{"type":"IndexRange","indexName":"rows.by_creation_time","range":[{"type":"Gt","fieldPath":"_creationTime","value":0}],"order":"desc"},"operators":[{"limit":1}]}`)
	if !slices.Equal(got, []int{42}) {
		t.Errorf("got %v", got)
	}
}

func TestQueryErrors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rows(t, h, 3)
	for _, c := range []struct{ query, want string }{
		{`{"source":{"type":"IndexRange","indexName":"rows.nope","range":[]},"operators":[]}`, "Index rows.nope not found."},
		{`{"source":{"type":"FullTableScan","tableName":"_modules"},"operators":[]}`, "System tables can only be accessed with db.system."},
		{`{"source":{"type":"IndexRange","indexName":"_modules.by_path","range":[]},"operators":[]}`, "System tables can only be accessed with db.system."},
		{`{"source":{"type":"Search","indexName":"rows.s","filters":[]},"operators":[]}`, "Index rows.s not found."},
		{`{"source":{"type":"FullTableScan","tableName":"rows"},"operators":[` + strings.Repeat(`{"limit":1},`, 256) + `{"limit":1}]}`, "Query has too many operators: 257"},
		{`{"source":{"type":"FullTableScan","tableName":"rows"},"operators":[{"limit":-1}]}`, "non-negative"},
		{`{"source":{"type":"FullTableScan","tableName":"rows"},"operators":[{}]}`, "either a filter or a limit"},
		{`{"source":{"type":"What"},"operators":[]}`, "Unknown query source"},
		{`[]`, "cannot be understood"},
	} {
		err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			_, err := parseQuery(tx, json.RawMessage(c.query))
			return err
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.90s: %v, want %q", c.query, err, c.want)
		}
	}
}

// TestQueryReadsOnlyThePrefix: what lies behind the last row returned does not invalidate.
func TestQueryReadsOnlyThePrefix(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rows(t, h, 9)
	before := h.DB.Latest()
	_, reads := queried(t, h, `{"source":{"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Eq","fieldPath":"g","value":1}],"order":"asc"},"operators":[{"limit":2}]}`)
	h.update(func(tx *database.Tx) error {
		_, err := tx.Insert(t.Context(), "rows", obj("n", 6, "g", 1))
		return err
	})
	if !h.DB.Unchanged(reads, before, h.DB.Latest()) {
		t.Error("a row behind the limit invalidated")
	}
	h.update(func(tx *database.Tx) error {
		_, err := tx.Insert(t.Context(), "rows", obj("n", 2, "g", 1))
		return err
	})
	if h.DB.Unchanged(reads, before, h.DB.Latest()) {
		t.Error("a row before the limit did not invalidate")
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add(scanQuery("rows", "asc"))
	f.Add(`{"source":{"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Eq","fieldPath":"g","value":1},{"type":"Gt","fieldPath":"n","value":{"$undefined":null}}],"order":"desc"},"operators":[{"filter":{"$and":[{"$not":{"$literal":true}},{"$eq":[{"$add":[{"$field":"n"},{"$literal":1}]},{"$neg":{"$literal":2}}]}]}},{"limit":3}]}`)
	f.Add(`{"source":{"type":"Search","indexName":"a.b","filters":[]},"operators":[]}`)
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, text string) {
		err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			q, err := parseQuery(tx, json.RawMessage(text))
			if err != nil {
				return err
			}
			s := q.open(tx)
			for range 3 {
				if _, err := s.next(t.Context()); err != nil {
					return err
				}
			}
			return nil
		})
		if _, ok := apierr.As(err); err != nil && !ok {
			t.Errorf("%v is not the caller's error", err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	h := newHouse(f)
	cs := cursorSealer{h.Sealer}
	print := fingerprint([]byte(`{}`), nil)
	f.Add(cs.seal(position{key: []byte{1, 2}}, print))
	f.Add(cs.seal(position{end: true}, print))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := cs.open(text, print)
		if err != nil {
			return
		}
		if again, err := cs.open(cs.seal(p, print), print); err != nil || again.end != p.end || !bytes.Equal(again.key, p.key) {
			t.Errorf("%q: %+v became %+v, %v", text, p, again, err)
		}
	})
}

// TestPagesAreGapless walks a table in pages while rows come and go, re-reading earlier pages with
// their journals: at every moment the pages together are the table up to the last page's end.
func TestPagesAreGapless(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			h := newHouse(t)
			rows(t, h, 0)
			order := [...]string{"asc", "desc"}[seed%2]
			query := json.RawMessage(fmt.Sprintf(`{"source":{"type":"IndexRange","indexName":"rows.by_g_n","range":[],"order":%q},"operators":[{"filter":{"$neq":[{"$field":"n"},{"$literal":3}]}}]}`, order))
			var ids []value.ID
			churn := func(n int) {
				h.update(func(tx *database.Tx) error {
					for range n {
						if i := rng.IntN(len(ids) + 2); i < len(ids) {
							if err := tx.Delete(t.Context(), ids[i]); err != nil {
								return err
							}
							ids = slices.Delete(ids, i, i+1)
						} else {
							id, err := tx.Insert(t.Context(), "rows", obj("n", rng.IntN(50), "g", rng.IntN(3)))
							if err != nil {
								return err
							}
							ids = append(ids, id)
						}
					}
					return nil
				})
			}
			churn(60)
			type read struct{ cursor, end *string }
			var pages []read
			for len(pages) < 12 {
				var want, got []string
				err := h.DB.View(t.Context(), func(tx *database.Tx) error {
					q, err := parseQuery(tx, query)
					if err != nil {
						return err
					}
					var cursor *string
					if n := len(pages); n > 0 {
						cursor = pages[n-1].end
					}
					pages = append(pages, read{cursor: cursor})
					done := false
					for i := range pages {
						p, err := q.readPage(t.Context(), tx, cursorSealer{h.Sealer}, pageOptions{cursor: pages[i].cursor, end: pages[i].end, size: 1 + rng.IntN(7)})
						if err != nil {
							return err
						}
						for _, d := range p.documents {
							got = append(got, d.ID.String())
						}
						if pages[i].end != nil && *pages[i].end != p.next {
							return fmt.Errorf("page %d with an end goes on elsewhere", i)
						}
						pages[i].end, done = &p.next, p.isDone
					}
					s := q.open(tx)
					for {
						d, err := s.next(t.Context())
						if err != nil {
							return err
						}
						if d == nil {
							break
						}
						want = append(want, d.ID.String())
					}
					if !done {
						want = want[:min(len(want), len(got))]
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("after %d pages: %s", len(pages), diff)
				}
				churn(rng.IntN(8))
			}
		})
	}
}

func TestPageOptions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rows(t, h, 10)
	cs := cursorSealer{h.Sealer}
	err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		q, err := parseQuery(tx, json.RawMessage(scanQuery("rows", "asc")))
		if err != nil {
			return err
		}
		read := func(o pageOptions) *page {
			p, err := q.readPage(t.Context(), tx, cs, o)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		full := read(pageOptions{size: 10})
		if full.isDone || len(full.documents) != 10 || full.split == nil {
			t.Errorf("a page that fills up at the last row is not done yet: %+v", full)
		}
		last := read(pageOptions{size: 10, cursor: &full.next})
		if !last.isDone || len(last.documents) != 0 {
			t.Errorf("%+v", last)
		}
		if beyond := read(pageOptions{size: 10, cursor: &last.next}); !beyond.isDone || len(beyond.documents) != 0 || beyond.next != last.next {
			t.Errorf("%+v", beyond)
		}
		if p := read(pageOptions{size: 10, maxRows: 4}); p.status != "SplitRequired" || len(p.documents) != 4 || p.isDone {
			t.Errorf("%+v", p)
		}
		if p := read(pageOptions{size: 10, maxBytes: 1}); p.status != "SplitRequired" || len(p.documents) != 1 {
			t.Errorf("at least one row is read: %+v", p)
		}
		left, right := read(pageOptions{size: 10, end: full.split}), read(pageOptions{size: 1, cursor: full.split, end: &full.next})
		if len(left.documents)+len(right.documents) != 10 || len(left.documents) != 5 {
			t.Errorf("halves of %d and %d", len(left.documents), len(right.documents))
		}
		other, err := parseQuery(tx, json.RawMessage(scanQuery("rows", "desc")))
		if err != nil {
			return err
		}
		for _, cursor := range []string{full.next, "", "x", full.next + "A"} {
			if _, err := other.readPage(t.Context(), tx, cs, pageOptions{size: 1, cursor: &cursor}); err == nil || !strings.HasPrefix(err.Error(), "InvalidCursor: ") {
				t.Errorf("cursor %q of another query: %v", cursor, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStreamID(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{
		`{"queryId":7}`: 7, `{"queryId":1234567}`: 1234567, `{ "queryId" : 3 }`: 3, `{"queryId":2147483647}`: 2147483647, `{"queryId":-1}`: -1,
	} {
		if got, err := streamID(json.RawMessage(args), "x"); got != want || err != nil {
			t.Errorf("%s: %d, %v", args, got, err)
		}
	}
	for _, args := range []string{``, `{"queryId":}`, `{"queryId":1`, `{"queryId":1}}`, `{"queryId":"1"}`, `{"queryId":1.5}`} {
		if got, err := streamID(json.RawMessage(args), "x"); err == nil {
			t.Errorf("%s: %d", args, got)
		}
	}
}

package udf

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// searchable makes n rows with the word "soup" and an index over it, and one
// over their vectors.
func searchable(t *testing.T, h *house, n int) {
	t.Helper()
	h.update(func(tx *database.Tx) error {
		text := database.Searched{Kind: database.Text, Field: "body", Filters: []string{"g"}}
		if err := tx.AddSearchIndex(t.Context(), "rows", "text", text, database.Enabled); err != nil {
			return err
		}
		near := database.Searched{Kind: database.Vector, Field: "e", Filters: []string{"g"}, Dimensions: 2}
		if err := tx.AddSearchIndex(t.Context(), "rows", "near", near, database.Enabled); err != nil {
			return err
		}
		for i := range n {
			e := value.Array{value.Float64(1), value.Float64(i)}
			if _, err := tx.Insert(t.Context(), "rows", obj("n", i, "g", i%2, "body", fmt.Sprintf("soup %d", i), "e", e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// searchQuery is the JSON of a search with conditions and operators.
func searchQuery(text, filters, operators string) string {
	return fmt.Sprintf(`{"source":{"type":"Search","indexName":"rows.text","filters":[{"type":"Search","fieldPath":"body","value":%q}%s]},"operators":[%s]}`,
		text, filters, operators)
}

// read reads a query to its end, with the service that execution.parseQuery gives it.
func (h *house) read(tx *database.Tx, text string) ([]int, error) {
	q, err := parseQuery(tx, json.RawMessage(text))
	if err != nil {
		return nil, err
	}
	q.search.service = h.Search
	var ns []int
	s := q.open(tx)
	for {
		doc, err := s.next(h.Context())
		if err != nil || doc == nil {
			return ns, err
		}
		n, _ := doc.Object().Get("n")
		ns = append(ns, int(n.(value.Float64)))
	}
}

func TestSearchSource(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	searchable(t, h, 6)
	for _, c := range []struct {
		name, query string
		want        []int
	}{
		{"newest first", searchQuery("soup", "", ""), []int{5, 4, 3, 2, 1, 0}},
		{"condition", searchQuery("soup", `,{"type":"Eq","fieldPath":"g","value":1}`, ""), []int{5, 3, 1}},
		{"same condition twice", searchQuery("soup", strings.Repeat(`,{"type":"Eq","fieldPath":"g","value":1}`, 2), ""), []int{5, 3, 1}},
		{"two values for a field", searchQuery("soup", `,{"type":"Eq","fieldPath":"g","value":1},{"type":"Eq","fieldPath":"g","value":0}`, ""), nil},
		{"undefined", searchQuery("soup", `,{"type":"Eq","fieldPath":"g","value":{"$undefined":null}}`, ""), nil},
		{"filter and limit", searchQuery("soup", "", `{"filter":{"$lt":[{"$field":"n"},{"$literal":4}]}},{"limit":2}`), []int{3, 2}},
		{"limit of nothing", searchQuery("soup", "", `{"limit":0}`), nil},
		{"no words", searchQuery("?!", "", ""), nil},
	} {
		err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			got, err := h.read(tx, c.query)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, not %v", c.name, got, c.want)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, c := range []struct{ name, query, code string }{
		{"no text", `{"source":{"type":"Search","indexName":"rows.text","filters":[{"type":"Eq","fieldPath":"g","value":1}]},"operators":[]}`, "MissingSearchFilterError"},
		{"two texts", searchQuery("a", `,{"type":"Search","fieldPath":"body","value":"b"}`, ""), "DuplicateSearchFiltersError"},
		{"text of another field", `{"source":{"type":"Search","indexName":"rows.text","filters":[{"type":"Search","fieldPath":"g","value":"a"}]},"operators":[]}`, "IncorrectSearchField"},
		{"condition on another field", searchQuery("a", `,{"type":"Eq","fieldPath":"n","value":1}`, ""), "IncorrectFilterFieldError"},
		{"nine conditions", searchQuery("a", strings.Repeat(`,{"type":"Eq","fieldPath":"g","value":1}`, 9), ""), "TooManyFilterConditionsInSearchQueryError"},
		{"text that is none", `{"source":{"type":"Search","indexName":"rows.text","filters":[{"type":"Search","fieldPath":"body","value":1}]},"operators":[]}`, "InvalidQuery"},
		{"condition of an unknown kind", searchQuery("a", `,{"type":"Gt","fieldPath":"g","value":1}`, ""), "InvalidQuery"},
		{"vector index", `{"source":{"type":"Search","indexName":"rows.near","filters":[{"type":"Search","fieldPath":"e","value":"a"}]},"operators":[]}`, "IndexNotFound"},
		{"no such index", `{"source":{"type":"Search","indexName":"rows.nothing","filters":[{"type":"Search","fieldPath":"e","value":"a"}]},"operators":[]}`, "IndexNotFound"},
		{"system table", `{"source":{"type":"Search","indexName":"_modules.x","filters":[{"type":"Search","fieldPath":"e","value":"a"}]},"operators":[]}`, "InvalidTable"},
	} {
		err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			_, err := h.read(tx, c.query)
			return err
		})
		if e, ok := apierr.As(err); !ok || e.Code != c.code {
			t.Errorf("%s: %v, wanted %s", c.name, err, c.code)
		}
	}
}

// TestSearchPages reads pages of changing sizes while rows come and go; pages
// with an end must not change what lies between their ends.
func TestSearchPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	searchable(t, h, 23)
	cs := cursorSealer{h.Sealer}
	page := func(size int, cursor, end *string) *page {
		t.Helper()
		var p *page
		err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			q, err := parseQuery(tx, json.RawMessage(searchQuery("soup", "", "")))
			if err != nil {
				return err
			}
			q.search.service = h.Search
			p, err = q.readPage(t.Context(), tx, cs, pageOptions{size: size, cursor: cursor, end: end})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := page(10, nil, nil)
	second := page(10, &first.next, nil)
	third := page(10, &second.next, nil)
	if n := len(first.documents) + len(second.documents) + len(third.documents); n != 23 || second.isDone || !third.isDone {
		t.Fatalf("%d documents, done: %v, %v", n, second.isDone, third.isDone)
	}
	if again := page(1, &first.next, &second.next); len(again.documents) != 10 || again.next != second.next {
		t.Errorf("a page with an end has %d documents", len(again.documents))
	}
	if rest := page(1, &first.next, &third.next); len(rest.documents) != 13 || !rest.isDone {
		t.Errorf("a page up to the end of all has %d documents", len(rest.documents))
	}
	h.update(func(tx *database.Tx) error {
		_, err := tx.Insert(t.Context(), "rows", obj("n", 99, "g", 0, "body", "soup"))
		return err
	})
	begin, middle := page(1, nil, &first.next), page(1, &first.next, &second.next)
	if n, _ := begin.documents[0].Object().Get("n"); len(begin.documents) != 10 || n != value.Value(value.Float64(99)) || middle.documents[0].ID != first.documents[9].ID {
		t.Errorf("pages do not follow one another after a document came first")
	}
	if p := page(5, &third.next, nil); !p.isDone || len(p.documents) != 0 {
		t.Errorf("after the end: %+v", p)
	}
}

func TestVectorFilter(t *testing.T) {
	t.Parallel()
	ix := database.Index{Table: "rows", Name: "near", Fields: []string{"e", "g", "h"}}
	eq := `{"$eq":[{"$field":"g"},{"$literal":1}]}`
	for text, want := range map[string]int{
		``: 0, `null`: 0, eq: 1, `{"$or":[` + eq + `,{"$eq":[{"$field":"h"},{"$literal":{"$undefined":null}}]}]}`: 2,
		`{"$or":[` + strings.Repeat(eq+",", 63) + eq + `]}`: 64,
	} {
		if got, err := vectorFilter(json.RawMessage(text), ix, true); err != nil || len(got) != want {
			t.Errorf("%.60s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		`{}`, `[]`, `1`, `{"$and":[]}`, `{"$or":[]}`, `{"$or":[{"$or":[` + eq + `]}]}`, `{"$eq":[]}`, `{"$eq":[{"$literal":1},{"$field":"g"}]}`,
		`{"$eq":[{"$field":"e"},{"$literal":1}]}`, `{"$eq":[{"$field":"g"},{"$field":"h"}]}`, `{"$or":[` + strings.Repeat(eq+",", 64) + eq + `]}`,
	} {
		if got, err := vectorFilter(json.RawMessage(text), ix, true); err == nil {
			t.Errorf("%.60s: %v", text, got)
		} else if e, ok := apierr.As(err); !ok || e.Code != "InvalidVectorQuery" {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

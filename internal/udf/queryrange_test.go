package udf

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestQueryRangeOfIDs: every index ends in ids, which libraries that paginate by
// themselves compare. What a range gives is what comparing texts gives.
func TestQueryRangeOfIDs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rows(t, h, 40)
	type row struct {
		n, g int
		at   float64
		id   string
	}
	var all []row
	h.update(func(tx *database.Tx) error {
		if _, err := tx.Insert(t.Context(), "others", obj("n", 0)); err != nil {
			return err
		}
		c := tx.Scan("rows", database.ByCreationTime, database.Interval{}, database.Asc)
		defer c.Close()
		for {
			d, err := c.Next(t.Context())
			if err != nil || d == nil {
				return err
			}
			n, _ := d.Object().Get("n")
			all = append(all, row{int(n.(value.Float64)), int(n.(value.Float64)) % 3, d.CreationTime, d.ID.String()})
		}
	})
	texts := []string{`null`, `true`, `5`, `[]`, `""`, `"0"`, `"zzz"`, `"~"`, `{"$bytes":"AA=="}`}
	for _, r := range all {
		texts = append(texts, fmt.Sprintf("%q", r.id), fmt.Sprintf("%q", r.id[:20]), fmt.Sprintf("%q", r.id+"x"), fmt.Sprintf("%q", strings.ToUpper(r.id)))
	}
	cmp := func(id, text string) int { // in the order of values
		switch {
		case text[0] == '"':
			return strings.Compare(id, text[1:len(text)-1])
		case text[0] == '[' || text[0] == '{':
			return -1
		}
		return 1
	}
	ops := map[string]func(int) bool{
		"Eq": func(c int) bool { return c == 0 }, "Gt": func(c int) bool { return c > 0 }, "Gte": func(c int) bool { return c >= 0 },
		"Lt": func(c int) bool { return c < 0 }, "Lte": func(c int) bool { return c <= 0 },
	}
	for range 400 {
		like, text := all[rand.N(len(all))], texts[rand.N(len(texts))]
		for op, holds := range ops {
			var want []int
			for _, r := range all {
				if r.n == like.n && holds(cmp(r.id, text)) {
					want = append(want, r.n)
				}
			}
			query := fmt.Sprintf(`{"source":{"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Eq","fieldPath":"g","value":%d},{"type":"Eq","fieldPath":"n","value":%d},{"type":"Eq","fieldPath":"_creationTime","value":%s},{"type":%q,"fieldPath":"_id","value":%s}],"order":null},"operators":[]}`,
				like.g, like.n, value.JSON(value.Float64(like.at)), op, text)
			if got, _ := queried(t, h, query); !slices.Equal(got, want) {
				t.Fatalf("%s\n got %v\nwant %v", query, got, want)
			}
		}
	}
}

// TestRangeOfIDs compares the keys of a range with the order of texts, where
// several ids stand behind one prefix.
func TestRangeOfIDs(t *testing.T) {
	t.Parallel()
	const table = 10_001
	prefix := value.AppendKey(nil, value.Float64(7))
	for range 2000 {
		var id, other value.ID
		id.Table, other.Table = table, table
		for i := range id.Internal {
			id.Internal[i] = byte(rand.Uint32())
			other.Internal[i] = id.Internal[i] // often a long way alike
			if rand.N(12) == 0 {
				other.Internal[i] = byte(rand.Uint32())
			}
		}
		text := other.String()
		switch rand.N(4) {
		case 0:
			text = text[:rand.N(len(text))]
		case 1:
			text += "a"
		case 2:
			cut := rand.N(len(text))
			text = text[:cut] + string(rune(33+rand.N(90))) + text[cut+1:]
		}
		r := rangeBounds{ids: table, last: 1}
		from, to := r.place(prefix, value.String(text), true)
		key := string(append(slices.Clip(prefix), id.Internal[:]...))
		got := 0
		switch {
		case key < string(from):
			got = -1
		case key >= string(to):
			got = 1
		}
		if want := strings.Compare(id.String(), text); got != want {
			t.Fatalf("%s against %q: %d, want %d", id, text, got, want)
		}
	}
}

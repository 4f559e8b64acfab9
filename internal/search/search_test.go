package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// textIndex is the index of the tests.
var textIndex = database.Searched{Kind: database.Text, Field: "body", Filters: []string{"channel", "meta.level"}}

// vocabulary has words that are prefixes of one another.
var vocabulary = strings.Fields("a ab abc abcd b ba bab c ca cab caba d da dab zebra zeal zen 日本 日本語 größe")

// randomNote makes a document, some of which are not indexed.
func randomNote(r *rand.Rand) value.Object {
	var words []string
	for range r.IntN(8) {
		words = append(words, vocabulary[r.IntN(len(vocabulary))])
	}
	fields := map[string]value.Value{"body": value.String(strings.Join(words, " ")), "n": value.Float64(r.IntN(100))}
	switch r.IntN(8) {
	case 0:
		delete(fields, "body")
	case 1:
		fields["body"] = value.Float64(1)
	}
	switch r.IntN(4) {
	case 0:
		fields["channel"] = value.String("c" + strings.Repeat("x", 60*r.IntN(2)))
	case 1:
		fields["channel"] = value.Null{}
	}
	if r.IntN(2) == 0 {
		fields["meta"] = value.NewObject(map[string]value.Value{"level": value.Float64(r.IntN(2))})
	}
	return value.NewObject(fields)
}

// randomQuery makes a search.
func randomQuery(r *rand.Rand) TextQuery {
	var words []string
	for range 1 + r.IntN(3) {
		words = append(words, vocabulary[r.IntN(len(vocabulary))])
	}
	q := TextQuery{Text: strings.Join(words, " "), Filters: map[int]value.Value{}}
	switch r.IntN(5) {
	case 0:
		q.Filters[0] = value.String("c" + strings.Repeat("x", 60*r.IntN(2)))
	case 1:
		q.Filters[0] = value.Undefined{}
	case 2:
		q.Filters[1] = value.Float64(r.IntN(2))
		q.Filters[0] = value.Null{}
	}
	return q
}

// change writes something at random.
func change(t *testing.T, r *rand.Rand, tx *database.Tx, docs []*database.Document) {
	t.Helper()
	var err error
	switch {
	case len(docs) < 5 || r.IntN(3) == 0:
		_, err = tx.Insert(t.Context(), "t", randomNote(r))
	case r.IntN(2) == 0:
		err = tx.Replace(t.Context(), docs[r.IntN(len(docs))].ID, randomNote(r))
	default:
		err = tx.Delete(t.Context(), docs[r.IntN(len(docs))].ID)
	}
	if err != nil && !strings.Contains(err.Error(), "nonexistent") {
		t.Fatal(err)
	}
}

// TestTextAgreesWithModel writes at random and searches as of the newest and of
// older snapshots, and with a transaction's own writes; every answer must be
// the one that looking at every document gives.
func TestTextAgreesWithModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			store := persistence.NewMemory()
			dir := ""
			if seed >= 3 {
				dir = t.TempDir()
			}
			h, stop := newHouse(t, store, &Service{limit: 7, Dir: dir})
			if seed%2 == 0 {
				h.declare("t", "text", textIndex)
			}
			h.update(func(tx *database.Tx) error {
				for range 40 {
					change(t, r, tx, nil)
				}
				return nil
			})
			if seed%2 != 0 {
				h.declare("t", "text", textIndex)
			}
			begin := h.db.Latest()
			var snapshots []persistence.Timestamp
			for step := range 150 {
				if step%25 == 24 {
					stop()
					h, stop = newHouse(t, store, &Service{limit: 7, Dir: dir})
				}
				ts := h.update(func(tx *database.Tx) error {
					docs := h.all(tx)
					for range 1 + r.IntN(4) {
						change(t, r, tx, docs)
					}
					return nil
				})
				snapshots = append(snapshots, max(ts, begin))
				if step%10 == 0 {
					x := h.index("text")
					for x.merge(snapshots[len(snapshots)/2]) {
					}
				}
				at := snapshots[len(snapshots)-1]
				if r.IntN(3) == 0 {
					at = snapshots[r.IntN(len(snapshots))]
				}
				tx, err := h.db.BeginAt(t.Context(), at)
				if err != nil {
					t.Fatal(err)
				}
				for range r.IntN(3) {
					change(t, r, tx, h.all(tx))
				}
				q := randomQuery(r)
				want := model(h.all(tx), textIndex.Fields(), q)
				if got := h.ids(tx, q); !slices.Equal(got, want) {
					t.Fatalf("step %d, at %d of %v: search for %v:\n%s", step, at, snapshots, q, cmp.Diff(want, got))
				}
			}
		})
	}
}

// TestSearchesAreWatched holds that a subscription to a search ends with the
// first write that changes its answer, and stays where no write could.
func TestSearchesAreWatched(t *testing.T) {
	t.Parallel()
	h, _ := newHouse(t, persistence.NewMemory(), &Service{limit: 50})
	h.declare("t", "text", textIndex)
	r := rand.New(rand.NewPCG(3, 4))
	type watched struct {
		q     TextQuery
		match *database.Match
		sub   *database.Subscription
		seen  string
	}
	look := func(tx *database.Tx, q TextQuery) string {
		var b strings.Builder
		ids := h.ids(tx, q)
		slices.SortFunc(ids, func(a, b value.ID) int { return strings.Compare(a.String(), b.String()) })
		docs, err := tx.Found(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			b.Write(d.JSON())
		}
		return b.String()
	}
	var list []*watched
	ended, spared := 0, 0
	for range 300 {
		if len(list) < 20 {
			q := randomQuery(r)
			tx, err := h.db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ix, _, _ := tx.SearchIndex("t", "text", database.Text)
			w := &watched{q: q, match: q.match(ix), seen: look(tx, q)}
			w.sub = h.db.Subscribe(tx.Reads(), tx.Snapshot())
			list = append(list, w)
		}
		var changes []database.Change
		h.update(func(tx *database.Tx) error {
			change(t, r, tx, h.all(tx))
			ix, _, _ := tx.SearchIndex("t", "text", database.Text)
			changes = tx.ChangesOf(ix)
			return nil
		})
		tx, err := h.db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(w *watched) bool {
			current := w.sub.Current()
			if now := look(tx, w.q); current && now != w.seen {
				t.Fatalf("search for %v changed and its subscription did not end:\n%s\n%s", w.q, w.seen, now)
			}
			could := false
			for _, ch := range changes {
				for _, d := range []*database.Document{ch.Old, ch.New} {
					could = could || d != nil && w.match.Meets(h.s.Digest(textIndex.Fields(), d))
				}
			}
			if current == could {
				t.Fatalf("search for %v: current is %v after a change that could concern it: %v", w.q, current, could)
			}
			if !current {
				ended++
				w.sub.Close()
				return true
			}
			spared++
			return false
		})
	}
	if ended < 20 || spared < 20 {
		t.Errorf("%d ended and %d spared: the test looks at nothing", ended, spared)
	}
}

// TestSearchesConflict holds that of two transactions that search and write what
// the other searched for only one commits, and both where they do not meet.
func TestSearchesConflict(t *testing.T) {
	t.Parallel()
	h, _ := newHouse(t, persistence.NewMemory(), &Service{})
	h.declare("t", "text", textIndex)
	for _, c := range []struct {
		name, search, write string
		channel             value.Value
		conflict            bool
	}{
		{"same word", "apple", "an apple", nil, true},
		{"prefix of the last word", "pear app", "an apple", nil, true},
		{"prefix of another word", "app pear", "an apple", nil, false},
		{"other word", "pear", "an apple", nil, false},
		{"other filter value", "apple", "an apple", value.String("b"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			filters := map[int]value.Value{0: value.String("a")}
			if c.channel == nil {
				c.channel = value.String("a")
			}
			var txs [2]*database.Tx
			for i := range txs {
				tx, err := h.db.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				h.ids(tx, TextQuery{Text: c.search, Filters: filters})
				if _, err := tx.Insert(t.Context(), "t", value.NewObject(map[string]value.Value{"body": value.String(c.write), "channel": c.channel})); err != nil {
					t.Fatal(err)
				}
				txs[i] = tx
			}
			if _, err := h.db.Commit(t.Context(), txs[0]); err != nil {
				t.Fatal(err)
			}
			_, err := h.db.Commit(t.Context(), txs[1])
			if (err != nil) != c.conflict {
				t.Errorf("the second commit: %v", err)
			}
		})
	}
}

// TestVectorsAreExact compares the nearest of random and clustered vectors with
// those of looking at every one.
func TestVectorsAreExact(t *testing.T) {
	t.Parallel()
	const dimensions = 50
	for _, clustered := range []bool{false, true} {
		t.Run(fmt.Sprintf("clustered=%v", clustered), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(5, 6))
			h, _ := newHouse(t, persistence.NewMemory(), &Service{limit: 64})
			def := database.Searched{Kind: database.Vector, Field: "e", Filters: []string{"g"}, Dimensions: dimensions}
			h.declare("t", "near", def)
			centres := make([][]float64, 5)
			for i := range centres {
				centres[i] = gauss(r, dimensions)
			}
			draw := func() []float64 {
				v := gauss(r, dimensions)
				if clustered {
					c := centres[r.IntN(len(centres))]
					for i := range v {
						v[i] = c[i] + v[i]/20
					}
				}
				return v
			}
			insert := func(tx *database.Tx) error {
				list := value.Array{}
				for _, f := range draw() {
					list = append(list, value.Float64(f))
				}
				_, err := tx.Insert(t.Context(), "t", value.NewObject(map[string]value.Value{"e": list, "g": value.Float64(r.IntN(4))}))
				return err
			}
			for range 20 {
				h.update(func(tx *database.Tx) error {
					for range 40 {
						if err := insert(tx); err != nil {
							return err
						}
					}
					docs := h.all(tx)
					return tx.Delete(t.Context(), docs[r.IntN(len(docs))].ID)
				})
			}
			for range 60 {
				tx, err := h.db.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				ix, _, err := tx.SearchIndex("t", "near", database.Vector)
				if err != nil {
					t.Fatal(err)
				}
				q := VectorQuery{Limit: 1 + r.IntN(30)}
				for _, f := range draw() {
					q.Vector = append(q.Vector, float32(f))
				}
				groups := map[float64]bool{}
				if r.IntN(2) == 0 {
					for range 2 {
						g := float64(r.IntN(5))
						groups[g] = true
						q.Any = append(q.Any, Equal{0, value.Float64(g)})
					}
				}
				got, err := h.s.Vectors(t.Context(), tx, ix, q)
				if err != nil {
					t.Fatal(err)
				}
				var want []hit
				for _, d := range h.all(tx) {
					g, _ := d.Object().Get("g")
					if len(groups) > 0 && !groups[float64(g.(value.Float64))] {
						continue
					}
					a := analyseVector(def.Fields(), dimensions, d)
					want = append(want, hit{dotExact(unit(q.Vector), unit(a.vector)), d.CreationTime, d.ID.Internal})
				}
				slices.SortFunc(want, compareHits)
				want = want[:min(len(want), q.Limit)]
				for i, w := range want {
					if got[i].ID != w.id || got[i].Score != w.score {
						t.Fatalf("hit %d is %v, not %v", i, got[i], w)
					}
				}
				if len(got) != len(want) {
					t.Fatalf("%d hits, not %d", len(got), len(want))
				}
			}
		})
	}
}

// gauss draws a vector of a random direction.
func gauss(r *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = r.NormFloat64()
	}
	return v
}

func TestDotAgreesWithPortable(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for n := 0; n <= 4096; n += lanes {
		a, b := make([]int16, n), make([]int8, n)
		for i := range a {
			a[i], b[i] = int16(r.IntN(4095)-2047), int8(r.IntN(255)-127)
			if n == 4096 {
				a[i], b[i] = -2047, 127
			}
		}
		if got, want := dotRounded(a, b), dotPortable(a, b); got != want {
			t.Fatalf("of %d dimensions: %d, not %d", n, got, want)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                     nil,
		" ,.!? ":                               nil,
		"Hello, World":                         {"hello", "world"},
		"it's e-mail_x":                        {"it", "s", "e", "mail", "x"},
		"ÀÉ ß ΣΑΣ":                             {"àé", "ß", "σασ"},
		"İstanbul":                             {"i\u0307stanbul"},
		"日本語 テキスト":                             {"日本語", "テキスト"},
		"हिन्दी":                               {"हिन", "दी"},
		"x²½ ٣":                                {"x²½", "٣"},
		strings.Repeat("a", 32):                {strings.Repeat("a", 32)},
		strings.Repeat("a", 33):                nil,
		strings.Repeat("é", 16) + " " + "\xff": {strings.Repeat("é", 16)},
	} {
		if got := tokens(nil, text); !slices.Equal(got, want) {
			t.Errorf("tokens of %q: %q, not %q", text, got, want)
		}
	}
}

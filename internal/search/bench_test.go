package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// heapMB is the memory in use after a collection.
func heapMB() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// zipf draws words as a natural text has them: few very often, many rarely.
func zipf(r *rand.Rand, n int) func() string {
	z := rand.NewZipf(r, 1.07, 8, uint64(n-1))
	return func() string { return word36(z.Uint64()) }
}

// word36 is the n-th word of a made-up language.
func word36(n uint64) string {
	h := n*0x9E3779B97F4A7C15 + 0x1234567
	b := make([]byte, 2+h%7)
	for i := range b {
		b[i] = "etaoinshrdlucmfwypvbgkqjxz"[(h>>(5*i+7)^n>>(4*i))%26]
	}
	return fmt.Sprintf("%s%x", b, n)
}

// BenchmarkText builds an index of a million documents of fifty words and
// searches it. The corpus is analysed as it is made; the time that takes is not
// counted as building.
func BenchmarkText(b *testing.B) {
	const n = 1_000_000
	r := rand.New(rand.NewPCG(1, 2))
	word := zipf(r, 400_000)
	before := heapMB()
	x := newIndex(database.Index{Kind: database.Text, Fields: []string{"body", "channel"}}, growLimit)
	var building, analysing time.Duration
	for i := range n {
		text := make([]byte, 0, 400)
		for range 20 + r.IntN(60) {
			text = append(append(text, word()...), ' ')
		}
		began := time.Now()
		a := &analysis{filters: []string{filterName(value.Float64(i % 100))}}
		all := tokens(nil, string(text))
		a.length = uint32(len(all))
		slices.Sort(all)
		for j, t := range all {
			if j > 0 && t == all[j-1] {
				a.counts[len(a.counts)-1]++
				continue
			}
			a.terms, a.counts = append(a.terms, t), append(a.counts, 1)
		}
		analysing += time.Since(began)
		began = time.Now()
		d := &database.Document{CreationTime: float64(i)}
		d.ID.Internal = value.NewInternalID(rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}), time.Now())
		x.add(d, persistence.Timestamp(i+1), a)
		if len(x.segments) > mergeWidth {
			x.merge(0)
		}
		building += time.Since(began)
	}
	x.through = n
	b.Logf("analysed in %v, indexed in %v, %d segments, %.0f MB", analysing, building, len(x.segments), heapMB()-before)
	for _, dead := range []int{0, 1000} {
		for range dead {
			s := x.segments[0]
			s.kill(s.ids[r.IntN(len(s.ids))], n)
		}
		for _, c := range []struct {
			name    string
			text    func() string
			filters map[int]value.Value
		}{
			{"rare word", func() string { return word36(uint64(20000 + r.IntN(300000))) }, nil},
			{"words of a text", func() string { return word() + " " + word() + " " + word() }, nil},
			{"three most common words", func() string { return word36(0) + " " + word36(1) + " " + word36(2) }, nil},
			{"sixteen most common words", func() (s string) {
				for i := range uint64(16) {
					s += word36(i) + " "
				}
				return s
			}, nil},
			{"one letter", func() string { return string(rune('a' + r.IntN(26))) }, nil},
			{"common words and a filter", func() string { return word36(0) + " " + word() }, map[int]value.Value{0: value.Float64(7)}},
		} {
			var times []time.Duration
			for range 60 {
				q := TextQuery{Text: c.text(), Filters: c.filters}
				began := time.Now()
				if _, err := x.searchText(b.Context(), n, q.match(x.info), nil); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(began))
			}
			slices.Sort(times)
			b.Logf("%d dead, %s: p50 %v, p99 %v", dead, c.name, times[len(times)/2], times[len(times)*99/100])
		}
	}
	began := time.Now()
	for i := range 1000 {
		d := &database.Document{CreationTime: n}
		d.ID.Internal[0] = byte(i)
		a := &analysis{length: 50}
		for range 50 {
			a.terms, a.counts = append(a.terms, word()), append(a.counts, 1)
		}
		x.add(d, n+1, a)
	}
	b.Logf("taking in a document: %v", time.Since(began)/1000)
}

// BenchmarkVectors searches 100,000 vectors of 1,536 dimensions.
func BenchmarkVectors(b *testing.B) {
	const n, dimensions = 100_000, 1536
	for _, clustered := range []bool{false, true} {
		r := rand.New(rand.NewPCG(3, 4))
		centres := make([][]float32, 100)
		draw := func(spread float64, centre []float32) []float32 {
			v := make([]float32, dimensions)
			for i := range v {
				v[i] = float32(r.NormFloat64() * spread)
				if centre != nil {
					v[i] += centre[i]
				}
			}
			return v
		}
		for i := range centres {
			centres[i] = draw(1, nil)
		}
		next := func() []float32 {
			if clustered {
				return draw(0.3, centres[r.IntN(len(centres))])
			}
			return draw(1, nil)
		}
		before := heapMB()
		x := newIndex(database.Index{Kind: database.Vector, Fields: []string{"e", "g"}, Dimensions: dimensions}, growLimit)
		var building time.Duration
		for i := range n {
			a := &analysis{vector: next(), filters: []string{filterName(value.Float64(i % 100))}}
			began := time.Now()
			d := &database.Document{CreationTime: float64(i)}
			d.ID.Internal = value.NewInternalID(rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}), time.Now())
			x.add(d, 1, a)
			if len(x.segments) > mergeWidth {
				x.merge(0)
			}
			building += time.Since(began)
		}
		b.Logf("clustered=%v: built in %v, %d segments, %.0f MB", clustered, building, len(x.segments), heapMB()-before)
		for _, c := range []struct {
			limit  int
			filter []Equal
		}{{10, nil}, {256, nil}, {10, []Equal{{0, value.Float64(3)}}}} {
			var times []time.Duration
			found, all, closest := 0, 0, 0.0
			for q := range 40 {
				v := next()
				began := time.Now()
				hits, err := x.searchVectors(b.Context(), 1, VectorQuery{Vector: v, Limit: c.limit, Any: c.filter})
				if err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(began))
				if q < 5 && c.filter == nil {
					var exact []hit
					u := unit(v)
					for _, s := range x.segments {
						for i := range s.ids {
							exact = append(exact, hit{dotExact(u, s.vectors.row(uint32(i))), s.created[i], s.ids[i]})
						}
					}
					slices.SortFunc(exact, compareHits)
					for i := range c.limit {
						all++
						if slices.ContainsFunc(hits, func(h VectorHit) bool { return h.ID == exact[i].id }) {
							found++
						}
					}
					closest = math.Max(closest, exact[0].score)
				}
			}
			slices.Sort(times)
			b.Logf("limit %d, filter %v: p50 %v, p99 %v, %d of %d found, closest %.3f", c.limit, c.filter, times[len(times)/2], times[len(times)*99/100], found, all, closest)
		}
	}
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// call runs a function over HTTP and gives its value.
func (c *caller) call(ctx context.Context, kind, path string, args any) (json.RawMessage, error) {
	b, err := json.Marshal(map[string]any{"path": path, "format": "json", "args": []any{args}})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/"+kind, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string          `json:"status"`
		Value  json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(out, &answer); err != nil || answer.Status != "success" {
		return nil, fmt.Errorf("%s: %d %.300s", path, res.StatusCode, out)
	}
	return answer.Value, nil
}

// fillTable writes n rows by calls of so many each, a few at once.
func fillTable(ctx context.Context, c *caller, n, each int, write func(from, to int) (path string, args any)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for from := 0; from < n; from += each {
		g.Go(func() error {
			path, args := write(from, min(from+each, n))
			_, err := c.call(ctx, "mutation", path, args)
			return err
		})
	}
	return g.Wait()
}

// pushIndexes pushes the schema with its search indexes and says how long that
// took, and what it cost in memory.
func (b *bench) pushIndexes(ctx context.Context, what string) error {
	before, err := residentKB(b.house.cmd.Process.Pid)
	if err != nil {
		return err
	}
	path := filepath.Join(b.house.dir, "convex", "schema.ts")
	schema, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := bytes.ReplaceAll(schema, []byte(", // SEARCH "), []byte("\n    "))
	text = bytes.ReplaceAll(text, []byte(`["group"] })`+"\n"), []byte(`["group"] }),`+"\n"))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	began := time.Now()
	if err := b.push(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	time.Sleep(5 * time.Second)
	after, err := residentKB(b.house.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.report(what+": push that adds the index, until it is built", "%v, resident memory %d MB before and %d MB after", took.Round(100*time.Millisecond), before/1024, after/1024)
	return nil
}

// searches measures one kind of search with one client and with eight.
func (b *bench) searches(ctx context.Context, what string, ask func(ctx context.Context, c *caller) error) error {
	for _, n := range []int{1, 8} {
		c := newCaller(b.house.info.URL, n)
		times, rate, err := b.hammer(ctx, n, func(ctx context.Context, _ int) error { return ask(ctx, c) })
		if err != nil {
			return err
		}
		b.report(fmt.Sprintf("%s, %d clients", what, n), "%.0f/s, %v", rate, times)
	}
	return nil
}

// reopen starts the house again and measures until it is ready and until a search answers.
func (b *bench) reopen(ctx context.Context, what string, ask func(ctx context.Context, c *caller) error) error {
	b.house.end()
	h, err := b.start(ctx, b.house.dir)
	if err != nil {
		return err
	}
	b.house = h
	began := time.Now()
	c := newCaller(h.info.URL, 1)
	for ask(ctx, c) != nil {
		if time.Since(began) > 5*time.Minute {
			return fmt.Errorf("%s: no search answered in five minutes", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.report(what+": start again", "ready after %v, first search answered %v later", h.ready.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return nil
}

// writes compares single inserts into a table with the index and one without.
func (b *bench) writes(ctx context.Context, what string, tables [2]string, write func(n int, table string) (path string, args any)) error {
	var next atomic.Int64
	next.Store(1e7)
	for i, how := range []string{"with the index", "without"} {
		c := newCaller(b.house.info.URL, 1)
		times, _, err := b.hammer(ctx, 1, func(ctx context.Context, _ int) error {
			path, args := write(int(next.Add(1)), tables[i])
			_, err := c.call(ctx, "mutation", path, args)
			return err
		})
		if err != nil {
			return err
		}
		b.report(what+": insert of one, "+how, "%v", times)
	}
	return nil
}

// word is the n-th word of the language of bench/app/convex/search.ts.
func word(n int) string {
	return string("etaoinshrdlucmfw"[n%16]) + string("aeiou"[(n>>4)%5]) + strconv.FormatInt(int64(n), 36)
}

// someWord is a word drawn as the texts draw theirs.
func someWord() string { return word(int(math.Exp(rand.Float64() * math.Log(400_000)))) }

// benchTexts measures full-text search over a million texts of 40 words.
func benchTexts(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	n := int(1e6 * b.scale)
	what := fmt.Sprintf("%d texts of 40 words", n)
	write := func(from, to int, table string) (string, any) {
		return "search:fillTexts", map[string]any{"from": from, "to": to, "table": table}
	}
	err = fillTable(ctx, newCaller(h.info.URL, 4), n, 1000, func(from, to int) (string, any) { return write(from, to, "articles") })
	if err != nil {
		return err
	}
	if err := b.pushIndexes(ctx, what); err != nil {
		return err
	}
	ask := func(text func() string, group bool) func(context.Context, *caller) error {
		return func(ctx context.Context, c *caller) error {
			args := map[string]any{"text": text(), "salt": rand.Float64()}
			if group {
				args["group"] = rand.IntN(100)
			}
			_, err := c.call(ctx, "query", "search:texts", args)
			return err
		}
	}
	for _, s := range []struct {
		name string
		text func() string
		more bool
	}{
		{"a rare word", func() string { return word(20_000 + rand.IntN(300_000)) }, false},
		{"three words as texts have them", func() string { return someWord() + " " + someWord() + " " + someWord() }, false},
		{"the two most common words", func() string { return word(1) + " " + word(2) }, false},
		{"two letters", func() string { return word(rand.IntN(80))[:2] }, false},
		{"a common word and a filter", func() string { return word(1 + rand.IntN(3)) }, true},
	} {
		if err := b.searches(ctx, what+": best ten for "+s.name, ask(s.text, s.more)); err != nil {
			return err
		}
	}
	if err := b.writes(ctx, what, [2]string{"articles", "plainArticles"}, func(i int, table string) (string, any) { return write(i, i+1, table) }); err != nil {
		return err
	}
	return b.reopen(ctx, what, ask(someWord, false))
}

// dimensions of the vectors.
const dimensions = 1536

// generator draws as draw of bench/app/convex/search.ts does.
type generator uint32

// newGenerator begins with a seed.
func newGenerator(seed int) *generator {
	g := generator(uint32(seed+1) * 2654435761)
	return &g
}

// gauss is about normally distributed.
func (g *generator) gauss() float64 {
	sum := 0.0
	for range 4 {
		*g = *g*1664525 + 1013904223
		sum += float64(*g) / 4294967296
	}
	return sum - 2
}

// vector is the n-th vector of bench/app/convex/search.ts.
func vector(n int, clustered bool) []float64 {
	v, next, centre := make([]float64, dimensions), newGenerator(n), newGenerator(1e6+n%100)
	for i := range v {
		if clustered {
			c := centre.gauss()
			v[i] = c + float64(0.3*next.gauss()) // the conversion keeps it from being one operation
		} else {
			v[i] = next.gauss()
		}
	}
	return v
}

// benchVectors measures vector search over 100,000 vectors of 1,536 dimensions.
func benchVectors(ctx context.Context, b *bench) error {
	for _, clustered := range []bool{false, true} {
		if err := b.vectors(ctx, clustered); err != nil {
			return err
		}
	}
	return nil
}

// vectors measures random or clustered vectors.
func (b *bench) vectors(ctx context.Context, clustered bool) error {
	b.house.stop()
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	n := int(1e5 * b.scale)
	what := fmt.Sprintf("%d random vectors", n)
	if clustered {
		what = fmt.Sprintf("%d vectors in 100 clusters", n)
	}
	write := func(from, to int, table string) (string, any) {
		return "search:fillVectors", map[string]any{"from": from, "to": to, "table": table, "clustered": clustered}
	}
	err = fillTable(ctx, newCaller(h.info.URL, 4), n, 200, func(from, to int) (string, any) { return write(from, to, "vectors") })
	if err != nil {
		return err
	}
	if err := b.pushIndexes(ctx, what); err != nil {
		return err
	}
	if err := b.recall(ctx, what, n, clustered); err != nil {
		return err
	}
	questions := make([][]float64, 50)
	for i := range questions {
		questions[i] = vector(n+i, clustered)
	}
	ask := func(limit int, group bool) func(context.Context, *caller) error {
		return func(ctx context.Context, c *caller) error {
			args := map[string]any{"vector": questions[rand.IntN(len(questions))], "limit": limit}
			if group {
				args["group"] = rand.IntN(100)
			}
			_, err := c.call(ctx, "action", "search:near", args)
			return err
		}
	}
	for _, s := range []struct {
		name  string
		limit int
		group bool
	}{{"nearest ten", 10, false}, {"nearest 256", 256, false}, {"nearest ten of the hundredth that a filter leaves", 10, true}} {
		if err := b.searches(ctx, what+": "+s.name, ask(s.limit, s.group)); err != nil {
			return err
		}
	}
	if err := b.writes(ctx, what, [2]string{"vectors", "plainVectors"}, func(i int, table string) (string, any) { return write(i, i+1, table) }); err != nil {
		return err
	}
	return b.reopen(ctx, what, ask(10, false))
}

// recall compares what is found with the ten nearest of all.
func (b *bench) recall(ctx context.Context, what string, n int, clustered bool) error {
	const asked = 20
	type near struct {
		n     int
		score float64
	}
	var best [asked][]near
	var questions [asked][]float64
	for i := range questions {
		questions[i] = vector(n+1000+i, clustered)
	}
	for i := range n {
		v := vector(i, clustered)
		length := 0.0
		for _, f := range v {
			length += f * f
		}
		for q, question := range questions {
			dot := 0.0
			for j, f := range v {
				dot += f * question[j]
			}
			best[q] = append(best[q], near{i, dot / math.Sqrt(length)})
		}
	}
	c := newCaller(b.house.info.URL, 1)
	found := 0
	for q := range questions {
		slices.SortFunc(best[q], func(a, b near) int { return cmp.Compare(b.score, a.score) })
		out, err := c.call(ctx, "action", "search:nearest", map[string]any{"vector": questions[q]})
		if err != nil {
			return err
		}
		var got []float64
		if err := json.Unmarshal(out, &got); err != nil {
			return err
		}
		for _, w := range best[q][:min(10, n)] {
			if slices.Contains(got, float64(w.n)) {
				found++
			}
		}
	}
	b.report(what+": recall of the ten nearest", "%.1f %%, against looking at every vector, %d questions", float64(found)/asked/float64(min(10, n))*100, asked)
	return nil
}

package search

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// house is a database with a searcher.
type house struct {
	testing.TB
	db *database.DB
	s  *Service
}

// newHouse opens one over a store; both run until the test ends or stop is called.
func newHouse(t testing.TB, store persistence.Store, s *Service) (*house, func()) {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	s.DB = db
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- db.Run(ctx) }()
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
			<-done
			s.Close()
		}
	}
	t.Cleanup(stop)
	return &house{t, db, s}, stop
}

// update commits what f writes.
func (h *house) update(f func(*database.Tx) error) persistence.Timestamp {
	h.Helper()
	ts, err := h.db.Update(h.Context(), f)
	if err != nil {
		h.Fatal(err)
	}
	return ts
}

// declare adds an index and waits until it can be searched.
func (h *house) declare(table, name string, def database.Searched) {
	h.Helper()
	h.update(func(tx *database.Tx) error { return tx.AddSearchIndex(h.Context(), table, name, def, database.Enabled) })
	for {
		tx, err := h.db.Begin(h.Context())
		if err != nil {
			h.Fatal(err)
		}
		if _, _, err := tx.SearchIndex(table, name, def.Kind); err == nil {
			return
		}
		sub := h.db.Subscribe(tx.Reads(), tx.Snapshot())
		<-sub.Done()
	}
}

// ids searches in a transaction.
func (h *house) ids(tx *database.Tx, q TextQuery) []value.ID {
	h.Helper()
	ix, ok, err := tx.SearchIndex("t", "text", database.Text)
	if err != nil || !ok {
		h.Fatal(ok, err)
	}
	r, err := h.s.Text(h.Context(), tx, ix, q)
	if err != nil {
		h.Fatal(err)
	}
	var out []value.ID
	for {
		d, err := r.Next(h.Context())
		if err != nil {
			h.Fatal(err)
		}
		if d == nil {
			return out
		}
		out = append(out, d.ID)
	}
}

// all reads a table in a transaction.
func (h *house) all(tx *database.Tx) []*database.Document {
	h.Helper()
	var out []*database.Document
	c := tx.Scan("t", database.ByCreationTime, database.Interval{}, database.Asc)
	for {
		d, err := c.Next(h.Context())
		if err != nil {
			h.Fatal(err)
		}
		if d == nil {
			return out
		}
		out = append(out, d)
	}
}

// model is the same search written the plain way: every document is looked at.
func model(docs []*database.Document, fields []string, q TextQuery) []value.ID {
	words := tokens(nil, q.Text)
	if len(words) == 0 {
		return nil
	}
	words = words[:min(len(words), maxTerms)]
	last := words[len(words)-1]
	slices.Sort(words)
	words = slices.Compact(words)
	type entry struct {
		d *database.Document
		a *analysis
	}
	var entries []entry
	length := 0.0
	df := map[string]int{}
	for _, d := range docs {
		if a := analyse(fields, d); a != nil {
			entries = append(entries, entry{d, a})
			length += float64(a.length)
			for _, t := range a.terms {
				df[t]++
			}
		}
	}
	average := max(1, length/max(1, float64(len(entries))))
	var longer []string
	for t := range df {
		if len(t) > len(last) && t[:len(last)] == last && !slices.Contains(words, t) {
			longer = append(longer, t)
		}
	}
	slices.SortFunc(longer, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		if a < b {
			return -1
		}
		return 1
	})
	longer = longer[:min(len(longer), maxExpansions-1)]
	any := df[last]
	for _, t := range longer {
		any += df[t]
	}
	var hits []hit
	for _, e := range entries {
		fits := true
		for i, v := range q.Filters {
			fits = fits && value.Compare(value.Path(e.d.Object(), fields[1+i]), v) == 0
		}
		score := 0.0
		add := func(t string, weight float64, df int) {
			if i, ok := slices.BinarySearch(e.a.terms, t); ok {
				tf, n := float64(e.a.counts[i]), float64(len(entries))
				idf := weight * math.Log(1+(n-float64(df)+0.5)/(float64(df)+0.5)) * (bm25K1 + 1)
				score += idf * tf / (tf + bm25K1*(1-bm25B+bm25B*float64(e.a.length)/average))
			}
		}
		for _, t := range words {
			add(t, 1, df[t])
		}
		for _, t := range longer {
			add(t, prefixWeight, min(any, len(entries)))
		}
		if fits && score > 0 {
			hits = append(hits, hit{score, e.d.CreationTime, e.d.ID.Internal})
		}
	}
	slices.SortFunc(hits, compareHits)
	var out []value.ID
	for _, h := range hits {
		out = append(out, value.ID{Table: docs[0].ID.Table, Internal: h.id})
	}
	return out
}

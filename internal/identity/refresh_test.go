package identity

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

func TestLineagePresent(t *testing.T) {
	t.Parallel()
	const window = 30 * time.Second
	t0 := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	type use struct {
		at    int // seconds after t0
		g     uint32
		give  uint32
		reuse bool
	}
	for _, c := range []struct {
		name string
		uses []use
	}{
		{"a chain", []use{{0, 0, 1, false}, {300, 1, 2, false}, {600, 2, 3, false}}},
		{"five tabs at once", []use{{0, 0, 1, false}, {0, 0, 1, false}, {1, 0, 1, false}, {29, 0, 1, false}, {30, 0, 1, false}}},
		{"stolen, used after the window", []use{{0, 0, 1, false}, {31, 0, 0, true}}},
		{"grandparent after the window", []use{{0, 0, 1, false}, {300, 1, 2, false}, {301, 0, 0, true}}},
		{"a slow tab keeps the same successor and is forgiven once", []use{
			{0, 0, 1, false}, {10, 1, 2, false}, {20, 0, 1, false}, // the slow tab holds 1, which was exchanged at 10
			{300, 2, 3, false}, {310, 1, 3, false}, // forgiven: joins the newest
			{320, 1, 3, false}, // its other tabs too
			{350, 1, 0, true},  // not for ever
		}},
		{"set back to a backup", []use{{0, 7, 8, false}, {1, 7, 8, false}, {300, 8, 9, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var l lineage
			for i, u := range c.uses {
				v := l.present(u.g, t0.Add(time.Duration(u.at)*time.Second), window, absence{})
				if v.reuse != u.reuse || !v.reuse && v.give != u.give {
					t.Fatalf("use %d (%+v): %+v, lineage %+v", i, u, v, l)
				}
			}
		})
	}
}

// TestLineageNeverEndsForTabsThatShareTheirToken plays tabs which share one
// place for the token, refresh at random and answer late by up to 20 s: whatever
// they store last, none is ever refused.
func TestLineageNeverEndsForTabsThatShareTheirToken(t *testing.T) {
	t.Parallel()
	const window = 30 * time.Second
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var l lineage
		stored := uint32(0)
		type answer struct {
			at time.Time
			g  uint32
		}
		var flying []answer
		now := time.Unix(0, 0)
		for range 400 {
			now = now.Add(time.Duration(r.IntN(15000)) * time.Millisecond)
			rest := flying[:0]
			for _, a := range flying {
				if a.at.After(now) {
					rest = append(rest, a)
				} else {
					stored = a.g
				}
			}
			flying = rest
			sent := stored
			v := l.present(sent, now, window, absence{})
			if v.reuse {
				t.Fatalf("seed %d: generation %d refused, lineage %+v", seed, sent, l)
			}
			// A tab answers before the next exchange of the token it stores is out of
			// the window: that is the promise of the reuse window.
			flying = append(flying, answer{now.Add(time.Duration(r.IntN(5000)) * time.Millisecond), v.give})
			if len(l.recent) > maxLineage+1 {
				t.Fatalf("lineage grew to %d", len(l.recent))
			}
		}
	}
}

func TestLineageIsBounded(t *testing.T) {
	t.Parallel()
	var l lineage
	g := uint32(0)
	now := time.Unix(1000, 0)
	for range 10 * maxLineage {
		v := l.present(g, now, 30*time.Second, absence{})
		if v.reuse {
			t.Fatal("refused")
		}
		g = v.give
	}
	if len(l.recent) > maxLineage {
		t.Errorf("remembers %d exchanges", len(l.recent))
	}
	if v := l.present(g, now.Add(time.Minute), 30*time.Second, absence{}); v.reuse || v.give != g+1 {
		t.Errorf("after the storm: %+v", v)
	}
}

func TestRefreshTextIsBoundToItsSession(t *testing.T) {
	t.Parallel()
	key, seed := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 16)
	s := SessionID(NewID(sessionPrefix))
	text, err := refreshText(key, s, seed, 7)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := refreshText(key, s, seed, 7)
	tok, ok := parseRefresh(text)
	if !ok || tok.session != s || tok.generation != 7 || text != again || !tok.genuine(key, seed) {
		t.Fatalf("parse = %+v, %v", tok, ok)
	}
	if tok.genuine(bytes.Repeat([]byte{3}, 32), seed) || tok.genuine(key, bytes.Repeat([]byte{3}, 16)) {
		t.Error("genuine under another key or seed")
	}
	tok.generation++
	if tok.genuine(key, seed) {
		t.Error("genuine with another generation")
	}
}

func FuzzParseRefresh(f *testing.F) {
	text, _ := refreshText(make([]byte, 32), SessionID(NewID(sessionPrefix)), make([]byte, 16), 1)
	f.Add(text)
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, s string) {
		tok, ok := parseRefresh(s)
		if !ok {
			return
		}
		if !ValidID(sessionPrefix, string(tok.session)) {
			t.Errorf("%q: session %q", s, tok.session)
		}
		tok.genuine(make([]byte, 32), make([]byte, 16))
	})
}

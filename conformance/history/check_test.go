package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// app appends, rd reads.
func app(key string, v int64) op      { return op{Kind: "append", Key: key, Value: v} }
func rd(key string, list ...int64) op { return op{Kind: "read", Key: key, List: list} }
func at(start, end float64, ops ...op) *txn {
	return &txn{Start: start, End: end, Status: statusOK, Ops: ops}
}
func (t *txn) is(status string) *txn { t.Status = status; return t }

// TestCheckFindsAnomalies feeds histories of which each has one thing wrong.
func TestCheckFindsAnomalies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string // kinds of anomalies, "" for none
		history    []*txn
	}{
		{"nothing wrong", "", []*txn{
			at(0, 1, rd("x"), app("x", 1), rd("x", 1)), at(0, 2, app("x", 2), app("y", 1)), at(3, 4, rd("x", 1, 2), rd("y", 1)),
		}},
		{"an unknown one that happened", "", []*txn{at(0, 1, app("x", 1)).is(statusUnknown), at(2, 3, rd("x", 1))}},
		{"an unknown one that happened late", "", []*txn{at(0, 1, app("x", 1)).is(statusUnknown), at(2, 3, rd("x")), at(4, 5, rd("x", 1))}},
		{"an unknown one that did not happen", "", []*txn{at(0, 1, app("x", 1)).is(statusUnknown), at(2, 3, rd("x"))}},
		{"a failed one", "", []*txn{at(0, 1, app("x", 1)).is(statusFailed), at(2, 3, rd("x"))}},
		{"aborted read", "G1a", []*txn{at(0, 1, app("x", 1)).is(statusFailed), at(2, 3, rd("x", 1))}},
		{"intermediate read", "G1b,G-single", []*txn{at(0, 9, app("x", 1), app("x", 2)), at(0, 9, rd("x", 1)), at(10, 11, rd("x", 1, 2))}},
		{"lost append", "lost update", []*txn{at(0, 1, app("x", 1)), at(0, 1, app("x", 2)), at(2, 3, rd("x", 2))}},
		{"duplicate append", "duplicate", []*txn{at(0, 1, app("x", 1)), at(2, 3, rd("x", 1, 1))}},
		{"garbage", "garbage", []*txn{at(0, 1, rd("x", 7))}},
		{"two orders", "incompatible order", []*txn{at(0, 9, app("x", 1)), at(0, 9, app("x", 2)), at(0, 9, rd("x", 1, 2)), at(0, 9, rd("x", 2))}},
		{"own append not seen", "internal", []*txn{at(0, 1, app("x", 1), rd("x")), at(2, 3, rd("x", 1))}},
		{"writes in a circle", "G0", []*txn{
			at(0, 9, app("x", 1), app("y", 2)), at(0, 9, app("y", 1), app("x", 2)), at(0, 99, rd("x", 1, 2)), at(0, 99, rd("y", 1, 2)),
		}},
		{"reads of each other", "G1c", []*txn{at(0, 9, app("x", 1), rd("y", 1)), at(0, 9, app("y", 1), rd("x", 1))}},
		{"read skew", "G-single", []*txn{at(0, 9, rd("x"), rd("y", 1)), at(0, 9, app("x", 1), app("y", 1)), at(0, 99, rd("x", 1))}},
		{"write skew", "G2", []*txn{
			at(0, 9, rd("y"), app("x", 1)), at(0, 9, rd("x"), app("y", 1)), at(0, 99, rd("x", 1)), at(0, 99, rd("y", 1)),
		}},
		{"stale read", "G-single-realtime", []*txn{at(0, 1, app("x", 1)), at(2, 3, rd("x")), at(4, 5, rd("x", 1))}},
		{"order against real time", "G0-realtime", []*txn{at(0, 1, app("x", 1)), at(2, 3, app("x", 2)), at(4, 5, rd("x", 2, 1))}},
	} {
		for i, t := range c.history {
			t.id = i
		}
		var kinds []string
		for _, a := range check(c.history) {
			kinds = append(kinds, a.kind)
		}
		if got := strings.Join(kinds, ","); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

// TestCheckPassesSerialHistories: what was executed one by one is never blamed, and
// neither are answers that overlap or get lost.
func TestCheckPassesSerialHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		history, _ := serial(seed)
		if found := check(history); len(found) > 0 {
			t.Fatalf("seed %d: %s: %s", seed, found[0].kind, found[0].text)
		}
	}
}

// TestCheckFindsLostAppends: a last read without the last append that was acknowledged is found.
func TestCheckFindsLostAppends(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		history, lists := serial(seed)
		last, changed := history[len(history)-1], false
		for i, o := range last.Ops {
			if n := len(lists[o.Key]); n > 0 && acknowledged(history, o.Key, lists[o.Key][n-1]) {
				last.Ops[i].List = lists[o.Key][: n-1 : n-1]
				changed = true
				break
			}
		}
		if changed && len(check(history)) == 0 {
			t.Errorf("seed %d: a lost append went unnoticed", seed)
		}
	}
}

// acknowledged tells whether the client of an append knows that it happened.
func acknowledged(history []*txn, key string, v int64) bool {
	for _, t := range history {
		for _, o := range t.Ops {
			if o.Kind == "append" && o.Key == key && o.Value == v {
				return t.Status == statusOK
			}
		}
	}
	return false
}

// serial makes a history by executing transactions one by one. The clocks of clients
// show the answers late.
func serial(seed uint64) ([]*txn, map[string][]int64) {
	r := rand.New(rand.NewPCG(seed, 1))
	lists := map[string][]int64{}
	var history []*txn
	var value int64
	keys := []string{"a", "b", "c"}
	for i := range 200 {
		tx := &txn{id: i, Client: i % 5, Start: float64(10*i - r.IntN(60)), End: float64(10*i + 1 + r.IntN(60)), Status: statusOK}
		switch r.IntN(20) {
		case 0:
			tx.Status = statusFailed
		case 1, 2:
			tx.Status = statusUnknown
		}
		happens := tx.Status == statusOK || tx.Status == statusUnknown && r.IntN(2) == 0
		for range 1 + r.IntN(4) {
			k := keys[r.IntN(len(keys))]
			if r.IntN(2) == 0 {
				value++
				tx.Ops = append(tx.Ops, app(k, value))
				if happens {
					lists[k] = append(lists[k], value)
				}
			} else {
				tx.Ops = append(tx.Ops, rd(k, append([]int64(nil), lists[k]...)...))
			}
		}
		history = append(history, tx)
	}
	final := &txn{id: len(history), Start: 1e6, End: 1e6 + 1, Status: statusOK}
	for _, k := range keys {
		final.Ops = append(final.Ops, rd(k, append([]int64(nil), lists[k]...)...))
	}
	return append(history, final), lists
}

func TestReadHistory(t *testing.T) {
	t.Parallel()
	h, err := readHistory(strings.NewReader(`{"client":1,"start":1.5,"end":2,"status":"ok","ops":[{"op":"append","key":"x","value":3},{"op":"read","key":"x","list":[3]}]}` + "\n"))
	if err != nil || len(h) != 1 || fmt.Sprint(h[0]) != "T0 (client 1, 1.5–2.0 ms, ok): append x 3 read x [3]" {
		t.Errorf("%v, %v", h, err)
	}
	for _, bad := range []string{"{", `{"status":"maybe"}`} {
		if _, err := readHistory(strings.NewReader(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

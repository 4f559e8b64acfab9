package main

import (
	"fmt"
	"slices"
)

// anomaly is something that no serial execution explains.
type anomaly struct {
	kind string // as in Adya's and Elle's papers: "G0", "G1c", "G-single", "G2", "lost update"…
	text string
}

// checker works on one history.
type checker struct {
	history   []*txn
	writer    map[string]map[int64]*txn // of each value, by key
	versions  map[string][]int64        // order of the values of each key, as far as it was read
	anomalies []anomaly
}

// check finds the anomalies of a history. The last reads of each key are those that
// tell whether an acknowledged append was lost, so a history ends with a read of all.
func check(history []*txn) []anomaly {
	c := &checker{history: history, writer: map[string]map[int64]*txn{}, versions: map[string][]int64{}}
	c.findWriters()
	c.findVersions()
	c.checkReads()
	c.checkLost()
	c.checkCycles()
	return c.anomalies
}

// found notes an anomaly.
func (c *checker) found(kind, format string, args ...any) {
	c.anomalies = append(c.anomalies, anomaly{kind, fmt.Sprintf(format, args...)})
}

// findWriters notes who appended which value.
func (c *checker) findWriters() {
	for _, t := range c.history {
		for _, o := range t.Ops {
			if o.Kind != "append" {
				continue
			}
			if c.writer[o.Key] == nil {
				c.writer[o.Key] = map[int64]*txn{}
			}
			if other := c.writer[o.Key][o.Value]; other != nil {
				c.found("broken history", "value %d of key %s is appended twice: by %v and %v", o.Value, o.Key, other, t)
			}
			c.writer[o.Key][o.Value] = t
		}
	}
}

// own are the values that a transaction had appended to a key before its i-th operation.
func (t *txn) own(key string, i int) (values []int64) {
	for _, o := range t.Ops[:i] {
		if o.Kind == "append" && o.Key == key {
			values = append(values, o.Value)
		}
	}
	return values
}

// reads calls f for each list that was read for sure, without what its transaction
// had appended itself.
func (c *checker) reads(f func(t *txn, key string, list []int64)) {
	for _, t := range c.history {
		if t.Status != statusOK {
			continue
		}
		for i, o := range t.Ops {
			if o.Kind != "read" {
				continue
			}
			own := t.own(o.Key, i)
			if len(own) > len(o.List) || !slices.Equal(own, o.List[len(o.List)-len(own):]) {
				c.found("internal", "a transaction does not see its own appends %v of key %s: %v", own, o.Key, t)
				continue
			}
			f(t, o.Key, o.List[:len(o.List)-len(own)])
		}
	}
}

// findVersions takes the longest list that was read of each key for the order of its
// values; every other must be a beginning of it.
func (c *checker) findVersions() {
	longest := map[string]*txn{}
	c.reads(func(t *txn, key string, list []int64) {
		if len(list) > len(c.versions[key]) {
			c.versions[key], longest[key] = list, t
		}
	})
	c.reads(func(t *txn, key string, list []int64) {
		if !slices.Equal(list, c.versions[key][:len(list)]) {
			c.found("incompatible order", "key %s was read in two orders, by %v and %v", key, t, longest[key])
		}
	})
	for key, order := range c.versions {
		seen := map[int64]bool{}
		for _, v := range order {
			if seen[v] {
				c.found("duplicate", "value %d is in key %s twice: %v; appended by %v", v, key, longest[key], c.writer[key][v])
			}
			seen[v] = true
		}
	}
}

// checkReads finds values that must not have been seen.
func (c *checker) checkReads() {
	c.reads(func(t *txn, key string, list []int64) {
		for i, v := range list {
			w := c.writer[key][v]
			switch {
			case w == nil:
				c.found("garbage", "value %d of key %s, which nobody appended, was read by %v", v, key, t)
			case w == t:
				c.found("internal", "a transaction saw its own append of %d to %s before it was made: %v", v, key, t)
			case w.Status == statusFailed:
				c.found("G1a", "value %d of key %s, of a transaction that failed, was read by %v: %v", v, key, t, w)
			case i == len(list)-1:
				if own := w.own(key, len(w.Ops)); own[len(own)-1] != v {
					c.found("G1b", "an intermediate state of %v was read by %v", w, t)
				}
			}
		}
	})
}

// checkLost finds acknowledged appends that are not there.
func (c *checker) checkLost() {
	there := map[string]map[int64]bool{}
	for key, order := range c.versions {
		there[key] = map[int64]bool{}
		for _, v := range order {
			there[key][v] = true
		}
	}
	for _, t := range c.history {
		for _, o := range t.Ops {
			if o.Kind == "append" && t.Status == statusOK && !there[o.Key][o.Value] {
				c.found("lost update", "the append of %d to %s is not in what was read last, %v", o.Value, o.Key, t)
			}
		}
	}
}

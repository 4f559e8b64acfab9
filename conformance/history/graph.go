package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// dependency is why one transaction comes before another.
type dependency string

// The dependencies (Adya). Real time joins transactions of which one had ended when
// the other began.
const (
	writeWrite dependency = "ww"
	writeRead  dependency = "wr"
	readWrite  dependency = "rw"
	realTime   dependency = "rt"
)

// graph has a node for each transaction, by id, and behind them nodes that stand for
// moments in time: whoever ended before a moment comes before whoever began after it.
type graph struct {
	edges []map[int]dependency
}

// add adds an edge. Of several between two nodes the one that was added first counts.
func (g *graph) add(from, to int, d dependency) {
	if from == to {
		return
	}
	if g.edges[from] == nil {
		g.edges[from] = map[int]dependency{}
	}
	if _, ok := g.edges[from][to]; !ok {
		g.edges[from][to] = d
	}
}

// checkCycles finds dependencies in a circle.
func (c *checker) checkCycles() {
	g := &graph{edges: make([]map[int]dependency, len(c.history))}
	c.addDependencies(g)
	g.addTime(c.history)
	for _, component := range g.components() {
		cycle := g.cycle(component)
		kinds := map[dependency]int{}
		var lines []string
		for i, n := range cycle {
			next := cycle[(i+1)%len(cycle)]
			d := g.edges[n][next]
			kinds[d]++
			if n < len(c.history) {
				lines = append(lines, fmt.Sprintf("  %v\n    –%s→", c.history[n], d))
			}
		}
		c.found(cycleName(kinds), "%d transactions depend on each other in a circle:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}

// cycleName classifies a cycle by what it is made of.
func cycleName(kinds map[dependency]int) string {
	name := "G2"
	switch {
	case kinds[readWrite] == 1:
		name = "G-single"
	case kinds[readWrite] == 0 && kinds[writeRead] > 0:
		name = "G1c"
	case kinds[readWrite] == 0:
		name = "G0"
	}
	if kinds[realTime] > 0 {
		name += "-realtime"
	}
	return name
}

// addDependencies adds what the versions tell.
func (c *checker) addDependencies(g *graph) {
	at := map[string]map[int64]int{}
	for key, order := range c.versions {
		at[key] = map[int64]int{}
		for i, v := range order {
			at[key][v] = i
			if i == 0 {
				continue
			}
			if a, b := c.writer[key][order[i-1]], c.writer[key][v]; a != nil && b != nil {
				g.add(a.id, b.id, writeWrite)
			}
		}
	}
	c.reads(func(t *txn, key string, list []int64) {
		if n := len(list); n > 0 {
			if w := c.writer[key][list[n-1]]; w != nil {
				g.add(w.id, t.id, writeRead)
			}
		}
		if order := c.versions[key]; len(list) < len(order) {
			if w := c.writer[key][order[len(list)]]; w != nil {
				g.add(t.id, w.id, readWrite)
			}
		}
	})
}

// addTime adds the order of real time, with a node for each moment at which a
// transaction ended. What is unknown never ended, and what failed is left out.
func (g *graph) addTime(history []*txn) {
	type event struct {
		at    float64
		start bool
		t     *txn
	}
	var events []event
	for _, t := range history {
		if t.Status == statusFailed {
			continue
		}
		events = append(events, event{t.Start, true, t})
		if t.Status == statusOK {
			events = append(events, event{t.End, false, t})
		}
	}
	// At the same moment beginnings come first: what touches may have overlapped.
	slices.SortStableFunc(events, func(a, b event) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		if a.start != b.start {
			if a.start {
				return -1
			}
			return 1
		}
		return 0
	})
	moment := -1
	for _, e := range events {
		if e.start {
			if moment >= 0 {
				g.add(moment, e.t.id, realTime)
			}
			continue
		}
		g.edges = append(g.edges, nil)
		now := len(g.edges) - 1
		if moment >= 0 {
			g.add(moment, now, realTime)
		}
		g.add(e.t.id, now, realTime)
		moment = now
	}
}

// components are the strongly connected ones of more than one node (Tarjan, without
// recursion: chains of moments are as long as the history).
func (g *graph) components() [][]int {
	n := len(g.edges)
	next := make([][]int, n)
	for i, m := range g.edges {
		for to := range m {
			next[i] = append(next[i], to)
		}
	}
	index, low, on := make([]int, n), make([]int, n), make([]bool, n)
	var stack []int
	var found [][]int
	count := 0
	type frame struct{ node, edge int }
	for root := range n {
		if index[root] != 0 {
			continue
		}
		work := []frame{{root, 0}}
		for len(work) > 0 {
			f := &work[len(work)-1]
			v := f.node
			if f.edge == 0 {
				count++
				index[v], low[v], on[v] = count, count, true
				stack = append(stack, v)
			}
			if f.edge < len(next[v]) {
				w := next[v][f.edge]
				f.edge++
				if index[w] == 0 {
					work = append(work, frame{w, 0})
				} else if on[w] {
					low[v] = min(low[v], index[w])
				}
				continue
			}
			f.edge++ // never 0 again, also for a node without edges
			work = work[:len(work)-1]
			if len(work) > 0 {
				p := work[len(work)-1].node
				low[p] = min(low[p], low[v])
			}
			if low[v] != index[v] {
				continue
			}
			var part []int
			for {
				w := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				on[w] = false
				part = append(part, w)
				if w == v {
					break
				}
			}
			if len(part) > 1 {
				found = append(found, part)
			}
		}
	}
	return found
}

// cycle is a shortest circle within a component, through its first transaction.
func (g *graph) cycle(component []int) []int {
	inside := map[int]bool{}
	for _, n := range component {
		inside[n] = true
	}
	start := slices.Min(component) // transactions come before moments
	from := map[int]int{start: -1}
	queue := []int{start}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for to := range g.edges[n] {
			if to == start {
				var path []int
				for at := n; at != -1; at = from[at] {
					path = append(path, at)
				}
				slices.Reverse(path)
				return path
			}
			if _, seen := from[to]; !seen && inside[to] {
				from[to] = n
				queue = append(queue, to)
			}
		}
	}
	return component // cannot be: a component is connected
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// benchChanges counts durable mutations that read a row by an index and change
// it, each client a row of its own.
func benchChanges(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	for _, n := range []int{1, 64} {
		clients, err := dialAll(ctx, h.info.URL, n)
		if err != nil {
			return err
		}
		prefix := fmt.Sprint("rmw", n, "-")
		if err := fillCells(ctx, clients[0], prefix, n); err != nil {
			return err
		}
		times, rate, err := b.hammer(ctx, n, func(ctx context.Context, i int) error {
			_, err := clients[i].mutate(ctx, "bench:touch", map[string]any{"name": fmt.Sprint(prefix, i), "value": time.Now().UnixNano() % 1e9})
			return err
		})
		if err != nil {
			return err
		}
		b.report(fmt.Sprintf("durable read-modify-write mutations, %d clients", n), "%.0f/s, %v", rate, times)
		for _, c := range clients {
			c.close()
		}
	}
	return nil
}

// crowd is how many sockets subscribe to one query in benchFanOut.
const crowd = 1000

// benchFanOut measures from a mutation to the last of many sockets that
// subscribe to the same query.
func benchFanOut(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	w, err := dial(ctx, h.info.URL)
	if err != nil {
		return err
	}
	defer w.close()
	if err := fillCells(ctx, w, "all-", 1); err != nil {
		return err
	}
	received := make(chan time.Time, 4*crowd)
	for range crowd {
		c, err := dial(ctx, h.info.URL)
		if err != nil {
			return err
		}
		defer c.close()
		c.onUpdate = func(_ int, _ json.RawMessage, at time.Time) { received <- at }
		if _, err := c.subscribe(ctx, "bench:cell", []any{map[string]any{"name": "all-0"}}); err != nil {
			return err
		}
	}
	all := func() (last time.Time, err error) {
		limit := time.After(time.Minute)
		for range crowd {
			select {
			case at := <-received:
				if at.After(last) {
					last = at
				}
			case <-limit:
				return last, fmt.Errorf("not all of %d sockets heard of a change within a minute", crowd)
			}
		}
		return last, nil
	}
	if _, err := all(); err != nil { // the first values
		return err
	}
	var times spread
	for i, end := 1, time.Now().Add(b.length); time.Now().Before(end); i++ {
		began := time.Now()
		if _, err := w.mutate(ctx, "bench:touch", map[string]any{"name": "all-0", "value": i}); err != nil {
			return err
		}
		last, err := all()
		if err != nil {
			return err
		}
		times = append(times, last.Sub(began))
	}
	b.report(fmt.Sprintf("one write, %d subscribers of one query: mutation sent to last Transition received", crowd), "%v", times)
	return nil
}

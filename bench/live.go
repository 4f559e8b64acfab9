package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// perSocket is how many subscriptions one socket holds in the fan-out scenario.
const perSocket = 10

// update is a changed cell as a subscriber received it.
type update struct {
	cell  int
	value float64
	at    time.Time
}

// watchCells opens sockets that together subscribe to n cells, and waits until
// all have their first value.
func watchCells(ctx context.Context, url, prefix string, n int) (chan update, func(), error) {
	updates := make(chan update, 4*n+64)
	var all []*client
	done := func() {
		for _, c := range all {
			c.close()
		}
	}
	for from := 0; from < n; from += perSocket {
		c, err := dial(ctx, url)
		if err != nil {
			return nil, done, err
		}
		all = append(all, c)
		c.onUpdate = func(query int, value json.RawMessage, at time.Time) {
			v, _ := strconv.ParseFloat(string(value), 64)
			updates <- update{from + query, v, at}
		}
		var args []any
		for i := from; i < min(from+perSocket, n); i++ {
			args = append(args, map[string]any{"name": fmt.Sprint(prefix, i)})
		}
		if _, err := c.subscribe(ctx, "bench:cell", args); err != nil {
			return nil, done, err
		}
	}
	limit := time.After(2 * time.Minute)
	for seen := 0; seen < n; seen++ {
		select {
		case <-updates:
		case <-limit:
			return nil, done, fmt.Errorf("%d of %d subscriptions had no first value after two minutes", n-seen, n)
		case <-ctx.Done():
			return nil, done, ctx.Err()
		}
	}
	return updates, done, nil
}

// fillCells makes the cells that are to be watched.
func fillCells(ctx context.Context, w *client, prefix string, n int) error {
	for from := 0; from < n; from += 500 {
		if _, err := w.mutate(ctx, "bench:fill", map[string]any{"prefix": prefix, "from": from, "to": min(from+500, n)}); err != nil {
			return err
		}
	}
	return nil
}

// writeAndWatch writes random cells one after the other, each when the last has
// reached its screen, and measures both ways.
func (b *bench) writeAndWatch(ctx context.Context, w *client, updates <-chan update, prefix string, n int) (whole, after spread, err error) {
	end := time.Now().Add(b.length)
	for i := 1; time.Now().Before(end); i++ {
		cell := rand.IntN(n)
		began := time.Now()
		a, err := w.mutate(ctx, "bench:touch", map[string]any{"name": fmt.Sprint(prefix, cell), "value": i})
		if err != nil {
			return nil, nil, err
		}
		limit := time.After(10 * time.Second)
		for seen := false; !seen; {
			select {
			case u := <-updates:
				if seen = u.cell == cell && u.value == float64(i); seen {
					whole = append(whole, u.at.Sub(began))
					after = append(after, max(0, u.at.Sub(a.at)))
				}
			case <-limit:
				return nil, nil, fmt.Errorf("the change of cell %d was not seen in ten seconds", cell)
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			}
		}
	}
	return whole, after, nil
}

// benchScreen measures from a mutation to the other client's screen.
func benchScreen(ctx context.Context, b *bench) error { return b.liveWith(ctx, []int{1}) }

// benchSubscriptions measures the same among more and more subscriptions that a
// write does not concern: the curve must be flat.
func benchSubscriptions(ctx context.Context, b *bench) error {
	return b.liveWith(ctx, []int{1, 100, 1_000, 10_000})
}

// liveWith runs the writer against each number of subscriptions.
func (b *bench) liveWith(ctx context.Context, counts []int) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	w, err := dial(ctx, h.info.URL)
	if err != nil {
		return err
	}
	defer w.close()
	for _, n := range counts {
		prefix := fmt.Sprint("s", n, "-")
		if err := fillCells(ctx, w, prefix, n); err != nil {
			return err
		}
		updates, done, err := watchCells(ctx, h.info.URL, prefix, n)
		if err != nil {
			done()
			return err
		}
		whole, after, err := b.writeAndWatch(ctx, w, updates, prefix, n)
		done()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("one writer, %d selective subscriptions", n)
		b.report(name+": mutation sent to Transition received", "%v", whole)
		b.report(name+": commit answered to Transition received", "%v", after)
	}
	return nil
}

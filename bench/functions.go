package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// body is what a written row carries, so that a document has about 1 KB.
var body = strings.Repeat("lentil soup ", 80)

// hammer runs work on n clients at once, each one call after the other, until
// the time is over, and collects how long the calls took.
func (b *bench) hammer(ctx context.Context, n int, work func(ctx context.Context, client int) error) (spread, float64, error) {
	var mu sync.Mutex
	var all spread
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	end := began.Add(b.length)
	for i := range n {
		g.Go(func() error {
			var mine spread
			for time.Now().Before(end) {
				t := time.Now()
				if err := work(ctx, i); err != nil {
					return err
				}
				mine = append(mine, time.Since(t))
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
			return nil
		})
	}
	err := g.Wait()
	return all, float64(len(all)) / time.Since(began).Seconds(), err
}

// dialAll opens n sockets.
func dialAll(ctx context.Context, url string, n int) ([]*client, error) {
	all := make([]*client, n)
	for i := range all {
		c, err := dial(ctx, url)
		if err != nil {
			return nil, err
		}
		all[i] = c
	}
	return all, nil
}

// benchMutations counts durable mutations a second, one row of 1 KB each.
func benchMutations(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	for _, n := range []int{1, 64} {
		clients, err := dialAll(ctx, h.info.URL, n)
		if err != nil {
			return err
		}
		times, rate, err := b.hammer(ctx, n, func(ctx context.Context, i int) error {
			_, err := clients[i].mutate(ctx, "bench:send", map[string]any{"channel": fmt.Sprint("c", i), "body": body})
			return err
		})
		if err != nil {
			return err
		}
		b.report(fmt.Sprintf("durable mutations, %d clients", n), "%.0f/s, %v", rate, times)
		for _, c := range clients {
			c.close()
		}
	}
	return nil
}

// caller posts to the function API over kept connections.
type caller struct {
	http *http.Client
	url  string
}

// newCaller makes a caller for n clients at once.
func newCaller(url string, n int) *caller {
	return &caller{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}, url}
}

// value calls a query and gives its value.
func (c *caller) value(ctx context.Context, path string, args any) (json.RawMessage, error) {
	out, err := c.post(ctx, "query", path, args)
	var answer struct{ Value json.RawMessage }
	if err == nil {
		err = json.Unmarshal(out, &answer)
	}
	return answer.Value, err
}

// query calls a query and throws its value away.
func (c *caller) query(ctx context.Context, path string, args any) error {
	_, err := c.post(ctx, "query", path, args)
	return err
}

// post calls a function of a kind and gives the body of the answer.
func (c *caller) post(ctx context.Context, kind, path string, args any) ([]byte, error) {
	b, err := json.Marshal(map[string]any{"path": path, "format": "convex_encoded_json", "args": []any{args}})
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
	if err != nil || res.StatusCode != http.StatusOK || !bytes.Contains(out[:min(len(out), 64)], []byte(`"success"`)) {
		return nil, fmt.Errorf("%s: %d %.300s %w", path, res.StatusCode, out, err)
	}
	return out, nil
}

// benchQueries measures queries over HTTP: 20 rows of 1 KB through an index.
func benchQueries(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	w, err := dial(ctx, h.info.URL)
	if err != nil {
		return err
	}
	defer w.close()
	for range 20 {
		if _, err := w.mutate(ctx, "bench:send", map[string]any{"channel": "q", "body": body}); err != nil {
			return err
		}
	}
	for _, n := range []int{1, 64} {
		c := newCaller(h.info.URL, n)
		cached, rate, err := b.hammer(ctx, n, func(ctx context.Context, _ int) error {
			return c.query(ctx, "bench:list", map[string]any{"channel": "q"})
		})
		if err != nil {
			return err
		}
		b.report(fmt.Sprintf("cached query of 20 rows, %d clients", n), "%.0f/s, %v", rate, cached)
		fresh, rate, err := b.hammer(ctx, n, func(ctx context.Context, _ int) error {
			return c.query(ctx, "bench:list", map[string]any{"channel": "q", "salt": rand.Float64()})
		})
		if err != nil {
			return err
		}
		b.report(fmt.Sprintf("query of 20 rows that runs each time, %d clients", n), "%.0f/s, %v", rate, fresh)
	}
	return nil
}

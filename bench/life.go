package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// pushAgain pushes the folder's functions with the official CLI.
func (h *house) pushAgain(ctx context.Context) error {
	push := exec.CommandContext(ctx, "node", filepath.Join("node_modules", "convex", "bin", "main.js"), "dev", "--once", "--typecheck", "disable")
	push.Dir = h.dir
	push.Env = append(os.Environ(), "CI=1")
	if out, err := push.CombinedOutput(); err != nil {
		return fmt.Errorf("push: %w\n%s", err, out)
	}
	return nil
}

// edit replaces a text in a file of the house's functions.
func (h *house) edit(file, old, text string) error {
	path := filepath.Join(h.dir, "convex", file)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), old) {
		return fmt.Errorf("%s does not contain %q", file, old)
	}
	return os.WriteFile(path, []byte(strings.ReplaceAll(string(b), old, text)), 0o600)
}

// benchPushes pushes under a thousand live subscriptions, with mutations running
// all the time: first a changed function, then an index that is to be filled.
// No call may fail, and the longest shows what a push costs.
func benchPushes(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	w, err := dial(ctx, h.info.URL)
	if err != nil {
		return err
	}
	defer w.close()
	const subscriptions, writers = 1000, 8
	if err := fillCells(ctx, w, "p-", subscriptions); err != nil {
		return err
	}
	updates, done, err := watchCells(ctx, h.info.URL, "p-", subscriptions)
	defer done()
	if err != nil {
		return err
	}
	clients, err := dialAll(ctx, h.info.URL, writers)
	if err != nil {
		return err
	}
	during := func(name string, change func() error) error {
		var pushed atomic.Bool
		var took time.Duration
		var mu sync.Mutex
		var calls, screens spread
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error {
			defer pushed.Store(true)
			if change == nil {
				time.Sleep(b.length)
				return nil
			}
			if err := change(); err != nil {
				return err
			}
			began := time.Now()
			err := h.pushAgain(ctx)
			took = time.Since(began)
			time.Sleep(2 * time.Second)
			return err
		})
		sent := sync.Map{} // by value: when it was written
		for i, c := range clients {
			g.Go(func() error {
				for !pushed.Load() {
					began := time.Now()
					value := rand.Float64()
					sent.Store(value, began)
					if _, err := c.mutate(ctx, "bench:touch", map[string]any{"name": fmt.Sprint("p-", rand.IntN(subscriptions/writers)*writers+i), "value": value}); err != nil {
						return err
					}
					mu.Lock()
					calls = append(calls, time.Since(began))
					mu.Unlock()
				}
				return nil
			})
		}
		stop := make(chan struct{})
		collected := make(chan struct{})
		go func() {
			defer close(collected)
			for {
				select {
				case u := <-updates:
					if at, ok := sent.LoadAndDelete(u.value); ok {
						screens = append(screens, u.at.Sub(at.(time.Time)))
					}
				case <-stop:
					return
				}
			}
		}()
		err := g.Wait()
		close(stop)
		<-collected
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if took > 0 {
			name = fmt.Sprintf("%s (took %v)", name, took.Round(10*time.Millisecond))
		}
		b.report("1000 subscriptions, 8 writers, "+name+": mutations", "%v", calls)
		b.report("1000 subscriptions, 8 writers, "+name+": mutation sent to Transition received", "%v", screens)
		return nil
	}
	if err := during("no push", nil); err != nil {
		return err
	}
	if err := during("a function changes", func() error { return h.edit("bench.ts", "?? null", "?? undefined ?? null") }); err != nil {
		return err
	}
	return during("an index is added", func() error {
		return h.edit("schema.ts", `.index("by_name", ["name"])`, `.index("by_name", ["name"]).index("by_value", ["value", "name"])`)
	})
}

// benchModules pushes a bundle of 800 modules of several megabytes.
func benchModules(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	many := filepath.Join(h.dir, "convex", "many")
	if err := os.Mkdir(many, 0o700); err != nil {
		return err
	}
	size := 0
	for i := range 800 {
		var text strings.Builder
		fmt.Fprintf(&text, "import { query } from \"../_generated/server\";\n")
		for j := range 40 {
			fmt.Fprintf(&text, "export function helper%d_%d(x: number) { return x * %d + %q.length; }\n", i, j, rand.Int32(), crand.Text()+crand.Text()+crand.Text())
		}
		fmt.Fprintf(&text, "export const it = query({ args: {}, handler: async () => helper%d_7(%d) });\n", i, i)
		size += text.Len()
		if err := os.WriteFile(filepath.Join(many, fmt.Sprintf("m%d.ts", i)), []byte(text.String()), 0o600); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := h.pushAgain(ctx); err != nil {
		return err
	}
	b.report(fmt.Sprintf("push of 800 modules, %.1f MB", float64(size)/1e6), "%v", time.Since(began).Round(time.Millisecond))
	c := newCaller(h.info.URL, 1)
	began = time.Now()
	if err := c.query(ctx, "many/m799:it", map[string]any{}); err != nil {
		return err
	}
	b.report("first call after it", "%v", time.Since(began).Round(time.Microsecond))
	began = time.Now()
	if err := h.pushAgain(ctx); err != nil {
		return err
	}
	b.report("the same push again, nothing changed", "%v", time.Since(began).Round(time.Millisecond))
	rss, err := residentKB(h.cmd.Process.Pid)
	b.report("resident memory after it", "%d MB", rss/1024)
	return err
}

// churns is how often one document is written. The time of a measurement bounds
// it too, at ten times its length.
const churns = 1_000_000

// benchChurn writes one document over and over, with a short retention, and
// measures what is left of it.
func benchChurn(ctx context.Context, b *bench) error {
	os.Setenv("LENTIL_RETENTION", "20s")
	defer os.Unsetenv("LENTIL_RETENTION")
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	clients, err := dialAll(ctx, h.info.URL, 64)
	if err != nil {
		return err
	}
	if err := fillCells(ctx, clients[0], "churn-", 1000); err != nil {
		return err
	}
	q := newCaller(h.info.URL, 1)
	before, err := b.readTimes(ctx, q)
	if err != nil {
		return err
	}
	var n atomic.Int64
	var peak atomic.Int64
	end := time.Now().Add(10 * b.length)
	g, gctx := errgroup.WithContext(ctx)
	for _, c := range clients {
		g.Go(func() error {
			for n.Load() < churns && time.Now().Before(end) {
				if _, err := c.mutate(gctx, "life:churn", map[string]any{"name": "churn-500"}); err != nil {
					return err
				}
				if i := n.Add(1); i%20_000 == 0 {
					peak.Store(max(peak.Load(), diskBytes(h.dir)))
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	right, err := q.value(ctx, "bench:cell", map[string]any{"name": "churn-500"})
	if err != nil {
		return err
	}
	b.report("one document, writes of it", "%d, value %s, most on disk %.1f MB", n.Load(), right, float64(peak.Load())/1e6)
	after, err := b.readTimes(ctx, q)
	if err != nil {
		return err
	}
	b.report("read of it and its neighbours, before", "%v", before)
	b.report("read of it and its neighbours, right after", "%v", after)
	time.Sleep(60 * time.Second)
	if after, err = b.readTimes(ctx, q); err != nil {
		return err
	}
	b.report("read of it and its neighbours, a minute later", "%v", after)
	rss, err := residentKB(h.cmd.Process.Pid)
	b.report("on disk and in memory a minute later", "%.1f MB, %d MB", float64(diskBytes(h.dir))/1e6, rss/1024)
	return err
}

// readTimes reads the range of an index around the churned document a few times.
func (b *bench) readTimes(ctx context.Context, q *caller) (spread, error) {
	var times spread
	for range 50 {
		began := time.Now()
		if _, err := q.value(ctx, "life:around", map[string]any{"name": "churn-500", "salt": rand.Float64()}); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}

// diskBytes is the size of the house's files.
func diskBytes(dir string) (n int64) {
	filepath.WalkDir(filepath.Join(dir, ".lentil"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil // files come and go meanwhile
	})
	return n
}

// benchStalled opens sockets that subscribe to a large query and never read, while
// it changes.
func benchStalled(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	w, err := dial(ctx, h.info.URL)
	if err != nil {
		return err
	}
	defer w.close()
	for range 500 {
		if _, err := w.mutate(ctx, "bench:send", map[string]any{"channel": "stall", "body": body}); err != nil {
			return err
		}
	}
	before, err := residentKB(h.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for i := range 1000 {
		c, err := dialStalled(ctx, h.info.URL)
		if err != nil {
			return err
		}
		defer c.close()
		// Each has arguments of its own, so that nothing is shared between them.
		if _, err := c.subscribe(ctx, "life:whole", []any{map[string]any{"channel": "stall", "salt": i}}); err != nil {
			return err
		}
	}
	var times spread
	var most int64
	for end := time.Now().Add(b.length); time.Now().Before(end); {
		began := time.Now()
		if _, err := w.mutate(ctx, "life:shake", map[string]any{"channel": "stall", "body": body + crand.Text()}); err != nil {
			return err
		}
		times = append(times, time.Since(began))
		rss, err := residentKB(h.cmd.Process.Pid)
		if err != nil {
			return err
		}
		most = max(most, int64(rss))
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.report("1000 sockets that do not read a query of 500 KB of their own: mutations", "%v", times)
	b.report("resident memory before, and at most", "%d MB, %d MB", before/1024, most/1024)
	return nil
}

// benchIdle opens ten thousand sockets that do nothing.
func benchIdle(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	clients, err := dialAll(ctx, h.info.URL, 10_000)
	if err != nil {
		return err
	}
	select {
	case <-time.After(b.length):
	case <-ctx.Done():
		return ctx.Err()
	}
	rss, err := residentKB(h.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.report("resident memory with 10,000 idle sockets", "%d MB", rss/1024)
	for _, c := range clients {
		c.mu.Lock()
		failed := c.failed
		c.mu.Unlock()
		if failed != nil {
			return errors.Join(errors.New("an idle socket was closed"), failed)
		}
		c.close()
	}
	return nil
}

// dialStalled is dial for a client that never reads.
func dialStalled(ctx context.Context, url string) (*client, error) {
	c, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	return c, c.hello(ctx)
}

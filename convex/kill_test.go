package convex_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/convex"
	"github.com/lentil-dev/lentil/internal/server"
)

// childDir is the variable by which a process of this test is a house in a directory.
const childDir = "LENTIL_TEST_HOUSE"

// beHouse is a house until it is killed, or its parent is gone.
func beHouse(dir string) {
	h, err := open(context.Background(), func(c *server.Config) { c.Data = dir })
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(h.Addresses)
	}
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// mortal is a house in a process of its own.
type mortal struct {
	house
	cmd *exec.Cmd
}

// startMortal starts one, and waits until it answers.
func startMortal(t *testing.T, dir string) *mortal {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := &mortal{cmd: cmd}
	t.Cleanup(func() { stdin.Close(); m.kill() })
	if err := json.NewDecoder(stdout).Decode(&m.Addresses); err != nil {
		t.Fatal(err)
	}
	return m
}

// kill ends it without a word.
func (m *mortal) kill() {
	_ = m.cmd.Process.Kill() // it may be dead
	_ = m.cmd.Wait()
}

// TestMutationsRunOnceOverKilledHouses: a house that is killed with mutations under way,
// again and again, has each of them once when it is back, and its clients hear of it.
func TestMutationsRunOnceOverKilledHouses(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	m := startMortal(t, dir)
	m.push(t, app, "")
	way := newBreaker(t, m.URL)
	c := connect(t, "http://"+way.Addr().String(), convex.Options{})
	const callers, kills = 4, 5
	var stop atomic.Bool
	var mu sync.Mutex
	var got []int
	var wg sync.WaitGroup
	progress := make(chan struct{}, 1)
	for range callers {
		wg.Go(func() {
			last := 0
			for !stop.Load() {
				var n int
				if err := c.Mutate(ctx, "app:count", nil, &n); err != nil {
					t.Error(err)
					return
				}
				if n <= last {
					t.Errorf("%d came after %d", n, last)
				}
				last = n
				mu.Lock()
				got = append(got, n)
				mu.Unlock()
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	for range kills {
		for range 10 { // there are always some under way
			select {
			case <-progress:
			case <-ctx.Done():
				t.Fatal(context.Cause(ctx))
			}
		}
		m.kill()
		m = startMortal(t, dir)
		way.mu.Lock()
		way.to = strings.TrimPrefix(m.URL, "http://")
		way.mu.Unlock()
		way.cut()
	}
	stop.Store(true)
	wg.Wait()
	slices.Sort(got)
	for i, n := range got {
		if n != i+1 {
			t.Fatalf("of %d answers the one at %d says %d: a mutation ran twice, or was lost", len(got), i+1, n)
		}
	}
	var total int
	if err := c.Query(ctx, "app:total", nil, &total); err != nil || total != len(got) {
		t.Errorf("counted %d, answered %d, %v", total, len(got), err)
	}
}

package udf

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

func TestRunnerQueryCached(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var runs atomic.Int32
	h.push("1", map[string]goFunction{
		"query m:list": func(c *hostCalls, a string) (string, error) {
			runs.Add(1)
			c.host.Print("LOG", "'hello'")
			return listAll("rows")(c, a)
		},
		"mutation m:add": insertInto("rows"),
	})
	first := h.mustQuery(Request{Path: "m:list"})
	second := h.mustQuery(Request{Path: "m:list"})
	if runs.Load() != 1 || !second.Cached || second.Reads != first.Reads || first.Hash != second.Hash {
		t.Fatalf("%d runs, %+v", runs.Load(), second)
	}
	if diff := cmp.Diff([]string{"[LOG] 'hello'"}, second.Logs); diff != "" {
		t.Error(diff)
	}
	added := h.mustMutate(Request{Path: "m:add", Args: []byte(`{"n":1}`)})
	third := h.mustQuery(Request{Path: "m:list"})
	if runs.Load() != 2 || third.TS < added.TS || !strings.Contains(string(third.Value), `"n":1`) || third.Hash == first.Hash {
		t.Fatalf("%d runs, %s", runs.Load(), third.Value)
	}
	h.mustMutate(Request{Path: "m:add", Args: []byte(`{"n":2}`)})
	old := h.mustQuery(Request{Path: "m:list", At: first.TS})
	if string(old.Value) != "[]" || old.TS != first.TS {
		t.Errorf("at %d: %s", first.TS, old.Value)
	}
	if again := h.mustQuery(Request{Path: "m:list"}); strings.Count(string(again.Value), `"n"`) != 2 {
		t.Errorf("%s", again.Value)
	}
}

func TestRunnerQueryInvalidatedByPushAndEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	version := func(v string) map[string]goFunction {
		return map[string]goFunction{"query m:v": func(*hostCalls, string) (string, error) { return `"` + v + `"`, nil }}
	}
	h.push("1", version("one"))
	out := h.mustQuery(Request{Path: "m:v"})
	sub := h.DB.Subscribe(out.Reads, out.TS)
	defer sub.Close()
	h.push("2", version("two"))
	<-sub.Done()
	if out = h.mustQuery(Request{Path: "m:v"}); string(out.Value) != `"two"` {
		t.Fatalf("%s", out.Value)
	}
	sub = h.DB.Subscribe(out.Reads, out.TS)
	defer sub.Close()
	h.push("2", version("two"))
	select {
	case <-sub.Done():
		t.Error("a push of the same package invalidated")
	default:
	}
	one := "1"
	h.update(func(tx *database.Tx) error {
		return SetEnvironment(t.Context(), tx, []EnvChange{{"X", &one}})
	})
	<-sub.Done()
	if n := h.loads.Load(); n != 2 {
		t.Errorf("%d loads before the variable was seen", n)
	}
	h.mustQuery(Request{Path: "m:v"})
	if n := h.loads.Load(); n != 3 {
		t.Errorf("%d loads: a changed variable means another program", n)
	}
}

func TestRunnerQueryCoalesced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var runs atomic.Int32
	gate, started := make(chan struct{}), make(chan bool, 1000)
	h.push("1", map[string]goFunction{"query m:list": func(c *hostCalls, a string) (string, error) {
		runs.Add(1)
		started <- true
		<-gate
		return listAll("rows")(c, a)
	}})
	var wg sync.WaitGroup
	var reads sync.Map
	for i := range 1000 {
		wg.Go(func() {
			out, err := h.Query(t.Context(), Request{Path: "m:list", Caller: user(fmt.Sprint(i))})
			if err != nil || out.Failure != nil {
				t.Errorf("%+v, %v", out, err)
				return
			}
			reads.Store(out.Reads, true)
		})
	}
	<-started
	close(gate)
	wg.Wait()
	n := 0
	reads.Range(func(any, any) bool { n++; return true })
	if runs.Load() != 1 || n != 1 {
		t.Errorf("%d runs and %d read sets for 1000 subscribers", runs.Load(), n)
	}
}

func TestRunnerQueryPerCaller(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var runs atomic.Int32
	h.push("1", map[string]goFunction{"query m:me": func(c *hostCalls, _ string) (string, error) {
		runs.Add(1)
		return c.async("1.0/getUserIdentity", `{"requestId":""}`)
	}})
	for range 3 {
		for caller, want := range map[string]token.Caller{`{"subject":"ann"}`: user("ann"), `{"subject":"bob"}`: user("bob"), `null`: {}} {
			if out := h.mustQuery(Request{Path: "m:me", Caller: want}); string(out.Value) != caller || !out.UsedCaller {
				t.Errorf("%s instead of %s", out.Value, caller)
			}
		}
	}
	if runs.Load() != 3 {
		t.Errorf("%d runs for three callers", runs.Load())
	}
}

// TestRunnerCacheTellsTheTruth asks for random snapshots between random writes: what the cache
// answers is what running at that snapshot gives.
func TestRunnerCacheTellsTheTruth(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 2))
			h := newHouse(t)
			rows(t, h, 6)
			h.push("1", map[string]goFunction{"query m:group": func(c *hostCalls, args string) (string, error) {
				var a []struct{ G, Limit int }
				if err := json.Unmarshal([]byte(args), &a); err != nil {
					return "", err
				}
				docs, err := c.collect(fmt.Sprintf(`{"source":{"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Eq","fieldPath":"g","value":%d}],"order":"asc"},"operators":[{"limit":%d}]}`, a[0].G, a[0].Limit))
				if err != nil {
					return "", err
				}
				b, err := json.Marshal(append([]json.RawMessage{}, docs...))
				return string(b), err
			}})
			times := []persistence.Timestamp{h.DB.Latest()}
			hits := 0
			for range 400 {
				if rng.IntN(4) == 0 {
					times = append(times, h.update(func(tx *database.Tx) error {
						_, err := tx.Insert(t.Context(), "rows", obj("n", rng.IntN(100), "g", rng.IntN(3)))
						return err
					}))
					continue
				}
				q := Request{Path: "m:group", Args: fmt.Appendf(nil, `{"g":%d,"limit":%d}`, rng.IntN(3), 1+rng.IntN(3)), At: times[len(times)-1-rng.IntN(min(len(times), 5))]}
				got := h.mustQuery(q)
				want, _, err := h.runQuery(t.Context(), &q, q.At)
				if err != nil || string(got.Value) != string(want.Value) || got.TS != q.At {
					t.Fatalf("at %d of %s: %s, want %s (%v)", q.At, q.Args, got.Value, want.Value, err)
				}
				if got.Cached {
					hits++
				}
			}
			if hits < 50 {
				t.Errorf("only %d of 300 queries came from the cache", hits)
			}
		})
	}
}

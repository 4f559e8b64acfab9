package convex_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/convex"
)

func connect(t testing.TB, address string, o convex.Options) *convex.Client {
	t.Helper()
	c, err := convex.New(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClientCallsFunctions(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	h := start(t, "")
	h.push(t, app, "")
	c := connect(t, h.URL, convex.Options{})

	sub, err := c.Subscribe("app:list", map[string]any{"channel": "go"})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := sub.Next(ctx, &list); err != nil || len(list) != 0 {
		t.Fatalf("first result = %q, %v", list, err)
	}
	var id string
	if err := c.Mutate(ctx, "app:send", map[string]any{"channel": "go", "body": "hi"}, &id); err != nil || id == "" {
		t.Fatalf("send = %q, %v", id, err)
	}
	// The mutation has returned, so its writes are here already: Next must not wait.
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := sub.Next(done, &list); err != nil || !cmp.Equal(list, []string{"hi"}) {
		t.Errorf("after the mutation: %q, %v", list, err)
	}
	if err := c.Query(ctx, "app:list", struct {
		Channel string `json:"channel"`
	}{"go"}, &list); err != nil || len(list) != 1 {
		t.Errorf("query = %q, %v", list, err)
	}
	var n float64
	if err := c.Act(ctx, "app:twice", map[string]any{"n": 21}, &n); err != nil || n != 42 {
		t.Errorf("action = %v, %v", n, err)
	}

	var fe *convex.FunctionError
	var payload struct {
		Code int
		Why  string
	}
	if err := c.Query(ctx, "app:fail", nil, nil); !errors.As(err, &fe) || fe.Decode(&payload) != nil || payload.Code != 7 || payload.Why != "because" {
		t.Errorf("ConvexError = %v, payload %+v", err, payload)
	}
	if err := c.Mutate(ctx, "app:crash", nil, nil); !errors.As(err, &fe) || !strings.Contains(fe.Message, "not today") || fe.Decode(&payload) == nil {
		t.Errorf("thrown = %v", err)
	}
	if err := c.Query(ctx, "app:nothing", nil, nil); !errors.As(err, &fe) || !strings.Contains(fe.Message, "Could not find public function") {
		t.Errorf("unknown function = %v", err)
	}
	if err := c.Query(ctx, "app:list", []int{1}, nil); err == nil || !strings.Contains(err.Error(), "must be an object") {
		t.Errorf("arguments that are no object = %v", err)
	}

	sub.Close()
	if err := sub.Next(ctx, nil); !errors.Is(err, convex.ErrClosed) {
		t.Errorf("closed subscription = %v", err)
	}
	c.Close()
	if err := c.Mutate(ctx, "app:count", nil, nil); !errors.Is(err, convex.ErrClosed) {
		t.Errorf("closed client = %v", err)
	}
}

func TestValuesMakeTheRoundTrip(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	h := start(t, "")
	h.push(t, app, "")
	c := connect(t, h.URL, convex.Options{})
	type all struct {
		Big   convex.Int64   `json:"big"`
		Bytes convex.Bytes   `json:"bytes"`
		Inf   convex.Float64 `json:"inf"`
		Zero  convex.Float64 `json:"zero"`
		Text  string         `json:"text"`
		List  []int          `json:"list"`
	}
	in := all{Big: math.MinInt64, Bytes: convex.Bytes{0, 255, 7}, Inf: convex.Float64(math.Inf(-1)), Zero: convex.Float64(math.Copysign(0, -1)), Text: "é", List: []int{1, 2}}
	var out all
	if err := c.Query(ctx, "app:echo", in, &out); err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(in, out) || !math.Signbit(float64(out.Zero)) {
		t.Errorf("echo: %s", cmp.Diff(in, out))
	}
	var free any
	if err := c.Query(ctx, "app:echo", in, &free); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"big": int64(math.MinInt64), "bytes": []byte{0, 255, 7}, "inf": math.Inf(-1), "zero": math.Copysign(0, -1), "text": "é", "list": []any{1.0, 2.0}}
	if !cmp.Equal(free, any(want)) {
		t.Errorf("into an interface: %s", cmp.Diff(any(want), free))
	}
	if err := c.Query(ctx, "app:echo", in, &struct{ Text int }{}); err == nil || !strings.Contains(err.Error(), "result into") {
		t.Errorf("into a wrong type: %v", err)
	}
}

// breaker is a way to a house that breaks connections after some bytes.
type breaker struct {
	net.Listener
	to     string
	mu     sync.Mutex
	open   map[net.Conn]bool
	broken atomic.Int64
}

func newBreaker(t testing.TB, to string) *breaker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{Listener: l, to: strings.TrimPrefix(to, "http://"), open: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); b.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			to := b.to
			b.mu.Unlock()
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			b.mu.Lock()
			b.open[in], b.open[out] = true, true
			b.mu.Unlock()
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	return b
}

// cut breaks all connections.
func (b *breaker) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.open {
		c.Close()
		delete(b.open, c)
	}
	b.broken.Add(1)
}

func TestMutationsRunOnceOverBrokenConnections(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	h := start(t, "")
	h.push(t, app, "")
	b := newBreaker(t, h.URL)
	c := connect(t, "http://"+b.Addr().String(), convex.Options{})
	watch, err := c.Subscribe("app:total", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Next(ctx, nil); err != nil {
		t.Fatal(err)
	}
	const calls = 60
	var wg sync.WaitGroup
	var finished atomic.Int64
	for range 4 {
		wg.Go(func() {
			for range calls / 4 {
				if err := c.Mutate(ctx, "app:count", nil, nil); err != nil {
					t.Error(err)
				}
				// The connection breaks again and again, with calls of the others under way.
				if finished.Add(1)%10 == 5 {
					b.cut()
				}
			}
		})
	}
	wg.Wait()
	var n int
	for n < calls {
		if err := watch.Next(ctx, &n); err != nil {
			t.Fatal(err)
		}
	}
	if n != calls || b.broken.Load() < 5 {
		t.Errorf("counted %d of %d over %d breaks", n, calls, b.broken.Load())
	}
}

func TestClientOutlivesARestart(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	h := start(t, dir)
	h.push(t, app, "")
	b := newBreaker(t, h.URL)
	c := connect(t, "http://"+b.Addr().String(), convex.Options{})
	if err := c.Mutate(ctx, "app:count", nil, nil); err != nil {
		t.Fatal(err)
	}
	next := make(chan error, 1)
	h.stop()
	b.cut()
	go func() { next <- c.Mutate(ctx, "app:count", nil, nil) }()
	again := start(t, dir)
	b.mu.Lock()
	b.to = strings.TrimPrefix(again.URL, "http://")
	b.mu.Unlock()
	if err := <-next; err != nil {
		t.Fatal(err)
	}
	var n int
	if err := c.Query(ctx, "app:total", nil, &n); err != nil || n != 2 {
		t.Errorf("counted %d, %v", n, err)
	}
}

func TestTokensAreRenewed(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	h := start(t, "")
	h.push(t, app, "")
	// Without auth.config.ts every token is refused.
	var asked []bool
	c := connect(t, h.URL, convex.Options{Token: func(_ context.Context, refresh bool) (string, error) {
		asked = append(asked, refresh)
		return "not.a.token", nil
	}})
	var no *convex.AuthError
	if err := c.Query(ctx, "app:total", nil, nil); !errors.As(err, &no) {
		t.Errorf("refused token: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if len(asked) < 2 || asked[0] || !asked[1] {
		t.Errorf("the source was asked %v; want first as it is, then for a new one", asked)
	}
	// The admin key may call, and a wrong one is told so.
	if err := connect(t, h.URL, convex.Options{AdminKey: h.AdminKey}).Query(ctx, "app:total", nil, nil); err != nil {
		t.Error(err)
	}
	if err := connect(t, h.URL, convex.Options{AdminKey: "otter|00"}).Mutate(ctx, "app:count", nil, nil); !errors.As(err, &no) {
		t.Errorf("wrong admin key: %v", err)
	}
}

func TestNewRefusesWhatIsNoDeployment(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:3210", "ws://x", "https://happy-otter-123.convex.site", "http://"} {
		if _, err := convex.New(address, convex.Options{}); err == nil {
			t.Errorf("%q passes", address)
		}
	}
	both := convex.Options{AdminKey: "x", Token: func(context.Context, bool) (string, error) { return "", nil }}
	if _, err := convex.New("http://127.0.0.1", both); err == nil {
		t.Error("two identities pass")
	}
}

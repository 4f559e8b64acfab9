package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/outbound"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// world is a house with one environment, and the servers that it calls.
type world struct {
	*Service
	t     *testing.T
	env   *identity.Environment
	db    *database.DB
	stops []func()

	mu      sync.Mutex
	arrived []request
	answer  func(r request, nth int) (int, string) // nth request to its host
	count   map[string]int
}

// request is what a server got.
type request struct {
	host, body, signature string
	at                    time.Time
}

// For gives a client whose requests end at w.
func (w *world) For(outbound.Policy) *http.Client { return &http.Client{Transport: w} }

// RoundTrip is the network.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	got := request{r.URL.Host, string(b), r.Header.Get(SignatureHeader), time.Now()}
	w.mu.Lock()
	w.arrived = append(w.arrived, got)
	w.count[got.host]++
	n, f := w.count[got.host], w.answer
	w.mu.Unlock()
	status, text := 200, ""
	if f != nil {
		status, text = f(got, n)
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	if status == 0 {
		return nil, fmt.Errorf("dial %s: %w", r.URL.Host, errors.New("connection refused"))
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// requests are those to a host so far.
func (w *world) requests(host string) (list []request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.arrived {
		if r.host == host {
			list = append(list, r)
		}
	}
	return list
}

// newWorld opens a house whose webhooks run.
func newWorld(t *testing.T, kind identity.EnvironmentKind) *world {
	t.Helper()
	w := &world{t: t, count: map[string]int{}}
	var err error
	if w.db, err = database.Open(t.Context(), database.Options{Store: persistence.NewMemory()}); err != nil {
		t.Fatal(err)
	}
	w.background(w.db.Run)
	id := &identity.Service{DB: w.db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}
	must(t, id.Open(t.Context()))
	if w.env, err = id.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "soup", Kind: kind}); err != nil {
		t.Fatal(err)
	}
	w.Service = &Service{Identity: id, Ways: w}
	must(t, w.Open(t.Context()))
	t.Cleanup(func() {
		for i := range w.stops {
			w.stops[len(w.stops)-1-i]()
		}
		w.db.Close()
	})
	return w
}

// background runs f until the test ends or the returned function is called.
func (w *world) background(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	w.stops = append(w.stops, stop)
	return stop
}

// settle lets a moment of the bubble's time pass, in which Run looks.
func settle() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// endpoint registers one.
func (w *world) register(url string, events ...string) *Endpoint {
	w.t.Helper()
	e, err := w.CreateEndpoint(w.t.Context(), w.env, NewEndpoint{URL: url, Events: events})
	must(w.t, err)
	return e
}

// happen records events.
func (w *world) happen(names ...string) {
	w.t.Helper()
	for i, n := range names {
		must(w.t, w.Identity.Update(w.t.Context(), func(tx *identity.Tx) error {
			return tx.Record(w.env.ID, n, map[string]any{"n": i, "text": "<&\u2028>é", "10": 1, "9": 2})
		}))
	}
}

// deliveries is the log, oldest first.
func (w *world) deliveries(q DeliveryQuery) []Delivery {
	w.t.Helper()
	q.Order, q.Limit = identity.OldestFirst, 100
	l, err := w.Deliveries(w.t.Context(), w.env.ID, q)
	must(w.t, err)
	return l.Data
}

func TestEventsArriveSigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Development)
		w.happen("user.created") // before anybody asked
		e := w.register("http://app.example/hook", "user.created", "user.deleted")
		w.background(w.Run)
		w.happen("user.created", "user.updated", "user.deleted")
		settle()
		got := w.requests("app.example")
		if len(got) != 2 {
			t.Fatalf("%d requests", len(got))
		}
		for _, r := range got {
			ms, v1, ok := strings.Cut(strings.TrimPrefix(r.signature, "t="), ", v1=")
			if !ok {
				t.Fatalf("%q", r.signature)
			}
			n, err := strconv.ParseInt(ms, 10, 64)
			if err != nil || !genuine(e.Secret, n, []byte(r.body), v1) || genuine(e.Secret+"x", n, []byte(r.body), v1) || genuine(e.Secret, n+1, []byte(r.body), v1) {
				t.Errorf("signature %q", r.signature)
			}
			if !strings.HasPrefix(r.body, `{"id":"event_`) || !strings.Contains(r.body, `"data":{"9":2,"10":1,"n":`) || !strings.Contains(r.body, "<&\u2028>é") {
				t.Errorf("body %s", r.body)
			}
		}
		for _, d := range w.deliveries(DeliveryQuery{}) {
			if d.State != Delivered || d.Attempts != 1 || !d.Due.IsZero() || len(d.Log) != 1 || d.Log[0].Status != 200 {
				t.Errorf("%+v", d)
			}
		}
	})
}

func TestFailedDeliveriesAreTriedSixTimes(t *testing.T) {
	t.Parallel()
	for kind, within := range map[identity.EnvironmentKind][2]time.Duration{
		identity.Production:  {50 * time.Hour, 90 * time.Hour},
		identity.Development: {5 * time.Minute, 15 * time.Minute},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, kind)
				w.answer = func(r request, nth int) (int, string) {
					if nth == 2 {
						return 0, ""
					}
					return 500, strings.Repeat("no\xff", 1000)
				}
				w.register("https://app.example/hook", "user.created")
				w.background(w.Run)
				w.happen("user.created")
				time.Sleep(100 * time.Hour) // of the bubble's clock
				settle()
				got := w.requests("app.example")
				if len(got) != 6 {
					t.Fatalf("%d attempts", len(got))
				}
				last := time.Duration(0)
				for i := 1; i < len(got); i++ {
					if got[i].body != got[0].body || got[i].signature == got[0].signature {
						t.Error("a repetition is not the same event signed anew")
					}
					gap := got[i].at.Sub(got[i-1].at)
					if gap <= last {
						t.Errorf("wait %d is %v after %v", i, gap, last)
					}
					last = gap
				}
				if all := got[5].at.Sub(got[0].at); all < within[0] || all > within[1] {
					t.Errorf("all attempts took %v", all)
				}
				list := w.deliveries(DeliveryQuery{State: Failed})
				if len(list) != 1 || list[0].Attempts != 6 || len(list[0].Log) != 6 || list[0].Log[1].Error != "connection refused" || len(list[0].Log[0].Error) > 3*keepAnswer {
					t.Fatalf("%+v", list)
				}
				w.mu.Lock()
				w.answer = nil
				w.mu.Unlock()
				_, err := w.Replay(t.Context(), w.env.ID, list[0].ID)
				must(t, err)
				settle()
				if d, err := w.Delivery(t.Context(), w.env.ID, list[0].ID); err != nil || d.State != Delivered || d.Attempts != 1 || len(d.Log) != 7 {
					t.Errorf("replayed: %+v %v", d, err)
				}
			})
		})
	}
}

// TestNoAttemptIsMadeBeforeItsTime begins an attempt as a look does that is older than the
// record of the one before.
func TestNoAttemptIsMadeBeforeItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Production)
		w.answer = func(request, int) (int, string) { return 500, "" }
		w.register("https://app.example/hook", "user.created")
		stop := w.background(w.Run)
		w.happen("user.created")
		settle()
		stop()
		list := w.deliveries(DeliveryQuery{State: Pending})
		if len(list) != 1 || list[0].Attempts != 1 || !list[0].Due.After(time.Now()) {
			t.Fatalf("%+v", list)
		}
		must(t, w.deliver(t.Context(), &list[0]))
		if n := len(w.requests("app.example")); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestDeliveriesSurviveTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Development)
		w.answer = func(_ request, nth int) (int, string) { return map[bool]int{true: 503, false: 204}[nth <= 2], "" }
		w.register("http://app.example/hook", "user.created")
		for range 3 { // each process dies while the next attempt is awaited
			stop := w.background(w.Run)
			if len(w.requests("app.example")) == 0 {
				w.happen("user.created")
			}
			time.Sleep(15 * time.Second)
			settle()
			stop()
			again := &Service{Identity: w.Identity, Ways: w}
			must(t, again.Open(t.Context()))
			w.Service = again
		}
		list := w.deliveries(DeliveryQuery{})
		if got := w.requests("app.example"); len(got) != 3 || len(list) != 1 || list[0].State != Delivered || list[0].Attempts != 3 {
			t.Errorf("%d requests, %+v", len(got), list)
		}
	})
}

func TestWhatHappensWhileNobodyRunsIsDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Development)
		w.register("http://app.example/hook", "user.created")
		names := identity.EventNames()
		var many []string
		for _, n := range names {
			if identity.WebhookEvent(n) {
				many = append(many, n)
			}
		}
		w.register("http://all.example/hook", many...)
		for range 150 {
			w.happen("user.updated", "user.created", "vault.data.read")
		}
		w.background(w.Run)
		time.Sleep(time.Second)
		settle()
		if a, b := len(w.requests("app.example")), len(w.requests("all.example")); a != 150 || b != 300 {
			t.Errorf("%d and %d requests", a, b)
		}
		seen := map[string]bool{}
		for _, r := range w.requests("all.example") {
			if seen[r.body] {
				t.Errorf("twice: %s", r.body)
			}
			seen[r.body] = true
		}
	})
}

func TestOneThatHangsDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Development)
		release := make(chan struct{})
		var most, now int
		w.answer = func(r request, _ int) (int, string) {
			if r.host != "hangs.example" {
				return 200, ""
			}
			w.mu.Lock()
			now++
			most = max(most, now)
			w.mu.Unlock()
			<-release
			w.mu.Lock()
			now--
			w.mu.Unlock()
			return 200, ""
		}
		w.register("http://hangs.example/hook", "user.created")
		w.register("http://app.example/hook", "user.created")
		w.background(w.Run)
		for range 40 {
			w.happen("user.created")
		}
		time.Sleep(5 * time.Second)
		settle()
		if n := len(w.requests("app.example")); n != 40 {
			t.Errorf("%d of 40 arrived beside one that hangs", n)
		}
		if n := len(w.requests("hangs.example")); n != maxPerEndpoint {
			t.Errorf("%d requests hang", n)
		}
		close(release)
		time.Sleep(5 * time.Second)
		settle()
		if n := len(w.requests("hangs.example")); n != 40 || most > maxPerEndpoint {
			t.Errorf("%d of 40 arrived in the end, %d at once", n, most)
		}
	})
}

func TestDeadEndpointsAreDisabled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Production)
		dead := true
		w.answer = func(request, int) (int, string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return map[bool]int{true: 500, false: 200}[dead], ""
		}
		e := w.register("https://app.example/hook", "user.created")
		w.background(w.Run)
		for range 20 {
			w.happen("user.created")
			time.Sleep(12 * time.Hour)
		}
		settle()
		got, err := w.Endpoint(t.Context(), w.env.ID, e.ID)
		if err != nil || got.Status != Disabled || got.Reason == "" {
			t.Fatalf("%+v %v", got, err)
		}
		before := len(w.requests("app.example"))
		w.happen("user.created") // nobody hears of this
		time.Sleep(24 * time.Hour)
		if n := len(w.requests("app.example")); n != before {
			t.Errorf("%d requests to a disabled endpoint", n-before)
		}
		w.mu.Lock()
		dead = false
		w.mu.Unlock()
		pending := len(w.deliveries(DeliveryQuery{State: Pending}))
		on := Enabled
		_, err = w.UpdateEndpoint(t.Context(), w.env, e.ID, EndpointChange{Status: &on})
		must(t, err)
		w.happen("user.created")
		time.Sleep(100 * time.Hour)
		settle()
		if n := len(w.requests("app.example")); n != before+pending+1 {
			t.Errorf("%d requests after it came back, want %d", n-before, pending+1)
		}
	})
}

func TestEndpointsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, identity.Production)
	other, err := w.Identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other", Kind: identity.Development})
	must(t, err)
	ctx := t.Context()
	code := func(err error) string {
		if e, ok := apierr.As(err); ok {
			return e.Code
		}
		return fmt.Sprint(err)
	}
	for _, tt := range []struct {
		env    *identity.Environment
		url    string
		events []string
		want   string
	}{
		{w.env, "https://app.example/hook", []string{"user.created", "user.created"}, "<nil>"},
		{w.env, "https://app.example/hook", []string{"user.deleted"}, "duplicate_endpoint"},
		{w.env, "http://app.example/other", []string{"user.created"}, "invalid_url"},
		{w.env, "https://127.0.0.1/hook", []string{"user.created"}, "invalid_url"},
		{w.env, "https://10.0.0.1/hook", []string{"user.created"}, "invalid_url"},
		{w.env, "soup", []string{"user.created"}, "invalid_url"},
		{w.env, "https://app.example/b", nil, "invalid_request_parameters"},
		{w.env, "https://app.example/b", []string{"vault.data.read"}, "invalid_request_parameters"},
		{other, "http://127.0.0.1:3211/workos/webhook", []string{"user.created"}, "<nil>"},
		{other, "http://10.0.0.1/hook", []string{"user.created"}, "invalid_url"},
	} {
		e, err := w.CreateEndpoint(ctx, tt.env, NewEndpoint{URL: tt.url, Events: tt.events})
		if code(err) != tt.want {
			t.Errorf("%s %v: %v", tt.url, tt.events, err)
		}
		if err == nil && (len(e.Secret) < minSecret || len(e.Events) != 1 || e.Status != Enabled) {
			t.Errorf("%+v", e)
		}
	}
	l, err := w.Endpoints(ctx, w.env.ID, identity.Page{})
	if err != nil || len(l.Data) != 1 {
		t.Fatalf("%+v %v", l, err)
	}
	e := l.Data[0]
	if _, err := w.Endpoint(ctx, other.ID, e.ID); code(err) != "entity_not_found" {
		t.Errorf("from another environment: %v", err)
	}
	odd := Status("odd")
	if _, err := w.UpdateEndpoint(ctx, w.env, e.ID, EndpointChange{Status: &odd}); code(err) != "invalid_request_parameters" {
		t.Errorf("odd status: %v", err)
	}
	bad := "https://169.254.169.254/"
	if _, err := w.UpdateEndpoint(ctx, w.env, e.ID, EndpointChange{URL: &bad}); code(err) != "invalid_url" {
		t.Errorf("moved to metadata: %v", err)
	}
	rows := 0
	must(t, w.Identity.View(ctx, func(tx *identity.Tx) error {
		return tx.Each(tableEndpoints, "on_environment", database.Interval{}, asc, func(f identity.Found) (bool, error) {
			rows++
			for _, field := range []string{"secret", "url", "reason"} {
				if strings.Contains(f.Text(field), e.Secret) {
					t.Errorf("%s shows the secret", field)
				}
			}
			return true, nil
		})
	}))
	if rows != 2 {
		t.Errorf("%d rows", rows)
	}
	must(t, w.DeleteEndpoint(ctx, w.env.ID, e.ID))
	if err := w.DeleteEndpoint(ctx, w.env.ID, e.ID); code(err) != "entity_not_found" {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestTestSendsWhatHappenedLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Development)
		e := w.register("http://app.example/hook", "user.deleted")
		if _, err := w.Test(t.Context(), w.env.ID, e.ID, ""); err == nil {
			t.Error("sent what never happened")
		}
		w.happen("user.created", "user.created")
		w.background(w.Run)
		d, err := w.Test(t.Context(), w.env.ID, e.ID, "user.created")
		must(t, err)
		settle()
		if got := w.requests("app.example"); len(got) != 1 || !strings.Contains(got[0].body, string(d.Event)) || !bytes.Contains([]byte(got[0].body), []byte(`"n":1`)) {
			t.Errorf("%+v", got)
		}
		must(t, w.DeleteEndpoint(t.Context(), w.env.ID, e.ID))
		if l := w.deliveries(DeliveryQuery{}); len(l) != 0 {
			t.Errorf("deliveries outlive their endpoint: %+v", l)
		}
	})
}

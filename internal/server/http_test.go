package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/wire"
)

func TestShellGivesIdsAndSurvivesPanics(t *testing.T) {
	t.Parallel()
	var id string
	h := shell(slog.New(slog.DiscardHandler), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("on purpose")
		}
		id = wire.RequestID(r.Context())
	}))
	s := httptest.NewServer(h)
	defer s.Close()
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if id == "" || res.Header.Get("X-Request-Id") != id || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("id %q, headers %v", id, res.Header)
	}
	if res, err := http.Get(s.URL + "/panic"); err == nil {
		res.Body.Close()
		t.Error("a panic was answered as if nothing had happened")
	}
}

func TestOwnHostRefusesForeignNames(t *testing.T) {
	t.Parallel()
	h := ownHost("https://auth.example.com", "authkit-url", func(host string) bool { return host == "id.example.com" }, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"localhost:4100": 200, "127.0.0.1:4100": 200, "[::1]:4100": 200, "app.localhost": 200, "AUTH.example.com": 200,
		"evil.example": 421, "evil.example:4100": 421, "localhost.evil.example": 421, "10.0.0.1": 421, "": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
}

// listenersOf is what answers on a front.
func listenersOf(f front) *listeners {
	l := &listeners{log: slog.New(slog.DiscardHandler), admission: &admission{limits: &Limits{Connections: 100, Requests: 100}}, peers: &peers{}}
	l.add(f)
	return l
}

func TestServeLetsRunningRequestsFinish(t *testing.T) {
	t.Parallel()
	sock, err := bind(t.Context(), "127.0.0.1", "a test", 0)
	if err != nil {
		t.Fatal(err)
	}
	arrived, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-finish
		io.WriteString(w, "done")
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- listenersOf(front{socket: sock, handler: h}).serve(ctx)
	}()
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + sock.listeners[0].Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	<-arrived
	stop()
	close(finish)
	if got := <-answer; got != "done" {
		t.Errorf("answer = %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// begun is a server of l whose front is a socket of this machine.
func begun(t *testing.T, l *listeners) (stop context.CancelFunc, ended <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- l.serve(ctx) }()
	t.Cleanup(stop)
	return stop, end
}

// inTime is what comes from c, and the end of the test if nothing does within a minute.
func inTime[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatalf("%s: nothing within a minute", what)
		panic("unreachable")
	}
}

// get is the status and text of an answer, in the background.
func get(sock *socket) <-chan string {
	answer := make(chan string, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get("http://" + sock.near())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- strconv.Itoa(res.StatusCode) + " " + string(b)
	}()
	return answer
}

// A stop tells those who wait for something to happen, at once; those who work have the
// whole time to finish.
func TestServeEndsWaitsBeforeWork(t *testing.T) {
	t.Parallel()
	sock, err := bind(t.Context(), "127.0.0.1", "a test", 0)
	if err != nil {
		t.Fatal(err)
	}
	waits, works := make(chan struct{}), make(chan context.Context)
	finish := make(chan struct{})
	first := atomic.Bool{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first.CompareAndSwap(false, true) {
			ctx, over := wire.Waiting(r)
			defer over()
			close(waits)
			<-ctx.Done()
			io.WriteString(w, "nothing new: "+context.Cause(ctx).Error())
			return
		}
		works <- r.Context()
		<-finish
		io.WriteString(w, fmt.Sprint("done: ", r.Context().Err()))
	})
	l := listenersOf(front{socket: sock, handler: h})
	l.drain = time.Hour // far longer than this test may take
	stop, ended := begun(t, l)
	poll := get(sock)
	inTime(t, "the poll", waits)
	work := get(sock)
	inTime(t, "the work", works)
	stop()
	if got := inTime(t, "the poll's answer", poll); got != "200 nothing new: "+wire.ErrStopping.Error() {
		t.Errorf("the poll: %s", got)
	}
	close(finish)
	if got := inTime(t, "the work's answer", work); got != "200 done: <nil>" {
		t.Errorf("the work: %s", got)
	}
	if err := inTime(t, "the end", ended); err != nil {
		t.Error(err)
	}
}

// What does not finish in time is told so, in words.
func TestServeTellsThoseItDoesNotWaitFor(t *testing.T) {
	t.Parallel()
	sock, err := bind(t.Context(), "127.0.0.1", "a test", 0)
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{})
	front := front{socket: sock, handler: wire.Front{Dialect: func(w http.ResponseWriter, _ *http.Request, e *apierr.Error) {
		w.WriteHeader(wire.Status(e.Kind))
		io.WriteString(w, e.Code)
	}}.Handle(func(_ http.ResponseWriter, r *http.Request) error {
		close(arrived)
		<-r.Context().Done()
		return fmt.Errorf("look: %w", r.Context().Err())
	})}
	l := listenersOf(front)
	l.drain, l.farewell = time.Millisecond, time.Hour
	stop, ended := begun(t, l)
	answer := get(sock)
	inTime(t, "the request", arrived)
	stop()
	if got := inTime(t, "the answer", answer); got != "503 HouseStopping" {
		t.Errorf("answer = %s", got)
	}
	if err := inTime(t, "the end", ended); err != nil {
		t.Error(err)
	}
}

// A connection that was taken in before the stop is answered, even if its request comes
// after it: whoever connected could not know.
func TestServeAnswersWhoHadConnected(t *testing.T) {
	t.Parallel()
	sock, err := bind(t.Context(), "127.0.0.1", "a test", 0)
	if err != nil {
		t.Fatal(err)
	}
	l := listenersOf(front{socket: sock, handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "answered") })})
	l.drain, l.grace = time.Hour, time.Hour
	leaving := make(chan struct{})
	l.leaving = leaving
	stop, ended := begun(t, l)
	conns := make([]net.Conn, 3)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", sock.near()); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
	}
	for l.admission.connections.Load() < int64(len(conns)) {
		time.Sleep(time.Millisecond) // until they are taken in
	}
	close(leaving)
	stop()
	for { // until nobody else is
		c, err := net.Dial("tcp", sock.near())
		if err != nil {
			break
		}
		c.Close()
	}
	for _, c := range conns {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(res.Body); string(b) != "answered" || !res.Close {
			t.Errorf("answer = %q, the last of its connection: %v", b, res.Close)
		}
	}
	if err := inTime(t, "the end", ended); err != nil {
		t.Error(err)
	}
}

// A connection that asks nothing, as browsers keep them, does not hold up a stop.
func TestServeDoesNotWaitForWhoAsksNothing(t *testing.T) {
	t.Parallel()
	sock, err := bind(t.Context(), "127.0.0.1", "a test", 0)
	if err != nil {
		t.Fatal(err)
	}
	l := listenersOf(front{socket: sock, handler: http.NotFoundHandler()})
	l.drain, l.grace = time.Hour, time.Millisecond
	stop, ended := begun(t, l)
	c, err := net.Dial("tcp", sock.near())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for l.admission.connections.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	stop()
	if err := inTime(t, "the end", ended); err != nil {
		t.Error(err)
	}
	t.Log("ended after", time.Since(began))
	if n := l.admission.connections.Load(); n != 0 {
		t.Errorf("%d connections are counted still", n)
	}
}

func TestConfigRefusesNonsense(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"an IP address":             func(c *Config) { c.Host = "example.com" },
		"must look like https://":   func(c *Config) { c.AuthKitURL = "auth.example.com" },
		"between 0 and 65535":       func(c *Config) { c.Port.Number = 70000 },
		"between 0 and 24h":         func(c *Config) { c.AccessTokenLifetime = -time.Second },
		"must not be negative":      func(c *Config) { c.Limits.Sockets = -1 },
		"retention must be between": func(c *Config) { c.Limits.Retention = time.Second },
		"must look like https://na": func(c *Config) { c.URL = "https://x/?q" },
	} {
		c := Config{Log: slog.New(slog.DiscardHandler)}
		change(&c)
		if err := c.prepare(1024); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %q", err, want)
		}
	}
}

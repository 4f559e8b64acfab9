package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

func TestServeEndsLongRequestsWithTheirContext(t *testing.T) {
	t.Parallel()
	sock, err := bind(t.Context(), "127.0.0.1", "a test", 0)
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // a long poll, or a socket
	})
	ctx, stop := context.WithCancel(t.Context())
	l := listenersOf(front{socket: sock, handler: h})
	l.drain = time.Hour // far longer than this test may take
	ended := make(chan error, 1)
	go func() { ended <- l.serve(ctx) }()
	go func() {
		if res, err := http.Get("http://" + sock.listeners[0].Addr().String()); err == nil {
			res.Body.Close()
		}
	}()
	<-arrived
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("stopping waits for a request that waits for its context")
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

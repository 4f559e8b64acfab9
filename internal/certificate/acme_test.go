package certificate_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"github.com/lentil-dev/lentil/internal/certificate"
	"github.com/lentil-dev/lentil/internal/certificate/certificatetest"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// rows is a cache over a store in memory.
func rows(t *testing.T) *certificate.Rows {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); db.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; db.Close() })
	r := &certificate.Rows{DB: db, Sealer: (&token.Ring{Root: []byte(strings.Repeat("r", 32))}).Sealer()}
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// port is the port that a listener has.
func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// listen binds any port of this machine.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// serve answers on both ports of a house with a keeper.
func serve(t *testing.T, k *certificate.Keeper, plain, secure net.Listener) {
	t.Helper()
	if err := k.Open(); err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello from "+r.Host) })
	p := &http.Server{Handler: k.Challenge(answer), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	s := &http.Server{Handler: answer, TLSConfig: k.Config(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	if plain != nil {
		go p.Serve(plain)
	}
	go s.ServeTLS(secure, "", "")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); k.Run(ctx) }()
	t.Cleanup(func() { cancel(); p.Close(); s.Close(); <-ended })
}

// visit makes a connection for a host.
func visit(t *testing.T, a *certificatetest.Authority, at net.Listener, host string) (*tls.ConnectionState, error) {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{RootCAs: a.Issued, ServerName: host}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", at.Addr().String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s := c.(*tls.Conn).ConnectionState()
	return &s, nil
}

func TestAuthorityGivesCertificates(t *testing.T) { // not parallel: the authority's switches are the process's
	closed := listen(t) // a port on which nobody answers, once it is closed
	nobody := port(closed)
	closed.Close()
	for _, way := range []string{"http-01", "tls-alpn-01"} {
		t.Run(way, func(t *testing.T) {
			plain, secure := listen(t), listen(t)
			var a *certificatetest.Authority
			if way == "http-01" {
				a = certificatetest.Open(t, port(plain), nobody, nil)
			} else {
				a = certificatetest.Open(t, nobody, port(secure), nil)
			}
			cache := rows(t)
			k := &certificate.Keeper{Log: slog.New(slog.DiscardHandler), ACME: &certificate.ACME{
				Directory: a.Directory, Roots: a.Roots, Email: "house@example.com", Agent: "lentil/test", Cache: cache,
				Hosts:   []string{"app.example.com"},
				Allowed: func(_ context.Context, host string) bool { return host == "team.example.com" },
			}}
			serve(t, k, plain, secure)
			for _, host := range []string{"app.example.com", "team.example.com"} {
				s, err := visit(t, a, secure, host)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.PeerCertificates[0].DNSNames; len(got) != 1 || got[0] != host {
					t.Errorf("%s: %v", host, got)
				}
			}
			if _, err := visit(t, a, secure, "stranger.example.com"); err == nil {
				t.Error("a certificate was asked for a name that is not ours")
			}
			states := k.States()
			if len(states) != 2 || states[0].Names[0] != "app.example.com" || states[0].Problem != "" || !states[0].Until.After(time.Now()) {
				t.Errorf("%+v", states)
			}
			// The next process has it from the cache: the authority is asked nothing.
			next := &certificate.Keeper{Log: k.Log, ACME: &certificate.ACME{Directory: "http://127.0.0.1:1/", Cache: cache, Hosts: []string{"app.example.com"}}}
			again := listen(t)
			serve(t, next, nil, again)
			if _, err := visit(t, a, again, "app.example.com"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAccountIsBoundToOneElsewhere(t *testing.T) { // not parallel: the authority's switches are the process's
	plain, secure := listen(t), listen(t)
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	a := certificatetest.Open(t, port(plain), port(secure), map[string]string{"kid-1": key})
	cache := rows(t)
	acme := func(keyID, mac string) *certificate.ACME {
		return &certificate.ACME{Directory: a.Directory, Roots: a.Roots, KeyID: keyID, MACKey: mac, Cache: cache, Hosts: []string{"app.example.com"}}
	}
	if err := (&certificate.Keeper{Log: slog.New(slog.DiscardHandler), ACME: acme("kid-1", "no base64!")}).Open(); err == nil {
		t.Error("a key that is none was taken")
	}
	serve(t, &certificate.Keeper{Log: slog.New(slog.DiscardHandler), ACME: acme("kid-1", key)}, plain, secure)
	if _, err := visit(t, a, secure, "app.example.com"); err != nil {
		t.Error(err)
	}
}

func TestHostWithoutCertificateIsTold(t *testing.T) {
	t.Parallel()
	cache := rows(t)
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	k := &certificate.Keeper{Log: slog.New(slog.DiscardHandler), ACME: &certificate.ACME{Directory: refusing.URL, Cache: cache, Hosts: []string{"app.example.com"}}}
	secure := listen(t)
	serve(t, k, nil, secure)
	if _, err := visit(t, &certificatetest.Authority{}, secure, "app.example.com"); err == nil {
		t.Fatal("there is a certificate from nowhere")
	}
	if s := k.States(); len(s) != 1 || !strings.Contains(s[0].Problem, "the authority gave none: ") {
		t.Errorf("%+v", s)
	}
}

func TestCacheKeepsNothingInClear(t *testing.T) {
	t.Parallel()
	r := rows(t)
	ctx := t.Context()
	if _, err := r.Get(ctx, "a"); err != autocert.ErrCacheMiss {
		t.Errorf("err = %v", err)
	}
	for _, text := range []string{"first private key", "second private key"} {
		if err := r.Put(ctx, "a", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := r.Get(ctx, "a"); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
	}
	if err := r.DB.View(ctx, func(tx *database.Tx) error {
		c := tx.Scan("certificates", database.ByCreationTime, database.Interval{}, database.Asc)
		defer c.Close()
		for n := 0; ; n++ {
			d, err := c.Next(ctx)
			if err != nil || d == nil {
				if n != 1 {
					t.Errorf("%d rows", n)
				}
				return err
			}
			if strings.Contains(string(d.JSON()), "private") {
				t.Errorf("in clear: %s", d.JSON())
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(ctx, "a"); err != autocert.ErrCacheMiss {
		t.Errorf("err = %v", err)
	}
}

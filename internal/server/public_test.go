package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
)

// issue writes a certificate for names and its key into one file, and gives what it
// is trusted by.
func issue(t *testing.T, names ...string) (file string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "house.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return file, pool
}

// browser is a client for which all names are this machine, and that follows no
// redirects.
func browser(pool *x509.CertPool) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool}, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		}},
	}
}

// see makes a request and gives what there is to see.
func see(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// holdPort takes a port for the length of the test; listener gives what a house that
// answers there is started with, any number of times. A port that was only free a
// moment ago may be another program's by then.
func holdPort(t *testing.T) (number int, listener func() net.Listener) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	held, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	return l.Addr().(*net.TCPAddr).Port, func() net.Listener {
		t.Helper()
		again, err := net.FileListener(held)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
}

func TestNamesShareOneListener(t *testing.T) {
	t.Parallel()
	file, pool := issue(t, "app.example.com", "site.example.com", "auth.example.com", "id.customer.example", "evil.example")
	plain, listener := holdPort(t)
	s, _ := start(t, func(c *server.Config) {
		c.Host, c.Listeners = "127.0.0.1", []net.Listener{listener()}
		c.Hosts = server.HostNames{Deployment: []string{"app.example.com"}, Site: []string{"Site.example.com"}, AuthKit: []string{"auth.example.com"}}
		c.TLS = server.TLS{Certificates: []string{file}, HSTS: "7d"}
		c.HTTPSPort, c.HTTPPort = server.Port{Fixed: true}, server.Port{Number: plain, Fixed: true}
	})
	a := s.Addresses()
	_, port, _ := strings.Cut(strings.TrimPrefix(a.URL, "https://"), ":")
	if a.URL != "https://app.example.com:"+port || a.SiteURL != "https://site.example.com:"+port || a.AuthKitURL != "https://auth.example.com:"+port || a.OutboxURL != "" {
		t.Fatalf("%+v", a)
	}
	b := browser(pool)
	for url, want := range map[string]string{
		a.URL + "/instance_name":                          a.Deployment,
		a.SiteURL + "/x":                                  "This Convex deployment does not have HTTP actions enabled.",
		a.AuthKitURL + "/sso/jwks/" + a.ClientID:          `"keys"`,
		a.URL + "/ready":                                  `"status":"ready"`,
		a.AuthKitURL + "/ready":                           `"ready":true`,
		"https://evil.example:" + port + "/instance_name": `does not answer to the host name "evil.example"`,
		"https://evil.example:" + port + "/ready":         `"status":"ready"`,
	} {
		res, body := see(t, b, url)
		if !strings.Contains(body, want) {
			t.Errorf("%s: %s %q", url, res.Status, body)
		}
		if res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") != "max-age=604800" {
			t.Errorf("%s: %s, %v", url, res.Proto, res.Header)
		}
		if misdirected := strings.Contains(want, "does not answer"); misdirected != (res.StatusCode == http.StatusMisdirectedRequest) {
			t.Errorf("%s: %s", url, res.Status)
		}
	}
	if res, body := see(t, b, a.SiteURL+"/ready"); strings.Contains(body, "ready") {
		t.Errorf("a path of the app's was taken from it: %s %s", res.Status, body)
	}
	// Over plain HTTP people are sent to the same place.
	at := func(host string) string { return "http://" + net.JoinHostPort(host, itoa(plain)) }
	if res, _ := see(t, b, at("app.example.com")+"/a?b=c"); res.StatusCode != 308 || res.Header.Get("Location") != a.URL+"/a?b=c" {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	if res, _ := see(t, b, at("evil.example")+"/a"); res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("%s", res.Status)
	}
	if res, body := see(t, b, at("127.0.0.1")+"/health"); res.StatusCode != 200 || !strings.Contains(body, "ok") {
		t.Errorf("%s %s", res.Status, body)
	}
	// An environment's own domain is sign-in.
	if code, body := fetch(t, http.MethodPatch, "http://127.0.0.1:"+itoa(a.Port)+"/_lentil/v1/settings", `{"authentication_domain":"id.customer.example"}`, map[string]string{"Authorization": "Bearer " + a.APIKey, "Content-Type": "application/json"}); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if res, body := see(t, b, "https://id.customer.example:"+port+"/sso/jwks/"+a.ClientID); !strings.Contains(body, `"keys"`) {
		t.Errorf("%s %s", res.Status, body)
	}
}

func TestNamesBehindAProxy(t *testing.T) {
	t.Parallel()
	plain, listener := holdPort(t)
	s, _ := start(t, func(c *server.Config) {
		c.Listeners = []net.Listener{listener()}
		c.Hosts = server.HostNames{Deployment: []string{"app.example.com"}, Site: []string{"site.example.com"}, AuthKit: []string{"auth.example.com"}, Control: []string{"dash.example.com"}}
		c.TLS.ByProxy, c.HTTPPort = true, server.Port{Number: plain, Fixed: true}
	})
	a := s.Addresses()
	if a.URL != "https://app.example.com" || a.ControlURL != "https://dash.example.com" {
		t.Fatalf("%+v", a)
	}
	for host, want := range map[string]string{"app.example.com": a.Deployment, "dash.example.com": "", "evil.example": "does not answer"} {
		code, body := fetch(t, http.MethodGet, "http://127.0.0.1:"+itoa(plain)+"/instance_name", "", map[string]string{"Host": host})
		if !strings.Contains(body, want) || code == http.StatusPermanentRedirect {
			t.Errorf("%s: %d %s", host, code, body)
		}
	}
}

// TestProxyThatPassesTLSOn holds that a house which speaks TLS believes what trusted
// proxies say before it, and hears nobody who says nothing.
func TestProxyThatPassesTLSOn(t *testing.T) {
	t.Parallel()
	file, pool := issue(t, "app.example.com", "site.example.com", "auth.example.com")
	s, _ := start(t, func(c *server.Config) {
		c.Host, c.Hosts = "127.0.0.1", server.HostNames{Deployment: []string{"app.example.com"}, Site: []string{"site.example.com"}, AuthKit: []string{"auth.example.com"}}
		c.TLS = server.TLS{Certificates: []string{file}}
		c.HTTPSPort, c.HTTPPort = server.Port{Fixed: true}, server.Port{Off: true}
		c.TrustedProxies, c.ProxyProtocol = "127.0.0.1", true
	})
	a := s.Addresses()
	b := browser(pool)
	if res, err := b.Get(a.URL + "/instance_name"); err == nil {
		t.Errorf("answered without a header: %s", res.Status)
	}
	transport := b.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(c, "PROXY TCP4 203.0.113.9 192.0.2.1 50123 443\r\n")
		}
		return c, err
	}
	if res, body := see(t, b, a.URL+"/instance_name"); body != a.Deployment || res.ProtoMajor != 2 {
		t.Errorf("%s %s", res.Status, body)
	}
}

// TestSocketsAreTakenOver holds that a house uses what a service manager has bound,
// and leaves it bound.
func TestSocketsAreTakenOver(t *testing.T) {
	t.Parallel()
	file, pool := issue(t, "app.example.com")
	port, listener := holdPort(t) // as the manager holds it
	run := func() func() error {
		_, stop := start(t, func(c *server.Config) {
			c.Hosts = server.HostNames{Deployment: []string{"app.example.com"}, Site: []string{"site.example.com"}, AuthKit: []string{"auth.example.com"}}
			c.TLS, c.HTTPPort = server.TLS{Certificates: []string{file}}, server.Port{Off: true}
			c.HTTPSPort, c.Listeners = server.Port{Number: port, Fixed: true}, []net.Listener{listener()}
		})
		return stop
	}
	url := "https://app.example.com:" + itoa(port) + "/version"
	stop := run()
	if _, body := see(t, browser(pool), url); body != "test" {
		t.Errorf("%q", body)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// Nobody is there; who comes now waits for the next house.
	answer := make(chan string, 1)
	go func() {
		res, err := browser(pool).Get(url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	run()
	if got := <-answer; got != "test" {
		t.Errorf("%q", got)
	}
}

func TestStopIsAnnounced(t *testing.T) {
	t.Parallel()
	for delay := time.Second; !stopIsAnnounced(t, delay); delay *= 4 {
		t.Logf("within %v this machine did not manage to ask", delay)
	}
}

// stopIsAnnounced stops a house that goes on answering for a while; false if that was
// over before everything was asked.
func stopIsAnnounced(t *testing.T, delay time.Duration) (asked bool) {
	s, stop := start(t, func(c *server.Config) { c.DrainDelay = delay })
	url := s.Addresses().URL
	if code, _ := fetch(t, http.MethodGet, url+"/ready", "", nil); code != 200 {
		t.Errorf("ready: %d", code)
	}
	began, done := time.Now(), make(chan error, 1)
	go func() { done <- stop() }()
	<-s.Stopping()
	asked = true
	for _, tt := range []struct {
		path   string
		status int
		says   string
	}{{"/ready", 503, `"status":"stopping"`}, {"/version", 200, "test"}} {
		status, body, ends := 0, "", false
		res, err := http.Get(url + tt.path)
		if err == nil {
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			status, body, ends = res.StatusCode, string(b), res.Close || tt.path == "/ready"
		}
		switch {
		case status == tt.status && strings.Contains(body, tt.says) && ends: // and who came keeps no connection
		case time.Since(began) >= delay:
			asked = false
		default:
			t.Errorf("%s: %d %q, the connection ends: %t, %v", tt.path, status, body, ends, err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	return asked
}

func TestPublicMistakesAreTold(t *testing.T) {
	t.Parallel()
	file, _ := issue(t, "app.example.com")
	good := func(c *server.Config) {
		c.Hosts = server.HostNames{Deployment: []string{"app.example.com"}, Site: []string{"site.example.com"}, AuthKit: []string{"auth.example.com"}}
		c.TLS.Certificates = []string{file}
	}
	for want, change := range map[string]func(*server.Config){
		"":                            func(*server.Config) {},
		"hosts.site is missing":       func(c *server.Config) { c.Hosts.Site = nil },
		"name the hosts too":          func(c *server.Config) { c.Hosts = server.HostNames{} },
		"is an address":               func(c *server.Config) { c.Hosts.Site = []string{"https://x.example.com"} },
		"has a port":                  func(c *server.Config) { c.Hosts.Site = []string{"x.example.com:443"} },
		"would be many names":         func(c *server.Config) { c.Hosts.Site = []string{"*.example.com"} },
		"is no host name":             func(c *server.Config) { c.Hosts.Site = []string{"ä.example.com"} },
		"stands for both":             func(c *server.Config) { c.Hosts.Site = []string{"AUTH.example.com"} },
		"as many in tls.key":          func(c *server.Config) { c.TLS.Keys = []string{"a", "b"} },
		"accept its terms":            func(c *server.Config) { c.ACME.Email = "a@example.com" },
		"keep one of both":            func(c *server.Config) { c.TLS.ByProxy = true },
		"or tls.by-proxy":             func(c *server.Config) { c.TLS.Certificates = nil },
		"number of days":              func(c *server.Config) { c.TLS.HSTS = "long" },
		"cannot be read: no such":     func(c *server.Config) { c.TLS.Certificates, c.TLS.Keys = []string{"/nowhere"}, nil },
		"drain delay must be between": func(c *server.Config) { c.DrainDelay = 2 * time.Hour },
		"no proxy is trusted":         func(c *server.Config) { c.ProxyProtocol = true },
		"base64url":                   func(c *server.Config) { c.ACME = server.ACME{AcceptTerms: true, KeyID: "a", MACKey: "!"} },
	} {
		c := server.Config{Log: slog.New(slog.DiscardHandler)}
		good(&c)
		change(&c)
		err := server.Check(c)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("err = %v, want %q", err, want)
		}
	}
}

// itoa writes a port.
func itoa(n int) string { return strconv.Itoa(n) }

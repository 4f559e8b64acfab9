package forward

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// world is a proxy with a house behind it.
type world struct {
	proxy     *Proxy
	authority *Authority
}

// newWorld starts a house that tells what it was asked, and a proxy before it.
func newWorld(t *testing.T, upstream func(*http.Request) (*url.URL, error)) *world {
	t.Helper()
	a, err := NewAuthority(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	house := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "house %s %s%s", r.Method, r.Host, r.URL)
	}))
	house.TLS = a.TLS()
	house.StartTLS()
	t.Cleanup(house.Close)
	address := house.Listener.Addr().String()
	p := &Proxy{
		House: func(ctx context.Context, host string) (net.Conn, error) {
			if host == ConvexAuth {
				return nil, errors.New("no house is running")
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		},
		Upstream: upstream,
		Log:      slog.New(slog.DiscardHandler),
	}
	start(t, p)
	return &world{proxy: p, authority: a}
}

// start opens a proxy and serves until the test ends.
func start(t *testing.T, p *Proxy) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l, err := p.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// client goes through a proxy's URL and trusts the authority.
func (w *world) client(t *testing.T, through string, more ...*x509.Certificate) *http.Client {
	t.Helper()
	u, err := url.Parse(through)
	if err != nil {
		t.Fatal(err)
	}
	trusted := pool(t, w.authority)
	for _, c := range more {
		trusted.AddCert(c)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get gives the body of an answer.
func get(t *testing.T, c *http.Client, address string) (int, string) {
	t.Helper()
	res, err := c.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestProxyBringsVendorsHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := w.client(t, w.proxy.URL())
	for _, host := range []string{WorkOSAPI, ConvexAPI, ConvexVersion, "API.WorkOS.com"} {
		status, body := get(t, c, "https://"+host+"/v1/x?y=1")
		if want := "house GET " + host + "/v1/x?y=1"; status != 200 || !strings.EqualFold(body, want) {
			t.Errorf("%s: %d %q", host, status, body)
		}
	}
	if status, _ := get(t, c, "http://api.workos.com/sso/jwks"); status != http.StatusPermanentRedirect {
		t.Errorf("plain http to a vendor's host: %d", status)
	}
	// The house's error reaches the person, as far as their program shows it.
	if _, body := get(t, c, "https://"+ConvexAuth+"/"); !strings.Contains(body, "Bad Gateway") {
		t.Errorf("without a house: %s", body)
	}
}

func TestProxyPassesOthersOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "far %s %s %q", r.URL, r.Header.Get("X-Mine"), r.Header.Get("Proxy-Authorization"))
	}))
	defer far.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secure "+r.URL.Path) }))
	defer secure.Close()
	c := w.client(t, w.proxy.URL(), secure.Certificate())
	req, _ := http.NewRequest(http.MethodGet, far.URL+"/a%2fb?c=%20", nil)
	req.Header.Set("X-Mine", "yes")
	res, err := c.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if want := `far /a%2fb?c=%20 yes ""`; string(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
	if status, body := get(t, c, secure.URL+"/b"); status != 200 || body != "secure /b" {
		t.Errorf("tunnel: %d %s", status, body)
	}
	// Nobody listens there.
	gone := httptest.NewServer(nil)
	gone.Close()
	if status, body := get(t, c, gone.URL); status != http.StatusBadGateway || !strings.Contains(body, "refused") {
		t.Errorf("nobody: %d %s", status, body)
	}
}

func TestProxyRefusesStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	good, _ := url.Parse(w.proxy.URL())
	for _, user := range []*url.Userinfo{nil, url.User("lentil"), url.UserPassword("lentil", ""), url.UserPassword("lentil", "guess"), url.UserPassword("", strings.Repeat("x", 4000))} {
		u := *good
		u.User = user
		c := w.client(t, u.String())
		if _, body := get(t, c, "https://api.workos.com/"); !strings.Contains(body, "Proxy Authentication Required") {
			t.Errorf("%v: tunnel: %s", user, body)
		}
		if status, _ := get(t, c, "http://example.invalid/"); status != http.StatusProxyAuthRequired {
			t.Errorf("%v: %d", user, status)
		}
	}
	// A page that posts to the port, or whose name points at it, is a stranger too.
	if status, _ := get(t, &http.Client{}, "http://"+good.Host+"/"); status != http.StatusProxyAuthRequired {
		t.Errorf("without being a proxy: %d", status)
	}
}

// raw sends a request as it is and gives the status line of the answer.
func raw(t *testing.T, p *Proxy, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", p.self.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req, _ := http.NewRequest(http.MethodGet, "http://x", nil)
	req.SetBasicAuth(user, p.password)
	text = strings.ReplaceAll(text, "AUTH", "Proxy-Authorization: "+req.Header.Get("Authorization"))
	if _, err := io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestProxyRefusesNonsense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	self := w.proxy.self.String()
	port := fmt.Sprint(w.proxy.self.Port())
	for _, c := range []struct{ name, text, want string }{
		{"to itself", "CONNECT " + self + " HTTP/1.1\nHost: x\nAUTH\n\n", "508"},
		{"to itself by name", "CONNECT localhost:" + port + " HTTP/1.1\nHost: x\nAUTH\n\n", "508"},
		{"to itself by IPv6", "CONNECT [::ffff:127.0.0.1]:" + port + " HTTP/1.1\nHost: x\nAUTH\n\n", "508"},
		{"to itself by the zero address", "CONNECT 0.0.0.0:" + port + " HTTP/1.1\nHost: x\nAUTH\n\n", "508"},
		{"plain to itself", "GET http://" + self + "/ HTTP/1.1\nHost: x\nAUTH\n\n", "508"},
		{"no port", "CONNECT api.workos.com HTTP/1.1\nHost: x\nAUTH\n\n", "400"},
		{"no host", "CONNECT :443 HTTP/1.1\nHost: x\nAUTH\n\n", "400"},
		{"a path", "GET / HTTP/1.1\nHost: x\nAUTH\n\n", "400"},
		{"another scheme", "GET ftp://example.com/ HTTP/1.1\nHost: x\nAUTH\n\n", "400"},
		{"https as plain", "GET https://example.com/ HTTP/1.1\nHost: x\nAUTH\n\n", "400"},
		{"two lengths", "POST http://example.com/ HTTP/1.1\nHost: x\nAUTH\nContent-Length: 1\nContent-Length: 2\n\n", "400"},
		{"no HTTP", "hello\n\n", "400"},
	} {
		if got := raw(t, w.proxy, c.text); !strings.Contains(got, " "+c.want+" ") {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// A proxy that the user had set stays between: here another one of ours, as when
// lentil exec runs within lentil exec.
func TestProxyGoesThroughTheProxyBefore(t *testing.T) {
	t.Parallel()
	far := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "far") }))
	defer far.Close()
	port := far.Listener.Addr().(*net.TCPAddr).Port
	// A host name that is not the loopback's: only the first proxy knows where it is.
	var asked atomic.Int32
	before := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if name, pass, ok := parseBasic(r); !ok || name != "me" || pass != "pass word" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if r.Method != http.MethodConnect {
			fmt.Fprintf(w, "before %s", r.URL)
			return
		}
		c, err := net.Dial("tcp", far.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		near, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(near, "HTTP/1.1 200 fine\r\n\r\n")
		join(near, c)
	}))
	defer before.Close()
	u, _ := url.Parse(before.URL)
	u.User = url.UserPassword("me", "pass word")
	w := newWorld(t, http.ProxyURL(u))
	c := w.client(t, w.proxy.URL(), far.Certificate())
	c.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com" // the name in httptest's certificate
	if status, body := get(t, c, fmt.Sprintf("https://far.example:%d/", port)); status != 200 || body != "far" {
		t.Errorf("tunnel: %d %s", status, body)
	}
	if status, body := get(t, c, "http://far.example/x"); status != 200 || body != "before http://far.example/x" {
		t.Errorf("plain: %d %s", status, body)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the proxy before was asked %d times", n)
	}
	u.User = url.UserPassword("me", "wrong")
	if _, body := get(t, c, "https://far.example:9/"); !strings.Contains(body, "Bad Gateway") {
		t.Errorf("refused by the proxy before: %s", body)
	}
	// This machine is never reached through it.
	asked.Store(0)
	if status, body := get(t, c, far.URL); status != 200 || body != "far" || asked.Load() != 0 {
		t.Errorf("loopback: %d %s, asked %d times", status, body, asked.Load())
	}
}

// parseBasic reads Proxy-Authorization.
func parseBasic(r *http.Request) (name, password string, ok bool) {
	in := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	return in.BasicAuth()
}

// One side ends what it sends and still hears the other.
func TestProxyPassesHalfClosedConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		fmt.Fprintf(c, "heard %s", b)
	}()
	c, err := net.Dial("tcp", w.proxy.self.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: l.Addr().String()}, Host: l.Addr().String(), Header: http.Header{}}
	req.SetBasicAuth(user, w.proxy.password)
	// What comes with the request is part of the tunnel.
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\nearly ", req.Host, req.Header.Get("Authorization"))
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, req)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	io.WriteString(c, "and late")
	c.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(r)
	if err != nil || string(b) != "heard early and late" {
		t.Errorf("%q, %v", b, err)
	}
}

func FuzzProxyRequest(f *testing.F) {
	for _, s := range []string{
		"CONNECT api.workos.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT [::1]:9 HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.0\r\n\r\n",
		"CONNECT a:b:c HTTP/1.1\r\nProxy-Authorization: Basic !!!\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	p := &Proxy{House: func(context.Context, string) (net.Conn, error) { return nil, errors.New("none") }, Log: slog.New(slog.DiscardHandler)}
	l, err := p.Open(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	l.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(b))))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != http.StatusProxyAuthRequired {
			t.Errorf("%q was answered %d without credentials", b, w.Code)
		}
	})
}

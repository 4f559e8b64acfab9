package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lentil-dev/lentil/internal/apierr"
)

func TestAddressesAreJudged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy  Policy
		allowed string // all others of the table are refused
	}{
		{Policy{}, "public"},
		{Policy{Loopback: true}, "public loopback"},
		{Policy{Private: true}, "public private"},
		{Policy{Loopback: true, Private: true}, "public loopback private"},
	} {
		for kind, list := range map[string]string{
			"public":   "1.1.1.1 8.8.8.8 93.184.216.34 100.63.255.255 100.128.0.1 172.15.255.255 172.32.0.1 192.167.255.255 198.17.0.1 223.255.255.255 2606:4700::1111 2a00:1450::1 64:ff9b::8.8.8.8 ::ffff:8.8.8.8",
			"loopback": "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::127.0.0.1",
			"private":  "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 fc00::1 fdff::1 ::ffff:10.0.0.1 64:ff9b::192.168.1.1",
			"this":     "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0 64:ff9b::0.0.0.0",
			"nat":      "100.64.0.1 100.127.255.255 ::ffff:100.64.0.1",
			"link":     "169.254.0.1 169.254.255.255 fe80::1 fe80::1%eth0 febf::1 ::ffff:169.254.1.1",
			"metadata": "169.254.169.254 ::ffff:169.254.169.254 64:ff9b::169.254.169.254 168.63.129.16 100.100.100.200 192.0.0.192 fd00:ec2::254 fd20:ce::254 fd00:c1::a9fe:a9fe",
			"protocol": "192.0.0.1 192.88.99.1 2001::1 2001:0:1::1 2001:1ff::1",
			"example":  "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1",
			"bench":    "198.18.0.1 198.19.255.255 2001:2::1",
			"multi":    "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
			"reserved": "240.0.0.1 255.255.255.255 100::1 4000::1 5f00::1",
			"disguise": "2002:7f00:1::1 ::127.0.0.1 ::10.0.0.1 64:ff9b:1::127.0.0.1 fec0::1 ::ffff:0:127.0.0.1",
		} {
			for _, s := range strings.Fields(list) {
				err := tt.policy.allow(netip.MustParseAddr(s))
				if want := strings.Contains(tt.allowed, kind); (err == nil) != want {
					t.Errorf("%+v: %s (%s): %v", tt.policy, s, kind, err)
				}
			}
		}
	}
	if (Policy{Loopback: true}).allow(netip.Addr{}) == nil {
		t.Error("the invalid address is allowed")
	}
}

func TestLoopbackNeedsThePolicy(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(srv.Close)
	named := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	for _, url := range []string{srv.URL, named} {
		_, err := Client(Policy{}).Get(url)
		var f *Forbidden
		if !errors.As(err, &f) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if calls.Load() != 0 {
		t.Error("a refused request arrived")
	}
	res, err := Client(Policy{Loopback: true}).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

// TestRebindingGainsNothing answers a name first with a public address, for
// whoever looks before it dials, and then with loopback.
func TestRebindingGainsNothing(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(srv.Close)
	r := nameServer(t, [4]byte{93, 184, 216, 34}, [4]byte{127, 0, 0, 1})
	first, err := r.LookupNetIP(t.Context(), "ip4", "rebind.example.com")
	if err != nil || len(first) != 1 || (Policy{}).allow(first[0]) != nil {
		t.Fatalf("first answer %v, %v", first, err)
	}
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	_, err = newClient(Policy{}, r).Get("http://rebind.example.com:" + port)
	var f *Forbidden
	if !errors.As(err, &f) || f.Address != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("second answer: %v", err)
	}
	if calls.Load() != 0 {
		t.Error("the request arrived")
	}
}

// nameServer resolves every name to the addresses in turn, the last for ever.
func nameServer(t *testing.T, turns ...[4]byte) *net.Resolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body: &dnsmessage.AResource{A: turns[0]}}}
				if len(turns) > 1 {
					turns = turns[1:]
				}
			}
			if b, err := m.Pack(); err == nil {
				conn.WriteTo(b, from)
			}
		}
	}()
	var d net.Dialer
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestRedirectsStayWithinTheOrigin(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was called") }))
	t.Cleanup(other.Close)
	var posts atomic.Int32
	mux := http.NewServeMux()
	mux.Handle("/away", http.RedirectHandler(other.URL, http.StatusFound))
	mux.Handle("/metadata", http.RedirectHandler("http://169.254.169.254/latest", http.StatusFound))
	mux.Handle("/file", http.RedirectHandler("file:///etc/passwd", http.StatusFound))
	mux.Handle("/near", http.RedirectHandler("/here", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.HandleFunc("/post", func(w http.ResponseWriter, r *http.Request) {
		posts.Add(1)
		http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			t.Error("a body was sent on")
		}
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	c := Client(Policy{Loopback: true})
	for path, want := range map[string]int{"/away": 302, "/metadata": 302, "/file": 302, "/near": 200, "/loop": 302} {
		res, err := c.Get(srv.URL + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	res, err := c.Post(srv.URL+"/post", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusTemporaryRedirect || posts.Load() != 1 {
		t.Errorf("post: %d after %d", res.StatusCode, posts.Load())
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := strings.Repeat("a", 1000)
		if r.URL.Path == "/long" {
			text += "a"
		}
		if r.URL.Path == "/bomb" {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			z.Write(make([]byte, 1<<20))
			z.Close()
			w.Header().Set("Content-Encoding", "gzip")
			text = b.String()
		}
		io.WriteString(w, text)
	}))
	t.Cleanup(srv.Close)
	c := Client(Policy{Loopback: true, MaxBody: 1000})
	for path, want := range map[string]error{"/exact": nil, "/long": ErrTooLarge, "/bomb": ErrTooLarge} {
		res, err := c.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if !errors.Is(err, want) || len(b) != 1000 {
			t.Errorf("%s: %d bytes, %v", path, len(b), err)
		}
	}
}

func TestDeadlineHoldsForTheWholeExchange(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	c := Client(Policy{Loopback: true, Timeout: 50 * time.Millisecond})
	if _, err := c.Get(srv.URL + "/head"); err == nil {
		t.Error("an answer without a head was awaited")
	}
	res, err := c.Get(srv.URL + "/body")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("an answer without an end was awaited")
	}
}

func TestProxyVariablesAreIgnored(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was called") }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	if tr := Client(Policy{}).Transport.(*bounded).next; tr.Proxy != nil {
		t.Error("there is a proxy function")
	}
	if _, err := Client(Policy{}).Get("http://10.1.2.3/"); err == nil {
		t.Error("a private address answered")
	}
}

func TestCheckTellsBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	dev := Policy{Loopback: true}
	for _, tt := range []struct {
		policy Policy
		url    string
		ok     bool
	}{
		{Policy{}, "https://example.com/hook?x=1", true},
		{Policy{}, "http://example.com/hook", false},
		{Policy{}, "https://localhost/hook", false},
		{Policy{}, "https://127.0.0.1/hook", false},
		{Policy{}, "https://[::ffff:10.0.0.1]/hook", false},
		{Policy{}, "https://169.254.169.254/latest/meta-data", false},
		{dev, "http://localhost:3211/workos/webhook", true},
		{dev, "http://[::1]:3211/", true},
		{dev, "http://example.com/", true},
		{dev, "https://10.0.0.1/", false},
		{Policy{Private: true}, "https://10.0.0.1/", true},
		{dev, "", false},
		{dev, "/hook", false},
		{dev, "ftp://example.com/", false},
		{dev, "javascript:alert(1)", false},
		{dev, "https://user:secret@example.com/", false},
		{dev, "https://example.com/#part", false},
		{dev, "https://example.com/" + strings.Repeat("a", maxURL), false},
		{dev, "https:///path", false},
	} {
		err := tt.policy.Check(tt.url)
		if (err == nil) != tt.ok {
			t.Errorf("%+v %.60q: %v", tt.policy, tt.url, err)
		}
		if e, is := apierr.As(err); err != nil && (!is || e.Code != "invalid_url") {
			t.Errorf("%.60q: %v", tt.url, err)
		}
	}
	for _, url := range []string{"ftp://example.com/", "http://user:secret@127.0.0.1:1/"} {
		if res, err := Client(dev).Get(url); err == nil {
			res.Body.Close()
			t.Errorf("%s was called", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
}

func TestClientsShareByPolicy(t *testing.T) {
	t.Parallel()
	var c Clients
	one, again, other := c.For(Policy{}), c.For(Policy{}), c.For(Policy{Loopback: true})
	if one != again || one == other {
		t.Error("one policy is not one client")
	}
}

package server

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCachesAreSharedByOpenDeployments(t *testing.T) {
	t.Parallel()
	whole, results := cacheShare(0)
	if whole != documentCache || results != resultCache {
		t.Errorf("alone: %d, %d", whole, results)
	}
	total := int64(0)
	for n := range 200 {
		d, r := cacheShare(n)
		if d > whole || d < leastDocuments || r < leastResults {
			t.Errorf("%d open: %d, %d", n, d, r)
		}
		total += int64(d) + r
	}
	if total > 4<<30 {
		t.Errorf("two hundred deployments may take %d MB", total>>20)
	}
}

func TestLimitsFollowOpenFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ files, sockets, connections, store int }{
		{1 << 20, defaultSockets, defaultConnections, 500},
		{4096, 2048, 1536, 256},
		{256, 128, 96, 16},
	} {
		var l Limits
		if err := l.prepare(tt.files); err != nil {
			t.Fatal(err)
		}
		if l.Sockets != tt.sockets || l.Connections != tt.connections || storeFiles(tt.files) != tt.store {
			t.Errorf("%d files: %+v, store %d", tt.files, l, storeFiles(tt.files))
		}
		if l.Sockets+l.Connections+2*storeFiles(tt.files) > tt.files {
			t.Errorf("%d files do not do for all: %+v", tt.files, l)
		}
	}
}

func TestPeersTrustOnlyOwnProxies(t *testing.T) {
	t.Parallel()
	const near = "10.1.2.3:999"
	for _, tt := range []struct{ name, peer, header, value, want string }{
		{"through proxy", near, "X-Forwarded-For", "203.0.113.9", "203.0.113.9:0"},
		{"client invents hops", near, "X-Forwarded-For", "1.1.1.1, 203.0.113.9", "203.0.113.9:0"},
		{"two proxies", near, "X-Forwarded-For", "203.0.113.9, 10.9.9.9", "203.0.113.9:0"},
		{"all trusted", near, "X-Forwarded-For", "10.0.0.7, 10.9.9.9", "10.0.0.7:0"},
		{"with port", near, "X-Forwarded-For", "203.0.113.9:4711", "203.0.113.9:0"},
		{"IPv6", near, "X-Forwarded-For", "[2001:db8::1]:4711", "[2001:db8::1]:0"},
		{"mapped peer", "[::ffff:10.1.2.3]:1", "X-Forwarded-For", "203.0.113.9", "203.0.113.9:0"},
		{"stranger", "203.0.113.50:1", "X-Forwarded-For", "10.0.0.1", "203.0.113.50:1"},
		{"nonsense stops there", near, "X-Forwarded-For", "1.1.1.1, unknown, 10.9.9.9", "10.9.9.9:0"},
		{"no header", near, "X-Forwarded-For", "", near},
		{"other header", near, "Forwarded", "for=203.0.113.9", near},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			trusted, err := parseProxies("127.0.0.1, 10.0.0.0/8")
			if err != nil {
				t.Fatal(err)
			}
			if got := peerOf(&peers{trusted: trusted, header: defaultPeerHeader}, tt.peer, tt.header, tt.value); got != tt.want {
				t.Errorf("%s is not %s", got, tt.want)
			}
		})
	}
	trusted, err := parseProxies("10.1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	got := peerOf(&peers{trusted: trusted, header: "Forwarded"}, near, "Forwarded", `for=1.1.1.1, by=x; For="[2001:db8::1]:99";proto=https`)
	if got != "[2001:db8::1]:0" {
		t.Errorf("Forwarded gives %s", got)
	}
	if _, err := parseProxies("10.0.0.0/8, proxy.example"); err == nil {
		t.Error("a name was taken for an address")
	}
}

// peerOf is what a handler takes for its peer.
func peerOf(p *peers, peer, header, value string) (got string) {
	h := p.from(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = peer
	if value != "" {
		r.Header.Set(header, value)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	return got
}

func TestAdmissionRefusesTooMany(t *testing.T) {
	t.Parallel()
	a := &admission{limits: &Limits{Connections: 2, Requests: 1}}
	entered, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewUnstartedServer(a.admit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(entered)
			<-release
		}
	})))
	s.Config.ConnState = a.watch
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.Start()
	defer s.Close()
	ask := func(path string) net.Conn {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\nOrigin: http://app.test\r\n\r\n")
		return c
	}
	answer := func(c net.Conn) *http.Response {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first := ask("/wait")
	<-entered
	second := ask("/")
	if res := answer(second); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || res.Header.Get("Access-Control-Allow-Origin") != "http://app.test" {
		t.Errorf("second request: %s, %v", res.Status, res.Header)
	}
	io.WriteString(second, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
	if res := answer(second); res.StatusCode != 200 {
		t.Errorf("/health: %s", res.Status)
	}
	third := ask("/")
	res := answer(third)
	if b, err := io.ReadAll(res.Body); res.StatusCode != 503 || string(b) != busy || err != nil {
		t.Errorf("third connection: %s, %q, %v", res.Status, b, err)
	}
	close(release)
	if res := answer(first); res.StatusCode != 200 {
		t.Errorf("first request: %s", res.Status)
	}
	if n := a.refused.Load(); n != 2 {
		t.Errorf("%d refused", n)
	}
}

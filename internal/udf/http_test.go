package udf

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/token"
)

// router is an http.js that makes the same host calls as the library's router.
const router = `
const routes = {
  "/echo": (request) => new Response(request.body, { status: 201, headers: { "X-A": "a" } }),
  "/pair": async (request) => new Response(request.method + " " + (await request.text()) + " " + request.headers.get("x-b")),
  "/who": async () => new Response(await Convex.asyncSyscall("1.0/getUserIdentity", "{}").catch((e) => "threw " + e.message)),
  "/throw": () => { throw new Error("the plain one") },
  "/late": () => new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])) }, pull() { throw new Error("too late") } })),
  "/large": () => new Response(new Uint8Array(21 << 20)),
  "/pour": () => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1 << 20)) } })),
  "/text": () => "text",
  "/never": () => new Promise(() => {}),
  "/gone": (request) => new Promise((done) => request.signal.addEventListener("abort", () => { console.log("gone"); done(new Response("x")) })),
};
export default {
  isRouter: true,
  getRoutes: () => [],
  lookup: (path, method) => (routes[path] ? [routes[path], method, path] : null),
  async runRequest(text, path) {
    const request = Convex.jsSyscall("requestFromConvexJson", { convexJson: JSON.parse(text) });
    const response = await routes[path](request);
    return JSON.stringify(Convex.jsSyscall("convexJsonFromResponse", { response }));
  },
};`

// answer gathers what an HTTP action sends.
type answer struct {
	mu     sync.Mutex
	status int
	header [][2]string
	length int64
	body   []byte
	broken bool // the client reads no more than one piece
}

// Head takes the head.
func (a *answer) Head(status int, header [][2]string, length int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.header, a.length = status, header, length
	return nil
}

// Write takes a piece.
func (a *answer) Write(b []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken && len(a.body) > 0 {
		return io.ErrClosedPipe
	}
	a.body = append(a.body, b...)
	return nil
}

// newSite opens a runner with the router.
func newSite(t *testing.T) *house {
	t.Helper()
	h := newApp(t, t.TempDir())
	h.install([]isolate.Module{{Path: isolate.HTTPRouter, Source: router}})
	return h
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	h := newSite(t)
	big := strings.Repeat("0123456789abcdef", 20_000)
	for _, tt := range []struct {
		name, path, body string
		status           int
		want             string
		length           int64
		failure          string
	}{
		{name: "streams both ways", path: "/echo", body: big, status: 201, want: big, length: -1},
		{name: "an empty body", path: "/echo", status: 201, length: -1},
		{name: "reads a body", path: "/pair", body: "soup", status: 200, want: "POST soup \u00f6", length: 12},
		{name: "throws", path: "/throw", failure: "Uncaught Error: the plain one"},
		{name: "throws in the body", path: "/late", status: 200, want: "A", length: -1, failure: "too late"},
		{name: "is too large", path: "/large", failure: "HttpResponseTooLarge"},
		{name: "grows too large", path: "/pour", status: 200, want: strings.Repeat("\x00", 20<<20), length: -1, failure: "HttpResponseTooLarge"},
		{name: "gives no response", path: "/text", failure: "HTTP actions must return a Response"},
		{name: "never resolves", path: "/never", failure: "Returned promise will never resolve"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var a answer
			out, err := h.HTTP(t.Context(), HTTPRequest{
				Method: "POST", URL: "http://site.test" + tt.path, Path: tt.path, Header: [][2]string{{"x-b", "\u00f6"}}, Body: strings.NewReader(tt.body),
			}, &a)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != tt.status || string(a.body) != tt.want || a.length != tt.length || out.Began != (tt.status != 0) {
				t.Errorf("%d, %d bytes of %d, began %v", a.status, len(a.body), a.length, out.Began)
			}
			if (out.Failure != nil) != (tt.failure != "") || out.Failure != nil && !strings.Contains(out.Failure.Text, tt.failure) {
				t.Errorf("failure %+v", out.Failure)
			}
		})
	}
}

func TestHTTPRoutes(t *testing.T) {
	t.Parallel()
	h := newSite(t)
	if out, err := h.HTTP(t.Context(), HTTPRequest{Method: "GET", URL: "http://x/none", Path: "/none"}, &answer{}); err != nil || !out.NoRoute {
		t.Errorf("no route: %+v, %v", out, err)
	}
	h.install([]isolate.Module{{Path: "a.js", Source: "export {}"}})
	if out, err := h.HTTP(t.Context(), HTTPRequest{Method: "GET", URL: "http://x/", Path: "/"}, &answer{}); err != nil || !out.NoRouter {
		t.Errorf("no router: %+v, %v", out, err)
	}
}

func TestHTTPCallers(t *testing.T) {
	t.Parallel()
	h := newSite(t)
	who := func(q HTTPRequest) string {
		var a answer
		q.Method, q.URL, q.Path = "GET", "http://x/who", "/who"
		if out, err := h.HTTP(t.Context(), q, &a); err != nil || out.Failure != nil {
			t.Fatalf("%+v, %v", out, err)
		}
		return string(a.body)
	}
	if got := who(HTTPRequest{}); got != "null" {
		t.Error(got)
	}
	if got := who(HTTPRequest{AuthError: errors.New("bad token")}); got != "threw bad token" {
		t.Error(got)
	}
	if got := who(HTTPRequest{Caller: Request{Caller: token.Caller{Role: token.User, Claims: user("ann").Claims}}}); !strings.Contains(got, "ann") {
		t.Error(got)
	}
}

func TestHTTPClientLeaves(t *testing.T) {
	t.Parallel()
	h := newSite(t)
	gone := make(chan struct{})
	time.AfterFunc(10*time.Millisecond, func() { close(gone) })
	var a answer
	if out, err := h.HTTP(t.Context(), HTTPRequest{Method: "GET", URL: "http://x/gone", Path: "/gone", Gone: gone}, &a); err != nil || out.Failure != nil || string(a.body) != "x" {
		t.Errorf("%+v, %v", out, err)
	}
	b := answer{broken: true}
	if out, err := h.HTTP(t.Context(), HTTPRequest{Method: "GET", URL: "http://x/pour", Path: "/pour"}, &b); err != nil || out.Failure == nil {
		t.Errorf("%+v, %v", out, err)
	}
	entries, _, _ := h.Logs().Since(t.Context(), 0)
	found := false
	for _, e := range entries {
		found = found || e.Kind == "Progress" && e.UDFType == "HttpAction" && e.Identifier == "GET /gone"
	}
	if !found {
		t.Errorf("%+v", entries)
	}
}

// TestBadCredentialReachesCalls: what an HTTP action with a bad credential calls must
// not take its caller for nobody, in whatever order results are cached.
func TestBadCredentialReachesCalls(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{"query m:who": func(c *hostCalls, _ string) (string, error) {
		return c.async("1.0/getUserIdentity", "{}")
	}})
	for range 2 {
		out, err := h.Query(t.Context(), Request{Path: "m:who", badAuth: errors.New("bad token")})
		if err != nil || out.Failure == nil || !strings.Contains(out.Failure.Text, "bad token") {
			t.Errorf("with a bad credential: %+v, %v", out, err)
		}
		out, err = h.Query(t.Context(), Request{Path: "m:who"})
		if err != nil || out.Failure != nil || string(out.Value) != "null" {
			t.Errorf("without one: %+v, %v", out, err)
		}
	}
}

package scim

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// Prefix begins the paths of this front; a directory's id follows.
const Prefix = directory.EndpointPath

// maxBody bounds a request's body: ten thousand members need about 700 kB.
const maxBody = 2 << 20

// API is the front that speaks the protocol. The exported fields are filled by
// whoever assembles the house; call Open once before anything else.
type API struct {
	Directory *directory.Service
	Log       *slog.Logger
	BaseURL   string // the public address, without a slash at the end

	handler http.Handler
}

// request is one request whose token was right.
type request struct {
	*http.Request
	dir  *directory.Directory
	base string // the directory's endpoint
}

// handler answers a request of a directory.
type handler func(a *API, w http.ResponseWriter, r *request) error

// routes is the table. Unknown members of bodies are kept, as extensions use them;
// unknown query parameters are ignored.
var routes = []struct {
	pattern string
	handle  handler
}{
	{"GET ServiceProviderConfig", (*API).serviceProviderConfig},
	{"GET ResourceTypes", (*API).resourceTypes},
	{"GET ResourceTypes/{id}", (*API).resourceType},
	{"GET Schemas", (*API).schemas},
	{"GET Schemas/{id}", (*API).schema},
	{"GET Users", (*API).listUsers},
	{"POST Users", (*API).createUser},
	{"GET Users/{id}", (*API).getUser},
	{"PUT Users/{id}", (*API).replaceUser},
	{"PATCH Users/{id}", (*API).patchUser},
	{"DELETE Users/{id}", (*API).deleteUser},
	{"GET Groups", (*API).listGroups},
	{"POST Groups", (*API).createGroup},
	{"GET Groups/{id}", (*API).getGroup},
	{"PUT Groups/{id}", (*API).replaceGroup},
	{"PATCH Groups/{id}", (*API).patchGroup},
	{"DELETE Groups/{id}", (*API).deleteGroup},
	{"POST Bulk", unsupported("Bulk operations are not offered (see ServiceProviderConfig); send one request for each.")},
	{"GET Me", unsupported("/Me is not offered: a directory's token is nobody's.")},
	{"POST .search", unsupported("/.search is not offered; use GET with a filter.")},
	{"POST Users/.search", unsupported("/.search is not offered; use GET with a filter.")},
	{"POST Groups/.search", unsupported("/.search is not offered; use GET with a filter.")},
}

// unsupported refuses what RFC 7644 has and we have not.
func unsupported(message string) handler {
	return func(*API, http.ResponseWriter, *request) error {
		return apierr.New(apierr.Unsupported, "notImplemented", "%s", message)
	}
}

// Open makes the routes; it starts nothing.
func (a *API) Open() error {
	if a.Directory == nil {
		return errors.New("scim: Directory must be set")
	}
	front := wire.Front{Dialect: dialect, Log: a.Log}
	mux := http.NewServeMux()
	for _, row := range routes {
		method, path, _ := strings.Cut(row.pattern, " ")
		mux.Handle(method+" "+Prefix+"{directory}/"+path, front.Handle(a.guard(row.handle)))
	}
	mux.Handle("/", front.Handle(a.guard(func(_ *API, _ http.ResponseWriter, r *request) error {
		return apierr.New(apierr.NotFound, "notFound", "There is nothing for %s at this path; the endpoint of a directory ends in its id.", clip(r.Method, 16))
	})))
	a.handler = mux
	return nil
}

// ServeHTTP answers one request. Some clients end paths in a slash, being given an
// endpoint that does.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimRight(r.URL.Path, "/")
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if path != r.URL.Path {
		at := *r.URL
		at.Path, at.RawPath = path, ""
		plain := *r
		plain.URL = &at
		r = &plain
	}
	a.handler.ServeHTTP(w, r)
}

// guard holds a request against its directory's token.
func (a *API) guard(h handler) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		rest, _ := strings.CutPrefix(r.URL.Path, Prefix)
		id, _, _ := strings.Cut(rest, "/")
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || len(token) > 512 || len(id) > 64 {
			token = ""
		}
		d, err := a.Directory.Authenticate(r.Context(), directory.ID(id), strings.TrimSpace(token))
		if err != nil {
			return err
		}
		env, err := a.Directory.Identity.Environment(r.Context(), d.Environment)
		if err != nil {
			return err
		}
		r = r.WithContext(identity.At(r.Context(), env)) // a test environment's clock may be ahead
		return h(a, w, &request{Request: r, dir: d, base: d.Endpoint(a.baseURL(r))})
	}
}

// baseURL is the public address of this front.
func (a *API) baseURL(r *http.Request) string {
	switch {
	case a.BaseURL != "":
		return a.BaseURL
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// clip keeps absurdly long input out of messages.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// etag is a version as ETag and meta.version have it.
func etag(version int) string { return `W/"` + strconv.Itoa(version) + `"` }

// ifMatch is the version that a change is meant for, 0 for any, -1 for one that
// cannot be. A list of several is not understood.
func (r *request) ifMatch() int {
	s := strings.TrimSpace(r.Header.Get("If-Match"))
	if s == "" || s == "*" {
		return 0
	}
	n, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(s, "W/"), `"`))
	if err != nil || n <= 0 {
		return -1
	}
	return n
}

// unchanged reports whether the client has this version already.
func (r *request) unchanged(version int) bool {
	for s := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(s), "W/") == `"`+strconv.Itoa(version)+`"` {
			return true
		}
	}
	return false
}

// answer writes a resource with its version and, if it is new, its place.
func (r *request) answer(w http.ResponseWriter, status, version int, resource map[string]any) {
	h := w.Header()
	h.Set("ETag", etag(version))
	if status == http.StatusCreated {
		h.Set("Location", resource["meta"].(map[string]any)["location"].(string))
	}
	if status == http.StatusOK && r.Method == http.MethodGet && r.unchanged(version) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, status, r.project(resource))
}

// body reads the request's body.
func (r *request) body() ([]byte, error) {
	b, err := wire.Body(r.Request, maxBody)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, invalidSyntax("The request has no body.")
	}
	return b, nil
}

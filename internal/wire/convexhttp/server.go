package convexhttp

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deploy"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/logstream"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire"
)

// Server answers the HTTP protocol of one deployment. Fill the fields, then use
// Handler and Site.
type Server struct {
	Name              string // the deployment's name
	Version           string // of the house, shown by /version
	CloudURL, SiteURL string
	Runner            *udf.Runner
	Deploy            *deploy.Service
	Files             *filestorage.Store
	Backup            *backup.Service
	Streams           *logstream.Service
	DB                *database.DB
	Gate              *token.Gate
	Log               *slog.Logger
	// Status is how the house stands against its limits, for admins; Problems what
	// of it a person should do something about. nil answers as if all were well.
	Status   func() any
	Problems func() []string
	// Diagnosis is what `lentil doctor` wants to know, for admins; nil for nothing.
	Diagnosis func(context.Context) (any, error)

	echoes chan struct{} // bounds the memory that strangers can fill by /echo
}

// Handler is the deployment's main address, without the sync protocol, whose
// routes are more specific and go beside it.
func (s *Server) Handler() http.Handler {
	s.echoes = make(chan struct{}, maxEchoes)
	front := wire.Front{Dialect: dialect, Log: s.Log}
	mux := http.NewServeMux()
	for _, rt := range routes {
		h := front.Handle(s.bind(rt))
		if rt.method == "" {
			mux.Handle(rt.pattern, h)
		} else {
			mux.Handle(rt.method+" "+rt.pattern, h)
		}
	}
	mux.Handle("/http/", http.StripPrefix("/http", s.Site()))
	return cors(mux)
}

// request is a request with what the table says about its caller.
type request struct {
	*http.Request
	w      http.ResponseWriter
	caller token.Caller
}

// bind makes a wire.Handler of a route: it finds out who calls, and whether they may.
func (s *Server) bind(rt route) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q := &request{Request: r, w: w}
		var err error
		switch rt.who {
		case anyone:
		case caller:
			if q.caller, err = s.Gate.Request(r); err != nil {
				return err
			}
		case admin:
			if q.caller, err = s.Gate.Request(r); err != nil {
				return err
			}
			if !q.caller.IsAdmin() {
				return needAdmin(q.caller)
			}
		case adminOrBody:
			// Push routes carry the key in the body too; the header comes
			// first, so that a stranger's body is not decompressed.
			if q.caller, err = s.Gate.Request(r); err != nil {
				return err
			}
			if !q.caller.IsAdmin() && r.Header.Get("Authorization") != "" {
				return needAdmin(q.caller)
			}
		}
		if rt.handle == nil {
			return rt.refusal()
		}
		return rt.handle(s, q)
	}
}

// needAdmin refuses a caller without an admin key.
func needAdmin(c token.Caller) error {
	if c.Role == token.Anonymous {
		return apierr.New(apierr.Unauthenticated, "MissingAdminKey",
			"This operation needs the deployment's admin key, as `Authorization: Convex <admin key>`.")
	}
	return apierr.New(apierr.Forbidden, "Unauthorized", "This operation needs the deployment's admin key; an end user's token does not do.")
}

// body reads and decodes a body of a route that also takes the admin key in it.
func (s *Server) body(q *request, limit int64, v any) error {
	if !q.caller.IsAdmin() {
		limit = min(limit, strangerBody)
	}
	b, err := wire.Body(q.Request, limit)
	if err != nil {
		return err
	}
	if !q.caller.IsAdmin() {
		var k struct {
			AdminKey string `json:"adminKey"`
		}
		if err := wire.Decode(b, &k); err != nil {
			return err
		}
		if k.AdminKey == "" {
			return needAdmin(q.caller)
		}
		if q.caller, err = s.Gate.Key(q.Context(), k.AdminKey); err != nil {
			return err
		}
	}
	return wire.Decode(b, v)
}

// strangerBody bounds a body that must be read to find the key in it.
const strangerBody = 16 << 20

// dialect is how this protocol says no.
func dialect(w http.ResponseWriter, r *http.Request, e *apierr.Error) {
	status := wire.Status(e.Kind)
	switch {
	case status == http.StatusNotFound, status == http.StatusNotImplemented && r.Method != http.MethodPost:
		status = http.StatusBadRequest // see the package comment
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	out := append([]byte(`{"code":`), quote(e.Code)...)
	out = append(out, `,"message":`...)
	out = append(out, quote(e.Message)...)
	w.Write(append(out, '}'))
}

// text answers with plain text.
func text(w http.ResponseWriter, status int, body string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write([]byte(body)); err != nil {
		return wire.ErrAborted
	}
	return nil
}

// cors lets pages of any origin call (convex-cli.md §6.1). Identity comes in a
// header that a page must set itself, never in a cookie, so mirroring the origin
// gives nothing away.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" || strings.HasPrefix(r.URL.Path, "/http/") {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		h.Set("Access-Control-Allow-Methods", strings.Join(corsMethods, ", "))
		if want := r.Header.Get("Access-Control-Request-Headers"); want != "" {
			h.Set("Access-Control-Allow-Headers", want)
		}
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusOK)
	})
}

// corsMethods are the methods pages may use.
var corsMethods = slices.Sorted(slices.Values([]string{"GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"}))

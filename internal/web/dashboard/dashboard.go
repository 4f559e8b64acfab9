package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/webhook"
	"github.com/lentil-dev/lentil/internal/wire"
)

// Limits of what browsers send and hold.
const (
	maxForm    = 2 << 20 // bytes of a posted form: a document of 1 MiB, percent-encoded in part
	maxStreams = 256     // event streams of a house
)

// Site shows the dashboard. The exported fields are filled by whoever assembles the
// house; call Open once before anything else.
type Site struct {
	Platform *platform.Service
	Identity *identity.Service
	Log      *slog.Logger
	// BaseURL is the public address of this front, without a slash at the end.
	// Cookies are Secure if it is https.
	BaseURL string
	// ClientIP tells the address of the person; nil means the connection's.
	ClientIP func(*http.Request) string
	// Health takes a picture of the running house; nil for none.
	Health func() Health
	// Refusals tells which tokens, origins and redirect URIs of a deployment and its
	// environment were refused lately; nil for none.
	Refusals func(*platform.Deployment) []diagnosis.Entry
	// Accounts lets operators sign in with accounts at the hosted pages, whose address
	// is AuthKitURL; nil leaves links alone.
	Accounts   Accounts
	AuthKitURL string
	// Webhooks tells apps of events; Outbox holds what was mailed, where mail stays in the
	// house; MailInvitation mails an invitation into an organization, or into none. nil
	// for none.
	Webhooks       *webhook.Service
	Outbox         *mail.Outbox
	MailInvitation func(e *identity.Environment, i *identity.Invitation, organization string) error
	// Impersonate makes an address that signs in to an app as one of its users, once; nil
	// for none.
	Impersonate func(ctx context.Context, e *identity.Environment, n authflow.NewImpersonation) (link string, err error)
	// Files replaces the embedded templates and assets; with Reread they are read
	// anew for every page, for working on them.
	Files  fs.FS
	Reread bool

	press   func() (*press, error) // parses when the first page is shown
	handler http.Handler
	streams chan struct{} // one token per open event stream
	pages   []page
	counts  counts
}

// Open parses the templates and makes the routes; it starts nothing.
func (s *Site) Open() error {
	own := s.Files == nil
	if own {
		s.Files = embedded
	}
	s.press = sync.OnceValues(func() (*press, error) { return newPress(s.Files) })
	if !own { // a mistake in somebody's own files is told at once
		if _, err := s.press(); err != nil {
			return err
		}
	}
	s.streams = make(chan struct{}, maxStreams)
	mux, front := http.NewServeMux(), wire.Front{Dialect: s.dialect, Log: s.Log}
	s.pages = s.table()
	for i := range s.pages {
		p := &s.pages[i]
		mux.Handle("GET "+p.path, front.Handle(s.get(p)))
		if len(p.actions) > 0 {
			mux.Handle("POST "+p.path, front.Handle(s.post(p)))
		}
	}
	for pattern, h := range s.plain() {
		mux.Handle(pattern, front.Handle(h))
	}
	mux.Handle("/", front.Handle(s.notFound))
	var err error
	s.handler, err = s.Guard(mux)
	return err
}

// plain are the routes that are not pages: assets, signing in, downloads.
func (s *Site) plain() map[string]wire.Handler {
	return map[string]wire.Handler{
		"GET " + AssetsPath + "{name}":       s.asset,
		"GET " + LinkPath + "{token}":        s.useLink,
		"POST " + NewLinkPath:                s.newLink,
		"GET " + AssetsPath + "places":       s.listPlaces,
		"GET /d/{deployment}/files/raw/{id}": s.rawFile,
		"GET /d/{deployment}/backups/{id}":   s.downloadExport,
		"GET " + accountPath:                 s.signInAccount,
		"GET " + callbackPath:                s.signedIn,
		"POST /sign-out":                     s.signOut,
		"GET /version":                       s.version,
	}
}

// Guard refuses what other sites make a browser post, and puts the room's headers on
// every answer.
func (s *Site) Guard(h http.Handler) (http.Handler, error) {
	guard := http.NewCrossOriginProtection()
	front := wire.Front{Dialect: s.dialect, Log: s.Log}
	guard.SetDenyHandler(front.Handle(func(http.ResponseWriter, *http.Request) error {
		return apierr.New(apierr.Forbidden, "CrossOriginForm", "This form was sent from another site.")
	}))
	if s.BaseURL != "" {
		// Behind a proxy that rewrites Host the Origin of our own forms differs from it.
		if err := guard.AddTrustedOrigin(s.BaseURL); err != nil {
			return nil, fmt.Errorf("dashboard: base url: %w", err)
		}
	}
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		h.ServeHTTP(w, r)
	})), nil
}

// ServeHTTP serves every page and asset.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// version says that the front answers.
func (s *Site) version(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte("unknown"))
	return err
}

// notFound is every address that is none of ours.
func (s *Site) notFound(http.ResponseWriter, *http.Request) error {
	return apierr.New(apierr.NotFound, "PageNotFound", "There is no page at this address.")
}

// harden sets the headers that everything carries. Styles and scripts are files of
// ours alone; there is no style attribute and no script in any page.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "+
		"media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// secure reports whether browsers reach this front over https.
func (s *Site) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(s.BaseURL, "https://")
}

// clientIP is the address of the person without a port.
func (s *Site) clientIP(r *http.Request) string {
	if s.ClientIP != nil {
		return s.ClientIP(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// print returns the press, a fresh one when files are re-read. Most houses show few
// pages, so parsing them waits until somebody asks for one.
func (s *Site) print() *press {
	if s.Reread {
		if pr, err := newPress(s.Files); err == nil {
			return pr
		}
	}
	pr, err := s.press()
	if err != nil {
		panic(err) // the embedded files do not change, and tests print them
	}
	return pr
}

// dialect shows a refusal as a page. Whoever is not signed in is sent to do so, and
// comes back to where they were.
func (s *Site) dialect(w http.ResponseWriter, r *http.Request, e *apierr.Error) {
	if e.Kind == apierr.Internal {
		e = apierr.New(apierr.Internal, "InternalError", "Something went wrong on our side. The log of the house says what, under the request id below.")
	}
	if errors.Is(e, errSignIn) && r.Method == http.MethodGet && !wantsStream(r) {
		http.Redirect(w, r, signInURL(r.URL), http.StatusSeeOther)
		return
	}
	w.Header().Set("Lentil-Refused", e.Code) // for the page's script, which keeps what was typed
	if wantsStream(r) {
		// An EventSource does not try again after an answer that is not 200.
		http.Error(w, e.Message, wire.Status(e.Kind))
		return
	}
	v := &Visit{Request: r, W: w, site: s, press: s.print()}
	if err := s.authenticate(v); err != nil {
		v.Operator = nil
	}
	err := s.printPage(v, &refusalView{Visit: v, Code: e.Code, Message: e.Message, RequestID: wire.RequestID(r.Context()), SignIn: errors.Is(e, errSignIn)}, wire.Status(e.Kind))
	if err != nil {
		s.Log.Error("error page failed", "path", r.URL.Path, "err", err)
	}
}

// refusalView explains why a page cannot be shown.
type refusalView struct {
	*Visit
	Code, Message, RequestID string
	SignIn                   bool
}

// Heading is heading, for the template.
func (v refusalView) Heading() string { return v.heading() }

func (refusalView) template() string { return "refusal" }
func (v refusalView) heading() string {
	switch {
	case v.Code == "PageNotFound" || strings.HasSuffix(v.Code, "NotFound"):
		return "Not found"
	case v.SignIn:
		return "Sign in first"
	}
	return "That did not work"
}

// now is the time of a visit, to the second: pages show no more, and would otherwise
// differ each time.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

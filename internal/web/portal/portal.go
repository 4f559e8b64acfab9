package portal

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
	"github.com/lentil-dev/lentil/internal/wire"
)

// Mount is the net/http pattern that the portal serves.
const Mount = "/portal/"

// StylesheetPath is where the stylesheet beside that of the sign-in pages is.
const StylesheetPath = "/portal/portal.css"

// cookieName is the cookie of a visit; visitAge how many seconds it is kept.
const (
	cookieName = "lentil_portal"
	visitAge   = 2 * 60 * 60
	maxForm    = 512 << 10 // metadata is pasted in
)

// Portal shows the pages. The exported fields are filled by whoever assembles the
// house; call Open once before anything else.
type Portal struct {
	SSO       *sso.Service
	Directory *directory.Service
	Log       *slog.Logger
	// BaseURL is the public address of this front, without a slash at the end.
	BaseURL string

	pages   func() *template.Template // parses when the first page is shown
	handler http.Handler
}

//go:embed templates/*.html assets/portal.css
var files embed.FS

// visitor is who comes: a visit and the organisation it is bound to.
type visitor struct {
	*sso.Portal
	Org *identity.Organization
}

// may reports whether the visit is for something that one of the intents covers.
func (v *visitor) may(of ...sso.Intent) bool {
	for _, i := range of {
		if v.Intent == i || v.Intent == "" {
			return true
		}
	}
	return false
}

// Open parses the templates and makes the routes; it starts nothing.
func (p *Portal) Open() error {
	p.pages = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(files, "templates/*.html")) })
	front := wire.Front{Dialect: p.refuse, Log: p.Log}
	mux := http.NewServeMux()
	for pattern, h := range map[string]wire.Handler{"GET /portal/launch": p.launch, "POST /portal/launch": p.enter, "GET " + StylesheetPath: stylesheet} {
		mux.Handle(pattern, front.Handle(h))
	}
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request, *visitor) error{
		"GET /portal/{$}":                 p.home,
		"GET /portal/sso":                 p.connections,
		"POST /portal/sso":                p.addConnection,
		"GET /portal/sso/{id}":            p.connection,
		"POST /portal/sso/{id}":           p.saveConnection,
		"GET /portal/sso/{id}/test":       p.test,
		"GET /portal/tested":              p.tested,
		"GET /portal/directory":           p.directories,
		"POST /portal/directory":          p.addDirectory,
		"POST /portal/directory/{id}":     p.rotate,
		"GET /portal/domains":             p.domains,
		"POST /portal/domains":            p.addDomain,
		"POST /portal/domains/{id}/check": p.checkDomain,
	} {
		mux.Handle(pattern, front.Handle(func(w http.ResponseWriter, r *http.Request) error {
			v, err := p.visit(r)
			if err != nil {
				return err
			}
			r = r.WithContext(identity.WithActor(r.Context(), identity.Actor{ID: string(v.Organization), Source: "admin_portal"}))
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if r.Method == http.MethodPost {
				if err := r.ParseForm(); err != nil {
					return apierr.New(apierr.BadRequest, "malformed_form", "The form could not be read. Go back and try again.").Wrap(err)
				}
			}
			return h(w, r, v)
		}))
	}
	mux.Handle("/", front.Handle(func(http.ResponseWriter, *http.Request) error { return nothing() }))
	guard := http.NewCrossOriginProtection()
	if p.BaseURL != "" {
		if err := guard.AddTrustedOrigin(p.BaseURL); err != nil {
			return fmt.Errorf("portal: base url: %w", err)
		}
	}
	p.handler = guard.Handler(mux)
	return nil
}

// ServeHTTP serves every page.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// nothing is the refusal of what is not there, or not for this visit.
func nothing() error {
	return apierr.New(apierr.NotFound, "page_not_found", "There is no page at this address.")
}

// visit finds the visit of a request.
func (p *Portal) visit(r *http.Request) (*visitor, error) {
	secret := ""
	if c, err := r.Cookie(cookieName); err == nil {
		secret = c.Value
	}
	v, org, err := p.SSO.Visit(r.Context(), secret)
	if err != nil {
		return nil, err
	}
	return &visitor{v, org}, nil
}

// secure reports whether browsers reach this front over https.
func (p *Portal) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(p.BaseURL, "https://")
}

// browser is the browser's secret, to which a try of a connection is bound.
func (p *Portal) browser(w http.ResponseWriter, r *http.Request) string {
	old := ""
	if c, err := r.Cookie(authflow.HostCookie(authflow.BrowserCookie, p.secure(r))); err == nil {
		old = c.Value
	}
	b := authflow.BrowserSecret(old)
	if b != old {
		http.SetCookie(w, &http.Cookie{Name: authflow.HostCookie(authflow.BrowserCookie, p.secure(r)), Value: b, Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, Secure: p.secure(r), SameSite: http.SameSiteLaxMode})
	}
	return b
}

// frame is what every page has around its content.
type frame struct {
	Title, Organization string
	Back                string // where the administrator came from
	Home                bool   // whether there is more than this page
	Alert, Notice       string
	Page                any
}

// show prints a page.
func (p *Portal) show(w http.ResponseWriter, status int, name string, v *visitor, title, alert string, page any) error {
	f := frame{Title: title, Alert: alert, Page: page}
	if v != nil {
		f.Organization, f.Home, f.Back = v.Org.Name, v.Intent == "", v.ReturnURL
		if v.SuccessURL != "" {
			f.Back = v.SuccessURL
		}
	}
	var b bytes.Buffer
	if err := p.pages().ExecuteTemplate(&b, name, f); err != nil {
		return fmt.Errorf("portal: render %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := b.WriteTo(w)
	return err
}

// refuse shows a refusal as a page.
func (p *Portal) refuse(w http.ResponseWriter, r *http.Request, e *apierr.Error) {
	message := e.Message
	if e.Kind == apierr.Internal {
		message = "Something went wrong on our side. Please try again in a moment."
	}
	if err := p.show(w, wire.Status(e.Kind), "refusal.html", nil, "This did not work", "", map[string]string{"What": message, "Code": e.Code, "Request": wire.RequestID(r.Context())}); err != nil && p.Log != nil {
		p.Log.Error("error page failed", "path", r.URL.Path, "err", err)
	}
}

// problem tells a refusal that a person can mend from a fault.
func problem(err error) (string, bool) {
	e, ok := apierr.As(err)
	if !ok || e.Kind == apierr.Internal {
		return "", false
	}
	return e.Message, true
}

// to sends the browser to another page of the portal.
func to(w http.ResponseWriter, path string) error {
	w.Header().Set("Location", path)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// launch shows the button that opens a visit; fetching it uses nothing up.
func (p *Portal) launch(w http.ResponseWriter, r *http.Request) error {
	return p.show(w, http.StatusOK, "launch.html", nil, "Admin portal", "", r.URL.Query().Get("secret"))
}

// enter uses the link up.
func (p *Portal) enter(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	visit, err := p.SSO.EnterPortal(r.Context(), r.PostFormValue("secret"))
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: visit, Path: Mount, MaxAge: visitAge, HttpOnly: true, Secure: p.secure(r), SameSite: http.SameSiteLaxMode})
	return to(w, Mount)
}

// home leads to the page that the visit is for, or shows all.
func (p *Portal) home(w http.ResponseWriter, _ *http.Request, v *visitor) error {
	switch v.Intent {
	case sso.IntentSSO, sso.IntentCertificate:
		return to(w, "/portal/sso")
	case sso.IntentDirectory:
		return to(w, "/portal/directory")
	case sso.IntentDomains:
		return to(w, "/portal/domains")
	}
	return p.show(w, http.StatusOK, "home.html", v, "Admin portal", "", v.Intent == "")
}

// stylesheet serves it.
func stylesheet(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, files, "assets/portal.css")
	return nil
}

package login

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/account"
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/wire"
)

// The paths under which the pages live.
const (
	AttemptPath = "/login/"          // followed by the attempt's id
	OutboxPath  = "/_lentil/outbox"  // a page, and JSON for programs
	maxForm     = 16 << 10           // bytes of a posted form; the longest honest one has under 2 kB
	browserAge  = 365 * 24 * 60 * 60 // seconds that the browser's cookie is kept
)

// Pages shows the hosted pages. The exported fields are filled by whoever
// assembles the house; call Open once before anything else.
type Pages struct {
	Flow     Flow
	Identity Environments
	Connect  *application.Service // other applications that people authorize; nil for none
	Account  *account.Service     // nil means that there are no pages of accounts
	Outbox   Outbox               // nil where mails really go out: then there is no outbox page
	Log      *slog.Logger
	// BaseURL is the public address of this front, without a slash at the end. Empty
	// means: as the request says. Cookies are Secure if it is https.
	BaseURL string
	// ClientIP tells the address of the person; nil means the connection's.
	ClientIP func(*http.Request) string
	// Files replaces the embedded templates and assets; with Reread they are read
	// anew for every page, for working on them.
	Files  fs.FS
	Reread bool
	// Refusals remembers which redirect URIs were refused; nil for none.
	Refusals *diagnosis.Ledger

	press   func() (*press, error) // parses when the first page is shown
	handler http.Handler
}

// Flow is what the pages need of authflow.
type Flow interface {
	Begin(ctx context.Context, v authflow.Visitor, r authflow.AuthorizeRequest) (*authflow.Begun, error)
	Step(ctx context.Context, v authflow.Visitor, a authflow.AttemptID) (authflow.Step, error)
	Impersonation(ctx context.Context, secret string) (*authflow.AskImpersonation, error)
	Impersonate(ctx context.Context, v authflow.Visitor, secret string) (*authflow.Begun, error)
	Submit(ctx context.Context, v authflow.Visitor, a authflow.AttemptID, ans authflow.Answer) (authflow.Step, error)
	EnterDevice(ctx context.Context, v authflow.Visitor, sso func(identity.ClientID) string, typed string) (*authflow.Begun, *authflow.Problem, error)
	Follow(ctx context.Context, kind authflow.LinkKind, token string) (*authflow.Followed, error)
}

// Environments is what the pages need of identity.
type Environments interface {
	Environments(ctx context.Context) ([]identity.Environment, error)
	BrandingOf(ctx context.Context, client identity.ClientID) (*identity.Branding, []byte, error)
	EnvironmentAt(ctx context.Context, host string) (*identity.Environment, error)
}

// Outbox is where mails are kept in development.
type Outbox interface {
	List(ctx context.Context, to string) ([]mail.Delivered, error)
}

// Open parses the templates and makes the routes; it starts nothing.
func (p *Pages) Open() error {
	own := p.Files == nil
	if own {
		p.Files = embedded
	}
	p.press = sync.OnceValues(func() (*press, error) { return newPress(p.Files) })
	if !own { // a mistake in somebody's own files is told at once
		if _, err := p.press(); err != nil {
			return err
		}
	}
	mux, front := http.NewServeMux(), p.front()
	for _, r := range p.routes() {
		mux.Handle(r.pattern, front.Handle(r.handle))
	}
	mux.Handle("/", front.Handle(p.notFound))
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(front.Handle(p.foreignForm))
	if p.BaseURL != "" {
		// Behind a proxy that rewrites Host the Origin of our own forms differs from it.
		if err := guard.AddTrustedOrigin(p.BaseURL); err != nil {
			return fmt.Errorf("login: base url: %w", err)
		}
	}
	p.handler = guard.Handler(mux)
	return nil
}

// ServeHTTP serves every page and asset.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// route is a row of the table of pages.
type route struct {
	pattern string
	handle  wire.Handler
}

// routes is the table. Mounts lists where a front mounts it.
func (p *Pages) routes() []route {
	rows := []route{
		{"GET /{$}", p.home},
		{"GET " + AssetsPath + "{name}", p.asset},
		{"GET " + AttemptPath + "{attempt}", p.show},
		{"GET " + AttemptPath + "{attempt}/{place}", p.goTo},
		{"POST " + AttemptPath + "{attempt}", p.submit},
		{"GET " + OutboxPath, p.outbox},
		{"GET " + BrandPath + "{client}/style.css", p.brandStyle},
		{"GET " + BrandPath + "{client}/logo", p.brandLogo},
		{"GET " + InvitePath, p.follow(authflow.LinkInvitation)},
		{"GET " + ResetPath, p.follow(authflow.LinkReset)},
		{"GET " + DevicePath, p.enterCode},
		{"POST " + DevicePath, p.codeEntered},
		{"GET " + ImpersonatePath, p.impersonation},
		{"POST " + ImpersonatePath, p.impersonate},
	}
	if p.Account != nil {
		rows = append(rows, p.accountRoutes()...)
	}
	if p.Connect != nil {
		rows = append(rows, route{"GET " + ConnectPath, p.connect}, route{"POST " + ConnectPath, p.answerConsent}, route{"GET " + ExternalPath + "{id}", p.comeIn})
	}
	return rows
}

// Mounts are the net/http patterns that a front hands over to Pages.
func (p *Pages) Mounts() []string {
	return []string{"/{$}", "/_lentil/", AttemptPath, InvitePath, ResetPath, DevicePath, ImpersonatePath, AccountPath, AccountPath + "/", ConnectPath, ExternalPath}
}

// print returns the press, a fresh one when files are re-read. Most houses show few
// pages, so parsing them waits until somebody asks for one.
func (p *Pages) print() *press {
	if p.Reread {
		if pr, err := newPress(p.Files); err == nil {
			return pr
		}
	}
	pr, err := p.press()
	if err != nil {
		panic(err) // the embedded files do not change, and tests print them
	}
	return pr
}

// front runs the pages' handlers; its dialect is the error page.
func (p *Pages) front() wire.Front { return wire.Front{Dialect: p.dialect, Log: p.Log} }

// dialect shows a refusal in its own words, and a fault of ours without detail.
func (p *Pages) dialect(w http.ResponseWriter, r *http.Request, e *apierr.Error) {
	if e.Kind == apierr.Internal {
		e = apierr.New(apierr.Internal, "internal_error",
			"Something went wrong on our side. Please try again in a moment.")
	}
	if err := p.refuse(w, r, p.explain(r, e)); err != nil {
		p.Log.Error("error page failed", "path", r.URL.Path, "err", err)
	}
}

// refuse prints a refusal.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, f Refusal) error {
	f.RequestID = wire.RequestID(r.Context())
	if f.Kind == apierr.Overloaded || f.Kind == apierr.Unavailable {
		w.Header().Set("Retry-After", "1")
	}
	fr := p.frame(f.Heading)
	fr.Brand = f.brand
	return p.print().print(w, wire.Status(f.Kind), refusalPage{frame: fr, Refusal: f})
}

// notFound is every address that is none of ours.
func (p *Pages) notFound(w http.ResponseWriter, r *http.Request) error {
	return apierr.New(apierr.NotFound, "page_not_found", "There is no page at this address.")
}

// foreignForm refuses a form that another site made the browser post.
func (p *Pages) foreignForm(http.ResponseWriter, *http.Request) error {
	return apierr.New(apierr.Forbidden, "cross_origin_form", "This form was sent from another site. "+
		"Go back to the app and sign in from there.")
}

// frame is the frame of a page with the given heading.
func (p *Pages) frame(heading string) frame {
	return frame{Title: heading + " · Lentil", Stylesheet: p.print().stylesheet, Development: p.Outbox != nil}
}

// visitor is the browser of r as authflow wants to know it; client may be empty.
func (p *Pages) visitor(r *http.Request, client identity.ClientID) authflow.Visitor {
	v := authflow.Visitor{UserAgent: clip(r.UserAgent(), 512), IPAddress: p.clientIP(r), Origin: p.origin(r)}
	v.Cookie = func(name string) string { return p.cookie(r, name, 4096) }
	v.Browser = p.cookie(r, authflow.BrowserCookie, 512)
	if client != "" {
		v.SSO = v.Cookie(authflow.SSOCookie(client))
	}
	return v
}

// clientIP is the address of the person without a port.
func (p *Pages) clientIP(r *http.Request) string {
	if p.ClientIP != nil {
		return p.ClientIP(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// secure reports whether browsers reach this front over https.
func (p *Pages) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(p.BaseURL, "https://")
}

// baseURL is the public address of this front.
func (p *Pages) baseURL(r *http.Request) string {
	if home := identity.Home(r.Context()); home != nil {
		return home.OwnURL(p.secure(r))
	}
	if p.BaseURL != "" {
		return p.BaseURL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// origin is where the browser sees this front: at its public address, or at an
// environment's own domain.
func (p *Pages) origin(r *http.Request) string {
	if !strings.HasPrefix(p.BaseURL, "https://") {
		if r.TLS != nil {
			return "https://" + r.Host
		}
		return "http://" + r.Host
	}
	if own := "https://" + r.Host; own != p.BaseURL {
		if e, err := p.Identity.EnvironmentAt(r.Context(), r.Host); err == nil && e != nil {
			return own
		}
	}
	return p.BaseURL
}

// setCookie sets one of the front's cookies: HttpOnly, Lax, for this host only.
// An age below zero clears it.
func (p *Pages) setCookie(w http.ResponseWriter, r *http.Request, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: authflow.HostCookie(name, p.secure(r)), Value: value, Path: "/", MaxAge: age, HttpOnly: true,
		Secure: p.secure(r), SameSite: http.SameSiteLaxMode})
}

// cookie is the value of one of the front's cookies, at most n bytes of it; "" if the
// browser sent none.
func (p *Pages) cookie(r *http.Request, name string, n int) string {
	c, err := r.Cookie(authflow.HostCookie(name, p.secure(r)))
	if err != nil {
		return ""
	}
	return clip(c.Value, n)
}

// clip keeps absurdly long input from travelling further; what is cut off could
// not have been valid.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// appName is how a person knows the app behind a redirect URI: its host.
func appName(e identity.Environment) string {
	if e.Settings.HomepageURL != "" {
		if u, err := url.Parse(e.Settings.HomepageURL); err == nil && u.Host != "" {
			return u.Host
		}
	}
	return e.Name
}

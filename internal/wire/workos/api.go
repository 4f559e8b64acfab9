package workos

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/authorization"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
	"github.com/lentil-dev/lentil/internal/webhook"
	"github.com/lentil-dev/lentil/internal/wire"
)

// API is the front that speaks the protocol. The exported fields are filled by
// whoever assembles the house; call Open once before anything else.
type API struct {
	Identity *identity.Service
	Flow     Flow
	Hasher   Hasher          // makes hashes of passwords that come with users
	Policy   authflow.Policy // of the passwords that come with users
	Letters  Letters         // mails what the API is asked to mail
	Pages    Pages
	Log      *slog.Logger
	Webhooks *webhook.Service
	// Directory keeps organizations' own directories.
	Directory *directory.Service
	// Authorization decides about parts of organizations.
	Authorization *authorization.Service
	SSO           *sso.Service
	// Admit refuses an address that begins too many sign-ins; nil means that none does.
	Admit func(address string) error
	// Beside are further pages and protocols of this address, by net/http pattern.
	Beside map[string]http.Handler
	Services
	// BaseURL is the public address of this front, without a slash at the end. Empty
	// means: as the request says. Cookies are Secure if it is https.
	BaseURL string
	// ClientIP tells the address of the person; nil means the connection's.
	ClientIP func(*http.Request) string
	// Outbox holds mails that were not really sent; nil where they are.
	Outbox Outbox
	// TestEnvironment is whose error hooks requests without an API key are about,
	// if they come from this machine; empty for nobody's.
	TestEnvironment identity.EnvironmentID
	// Refusals remembers which origins were refused; nil for none.
	Refusals *diagnosis.Ledger

	hooks   errorHooks
	running running
	handler http.Handler
}

// Flow is what the protocol needs of authflow; *authflow.Flow is one.
type Flow interface {
	Redeem(ctx context.Context, r authflow.GrantRequest) (*authflow.Grant, error)
	AuthorizeDevice(ctx context.Context, client identity.ClientID, ip string) (*authflow.DeviceAuthorization, error)
	Logout(ctx context.Context, r authflow.LogoutRequest) (*authflow.LoggedOut, error)
	NewImpersonation(ctx context.Context, env identity.EnvironmentID, n authflow.NewImpersonation) (*authflow.Impersonation, string, error)
	Impersonations(ctx context.Context, env identity.EnvironmentID, p identity.Page) (*identity.List[authflow.Impersonation], error)
}

// Letters hands mail to whoever sends it, and does not wait; *authflow.Flow is one.
type Letters interface {
	SendCode(e *identity.Environment, c *identity.OneTimeCode) error
	SendInvitation(e *identity.Environment, i *identity.Invitation, link, who, organization string) error
	SendMoved(e *identity.Environment, former string) error
	SendPasswordChanged(e *identity.Environment, user identity.UserID) error
	SendSetup(e *identity.Environment, email, link, organization string) error
	SendWaiting(e *identity.Environment, email string) error
}

// Hasher hashes a password in a bounded pool; *authflow.Hasher is one.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
}

// Pages shows what people see; web/login is one.
type Pages interface {
	http.Handler
	// Mounts are the net/http patterns that Pages serves by itself.
	Mounts() []string
	// Authorize begins an attempt and sends the browser on.
	Authorize(w http.ResponseWriter, r *http.Request, q authflow.AuthorizeRequest) error
	// KeepLink has the browser remember what authflow.KeepLink made, for the next
	// attempt of the client.
	KeepLink(w http.ResponseWriter, r *http.Request, client identity.ClientID, kept string)
	// SignedOut ends the browser's sign-in and sends it where out says; asked is
	// the return_to of the request.
	SignedOut(w http.ResponseWriter, r *http.Request, out *authflow.LoggedOut, asked string) error
	// Refuse shows an error as a page.
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

// Open makes the routes; it starts nothing.
func (a *API) Open() error {
	front := wire.Front{Dialect: dialect, Log: a.Log}
	rt := &router{}
	for _, row := range a.routes() {
		rt.add(row.Method, row.Path, a.trail(row, front.Handle(a.guard(row))))
	}
	for _, row := range a.routes() {
		if row.cors != corsNone {
			rt.add(http.MethodOptions, row.Path, front.Handle(a.preflight(row.cors)))
		}
	}
	mux := http.NewServeMux()
	for _, pattern := range a.Pages.Mounts() {
		mux.Handle(pattern, a.Pages)
	}
	for pattern, h := range a.Beside {
		mux.Handle(pattern, h)
	}
	mux.Handle("/", front.Handle(a.other))
	rt.rest = mux
	a.handler = a.identify(a.hooked(rt))
	return nil
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// identify gives every request an id that its answer carries, whatever happens:
// the official clients show it in their errors. It also notes whose domain the
// request came to.
func (a *API) identify(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := wire.RequestID(r.Context())
		if id == "" {
			id = wire.NewRequestID()
			r = r.WithContext(wire.WithRequestID(r.Context(), id))
		}
		w.Header().Set("X-Request-ID", id)
		r, err := a.visited(r)
		if err != nil {
			dialect(w, r, apierr.New(apierr.Internal, "server_error", "The environment of this address could not be read.").Wrap(err))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// other answers what no row does: known operations that the house does not offer,
// known paths with another method, and the rest.
func (a *API) other(_ http.ResponseWriter, r *http.Request) error {
	op, methods := lookup(r.Method, r.URL.Path)
	if op == nil {
		op = lookupBeyond(r.Method, r.URL.Path)
	}
	switch {
	case op != nil:
		return apierr.New(apierr.Unsupported, "unsupported_operation."+op.Name,
			"Lentil does not offer %s (%s %s) yet; docs/SUPPORTED.md lists what it does.", op.Name, op.Method, op.Path)
	case methods != nil:
		return apierr.New(apierr.NotFound, "method_not_found", "%s does not answer to %s, only to %s.",
			clip(r.URL.Path, 256), clip(r.Method, 16), strings.Join(methods, ", "))
	}
	return apierr.New(apierr.NotFound, "not_found", "There is nothing at %s. This address speaks the WorkOS API; "+
		"is the base URL of your client right?", clip(r.URL.Path, 256))
}

// caller says on whose behalf a request with an API key comes.
type caller struct {
	env      *identity.Environment
	key      *identity.APIKey
	required []string // of the body
}

// callerKey is the context key of the caller.
type callerKey struct{}

// environment is the environment of the request's API key; guard put it there.
func environment(r *http.Request) *identity.Environment {
	return r.Context().Value(callerKey{}).(*caller).env
}

// apiKey is the API key of the request; guard put it there.
func apiKey(r *http.Request) *identity.APIKey {
	return r.Context().Value(callerKey{}).(*caller).key
}

// guard wraps a row's handler in what its columns ask for.
func (a *API) guard(row Route) wire.Handler {
	h := row.handle
	if row.Auth == "key" && !row.ownAuth {
		inner, required := h, requiredBy(row.Operation)
		h = func(w http.ResponseWriter, r *http.Request) error {
			key, ok := bearer(r)
			if !ok {
				return apierr.New(apierr.Unauthenticated, "unauthorized",
					"This request needs the environment's API key: send the header Authorization: Bearer sk_….")
			}
			env, used, err := a.Identity.AuthenticateKey(r.Context(), key)
			if err != nil {
				return err
			}
			admitOperator(r, env, used)
			ctx := identity.WithActor(identity.At(r.Context(), env), identity.Actor{ID: string(used.ID), Source: "api", Name: orNull(used.Name)})
			r = r.WithContext(context.WithValue(ctx, callerKey{}, &caller{env, used, required}))
			if row.Method == http.MethodPost && row.Operation != "createEvent" { // which keeps keys itself
				return a.once(w, r, env.ID, inner)
			}
			return inner(w, r)
		}
	}
	if row.cors == corsOpen {
		inner := h
		h = func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			return inner(w, r)
		}
	}
	return h
}

// bearer is the bearer token of r.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 512 {
		return "", false
	}
	return token, true
}

// clientIP is the address of the person without a port.
func (a *API) clientIP(r *http.Request) string {
	if a.ClientIP != nil {
		return a.ClientIP(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// secure reports whether browsers reach this front over https.
func (a *API) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(a.BaseURL, "https://")
}

// baseURL is the public address of this front.
func (a *API) baseURL(r *http.Request) string {
	switch home := identity.Home(r.Context()); {
	case home != nil:
		return home.OwnURL(a.secure(r))
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

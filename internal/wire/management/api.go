package management

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/wire"
)

// API answers the protocol. Fill the fields and call Open once.
type API struct {
	Platform *platform.Service
	// BaseURL is the control plane's public address, which is the issuer of logins too.
	BaseURL string
	// Trusted says that this is for development and only people on this machine reach
	// this address: whoever does may confirm a login as the owner without having signed in.
	Trusted bool
	// SignIn is the dashboard's page where people sign in; its parameter "next" says
	// where they go from there. "/sign-in" if empty.
	SignIn string
	// Invite sends the letter of an invitation to a workspace.
	Invite func(ctx context.Context, i Invitation) error
	// Frame shows the page where a login is confirmed as a page of the dashboard: body is
	// what stands below the heading. nil for a page of its own.
	Frame func(w http.ResponseWriter, r *http.Request, status int, heading string, body template.HTML) error
	Log   *slog.Logger
	// Now is the clock of device codes; nil for time.Now.
	Now func() time.Time

	claiming sync.Mutex // claimPreview
	devices  devices
	keys     signingKey
	mux      *http.ServeMux
}

// Invitation is what the letter of an invitation says.
type Invitation struct {
	Email, Workspace, Team, URL string
}

// maxBody bounds the bodies of requests. What is longest is a list of variables of
// up to 8 KiB each.
const maxBody = 1 << 20

// Open checks the fields and prepares the routes.
func (a *API) Open() error {
	if a.Platform == nil || a.BaseURL == "" {
		return errors.New("management: Platform and BaseURL must be set")
	}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	if a.SignIn == "" {
		a.SignIn = "/sign-in"
	}
	a.BaseURL = strings.TrimRight(a.BaseURL, "/")
	a.devices.now = a.now
	plain := wire.Front{Dialect: dialect, Log: a.Log}
	oauth := wire.Front{Dialect: oauthDialect, Log: a.Log}
	a.mux = http.NewServeMux()
	for _, r := range routes {
		a.mux.Handle(r.pattern(), plain.Handle(a.bind(r)))
	}
	a.mux.Handle("/api/", plain.Handle(unknown))
	a.mux.Handle("/v1/", plain.Handle(unknown))
	a.mountLogin(oauth)
	return nil
}

// now is the present.
func (a *API) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// ServeHTTP answers a request for a path that Serves.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Serves says whether a path is this room's rather than the dashboard's.
func (a *API) Serves(path string) bool {
	for _, p := range []string{"/api/", "/v1/", "/oauth/", "/.well-known/openid-configuration"} {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return path == confirmPath || path == stylePath
}

// request is a request with who sent it.
type request struct {
	*http.Request
	actor *platform.Actor // nil where the table says that anybody may
}

// decode reads a JSON body. Unknown members are ignored, as the vendor does: each
// version of the CLI sends a little more.
func (q *request) decode(v any) error { return wire.JSON(q.Request, maxBody, v) }

// bind makes a wire.Handler of a row.
func (a *API) bind(r Route) wire.Handler {
	return func(w http.ResponseWriter, hr *http.Request) error {
		if r.handle == nil {
			return apierr.New(apierr.Unsupported, r.Code, "%s is not offered by this version of Lentil.", r.Feature)
		}
		q := &request{Request: hr}
		if r.Who != anyone {
			var err error
			if q.actor, err = a.authenticate(hr); err != nil {
				return err
			}
			if r.Who == person && !q.actor.Person() {
				return errPersonOnly
			}
		}
		v, err := r.handle(a, q)
		if err != nil {
			return err
		}
		write(w, http.StatusOK, v)
		return nil
	}
}

// Errors of credentials.
var (
	errNoToken = apierr.New(apierr.Unauthenticated, "NoAccessToken",
		"No access token came with the request. Sign in with: npx convex login")
	errPersonOnly = apierr.New(apierr.Forbidden, "PersonalTokenRequired",
		"That needs somebody's own access token, and a key came with the request. Remove CONVEX_DEPLOY_KEY and sign in with: npx convex login")
)

// authenticate finds out who sent a request.
func (a *API) authenticate(r *http.Request) (*platform.Actor, error) {
	scheme, text, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	text = strings.TrimSpace(text)
	if text == "" || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Convex") {
		return nil, errNoToken
	}
	return a.Platform.Authenticate(r.Context(), text)
}

// unknown answers paths that the table does not know.
func unknown(_ http.ResponseWriter, r *http.Request) error {
	return apierr.New(apierr.Unsupported, "UnknownManagementRoute",
		"%s %s is not a route of this house's control plane. Is the client newer than this version of Lentil?", r.Method, clip(r.URL.Path))
}

// clip shortens foreign text for a message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

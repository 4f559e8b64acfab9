package workos

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// preflightAge is for how many seconds a browser may remember a preflight's
// answer: two hours, the most that Chromium heeds. Each remembered one saves a
// round trip per refresh.
const preflightAge = "7200"

// preflight answers OPTIONS for routes of one policy.
func (a *API) preflight(policy corsPolicy) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h := w.Header()
		h.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Private-Network")
		origin := r.Header.Get("Origin")
		switch {
		case origin == "": // no browser; nothing to allow
		case policy == corsBrowser:
			// A preflight has no body and so names no client: it can only be asked
			// whether anybody here knows the origin. The request itself is asked again.
			known, err := a.originKnown(r, origin)
			if err != nil {
				return err
			}
			if !known {
				return a.refuseOrigin(r, origin, nil)
			}
			allowOrigin(h, origin)
		default:
			h.Set("Access-Control-Allow-Origin", "*")
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", requestedHeaders(r))
		h.Set("Access-Control-Max-Age", preflightAge)
		if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
			h.Set("Access-Control-Allow-Private-Network", "true")
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// allowOrigin lets pages of origin read the answer and send cookies with the request.
func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "X-Request-ID, Retry-After")
}

// requestedHeaders are the headers that a preflight asks for, as far as they are
// well formed, and always content-type.
func requestedHeaders(r *http.Request) string {
	names := []string{"content-type"}
	asked := r.Header.Get("Access-Control-Request-Headers")
	if len(asked) > 1024 {
		asked = ""
	}
	for name := range strings.SplitSeq(asked, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		wellFormed := name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
		if wellFormed && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// originKnown reports whether origin is this front's own or registered with any
// environment.
func (a *API) originKnown(r *http.Request, origin string) (bool, error) {
	if origin == a.baseURL(r) {
		return true, nil
	}
	if len(origin) > 512 || origin == "null" {
		return false, nil
	}
	return a.Identity.OriginKnown(r.Context(), origin)
}

// admit checks the origin of a browser's request before anything is spent on it,
// and lets a known one read the answer, refusals included.
func (a *API) admit(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	known, err := a.originKnown(r, origin)
	if err != nil {
		return err
	}
	if !known {
		return a.refuseOrigin(r, origin, nil)
	}
	allowOrigin(w.Header(), origin)
	return nil
}

// admitTo checks that the origin is registered with the environment that the
// request names.
func (a *API) admitTo(r *http.Request, env *identity.Environment) error {
	origin := r.Header.Get("Origin")
	if origin == "" || origin == a.baseURL(r) {
		return nil
	}
	ok, err := a.Identity.OriginAllowed(r.Context(), env.ID, origin)
	if err != nil || ok {
		return err
	}
	return a.refuseOrigin(r, origin, env)
}

// refuseOrigin notes a refused origin and makes the refusal. Scripts cannot read
// why a preflight failed, so the one place where the developer surely sees the fix
// is the server's log. env is whose it would have to be, nil where a request does
// not tell.
func (a *API) refuseOrigin(r *http.Request, origin string, env *identity.Environment) error {
	var scope string
	var registered []string
	if env != nil {
		scope = string(env.ID)
		if env.Kind != identity.Production { // strangers learn nothing of those
			if l, err := a.Identity.CORSOrigins(r.Context(), env.ID, identity.Page{Limit: 20}); err == nil {
				for _, o := range l.Data {
					registered = append(registered, o.Origin)
				}
			}
		}
	}
	why := diagnosis.RefusedOrigin(origin, a.baseURL(r), registered)
	if a.Refusals.Note(scope, why, time.Now()) {
		a.Log.Warn("refused a browser because its page's origin is not registered", "origin", why.Value,
			"path", r.URL.Path, "because", why.Said, "fix", why.Fix, "look", why.Look())
	}
	return apierr.New(apierr.Forbidden, "cors_origin_not_registered", "%s %s", why.Said, why.Fix)
}

package workos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
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
				return a.refuseOrigin(r, origin)
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
		return a.refuseOrigin(r, origin)
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
	return a.refuseOrigin(r, origin)
}

// refuseOrigin notes a refused origin and makes the refusal. Scripts cannot read
// why a preflight failed, so the one place where the developer surely sees the fix
// is the server's log.
func (a *API) refuseOrigin(r *http.Request, origin string) error {
	if origin == "null" {
		return apierr.New(apierr.Forbidden, "cors_origin_not_registered", "The page hides its origin, as files and "+
			"sandboxed frames do, so it may not call this. Serve it over http and register that origin.")
	}
	origin = clip(origin, 256)
	fix := fmt.Sprintf("add %s to authKit.dev.configure.corsOrigins in convex.json and start lentil dev again, "+
		"or POST {\"origin\": %q} to %s/user_management/cors_origins with the environment's API key", origin, origin, a.baseURL(r))
	if a.refused.note(origin, time.Now()) {
		a.Log.Warn("refused a browser because its page's origin is not registered", "origin", origin,
			"path", r.URL.Path, "fix", fix)
	}
	return apierr.New(apierr.Forbidden, "cors_origin_not_registered",
		"The origin %s is not registered, so its pages may not call this. To allow it, %s.", origin, fix)
}

// RefusedOrigin is an origin that was refused, for the operator.
type RefusedOrigin struct {
	Origin string
	Times  int
	Last   time.Time
}

// RefusedOrigins lists the origins refused since the start, newest first.
func (a *API) RefusedOrigins() []RefusedOrigin { return a.refused.list() }

// The bounds of the list of refused origins.
const (
	maxRefused   = 64          // the one not seen for longest makes room
	refusedQuiet = time.Minute // the same origin is logged again only after so long
)

// refusedOrigins remembers the refused origins. mu guards both fields and is a
// leaf: nothing is called while it is held.
type refusedOrigins struct {
	mu   sync.Mutex
	seen []RefusedOrigin // oldest last refusal first
}

// note remembers origin and reports whether it is worth a line in the log.
func (o *refusedOrigins) note(origin string, now time.Time) (tell bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.IndexFunc(o.seen, func(s RefusedOrigin) bool { return s.Origin == origin })
	entry := RefusedOrigin{Origin: origin}
	if at >= 0 {
		entry = o.seen[at]
		o.seen = slices.Delete(o.seen, at, at+1)
	} else if len(o.seen) >= maxRefused {
		o.seen = slices.Delete(o.seen, 0, 1)
	}
	tell = now.Sub(entry.Last) >= refusedQuiet
	entry.Times++
	entry.Last = now
	o.seen = append(o.seen, entry)
	return tell
}

// list copies the entries, newest first.
func (o *refusedOrigins) list() []RefusedOrigin {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := slices.Clone(o.seen)
	slices.Reverse(out)
	return out
}

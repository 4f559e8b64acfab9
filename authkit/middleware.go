package authkit

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// contextKey is under which Middleware leaves what it found out.
type contextKey struct{}

// visit is what Middleware found out about a request.
type visit struct {
	kit     *Kit
	session *Session
	sealed  *sealedSession
	down    bool // there is a session, but the identity service does not answer
}

// FromContext tells who sent the request; nil if nobody is signed in, or if the
// request did not come through Middleware.
func FromContext(ctx context.Context) *Session {
	if v, ok := ctx.Value(contextKey{}).(*visit); ok {
		return v.session
	}
	return nil
}

// Middleware finds out who sends each request, and renews their session when it is
// due. It lets everybody pass.
func (k *Kit) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := k.look(w, r)
		if v.sealed != nil {
			// What is made for one person must not be kept for another.
			w.Header().Add("Vary", "Cookie")
			w.Header().Set("Cache-Control", "private, no-store")
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, v)))
	})
}

// maxSteps bounds how many successors a renewal follows.
const maxSteps = 8

// current says whether a session's access token is good for now, by its own word.
func (k *Kit) current(s *sealedSession) bool {
	c, ok := readClaims(s.AccessToken)
	return ok && time.UnixMilli(int64(c.Expires*1000)).After(k.now())
}

// look reads the session of a request.
func (k *Kit) look(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{kit: k, sealed: k.fromCookie(r)}
	if v.sealed == nil {
		return v
	}
	if err := k.verify(r.Context(), v.sealed.AccessToken); err == nil {
		v.session = v.sealed.open()
		return v
	}
	// Expired, or signed with a key that has been replaced: the refresh token decides.
	fresh, remembered, err := k.renew(r.Context(), v.sealed)
	for range maxSteps {
		// An older cookie may find a successor that has expired meanwhile. One that has only
		// come, and is expired by our clock, tells of the clock: the next would be no better.
		if err != nil || !remembered || k.current(fresh) {
			break
		}
		fresh, remembered, err = k.renew(r.Context(), fresh)
	}
	switch {
	case err == nil:
		if err := k.save(w, fresh); err != nil {
			k.log.Error("authkit: session could not be sealed", "err", err)
		}
		v.sealed, v.session = fresh, fresh.open()
	case final(err):
		http.SetCookie(w, k.cookie(k.cfg.CookieName, "", 0))
	default:
		v.down = true // the cookie stays: the session may be as good as ever
	}
	return v
}

// RequireUser lets people pass who are signed in. Others are sent to sign in, and come back to
// the page that they wanted; programs and scripts are answered 401 instead.
func (k *Kit) RequireUser(next http.Handler) http.Handler {
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, _ := r.Context().Value(contextKey{}).(*visit)
		switch {
		case v.session != nil:
			next.ServeHTTP(w, r)
		case v.down:
			w.Header().Set("Retry-After", "2")
			refuse(w, r, http.StatusServiceUnavailable, "identity_service_unavailable", "Your session could not be renewed, because the identity service does not answer. Try again in a moment.")
		case !document(r):
			refuse(w, r, http.StatusUnauthorized, "unauthenticated", "Sign in first.")
		default:
			k.begin(w, r, attempt{back: r.URL.RequestURI()})
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v, ok := r.Context().Value(contextKey{}).(*visit); ok && v.kit == k {
			guarded.ServeHTTP(w, r)
			return
		}
		k.Middleware(guarded).ServeHTTP(w, r)
	})
}

// document says whether a browser wants a page, as opposed to a script wanting data:
// only a page can follow to the sign-in.
func document(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if d := r.Header.Get("Sec-Fetch-Dest"); d != "" && d != "document" && d != "iframe" {
		return false
	}
	purpose := r.Header.Get("Sec-Purpose") + r.Header.Get("Purpose")
	return strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.Contains(purpose, "prefetch")
}

// refuse answers in words that the client reads: JSON, or text for people.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Cache-Control", "no-store")
	if document(r) {
		http.Error(w, message, status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": message}) // the client may be gone
}

package authkit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Sign-ins that are under way, as the official package keeps them.
const (
	stateCookie = "wos-auth-verifier"
	stateLife   = 10 * time.Minute
	maxStates   = 5 // cookies of sign-ins that were begun and left
)

// sealedState goes to the identity service and back, and into a cookie.
type sealedState struct {
	Nonce          string `json:"nonce"`
	CodeVerifier   string `json:"codeVerifier"`
	ReturnPathname string `json:"returnPathname,omitempty"`
}

// attempt is a sign-in to begin.
type attempt struct {
	back         string // path of this site to come back to
	screen       string // "sign-up", or "" for sign-in
	organization string
	login        string // an e-mail address to begin with
}

// SignIn begins a sign-in. Query parameters: return_to, a path of this site to come
// back to; login_hint, an e-mail address; organization_id.
func (k *Kit) SignIn() http.Handler { return k.enter("") }

// SignUp begins with the form for new users; otherwise it is as SignIn.
func (k *Kit) SignUp() http.Handler { return k.enter("sign-up") }

func (k *Kit) enter(screen string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		k.begin(w, r, attempt{back: q.Get("return_to"), screen: screen, organization: q.Get("organization_id"), login: q.Get("login_hint")})
	})
}

// local keeps a path of this site and refuses addresses of others: "/" instead.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return u.RequestURI()
}

// stateName is the cookie of one sign-in, so that several can be under way.
func stateName(state string) string {
	h := fnv.New32a()
	h.Write([]byte(state))
	return fmt.Sprintf("%s-%08x", stateCookie, h.Sum32())
}

// begin sends the browser to the identity service.
func (k *Kit) begin(w http.ResponseWriter, r *http.Request, a attempt) {
	verifier := rand.Text() + rand.Text() // 52 characters: RFC 7636 §4.1 wants 43 to 128
	challenge := sha256.Sum256([]byte(verifier))
	state, err := seal(sealedState{Nonce: rand.Text(), CodeVerifier: verifier, ReturnPathname: local(a.back)}, k.cfg.CookiePassword, stateLife, k.now())
	if err != nil {
		k.log.Error("authkit: sign-in could not begin", "err", err)
		refuse(w, r, http.StatusInternalServerError, "internal_error", "The sign-in could not begin.")
		return
	}
	q := url.Values{
		"client_id": {k.cfg.ClientID}, "redirect_uri": {k.cfg.RedirectURI}, "response_type": {"code"}, "provider": {"authkit"}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	for name, v := range map[string]string{"screen_hint": a.screen, "organization_id": a.organization, "login_hint": a.login} {
		if v != "" {
			q.Set(name, v)
		}
	}
	k.dropStates(w, r, maxStates)
	http.SetCookie(w, k.cookie(stateName(state), state, stateLife))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, k.cfg.APIURL+"/user_management/authorize?"+q.Encode(), http.StatusFound)
}

// dropStates removes the cookies of other sign-ins if there are so many of them.
func (k *Kit) dropStates(w http.ResponseWriter, r *http.Request, atLeast int) {
	var names []string
	for _, c := range r.Cookies() {
		if c.Name == stateCookie || strings.HasPrefix(c.Name, stateCookie+"-") {
			names = append(names, c.Name)
		}
	}
	if len(names) < max(atLeast, 1) {
		return
	}
	for _, n := range names {
		http.SetCookie(w, k.cookie(n, "", 0))
	}
}

// Callback ends a sign-in: it takes the code, puts the session into the browser and
// goes to the page where the sign-in began.
func (k *Kit) Callback() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		back, s, err := k.finish(r)
		if state := r.URL.Query().Get("state"); state != "" {
			http.SetCookie(w, k.cookie(stateName(state), "", 0)) // good for one time, whatever came of it
		}
		w.Header().Set("Cache-Control", "no-store")
		if err == nil {
			err = k.save(w, s)
		}
		if err != nil {
			k.log.Warn("authkit: sign-in failed", "err", err)
			status, message := http.StatusBadRequest, "The sign-in could not be completed. Please try again."
			var no *signInError
			switch {
			case errors.As(err, &no):
				message = no.message
			case !final(err):
				status, message = http.StatusBadGateway, "The identity service does not answer. Please try again in a moment."
			}
			http.Error(w, message, status)
			return
		}
		http.Redirect(w, r, back, http.StatusFound)
	})
}

// signInError is a failure with words for the person who signs in.
type signInError struct{ message string }

// Error is part of error.
func (e *signInError) Error() string { return e.message }

// finish checks what came back and redeems the code.
func (k *Kit) finish(r *http.Request) (back string, s *sealedSession, err error) {
	q := r.URL.Query()
	if code := q.Get("error"); code != "" {
		return "", nil, &signInError{"The sign-in was not completed: " + q.Get("error_description") + " (" + code + ")"}
	}
	state := q.Get("state")
	c, err := r.Cookie(stateName(state))
	if state == "" || err != nil || c.Value != state {
		// Without the cookie it may be somebody else's sign-in, brought here by a link.
		return "", nil, &signInError{"This sign-in was not begun in this browser, or it took longer than ten minutes. Please begin again."}
	}
	var st sealedState
	if err := unseal(state, k.cfg.CookiePassword, k.now(), &st); err != nil {
		return "", nil, &signInError{"This sign-in took longer than ten minutes. Please begin again."}
	}
	s, err = k.grant(r.Context(), "authorization_code", map[string]any{"code": q.Get("code"), "code_verifier": st.CodeVerifier})
	return local(st.ReturnPathname), s, err
}

// SignOut ends the session here and at the identity service, and goes to an address
// that is registered there, or to a path of this site. Requests that another site
// caused are refused.
func (k *Kit) SignOut(returnTo string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			refuse(w, r, http.StatusForbidden, "cross_site", "Signing out must begin on this site.")
			return
		}
		s := k.fromCookie(r)
		http.SetCookie(w, k.cookie(k.cfg.CookieName, "", 0))
		k.dropStates(w, r, 1)
		w.Header().Set("Cache-Control", "no-store")
		to := returnTo
		if strings.HasPrefix(to, "/") {
			base, _ := url.Parse(k.cfg.RedirectURI) // New has checked it
			to = (&url.URL{Scheme: base.Scheme, Host: base.Host}).String() + local(to)
		}
		if s == nil {
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		q := url.Values{"return_to": {to}}
		if c, ok := readClaims(s.AccessToken); ok {
			q.Set("session_id", c.SessionID)
		}
		http.Redirect(w, r, k.cfg.APIURL+"/user_management/sessions/logout?"+q.Encode(), http.StatusSeeOther)
	})
}

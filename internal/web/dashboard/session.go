package dashboard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// LinkPath is where a link that signs an operator in once leads, followed by its text.
const LinkPath = "/sign-in/link/"

// errSignIn is the answer to whoever is not signed in.
var errSignIn = apierr.New(apierr.Unauthenticated, "SignInFirst", "Sign in to see this page.")

// Lives of cookies, in seconds.
const (
	sessionAge = 30 * 24 * 60 * 60 // that of platform's session tokens
	noticeAge  = 60
)

// cookieName is a cookie's name. Over https the prefix makes browsers keep it to this
// host and to secure connections.
func (s *Site) cookieName(r *http.Request, name string) string {
	if s.secure(r) {
		return "__Host-lentil_" + name
	}
	return "lentil_" + name
}

// setCookie sets a cookie that scripts cannot read and other sites cannot send. An
// age below zero clears it.
func (s *Site) setCookie(w http.ResponseWriter, r *http.Request, name, value string, age int, same http.SameSite) {
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(r, name), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.secure(r), SameSite: same})
}

// cookie is a cookie's value; "" if the browser sent none, or an absurd one.
func (s *Site) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(r, name))
	if err != nil || len(c.Value) > 4096 {
		return ""
	}
	return c.Value
}

// sessionCookie is the name of the cookie with the session's token.
const sessionCookie = "dashboard"

// authenticate finds out who holds the session of a visit.
func (s *Site) authenticate(v *Visit) error {
	text := s.cookie(v.Request, sessionCookie)
	if text == "" {
		return errSignIn
	}
	a, err := s.Platform.Authenticate(v.Context(), text)
	switch {
	case apierr.KindOf(err) == apierr.Unauthenticated:
		return errSignIn
	case err != nil:
		return err
	case a.Credential == nil || a.Credential.Kind != platform.SessionToken || a.Operator == nil:
		return errSignIn // keys and tokens of programs are not for browsers
	}
	v.Actor, v.Operator, v.session = a, a.Operator, text
	return nil
}

// signInURL is the page to sign in at, which leads back to u.
func signInURL(u *url.URL) string {
	next := ownPath(u.RequestURI())
	if next == "/" {
		return "/sign-in"
	}
	return "/sign-in?" + url.Values{"next": {next}}.Encode()
}

// useLink signs an operator in by a link. Browsers that load pages before somebody
// asks for them do not use it up.
func (s *Site) useLink(w http.ResponseWriter, r *http.Request) error {
	if p := r.Header.Get("Sec-Purpose") + r.Header.Get("Purpose"); strings.Contains(p, "prefetch") || strings.Contains(p, "preview") {
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	_, session, err := s.Platform.UseLink(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return s.begin(w, r, session, ownPath(r.URL.Query().Get("next")))
}

// begin gives the browser its session and goes on to a page of ours. It does so by a
// page and not by a redirect, which after a link from elsewhere would be part of a
// journey on which browsers withhold strict cookies.
func (s *Site) begin(w http.ResponseWriter, r *http.Request, session, next string) error {
	s.setCookie(w, r, sessionCookie, session, sessionAge, http.SameSiteStrictMode)
	v := &Visit{Request: r, W: w, site: s, press: s.print()}
	return s.printPage(v, &arrivedView{Visit: v, Next: next}, http.StatusOK)
}

// arrivedView leads on after signing in.
type arrivedView struct {
	*Visit
	Next string
}

func (arrivedView) template() string { return "arrived" }
func (arrivedView) heading() string  { return "Signed in" }

// signOut ends the session.
func (s *Site) signOut(w http.ResponseWriter, r *http.Request) error {
	v := &Visit{Request: r, W: w, site: s}
	if err := s.authenticate(v); err == nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return apierr.New(apierr.BadRequest, "BadForm", "The form could not be read.").Wrap(err)
		}
		if err := v.checkForm(); err != nil {
			return err
		}
		if err := s.Platform.RevokeCredential(r.Context(), v.Actor.Credential.ID); err != nil && apierr.KindOf(err) != apierr.NotFound {
			return err
		}
	}
	s.setCookie(w, r, sessionCookie, "", -1, http.SameSiteStrictMode)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}

// noticeCookie carries what went well over a redirect. It is signed, since other
// ports of the same host can set cookies too.
const noticeCookie = "notice"

func (v *Visit) noticeMAC(text string) string {
	m := hmac.New(sha256.New, []byte("lentil dashboard notice\x00"+v.session))
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:16])
}

// giveNotice sends a notice along.
func (v *Visit) giveNotice(text string) {
	if text == "" || v.session == "" {
		return
	}
	if len(text) > 1000 {
		text = text[:1000]
	}
	v.site.setCookie(v.W, v.Request, noticeCookie, base64.RawURLEncoding.EncodeToString([]byte(text))+"."+v.noticeMAC(text), noticeAge, http.SameSiteStrictMode)
}

// takeNotice reads the notice that came along.
func (v *Visit) takeNotice() string {
	enc, mac, ok := strings.Cut(v.site.cookie(v.Request, noticeCookie), ".")
	if !ok {
		return ""
	}
	v.site.setCookie(v.W, v.Request, noticeCookie, "", -1, http.SameSiteStrictMode)
	text, err := base64.RawURLEncoding.DecodeString(enc)
	if err != nil || v.session == "" || !hmac.Equal([]byte(mac), []byte(v.noticeMAC(string(text)))) {
		return ""
	}
	return string(text)
}

// Operator tells who holds the session of a request, for other rooms' pages on this
// front.
func (s *Site) Operator(r *http.Request) (*platform.Actor, error) {
	v := &Visit{Request: r, site: s}
	if err := s.authenticate(v); err != nil {
		return nil, err
	}
	return v.Actor, nil
}

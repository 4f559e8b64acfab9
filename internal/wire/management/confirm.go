package management

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/wire"
)

// SessionCookie is the dashboard's: a session token of an operator. Over https its
// name has the prefix that keeps it to one host.
const SessionCookie = "lentil_dashboard"

// sessionCookie is the name where this house answers.
func (a *API) sessionCookie() string {
	if strings.HasPrefix(a.BaseURL, "https:") {
		return "__Host-" + SessionCookie
	}
	return SessionCookie
}

//go:embed confirm.html confirm.css
var confirmFiles embed.FS

// confirmPage is what the page shows; one of its states each time.
type confirmPage struct {
	State     string // code, ask, done, denied
	UserCode  string
	Client    string
	Who       string // who would be signed in
	Trusted   bool   // nobody is signed in, and none need be
	elsewhere string // where to go instead, to sign in first
	Problem   string
}

// Heading says what the page is about.
func (p confirmPage) Heading() string {
	switch p.State {
	case "ask":
		return "Log in to the Convex CLI?"
	case "done":
		return "You are logged in"
	case "denied":
		return "Refused"
	}
	return "Log in to the Convex CLI"
}

// mountConfirm puts the page where a login is confirmed on the mux. A form that comes
// from another origin is refused before it is read.
func (a *API) mountConfirm() {
	page := sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(confirmFiles, "confirm.html")) })
	render := func(w http.ResponseWriter, r *http.Request, status int, p confirmPage) error {
		var b bytes.Buffer
		if a.Frame != nil {
			if err := page().ExecuteTemplate(&b, "body", p); err != nil {
				return err
			}
			return a.Frame(w, r, status, p.Heading(), template.HTML(b.String())) //nolint:gosec // printed by a template just now
		}
		if err := page().Execute(&b, p); err != nil {
			return err
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", confirmPolicy)
		h.Set("X-Frame-Options", "DENY")
		w.WriteHeader(status)
		_, _ = w.Write(b.Bytes())
		return nil
	}
	show := func(w http.ResponseWriter, r *http.Request, p confirmPage, err error) error {
		switch {
		case err != nil:
			return err
		case p.elsewhere != "":
			http.Redirect(w, r, p.elsewhere, http.StatusSeeOther)
			return nil
		}
		return render(w, r, http.StatusOK, p)
	}
	a.mux.HandleFunc("GET "+stylePath, func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, confirmFiles, "confirm.css")
	})
	refuse := func(w http.ResponseWriter, r *http.Request, e *apierr.Error) {
		_ = render(w, r, wire.Status(e.Kind), confirmPage{State: "code", Problem: e.Message})
	}
	front := wire.Front{Dialect: refuse, Log: a.Log}
	a.mux.Handle("GET "+confirmPath, front.Handle(func(w http.ResponseWriter, r *http.Request) error {
		p, err := a.confirmState(r, r.URL.Query().Get("user_code"))
		return show(w, r, p, err)
	}))
	post := front.Handle(func(w http.ResponseWriter, r *http.Request) error {
		p, err := a.confirm(w, r)
		return show(w, r, p, err)
	})
	a.mux.Handle("POST "+confirmPath, http.NewCrossOriginProtection().Handler(post))
}

// confirmPolicy lets the page do nothing but show itself and send its form home.
const confirmPolicy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// signedIn finds the operator of the page: by the dashboard's cookie, or the owner
// where only this machine reaches the page.
func (a *API) signedIn(r *http.Request) (o *platform.Operator, trusted bool, err error) {
	if c, err := r.Cookie(a.sessionCookie()); err == nil && c.Value != "" {
		actor, err := a.Platform.Authenticate(r.Context(), c.Value)
		if err == nil && actor.Credential != nil && actor.Credential.Kind == platform.SessionToken {
			return actor.Operator, false, nil
		}
		if err != nil && apierr.KindOf(err) != apierr.Unauthenticated {
			return nil, false, err
		}
	}
	if !a.Trusted {
		return nil, false, nil
	}
	o, err = a.Platform.Owner(r.Context())
	return o, true, err
}

// confirmState is the page for a code.
func (a *API) confirmState(r *http.Request, code string) (confirmPage, error) {
	if code == "" {
		return confirmPage{State: "code"}, nil
	}
	client, ok := a.devices.waiting(code)
	if !ok {
		return confirmPage{State: "code", Problem: errNoCode.Message}, nil
	}
	p := confirmPage{State: "ask", UserCode: code, Client: client}
	o, trusted, err := a.signedIn(r)
	if err != nil {
		return p, err
	}
	if o == nil {
		back := confirmPath + "?" + url.Values{"user_code": {code}}.Encode()
		return confirmPage{elsewhere: a.SignIn + "?" + url.Values{"next": {back}}.Encode()}, nil
	}
	p.Trusted, p.Who = trusted, o.Email
	return p, nil
}

// errNoCode is shown for a code that is wrong or late.
var errNoCode = apierr.New(apierr.BadRequest, "InvalidUserCode", "That code is not waiting for anybody: it was mistyped, used, or is older than ten minutes.")

// confirm takes the page's form.
func (a *API) confirm(w http.ResponseWriter, r *http.Request) (confirmPage, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return confirmPage{}, apierr.New(apierr.BadRequest, "BadForm", "The form could not be read.").Wrap(err)
	}
	code := r.PostForm.Get("user_code")
	o, _, err := a.signedIn(r)
	if err != nil {
		return confirmPage{}, err
	}
	said := r.PostForm.Get("answer")
	if o == nil || said == "" {
		return a.confirmState(r, code)
	}
	if said != "yes" {
		if !a.devices.answer(code, nil) {
			return confirmPage{}, errNoCode
		}
		return confirmPage{State: "denied"}, nil
	}
	if !a.devices.answer(code, o) {
		return confirmPage{}, errNoCode
	}
	a.Log.Info("confirmed a login", "operator", o.ID)
	return confirmPage{State: "done", Who: o.Email}, nil
}

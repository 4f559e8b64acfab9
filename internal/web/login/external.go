package login

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/authflow"
)

// ExternalPath is where a browser goes on after the application's own sign-in; the
// session's id follows.
const ExternalPath = "/oauth2/external/"

// externalCookie is how that browser is known again.
const externalCookie = "lentil_external"

// externalAge is how long it is kept, in seconds.
const externalAge = 20 * 60

// sendOut sends a browser to the application's own sign-in.
func (p *Pages) sendOut(w http.ResponseWriter, r *http.Request, a *application.Asked, q url.Values, login string) error {
	id, secret, err := p.Connect.BeginExternal(r.Context(), a, q)
	if err != nil {
		return err
	}
	p.setCookie(w, r, externalCookie, secret, externalAge)
	sep := "?"
	if strings.Contains(login, "?") {
		sep = "&"
	}
	return p.redirect(w, r, login+sep+"external_auth_id="+url.QueryEscape(id), http.StatusFound)
}

// comeIn goes on with the request of a browser that signed in elsewhere.
func (p *Pages) comeIn(w http.ResponseWriter, r *http.Request) error {
	x, err := p.Connect.FinishExternal(r.Context(), clip(r.PathValue("id"), 64), p.cookie(r, externalCookie, 128))
	if err != nil {
		return err
	}
	p.setCookie(w, r, externalCookie, "", -1)
	p.setCookie(w, r, authflow.SSOCookie(x.Environment.ClientID), x.Secret, int(x.Environment.Settings.Defaulted().SessionLifetime/time.Second))
	q := cloneWith(x.Query, sentParameter, p.Connect.Sent(x.Client, x.Since))
	return p.redirect(w, r, ConnectPath+"?"+q.Encode(), http.StatusFound)
}

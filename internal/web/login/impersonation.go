package login

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
)

// ImpersonatePath is the page that an operator's address for acting as a user leads to.
const ImpersonatePath = "/impersonate"

// impersonationPage says who is about to act as whom, and why.
type impersonationPage struct {
	form
	Token                                  string
	As, Impersonator, Reason, Organization string
}

func (impersonationPage) template() string { return "impersonation.html" }

// impersonation is GET /impersonate. Looking uses nothing up: mail scanners and
// previews do so.
func (p *Pages) impersonation(w http.ResponseWriter, r *http.Request) error {
	token := clip(r.URL.Query().Get("token"), 128)
	s, err := p.Flow.Impersonation(r.Context(), token)
	if err != nil {
		return err
	}
	f := p.form(s.Screen, "Sign in as a user")
	f.Action = ImpersonatePath
	return p.print().print(w, http.StatusOK, impersonationPage{f, token, s.UserEmail, s.Email, s.Reason, s.OrganizationName})
}

// impersonate is POST /impersonate.
func (p *Pages) impersonate(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return apierr.New(apierr.BadRequest, "malformed_form", "The form could not be read. Go back and try again.").Wrap(err)
	}
	v := p.visitor(r, "")
	begun, err := p.Flow.Impersonate(r.Context(), v, text(r.PostForm, "token", 128))
	if err != nil {
		return err
	}
	if begun.Browser != v.Browser {
		p.setCookie(w, r, authflow.BrowserCookie, begun.Browser, browserAge)
	}
	return p.step(w, r, begun.Step, http.StatusSeeOther)
}

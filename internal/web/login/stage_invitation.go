package login

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The paths of mailed links.
const (
	InvitePath = "/invite"
	ResetPath  = "/reset-password"
)

// invitationPage says that an invitation cannot be used.
type invitationPage struct {
	form
	Fault string
}

func (invitationPage) template() string { return "invitation.html" }

// invitation fills in the page.
func (p *Pages) invitation(s *authflow.TellInvitation) page {
	f := p.form(s.Screen, "Invitation")
	f.Email = s.Email
	return invitationPage{f, string(s.Fault)}
}

// KeepLink has the browser remember a link while it visits the application.
func (p *Pages) KeepLink(w http.ResponseWriter, r *http.Request, client identity.ClientID, kept string) {
	p.setCookie(w, r, authflow.LinkCookie(client), kept, int(authflow.LinkCookieAge.Seconds()))
}

// follow answers the visit of a mailed link of a kind.
func (p *Pages) follow(kind authflow.LinkKind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		to, err := p.Flow.Follow(r.Context(), kind, clip(r.URL.Query().Get("token"), 512))
		if err != nil {
			return err
		}
		if to.RedirectTo != "" {
			p.KeepLink(w, r, to.Client, to.Keep)
			return p.redirect(w, r, to.RedirectTo, http.StatusFound)
		}
		return p.Authorize(w, r, to.Request)
	}
}

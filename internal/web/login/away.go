package login

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// SignedOut answers a sign-out: it clears the browser's own sign-in and sends the
// person where out says, or shows a page if that is nowhere.
func (p *Pages) SignedOut(w http.ResponseWriter, r *http.Request, out *authflow.LoggedOut, asked string) error {
	if out.Client != "" {
		p.setCookie(w, r, authflow.SSOCookie(out.Client), "", -1)
	}
	if out.RedirectTo != "" {
		return p.redirect(w, r, out.RedirectTo, http.StatusFound)
	}
	pg := signedOutPage{frame: p.frame("Signed out")}
	if asked != "" {
		pg.Explanation = "The app asked to return to " + clip(asked, 512) + ", which is not registered for sign-outs (" +
			"app-homepage-url-not-found). Set the app's homepage, or register the address."
	}
	return p.print().print(w, http.StatusOK, pg)
}

// Refuse shows a refusal of the protocol's front as a page.
func (p *Pages) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	p.dialect(w, r, p.front().Public(r, err))
}

// home is the bare address: a word about what it is, and in development the way
// to the apps.
func (p *Pages) home(w http.ResponseWriter, r *http.Request) error {
	pg := homePage{frame: p.frame("Sign-in")}
	if p.Outbox != nil {
		envs, err := p.Identity.Environments(r.Context())
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, e := range envs {
			home := e.Settings.HomepageURL
			if e.Kind != identity.Production && isWeb(home) && !seen[home] && len(pg.Apps) < 20 {
				seen[home] = true
				pg.Apps = append(pg.Apps, home)
			}
		}
	}
	return p.print().print(w, http.StatusOK, pg)
}

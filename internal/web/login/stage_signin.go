package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// signInPage asks for address and password.
type signInPage struct{ form }

func (signInPage) template() string { return "sign-in.html" }

// signIn fills in the page.
func (p *Pages) signIn(s *authflow.AskSignIn) page {
	f := p.form(s.Screen, "Sign in")
	f.Email = s.Email
	f.Focus = firstEmpty(f, "email", "password")
	if !s.SignUpAllowed {
		f.SignUpLink = ""
	}
	return signInPage{f}
}

// decodeSignIn reads the form.
func decodeSignIn(f url.Values) authflow.Answer {
	return authflow.EnterPassword{Email: text(f, "email", 320), Password: text(f, "password", 1024)}
}

package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// signUpPage asks for address and a new password.
type signUpPage struct{ form }

func (signUpPage) template() string { return "sign-up.html" }

// signUp fills in the page.
func (p *Pages) signUp(s *authflow.AskSignUp) page {
	f := p.form(s.Screen, "Sign up")
	f.Email = s.Email
	f.Focus = firstEmpty(f, "email", "password")
	f.PasswordHint = passwordHint(s.MinPassword)
	return signUpPage{f}
}

// decodeSignUp reads the form.
func decodeSignUp(f url.Values) authflow.Answer {
	return authflow.Register{Email: text(f, "email", 320), Password: text(f, "password", 1024)}
}

package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// signUpPage asks for the address and, where they are offered, for a new password.
type signUpPage struct {
	form
	Password bool
}

func (signUpPage) template() string { return "sign-up.html" }

// signUp fills in the page.
func (p *Pages) signUp(s *authflow.AskSignUp) page {
	f := p.form(s.Screen, "Sign up")
	f.Email = s.Email
	if f.Focus = firstEmpty(f, "email", "password"); s.Methods.NoPassword {
		f.Focus = "email"
	}
	f.PasswordHint = passwordHint(s.MinPassword)
	f.Providers = providers(f, s.Elsewhere)
	return signUpPage{f, !s.Methods.NoPassword}
}

// decodeSignUp reads the form.
func decodeSignUp(f url.Values) authflow.Answer {
	return authflow.Register{Email: text(f, "email", 320), Password: text(f, "password", 1024)}
}

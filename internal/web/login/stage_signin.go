package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// signInPage asks for the address and, where they are offered, for the password.
type signInPage struct {
	form
	Password, MagicCode bool
	Passkey             string // what the script needs; "" if passkeys are not offered
}

func (signInPage) template() string { return "sign-in.html" }

// signIn fills in the page.
func (p *Pages) signIn(s *authflow.AskSignIn) page {
	f := p.form(s.Screen, "Sign in")
	f.Email = s.Email
	if f.Focus = firstEmpty(f, "email", "password"); s.Methods.NoPassword {
		f.Focus = "email"
	}
	if !s.SignUpAllowed {
		f.SignUpLink = ""
	}
	f.Providers = providers(f, s.Elsewhere)
	if s.Passkey != "" {
		f.Script, f.Autofill = p.print().passkeys, "username webauthn"
	}
	return signInPage{f, !s.Methods.NoPassword, !s.Methods.NoPassword && !s.Methods.NoMagicCode, s.Passkey}
}

// decodeSignIn reads the form.
func decodeSignIn(f url.Values) authflow.Answer {
	if f.Get("way") == "code" {
		return authflow.AskForCode{Email: text(f, "email", 320)}
	}
	return authflow.EnterPassword{Email: text(f, "email", 320), Password: text(f, "password", 1024)}
}

package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// forgotPage asks where to send a code to somebody who forgot the password.
type forgotPage struct{ form }

func (forgotPage) template() string { return "forgot.html" }

// newPasswordPage asks for the password that replaces a forgotten one.
type newPasswordPage struct{ form }

func (newPasswordPage) template() string { return "new-password.html" }

// forgot fills in the page of who forgot the password.
func (p *Pages) forgot(s *authflow.AskForgot) page {
	f := p.form(s.Screen, "Forgotten password")
	f.Email, f.Focus = s.Email, "email"
	return forgotPage{f}
}

// newPassword fills in the page of who proved to own the mailbox.
func (p *Pages) newPassword(s *authflow.AskNewPassword) page {
	f := p.form(s.Screen, "Choose a new password")
	f.Email, f.Focus = s.Email, "password"
	f.PasswordHint = passwordHint(s.MinPassword)
	return newPasswordPage{f}
}

// decodeForgot reads the form of the one.
func decodeForgot(f url.Values) authflow.Answer {
	return authflow.ForgotPassword{Email: text(f, "email", 320)}
}

// decodeNewPassword reads the form of the other.
func decodeNewPassword(f url.Values) authflow.Answer {
	return authflow.ChoosePassword{Password: text(f, "password", 1024)}
}

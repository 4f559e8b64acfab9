package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// codePage asks for the code that was mailed.
type codePage struct {
	form
	Reset bool // the password was forgotten
	Magic bool // in place of a password; else the address is to be confirmed
}

func (codePage) template() string { return "code.html" }

// code fills in the page.
func (p *Pages) code(s *authflow.AskCode) page {
	f := p.form(s.Screen, "Check your email")
	f.Email, f.Focus = s.Email, "code"
	return codePage{f, s.For == authflow.CodeForReset, s.For == authflow.CodeForSignIn}
}

// decodeCode reads the form.
func decodeCode(f url.Values) authflow.Answer { return authflow.EnterCode{Code: text(f, "code", 64)} }

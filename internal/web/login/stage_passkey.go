package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// passkeyPage offers to make a passkey.
type passkeyPage struct {
	form
	Options string // what the script needs
}

func (passkeyPage) template() string { return "passkey.html" }

// passkey fills in the page.
func (p *Pages) passkey(s *authflow.AskPasskey) page {
	f := p.form(s.Screen, "Add a passkey")
	f.Email, f.Script = s.Email, p.print().passkeys
	return passkeyPage{f, s.Options}
}

// maxCredential is more than a browser's answer about a passkey takes.
const maxCredential = 12 << 10

// decodeShowPasskey reads the form of a passkey on the sign-in page.
func decodeShowPasskey(f url.Values) authflow.Answer {
	return authflow.ShowPasskey{Response: text(f, "credential", maxCredential)}
}

// decodeAddPasskey reads the form of a new one.
func decodeAddPasskey(f url.Values) authflow.Answer {
	return authflow.AddPasskey{Response: text(f, "credential", maxCredential)}
}

package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// factorPage asks for the code of an authenticator app.
type factorPage struct{ form }

// recoveryCodePage asks for a recovery code in its place.
type recoveryCodePage struct{ form }

// codesLeftPage says how many recovery codes there still are.
type codesLeftPage struct {
	form
	Left int
}

// enrollPage shows the secret for a new authenticator app, to scan and to type.
type enrollPage struct {
	form
	Secret string // in groups of four
	Side   int    // of the QR code's view box, in modules
	Path   string // its dark modules
}

// recoveryCodesPage shows the recovery codes, this once.
type recoveryCodesPage struct {
	form
	Codes []string
}

func (factorPage) template() string        { return "factor.html" }
func (recoveryCodePage) template() string  { return "recovery-code.html" }
func (codesLeftPage) template() string     { return "codes-left.html" }
func (enrollPage) template() string        { return "enroll.html" }
func (recoveryCodesPage) template() string { return "recovery-codes.html" }

// factor fills in the page for the app's code.
func (p *Pages) factor(s *authflow.AskFactor) page {
	f := p.form(s.Screen, "Two-step sign-in")
	f.Email, f.Focus = s.Email, "code"
	return factorPage{f}
}

// recoveryCode fills in the page for a recovery code.
func (p *Pages) recoveryCode(s *authflow.AskRecoveryCode) page {
	f := p.form(s.Screen, "Recovery code")
	f.Email, f.Focus = s.Email, "code"
	return recoveryCodePage{f}
}

// codesLeft fills in the page after a recovery code was used.
func (p *Pages) codesLeft(s *authflow.TellCodesLeft) page {
	return codesLeftPage{p.form(s.Screen, "Recovery code used"), s.Left}
}

// enroll fills in the page with a new secret. Without a picture the secret is still
// there to be typed.
func (p *Pages) enroll(s *authflow.AskEnroll) page {
	f := p.form(s.Screen, "Set up two-step sign-in")
	f.Email, f.Focus = s.Email, "code"
	pg := enrollPage{form: f, Secret: grouped(s.Secret)}
	if q, err := identity.NewQRCode(s.URI); err == nil {
		pg.Side, pg.Path = q.Side(), q.Path()
	} else {
		p.Log.Warn("QR code not drawn", "err", err)
	}
	return pg
}

// recoveryCodes fills in the page with the codes.
func (p *Pages) recoveryCodes(s *authflow.TellRecoveryCodes) page {
	return recoveryCodesPage{p.form(s.Screen, "Your recovery codes"), s.Codes}
}

// grouped writes a secret in groups of four, as it is easier to type.
func grouped(s string) string {
	var out []byte
	for i := range len(s) {
		if i > 0 && i%4 == 0 {
			out = append(out, ' ')
		}
		out = append(out, s[i])
	}
	return string(out)
}

// decodeRecoveryCode reads the form of a recovery code.
func decodeRecoveryCode(f url.Values) authflow.Answer {
	return authflow.EnterRecoveryCode{Code: text(f, "code", 64)}
}

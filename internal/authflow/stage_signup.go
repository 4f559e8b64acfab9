package authflow

import (
	"strings"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/identity"
)

// AskSignUp asks for Email, Password (if offered) and, optionally, names. Ways on:
// Register, GoTo SignIn.
type AskSignUp struct {
	Screen
	Methods                    identity.SignInMethods
	Elsewhere                  []Elsewhere // as in AskSignIn
	Email, FirstName, LastName string
	MinPassword                int // characters
}

// Register answers AskSignUp.
type Register struct{ Email, Password, FirstName, LastName string }

func (Register) answer() {}

// askSignUp is the page with Email, Password and names.
func askSignUp(a attempt, w world, s Screen) Step {
	return &AskSignUp{Screen: s, Methods: w.Methods, Email: a.Email, FirstName: a.Pending.FirstName, LastName: a.Pending.LastName, MinPassword: minPassword}
}

// nextSignUp keeps what was entered there until the address is proven.
func nextSignUp(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in := in.(type) {
	case Register:
		a.Pending = registration{FirstName: strings.TrimSpace(keepTyped(in.FirstName)), LastName: strings.TrimSpace(keepTyped(in.LastName))}
		email, _, ok := identity.ParseEmail(in.Email)
		if !ok {
			a.Email = keepTyped(in.Email)
			p := badEmail
			return a, ask(a, w, &p), nil
		}
		a.Email = email
		if !a.signUpAllowed(w) {
			a.Stage = atSignIn
			return a, ask(a, w, &signUpClosed), nil
		}
		if utf8.RuneCountInString(a.Pending.FirstName) > 100 || utf8.RuneCountInString(a.Pending.LastName) > 100 {
			return a, ask(a, w, &Problem{Field: FieldName, Code: "name_too_long", Message: "Names may have at most 100 characters."}), nil
		}
		if w.Methods.NoPassword && w.Methods.NoMagicCode {
			return a, ask(a, w, &methodNotOffered), nil
		}
		if w.Methods.NoPassword {
			return a, nil, []effect{lookAccount{Email: email}} // for the limits on mail alone
		}
		if p := checkPassword(in.Password, email, w.Words...); p != nil {
			return a, ask(a, w, p), nil
		}
		return a, nil, []effect{hashPassword{Password: in.Password}}
	case accountLooked:
		if in.User == "" && a.invited() {
			// The link in the invitation's mail has shown that the address is theirs. That
			// holds for a new account only: who sent the invitation may have seen the link.
			p := proof{Method: identity.MethodPassword, Mailbox: true}
			if a.Pending.PasswordHash == "" {
				p.Method = identity.MethodMagicAuth
			}
			return prove(a, p)
		}
		return mailNew(a, w, atVerify, CodeForVerification, true)
	case passwordRefused:
		return a, ask(a, w, &in.Problem), nil
	case passwordHashed:
		if a.Pending.PasswordHash = in.Hash; a.invited() {
			return a, nil, []effect{lookAccount{Email: a.Email}}
		}
		return mailNew(a, w, atVerify, CodeForVerification, true)
	case guessedTooMuch:
		return a, ask(a, w, tooMuch("", in.Retry)), nil
	}
	return a, ask(a, w, nil), nil
}

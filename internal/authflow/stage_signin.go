package authflow

import "github.com/lentil-dev/lentil/internal/identity"

// AskSignIn asks for Email and Password. Ways on: EnterPassword, GoTo SignUp,
// GoTo Forgot.
type AskSignIn struct {
	Screen
	Email         string // to be filled in
	SignUpAllowed bool
}

// EnterPassword answers AskSignIn.
type EnterPassword struct{ Email, Password string }

func (EnterPassword) answer() {}

// askSignIn is the page with Email and Password.
func askSignIn(a attempt, w world, s Screen) Step {
	return &AskSignIn{Screen: s, Email: a.Email, SignUpAllowed: w.SignUpAllowed}
}

// nextSignIn checks what was entered there.
func nextSignIn(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in := in.(type) {
	case EnterPassword:
		email, _, ok := identity.ParseEmail(in.Email)
		if !ok {
			a.Email = keepTyped(in.Email)
			p := badEmail
			return a, ask(a, w, &p), nil
		}
		a.Email, a.User = email, ""
		if in.Password == "" {
			return a, ask(a, w, &Problem{Field: FieldPassword, Code: "password_missing", Message: "Enter your password."}), nil
		}
		return a, nil, []effect{checkCredentials{Email: email, Password: in.Password}}
	case passwordChecked:
		if in.User == "" {
			return a, ask(a, w, &Problem{Field: FieldPassword, Code: "invalid_credentials", Message: "E-mail and password do not match. Check both, or reset your password."}), nil
		}
		return prove(a, proof{User: in.User, Method: identity.MethodPassword})
	case guessedTooMuch:
		return a, ask(a, w, tooMuch("", in.Retry)), nil
	}
	return a, ask(a, w, nil), nil
}

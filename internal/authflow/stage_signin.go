package authflow

import "github.com/lentil-dev/lentil/internal/identity"

// AskSignIn asks for Email and, where passwords are offered, Password. Ways on:
// EnterPassword, AskForCode, ShowPasskey, GoTo SignUp, GoTo Forgot.
type AskSignIn struct {
	Screen
	Email         string // to be filled in
	SignUpAllowed bool
	Methods       identity.SignInMethods
	Elsewhere     []Elsewhere // the shell fills them in; GoAway leads there
	Passkey       string      // for the page's script, the shell fills it in; "" if none is asked for
}

// EnterPassword answers AskSignIn.
type EnterPassword struct{ Email, Password string }

func (EnterPassword) answer() {}

// askSignIn is the page with Email and Password.
func askSignIn(a attempt, w world, s Screen) Step {
	return &AskSignIn{Screen: s, Email: a.Email, SignUpAllowed: a.signUpAllowed(w), Methods: w.Methods}
}

// nextSignIn checks what was entered there.
func nextSignIn(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in := in.(type) {
	case ShowPasskey, passkeyShown:
		return nextShown(a, in, w)
	case AskForCode:
		return magicRequested(a, in.Email, w)
	case accountLooked:
		a.User = in.User
		return mailNew(a, w, atMagic, CodeForSignIn, in.User != "" || a.signUpAllowed(w))
	case EnterPassword:
		if w.Methods.NoPassword {
			return magicRequested(a, in.Email, w)
		}
		email, _, ok := identity.ParseEmail(in.Email)
		if !ok {
			a.Email = keepTyped(in.Email)
			p := badEmail
			return a, ask(a, w, &p), nil
		}
		a.Email, a.User = email, ""
		if in.Password == "" {
			p := Problem{Field: FieldPassword, Code: "password_missing", Message: "Enter your password."}
			if !w.Methods.NoMagicCode {
				p.Message = "Enter your password, or have a code mailed to you."
			}
			return a, ask(a, w, &p), nil
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

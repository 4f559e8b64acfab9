package authflow

import "github.com/lentil-dev/lentil/internal/identity"

// AskForgot asks for the Email whose password was forgotten. Ways on:
// ForgotPassword, GoTo SignIn.
type AskForgot struct {
	Screen
	Email string
}

// AskNewPassword asks for a new Password. Ways on: ChoosePassword.
type AskNewPassword struct {
	Screen
	Email       string // for password managers
	MinPassword int
}

// ForgotPassword answers AskForgot.
type ForgotPassword struct{ Email string }

// ChoosePassword answers AskNewPassword.
type ChoosePassword struct{ Password string }

func (ForgotPassword) answer() {}
func (ChoosePassword) answer() {}

// askForgot is the page that asks whose password was forgotten.
func askForgot(a attempt, _ world, s Screen) Step {
	if a.Fault == ResetExpired && s.Problem == nil {
		p := resetUsedUp
		s.Problem = &p
	}
	return &AskForgot{Screen: s, Email: a.Email}
}

// nextForgot mails a code to whoever forgot the password. Whether there
// is such an account shows nowhere but in the mailbox.
func nextForgot(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in := in.(type) {
	case ForgotPassword:
		a.Fault = ""
		email, _, ok := identity.ParseEmail(in.Email)
		if !ok {
			a.Email = keepTyped(in.Email)
			p := badEmail
			return a, ask(a, w, &p), nil
		}
		a.Email = email
		return a, nil, []effect{lookAccount{Email: email}}
	case accountLooked:
		a.User = in.User
		return mailNew(a, w, atReset, CodeForReset, in.User != "")
	case guessedTooMuch:
		return a, ask(a, w, tooMuch("", in.Retry)), nil
	}
	return a, ask(a, w, nil), nil
}

// askNewPassword is the page that asks for a new password.
func askNewPassword(a attempt, _ world, s Screen) Step {
	return &AskNewPassword{Screen: s, Email: a.Email, MinPassword: minPassword}
}

// nextNewPassword sets it, after the mailbox was proven.
func nextNewPassword(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in := in.(type) {
	case ChoosePassword:
		if p := checkPassword(in.Password, a.Email, w.Words...); p != nil {
			return a, ask(a, w, p), nil
		}
		return a, nil, []effect{hashPassword(in)}
	case passwordRefused:
		return a, ask(a, w, &in.Problem), nil
	case passwordHashed:
		if a.ResetToken != "" {
			return prove(a, proof{User: a.User, Method: identity.MethodPassword, Mailbox: true}, resetPassword(in), mailChanged{User: a.User})
		}
		return prove(a, proof{User: a.User, Method: identity.MethodPassword, Mailbox: true}, changePassword{User: a.User, Hash: in.Hash}, mailChanged{User: a.User})
	}
	return a, ask(a, w, nil), nil
}

package authflow

import "github.com/lentil-dev/lentil/internal/identity"

// AskForCode answers AskSignIn: a code by mail in place of the password.
type AskForCode struct{ Email string }

func (AskForCode) answer() {}

// magicRequested begins a sign-in by a mailed code. Whether the address has an
// account shows nowhere but in the mailbox.
func magicRequested(a attempt, typed string, w world) (attempt, Step, []effect) {
	email, _, ok := identity.ParseEmail(typed)
	if !ok {
		a.Email = keepTyped(typed)
		p := badEmail
		return a, ask(a, w, &p), nil
	}
	a.Email, a.User = email, ""
	if w.Methods.NoMagicCode {
		return a, ask(a, w, &methodNotOffered), nil
	}
	return a, nil, []effect{lookAccount{Email: email}}
}

// methodNotOffered is the problem with a way to sign in that the environment does
// not have.
var methodNotOffered = Problem{Code: "method_not_offered", Message: "This way of signing in is not offered here. Choose another one."}

// askMagic is the page that asks for the code.
func askMagic(a attempt, _ world, s Screen) Step {
	return &AskCode{Screen: s, For: CodeForSignIn, Email: a.Email}
}

// nextMagic takes the code. An address without an account becomes one, where
// accounts can be made.
func nextMagic(a attempt, in input, w world) (attempt, Step, []effect) {
	return nextCode(a, in, w, CodeForSignIn, a.User != "" || a.signUpAllowed(w), func(a attempt) (attempt, Step, []effect) {
		return prove(a, proof{User: a.User, Method: identity.MethodMagicAuth, Mailbox: true}, codeRight{})
	})
}

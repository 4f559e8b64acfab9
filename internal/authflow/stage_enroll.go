package authflow

import "github.com/lentil-dev/lentil/internal/identity"

// AskEnroll shows the secret for a new authenticator app and asks for the code that
// the app then shows. Ways on: EnterCode, GoTo SignIn.
type AskEnroll struct {
	Screen
	Email  string
	Secret string // base32
	URI    string // the same for a QR code; the shell fills it in
}

// TellRecoveryCodes shows the recovery codes, this once. Ways on: Continue.
type TellRecoveryCodes struct {
	Screen
	Codes []string // the shell fills them in
}

// askEnroll is the page with the secret.
func askEnroll(a attempt, w world, s Screen) Step {
	return &AskEnroll{Screen: s, Email: a.Email, Secret: w.Secret}
}

// nextEnroll takes the app's first code. Nothing is stored before it is right, so
// that nobody is locked out by a code that was never scanned.
func nextEnroll(a attempt, in input, w world) (attempt, Step, []effect) {
	if in, ok := in.(EnterCode); ok {
		bad := func(code, message string) Step {
			return ask(a, w, &Problem{Field: FieldCode, Code: code, Message: message})
		}
		code, ok := readCode(in.Code)
		if !ok {
			return a, bad("code_malformed", "Enter the six digits that your authenticator app shows."), nil
		}
		step, ok := identity.TOTPStep(w.Secret, code, w.Now)
		if !ok {
			return a, bad("code_wrong", "This code is not right. Check that the clock of your phone is, and enter the newest code."), nil
		}
		a.Proof.Second, a.Stage = secondOTP, atRecoveryCodes
		return a, ask(a, w, nil), []effect{enrollFactor{Step: step}, mailEnrolled{User: a.Proof.User}}
	}
	return a, ask(a, w, nil), nil
}

// tellRecoveryCodes is the page with the codes.
func tellRecoveryCodes(_ attempt, _ world, s Screen) Step { return &TellRecoveryCodes{Screen: s} }

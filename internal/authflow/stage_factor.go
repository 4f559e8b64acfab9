package authflow

// AskFactor asks for the code that an authenticator app shows. Ways on: EnterCode,
// GoTo RecoveryCode, GoTo SignIn.
type AskFactor struct {
	Screen
	Email string
}

// AskRecoveryCode asks for a recovery code in its place. Ways on: EnterRecoveryCode,
// GoTo Authenticator, GoTo SignIn.
type AskRecoveryCode struct {
	Screen
	Email string
}

// TellCodesLeft says how many recovery codes there still are. Ways on: Continue,
// RenewCodes.
type TellCodesLeft struct {
	Screen
	Left int
}

// EnterRecoveryCode answers AskRecoveryCode; case, spaces and dashes do not matter.
type EnterRecoveryCode struct{ Code string }

func (EnterRecoveryCode) answer() {}

// RenewCodes answers TellCodesLeft: new codes in place of those that are left.
type RenewCodes struct{}

func (RenewCodes) answer() {}

// secondOTP is how the claim amr calls a second factor that is a code (RFC 8176).
const secondOTP = "otp"

// askFactor is the page that asks for the app's code.
func askFactor(a attempt, _ world, s Screen) Step { return &AskFactor{Screen: s, Email: a.Email} }

// nextFactor takes it.
func nextFactor(a attempt, in input, w world) (attempt, Step, []effect) {
	bad := func(code, message string) Step {
		return ask(a, w, &Problem{Field: FieldCode, Code: code, Message: message})
	}
	switch in := in.(type) {
	case EnterCode:
		code, ok := readCode(in.Code)
		if !ok {
			return a, bad("code_malformed", "Enter the six digits that your authenticator app shows."), nil
		}
		return a, nil, []effect{checkFactor{User: a.Proof.User, Code: code}}
	case factorChecked:
		if !in.OK {
			return a, bad("code_wrong", "This code is not right, or was used already. Wait for the app's next one."), nil
		}
		p := a.Proof
		p.Second = secondOTP
		return prove(a, p)
	case guessedTooMuch:
		return a, ask(a, w, tooMuch(FieldCode, in.Retry)), nil
	}
	return a, ask(a, w, nil), nil
}

// askRecoveryCode is the page that asks for a recovery code.
func askRecoveryCode(a attempt, _ world, s Screen) Step {
	return &AskRecoveryCode{Screen: s, Email: a.Email}
}

// nextRecoveryCode takes it, and says how many are left.
func nextRecoveryCode(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in := in.(type) {
	case EnterRecoveryCode:
		if len(in.Code) < 24 || len(in.Code) > 64 {
			return a, ask(a, w, &Problem{Field: FieldCode, Code: "code_malformed", Message: "Enter one of the codes that you wrote down, with all of its four groups."}), nil
		}
		return a, nil, []effect{checkRecoveryCode{User: a.Proof.User, Code: in.Code}}
	case factorChecked:
		if !in.OK {
			return a, ask(a, w, &Problem{Field: FieldCode, Code: "code_wrong", Message: "This is none of your recovery codes, or it was used already."}), nil
		}
		a.Proof.Second, a.Proof.CodesLeft, a.Stage = secondOTP, in.Left, atCodesLeft
		return a, ask(a, w, nil), []effect{mailRecovered{User: a.Proof.User}}
	case guessedTooMuch:
		return a, ask(a, w, tooMuch(FieldCode, in.Retry)), nil
	}
	return a, ask(a, w, nil), nil
}

// tellCodesLeft is the page after a recovery code.
func tellCodesLeft(a attempt, _ world, s Screen) Step {
	return &TellCodesLeft{Screen: s, Left: a.Proof.CodesLeft}
}

// nextCodesLeft goes on, or makes new codes first.
func nextCodesLeft(a attempt, in input, w world) (attempt, Step, []effect) {
	if _, ok := in.(RenewCodes); ok {
		a.Stage = atRecoveryCodes
		return a, ask(a, w, nil), []effect{renewCodes{}}
	}
	return nextContinue(a, in, w)
}

// nextContinue goes on from a page that only tells something.
func nextContinue(a attempt, in input, w world) (attempt, Step, []effect) {
	if _, ok := in.(Continue); ok {
		return prove(a, a.Proof)
	}
	return a, ask(a, w, nil), nil
}

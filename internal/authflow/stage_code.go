package authflow

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/lentil-dev/lentil/internal/identity"
)

// CodeFor is why a code was mailed.
type CodeFor string

// The reasons for a code.
const (
	CodeForVerification CodeFor = "verification" // the address is to be confirmed
	CodeForReset        CodeFor = "reset"        // the password was forgotten
	CodeForSignIn       CodeFor = "sign-in"      // in place of a password
)

// AskCode asks for the six digits sent to Email. Ways on: EnterCode, SendAgain,
// GoTo SignIn.
type AskCode struct {
	Screen
	For   CodeFor
	Email string
}

// EnterCode answers AskCode; spaces and dashes within are fine.
type EnterCode struct{ Code string }

// SendAgain asks AskCode for another code.
type SendAgain struct{}

func (EnterCode) answer() {}
func (SendAgain) answer() {}

// mailNew makes a new code the attempt's and moves to the page that asks for it.
// Without a recipient nothing is sent and no code can match; the page is the same.
func mailNew(a attempt, w world, to stage, why CodeFor, recipient bool) (attempt, Step, []effect) {
	if a.Mailed.Sends >= maxSends {
		return a, ask(a, w, &Problem{Code: "too_many_codes", Message: "No more codes can be sent here. Start again from the app in a while."}), nil
	}
	a.Stage = to
	a.Mailed = mailed{Expires: w.Now.Add(codeLifetime), Sends: a.Mailed.Sends + 1}
	if !recipient {
		return a, ask(a, w, nil), []effect{mailCode{For: why}}
	}
	a.Mailed.Hash = codeHash(a.ID, w.Code)
	return a, ask(a, w, nil), []effect{mailCode{For: why, Code: w.Code}}
}

// codeHash is how a mailed code is stored. Six digits can be tried out by whoever
// has the store; the few minutes of a code's life are its protection there.
func codeHash(id AttemptID, code string) string {
	sum := sha256.Sum256([]byte("lentil mailed code\x00" + string(id) + "\x00" + code))
	return hex.EncodeToString(sum[:])
}

// readCode takes a typed code as people type it: with spaces or a dash within.
func readCode(s string) (code string, ok bool) {
	if len(s) > 64 {
		return "", false
	}
	code = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '\t', '\n', '\r', '\u00a0', '\u2013':
			return -1
		}
		return r
	}, s)
	if len(code) != 6 {
		return "", false
	}
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return "", false
		}
	}
	return code, true
}

// askVerify is the page that asks for the code by which an address is proven.
func askVerify(a attempt, _ world, s Screen) Step {
	return &AskCode{Screen: s, For: CodeForVerification, Email: a.Email}
}

// nextVerify takes that code: from somebody whose password was right already, or
// from somebody who signs up.
func nextVerify(a attempt, in input, w world) (attempt, Step, []effect) {
	return nextCode(a, in, w, CodeForVerification, true, func(a attempt) (attempt, Step, []effect) {
		p := a.Proof
		if p.Mailbox = true; p.Method == "" {
			if p.Method = identity.MethodPassword; a.Pending.PasswordHash == "" {
				p.Method = identity.MethodMagicAuth
			}
		}
		return prove(a, p, codeRight{})
	})
}

// askReset is the page that asks for the code by which a new password may be set.
func askReset(a attempt, _ world, s Screen) Step {
	return &AskCode{Screen: s, For: CodeForReset, Email: a.Email}
}

// nextReset takes that code.
func nextReset(a attempt, in input, w world) (attempt, Step, []effect) {
	return nextCode(a, in, w, CodeForReset, a.User != "", func(a attempt) (attempt, Step, []effect) {
		a.Stage = atNewPassword
		return a, ask(a, w, nil), []effect{codeRight{}}
	})
}

// nextCode is what all pages that ask for a mailed code have in common; right says
// how it goes on from a code that is right, and recipient whether a code that is
// sent again has somebody to go to.
func nextCode(a attempt, in input, w world, why CodeFor, recipient bool, right func(attempt) (attempt, Step, []effect)) (attempt, Step, []effect) {
	bad := func(code, message string) Step {
		return ask(a, w, &Problem{Field: FieldCode, Code: code, Message: message})
	}
	switch in := in.(type) {
	case EnterCode:
		code, ok := readCode(in.Code)
		switch {
		case !ok:
			return a, bad("code_malformed", "Enter the six digits from the e-mail."), nil
		case !w.Now.Before(a.Mailed.Expires):
			return a, bad("code_expired", "This code has expired. Ask for a new one."), nil
		case a.Mailed.Wrong >= maxWrongCodes:
			return a, bad("code_used_up", "This code was entered wrongly too often. Ask for a new one."), nil
		case subtle.ConstantTimeCompare([]byte(codeHash(a.ID, code)), []byte(a.Mailed.Hash)) != 1:
			a.Mailed.Wrong++
			return a, bad("code_wrong", "This code is not right. Check the newest e-mail, or ask for a new code."), []effect{codeFailed{}}
		}
		a.Mailed.Hash = "" // works once
		return right(a)
	case SendAgain:
		a, s, fx := mailNew(a, w, a.Stage, why, recipient)
		if c, ok := s.(*AskCode); ok && len(fx) > 0 {
			c.Notice = "We sent a new code. The old one no longer works."
		}
		return a, s, fx
	case guessedTooMuch:
		return a, ask(a, w, tooMuch(FieldCode, in.Retry)), nil
	}
	return a, ask(a, w, nil), nil
}

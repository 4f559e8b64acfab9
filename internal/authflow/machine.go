package authflow

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/identity"
)

// next is the machine: from what is stored and what came in, to what is to be
// stored, what is to be asked, and what somebody must do. It has no other input
// and no other output, and is tested by transcripts.
//
//	sign-in ──password right────────────────────────────────▶ done
//	   │ └────password right, address not proven──▶ verify ──▶ done
//	   ├─────▶ sign-up ──▶ verify
//	   └─────▶ forgot ──▶ reset ──code right──▶ new-password ─▶ done
//
// An input that does not fit the stage changes nothing and the stage is asked
// again: forms are sent twice, and browsers go back.
func next(a attempt, in input, w world) (attempt, Step, []effect) {
	if g, ok := in.(GoTo); ok && a.Stage != atDone {
		return goTo(a, g, w)
	}
	switch a.Stage {
	case atSignIn:
		return atSignInNext(a, in, w)
	case atSignUp:
		return atSignUpNext(a, in, w)
	case atVerify, atReset:
		return atCodeNext(a, in, w)
	case atForgot:
		return atForgotNext(a, in, w)
	case atNewPassword:
		return atNewPasswordNext(a, in)
	}
	return a, ask(a, w, nil), nil
}

// ask is the page of the attempt's stage.
func ask(a attempt, w world, p *Problem) Step {
	s := Screen{Attempt: a.ID, Problem: p}
	switch a.Stage {
	case atSignIn:
		return &AskSignIn{Screen: s, Email: a.Email, SignUpAllowed: w.SignUpAllowed}
	case atSignUp:
		return &AskSignUp{Screen: s, Email: a.Email, FirstName: a.Pending.FirstName, LastName: a.Pending.LastName, MinPassword: minPassword}
	case atVerify:
		return &AskCode{Screen: s, For: CodeForVerification, Email: a.Email}
	case atReset:
		return &AskCode{Screen: s, For: CodeForReset, Email: a.Email}
	case atForgot:
		return &AskForgot{Screen: s, Email: a.Email}
	case atNewPassword:
		return &AskNewPassword{Screen: s, Email: a.Email, MinPassword: minPassword}
	}
	return &Over{Screen: s, Reason: OverFinished}
}

// goTo follows a link between the pages that nothing has been proven on yet, or
// back to their beginning.
func goTo(a attempt, g GoTo, w world) (attempt, Step, []effect) {
	var to stage
	switch g.Place {
	case SignIn:
		to = atSignIn
	case SignUp:
		if to = atSignUp; !w.SignUpAllowed {
			to = atSignIn
		}
	case Forgot:
		to = atForgot
	default:
		return a, ask(a, w, nil), nil
	}
	if email := strings.TrimSpace(g.Email); email != "" && len(email) <= 254 && utf8.ValidString(email) {
		a.Email = email
	}
	if a.Stage != to {
		sends := a.Mailed.Sends // changing pages earns no further mails
		a.Stage, a.User, a.Pending, a.Mailed = to, "", registration{}, mailed{Sends: sends}
	}
	return a, ask(a, w, nil), nil
}

// tooMuch says how long guessing is over.
func tooMuch(f Field, d time.Duration) *Problem {
	unit, n := "minutes", int(math.Ceil(d.Minutes()))
	switch {
	case d < 90*time.Second:
		unit, n = "seconds", int(math.Ceil(d.Seconds()))
	case d > 90*time.Minute:
		unit, n = "hours", int(math.Ceil(d.Hours()))
	}
	return &Problem{Field: f, Code: "too_many_attempts", Message: fmt.Sprintf("Too many attempts. Please wait %d %s and try again.", n, unit), Retry: d}
}

// badEmail is the problem with something that is no address.
var badEmail = Problem{Field: FieldEmail, Code: "invalid_email", Message: "Enter your e-mail address, like ada@example.com."}

// signUpClosed is the problem with a sign-up where there are none.
var signUpClosed = Problem{Code: "sign_up_not_allowed", Message: "New accounts cannot be made here. Ask for an invitation."}

// atSignInNext is the page with Email and Password.
func atSignInNext(a attempt, in input, w world) (attempt, Step, []effect) {
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
		switch {
		case in.User == "":
			return a, ask(a, w, &Problem{Field: FieldPassword, Code: "invalid_credentials", Message: "E-mail and password do not match. Check both, or reset your password."}), nil
		case !in.Verified:
			a.User = in.User
			return mailNew(a, w, atVerify, CodeForVerification, true)
		}
		a.User = in.User
		return done(a, identity.MethodPassword)
	case guessedTooMuch:
		return a, ask(a, w, tooMuch("", in.Retry)), nil
	}
	return a, ask(a, w, nil), nil
}

// atSignUpNext is the page with Email, Password and names.
func atSignUpNext(a attempt, in input, w world) (attempt, Step, []effect) {
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
		if !w.SignUpAllowed {
			a.Stage = atSignIn
			return a, ask(a, w, &signUpClosed), nil
		}
		if utf8.RuneCountInString(a.Pending.FirstName) > 100 || utf8.RuneCountInString(a.Pending.LastName) > 100 {
			return a, ask(a, w, &Problem{Field: FieldName, Code: "name_too_long", Message: "Names may have at most 100 characters."}), nil
		}
		if p := checkPassword(in.Password, email); p != nil {
			return a, ask(a, w, p), nil
		}
		return a, nil, []effect{hashPassword{Password: in.Password}}
	case passwordHashed:
		a.Pending.PasswordHash = in.Hash
		return mailNew(a, w, atVerify, CodeForVerification, true)
	case guessedTooMuch:
		return a, ask(a, w, tooMuch("", in.Retry)), nil
	}
	return a, ask(a, w, nil), nil
}

// atForgotNext is the page that asks whose password was forgotten. Whether there
// is such an account shows nowhere but in the mailbox.
func atForgotNext(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in := in.(type) {
	case ForgotPassword:
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

// atCodeNext is the page that asks for a mailed code, for either reason.
func atCodeNext(a attempt, in input, w world) (attempt, Step, []effect) {
	why := CodeForVerification
	if a.Stage == atReset {
		why = CodeForReset
	}
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
		if why == CodeForReset {
			a.Stage = atNewPassword
			return a, ask(a, w, nil), []effect{codeRight{}}
		}
		if a.User != "" {
			user := a.User
			a, s, fx := done(a, identity.MethodPassword)
			return a, s, append([]effect{codeRight{}, proveAddress{User: user}}, fx...)
		}
		if !w.SignUpAllowed { // closed since the page was opened
			a.Stage = atSignIn
			return a, ask(a, w, &signUpClosed), []effect{codeRight{}}
		}
		a, s, fx := done(a, identity.MethodPassword)
		return a, s, append([]effect{codeRight{}, register{}}, fx...)
	case SendAgain:
		recipient := why == CodeForVerification || a.User != ""
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

// atNewPasswordNext is the page that asks for a new password, after the mailbox
// was proven.
func atNewPasswordNext(a attempt, in input) (attempt, Step, []effect) {
	switch in := in.(type) {
	case ChoosePassword:
		if p := checkPassword(in.Password, a.Email); p != nil {
			return a, ask(a, world{}, p), nil
		}
		return a, nil, []effect{hashPassword(in)}
	case passwordHashed:
		user := a.User
		a, s, fx := done(a, identity.MethodPassword)
		return a, s, append([]effect{changePassword{User: user, Hash: in.Hash}, mailChanged{User: user}}, fx...)
	}
	return a, ask(a, world{}, nil), nil
}

// done ends the attempt; the page is the redirect, which the shell fills in.
func done(a attempt, m identity.Method) (attempt, Step, []effect) {
	a.Stage, a.Mailed = atDone, mailed{}
	return a, &Done{}, []effect{finish{Method: m}}
}

// keepTyped is what was typed wrongly, in so far as it can be shown again.
func keepTyped(s string) string {
	s = strings.ToValidUTF8(s, "")
	if utf8.RuneCountInString(s) > 254 {
		s = string([]rune(s)[:254])
	}
	return s
}

package authflow

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// next is the machine: from what is stored and what came in, to what is to be
// stored, what is to be asked, and what somebody must do. It has no other input
// and no other output, and is tested by transcripts.
//
//	sign-in ──password right──────────────────────┐
//	   ├─────▶ magic ──code right─────────────────┤
//	   ├─────▶ sign-up ──▶ verify ──code right────┼──▶ afterProof
//	   └─────▶ forgot ──▶ reset ──▶ new-password ─┘
//
// Every method ends in prove, and afterProof (proof.go) decides what else is asked.
// An input that does not fit the stage changes nothing and the stage is asked
// again: forms are sent twice, and browsers go back.
func next(a attempt, in input, w world) (attempt, Step, []effect) {
	if a.Stage == atDone {
		return a, ask(a, w, nil), nil
	}
	if a, s, fx, ok := nextAway(a, in, w); ok {
		return a, s, fx
	}
	switch in := in.(type) {
	case GoTo:
		return goTo(a, in, w)
	case standing:
		return afterProof(a, in, w)
	case deniedByAction:
		return refusedSignIn(a, in, w)
	}
	return rowOf(a.Stage).next(a, in, w)
}

// stageRow is a row in the table of stages.
type stageRow struct {
	ask  func(a attempt, w world, s Screen) Step
	next func(a attempt, in input, w world) (attempt, Step, []effect)
}

// rowOf is the table of stages. Each stage has a file of its own, with its page, the
// answers to it and the two functions.
func rowOf(s stage) stageRow {
	switch s {
	case atSignIn:
		return stageRow{askSignIn, nextSignIn}
	case atSignUp:
		return stageRow{askSignUp, nextSignUp}
	case atVerify:
		return stageRow{askVerify, nextVerify}
	case atMagic:
		return stageRow{askMagic, nextMagic}
	case atFactor:
		return stageRow{askFactor, nextFactor}
	case atRecoveryCode:
		return stageRow{askRecoveryCode, nextRecoveryCode}
	case atCodesLeft:
		return stageRow{tellCodesLeft, nextCodesLeft}
	case atEnroll:
		return stageRow{askEnroll, nextEnroll}
	case atRecoveryCodes:
		return stageRow{tellRecoveryCodes, nextContinue}
	case atOrganization:
		return stageRow{askOrganization, nextOrganization}
	case atNotMember:
		return stageRow{tellNotMember, nextNotMember}
	case atPasskey:
		return stageRow{askPasskey, nextPasskey}
	case atInvitation:
		return stageRow{tellInvitation, nextInvitation}
	case atDevice:
		return stageRow{askDevice, nextDevice}
	case atDeviceAllowed, atDeviceDenied, atDeviceGone:
		return stageRow{tellDevice, nextOver}
	case atForgot:
		return stageRow{askForgot, nextForgot}
	case atReset:
		return stageRow{askReset, nextReset}
	case atNewPassword:
		return stageRow{askNewPassword, nextNewPassword}
	}
	return stageRow{askOver, nextOver}
}

// ask is the page of the attempt's stage.
func ask(a attempt, w world, p *Problem) Step {
	return rowOf(a.Stage).ask(a, w, Screen{Attempt: a.ID, Problem: p, LeadsTo: a.RedirectURI})
}

// askOver is the page of an attempt that is done.
func askOver(_ attempt, _ world, s Screen) Step { return &Over{Screen: s, Reason: OverFinished} }

// nextOver leaves it so.
func nextOver(a attempt, _ input, w world) (attempt, Step, []effect) { return a, ask(a, w, nil), nil }

// goTo follows a link between the pages that nothing has been proven on yet, or
// back to their beginning.
func goTo(a attempt, g GoTo, w world) (attempt, Step, []effect) {
	switch a.Stage {
	case atDeviceAllowed, atDeviceDenied, atDeviceGone: // it is over
		return a, ask(a, w, nil), nil
	}
	var to stage
	switch g.Place {
	case SignIn:
		to = atSignIn
	case SignUp:
		if to = atSignUp; !a.signUpAllowed(w) {
			to = atSignIn
		}
	case Forgot:
		if to = atForgot; w.Methods.NoPassword {
			to = atSignIn
		}
	case RecoveryCode, Authenticator:
		switch {
		case g.Place == RecoveryCode && a.Stage == atFactor:
			a.Stage = atRecoveryCode
		case g.Place == Authenticator && a.Stage == atRecoveryCode:
			a.Stage = atFactor
		}
		return a, ask(a, w, nil), nil
	default:
		return a, ask(a, w, nil), nil
	}
	if email := strings.TrimSpace(g.Email); email != "" && len(email) <= 254 && utf8.ValidString(email) {
		a.Email = email
	}
	if a.Stage != to {
		sends := a.Mailed.Sends // changing pages earns no further mails
		a.Stage, a.User, a.Proof, a.Pending, a.Mailed, a.ResetToken = to, "", proof{}, registration{}, mailed{Sends: sends}, ""
		a.Fault = ""
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

// keepTyped is what was typed wrongly, in so far as it can be shown again.
func keepTyped(s string) string {
	s = strings.ToValidUTF8(s, "")
	if utf8.RuneCountInString(s) > 254 {
		s = string([]rune(s)[:254])
	}
	return s
}

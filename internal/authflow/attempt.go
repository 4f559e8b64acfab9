package authflow

import (
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// Lifetimes and bounds of attempts and codes (workos-api.md §2.3 for the ten
// minutes; the others are ours).
const (
	attemptLifetime = time.Hour
	codeLifetime    = 10 * time.Minute // of mailed codes
	grantLifetime   = 10 * time.Minute // of authorization codes
	maxWrongCodes   = 5                // per mailed code
	maxSends        = 6                // codes per attempt
	maxState        = 16 << 10         // bytes of state; clients need 4 KiB
)

// stage is where an attempt stands.
type stage string

// The stages; each but the last is one page.
const (
	atSignIn      stage = "sign-in"
	atSignUp      stage = "sign-up"
	atVerify      stage = "verify"       // a code for the address was mailed
	atForgot      stage = "forgot"       //
	atMagic       stage = "magic"        // a code to sign in with was mailed
	atReset       stage = "reset"        // a code for a new password was mailed
	atNewPassword stage = "new-password" // that code was right

	atFactor        stage = "factor"         // the code of an authenticator app
	atRecoveryCode  stage = "recovery-code"  // in its place
	atCodesLeft     stage = "codes-left"     // after one was used
	atEnroll        stage = "enroll"         // a new authenticator app
	atRecoveryCodes stage = "recovery-codes" // which it brings
	atOrganization  stage = "organization"   // one of several
	atNotMember     stage = "not-member"     // of the one asked for
	atInvitation    stage = "invitation"     // that cannot be used
	atPasskey       stage = "passkey"        // the offer to make one

	atDevice        stage = "device" // may it be signed in?
	atDeviceAllowed stage = "device-allowed"
	atDeviceDenied  stage = "device-denied"
	atDeviceGone    stage = "device-gone"

	atDone stage = "done"
)

// attempt is one browser's way from an authorize request to a code, as stored.
type attempt struct {
	ID          AttemptID
	Environment identity.EnvironmentID
	Browser     string // hash of the browser's secret
	Origin      string // of the pages in that browser; "" if it was not told
	Revision    int    // grows with every change, so that of two answers at once one counts

	// From the authorize request.
	RedirectURI string
	Homeward    bool   // RedirectURI is the homepage, which gets no code
	State       []byte // as given; may be no UTF-8
	HasState    bool
	Challenge   string
	SignUp      bool // the application asked for the sign-up page
	// Organization is the only one that will do; "" if any does.
	Organization identity.OrganizationID
	ResetToken   string // of a mailed link, sealed
	Invitation   identity.InvitationID
	Invited      string // the address it went to
	Fault        LinkFault
	// Of an attempt that a device began, which leads back to no application.
	Device   string // id of its request
	UserCode string // as it shows it

	Stage   stage
	Email   string          // as typed, to be shown; the key decides
	User    identity.UserID // whom mail concerns; proves nothing
	Proof   proof           // what was shown so far
	Pending registration    // what a sign-up is to become
	Mailed  mailed
	// Ceremony counts the answers to challenges for passkeys.
	Ceremony int

	Created time.Time
	Expires time.Time

	// While one answer is worked on; not stored.
	answered []webhook.ActionKind // actions that agreed
	as       identity.UserID      // of an account to be made
}

// registration is a sign-up that waits for its address to be proven. Nothing of it
// exists elsewhere until then: nobody can hold an account for an address that is
// not theirs.
type registration struct {
	FirstName, LastName string
	PasswordHash        string
}

// mailed is the code that was last mailed.
type mailed struct {
	Hash    string // "" if there is none that could match
	Expires time.Time
	Wrong   int
	Sends   int // in this attempt
}

// input is what moves the machine: an Answer of a person, or an outcome of an
// effect that the machine asked for.
type input interface{}

// The outcomes of asking effects.
type (
	// passwordChecked is the outcome of checkCredentials.
	passwordChecked struct {
		User identity.UserID // "" if address and password do not match
	}
	// passwordRefused is the outcome of hashPassword for one that is known.
	passwordRefused struct{ Problem Problem }

	// passwordHashed is the outcome of hashPassword.
	passwordHashed struct{ Hash string }
	// accountLooked is the outcome of lookAccount.
	accountLooked struct{ User identity.UserID }
	// factorChecked is the outcome of checkFactor and checkRecoveryCode.
	factorChecked struct {
		OK   bool
		Left int // recovery codes
	}
	// guessedTooMuch comes instead of an outcome, or of a code, while a limit holds.
	guessedTooMuch struct{ Retry time.Duration }
)

// effect is something that somebody else must do. An asking one comes last, without
// a step, and its outcome goes straight back into the machine; of the others, those
// with mail happen after the attempt is stored and the rest in the same transaction.
type effect interface{ effect() }

// The asking effects.
type (
	// checkCredentials asks whether address and password belong together.
	checkCredentials struct{ Email, Password string }
	// hashPassword asks for a hash.
	hashPassword struct{ Password string }
	// lookAccount asks whether there is an account for an address.
	lookAccount struct{ Email string }
	// checkFactor asks whether a code is what one of the user's apps shows;
	// checkRecoveryCode whether it is one of the codes kept for the loss of the app.
	// Either way it works once.
	checkFactor struct {
		User identity.UserID
		Code string
	}
	checkRecoveryCode struct {
		User identity.UserID
		Code string
	}
	// lookStanding asks for what afterProof must know of an account, found by its id
	// or, if that is empty, by its address.
	lookStanding struct {
		User       identity.UserID
		Email      string
		Invitation identity.InvitationID
	}
)

// The doing effects.
type (
	// mailCode sends the present code to the attempt's address.
	mailCode struct {
		For  CodeFor
		Code string
	}
	// mailChanged tells the account's owner that the password was changed.
	mailChanged struct{ User identity.UserID }
	// codeFailed counts a wrong code; codeRight forgets the wrong ones.
	codeFailed struct{}
	codeRight  struct{}
	// proveAddress marks the user's address as verified. With Alone nothing but the
	// mailbox was proven: a password that somebody chose before is dropped.
	proveAddress struct {
		User  identity.UserID
		Alone bool
	}
	// register makes the pending user; or, with Into, gives what it brings along to
	// that one, whose address was never proven.
	register struct{ Into identity.UserID }
	// changePassword sets a new password and ends all sessions.
	changePassword struct {
		User identity.UserID
		Hash string
	}
	// enrollFactor gives the user the authenticator app whose code of a time step was
	// right, and recovery codes.
	enrollFactor struct{ Step int64 }
	// renewCodes gives the user new recovery codes in place of those that are left.
	renewCodes struct{}
	// mailEnrolled and mailRecovered tell the account's owner that this was done, and
	// that a recovery code was used.
	mailEnrolled  struct{ User identity.UserID }
	mailRecovered struct{ User identity.UserID }
	// refuse ends the attempt with an error for the application.
	refuse struct{ Code, Description string }
	// acceptInvitation makes the user a member.
	acceptInvitation struct{}
	// resetPassword does what changePassword does, by the token of a mailed link.
	resetPassword struct{ Hash string }
	// finish issues the authorization code for what was proven.
	finish struct{}
)

func (checkCredentials) effect()  {}
func (hashPassword) effect()      {}
func (lookAccount) effect()       {}
func (lookStanding) effect()      {}
func (checkFactor) effect()       {}
func (checkRecoveryCode) effect() {}
func (enrollFactor) effect()      {}
func (renewCodes) effect()        {}
func (mailEnrolled) effect()      {}
func (mailRecovered) effect()     {}
func (acceptInvitation) effect()  {}
func (resetPassword) effect()     {}
func (refuse) effect()            {}
func (mailCode) effect()          {}
func (mailChanged) effect()       {}
func (codeFailed) effect()        {}
func (codeRight) effect()         {}
func (proveAddress) effect()      {}
func (register) effect()          {}
func (changePassword) effect()    {}
func (finish) effect()            {}

// world is what the machine may know besides the attempt: the time, a fresh code,
// and the environment's rules.
type world struct {
	Now           time.Time
	Code          string // six random digits, for the case that one is needed
	SignUpAllowed bool
	Methods       identity.SignInMethods
	MFA           identity.MFAPolicy
	Words         []string // that passwords must not be made of
	Secret        string   // what the attempt's person would enrol an authenticator app with
}

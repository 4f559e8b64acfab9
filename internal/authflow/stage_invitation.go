package authflow

import "github.com/lentil-dev/lentil/internal/identity"

// LinkFault says why a mailed link cannot be used.
type LinkFault string

// The faults.
const (
	ResetExpired      LinkFault = "reset_expired" // a new password, expired or set
	InvitationUnknown LinkFault = "unknown"
	InvitationExpired LinkFault = "expired"
	InvitationRevoked LinkFault = "revoked"
	InvitationUsed    LinkFault = "used"       // by somebody else
	InvitationOther   LinkFault = "other_user" // it is for another address
)

// TellInvitation says that an invitation cannot be used. Ways on: GoTo SignIn (as
// somebody else), and Continue without it.
type TellInvitation struct {
	Screen
	Fault LinkFault
	Email string // of who is signed in; empty if nobody is yet
}

// tellInvitation is the page for that.
func tellInvitation(a attempt, _ world, s Screen) Step {
	return &TellInvitation{Screen: s, Fault: a.Fault, Email: a.Email}
}

// nextInvitation goes on without the invitation.
func nextInvitation(a attempt, in input, w world) (attempt, Step, []effect) {
	if _, ok := in.(Continue); ok {
		a.Invitation, a.Invited, a.Fault = "", "", ""
		if a.Proof.Method == "" {
			a.Stage = atSignIn
			return a, ask(a, w, nil), nil
		}
		return prove(a, a.Proof)
	}
	return a, ask(a, w, nil), nil
}

// signUpAllowed reports whether an account may be made in this attempt: an
// invitation allows it where it is closed to strangers.
func (a *attempt) signUpAllowed(w world) bool { return w.SignUpAllowed || a.Invitation != "" }

// invited reports whether the attempt's address is the one that the invitation went
// to. Whoever follows its link reads that mailbox.
func (a *attempt) invited() bool {
	_, to, ok := identity.ParseEmail(a.Invited)
	return ok && a.Invitation != "" && a.emailKey() == to
}

// invitation is what afterProof must know of the attempt's.
type invitation struct {
	Fault        LinkFault // "" if it can be used
	Organization identity.OrganizationID
}

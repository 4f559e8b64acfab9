package authflow

import (
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// proof is what the person has shown so far in an attempt. Every method of signing
// in ends by filling it in and calling prove.
type proof struct {
	User         identity.UserID         // the account; "" while a sign-up waits to become one
	Method       identity.Method         // of the first factor; "" until it is proven
	Since        time.Time               // when that was, if not in this attempt but by the browser's sign-in
	Mailbox      bool                    // a code or link that was mailed came back
	Fresh        bool                    // an address that was not proven before is now
	Second       string                  // the second factor, as amr spells it; "" until it is proven
	CodesLeft    int                     // recovery codes, after one was used
	Organization identity.OrganizationID // to go on with
	Joins        identity.OrganizationID // whose identity provider it was; makes a member
	Arrival      string                  // the key of what a provider said, to be settled at the end
	Offered      bool                    // a passkey was, in this attempt
}

// suffices reports whether the first factor needs no second one: an organization's
// identity provider has its own rules, and a passkey is two factors in one.
func (p proof) suffices() bool {
	switch p.Method {
	case identity.MethodSSO, identity.MethodPasskey, identity.MethodImpersonation:
		return true
	}
	return p.Second != ""
}

// prove notes that the person is who the account says, and asks for what the next
// step depends on. The effects are carried out whatever that step is.
func prove(a attempt, p proof, effects ...effect) (attempt, Step, []effect) {
	a.Proof = p
	return a, nil, append(effects, lookStanding{User: p.User, Email: a.Email, Invitation: a.Invitation})
}

// standing is what the house knows of an account whose owner has proven a method:
// the outcome of lookStanding.
type standing struct {
	User     identity.UserID // "" if the address has no account
	Verified bool            // its address was proven before
	Factor   bool            // it has a second factor
	Members  []membership    // the organizations it is an active member of, and the one it is invited to
	Invited  invitation      // the attempt's, if it has one
	// Home is the connection of the organization whose domain the address lies in, and
	// through which alone its people sign in; HomeOf is that organization.
	Home   sso.ConnectionID
	HomeOf identity.OrganizationID
	// OfferPasskey says that they may be asked to make a passkey.
	OfferPasskey bool
}

// membership is what afterProof must know of one of them.
type membership struct {
	Organization identity.OrganizationID
	MFA          identity.MFAPolicy
}

// afterProof decides what follows a proof, in this order: the address is verified,
// the account made if there is none, the invitation looked at, a second factor shown or enrolled, an
// organization chosen, the organization's own wish for a second factor fulfilled,
// a passkey offered, and the attempt done. It is asked again after each of these steps, so that each
// only has to look at its own condition.
func afterProof(a attempt, st standing, w world) (attempt, Step, []effect) {
	p := &a.Proof
	if p.Method == "" { // nothing was proven: a page overtook the question
		return a, ask(a, w, nil), nil
	}
	if st.Home != "" && p.Method != identity.MethodImpersonation && (p.Method != identity.MethodSSO || p.Joins != "" && p.Joins != st.HomeOf) {
		a.Stage, a.Proof, a.Pending = atSignIn, proof{}, registration{}
		return a, nil, []effect{lookAway{Connection: st.Home}}
	}
	var effects []effect
	switch {
	case st.User == "" && !p.Mailbox, p.User != "" && p.User != st.User: // deleted meanwhile
		a.Stage, a.Proof, a.User = atSignIn, proof{}, ""
		return a, ask(a, w, nil), nil
	case st.User == "":
		if a.Invitation != "" && st.Invited.Fault != "" {
			return a.uninvited(st.Invited.Fault, w, nil)
		}
		if !a.signUpAllowed(w) && p.Joins == "" { // closed since the page was opened
			a.Stage, a.Proof, a.Pending = atSignIn, proof{}, registration{}
			return a, ask(a, w, &signUpClosed), nil
		}
		p.Fresh = true
		effects = append(effects, register{})
	case p.User == "" && st.Verified:
		// A sign-up for an address that has an account: who reads its mail is signed in
		// as that one, and its password is left alone.
		p.User, a.Pending = st.User, registration{}
		if p.Method == identity.MethodPassword {
			p.Method = identity.MethodMagicAuth
		}
	case p.User == "":
		// That account's address was never proven: nobody who could read the mail chose
		// its password, which gives way to the new one.
		p.User, p.Fresh = st.User, true
		effects = append(effects, register{Into: st.User})
	case !st.Verified && !p.Mailbox:
		a.User = p.User
		return mailNew(a, w, atVerify, CodeForVerification, true)
	case !st.Verified:
		p.Fresh = true
		effects = append(effects, proveAddress{User: p.User, Alone: p.Method != identity.MethodPassword})
	}
	if a.Invitation != "" && st.Invited.Fault != "" {
		return a.uninvited(st.Invited.Fault, w, effects)
	}
	if org := st.Invited.Organization; org != "" {
		a.Organization = org
	}
	goTo := func(to stage) (attempt, Step, []effect) {
		a.Stage, a.Mailed = to, mailed{}
		return a, ask(a, w, nil), effects
	}
	wantsFactor := func(p identity.MFAPolicy) bool {
		return !a.Proof.suffices() && (p == identity.MFARequired || st.Factor && w.MFA != identity.MFAOff)
	}
	factor := atEnroll
	if st.Factor {
		factor = atFactor
	}
	if wantsFactor(w.MFA) {
		return goTo(factor)
	}
	org, unclear := a.chosen(st.Members)
	if unclear != "" {
		return goTo(unclear)
	}
	if p.Organization = org.Organization; wantsFactor(org.MFA) {
		return goTo(factor)
	}
	if a.Device != "" {
		return goTo(atDevice)
	}
	if a.offersPasskey(st, w) {
		return goTo(atPasskey)
	}
	a.Stage, a.Mailed = atDone, mailed{}
	if a.Invitation != "" {
		effects = append(effects, acceptInvitation{})
	}
	return a, &Done{}, append(effects, finish{})
}

// uninvited leads to the page that says why the invitation cannot be used.
func (a attempt) uninvited(why LinkFault, w world, effects []effect) (attempt, Step, []effect) {
	a.Stage, a.Mailed, a.Fault = atInvitation, mailed{}, why
	return a, ask(a, w, nil), effects
}

package authflow

import "github.com/lentil-dev/lentil/internal/identity"

// Choice is an organization that somebody may go on with.
type Choice struct {
	ID   identity.OrganizationID
	Name string
}

// AskOrganization asks with which of several organizations to go on. Ways on:
// ChooseOrganization, GoTo SignIn.
type AskOrganization struct {
	Screen
	Email         string
	Organizations []Choice // by name; the shell fills them in
}

// TellNotMember says that the application asked for an organization that the person
// is no member of. Ways on: GoTo SignIn (as somebody else), GiveUp.
type TellNotMember struct {
	Screen
	Email        string
	Organization string // its name; the shell fills it in
}

// ChooseOrganization answers AskOrganization.
type ChooseOrganization struct{ Organization identity.OrganizationID }

func (ChooseOrganization) answer() {}

// askOrganization is the page with the organizations.
func askOrganization(a attempt, _ world, s Screen) Step {
	return &AskOrganization{Screen: s, Email: a.Email}
}

// nextOrganization takes the choice; afterProof knows whether it is one.
func nextOrganization(a attempt, in input, w world) (attempt, Step, []effect) {
	if in, ok := in.(ChooseOrganization); ok {
		p := a.Proof
		p.Organization = in.Organization
		return prove(a, p)
	}
	return a, ask(a, w, nil), nil
}

// tellNotMember is the page for who is no member.
func tellNotMember(a attempt, _ world, s Screen) Step {
	return &TellNotMember{Screen: s, Email: a.Email}
}

// nextNotMember goes back to the application.
func nextNotMember(a attempt, in input, w world) (attempt, Step, []effect) {
	if _, ok := in.(GiveUp); ok {
		a.Stage, a.Proof = atSignIn, proof{}
		return a, &Done{}, []effect{refuse{Code: "access_denied", Description: "The user is not a member of the organization."}}
	}
	return a, ask(a, w, nil), nil
}

// chosen finds the organization of the attempt among a person's, as far as it is
// clear which: the one asked for, the one chosen, the only one. ask is the stage
// that has to find out, and empty if there is nothing to ask.
func (a *attempt) chosen(of []membership) (org membership, ask stage) {
	if j := a.Proof.Joins; j != "" && (a.Organization == "" || a.Organization == j) {
		return membership{Organization: j}, "" // made at the end, if it is not there yet
	}
	want := a.Proof.Organization
	if a.Organization != "" {
		want = a.Organization
	}
	for _, m := range of {
		if m.Organization == want {
			return m, ""
		}
	}
	switch {
	case a.Organization != "":
		return membership{}, atNotMember
	case len(of) == 0:
		return membership{}, ""
	case len(of) == 1:
		return of[0], ""
	}
	return membership{}, atOrganization
}

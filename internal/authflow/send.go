package authflow

import (
	"fmt"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
)

// The letters that an application asks for through the API, beside those of
// sign-ins. They go to an address that was named, whoever's it is.
const (
	letterInvite     letterKind = "invitation"
	letterNewAddress letterKind = "address" // its code proves a new address
	letterMoved      letterKind = "moved"   // to the former address
	letterSetup      letterKind = "setup"   // to who sets up an organization's connections
	letterWaiting    letterKind = "waiting" // to who is on the waitlist now
)

// SendInvitation mails an invitation; link leads to where it is accepted. who
// invites and into which organization may be empty.
func (f *Flow) SendInvitation(e *identity.Environment, i *identity.Invitation, link, who, organization string) error {
	return f.sendLetter(letter{Environment: *e, Kind: letterInvite, Email: i.Email, Link: link, Who: who, Organization: organization})
}

// SendCode mails a one-time code to the address it is for.
func (f *Flow) SendCode(e *identity.Environment, c *identity.OneTimeCode) error {
	l := letter{Environment: *e, Email: c.Email, User: c.User, Code: c.Code}
	switch c.Kind {
	case identity.CodeEmailVerification:
		l.Kind = letterVerify
	case identity.CodeMagicAuth:
		l.Kind = letterMagic
	case identity.CodeEmailChange:
		l.Kind = letterNewAddress
	default:
		return fmt.Errorf("authflow: no letter for a code of kind %q", c.Kind)
	}
	return f.sendLetter(l)
}

// SendMoved tells whoever reads a former address that the account has another now.
func (f *Flow) SendMoved(e *identity.Environment, former string) error {
	return f.sendLetter(letter{Environment: *e, Kind: letterMoved, Email: former})
}

// SendSetup mails a link to the portal to whoever sets up an organization's
// connections.
func (f *Flow) SendSetup(e *identity.Environment, email, link, organization string) error {
	return f.sendLetter(letter{Environment: *e, Kind: letterSetup, Email: email, Link: link, Organization: organization})
}

// SendWaiting tells somebody that they are on the waitlist.
func (f *Flow) SendWaiting(e *identity.Environment, email string) error {
	return f.sendLetter(letter{Environment: *e, Kind: letterWaiting, Email: email})
}

// SendAccountChanged tells the owner of an account what was changed about it, in a
// sentence.
func (f *Flow) SendAccountChanged(e *identity.Environment, user identity.UserID, what string) error {
	return f.sendLetter(letter{Environment: *e, Kind: letterAccount, User: user, Who: what})
}

// SendPasswordChanged tells the owner of an account that it has a new password.
func (f *Flow) SendPasswordChanged(e *identity.Environment, user identity.UserID) error {
	return f.sendLetter(letter{Environment: *e, Kind: letterChanged, User: user})
}

// sendLetter hands a letter to the postmen unless too many wait.
func (f *Flow) sendLetter(l letter) error {
	if f.mailBusy() {
		return errMailBusy
	}
	f.post([]letter{l})
	return nil
}

// addressed writes a letter to an address that was named; ok is false if it is of
// another kind.
func (l letter) addressed() (m *mail.Message, ok bool, err error) {
	app := oneLine(l.Environment.Name)
	subject := ""
	switch l.Kind {
	case letterInvite:
		if subject = "You are invited to " + app; l.Organization != "" {
			subject = "Join " + oneLine(l.Organization) + " on " + app
		}
	case letterNewAddress:
		subject = "Confirm your new " + app + " address"
	case letterMoved:
		subject = "Your " + app + " address was changed"
	case letterSetup:
		subject = "Set up " + oneLine(l.Organization) + " on " + app
	case letterWaiting:
		subject = "You are on the waitlist of " + app
	default:
		return nil, false, nil
	}
	m, err = compose(l.Email, oneLine(subject), string(l.Kind), words{
		App: app, Code: l.Code, Link: l.Link, Who: oneLine(l.Who), Organization: oneLine(l.Organization),
	})
	return m, true, err
}

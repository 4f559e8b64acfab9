package authflow

import (
	"context"
	"errors"
	"slices"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// Actions decide whether a registration or a sign-in may go on; *webhook.Service is
// one.
type Actions interface {
	Asks(tx *identity.Tx, env identity.EnvironmentID, kind webhook.ActionKind) (bool, error)
	Action(ctx context.Context, env *identity.Environment, kind webhook.ActionKind, c webhook.ActionContext) (webhook.Verdict, error)
}

// question ends a transaction in which an action must be asked first: requests have
// no place there. Whoever runs the transaction asks and, if the answer is yes, runs
// it again.
type question struct {
	Kind    webhook.ActionKind
	Context webhook.ActionContext
}

// Error is for the log, where it never arrives.
func (q *question) Error() string { return "authflow: the " + string(q.Kind) + " action is to be asked" }

// mustAsk ends the transaction with a question unless it was answered already or
// there is nobody to ask.
func (f *Flow) mustAsk(tx *identity.Tx, e *identity.Environment, answered []webhook.ActionKind, kind webhook.ActionKind, c webhook.ActionContext) error {
	if f.Actions == nil || slices.Contains(answered, kind) {
		return nil
	}
	asks, err := f.Actions.Asks(tx, e.ID, kind)
	if err != nil || !asks {
		return err
	}
	return &question{kind, c}
}

// asking runs a transaction, and again after each question it ends with whose answer
// is yes. no is the answer that ended it otherwise.
func (f *Flow) asking(ctx context.Context, e func() *identity.Environment, answered *[]webhook.ActionKind, run func() error) (no *webhook.Verdict, err error) {
	for {
		err := run()
		var q *question
		if !errors.As(err, &q) {
			return nil, err
		}
		v, err := f.Actions.Action(ctx, e(), q.Kind, q.Context)
		if err != nil {
			return nil, err
		}
		if v.Denied {
			return &v, nil
		}
		*answered = append(*answered, q.Kind)
	}
}

// defaultDenial is what a person reads when an action gives no message.
const defaultDenial = "You cannot sign in here. Ask the people who run this application."

// deniedByAction is the input of a machine whose sign-in an action refused.
type deniedByAction struct{ Message string }

// refusedSignIn goes back to the beginning and says why.
func refusedSignIn(a attempt, in deniedByAction, w world) (attempt, Step, []effect) {
	a.Stage, a.User, a.Proof, a.Pending, a.Mailed = atSignIn, "", proof{}, registration{}, mailed{Sends: a.Mailed.Sends}
	return a, ask(a, w, &Problem{Code: "access_denied", Message: denialMessage(in.Message)}), nil
}

// denialMessage is a message for a person.
func denialMessage(s string) string {
	if s == "" {
		return defaultDenial
	}
	return s
}

// signInContext is what the authentication action is told.
func signInContext(tx *identity.Tx, e *identity.Environment, u *identity.User, org identity.OrganizationID, method identity.Method, ip, agent string) (webhook.ActionContext, error) {
	c := webhook.ActionContext{User: u, Method: string(method), IPAddress: ip, UserAgent: agent}
	if org == "" {
		return c, nil
	}
	var err error
	if c.Organization, err = tx.Organization(e.ID, org); err != nil {
		return c, err
	}
	c.Membership, err = tx.Membership(e.ID, u.ID, org)
	return c, err
}

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
func (q *question) Error() string {
	return "authflow: the " + string(q.Kind) + " action is to be asked"
}

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

// registrationContext is what the registration action is told.
func registrationContext(tx *identity.Tx, e *identity.Environment, a *attempt, p registration, v Visitor) (webhook.ActionContext, error) {
	c := webhook.ActionContext{Email: a.Email, FirstName: p.FirstName, LastName: p.LastName, Method: string(a.Proof.Method), IPAddress: v.IPAddress, UserAgent: v.UserAgent}
	if a.Invitation == "" {
		return c, nil
	}
	i, err := tx.Invitation(e.ID, a.Invitation)
	if err != nil {
		return c, err
	}
	c.Invitation, c.InvitedTo = identity.ShowInvitation(i, tx.Now()), i.Organization
	return c, nil
}

// commitAsking is commit, with actions asked on the way. An attempt that is refused
// goes back to its beginning.
func (f *Flow) commitAsking(ctx context.Context, v Visitor, e *identity.Environment, w world, old, moved *attempt, step Step, effects []effect) (s Step, err error) {
	moved.as = identity.UserID(identity.NewID("user_")) // the same for the action and for the account
	no, err := f.asking(ctx, func() *identity.Environment { return e }, &moved.answered, func() (err error) {
		s, err = f.commit(ctx, v, e, old, moved, step, effects)
		return err
	})
	if err != nil || no == nil {
		return s, err
	}
	back, page, _ := next(*old, deniedByAction{no.Message}, w)
	return f.commit(ctx, v, e, old, &back, page, nil)
}

// redeemAsking is a grant's redeem, with the authentication action asked on the way.
func (f *Flow) redeemAsking(ctx context.Context, g *grantCall, redeem func(*Flow, context.Context, *grantCall) error) error {
	no, err := f.asking(ctx, func() *identity.Environment { return g.environment }, &g.answered, func() error { return redeem(f, ctx, g) })
	if err == nil && no != nil {
		err = oauth("access_denied", "%s", denialMessage(no.Message))
	}
	return err
}

// askedOnPages are the grants for sign-ins that ended on the house's own pages, where
// the action was asked.
var askedOnPages = map[GrantType]bool{"authorization_code": true, "urn:ietf:params:oauth:grant-type:device_code": true}

// mayStart asks the authentication action about a session that a grant begins.
func (f *Flow) mayStart(tx *identity.Tx, g *grantCall, n identity.NewSession) error {
	if f.Actions == nil || askedOnPages[g.Type] || n.Method == identity.MethodImpersonation {
		return nil
	}
	u, err := tx.User(g.environment.ID, n.User)
	if err != nil {
		return err
	}
	c, err := signInContext(tx, g.environment, u, identity.OrganizationID(n.Organization), n.Method, n.IPAddress, n.UserAgent)
	if err != nil {
		return err
	}
	return f.mustAsk(tx, g.environment, g.answered, webhook.ActionAuthentication, c)
}

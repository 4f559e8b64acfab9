package authflow

import (
	"context"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// Going to a provider and coming back is no stage of its own: while the person is
// away the attempt stands where it stood, so that the browser's back button leads
// to a page that works, and coming back is an answer like any other.

// Leave sends the browser to a provider.
type Leave struct{ RedirectTo string }

// screen is nothing: a redirect shows none.
func (*Leave) screen() *Screen { return nil }

// GoAway follows the link to a social provider.
type GoAway struct{ Provider string }

// ComeBack brings the key under which waits what the provider said.
type ComeBack struct{ Key string }

func (GoAway) answer()   {}
func (ComeBack) answer() {}

// Elsewhere is a provider that the pages offer.
type Elsewhere struct{ Type, Name string }

type (
	// goHome comes in place of an answer that named the address of somebody whose
	// organization has its own identity provider.
	goHome struct {
		Email      string
		Connection sso.ConnectionID
	}
	// wayOut is the outcome of lookAway.
	wayOut struct {
		Connection sso.ConnectionID
		Found      connector.Endpoints
		Problem    *Problem
	}
	// returned is the outcome of lookArrival.
	returned struct {
		Key          string
		Problem      *Problem // what the person is told; nil if they were signed in there
		Tell         bool     // it is told to the application, which asked for the provider
		Method       identity.Method
		Organization identity.OrganizationID // whose provider it is
		User         identity.UserID         // whose account there it is; "" if it is new here
		Email        string
		Trusted      bool // the address counts as proven
		FirstName    string
		LastName     string
	}
)

// The effects.
type (
	// lookAway asks what must be known of a provider before somebody is sent there.
	lookAway struct {
		Provider   string
		Connection sso.ConnectionID
	}
	// lookArrival asks what waits under a key.
	lookArrival struct{ Key string }
	// depart notes that the browser goes away, and is answered by a Leave.
	depart struct {
		Connection sso.ConnectionID
		Found      connector.Endpoints
		Direct     bool
	}
)

func (lookAway) effect()    {}
func (lookArrival) effect() {}
func (depart) effect()      {}

// nextAway takes what has to do with going away and coming back, at any stage; ok is
// false for anything else.
func nextAway(a attempt, in input, w world) (_ attempt, _ Step, _ []effect, ok bool) {
	switch in := in.(type) {
	case GoAway:
		return a, nil, []effect{lookAway{Provider: in.Provider}}, true
	case goHome:
		a.Email = in.Email
		return a, nil, []effect{lookAway{Connection: in.Connection}}, true
	case wayOut:
		if in.Problem != nil {
			return a, ask(a, w, in.Problem), nil, true
		}
		return a, &Leave{}, []effect{depart{Connection: in.Connection, Found: in.Found}}, true
	case ComeBack:
		return a, nil, []effect{lookArrival(in)}, true
	case returned:
		a, s, fx := back(a, in, w)
		return a, s, fx, true
	}
	return a, nil, nil, false
}

// back takes what a provider said of a person.
func back(a attempt, in returned, w world) (attempt, Step, []effect) {
	a.Stage, a.User, a.Proof, a.Pending, a.Mailed = atSignIn, "", proof{}, registration{}, mailed{Sends: a.Mailed.Sends}
	switch {
	case in.Problem != nil && in.Tell:
		return a, &Done{}, []effect{refuse{Code: in.Problem.Code, Description: in.Problem.Message}}
	case in.Problem != nil:
		return a, ask(a, w, in.Problem), nil
	}
	a.Email = in.Email
	p := proof{User: in.User, Method: in.Method, Mailbox: in.Trusted, Joins: in.Organization, Arrival: in.Key}
	if in.User == "" {
		a.Pending = registration{FirstName: in.FirstName, LastName: in.LastName}
	}
	if in.User == "" && !in.Trusted {
		// Nobody vouches for the address: its mailbox decides, before anything is tied
		// to an account.
		a.Proof = p
		return mailNew(a, w, atVerify, CodeForVerification, true)
	}
	return prove(a, p)
}

// lookAwayFrom answers lookAway.
func (f *Flow) lookAwayFrom(ctx context.Context, e *identity.Environment, fx lookAway) (out wayOut, err error) {
	var c *sso.Connection
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		if f.SSO == nil {
			return nil
		}
		if fx.Connection != "" {
			c, err = f.SSO.Connection(tx, e.ID, fx.Connection)
		} else if slices.ContainsFunc(f.elsewhere(tx, e), func(o Elsewhere) bool { return o.Type == fx.Provider }) {
			c, err = f.SSO.Social(tx, e.ID, fx.Provider)
		}
		return err
	})
	if err != nil && apierr.KindOf(err) != apierr.NotFound {
		return out, err
	}
	if c == nil || c.State != sso.Active {
		return wayOut{Problem: &Problem{Code: "provider_unavailable", Message: "This way to sign in is not available. Choose another."}}, nil
	}
	out.Connection = c.ID
	if out.Found, err = f.SSO.Ready(ctx, e, c); err != nil {
		if k := apierr.KindOf(err); k == apierr.Internal {
			return out, err
		}
		f.Log.Warn("provider not ready", "connection", c.ID, "err", err)
		return wayOut{Problem: &Problem{Code: "provider_unavailable", Message: c.Name + " does not answer at the moment. Please try again in a while."}}, nil
	}
	return out, nil
}

// leave carries out depart.
func (f *Flow) leave(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt, fx depart, r *AuthorizeRequest) (Step, error) {
	c, err := f.SSO.Connection(tx, e.ID, fx.Connection)
	if err != nil {
		return f.gone(a, err)
	}
	d := sso.Departure{Purpose: sso.ForAttempt, Browser: v.Browser, Subject: string(a.ID), Direct: fx.Direct, LoginHint: a.Email}
	if r != nil {
		d.Scopes, d.Params = r.ProviderScopes, r.ProviderParams
		d.Prompt, d.MaxAge = onlyForProviders(r.Prompt), r.MaxAge
	}
	if err := f.SSO.RecordStarted(tx, c, a.Email, v.IPAddress, v.UserAgent); err != nil {
		return nil, err
	}
	to, err := f.SSO.Leave(tx, e, c, d, fx.Found)
	return &Leave{RedirectTo: to}, err
}

// onlyForProviders keeps of an application's prompt what a provider understands.
func onlyForProviders(prompt string) string {
	for w := range strings.FieldsSeq(prompt) {
		if w == "login" || w == "select_account" || w == "consent" {
			return w
		}
	}
	return ""
}

// lookBack answers lookArrival.
func (f *Flow) lookBack(ctx context.Context, v Visitor, e *identity.Environment, id AttemptID, key string) (out returned, err error) {
	problem := func(err error) bool {
		known, ok := apierr.As(err)
		if !ok || known.Kind == apierr.Internal {
			return false
		}
		out.Problem = &Problem{Code: known.Code, Message: known.Message}
		return true
	}
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		out = returned{Key: key}
		o, err := f.SSO.Outcome(tx, e.ID, key, sso.ForAttempt, v.Browser)
		if err != nil {
			return err
		}
		if o.Subject != string(id) {
			return apierr.New(apierr.BadRequest, "sign_in_expired", "What came back belongs to another sign-in. Please sign in again.")
		}
		if o.Failure != nil {
			out.Tell, out.Problem = o.Direct, &Problem{Code: o.Failure.Code, Message: o.Failure.Message}
			return nil
		}
		own, err := f.SSO.Owner(tx, o)
		if err != nil {
			out.Tell = o.Direct
			return err
		}
		out.Method, out.Organization, out.User, out.Email, out.Trusted = o.Via.Method(), o.Via.Organization, own.User, own.Email, own.Trusted
		out.FirstName, out.LastName = o.Person.FirstName, o.Person.LastName
		if own.User != "" { // mail goes to the account's address, and what was said is about another
			u, err := tx.User(e.ID, own.User)
			if err != nil {
				return err
			}
			out.Trusted = own.Trusted && strings.EqualFold(u.Email, own.Email)
			out.Email = u.Email
		}
		return nil
	})
	if err != nil && problem(err) {
		err = nil
	}
	return out, err
}

// elsewhere lists the social providers that the pages offer: those that are set up
// and that the environment's settings do not leave out.
func (f *Flow) elsewhere(tx *identity.Tx, e *identity.Environment) (out []Elsewhere) {
	if f.SSO == nil {
		return nil
	}
	all, err := f.SSO.Socials(tx, e.ID)
	if err != nil { // the other ways to sign in are worth showing
		f.Log.Warn("providers not read", "environment", e.ID, "err", err)
	}
	for _, family := range connector.Families { // in the order of the table
		if chosen := e.Settings.SignIn.Social; len(chosen) > 0 && !slices.Contains(chosen, family.Type) {
			continue
		}
		if slices.ContainsFunc(all, func(c sso.Connection) bool { return c.Type == family.Type && c.State == sso.Active }) {
			out = append(out, Elsewhere{Type: family.Type, Name: family.Name})
		}
	}
	return out
}

// homeOf is the connection through which somebody must sign in who gives an answer
// with an address; "" if any way will do.
func (f *Flow) homeOf(ctx context.Context, e *identity.Environment, ans Answer) (input, error) {
	email := ""
	switch ans := ans.(type) {
	case EnterPassword:
		email = ans.Email
	case AskForCode:
		email = ans.Email
	case Register:
		email = ans.Email
	case ForgotPassword:
		email = ans.Email
	}
	if email, _, _ = identity.ParseEmail(email); email == "" || f.SSO == nil {
		return ans, nil
	}
	var c *sso.Connection
	err := f.Identity.View(ctx, func(tx *identity.Tx) (err error) {
		c, err = f.SSO.Home(tx, e.ID, email)
		return err
	})
	if err != nil || c == nil {
		return ans, err
	}
	return goHome{Email: email, Connection: c.ID}, nil
}

// direct is the connection that an authorize request asks for, if it does.
type direct struct {
	connection *sso.Connection
	found      connector.Endpoints
	forced     bool // whoever is signed in here: the application wants this connection
	refusal    *apierr.Error
}

// directly finds out whether a request goes straight to a provider. Unknown clients
// are left to Begin, which has the words for them.
func (f *Flow) directly(ctx context.Context, r *AuthorizeRequest) (d direct, err error) {
	provider := r.Provider
	if provider == "authkit" {
		provider = ""
	}
	sel := sso.Selector{Connection: sso.ConnectionID(r.ConnectionID), Provider: provider}
	d.forced = !sel.Empty()
	if f.SSO == nil {
		switch {
		case provider != "":
			d.refusal = apierr.New(apierr.BadRequest, "connection_strategy_invalid", "The provider is not set up here.")
		case d.forced:
			d.refusal = apierr.New(apierr.BadRequest, "connection_invalid", "There are no connections here.")
		}
		return d, nil
	}
	var e *identity.Environment
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		if e, err = tx.EnvironmentByClient(identity.ClientID(r.ClientID)); err != nil {
			return err
		}
		if from := f.SSO.FromContext(r.Context, e.Now()); from != "" && sel.Empty() {
			sel.Connection = from
		}
		switch {
		case sel.Connection != "" && r.OrganizationID != "":
			return apierr.New(apierr.BadRequest, "ambiguous_connection_selector", "Only one of connection_id and organization_id may be given.")
		case !sel.Empty():
			d.connection, err = f.SSO.Select(tx, e.ID, sel)
			return err
		case r.OrganizationID != "":
			if d.connection, err = f.SSO.Usable(tx, e.ID, identity.OrganizationID(r.OrganizationID)); err != nil || d.connection == nil || r.Provider != "authkit" || r.LoginHint == "" {
				return err
			}
			// The hosted pages were asked for, and for somebody: only the organization's own
			// people have to go to its provider.
			home, err := f.SSO.Home(tx, e.ID, r.LoginHint)
			if err != nil || home == nil || home.Organization != d.connection.Organization {
				d.connection = nil
			}
			return err
		case r.DomainHint != "":
			d.connection, err = f.SSO.OfDomain(tx, e.ID, r.DomainHint)
			return err
		}
		return nil
	})
	if err == nil && d.connection != nil {
		d.found, err = f.SSO.Ready(ctx, e, d.connection)
	}
	if known, ok := apierr.As(err); ok && known.Kind != apierr.Internal {
		if known.Kind == apierr.NotFound {
			return direct{}, nil
		}
		d.refusal, err = known, nil
	}
	return d, err
}

// settleWith ties the provider's account to the user, and says whether the person may
// come in: the Step is nil if so.
func (f *Flow) settleWith(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt, c *grantCode) (Step, error) {
	o, err := f.SSO.Outcome(tx, e.ID, a.Proof.Arrival, sso.ForAttempt, v.Browser)
	var s *sso.Settled
	if err == nil && o.Person != nil {
		s, err = f.SSO.Settle(tx, o, a.Proof.User, v.IPAddress, v.UserAgent)
	}
	if known, ok := apierr.As(err); ok && known.Kind != apierr.Internal {
		a.Stage, a.Proof = atSignIn, proof{}
		return ask(*a, f.world(e, tx.Now(), ""), &Problem{Code: known.Code, Message: known.Message}), nil
	}
	if err != nil {
		return nil, err
	}
	if s.Tokens != nil {
		c.Provider = o.Via.Type
		c.Tokens, err = f.SSO.SealTokens(s.Tokens)
	}
	return nil, err
}

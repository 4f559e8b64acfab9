package authflow

import (
	"cmp"
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// An impersonation lets somebody of the operator's see an application as one of its
// users does. It begins with an address that works once, shows whom and why before
// anything else, and ends in a session that says so in its token, its lists and its
// events and that lasts an hour (identity.ImpersonationLifetime). It signs no browser
// in on the pages: whoever acts as somebody else cannot reach that person's account.

// Lifetimes of an impersonation before its session.
const (
	impersonationLifetime = 10 * time.Minute // of the address
	arrivalLifetime       = 5 * time.Minute  // from the page to the application's authorize request
	impersonationPrefix   = "impersonation_"
	maxReason             = 500
)

// NewImpersonation is what an operator says of one.
type NewImpersonation struct {
	User         identity.UserID
	Organization identity.OrganizationID // "" for the only one, or none
	Email        string                  // of who acts as the user
	Reason       string
}

// Impersonation is one as it is kept: rows stay, for whoever asks later who was where.
type Impersonation struct {
	ID          string
	Environment identity.EnvironmentID
	NewImpersonation
	Created time.Time
	Expires time.Time
	Used    time.Time // when its code was issued; zero until then

	browser   string // that it was confirmed in, hashed
	confirmed time.Time
}

// row writes an impersonation; hash is of its secret.
func (i *Impersonation) row(hash string) identity.Row {
	return identity.Row{
		identity.Text("id", i.ID), identity.Text("hash", hash), identity.Text("environment", i.Environment), identity.Text("user", i.User),
		identity.Text("organization", i.Organization), identity.Text("email", i.Email), identity.Text("reason", i.Reason), identity.Text("browser", i.browser),
		identity.Time("created", i.Created), identity.Time("expires", i.Expires), identity.Time("confirmed", i.confirmed), identity.Time("used", i.Used),
	}
}

// readImpersonation is the reverse of row.
func readImpersonation(r identity.Record) *Impersonation {
	return &Impersonation{ID: r.Text("id"), Environment: identity.EnvironmentID(r.Text("environment")),
		NewImpersonation: NewImpersonation{User: identity.UserID(r.Text("user")), Organization: identity.OrganizationID(r.Text("organization")), Email: r.Text("email"), Reason: r.Text("reason")},
		Created:          r.Time("created"), Expires: r.Time("expires"), Used: r.Time("used"), browser: r.Text("browser"), confirmed: r.Time("confirmed")}
}

// NewImpersonation prepares an impersonation and gives the secret of its address.
func (f *Flow) NewImpersonation(ctx context.Context, env identity.EnvironmentID, n NewImpersonation) (i *Impersonation, secret string, err error) {
	n.Reason = strings.TrimSpace(n.Reason)
	email, _, ok := identity.ParseEmail(n.Email)
	switch {
	case !ok:
		return nil, "", identity.InvalidField("impersonator_email", "invalid_email", "impersonator_email must be an e-mail address.")
	case n.Reason == "" || utf8.RuneCountInString(n.Reason) > maxReason:
		return nil, "", identity.InvalidField("reason", "reason_required", "A reason of at most %d characters is required.", maxReason)
	}
	n.Email = email
	err = f.Identity.Update(ctx, func(tx *identity.Tx) error {
		e, err := tx.Environment(env)
		if err != nil {
			return err
		}
		if e.Settings.ImpersonationOff {
			return apierr.New(apierr.Forbidden, "impersonation_disabled", "Impersonation is off in this environment; set impersonation_allowed.")
		}
		if _, err := tx.User(env, n.User); err != nil {
			return err
		}
		active, err := activeMemberships(tx, env, n.User)
		if err != nil {
			return err
		}
		switch {
		case n.Organization == "" && len(active) == 1:
			n.Organization = active[0].Organization
		case n.Organization != "":
			m, err := tx.Membership(env, n.User, n.Organization)
			if err != nil {
				return err
			}
			if m == nil || m.Status != identity.MembershipActive {
				return identity.InvalidField("organization_id", "organization_membership_not_found", "The user is not an active member of this organization.")
			}
		}
		secret = newSecret()
		i = &Impersonation{ID: tx.NewID(impersonationPrefix), Environment: env, NewImpersonation: n, Created: tx.Now(), Expires: tx.Now().Add(impersonationLifetime)}
		return tx.Add(tableImpersonations, i.row(secretHash("impersonation", secret)))
	})
	return i, secret, err
}

// Impersonations lists an environment's.
func (f *Flow) Impersonations(ctx context.Context, env identity.EnvironmentID, p identity.Page) (l *identity.List[Impersonation], err error) {
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		l, err = identity.PageOf(tx, tableImpersonations, "on_environment", []string{string(env)}, p, func(r identity.Record) (Impersonation, string, bool) {
			i := readImpersonation(r)
			return *i, i.ID, true
		})
		return err
	})
	return l, err
}

// errImpersonation is what a person reads whose address does not work.
var errImpersonation = apierr.New(apierr.NotFound, "impersonation_unknown", "This address was used already, or is too old. Ask for a new one.")

// impersonation finds one that its secret can still begin.
func impersonation(tx *identity.Tx, secret string) (*identity.Found, *Impersonation, *identity.Environment, error) {
	if !secretLooksRight(secret) {
		return nil, nil, nil, errImpersonation
	}
	row, err := tx.First(tableImpersonations, "on_hash", secretHash("impersonation", secret))
	if err != nil {
		return nil, nil, nil, err
	}
	if row == nil {
		return nil, nil, nil, errImpersonation
	}
	i := readImpersonation(row.Record)
	e, err := tx.Environment(i.Environment)
	if err != nil {
		return nil, nil, nil, err
	}
	if !i.confirmed.IsZero() || !tx.Now().Before(i.Expires) || e.Settings.ImpersonationOff {
		return nil, nil, nil, errImpersonation
	}
	return row, i, e, nil
}

// AskImpersonation is the page that says who is about to act as whom, and why.
type AskImpersonation struct {
	Screen
	Impersonation
	UserEmail        string
	OrganizationName string // "" for none
}

// Impersonation is the page of an address.
func (f *Flow) Impersonation(ctx context.Context, secret string) (s *AskImpersonation, err error) {
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		_, i, e, err := impersonation(tx, secret)
		if err != nil {
			return err
		}
		s = &AskImpersonation{Screen: Screen{Environment: *e}, Impersonation: *i}
		if s.Brand, err = tx.Branding(e.ID); err != nil {
			return err
		}
		u, err := tx.User(e.ID, i.User)
		if apierr.KindOf(err) == apierr.NotFound {
			return errImpersonation
		}
		if err != nil {
			return err
		}
		s.UserEmail = u.Email
		if i.Organization != "" {
			o, err := tx.Organization(e.ID, i.Organization)
			if err != nil {
				return err
			}
			s.OrganizationName = o.Name
		}
		return nil
	})
	return s, err
}

// Impersonate goes on from that page, and uses the address up. An application that
// begins sign-ins itself does so now, or when somebody clicks "Sign in" on its homepage,
// and its authorize request from this browser is answered at once; for others the code
// goes to their default redirect URI.
func (f *Flow) Impersonate(ctx context.Context, v Visitor, secret string) (*Begun, error) {
	out := &Begun{Browser: BrowserSecret(v.Browser)}
	var letters []letter
	err := f.Identity.Update(ctx, func(tx *identity.Tx) error {
		letters = nil
		row, i, e, err := impersonation(tx, secret)
		if err != nil {
			return err
		}
		if e.Settings.ImpersonationNotice {
			letters = []letter{{Environment: *e, Kind: letterImpersonated, User: i.User}}
		}
		i.confirmed, i.browser = tx.Now(), secretHash("browser", out.Browser)
		if to := cmp.Or(e.Settings.InitiateLoginURI, e.Settings.HomepageURL); to != "" {
			out.Step = &Done{RedirectTo: to, Client: e.ClientID}
			return tx.Put(row.Doc, i.row(row.Text("hash")))
		}
		uri, err := f.redirectURI(tx, e, "")
		if err != nil {
			return err
		}
		out.Step, err = f.actAs(tx, v, e, row, i, &AuthorizeRequest{}, uri)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.post(letters)
	return out, nil
}

// actAs issues the code of an impersonation.
func (f *Flow) actAs(tx *identity.Tx, v Visitor, e *identity.Environment, row *identity.Found, i *Impersonation, r *AuthorizeRequest, uri string) (Step, error) {
	if _, err := tx.User(e.ID, i.User); apierr.KindOf(err) == apierr.NotFound {
		return nil, errImpersonation
	} else if err != nil {
		return nil, err
	}
	i.Used = tx.Now()
	if err := tx.Put(row.Doc, i.row(row.Text("hash"))); err != nil {
		return nil, err
	}
	code := newGrantCode()
	err := tx.Add(tableCodes, codeRow(code, &grantCode{Environment: e.ID, User: i.User, Method: identity.MethodImpersonation, Organization: i.Organization,
		Impersonator: &identity.Impersonator{Email: i.Email, Reason: i.Reason}, Authenticated: tx.Now(), Challenge: r.CodeChallenge, RedirectURI: uri,
		IPAddress: v.IPAddress, UserAgent: v.UserAgent, Expires: tx.Now().Add(grantLifetime)}))
	return &Done{RedirectTo: grantedTo(uri, code, r.State, r.HasState), Client: e.ClientID}, err
}

// impersonated answers an authorize request of a browser in which an impersonation was
// confirmed just now; nil if none was.
func (f *Flow) impersonated(tx *identity.Tx, v Visitor, e *identity.Environment, r *AuthorizeRequest, uri string) (Step, error) {
	if !secretLooksRight(v.Browser) || e.Settings.ImpersonationOff || r.Own { // the house's own pages are nobody else's
		return nil, nil
	}
	rows, err := tx.All(tableImpersonations, "on_browser", secretHash("browser", v.Browser), string(e.ID))
	if err != nil {
		return nil, err
	}
	for k := range rows {
		i := readImpersonation(rows[k].Record)
		if i.Used.IsZero() && tx.Now().Before(i.confirmed.Add(arrivalLifetime)) {
			return f.actAs(tx, v, e, &rows[k], i, r, uri)
		}
	}
	return nil, nil
}

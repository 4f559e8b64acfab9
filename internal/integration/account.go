package integration

import (
	"context"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// State is what has become of an account.
type State string

// The states of an account.
const (
	Connected          State = "connected"
	NeedsAuthorization State = "needs_reauthorization"
	eventPrefix              = "pipes.connected_account."
)

// Owner is whose account it is: a user's, an organisation's, or a user's within an
// organisation.
type Owner struct {
	User         identity.UserID
	Organization identity.OrganizationID
}

// Account is a user's or organisation's connection to a service.
type Account struct {
	ID          string
	Environment identity.EnvironmentID
	Integration string
	Slug        string
	Owner       Owner
	Method      Method
	Scopes      []string
	State       State
	KeyLast4    string
	ClientID    string
	SecretLast4 string
	Config      map[string]string
	Expires     time.Time // of the access token; zero if it does not say
	Created     time.Time
	Updated     time.Time

	access, refresh, key, secret string // sealed
}

// accountRow writes an account.
func accountRow(a *Account) identity.Row {
	return identity.Row{
		identity.Text("id", a.ID), identity.Text("environment", a.Environment), identity.Text("integration", a.Integration), identity.Text("slug", a.Slug),
		identity.Text("user", a.Owner.User), identity.Text("organization", a.Owner.Organization), identity.Text("method", a.Method),
		identity.Texts("scopes", a.Scopes), identity.Text("state", a.State), identity.Text("key_last4", a.KeyLast4), identity.Text("client_id", a.ClientID),
		identity.Text("secret_last4", a.SecretLast4), identity.Map("config", a.Config), identity.Time("expires", a.Expires),
		identity.Time("created", a.Created), identity.Time("updated", a.Updated),
		identity.Text("access", a.access), identity.Text("refresh", a.refresh), identity.Text("key", a.key), identity.Text("secret", a.secret),
	}
}

// readAccount is the reverse of accountRow.
func readAccount(r identity.Record) *Account {
	a := &Account{ID: r.Text("id"), Environment: identity.EnvironmentID(r.Text("environment")), Integration: r.Text("integration"), Slug: r.Text("slug"),
		Owner:  Owner{identity.UserID(r.Text("user")), identity.OrganizationID(r.Text("organization"))},
		Method: Method(r.Text("method")), Scopes: r.Texts("scopes"), State: State(r.Text("state")), KeyLast4: r.Text("key_last4"), ClientID: r.Text("client_id"),
		SecretLast4: r.Text("secret_last4"), Config: r.Map("config"), Expires: r.Time("expires"), Created: r.Time("created"), Updated: r.Time("updated"),
		access: r.Text("access"), refresh: r.Text("refresh"), key: r.Text("key"), secret: r.Text("secret")}
	if a.Scopes == nil {
		a.Scopes = []string{}
	}
	return a
}

// check makes sure that an owner is there: a user, an organisation, or a member.
func (o Owner) check(tx *identity.Tx, env identity.EnvironmentID) error {
	if o.User == "" && o.Organization == "" {
		return badField("user_id", "An account belongs to a user, to an organization, or to both.")
	}
	if o.User != "" {
		if _, err := tx.User(env, o.User); err != nil {
			return err
		}
	}
	if o.Organization == "" {
		return nil
	}
	if _, err := tx.Organization(env, o.Organization); err != nil || o.User == "" {
		return err
	}
	m, err := tx.Membership(env, o.User, o.Organization)
	if err != nil {
		return err
	}
	if m == nil || m.Status != identity.MembershipActive {
		return identity.NotFound("Organization membership of user", string(o.User))
	}
	return nil
}

// accountOf finds the account of an owner; nil if there is none.
func accountOf(tx *identity.Tx, i *Integration, o Owner) (*identity.Found, *Account, error) {
	f, err := tx.First(tableAccounts, "on_owner", string(i.Environment), i.ID, string(o.User), string(o.Organization))
	if err != nil || f == nil {
		return nil, nil, err
	}
	return f, readAccount(f.Record), nil
}

// save writes the account of an owner, new or changed by change, and tells of it.
func save(tx *identity.Tx, i *Integration, o Owner, change func(*Account)) (*Account, error) {
	f, a, err := accountOf(tx, i, o)
	if err != nil {
		return nil, err
	}
	if a == nil {
		a = &Account{ID: tx.NewID("connected_account_"), Environment: i.Environment, Integration: i.ID, Slug: i.Slug, Owner: o, Scopes: []string{}, Created: tx.Now()}
	}
	a.State, a.Updated = Connected, tx.Now()
	change(a)
	if f == nil {
		err = tx.Add(tableAccounts, accountRow(a))
	} else {
		err = tx.Put(f.Doc, accountRow(a))
	}
	if err != nil {
		return nil, err
	}
	what := "connected"
	if a.State == NeedsAuthorization {
		what = "reauthorization_needed"
	}
	return a, record(tx, what, i, a)
}

// accountEvent is the data of the events about accounts.
type accountEvent struct {
	Object       string                   `json:"object"`
	ID           string                   `json:"id"`
	Integration  string                   `json:"data_integration_id"`
	Slug         string                   `json:"provider_slug"`
	User         *identity.UserID         `json:"user_id"`
	Organization *identity.OrganizationID `json:"organization_id"`
	Scopes       []string                 `json:"scopes"`
	State        State                    `json:"state"`
	CreatedAt    string                   `json:"created_at"`
	UpdatedAt    string                   `json:"updated_at"`
}

// record writes an event about an account.
func record(tx *identity.Tx, what string, i *Integration, a *Account) error {
	return tx.Record(i.Environment, eventPrefix+what, accountEvent{Object: "connected_account", ID: a.ID, Integration: i.ID, Slug: i.Slug,
		User: nullable(a.Owner.User), Organization: nullable(a.Owner.Organization), Scopes: a.Scopes, State: a.State,
		CreatedAt: identity.FormatTime(a.Created), UpdatedAt: identity.FormatTime(a.Updated)})
}

// nullable is s as JSON wants it: null when empty.
func nullable[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}

// errMethod is the refusal of a method that the integration does not have.
func errMethod(i *Integration, m Method) error {
	return apierr.New(apierr.BadRequest, "auth_method_mismatch", "The data integration %s is not used by %s.", i.Slug, m)
}

// usable finds an integration that may be connected by a method, and checks the owner.
func (s *Service) usable(tx *identity.Tx, env identity.EnvironmentID, slug string, o Owner, m Method) (*Integration, error) {
	_, i, err := find(tx, env, slug)
	if err != nil {
		return nil, err
	}
	if err := o.check(tx, env); err != nil {
		return nil, err
	}
	if m != "" && !slices.Contains(i.Methods, m) {
		return nil, errMethod(i, m)
	}
	on, err := s.on(tx, i, o.Organization)
	if err != nil {
		return nil, err
	}
	if !on {
		return nil, apierr.New(apierr.Forbidden, "data_integration_disabled", "The data integration %s is disabled.", slug)
	}
	return i, nil
}

// connectKey connects an owner by API key.
func (s *Service) connectKey(tx *identity.Tx, i *Integration, o Owner, key string) (*Account, error) {
	if err := o.check(tx, i.Environment); err != nil {
		return nil, err
	}
	if !slices.Contains(i.Methods, ByAPIKey) {
		return nil, errMethod(i, ByAPIKey)
	}
	if len(key) < 5 || len(key) > maxSecret {
		return nil, badField("secret", "An API key has 5 to %d characters.", maxSecret)
	}
	return save(tx, i, o, func(a *Account) {
		a.Method, a.key, a.KeyLast4 = ByAPIKey, s.seal(key), last4(key)
		a.access, a.refresh, a.secret, a.ClientID, a.SecretLast4, a.Expires = "", "", "", "", "", time.Time{}
	})
}

// ConnectKey connects an owner by API key.
func (s *Service) ConnectKey(ctx context.Context, env identity.EnvironmentID, slug string, o Owner, key string) (a *Account, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		i, err := s.usable(tx, env, slug, o, ByAPIKey)
		if err != nil {
			return err
		}
		a, err = s.connectKey(tx, i, o, key)
		return err
	})
	return a, err
}

// ConnectCredentials connects an owner by an OAuth client of its own, whose tokens
// are for the client itself.
func (s *Service) ConnectCredentials(ctx context.Context, env identity.EnvironmentID, slug string, o Owner, id, secret string, config map[string]string) (a *Account, err error) {
	if id == "" || secret == "" || len(id) > maxSecret || len(secret) > maxSecret {
		return nil, badField("client_secret", "A client id and a client secret are needed, of at most %d characters.", maxSecret)
	}
	if err := checkConfig(config); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		i, err := s.usable(tx, env, slug, o, ByCredentials)
		if err != nil {
			return err
		}
		a, err = save(tx, i, o, func(a *Account) {
			a.Method, a.ClientID, a.secret, a.SecretLast4, a.Config = ByCredentials, id, s.seal(secret), last4(secret), config
			a.access, a.refresh, a.key, a.KeyLast4, a.Expires = "", "", "", "", time.Time{}
		})
		return err
	})
	return a, err
}

// Imported are tokens that somebody got elsewhere.
type Imported struct {
	Access  string
	Refresh string
	Expires time.Time
	Scopes  []string
	State   State // Connected if empty
}

// Import stores tokens that were got elsewhere as an owner's account. With create
// there must be none yet, else there must be one, whose members stay unless given.
func (s *Service) Import(ctx context.Context, env identity.EnvironmentID, slug string, o Owner, in Imported, create bool) (a *Account, err error) {
	if len(in.Access) > 4*maxSecret || len(in.Refresh) > 4*maxSecret {
		return nil, badField("access_token", "A token is too long.")
	}
	if err := checkScopes(in.Scopes); err != nil {
		return nil, err
	}
	if in.State != "" && in.State != Connected && in.State != NeedsAuthorization {
		return nil, badField("state", "An account is connected or needs_reauthorization.")
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		_, i, err := find(tx, env, slug)
		if err != nil {
			return err
		}
		if err := o.check(tx, env); err != nil {
			return err
		}
		_, old, err := accountOf(tx, i, o)
		switch {
		case err != nil:
			return err
		case create && old != nil:
			return apierr.New(apierr.Conflict, "connected_account_exists", "There is a connected account of %s already; update it.", slug)
		case create && in.Access == "":
			return badField("access_token", "The member access_token is missing.")
		case !create && old == nil:
			return identity.NotFound("Connected account", slug)
		}
		a, err = save(tx, i, o, func(a *Account) {
			a.Method = ByOAuth
			if in.Access != "" {
				a.access, a.Expires = s.seal(in.Access), in.Expires
			} else if !in.Expires.IsZero() {
				a.Expires = in.Expires
			}
			if in.Refresh != "" {
				a.refresh = s.seal(in.Refresh)
			}
			if in.Scopes != nil {
				a.Scopes = in.Scopes
			}
			if in.State != "" {
				a.State = in.State
			}
		})
		return err
	})
	return a, err
}

// Account finds an owner's account.
func (s *Service) Account(ctx context.Context, env identity.EnvironmentID, slug string, o Owner) (a *Account, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, i, err := find(tx, env, slug)
		if err != nil {
			return err
		}
		if err := o.check(tx, env); err != nil {
			return err
		}
		if _, a, err = accountOf(tx, i, o); err == nil && a == nil {
			err = identity.NotFound("Connected account", slug)
		}
		return err
	})
	return a, err
}

// Disconnect removes an owner's account with its secrets.
func (s *Service) Disconnect(ctx context.Context, env identity.EnvironmentID, slug string, o Owner) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		_, i, err := find(tx, env, slug)
		if err != nil {
			return err
		}
		if err := o.check(tx, env); err != nil {
			return err
		}
		f, a, err := accountOf(tx, i, o)
		if err != nil {
			return err
		}
		if a == nil {
			return identity.NotFound("Connected account", slug)
		}
		if err := record(tx, "disconnected", i, a); err != nil {
			return err
		}
		return tx.Remove(f)
	})
}

// Offer is an integration and what an owner has of it.
type Offer struct {
	Integration
	Account *Account // nil if not connected
}

// Offers lists what an owner may connect, and has connected.
func (s *Service) Offers(ctx context.Context, env identity.EnvironmentID, o Owner) (list []Offer, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list = []Offer{}
		if err := o.check(tx, env); err != nil {
			return err
		}
		rows, err := tx.All(tableIntegrations, "on_environment", string(env))
		if err != nil {
			return err
		}
		for _, f := range rows {
			i := readIntegration(f.Record)
			on, err := s.on(tx, i, o.Organization)
			if err != nil {
				return err
			}
			_, a, err := accountOf(tx, i, o)
			if err != nil {
				return err
			}
			if on || a != nil {
				list = append(list, Offer{*i, a})
			}
		}
		return nil
	})
	return list, err
}

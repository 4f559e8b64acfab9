package agent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The tables of the room, in the house's own store.
const (
	tableRegistrations = "agent_registrations"
	tableCredentials   = "agent_credentials"
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableRegistrations, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_claim", Fields: []string{"claim_hash"}},
	}},
	{Name: tableCredentials, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
	}},
}

// Service keeps the registrations of one house. Identity is filled by whoever
// assembles the house; call Open once.
type Service struct {
	Identity *identity.Service
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("agent: Identity must be set")
	}
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// Status is what has become of a registration.
type Status string

// The states of a registration.
const (
	Unverified Status = "unverified"
	Verified   Status = "verified"
	Expired    Status = "expired"
	Revoked    Status = "revoked"
)

// Kind says how an agent came to be registered.
type Kind string

// The kinds of registration.
const (
	Anonymous         Kind = "anonymous"
	ServiceAuth       Kind = "service_auth"
	IdentityAssertion Kind = "identity_assertion"
)

// Registration is one agent's place in one organisation.
type Registration struct {
	ID           string
	Environment  identity.EnvironmentID
	Identity     string          // agent_identity_…
	User         identity.UserID // who claimed it; "" for nobody yet
	Organization identity.OrganizationID
	Kind         Kind
	Claim        Claim
	Created      time.Time
	Updated      time.Time
	Expires      time.Time

	verified, revoked bool
}

// Claim is how a person takes an agent over.
type Claim struct {
	ID        string
	Attempt   string
	UserCode  string
	LoginHint string // the address that alone may claim; "" for any
	Expires   time.Time
	Completed time.Time // zero until it is
}

// Status tells a registration's state at the given time.
func (r *Registration) Status(now time.Time) Status {
	switch {
	case r.revoked:
		return Revoked
	case !now.Before(r.Expires):
		return Expired
	case r.verified:
		return Verified
	}
	return Unverified
}

// registrationRow writes a registration.
func registrationRow(r *Registration, claimHash string) identity.Row {
	return identity.Row{
		identity.Text("id", r.ID), identity.Text("environment", r.Environment), identity.Text("identity", r.Identity), identity.Text("user", r.User),
		identity.Text("organization", r.Organization), identity.Text("kind", r.Kind), identity.Text("claim", r.Claim.ID), identity.Text("attempt", r.Claim.Attempt),
		identity.Text("user_code", r.Claim.UserCode), identity.Text("login_hint", r.Claim.LoginHint), identity.Time("claim_expires", r.Claim.Expires),
		identity.Time("claimed", r.Claim.Completed), identity.Text("claim_hash", claimHash), identity.Flag("verified", r.verified),
		identity.Flag("revoked", r.revoked), identity.Time("created", r.Created), identity.Time("updated", r.Updated), identity.Time("expires", r.Expires),
	}
}

// readRegistration is the reverse of registrationRow.
func readRegistration(f identity.Record) *Registration {
	return &Registration{ID: f.Text("id"), Environment: identity.EnvironmentID(f.Text("environment")), Identity: f.Text("identity"),
		User: identity.UserID(f.Text("user")), Organization: identity.OrganizationID(f.Text("organization")), Kind: Kind(f.Text("kind")),
		Claim: Claim{ID: f.Text("claim"), Attempt: f.Text("attempt"), UserCode: f.Text("user_code"), LoginHint: f.Text("login_hint"),
			Expires: f.Time("claim_expires"), Completed: f.Time("claimed")},
		Created: f.Time("created"), Updated: f.Time("updated"), Expires: f.Time("expires"), verified: f.Flag("verified"), revoked: f.Flag("revoked")}
}

// hash is how random secrets are stored and found.
func hash(purpose, secret string) string {
	sum := sha256.Sum256([]byte("lentil agent " + purpose + "\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// How long a registration, its claim and its access token last.
const (
	registrationLife = 30 * 24 * time.Hour
	claimLife        = time.Hour
	tokenLife        = time.Hour
	maxLife          = 365 * 24 * time.Hour
)

// Registered is a new registration with what is shown this once.
type Registered struct {
	Registration
	Key        string // an API key of the agent
	Token      string // an access token
	ClaimToken string // for whoever may claim it
}

// tokenClaims are the claims of an agent's access token. Its issuer is another than
// that of people's tokens, so that it is never taken for one.
type tokenClaims struct {
	Issuer       string                  `json:"iss"`
	Subject      string                  `json:"sub"`
	Audience     string                  `json:"aud"`
	Organization identity.OrganizationID `json:"org_id"`
	ID           string                  `json:"jti"`
	Issued       int64                   `json:"iat"`
	Expires      int64                   `json:"exp"`
}

// New is what is said of an agent to be registered.
type New struct {
	Organization identity.OrganizationID
	Kind         Kind   // Anonymous if empty
	LoginHint    string // who alone may claim it
	Life         time.Duration
}

// Register registers an agent in an organisation.
func (s *Service) Register(ctx context.Context, issuer string, env identity.EnvironmentID, n New) (*Registered, error) {
	bad := func(format string, args ...any) error {
		return apierr.New(apierr.BadRequest, "invalid_request", format, args...)
	}
	if n.Kind == "" {
		n.Kind = Anonymous
	}
	if n.Kind != Anonymous && n.Kind != ServiceAuth && n.Kind != IdentityAssertion {
		return nil, bad("An agent is anonymous, service_auth or identity_assertion.")
	}
	if n.LoginHint != "" {
		if _, _, ok := identity.ParseEmail(n.LoginHint); !ok {
			return nil, bad("login_hint must be an e-mail address.")
		}
	}
	if n.Life == 0 {
		n.Life = registrationLife
	}
	if n.Life < time.Second || n.Life > maxLife {
		return nil, bad("A registration lasts from a second to a year.")
	}
	r := &Registered{Key: "sk_agent_" + rand.Text() + rand.Text(), ClaimToken: rand.Text() + rand.Text()}
	code := rand.Text()
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, n.Organization); err != nil {
			return err
		}
		e, err := tx.Environment(env)
		if err != nil {
			return err
		}
		now := tx.Now()
		r.Registration = Registration{ID: identity.NewID("agent_registration_"), Environment: env, Identity: identity.NewID("agent_identity_"),
			Organization: n.Organization, Kind: n.Kind, Created: now, Updated: now, Expires: now.Add(n.Life),
			Claim: Claim{ID: identity.NewID("agent_claim_"), Attempt: identity.NewID("agent_claim_attempt_"), UserCode: code[:4] + "-" + code[4:8],
				LoginHint: n.LoginHint, Expires: now.Add(min(claimLife, n.Life))}}
		if err := tx.Add(tableRegistrations, registrationRow(&r.Registration, hash("claim", r.ClaimToken))); err != nil {
			return err
		}
		credential := identity.NewID("agent_credential_")
		if err := tx.Add(tableCredentials, identity.Row{identity.Text("id", credential), identity.Text("environment", env), identity.Text("registration", r.ID),
			identity.Text("hash", hash("key", r.Key)), identity.Time("created", now)}); err != nil {
			return err
		}
		sg, err := tx.Signer(env)
		if err != nil {
			return err
		}
		r.Token, err = sg.Sign(tokenClaims{Issuer: issuer, Subject: r.ID, Audience: string(e.ClientID), Organization: r.Organization, ID: identity.NewULID(),
			Issued: now.Unix(), Expires: now.Add(min(tokenLife, n.Life)).Unix()})
		if err != nil {
			return err
		}
		return r.recordNew(tx, credential)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// find finds a registration.
func find(tx *identity.Tx, env identity.EnvironmentID, id string) (*identity.Found, *Registration, error) {
	f, err := tx.First(tableRegistrations, "on_environment", string(env), id)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, identity.NotFound("Agent registration", id)
	}
	return f, readRegistration(f.Record), nil
}

// Get finds a registration, and its state now.
func (s *Service) Get(ctx context.Context, env identity.EnvironmentID, id string) (r *Registration, st Status, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, r, err = find(tx, env, id); err == nil {
			st = r.Status(tx.Now())
		}
		return err
	})
	return r, st, err
}

// Revoke ends a registration and its credentials; again for nothing.
func (s *Service) Revoke(ctx context.Context, env identity.EnvironmentID, id string) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, r, err := find(tx, env, id)
		if err != nil || r.revoked {
			return err
		}
		if err := tx.Patch(f, identity.Row{identity.Flag("revoked", true), identity.Time("updated", tx.Now())}); err != nil {
			return err
		}
		return tx.Record(env, "agent.registration.revoked", map[string]string{"agent_registration_id": id})
	})
}

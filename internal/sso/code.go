package sso

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Lifetimes of what is handed out (workos-api.md §2.3).
const (
	contextLife = 5 * time.Minute
	codeLife    = 10 * time.Minute
	tokenLife   = 10 * time.Minute
)

// Selector says by which connection an application wants somebody to sign in; only
// one member is set.
type Selector struct {
	Connection   ConnectionID
	Organization identity.OrganizationID
	Provider     string
	Domain       string
}

// Empty reports whether nothing is selected.
func (q Selector) Empty() bool { return q == Selector{} }

// Select finds the connection. Refusals carry the codes that applications know
// (workos-api.md §1.7).
func (s *Service) Select(tx *identity.Tx, env identity.EnvironmentID, q Selector) (c *Connection, err error) {
	n := 0
	for _, set := range []bool{q.Connection != "", q.Organization != "", q.Provider != "", q.Domain != ""} {
		if set {
			n++
		}
	}
	refuse := func(code, format string, args ...any) (*Connection, error) {
		return nil, apierr.New(apierr.BadRequest, code, format, args...)
	}
	switch {
	case n == 0:
		return refuse("invalid_connection_selector", "One of connection, organization, provider or domain must be given.")
	case n > 1:
		return refuse("ambiguous_connection_selector", "Only one of connection, organization, provider and domain may be given.")
	case q.Connection != "":
		if c, err = s.Connection(tx, env, q.Connection); apierr.KindOf(err) == apierr.NotFound && err != nil {
			return refuse("connection_invalid", "There is no such connection.")
		}
	case q.Organization != "":
		if _, err := tx.Organization(env, q.Organization); err != nil {
			if apierr.KindOf(err) == apierr.NotFound {
				return refuse("organization_invalid", "There is no such organization.")
			}
			return nil, err
		}
		if c, err = s.Usable(tx, env, q.Organization); err == nil && c == nil {
			return refuse("organization_invalid", "The organization has no active connection.")
		}
	case q.Provider != "":
		f, ok := connector.FamilyOf(q.Provider)
		if !ok || f.Slug == q.Provider {
			return refuse("connection_strategy_invalid", "The provider is not one that is known.")
		}
		if c, err = s.Social(tx, env, f.Type); err == nil && c == nil {
			return refuse("connection_strategy_invalid", "The provider %s is not set up in this environment.", f.Type)
		}
	default:
		if c, err = s.OfDomain(tx, env, q.Domain); err == nil && c == nil {
			return refuse("connection_invalid", "There is no active connection for this domain.")
		}
	}
	if err != nil {
		return nil, err
	}
	if c.State != Active {
		return refuse("connection_unlinked", "The connection is not active.")
	}
	return c, nil
}

// OfDomain finds the active connection for a domain: that of the organisation whose
// verified domain it is, or one that names it; nil if there is none.
func (s *Service) OfDomain(tx *identity.Tx, env identity.EnvironmentID, domain string) (*Connection, error) {
	if org, err := tx.OrganizationByDomain(env, domain); err != nil {
		return nil, err
	} else if org != nil {
		if c, err := s.Usable(tx, env, org.ID); c != nil || err != nil {
			return c, err
		}
	}
	rows, err := tx.All(tableDomains, "on_domain", string(env), strings.ToLower(domain))
	for i := range rows {
		_, c, err := connectionOf(tx, env, ConnectionID(rows[i].Text("connection")))
		if err != nil || c.State == Active {
			return c, err
		}
	}
	return nil, err
}

// Finish ends the way back of GET /sso/authorize: the address to send the browser
// to, with a code or an error.
func (s *Service) Finish(ctx context.Context, key, browser, ip, agent string) (address string, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		o, err := s.Outcome(tx, "", key, ForProfile, browser)
		if err != nil {
			return err
		}
		fail := o.Failure
		if fail == nil && !o.Via.Social() { // the organisation's rules about domains hold here, too
			if _, err := s.vouches(tx, o.Via, o.Person.Email); err != nil {
				refusal, ok := apierr.As(err)
				if !ok || refusal.Kind == apierr.Internal {
					return err
				}
				fail = &Failure{refusal.Code, refusal.Message}
			}
		}
		if fail != nil {
			address = o.Refused(fail.Code, fail.Message)
			return o.Use(tx)
		}
		p, err := putProfile(tx, o.Via, o.Person)
		if err != nil {
			return err
		}
		tokens := ""
		if o.Via.Config.ReturnTokens && o.Person.Tokens != nil {
			if tokens, err = s.SealTokens(o.Person.Tokens); err != nil {
				return err
			}
		}
		code := rand.Text()
		if err := tx.Add(tableCodes, identity.Row{identity.Text("hash", hash("code", code)), identity.Text("environment", o.Environment), identity.Text("profile", p.ID),
			identity.Text("challenge", o.Challenge), identity.Text("tokens", tokens), identity.Text("type", o.Via.Type), identity.Time("expires", tx.Now().Add(codeLife))}); err != nil {
			return err
		}
		if err := recordSucceeded(tx, o.Via, "", p.Email, ip, agent); err != nil {
			return err
		}
		address = withQuery(o.RedirectURI, url.Values{"code": {code}}, o.State, o.HasState)
		return o.Use(tx)
	})
	return address, err
}

// purposeTokens binds the seal of OAuth tokens that wait to be handed over.
const purposeTokens = "sso oauth tokens"

// SealTokens seals tokens for storage beside a code.
func (s *Service) SealTokens(t *connector.Tokens) (string, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("sso: encode tokens: %w", err)
	}
	return s.Sealer.Seal(purposeTokens, b), nil
}

// OpenTokens gives back what SealTokens sealed; nil for "".
func (s *Service) OpenTokens(sealed string) (*connector.Tokens, error) {
	if sealed == "" {
		return nil, nil
	}
	b, err := s.Sealer.Open(purposeTokens, sealed)
	if err != nil {
		return nil, fmt.Errorf("sso: unseal tokens: %w", err)
	}
	t := &connector.Tokens{}
	return t, json.Unmarshal(b, t)
}

// TokenRequest is the form of POST /sso/token.
type TokenRequest struct{ GrantType, ClientID, ClientSecret, Code, Verifier string }

// Token is the answer.
type Token struct {
	AccessToken string
	Expires     time.Duration
	Profile     *Profile
	OAuth       *connector.Tokens
}

// Redeem answers POST /sso/token: a code for a profile and an access token, once.
// Refusals are OAuth's.
func (s *Service) Redeem(ctx context.Context, r TokenRequest) (t *Token, err error) {
	refuse := func(code, message string) error { return apierr.New(apierr.BadRequest, code, "%s", message) }
	if r.GrantType != "authorization_code" {
		return nil, refuse("unsupported_grant_type", "grant_type must be authorization_code.")
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		e, err := tx.EnvironmentByClient(identity.ClientID(r.ClientID))
		if apierr.KindOf(err) == apierr.NotFound && err != nil {
			return refuse("invalid_client", "Invalid client ID.")
		}
		if err != nil {
			return err
		}
		if r.ClientSecret != "" {
			owner, _, err := tx.KeyEnvironment(r.ClientSecret)
			if err != nil {
				return err
			}
			if owner == nil || owner.ID != e.ID {
				return refuse("invalid_client", "Invalid client secret.")
			}
		}
		bad := refuse("invalid_grant", "The code has expired or is invalid.")
		if r.Code == "" || len(r.Code) > 128 {
			return bad
		}
		f, err := tx.First(tableCodes, "on_hash", hash("code", r.Code))
		if err != nil {
			return err
		}
		fresh, err := tx.Fresh(f)
		if err != nil {
			return err
		}
		if !fresh || f.Text("environment") != string(e.ID) {
			return bad
		}
		switch challenge := f.Text("challenge"); {
		case challenge == "" && r.ClientSecret == "":
			return refuse("invalid_client", "client_secret is missing. Clients without a secret must use PKCE.")
		case challenge == "" && r.Verifier != "": // RFC 9700 §4.8.2
			return bad
		case challenge != "":
			sum := sha256.Sum256([]byte(r.Verifier))
			if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) != 1 {
				return refuse("invalid_grant", "The code verifier does not match the code challenge.")
			}
		}
		p, err := s.Profile(tx, e.ID, ProfileID(f.Text("profile")))
		if apierr.KindOf(err) == apierr.NotFound && err != nil {
			return bad
		}
		if err != nil {
			return err
		}
		t = &Token{AccessToken: rand.Text() + rand.Text(), Expires: tokenLife, Profile: p}
		if t.OAuth, err = s.OpenTokens(f.Text("tokens")); err != nil {
			return err
		}
		if err := tx.Add(tableTokens, identity.Row{identity.Text("hash", hash("access token", t.AccessToken)), identity.Text("environment", e.ID),
			identity.Text("profile", p.ID), identity.Time("expires", tx.Now().Add(tokenLife))}); err != nil {
			return err
		}
		return tx.Remove(f)
	})
	return t, err
}

// ProfileByToken is GET /sso/profile; Unauthenticated if the token is not good.
func (s *Service) ProfileByToken(ctx context.Context, access string) (p *Profile, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableTokens, "on_hash", hash("access token", access))
		if err != nil {
			return err
		}
		fresh, err := tx.Fresh(f)
		if err != nil {
			return err
		}
		if !fresh {
			return apierr.New(apierr.Unauthenticated, "unauthorized", "The access token is not valid or has expired.")
		}
		p, err = s.Profile(tx, identity.EnvironmentID(f.Text("environment")), ProfileID(f.Text("profile")))
		return err
	})
	return p, err
}

// purposeContext binds the seal of the parameter context.
const purposeContext = "sso initiate login"

// Context names a connection to the application's own sign-in address after a SAML
// response that nobody asked for: the application gives it back when it begins a
// sign-in, which then goes to that connection and is asked for.
func (s *Service) Context(c *Connection, now time.Time) string {
	return s.Sealer.Seal(purposeContext, []byte(string(c.ID)+" "+now.Add(contextLife).UTC().Format(time.RFC3339)))
}

// FromContext reads a context; "" if it is none or too old.
func (s *Service) FromContext(sealed string, now time.Time) ConnectionID {
	b, err := s.Sealer.Open(purposeContext, sealed)
	if err != nil || len(b) < len(time.RFC3339) {
		return ""
	}
	var id, until string
	if n, _ := fmt.Sscan(string(b), &id, &until); n != 2 {
		return ""
	}
	if end, err := time.Parse(time.RFC3339, until); err != nil || !now.Before(end) {
		return ""
	}
	return ConnectionID(id)
}

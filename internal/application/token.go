package application

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// tokenLife is how long an access token lasts (workos-api.md §2.6).
const tokenLife = time.Hour

// Client is how a program says which application it is, and proves it.
type Client struct {
	ID     string
	Secret string
	// ByHeader says that the proof came in the Authorization header, which decides
	// the status of a refusal (RFC 6749 §5.2).
	ByHeader bool
}

// Tokens is the answer of the token endpoint.
type Tokens struct {
	Access  string
	Expires time.Duration
	Scope   string
	Refresh string // "" if none
	ID      string // an OpenID Connect ID token; "" if none
}

// Refuse makes an error of the token endpoint (RFC 6749 §5.2).
func Refuse(code, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, code, format, args...)
}

// authenticate finds the application of a client that proved itself. Without a
// secret only an application that uses PKCE goes through, as public client.
func (s *Service) authenticate(tx *identity.Tx, c Client) (*Application, *identity.Environment, error) {
	refused := Refuse("invalid_client", "The client id or the client secret is not right.")
	if c.ByHeader {
		refused.Kind = apierr.Unauthenticated
	}
	if c.ID == "" || len(c.ID) > 128 {
		return nil, nil, refused
	}
	a, err := s.ByClient(tx, c.ID)
	if err != nil {
		return nil, nil, err
	}
	if a == nil {
		return nil, nil, refused
	}
	if c.Secret != "" || !a.UsesPKCE {
		ok, err := proves(tx, a, c.Secret)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			return nil, nil, refused
		}
	}
	e, err := tx.Environment(a.Environment)
	return a, e, err
}

// accessClaims are the claims of an access token of an application.
type accessClaims struct {
	Issuer       string                  `json:"iss"`
	Subject      string                  `json:"sub"`
	Audience     string                  `json:"aud"`
	Client       string                  `json:"client_id"`
	Organization identity.OrganizationID `json:"org_id,omitempty"`
	Scope        string                  `json:"scope,omitempty"`
	Grant        string                  `json:"sid,omitempty"` // of a person: what they granted, so that it can be taken back
	ID           string                  `json:"jti"`
	Issued       int64                   `json:"iat"`
	Expires      int64                   `json:"exp"`
}

// ClientCredentials gives an M2M application a token for itself (RFC 6749 §4.4).
// scope is what it asks for, separated by spaces; empty for all it has.
func (s *Service) ClientCredentials(ctx context.Context, issuer string, c Client, scope string) (t *Tokens, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		a, e, err := s.authenticate(tx, c)
		if err != nil {
			return err
		}
		if a.Kind != M2M || c.Secret == "" {
			return Refuse("unauthorized_client", "Only an M2M application gets a token for itself.")
		}
		granted, err := a.grantable(scope)
		if err != nil {
			return err
		}
		sg, err := tx.Signer(e.ID)
		if err != nil {
			return err
		}
		claims := accessClaims{Issuer: issuer, Subject: a.ClientID, Audience: string(e.ClientID), Client: a.ClientID, Organization: a.Organization,
			Scope: strings.Join(granted, " "), ID: identity.NewULID(), Issued: tx.Now().Unix(), Expires: tx.Now().Add(tokenLife).Unix()}
		text, err := sg.Sign(claims)
		if err != nil {
			return err
		}
		t = &Tokens{Access: text, Expires: tokenLife, Scope: claims.Scope}
		return nil
	})
	return t, err
}

// grantable reads a list of scopes that the application may have; all of them if it
// asks for none.
func (a *Application) grantable(scope string) ([]string, error) {
	asked := distinct(strings.Fields(scope))
	if len(asked) == 0 {
		return a.Scopes, nil
	}
	for _, sc := range asked {
		if !slices.Contains(a.Scopes, sc) && (a.Kind == M2M || !slices.Contains(standardScopes, sc)) {
			return nil, Refuse("invalid_scope", "The application was not registered for the scope %.100q.", sc)
		}
	}
	return asked, nil
}

// standardScopes are those of OpenID Connect, which every OAuth application may ask
// for.
var standardScopes = []string{"openid", "profile", "email", "offline_access"}

// StandardScopes lists them, for documents about the house.
func StandardScopes() []string { return slices.Clone(standardScopes) }

// JWKS is the public keys of all environments of the house that have applications:
// the address of Connect's keys does not say which environment is meant.
func (s *Service) JWKS(ctx context.Context) ([]byte, error) {
	envs, err := s.Identity.Environments(ctx)
	if err != nil {
		return nil, err
	}
	all := []json.RawMessage{}
	for _, e := range envs {
		var some bool
		err := s.Identity.View(ctx, func(tx *identity.Tx) error {
			f, err := tx.First(tableApplications, "on_environment", string(e.ID))
			some = f != nil
			return err
		})
		if err != nil {
			return nil, err
		}
		if !some {
			continue
		}
		doc, _, err := s.Identity.JWKS(ctx, e.ClientID)
		if err != nil {
			return nil, err
		}
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal(doc, &set); err != nil {
			return nil, fmt.Errorf("application: key set of %s: %w", e.ID, err)
		}
		all = append(all, set.Keys...)
	}
	return json.Marshal(map[string]any{"keys": all})
}

// verify checks an access token that one of the environment's applications was
// given, and gives its claims; nil if it is none, or not any more.
func (s *Service) verify(ctx context.Context, issuer string, e *identity.Environment, text string) (*accessClaims, error) {
	keys, err := s.Identity.KeySet(ctx, e.ClientID)
	if err != nil {
		return nil, err
	}
	v := token.Verifier{House: func(string) token.KeySet { return keys }}
	if _, err := v.Verify(ctx, []token.Provider{{Type: token.TypeCustomJWT, Issuer: issuer, JWKS: "house:", Algorithm: token.AlgRS256}}, text); err != nil {
		if _, ok := apierr.As(err); ok {
			return nil, nil
		}
		return nil, err
	}
	var c accessClaims
	return &c, peek(text, &c)
}

// peek reads the payload of a JWT without looking at its signature.
func peek(text string, c *accessClaims) error {
	part := strings.Split(text, ".")
	if len(part) != 3 {
		return errInactive
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part[1], "="))
	if err != nil {
		return errInactive
	}
	return json.Unmarshal(b, c)
}

// Introspection is what is told about a token (RFC 7662 §2.2).
type Introspection struct {
	Active       bool   `json:"active"`
	Scope        string `json:"scope,omitempty"`
	Client       string `json:"client_id,omitempty"`
	Type         string `json:"token_type,omitempty"`
	Subject      string `json:"sub,omitempty"`
	Audience     string `json:"aud,omitempty"`
	Issuer       string `json:"iss,omitempty"`
	Organization string `json:"org_id,omitempty"`
	ID           string `json:"jti,omitempty"`
	Issued       int64  `json:"iat,omitempty"`
	Expires      int64  `json:"exp,omitempty"`
}

// errInactive says that a token is not good for anything; it never leaves the room.
var errInactive = errors.New("application: token is not active")

// Introspect tells an application that proved itself about an access token of its
// environment. What is not active, for whatever reason, is told alike.
func (s *Service) Introspect(ctx context.Context, issuer string, c Client, text string) (*Introspection, error) {
	var e *identity.Environment
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		a, env, err := s.authenticate(tx, c)
		if err != nil {
			return err
		}
		if c.Secret == "" {
			return Refuse("invalid_client", "Introspection needs the client's secret; application %s sent none.", a.ClientID)
		}
		e = env
		return nil
	})
	if err != nil {
		return nil, err
	}
	claims, err := s.verify(ctx, issuer, e, text)
	if err != nil {
		return nil, err
	}
	if claims == nil {
		return &Introspection{}, nil
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error { return s.stillGranted(tx, e, claims) })
	if errors.Is(err, errInactive) {
		return &Introspection{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Introspection{Active: true, Scope: claims.Scope, Client: claims.Client, Type: "access_token", Subject: claims.Subject, Audience: claims.Audience,
		Issuer: claims.Issuer, Organization: string(claims.Organization), ID: claims.ID, Issued: claims.Issued, Expires: claims.Expires}, nil
}

// stillGranted looks at what could have ended a token before its time.
func (s *Service) stillGranted(tx *identity.Tx, e *identity.Environment, c *accessClaims) error {
	a, err := s.ByClient(tx, c.Client)
	if err != nil {
		return err
	}
	if a == nil || a.Environment != e.ID {
		return errInactive
	}
	if c.Grant == "" {
		return nil // a machine's
	}
	_, g, err := grantOf(tx, a, identity.UserID(c.Subject))
	if err == nil && (g == nil || g.ID != c.Grant) {
		err = errInactive
	}
	if err != nil {
		return err
	}
	if _, err = tx.User(e.ID, identity.UserID(c.Subject)); apierr.KindOf(err) == apierr.NotFound {
		err = errInactive
	}
	return err
}

package agent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// ValidateKey looks at an agent's API key. Whatever is wrong with it is told alike.
func (s *Service) ValidateKey(ctx context.Context, env identity.EnvironmentID, key string) (v Validity, err error) {
	if len(key) > 256 {
		return v, nil
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		v = Validity{}
		f, err := tx.First(tableCredentials, "on_hash", hash("key", key))
		if err != nil || f == nil || f.Text("environment") != string(env) {
			return err
		}
		v, err = valid(tx, env, f.Text("registration"), time.Time{})
		return err
	})
	return v, err
}

// valid is the validity of a credential of a registration that ends at until; zero is
// with the registration.
func valid(tx *identity.Tx, env identity.EnvironmentID, id string, until time.Time) (Validity, error) {
	f, err := tx.First(tableRegistrations, "on_environment", string(env), id)
	if err != nil || f == nil {
		return Validity{}, err
	}
	r := readRegistration(f.Record)
	if st := r.Status(tx.Now()); st == Expired || st == Revoked {
		return Validity{}, nil
	}
	if until.IsZero() || r.Expires.Before(until) {
		until = r.Expires
	}
	return Validity{r.ID, until}, nil
}

// ValidateToken looks at an agent's access token; audience is whom it must be for,
// the environment's client id if empty.
func (s *Service) ValidateToken(ctx context.Context, issuer string, env identity.EnvironmentID, text, audience string) (v Validity, err error) {
	e, err := s.Identity.Environment(ctx, env)
	if err != nil {
		return v, err
	}
	if audience == "" {
		audience = string(e.ClientID)
	}
	keys, err := s.Identity.KeySet(ctx, e.ClientID)
	if err != nil {
		return v, err
	}
	check := token.Verifier{House: func(string) token.KeySet { return keys }}
	provider := token.Provider{Type: token.TypeCustomJWT, Issuer: issuer, JWKS: "house:", Algorithm: token.AlgRS256, ApplicationID: audience}
	if _, err := check.Verify(ctx, []token.Provider{provider}, text); err != nil {
		if _, ok := apierr.As(err); ok {
			return v, nil
		}
		return v, err
	}
	var c tokenClaims
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.Split(text, ".")[1], "=")) // three parts, or it had not been verified
	if err != nil || json.Unmarshal(b, &c) != nil {
		return v, nil
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		v, err = valid(tx, env, c.Subject, time.Unix(c.Expires, 0).UTC())
		return err
	})
	return v, err
}

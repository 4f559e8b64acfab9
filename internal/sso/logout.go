package sso

import (
	"context"
	"crypto/rand"
	"net/url"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
)

// logoutLife is how long a logout token may be used.
const logoutLife = 10 * time.Minute

// AuthorizeLogout is POST /sso/logout/authorize: a token with which the person's
// browser is signed out at the identity provider, once.
func (s *Service) AuthorizeLogout(ctx context.Context, env identity.EnvironmentID, id ProfileID) (token, address string, err error) {
	var e *identity.Environment
	var c *Connection
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		p, err := s.Profile(tx, env, id)
		if err != nil {
			return err
		}
		if e, err = tx.Environment(env); err != nil {
			return err
		}
		c, err = s.Connection(tx, env, p.Connection)
		if apierr.KindOf(err) == apierr.NotFound && err != nil {
			return apierr.New(apierr.BadRequest, "connection_invalid", "The connection of this profile was deleted.")
		}
		return err
	})
	if err != nil {
		return "", "", err
	}
	found, err := s.Ready(ctx, e, c)
	if err != nil {
		return "", "", err
	}
	token = rand.Text() + rand.Text()
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		p, err := s.Profile(tx, env, id)
		if err != nil {
			return err
		}
		leads, err := s.logoutAddress(tx, e, c, p, found)
		if err != nil {
			return err
		}
		if leads == "" {
			return apierr.New(apierr.BadRequest, "connection_invalid", "The identity provider of this connection offers no sign-out.")
		}
		return tx.Add(tableTokens, identity.Row{identity.Text("hash", hash("logout token", token)), identity.Text("environment", env), identity.Text("profile", id),
			identity.Text("logout", leads), identity.Time("expires", tx.Now().Add(logoutLife))})
	})
	return token, s.BaseURL + "/sso/logout?token=" + url.QueryEscape(token), err
}

// logoutAddress is where the person is signed out; "" if nowhere.
func (s *Service) logoutAddress(tx *identity.Tx, e *identity.Environment, c *Connection, p *Profile, found connector.Endpoints) (string, error) {
	if c.Config.Protocol == SAML {
		sp, err := s.saml(tx, e, c)
		if err != nil {
			return "", err
		}
		name := p.IDP
		if n, ok := p.Raw["name_id"].(string); ok {
			name = n
		}
		return sp.Logout(name, p.NameIDFormat, p.SessionIndex, "signed-out")
	}
	client, err := s.oauth(tx, e, c, found)
	if err != nil {
		return "", err
	}
	return client.EndSession("", s.BaseURL+"/sso/saml/logout/"+string(c.ID)), nil
}

// Logout is GET /sso/logout: where to send the browser for a token; the token is
// used up.
func (s *Service) Logout(ctx context.Context, token string) (address string, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableTokens, "on_hash", hash("logout token", token))
		if err != nil {
			return err
		}
		fresh, err := tx.Fresh(f)
		if err != nil {
			return err
		}
		if !fresh {
			return apierr.New(apierr.NotFound, "entity_not_found", "The logout token is not valid, was used, or has expired.")
		}
		address = f.Text("logout")
		return tx.Remove(f)
	})
	return address, err
}

// SignedOut is where a browser goes after it was signed out at a connection's
// identity provider: the application's homepage, "" if there is none.
func (s *Service) SignedOut(ctx context.Context, id ConnectionID) (home string) {
	err := s.Identity.View(ctx, func(tx *identity.Tx) error {
		e, _, err := s.anywhere(tx, id)
		if err == nil {
			home, err = tx.Homepage(e)
		}
		return err
	})
	if err != nil && apierr.KindOf(err) != apierr.NotFound {
		s.Log.Warn("homepage after a sign-out not found", "connection", id, "err", err)
	}
	return home
}

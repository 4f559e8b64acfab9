package integration

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// freshFor is how long an access token must still last to be given out.
const freshFor = time.Minute

// Credential is what opens a service for an owner.
type Credential struct {
	Method  Method
	Value   string
	Expires time.Time // zero if it does not end or does not say
	Scopes  []string
	Missing []string // of the scopes that the integration asks for
	// Inactive says why there is none: "not_installed" or "needs_reauthorization".
	Inactive string
}

// refresh is a refresh of one account that is running; who comes meanwhile waits for
// its end.
type refresh struct {
	done chan struct{}
	err  error
}

// Vend gives an owner's credential, fresh. With only, the account must be by that
// method.
func (s *Service) Vend(ctx context.Context, env identity.EnvironmentID, slug string, o Owner, only Method) (*Credential, error) {
	for round := 0; ; round++ {
		var i *Integration
		var a *Account
		var c *client
		var e *identity.Environment
		err := s.Identity.View(ctx, func(tx *identity.Tx) (err error) {
			if _, i, err = find(tx, env, slug); err != nil {
				return err
			}
			if err := o.check(tx, env); err != nil {
				return err
			}
			if only != "" && !slices.Contains(i.Methods, only) {
				return errMethod(i, only)
			}
			on, err := s.on(tx, i, o.Organization)
			if err != nil || !on {
				return err
			}
			if _, a, err = accountOf(tx, i, o); err != nil || a == nil {
				return err
			}
			with := *i
			if len(a.Config) > 0 {
				with.Config = a.Config
			}
			if c, err = s.clientFor(tx, &with, o.Organization); err != nil {
				return err
			}
			e, err = tx.Environment(env)
			return err
		})
		switch {
		case err != nil:
			return nil, err
		case a == nil:
			return &Credential{Inactive: "not_installed"}, nil
		case only != "" && a.Method != only:
			return nil, errMethod(i, only)
		case a.State == NeedsAuthorization:
			return &Credential{Inactive: string(NeedsAuthorization)}, nil
		case a.Method == ByAPIKey:
			key, err := s.unseal(a.key)
			return &Credential{Method: ByAPIKey, Value: key}, err
		}
		left := time.Until(a.Expires)
		if a.access != "" && (a.Expires.IsZero() || left > freshFor || round > 0 && left > 0) {
			return s.credential(a, c)
		}
		if round > 0 {
			return nil, apierr.New(apierr.Unavailable, "provider_unavailable", "The service gives tokens that end at once; try again later.")
		}
		if a.Method == ByOAuth && a.refresh == "" {
			if left > 0 {
				return s.credential(a, c)
			}
			if err := s.end(ctx, i, a); err != nil {
				return nil, err
			}
			return &Credential{Inactive: string(NeedsAuthorization)}, nil
		}
		if err := s.renewOnce(ctx, e, i, a, c); err != nil {
			if left > 0 && a.access != "" {
				s.Log.Warn("token not refreshed yet", "account", a.ID, "err", err)
				return s.credential(a, c)
			}
			s.Log.Warn("token not refreshed", "account", a.ID, "err", err)
			return nil, apierr.New(apierr.Unavailable, "provider_unavailable", "The service did not answer; try again later.").Wrap(err)
		}
	}
}

// credential is the account's access token as it is.
func (s *Service) credential(a *Account, c *client) (*Credential, error) {
	text, err := s.unseal(a.access)
	missing := []string{}
	for _, sc := range c.scopes {
		if !slices.Contains(a.Scopes, sc) {
			missing = append(missing, sc)
		}
	}
	return &Credential{Method: a.Method, Value: text, Expires: a.Expires, Scopes: a.Scopes, Missing: missing}, err
}

// renewOnce renews the account's token, or waits for the renewal that runs.
func (s *Service) renewOnce(ctx context.Context, e *identity.Environment, i *Integration, a *Account, c *client) error {
	s.mu.Lock()
	r := s.refreshing[a.ID]
	mine := r == nil
	if mine {
		r = &refresh{done: make(chan struct{})}
		s.refreshing[a.ID] = r
	}
	s.mu.Unlock()
	if !mine {
		select {
		case <-r.done:
			return r.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// What the service has rotated must be stored, whoever has hung up meanwhile.
	r.err = s.renew(context.WithoutCancel(ctx), e, i, a, c)
	s.mu.Lock()
	delete(s.refreshing, a.ID)
	s.mu.Unlock()
	close(r.done)
	return r.err
}

// renew gets a fresh token from the service. A final no marks the account and is no
// error.
func (s *Service) renew(ctx context.Context, e *identity.Environment, i *Integration, a *Account, c *client) error {
	var v url.Values
	address := c.provider.RefreshURL
	if a.Method == ByCredentials {
		secret, err := s.unseal(a.secret)
		if err != nil {
			return err
		}
		c.id, c.secret, address = a.ClientID, secret, c.provider.TokenURL
		v = url.Values{"grant_type": {"client_credentials"}}
		if len(c.scopes) > 0 {
			v.Set("scope", strings.Join(c.scopes, c.provider.Separator))
		}
	} else {
		token, err := s.unseal(a.refresh)
		if err != nil {
			return err
		}
		v = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	}
	if address == "" {
		return errors.New("integration: there is no token endpoint")
	}
	got, err := s.ask(ctx, e, c, address, v)
	var no *refusal
	if errors.As(err, &no) && (no.final() || a.Method == ByCredentials && no.Code == "invalid_client") {
		return s.end(ctx, i, a)
	}
	if err != nil {
		return err
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, now, err := accountOf(tx, i, a.Owner)
		if err != nil || f == nil || now.ID != a.ID || now.refresh != a.refresh || now.secret != a.secret {
			return err // disconnected, or connected anew: that one counts
		}
		now.access, now.Expires, now.Scopes, now.Updated = s.seal(got.Access), got.expires(tx.Now()), got.scopes(now.Scopes), tx.Now()
		if a.Method == ByCredentials {
			now.Scopes = got.scopes(c.scopes)
		}
		if got.Refresh != "" {
			now.refresh = s.seal(got.Refresh)
		}
		return tx.Put(f.Doc, accountRow(now))
	})
}

// end notes that an account's owner must authorize anew.
func (s *Service) end(ctx context.Context, i *Integration, a *Account) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, now, err := accountOf(tx, i, a.Owner)
		if err != nil || f == nil || now.ID != a.ID || now.refresh != a.refresh || now.State == NeedsAuthorization {
			return err
		}
		now.State, now.Updated = NeedsAuthorization, tx.Now()
		if err := tx.Put(f.Doc, accountRow(now)); err != nil {
			return err
		}
		return record(tx, "reauthorization_needed", i, now)
	})
}

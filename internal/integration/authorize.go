package integration

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// attemptLife is how long somebody may take to approve at the service.
const attemptLife = 10 * time.Minute

// Authorize begins a connection by OAuth and gives the address at the service to
// which the owner's browser goes. returnTo is where it ends; it comes from the
// application's server, so it may be any address of the web.
func (s *Service) Authorize(ctx context.Context, env identity.EnvironmentID, slug string, o Owner, returnTo string, config map[string]string) (address string, err error) {
	if returnTo != "" {
		u, err := url.Parse(returnTo)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(returnTo) > 2000 {
			return "", badField("return_to", "return_to must be an http or https address.")
		}
	}
	if err := checkConfig(config); err != nil {
		return "", err
	}
	state, verifier := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		i, err := s.usable(tx, env, slug, o, ByOAuth)
		if err != nil {
			return err
		}
		with := *i
		if config != nil {
			with.Config = config
		}
		c, err := s.clientFor(tx, &with, o.Organization)
		if err != nil {
			return err
		}
		if c.id == "" || c.provider.AuthorizationURL == "" || strings.Contains(c.provider.AuthorizationURL, "{") {
			return apierr.New(apierr.BadRequest, "data_integration_invalid", "The data integration %s is not ready: it lacks a client, or its config.", slug)
		}
		if c.provider.ScopesRequired && len(c.scopes) == 0 {
			return apierr.New(apierr.BadRequest, "data_integration_invalid", "The data integration %s needs scopes; set them first.", slug)
		}
		if address, err = s.request(c, state, verifier); err != nil {
			return err
		}
		return tx.Add(tableAttempts, identity.Row{
			identity.Text("hash", secretHash(state)), identity.Text("environment", env), identity.Text("integration", i.ID), identity.Text("slug", slug),
			identity.Text("user", o.User), identity.Text("organization", o.Organization), identity.Text("verifier", s.seal(verifier)),
			identity.Text("return_to", returnTo), identity.Map("config", config), identity.Time("expires", tx.Now().Add(attemptLife)),
		})
	})
	return address, err
}

// request is the address of an authorization request.
func (s *Service) request(c *client, state, verifier string) (string, error) {
	p := c.provider
	u, err := url.Parse(p.AuthorizationURL)
	if err != nil {
		return "", badField("custom_provider.authorization_url", "The authorization URL is none.")
	}
	q := u.Query()
	for k, v := range p.Parameters {
		q.Set(k, v)
	}
	q.Set("response_type", "code")
	q.Set("client_id", c.id)
	q.Set("redirect_uri", s.Callback)
	q.Set("state", state)
	if len(c.scopes) > 0 {
		q.Set("scope", strings.Join(c.scopes, p.Separator))
	}
	if p.PKCE {
		sum := sha256.Sum256([]byte(verifier))
		q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		q.Set("code_challenge_method", "S256")
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// attempt is a connection that was begun.
type attempt struct {
	integration *Integration
	environment *identity.Environment
	owner       Owner
	client      *client
	verifier    string
	returnTo    string
	config      map[string]string
}

// take finds and forgets the attempt of a state; nil if there is none.
func (s *Service) take(ctx context.Context, state string) (t *attempt, err error) {
	if state == "" || len(state) > 256 {
		return nil, nil
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		t = nil
		f, err := tx.First(tableAttempts, "on_hash", secretHash(state))
		if err != nil || f == nil {
			return err
		}
		fresh, err := tx.Fresh(f)
		if err != nil {
			return err
		}
		if err := tx.Remove(f); err != nil {
			return err
		}
		if !fresh {
			return nil
		}
		env := identity.EnvironmentID(f.Text("environment"))
		_, i, err := find(tx, env, f.Text("slug"))
		if apierr.KindOf(err) == apierr.NotFound || err == nil && i.ID != f.Text("integration") {
			return nil
		}
		if err != nil {
			return err
		}
		n := &attempt{integration: i, owner: Owner{identity.UserID(f.Text("user")), identity.OrganizationID(f.Text("organization"))},
			returnTo: f.Text("return_to"), config: f.Map("config")}
		if n.environment, err = tx.Environment(env); err != nil {
			return err
		}
		if n.verifier, err = s.unseal(f.Text("verifier")); err != nil {
			return err
		}
		with := *i
		if n.config != nil {
			with.Config = n.config
		}
		n.client, err = s.clientFor(tx, &with, n.owner.Organization)
		t = n
		return err
	})
	return t, err
}

// Finished tells how a connection ended.
type Finished struct {
	ReturnTo string // "" if the application named none
	Provider string // for people
	Failed   string // a code; "" if all is well
}

// Finish is what happens when a service sends somebody back. An unknown state is a
// NotFound; whatever else goes wrong is in Finished.
func (s *Service) Finish(ctx context.Context, q url.Values) (*Finished, error) {
	t, err := s.take(ctx, q.Get("state"))
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, apierr.New(apierr.NotFound, "entity_not_found", "This connection was not begun here, or took too long. Go back to the application and begin again.")
	}
	f := &Finished{ReturnTo: t.returnTo, Provider: t.client.provider.Name}
	no := s.finish(ctx, t, q)
	if no == nil {
		return f, nil
	}
	f.Failed = no.Code
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		return tx.Record(t.environment.ID, eventPrefix+"connection_failed", failedEvent{Object: "connection_failed", Integration: t.integration.ID, Slug: t.integration.Slug,
			User: nullable(t.owner.User), Organization: nullable(t.owner.Organization), Code: no.Code, Reason: nullable(no.Reason),
			Provider: nullable(no.Provider), Description: nullable(no.Description), CreatedAt: identity.FormatTime(tx.Now())})
	})
	return f, err
}

// failedEvent is the data of the event about a connection that came to nothing.
type failedEvent struct {
	Object       string                   `json:"object"`
	Integration  string                   `json:"data_integration_id"`
	Slug         string                   `json:"provider_slug"`
	User         *identity.UserID         `json:"user_id"`
	Organization *identity.OrganizationID `json:"organization_id"`
	Code         string                   `json:"error_code"`
	Reason       *string                  `json:"error_reason"`
	Provider     *string                  `json:"provider_error"`
	Description  *string                  `json:"provider_error_description"`
	CreatedAt    string                   `json:"created_at"`
}

// failure is why a connection came to nothing.
type failure struct{ Code, Reason, Provider, Description string }

// finish exchanges the code and stores the account; nil if all is well.
func (s *Service) finish(ctx context.Context, t *attempt, q url.Values) *failure {
	if no := q.Get("error"); no != "" {
		code := "authorization_failed"
		if no == "access_denied" {
			code = "access_denied"
		}
		return &failure{Code: code, Provider: clip(no, 100), Description: clip(q.Get("error_description"), 300)}
	}
	if q.Get("code") == "" || len(q.Get("code")) > maxSecret {
		return &failure{Code: "authorization_failed", Reason: "The service sent no code."}
	}
	v := url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {s.Callback}}
	if t.client.provider.PKCE {
		v.Set("code_verifier", t.verifier)
	}
	a, err := s.ask(ctx, t.environment, t.client, t.client.provider.TokenURL, v)
	if err != nil {
		var no *refusal
		if errors.As(err, &no) {
			return &failure{Code: "token_exchange_failed", Provider: no.Code, Description: no.Description}
		}
		s.Log.Warn("code not exchanged", "integration", t.integration.ID, "err", err)
		return &failure{Code: "token_exchange_failed", Reason: "The service did not answer."}
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if err := t.owner.check(tx, t.environment.ID); err != nil {
			return err
		}
		_, err := save(tx, t.integration, t.owner, func(acc *Account) {
			acc.Method, acc.access, acc.Expires, acc.Scopes = ByOAuth, s.seal(a.Access), a.expires(tx.Now()), a.scopes(t.client.scopes)
			acc.refresh, acc.Config = s.seal(a.Refresh), t.config
			acc.key, acc.KeyLast4, acc.secret, acc.SecretLast4, acc.ClientID = "", "", "", "", ""
		})
		return err
	})
	if err != nil {
		if _, ok := apierr.As(err); !ok {
			s.Log.Error("connected account not stored", "integration", t.integration.ID, "err", err)
		}
		return &failure{Code: "account_not_stored", Reason: message(err)}
	}
	return nil
}

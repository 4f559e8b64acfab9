package sso

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Incoming is what a browser brings to one of our callback addresses.
type Incoming struct {
	Connection ConnectionID // of the address
	State      string       // or RelayState

	Code, Issuer, User      string // OAuth
	Error, ErrorDescription string
	SAMLResponse            string

	IPAddress, UserAgent string
}

// Arrival says where a browser that came back goes on.
type Arrival struct {
	Purpose Purpose
	Subject string
	Key     string // shows that it is the one that came back; once

	// Unsolicited is a SAML response that nobody here asked for. It is right in every
	// other way, and still it signs nobody in: whoever posted it may not be whose
	// browser this is. The sign-in begins at the application instead.
	Unsolicited bool
	Environment *identity.Environment
	Connection  *Connection
}

// Failure is why somebody came back without having signed in, in words for people.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// purposeArrival binds the seal of what came back while it waits to be used.
const purposeArrival = "sso arrival"

// maxArrival bounds what is kept of a person's attributes.
const maxArrival = 256 << 10

// pending is the departure that a state belongs to; nil if there is none any more.
func (s *Service) pending(tx *identity.Tx, state string) (*identity.Found, *Departure, error) {
	if len(state) != 52 { // of Leave
		return nil, nil, nil
	}
	f, err := tx.First(tableDepartures, "on_hash", hash("state", state))
	if err != nil {
		return nil, nil, err
	}
	if fresh, err := tx.Fresh(f); err != nil || !fresh {
		return nil, nil, err
	}
	d := readDeparture(f.Record)
	return f, &d, nil
}

// errStale is the refusal of a way back that belongs to no way out.
func errStale() error {
	return apierr.New(apierr.BadRequest, "sign_in_expired", "This sign-in was begun too long ago, or elsewhere, or was finished already. Go back to the app and sign in again.")
}

// arrivalKey is the key under which what came back waits: derived, so that a
// callback visited twice leads to the same place.
func arrivalKey(tx *identity.Tx, e *identity.Environment, state string) (string, error) {
	b, err := tx.Derive(e, "sso arrival", state)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// Come takes what a browser brought to a callback, asks the provider for what it
// stands for, and keeps it for the browser that left. Errors are pages.
func (s *Service) Come(ctx context.Context, in Incoming) (*Arrival, error) {
	var e *identity.Environment
	var c *Connection
	var d *Departure
	var ask func(context.Context) (*connector.Person, error)
	a := &Arrival{}
	err := s.Identity.View(ctx, func(tx *identity.Tx) (err error) {
		if e, c, err = s.anywhere(tx, in.Connection); err != nil {
			return err
		}
		var f *identity.Found
		if f, d, err = s.pending(tx, in.State); err != nil {
			return err
		}
		if d != nil && (d.Connection != c.ID || d.Environment != e.ID) {
			return errStale() // another provider's answer (RFC 9700 §4.4)
		}
		if d == nil && (c.Config.Protocol != SAML || in.SAMLResponse == "") {
			return errStale()
		}
		if d != nil {
			a.Purpose, a.Subject = d.Purpose, d.Subject
			if a.Key, err = arrivalKey(tx, e, in.State); err != nil {
				return err
			}
			if f.Text("key") != "" { // came back before
				ask = nil
				return nil
			}
		}
		if ask, err = s.question(tx, e, c, d, in); err == nil && d != nil {
			ask = d.fresh(c, tx.Now().Sub(d.left), ask)
		}
		return err
	})
	if err != nil || ask == nil {
		return a, err
	}
	p, err := ask(ctx)
	var fail *Failure
	if err != nil {
		refusal, ok := apierr.As(err)
		if !ok || refusal.Kind == apierr.Internal {
			return nil, err
		}
		s.Log.Warn("sign-in through a connection failed", "connection", c.ID, "err", err)
		fail = &Failure{refusal.Code, refusal.Message}
	}
	if d == nil {
		if err != nil {
			return nil, err
		}
		return &Arrival{Unsolicited: true, Environment: e, Connection: c}, nil
	}
	return a, s.keep(ctx, e, c, in, a.Key, p, fail)
}

// question prepares the request to the provider. It is asked outside of the
// transaction.
func (s *Service) question(tx *identity.Tx, e *identity.Environment, c *Connection, d *Departure, in Incoming) (func(context.Context) (*connector.Person, error), error) {
	fail := func(err error) func(context.Context) (*connector.Person, error) {
		return func(context.Context) (*connector.Person, error) { return nil, err }
	}
	if c.State != Active && (d == nil || d.Purpose != ForTest) {
		return fail(apierr.New(apierr.BadRequest, "connection_unlinked", "This connection is not active. Ask its administrator.")), nil
	}
	if in.Error != "" {
		code := "oauth_failed"
		if in.Error == "access_denied" || in.Error == "user_cancelled_login" || in.Error == "user_cancelled_authorize" || in.Error == "user_cancelled" {
			code = "access_denied"
		}
		return fail(apierr.New(apierr.BadRequest, code, "%s did not sign you in: %s", c.Name, plainWords(in.Error, in.ErrorDescription))), nil
	}
	if c.Config.Protocol == SAML {
		sp, err := s.saml(tx, e, c)
		if err != nil {
			return nil, err
		}
		request := ""
		if d != nil {
			if _, request, err = outOf(tx, e, in.State); err != nil {
				return nil, err
			}
		} else if connector.Answers(in.SAMLResponse) != "" {
			return nil, errStale()
		}
		return func(ctx context.Context) (*connector.Person, error) {
			return sp.Come(in.SAMLResponse, request, func(id string, until time.Time) error { return s.see(ctx, e.ID, c.ID, id, until) })
		}, nil
	}
	o, _, err := outOf(tx, e, in.State)
	if err != nil {
		return nil, err
	}
	o.Scopes = d.Scopes
	client, err := s.oauth(tx, e, c, connector.Endpoints{})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*connector.Person, error) {
		found, err := s.Ready(ctx, e, c)
		if err != nil {
			return nil, err
		}
		if found.Issuer != "" {
			client.Family.Endpoints = c.Config.Endpoints.Over(found)
			client.Keys = s.shelf.Keys(string(e.ID), client.Family.JWKS, client.HTTP)
		}
		return client.Come(ctx, o, connector.Return{Code: in.Code, Issuer: in.Issuer, User: in.User})
	}, nil
}

// plainWords is a provider's error as a sentence that may be shown.
func plainWords(code, description string) string {
	text := description
	if text == "" {
		text = code
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == '<' || r == '>' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200])
	}
	return text
}

// see notes an assertion, or refuses one that is noted.
func (s *Service) see(ctx context.Context, env identity.EnvironmentID, c ConnectionID, id string, until time.Time) error {
	if len(id) > 256 {
		return errors.New("sso: the assertion's id is too long")
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableAssertions, "on_assertion", string(c), id)
		if err != nil {
			return err
		}
		if f != nil {
			return connector.ErrSeen
		}
		return tx.Add(tableAssertions, identity.Row{identity.Text("environment", env), identity.Text("connection", c), identity.Text("assertion", id),
			identity.Time("expires", until.Add(time.Minute))})
	})
}

// keep stores what came back for the next step, and tells of a failure.
func (s *Service) keep(ctx context.Context, e *identity.Environment, c *Connection, in Incoming, key string, p *connector.Person, fail *Failure) error {
	sealed := ""
	if p != nil {
		b, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("sso: encode person: %w", err)
		}
		if len(b) > maxArrival {
			p, fail = nil, &Failure{"profile_too_large", "The identity provider sent too much about you. Ask its administrator to release fewer attributes."}
		} else {
			sealed = s.Sealer.Seal(purposeArrival, b)
		}
	}
	if fail == nil {
		fail = &Failure{}
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, d, err := s.pending(tx, in.State)
		if err != nil {
			return err
		}
		if f == nil {
			return errStale()
		}
		if f.Text("key") != "" {
			return nil // a second callback was quicker
		}
		if fail.Code != "" && d.Purpose != ForTest {
			if err := recordFailed(tx, e, c, in, fail); err != nil {
				return err
			}
		}
		return tx.Patch(f, identity.Row{identity.Text("key", hash("arrival", key)), identity.Text("person", sealed), identity.Text("failure_code", fail.Code),
			identity.Text("failure_message", fail.Message), identity.Time("expires", tx.Now().Add(arrivalLife))})
	})
}

// Outcome is what came back, for whoever went away.
type Outcome struct {
	Departure
	Via     *Connection
	Person  *connector.Person // nil with a Failure
	Failure *Failure

	row *identity.Found
}

// Outcome finds what waits under a key for a browser and a purpose. Finding uses
// nothing up: see Use.
func (s *Service) Outcome(tx *identity.Tx, env identity.EnvironmentID, key string, purpose Purpose, browser string) (*Outcome, error) {
	if len(key) != 43 {
		return nil, errStale()
	}
	f, err := tx.First(tableDepartures, "on_key", hash("arrival", key))
	if err != nil {
		return nil, err
	}
	fresh, err := tx.Fresh(f)
	if err != nil {
		return nil, err
	}
	if !fresh || f.Text("environment") != string(env) && env != "" {
		return nil, errStale()
	}
	o := &Outcome{Departure: readDeparture(f.Record), row: f}
	if o.Purpose != purpose || subtle.ConstantTimeCompare([]byte(o.Browser), []byte(hash("browser", browser))) != 1 {
		return nil, apierr.New(apierr.Forbidden, "other_browser", "This sign-in was begun in another browser and can only be finished there. If this is that browser, allow cookies for this address and sign in again.")
	}
	if _, o.Via, err = connectionOf(tx, o.Environment, o.Departure.Connection); err != nil {
		return nil, err
	}
	if code := f.Text("failure_code"); code != "" {
		o.Failure = &Failure{code, f.Text("failure_message")}
		return o, nil
	}
	b, err := s.Sealer.Open(purposeArrival, f.Text("person"))
	if err != nil {
		return nil, fmt.Errorf("sso: unseal arrival: %w", err)
	}
	o.Person = &connector.Person{}
	if err := json.Unmarshal(b, o.Person); err != nil {
		return nil, fmt.Errorf("sso: decode arrival: %w", err)
	}
	return o, nil
}

// Use takes an outcome away: it works once.
func (o *Outcome) Use(tx *identity.Tx) error { return tx.Remove(o.row) }

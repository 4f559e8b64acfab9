package sso

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// Purpose is what somebody goes away for, and so where they go on when they are
// back.
type Purpose string

// The purposes.
const (
	ForAttempt Purpose = "attempt" // a sign-in on the hosted pages
	ForProfile Purpose = "profile" // GET /sso/authorize
	ForTest    Purpose = "test"    // an administrator tries the connection
)

// departureLife is how long somebody may stay away; arrivalLife how long what they
// bring back may wait to be used.
const (
	departureLife = 20 * time.Minute
	arrivalLife   = time.Hour // a code may have to be mailed before it is used
)

// Departure is one browser's way out and back.
type Departure struct {
	Environment identity.EnvironmentID
	Connection  ConnectionID
	Purpose     Purpose
	Browser     string // the browser's secret; only its hash is kept
	Subject     string // what it is for: an attempt's id, a portal session's
	Direct      bool   // the application asked for this connection; there was no page before

	// For profiles: where the application wants its code.
	RedirectURI string
	State       []byte
	HasState    bool
	Challenge   string

	// For the provider.
	LoginHint string
	Prompt    string
	MaxAge    string
	Scopes    []string
	Params    map[string]string

	left time.Time
}

// Leave notes a departure in the caller's transaction and gives the address to send
// the browser to. It fetches nothing: what an issuer says of itself must have been
// asked for by Ready before.
func (s *Service) Leave(tx *identity.Tx, e *identity.Environment, c *Connection, d Departure, found connector.Endpoints) (address string, err error) {
	if c.State != Active && d.Purpose != ForTest {
		return "", apierr.New(apierr.BadRequest, "connection_unlinked", "The connection %s is not active.", c.ID)
	}
	state := rand.Text() + rand.Text()
	if address, err = s.address(tx, e, c, d, state, found); err != nil {
		return "", err
	}
	d.Environment, d.Connection = e.ID, c.ID
	params, err := json.Marshal(d.Scopes)
	if err != nil {
		return "", fmt.Errorf("sso: encode scopes: %w", err)
	}
	return address, tx.Add(tableDepartures, identity.Row{
		identity.Text("hash", hash("state", state)), identity.Text("environment", e.ID), identity.Text("connection", c.ID), identity.Text("purpose", d.Purpose),
		identity.Text("browser", hash("browser", d.Browser)), identity.Text("subject", d.Subject), identity.Flag("direct", d.Direct),
		identity.Text("redirect_uri", d.RedirectURI), identity.Bytes("state", d.State), identity.Flag("has_state", d.HasState), identity.Text("challenge", d.Challenge),
		identity.Text("scopes", string(params)), identity.Text("prompt", d.Prompt), identity.Text("max_age", d.MaxAge), identity.Time("left", tx.Now()),
		identity.Text("key", ""), identity.Time("expires", tx.Now().Add(departureLife)),
	})
}

// readDeparture reads a row of Leave; Browser is the hash.
func readDeparture(r identity.Record) Departure {
	d := Departure{
		Environment: identity.EnvironmentID(r.Text("environment")), Connection: ConnectionID(r.Text("connection")), Purpose: Purpose(r.Text("purpose")),
		Browser: r.Text("browser"), Subject: r.Text("subject"), Direct: r.Flag("direct"), RedirectURI: r.Text("redirect_uri"),
		State: r.Bytes("state"), HasState: r.Flag("has_state"), Challenge: r.Text("challenge"), Prompt: r.Text("prompt"), MaxAge: r.Text("max_age"), left: r.Time("left"),
	}
	_ = json.Unmarshal([]byte(r.Text("scopes")), &d.Scopes) // written above
	return d
}

// Ready fetches what Leave needs to know of an OpenID Connect issuer; nothing for
// other connections.
func (s *Service) Ready(ctx context.Context, e *identity.Environment, c *Connection) (connector.Endpoints, error) {
	if c.Config.Protocol != OIDC || c.Config.Test || c.Config.Endpoints.Authorize != "" && c.Config.Endpoints.Token != "" && c.Config.Endpoints.JWKS != "" {
		return connector.Endpoints{}, nil
	}
	return s.shelf.Issuer(ctx, string(e.ID), c.Config.Issuer, s.client(e))
}

// outOf derives what goes out with a state: only who carries the state can, with
// the house's help, find it again.
func outOf(tx *identity.Tx, e *identity.Environment, state string) (o connector.Out, request string, err error) {
	derive := func(what string) string {
		b, fault := tx.Derive(e, "sso "+what, state)
		if fault != nil {
			err = fault
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	o = connector.Out{State: state, Nonce: derive("nonce"), Verifier: derive("verifier")}
	return o, "id-" + hex.EncodeToString([]byte(derive("request"))[:32]), err
}

// address is where the browser goes.
func (s *Service) address(tx *identity.Tx, e *identity.Environment, c *Connection, d Departure, state string, found connector.Endpoints) (string, error) {
	o, request, err := outOf(tx, e, state)
	if err != nil {
		return "", err
	}
	o.LoginHint, o.Prompt, o.MaxAge, o.Scopes, o.Params = d.LoginHint, d.Prompt, d.MaxAge, d.Scopes, d.Params
	if c.Config.Protocol == SAML {
		sp, err := s.saml(tx, e, c)
		if err != nil {
			return "", err
		}
		return sp.Leave(request, state, strings.Contains(d.Prompt, "login") || d.MaxAge != "")
	}
	client, err := s.oauth(tx, e, c, found)
	if err != nil {
		return "", err
	}
	return client.Leave(o)
}

// CallbackURL is the redirect URI that is registered with the provider.
func (s *Service) CallbackURL(c *Connection) string {
	if c.Config.Protocol == OIDC {
		return s.BaseURL + "/sso/oidc/" + string(c.ID) + "/callback"
	}
	f, _ := connector.FamilyOf(c.Type)
	return s.BaseURL + "/sso/oauth/" + f.Slug + "/" + string(c.ID) + "/callback"
}

// ACSURL is the address that a SAML identity provider posts to; EntityID is what it
// knows us by, and the address of our metadata.
func (s *Service) ACSURL(c *Connection) string { return s.BaseURL + "/sso/saml/acs/" + string(c.ID) }

// EntityID is the name under which a SAML identity provider knows this connection,
// and the address of our metadata.
func (s *Service) EntityID(c *Connection) string {
	return s.BaseURL + "/sso/saml/metadata/" + string(c.ID)
}

// oauth is the connection as a client of its provider.
func (s *Service) oauth(tx *identity.Tx, e *identity.Environment, c *Connection, found connector.Endpoints) (*connector.OAuth, error) {
	sec, err := s.open(c)
	if err != nil {
		return nil, err
	}
	f := connector.Generic
	if c.Social() {
		f, _ = connector.FamilyOf(c.Type)
	} else {
		if f.Endpoints, f.Name = found, c.Name; found.Issuer == "" {
			f.Issuer = c.Config.Issuer // all endpoints are set by hand
		}
	}
	client := &connector.OAuth{ClientID: c.Config.ClientID, Secret: sec.ClientSecret, Scopes: c.Config.Scopes, RedirectURI: s.CallbackURL(c), HTTP: s.client(e)}
	if c.Config.Test {
		if f, err = s.testFamily(f, c); err != nil {
			return nil, err
		}
		client.ClientID = string(c.ID)
		if client.Secret, err = testSecret(tx, e, c); err != nil {
			return nil, err
		}
	} else {
		f.Endpoints = c.Config.Endpoints.Over(f.Endpoints)
		if sec.AppleKey != "" {
			if client.Key, err = connector.ParseAppleKey(c.Config.AppleTeam, c.Config.AppleKey, sec.AppleKey); err != nil {
				return nil, err
			}
		}
	}
	if client.Family = f; f.OIDC {
		client.Keys = s.shelf.Keys(string(e.ID), f.JWKS, client.HTTP)
	}
	return client, nil
}

// saml is the connection as a service provider.
func (s *Service) saml(tx *identity.Tx, e *identity.Environment, c *Connection) (*connector.SAML, error) {
	sec, err := s.open(c)
	if err != nil {
		return nil, err
	}
	sp := &connector.SAML{
		EntityID: s.EntityID(c), ACS: s.ACSURL(c), SLO: s.BaseURL + "/sso/saml/logout/" + string(c.ID), IDP: c.Config.IDP,
		SignRequests: c.Config.SignRequests, Mapping: c.Config.Mapping,
	}
	if c.Config.Test {
		if sp.IDP, err = s.testFacts(tx, e, c); err != nil {
			return nil, err
		}
	}
	if len(sec.SAMLKey) > 0 {
		if sp.Key, err = token.ParsePrivateKey(sec.SAMLKey); err != nil {
			return nil, err
		}
		if sp.Certificate, err = connector.ParseCertificate(c.Config.Certificate); err != nil {
			return nil, fmt.Errorf("sso: certificate of %s: %w", c.ID, err)
		}
	}
	return sp, nil
}

// SAMLMetadata is our side of a SAML connection as an XML document.
func (s *Service) SAMLMetadata(ctx context.Context, id ConnectionID) (doc []byte, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		e, c, err := s.anywhere(tx, id)
		if err != nil {
			return err
		}
		if c.Config.Protocol != SAML {
			return notFound("Connection", string(id))
		}
		sp, err := s.saml(tx, e, c)
		if err != nil {
			return err
		}
		doc, err = sp.Metadata()
		return err
	})
	return doc, err
}

// anywhere finds a connection by its id alone, for addresses that identity
// providers know.
func (s *Service) anywhere(tx *identity.Tx, id ConnectionID) (*identity.Environment, *Connection, error) {
	f, err := tx.First(tableConnections, "on_id", string(id))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, notFound("Connection", string(id))
	}
	c, err := withDomains(tx, f)
	if err != nil {
		return nil, nil, err
	}
	e, err := tx.Environment(c.Environment)
	return e, c, err
}

// Refused is the application's address with an error.
func (d *Departure) Refused(code, message string) string {
	return withQuery(d.RedirectURI, url.Values{"error": {code}, "error_description": {message}}, d.State, d.HasState)
}

// withQuery adds to the query of an address; a state's bytes are escaped so that
// they decode to the same.
func withQuery(uri string, q url.Values, state []byte, hasState bool) string {
	query := q.Encode()
	if hasState {
		query += "&state=" + url.QueryEscape(string(state))
	}
	sep := "?"
	if strings.Contains(uri, "?") {
		sep = "&"
	}
	return uri + sep + query
}

package sso

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// TestPath is where the test identity provider lives; a connection's id follows.
const TestPath = "/_lentil/test-idp/"

// purposeTest binds the seal of the test identity provider's key.
const purposeTest = "sso test identity provider"

// TestIssuer is the test identity provider of one connection, its issuer and the
// beginning of its addresses.
func (s *Service) TestIssuer(id ConnectionID) string { return s.BaseURL + TestPath + string(id) }

// testSecret is the client secret at the test identity provider.
func testSecret(tx *identity.Tx, e *identity.Environment, c *Connection) (string, error) {
	b, err := tx.Derive(e, "sso test client", string(c.ID))
	return base64.RawURLEncoding.EncodeToString(b), err
}

// testFamily lets the test identity provider stand in for a family: the addresses
// are its, and so are the claims.
func (s *Service) testFamily(f connector.Family, c *Connection) (connector.Family, error) {
	at := s.TestIssuer(c.ID)
	g := connector.Generic
	g.Type, g.Slug, g.Name = f.Type, f.Slug, f.Name
	g.Endpoints = connector.Endpoints{Issuer: at, Authorize: at + "/authorize", Token: at + "/token", Userinfo: at + "/userinfo", JWKS: at + "/jwks", Logout: at + "/logout", IssRequired: true}
	return g, nil
}

// TestIdP is the test identity provider of one connection.
type TestIdP struct {
	Environment *identity.Environment
	Connection  *Connection
	Signer      *token.Signer // of its ID tokens
	Asserter    *connector.Asserter
	Secret      string // of its only client, whose id is the connection's
	Callback    string // where the browser goes back to
}

// TestIdP opens the test identity provider of a connection. It exists only where
// the environment is not for real users and the connection asks for it.
func (s *Service) TestIdP(ctx context.Context, id ConnectionID) (t *TestIdP, err error) {
	key, cert, err := s.testKey(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		e, c, err := s.anywhere(tx, id)
		if err != nil {
			return err
		}
		t = &TestIdP{Environment: e, Connection: c}
		if c.Config.Protocol == SAML {
			t.Callback = s.ACSURL(c)
		} else {
			t.Callback = s.CallbackURL(c)
		}
		t.Secret, err = testSecret(tx, e, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	private, err := token.ParsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	if t.Signer, err = token.NewSigner("test", private); err != nil {
		return nil, err
	}
	certificate, err := connector.ParseCertificate(cert)
	if err != nil {
		return nil, fmt.Errorf("sso: test certificate: %w", err)
	}
	at := s.TestIssuer(id)
	t.Asserter = &connector.Asserter{EntityID: at + "/metadata", SSOURL: at + "/saml", Key: private, Certificate: certificate}
	return t, nil
}

// testKey finds or makes the key of an environment's test identity provider.
func (s *Service) testKey(ctx context.Context, id ConnectionID) (key []byte, cert string, err error) {
	var e *identity.Environment
	read := func(tx *identity.Tx) error {
		var c *Connection
		if e, c, err = s.anywhere(tx, id); err != nil {
			return err
		}
		if !c.Config.Test || e.Kind == identity.Production {
			return notFound("Connection", string(id))
		}
		f, err := tx.First(tableTestIdPs, "on_environment", string(e.ID))
		if err != nil || f == nil {
			return err
		}
		cert = f.Text("certificate")
		key, err = s.Sealer.Open(purposeTest, f.Text("key"))
		return err
	}
	if err := s.Identity.View(ctx, read); err != nil || key != nil {
		return key, cert, err
	}
	fresh, err := token.GenerateKey()
	if err != nil {
		return nil, "", err
	}
	c, err := connector.SelfSigned(fresh, "Lentil test identity provider", e.Created)
	if err != nil {
		return nil, "", err
	}
	der, err := token.MarshalPrivateKey(fresh)
	if err != nil {
		return nil, "", err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if err := read(tx); err != nil || key != nil {
			return err
		}
		text := base64.StdEncoding.EncodeToString(c.Raw)
		return tx.Add(tableTestIdPs, identity.Row{identity.Text("environment", e.ID), identity.Text("key", s.Sealer.Seal(purposeTest, der)), identity.Text("certificate", text)})
	})
	if err != nil || key != nil {
		return key, cert, err
	}
	return der, base64.StdEncoding.EncodeToString(c.Raw), nil
}

// testFacts are the facts of the test identity provider of a SAML connection.
func (s *Service) testFacts(tx *identity.Tx, e *identity.Environment, c *Connection) (connector.IDPFacts, error) {
	f, err := tx.First(tableTestIdPs, "on_environment", string(e.ID))
	if err != nil {
		return connector.IDPFacts{}, err
	}
	if f == nil {
		return connector.IDPFacts{}, apierr.New(apierr.BadRequest, "connection_invalid", "The test identity provider has no key yet; save the connection again.")
	}
	at := s.TestIssuer(c.ID)
	return connector.IDPFacts{EntityID: at + "/metadata", SSOURL: at + "/saml", SLOURL: at + "/logout", Certificates: []string{f.Text("certificate")}}, nil
}

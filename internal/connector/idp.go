package connector

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Asserter is the other side: a SAML identity provider that asserts whatever it is
// told. It exists for the house's test identity provider and for tests.
type Asserter struct {
	EntityID    string // also the address of its metadata
	SSOURL      string
	Key         *rsa.PrivateKey
	Certificate *x509.Certificate
	EncryptTo   *x509.Certificate // whom assertions are encrypted to; nil leaves them readable
}

// Asked is an AuthnRequest that somebody's browser brought.
type Asked struct {
	ID, Issuer, ACS, RelayState string
}

// Posted is a form to be posted to a service provider.
type Posted struct{ URL, SAMLResponse, RelayState string }

// idp is the library's view.
func (a *Asserter) idp() (*saml.IdentityProvider, error) {
	entity, err := url.Parse(a.EntityID)
	if err != nil {
		return nil, err
	}
	sso, err := url.Parse(a.SSOURL)
	if err != nil {
		return nil, err
	}
	return &saml.IdentityProvider{Key: a.Key, Signer: a.Key, Certificate: a.Certificate, MetadataURL: *entity, SSOURL: *sso, SignatureMethod: dsig.RSASHA256SignatureMethod}, nil
}

// Metadata describes it.
func (a *Asserter) Metadata() ([]byte, error) {
	idp, err := a.idp()
	if err != nil {
		return nil, fmt.Errorf("connector: test identity provider: %w", err)
	}
	b, err := xml.MarshalIndent(idp.Metadata(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("connector: encode metadata: %w", err)
	}
	return append([]byte(xml.Header), b...), nil
}

// Read takes the AuthnRequest of a redirect apart. Whether its issuer is known is
// the caller's to say.
func (a *Asserter) Read(r *http.Request) (*Asked, error) {
	idp, err := a.idp()
	if err != nil {
		return nil, fmt.Errorf("connector: test identity provider: %w", err)
	}
	bad := func(err error) error {
		return apierr.New(apierr.BadRequest, "malformed_saml_request", "This address is for sign-in requests by SAML, and this is none.").Wrap(err)
	}
	req, err := saml.NewIdpAuthnRequest(idp, r)
	if err != nil {
		return nil, bad(err)
	}
	if _, err := checkXML(req.RequestBuffer); err != nil {
		return nil, bad(err)
	}
	if err := xml.Unmarshal(req.RequestBuffer, &req.Request); err != nil || req.Request.Issuer == nil {
		return nil, bad(err)
	}
	return &Asked{ID: req.Request.ID, Issuer: req.Request.Issuer.Value, ACS: req.Request.AssertionConsumerServiceURL, RelayState: req.RelayState}, nil
}

// Assert makes the signed response that tells a service provider who the person is.
// An Asked without ID makes an unsolicited one.
func (a *Asserter) Assert(to Asked, p Person, now time.Time) (*Posted, error) {
	idp, err := a.idp()
	if err != nil {
		return nil, fmt.Errorf("connector: test identity provider: %w", err)
	}
	end := &saml.IndexedEndpoint{Binding: saml.HTTPPostBinding, Location: to.ACS}
	req := &saml.IdpAuthnRequest{
		IDP: idp, Now: now, RelayState: to.RelayState, Request: saml.AuthnRequest{ID: to.ID}, ACSEndpoint: end,
		ServiceProviderMetadata: &saml.EntityDescriptor{EntityID: to.Issuer}, SPSSODescriptor: &saml.SPSSODescriptor{AssertionConsumerServices: []saml.IndexedEndpoint{*end}},
	}
	if a.EncryptTo != nil {
		req.SPSSODescriptor.KeyDescriptors = []saml.KeyDescriptor{{Use: "encryption", EncryptionMethods: []saml.EncryptionMethod{{Algorithm: "http://www.w3.org/2009/xmlenc11#aes256-gcm"}},
			KeyInfo: saml.KeyInfo{X509Data: saml.X509Data{X509Certificates: []saml.X509Certificate{{Data: base64.StdEncoding.EncodeToString(a.EncryptTo.Raw)}}}}}}
	}
	text := func(name string, values ...string) saml.Attribute {
		at := saml.Attribute{Name: name, NameFormat: "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"}
		for _, v := range values {
			at.Values = append(at.Values, saml.AttributeValue{Type: "xs:string", Value: v})
		}
		return at
	}
	life := now.Add(5 * time.Minute)
	req.Assertion = &saml.Assertion{
		ID: "id-" + hexRandom(20), IssueInstant: now, Version: "2.0", Issuer: saml.Issuer{Value: a.EntityID},
		Subject: &saml.Subject{
			NameID: &saml.NameID{Format: string(saml.PersistentNameIDFormat), Value: p.ID},
			SubjectConfirmations: []saml.SubjectConfirmation{{Method: "urn:oasis:names:tc:SAML:2.0:cm:bearer",
				SubjectConfirmationData: &saml.SubjectConfirmationData{InResponseTo: to.ID, NotOnOrAfter: life, Recipient: to.ACS}}},
		},
		Conditions: &saml.Conditions{NotBefore: now.Add(-time.Minute), NotOnOrAfter: life, AudienceRestrictions: []saml.AudienceRestriction{{Audience: saml.Audience{Value: to.Issuer}}}},
		AuthnStatements: []saml.AuthnStatement{{AuthnInstant: now, SessionIndex: "session-" + hexRandom(8),
			AuthnContext: saml.AuthnContext{AuthnContextClassRef: &saml.AuthnContextClassRef{Value: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"}}}},
		AttributeStatements: []saml.AttributeStatement{{Attributes: []saml.Attribute{text("email", p.Email), text("firstName", p.FirstName), text("lastName", p.LastName), text("groups", p.Groups...)}}},
	}
	form, err := req.PostBinding()
	if err != nil {
		return nil, fmt.Errorf("connector: make response: %w", err)
	}
	return &Posted{URL: form.URL, SAMLResponse: form.SAMLResponse, RelayState: form.RelayState}, nil
}

// hexRandom is n random bytes in hexadecimal.
func hexRandom(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

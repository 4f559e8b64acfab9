package connector

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// SAML is one connection seen as a service provider.
type SAML struct {
	EntityID string // ours
	ACS      string // our address that responses are posted to
	SLO      string // our address that a sign-out comes back to

	IDP IDPFacts

	Key          *rsa.PrivateKey // decrypts assertions, and signs requests if SignRequests
	Certificate  *x509.Certificate
	SignRequests bool
	Mapping      map[string]string // of the person's fields to attribute names, over the usual ones
}

// IDPFacts are what is known of an identity provider: its metadata in short.
type IDPFacts struct {
	EntityID     string   `json:"idp_entity_id"`
	SSOURL       string   `json:"idp_sso_url"`
	SLOURL       string   `json:"idp_slo_url,omitempty"`
	Certificates []string `json:"idp_certificates"` // base64 of DER, as in metadata
}

// rejected is a refusal of a SAML message. What exactly was wrong is the cause:
// it helps whoever attacks as much as whoever mends, so only the log has it.
func rejected(cause error) error {
	return apierr.New(apierr.BadRequest, "saml_response_rejected",
		"The identity provider's answer was not accepted. Try again; if this stays so, the administrator of the connection should check its certificate, entity id and ACS URL.").Wrap(cause)
}

// provider is the library's view of the connection.
func (s *SAML) provider() (*saml.ServiceProvider, error) {
	acs, err := url.Parse(s.ACS)
	if err != nil {
		return nil, fmt.Errorf("connector: ACS URL: %w", err)
	}
	slo, err := url.Parse(s.SLO)
	if err != nil {
		return nil, fmt.Errorf("connector: SLO URL: %w", err)
	}
	var keys []saml.KeyDescriptor
	for _, c := range s.IDP.Certificates {
		keys = append(keys, saml.KeyDescriptor{Use: "signing", KeyInfo: saml.KeyInfo{X509Data: saml.X509Data{X509Certificates: []saml.X509Certificate{{Data: c}}}}})
	}
	d := saml.IDPSSODescriptor{
		SSODescriptor:        saml.SSODescriptor{RoleDescriptor: saml.RoleDescriptor{KeyDescriptors: keys}},
		SingleSignOnServices: []saml.Endpoint{{Binding: saml.HTTPRedirectBinding, Location: s.IDP.SSOURL}},
	}
	if s.IDP.SLOURL != "" {
		d.SingleLogoutServices = []saml.Endpoint{{Binding: saml.HTTPRedirectBinding, Location: s.IDP.SLOURL}}
	}
	sp := &saml.ServiceProvider{
		EntityID: s.EntityID, AcsURL: *acs, SloURL: *slo, Certificate: s.Certificate,
		IDPMetadata:       &saml.EntityDescriptor{EntityID: s.IDP.EntityID, IDPSSODescriptors: []saml.IDPSSODescriptor{d}},
		AuthnNameIDFormat: saml.UnspecifiedNameIDFormat, AssertionConsumerServiceBindings: []string{saml.HTTPPostBinding},
		MetadataOmitValidUntil: true, RejectUnknownConditions: true, RejectSHA1Signatures: true, RequireSignedResponseForCBC: true,
		// A certificate in metadata is a container for a key (SAML V2.0 Metadata
		// Interoperability Profile §2.6.1); its expiry is told by an event instead of
		// locking an organisation out overnight.
		IgnoreCertificateExpiry: true,
	}
	if s.Key != nil {
		sp.Key, sp.EncryptionKey = s.Key, s.Key
		sp.LogoutSignatureMethod = dsig.RSASHA256SignatureMethod
		if s.SignRequests {
			sp.SignatureMethod = dsig.RSASHA256SignatureMethod
		}
	}
	return sp, nil
}

// Leave is the address to send the browser to, with an AuthnRequest of the given
// id. force asks for the person to prove themselves again.
func (s *SAML) Leave(id, state string, force bool) (string, error) {
	sp, err := s.provider()
	if err != nil {
		return "", err
	}
	if force {
		sp.ForceAuthn = &force
	}
	req, err := sp.MakeAuthenticationRequest(s.IDP.SSOURL, saml.HTTPRedirectBinding, saml.HTTPPostBinding)
	if err != nil {
		return "", fmt.Errorf("connector: make AuthnRequest: %w", err)
	}
	req.ID = id
	u, err := req.Redirect(state, sp)
	if err != nil {
		return "", fmt.Errorf("connector: make AuthnRequest: %w", err)
	}
	return u.String(), nil
}

// seenFunc is the library's replay cache: a function.
type seenFunc func(id string, until time.Time) error

// Consume notes an assertion.
func (f seenFunc) Consume(id string, until time.Time) error { return f(id, until) }

// ErrSeen is what the memory of assertions answers to one it holds.
var ErrSeen = saml.ErrAssertionReplayed

// Answers tells which request a response claims to answer, unverified: "" for an
// unsolicited one.
func Answers(form string) string {
	raw, err := decodeForm(form)
	if err != nil {
		return ""
	}
	var r struct {
		InResponseTo string `xml:"InResponseTo,attr"`
	}
	if _, err := checkXML(raw); err != nil || xml.Unmarshal(raw, &r) != nil {
		return ""
	}
	return r.InResponseTo
}

// decodeForm decodes the posted field SAMLResponse.
func decodeForm(form string) ([]byte, error) {
	if len(form) > 2*maxXML {
		return nil, errors.New("the response is too large")
	}
	return base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, form))
}

// Come turns a posted response into a person. request is the id of the AuthnRequest
// it must answer; "" accepts only a response that answers none. seen notes an
// assertion's id until its end and refuses one it has noted, with ErrSeen.
func (s *SAML) Come(form, request string, seen func(id string, until time.Time) error) (*Person, error) {
	raw, err := decodeForm(form)
	if err != nil {
		return nil, rejected(err)
	}
	count, err := checkXML(raw)
	if err != nil {
		return nil, rejected(err)
	}
	// Signature wrapping needs a second assertion somewhere: there is one and only one,
	// in the clear or encrypted, and one response around it.
	if failure := count["Assertion"] + count["EncryptedAssertion"]; failure > 1 || count["Response"] > 1 {
		return nil, rejected(errors.New("more than one Response or Assertion"))
	}
	sp, err := s.provider()
	if err != nil {
		return nil, err
	}
	sp.ReplayCache = seenFunc(seen)
	var requests []string
	if request == "" {
		sp.AllowIDPInitiated = true
	} else {
		requests = []string{request}
	}
	a, err := sp.ParseXMLResponse(raw, requests, sp.AcsURL)
	if err != nil {
		var in *saml.InvalidResponseError
		if errors.As(err, &in) {
			var status saml.ErrBadStatus
			if errors.As(in.PrivateErr, &status) {
				return nil, apierr.New(apierr.BadRequest, "access_denied", "The identity provider did not sign you in (%s).", clean(lastPart(status.Status))).Wrap(in.PrivateErr)
			}
			return nil, rejected(in.PrivateErr)
		}
		return nil, rejected(err)
	}
	return s.person(a)
}

// lastPart is what follows the last colon of a URN.
func lastPart(urn string) string { return urn[strings.LastIndexByte(urn, ':')+1:] }

// usual are the attribute names that identity providers use for a person's fields,
// in the order of preference, compared without case.
var usual = map[string][]string{
	"id":         {"idp_id", "http://schemas.microsoft.com/identity/claims/objectidentifier"},
	"email":      {"email", "mail", "urn:oid:0.9.2342.19200300.100.1.3", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", "emailaddress", "user.email"},
	"first_name": {"firstname", "first_name", "givenname", "urn:oid:2.5.4.42", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname", "user.firstname"},
	"last_name":  {"lastname", "last_name", "surname", "sn", "urn:oid:2.5.4.4", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "user.lastname"},
	"name":       {"displayname", "urn:oid:2.16.840.1.113730.3.1.241", "http://schemas.microsoft.com/identity/claims/displayname", "cn", "urn:oid:2.5.4.3"},
	"groups":     {"groups", "memberof", "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", "http://schemas.xmlsoap.org/claims/group"},
}

// person reads an assertion that has passed every check.
func (s *SAML) person(a *saml.Assertion) (*Person, error) {
	attributes := map[string][]string{}
	raw := map[string]any{}
	for _, st := range a.AttributeStatements {
		for _, at := range st.Attributes {
			var values []string
			for _, v := range at.Values {
				if v.Value != "" && len(values) < maxGroups {
					values = append(values, cut(strings.TrimSpace(v.Value)))
				}
			}
			if len(raw) >= maxGroups || len(values) == 0 {
				continue
			}
			for _, name := range []string{at.Name, at.FriendlyName} {
				if name != "" && attributes[strings.ToLower(name)] == nil {
					attributes[strings.ToLower(name)] = values
				}
			}
			if len(values) == 1 {
				raw[at.Name] = values[0]
			} else {
				raw[at.Name] = values
			}
		}
	}
	find := func(field string) []string {
		if own := s.Mapping[field]; own != "" {
			return attributes[strings.ToLower(own)]
		}
		for _, name := range usual[field] {
			if v := attributes[name]; v != nil {
				return v
			}
		}
		return nil
	}
	one := func(field string) string {
		if v := find(field); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	p := &Person{ID: one("id"), Email: one("email"), FirstName: one("first_name"), LastName: one("last_name"), Name: one("name"), Groups: find("groups"), Raw: raw}
	if n := a.Subject.NameID; n != nil {
		raw["name_id"], p.NameIDFormat = n.Value, n.Format
		// A transient name says nothing about who this is tomorrow.
		if p.ID == "" && n.Format != string(saml.TransientNameIDFormat) {
			p.ID = cut(n.Value)
		}
		if p.Email == "" && strings.Contains(n.Value, "@") {
			p.Email = cut(n.Value)
		}
	}
	if p.ID == "" {
		p.ID = p.Email
	}
	if p.ID == "" {
		return nil, rejected(errors.New("neither a lasting NameID nor an attribute says who this is"))
	}
	for _, st := range a.AuthnStatements {
		if st.SessionIndex != "" {
			p.SessionIndex = st.SessionIndex
		}
		if st.AuthnInstant.After(p.Authenticated) {
			p.Authenticated = st.AuthnInstant
		}
	}
	p.nameParts()
	return p, nil
}

// Logout is the address that signs a person out at the identity provider; "" if it
// has none.
func (s *SAML) Logout(nameID, format, sessionIndex, state string) (string, error) {
	if s.IDP.SLOURL == "" {
		return "", nil
	}
	sp, err := s.provider()
	if err != nil {
		return "", err
	}
	if format != "" {
		sp.AuthnNameIDFormat = saml.NameIDFormat(format)
	}
	u, err := sp.MakeRedirectLogoutRequest(nameID, state, saml.WithSessionIndex(sessionIndex))
	if err != nil {
		return "", fmt.Errorf("connector: make LogoutRequest: %w", err)
	}
	return u.String(), nil
}

// Metadata is our side of the connection as an XML document.
func (s *SAML) Metadata() ([]byte, error) {
	sp, err := s.provider()
	if err != nil {
		return nil, err
	}
	b, err := xml.MarshalIndent(sp.Metadata(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("connector: encode metadata: %w", err)
	}
	return append([]byte(xml.Header), b...), nil
}

package sso

import (
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
)

// ConnectionID is "conn_…".
type ConnectionID string

// ProfileID is "prof_…".
type ProfileID string

// Prefixes of ids.
const (
	connectionPrefix = "conn_"
	domainPrefix     = "conn_domain_"
	profilePrefix    = "prof_"
)

// State says what a connection is good for.
type State string

// The states; only an active connection signs anybody in.
const (
	Draft    State = "draft" // not everything is set
	Active   State = "active"
	Inactive State = "inactive"
)

// Protocol is how a connection speaks.
type Protocol string

// The protocols.
const (
	OAuth Protocol = "oauth" // a social provider
	OIDC  Protocol = "oidc"
	SAML  Protocol = "saml"
)

// TestType is the connection_type of the house's own test identity provider.
const TestType = "TestIdp"

// Connection is a way to sign in through somebody else: one organisation's identity
// provider, or a social provider of the whole environment.
type Connection struct {
	ID           ConnectionID
	Environment  identity.EnvironmentID
	Organization identity.OrganizationID // "" for social providers
	Type         string                  // as connection_type spells it
	Name         string
	State        State
	Domains      []Domain
	ExternalKey  string
	Config       Config
	Created      time.Time
	Updated      time.Time

	secrets string // sealed
}

// Domain is a domain whose people a connection is for, besides those of its
// organisation.
type Domain struct{ ID, Name string }

// Config is what a connection needs to speak; secrets are apart. It is stored as
// JSON, so names stay.
type Config struct {
	Protocol Protocol `json:"protocol"`
	Test     bool     `json:"test,omitempty"` // the other side is the test identity provider

	ClientID     string              `json:"client_id,omitempty"`
	Issuer       string              `json:"issuer,omitempty"`    // OIDC: discovered
	Endpoints    connector.Endpoints `json:"endpoints,omitzero"`  // over the family's or the discovered ones
	Scopes       []string            `json:"scopes,omitempty"`    //
	AppleTeam    string              `json:"team_id,omitempty"`   //
	AppleKey     string              `json:"key_id,omitempty"`    //
	ReturnTokens bool                `json:"return_oauth_tokens"` // in answers to applications

	IDP          connector.IDPFacts `json:"idp,omitzero"`
	MetadataURL  string             `json:"metadata_url,omitempty"` // fetched again daily
	SignRequests bool               `json:"sign_requests,omitempty"`
	Certificate  string             `json:"certificate,omitempty"` // ours, base64 of DER

	Mapping    map[string]string `json:"attribute_mapping,omitempty"` // of our fields to theirs
	GroupRoles map[string]string `json:"group_roles,omitempty"`       // their groups to role slugs
	NoJIT      bool              `json:"jit_disabled,omitempty"`      // only who is a member already may come
	Optional   bool              `json:"optional,omitempty"`          // the organisation's people may sign in otherwise, too
}

// secrets are what a connection keeps sealed.
type secrets struct {
	ClientSecret string `json:"client_secret,omitempty"`
	AppleKey     string `json:"apple_key,omitempty"` // PEM
	SAMLKey      []byte `json:"saml_key,omitempty"`  // PKCS #8
}

// Social reports whether the connection is for everybody.
func (c *Connection) Social() bool { return c.Config.Protocol == OAuth }

// Method is how a sign-in through the connection is called.
func (c *Connection) Method() identity.Method {
	if c.Social() {
		return identity.Method(c.Type)
	}
	return "SSO"
}

// protocolOf tells how connections of a type speak; ok is false for unknown types.
func protocolOf(kind string) (p Protocol, ok bool) {
	if _, social := connector.FamilyOf(kind); social {
		return OAuth, true
	}
	for _, known := range types {
		if known == kind {
			if strings.HasSuffix(kind, "SAML") {
				return SAML, true
			}
			return OIDC, true
		}
	}
	return "", false
}

// types are the connection types of organisations (workos-operations.md,
// Connection).
var types = []string{
	"ADFSSAML", "AdpOidc", "Auth0SAML", "AzureSAML", "CasSAML", "ClassLinkSAML", "CleverOIDC", "CloudflareSAML", "CyberArkSAML", "DuoSAML", "EntraIdOIDC",
	"GenericOIDC", "GenericSAML", "GoogleOIDC", "GoogleSAML", "JumpCloudSAML", "KeycloakSAML", "LastPassSAML", "LoginGovOidc", "MiniOrangeSAML", "NetIqSAML",
	"OktaOIDC", "OktaSAML", "OneLoginSAML", "OracleSAML", "PingFederateSAML", "PingOneSAML", "RipplingSAML", "SalesforceSAML", "ShibbolethGenericSAML",
	"ShibbolethSAML", "SimpleSamlPhpSAML", TestType, "VMwareSAML",
}

// Types lists the connection types of organisations.
func Types() []string { return append([]string{}, types...) }

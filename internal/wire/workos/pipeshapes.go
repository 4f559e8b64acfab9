package workos

import (
	"cmp"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/integration"
)

// integrationObject is an integration on the wire.
type integrationObject struct {
	Object       string               `json:"object"`
	ID           string               `json:"id"`
	Slug         string               `json:"slug"`
	Type         string               `json:"integration_type"`
	Description  *string              `json:"description"`
	Enabled      bool                 `json:"enabled"`
	State        string               `json:"state"`
	Scopes       []string             `json:"scopes"`
	RedirectURI  string               `json:"redirect_uri"`
	Methods      []integration.Method `json:"auth_methods"`
	Credentials  *credentialsObject   `json:"credentials"`
	Installation *installationObject  `json:"installation"`
	Config       map[string]string    `json:"config"`
	Custom       *customObject        `json:"custom_provider"`
	CreatedAt    string               `json:"created_at"`
	UpdatedAt    string               `json:"updated_at"`
}

// credentialsObject is an integration's OAuth client, without its secret.
type credentialsObject struct {
	Type     integration.CredentialsType `json:"type"`
	ClientID *string                     `json:"client_id"`
	Secret   *string                     `json:"redacted_client_secret"`
}

// installationObject is the account that came with an integration.
type installationObject struct {
	ID           string  `json:"id"`
	User         string  `json:"user_id"`
	Organization *string `json:"organization_id"`
	KeyLast4     *string `json:"api_key_last_4"`
}

// customObject defines a service.
type customObject struct {
	Name             string            `json:"name"`
	AuthorizationURL *string           `json:"authorization_url"`
	TokenURL         *string           `json:"token_url"`
	RefreshURL       *string           `json:"refresh_token_url"`
	PKCE             bool              `json:"pkce_enabled"`
	Separator        string            `json:"request_scope_separator"`
	ScopesRequired   bool              `json:"scopes_required"`
	SecretRequired   bool              `json:"client_secret_required"`
	Parameters       map[string]string `json:"additional_authorization_parameters"`
	BodyType         string            `json:"token_body_content_type"`
	Via              integration.Via   `json:"authenticate_via"`
}

// newIntegrationObject shows l.
func (a *API) newIntegrationObject(l *integration.Listed) integrationObject {
	i := &l.Integration
	o := integrationObject{Object: "data_integration", ID: i.ID, Slug: i.Slug, Type: integrationType(i), Description: orNull(i.Description), Enabled: i.Enabled,
		State: "invalid", Scopes: i.Scopes, RedirectURI: a.Integrations.Callback, Methods: i.Methods, Config: i.Config,
		CreatedAt: identity.FormatTime(i.Created), UpdatedAt: identity.FormatTime(i.Updated)}
	if i.Valid() {
		o.State = "valid"
	}
	// The description allows null without a client, but version 10 of the official
	// client for Node.js cannot read that.
	o.Credentials = &credentialsObject{Type: cmp.Or(i.Type, integration.Custom), ClientID: orNull(i.ClientID)}
	if i.SecretLast4 != "" {
		s := "****" + i.SecretLast4
		o.Credentials.Secret = &s
	}
	if x := l.Account; x != nil {
		o.Installation = &installationObject{x.ID, string(x.Owner.User), orNull(string(x.Owner.Organization)), orNull(x.KeyLast4)}
	}
	if i.Custom != nil {
		p, full := i.Custom, i.Provider()
		o.Custom = &customObject{p.Name, orNull(p.AuthorizationURL), orNull(p.TokenURL), orNull(p.RefreshURL), p.PKCE, full.Separator, p.ScopesRequired,
			p.SecretRequired, p.Parameters, full.BodyType, full.Via}
		if o.Custom.Parameters == nil {
			o.Custom.Parameters = map[string]string{}
		}
	}
	return o
}

// integrationType is the kind of service.
func integrationType(i *integration.Integration) string {
	if i.Custom != nil {
		return "custom"
	}
	return i.Slug
}

// accountObject is a connected account on the wire.
type accountObject struct {
	Object       string             `json:"object"`
	ID           string             `json:"id"`
	User         *string            `json:"user_id"`
	Organization *string            `json:"organization_id"`
	Scopes       []string           `json:"scopes"`
	Method       integration.Method `json:"auth_method"`
	KeyLast4     *string            `json:"api_key_last_4"`
	ClientID     *string            `json:"client_id"`
	SecretLast4  *string            `json:"client_secret_last_4"`
	Config       map[string]string  `json:"config,omitempty"`
	State        integration.State  `json:"state"`
	CreatedAt    string             `json:"created_at"`
	UpdatedAt    string             `json:"updated_at"`
}

// newAccountObject shows x.
func newAccountObject(x *integration.Account) accountObject {
	return accountObject{"connected_account", x.ID, orNull(string(x.Owner.User)), orNull(string(x.Owner.Organization)), x.Scopes, x.Method, orNull(x.KeyLast4),
		orNull(x.ClientID), orNull(x.SecretLast4), x.Config, x.State, identity.FormatTime(x.Created), identity.FormatTime(x.Updated)}
}

// providerObject is an integration as an owner sees it. Some members come twice, in
// the spelling of an older version.
type providerObject struct {
	Object         string               `json:"object"`
	ID             string               `json:"id"`
	Name           string               `json:"name"`
	Description    *string              `json:"description"`
	Slug           string               `json:"slug"`
	Type           string               `json:"integration_type"`
	Credentials    string               `json:"credentials_type"`
	Scopes         []string             `json:"scopes"`
	Methods        []integration.Method `json:"auth_methods"`
	Ownership      string               `json:"ownership"`
	CreatedAt      string               `json:"created_at"`
	UpdatedAt      string               `json:"updated_at"`
	OldType        string               `json:"integrationType"`
	OldCredentials string               `json:"credentialsType"`
	OldCreatedAt   string               `json:"createdAt"`
	OldUpdatedAt   string               `json:"updatedAt"`
	Account        *providerAccount     `json:"connected_account"`
}

// providerAccount is an account within providerObject.
type providerAccount struct {
	accountObject
	OldUser         *string `json:"userlandUserId"`
	OldOrganization *string `json:"organizationId"`
	OldCreatedAt    string  `json:"createdAt"`
	OldUpdatedAt    string  `json:"updatedAt"`
}

// newProviderObject shows x to o.
func newProviderObject(x *integration.Offer, o integration.Owner) providerObject {
	i := &x.Integration
	kind, credentials := integrationType(i), string(i.Type)
	if credentials == "" {
		credentials = string(integration.Custom)
	}
	created, updated := identity.FormatTime(i.Created), identity.FormatTime(i.Updated)
	p := providerObject{Object: "data_provider", ID: i.ID, Name: i.Provider().Name, Description: orNull(i.Description), Slug: i.Slug, Type: kind,
		Credentials: credentials, Scopes: i.Scopes, Methods: i.Methods, Ownership: "userland_user", CreatedAt: created, UpdatedAt: updated,
		OldType: kind, OldCredentials: credentials, OldCreatedAt: created, OldUpdatedAt: updated}
	if o.User == "" {
		p.Ownership = "organization"
	}
	if x.Account != nil {
		acc := newAccountObject(x.Account)
		p.Account = &providerAccount{acc, acc.User, acc.Organization, acc.CreatedAt, acc.UpdatedAt}
	}
	return p
}

// configurationObject is what an organisation chose about an integration.
type configurationObject struct {
	Object       string            `json:"object"`
	ID           string            `json:"id"`
	Organization string            `json:"organization_id"`
	Slug         string            `json:"slug"`
	Name         string            `json:"name"`
	Enabled      bool              `json:"enabled"`
	Scopes       []string          `json:"scopes"`
	Config       map[string]string `json:"config"`
	CreatedAt    string            `json:"created_at"`
	UpdatedAt    string            `json:"updated_at"`
	Credentials  configuredClient  `json:"credentials"`
}

// configuredClient is the OAuth client with which an organisation connects.
type configuredClient struct {
	Type        integration.CredentialsType `json:"credentials_type"`
	Has         bool                        `json:"has_credentials"`
	ClientID    *string                     `json:"client_id"`
	SecretLast4 *string                     `json:"client_secret_last_four"`
	RedirectURI string                      `json:"redirect_uri"`
}

// newConfigurationObject shows c.
func (a *API) newConfigurationObject(c *integration.Configuration) configurationObject {
	i := &c.Integration
	client := configuredClient{Type: integration.Custom, Has: c.HasCredentials(), RedirectURI: a.Integrations.Callback}
	if i.Type == integration.Organization {
		client.Type, client.ClientID, client.SecretLast4 = i.Type, orNull(c.ClientID), orNull(c.SecretLast4)
	}
	return configurationObject{"data_integration_configuration", c.ID, string(c.Organization), i.Slug, i.Provider().Name, c.Enabled, c.Scopes, c.Config,
		identity.FormatTime(c.Created), identity.FormatTime(c.Updated), client}
}

package workos

import (
	"html"
	"net/http"
	"net/url"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/integration"
	"github.com/lentil-dev/lentil/internal/wire"
)

// pipeRoutes are about data integrations.
func (a *API) pipeRoutes() []Route {
	user, org := "/user_management/users/{user_id}/", "/organizations/{organizationId}/"
	return []Route{
		{"POST", "/data-integrations", "createDataIntegration", "key", corsNone, false, a.createIntegration},
		{"GET", "/data-integrations", "listDataIntegrations", "key", corsNone, false, a.listIntegrations},
		{"GET", "/data-integrations/{slug}", "getDataIntegration", "key", corsNone, false, a.getIntegration},
		{"PUT", "/data-integrations/{slug}", "updateDataIntegration", "key", corsNone, false, a.updateIntegration},
		{"DELETE", "/data-integrations/{slug}", "deleteDataIntegration", "key", corsNone, false, a.deleteIntegration},
		{"PUT", "/data-integrations/{slug}/api-key", "updateDataIntegrationApiKey", "key", corsNone, false, a.connectAPIKey},
		{"POST", "/data-integrations/{slug}/authorize", "authorizeDataIntegration", "key", corsNone, false, a.authorizeIntegration},
		{"PUT", "/data-integrations/{slug}/client-credentials", "updateDataIntegrationClientCredentials", "key", corsNone, false, a.connectClientCredentials},
		{"POST", "/data-integrations/{slug}/credentials", "createDataIntegrationCredential", "key", corsNone, false, a.vendCredential},
		{"POST", "/data-integrations/{slug}/token", "getAccessToken", "key", corsNone, false, a.vendToken},
		{"GET", user + "connected_accounts/{slug}", "getUserConnectedAccount", "key", corsNone, false, a.getAccount},
		{"POST", user + "connected_accounts/{slug}", "createUserConnectedAccount", "key", corsNone, false, a.importAccount(true)},
		{"PUT", user + "connected_accounts/{slug}", "updateUserConnectedAccount", "key", corsNone, false, a.importAccount(false)},
		{"DELETE", user + "connected_accounts/{slug}", "deleteUserConnectedAccount", "key", corsNone, false, a.deleteAccount},
		{"GET", user + "data_providers", "listUserDataProviders", "key", corsNone, false, a.listDataProviders},
		{"GET", org + "data_integration_configurations", "listOrganizationDataIntegrationConfigurations", "key", corsNone, false, a.listConfigurations},
		{"PUT", org + "data_integration_configurations/{slug}", "updateOrganizationDataIntegrationConfiguration", "key", corsNone, false, a.configureIntegration},
		// Called by the official clients, not in the public description.
		{"POST", "/data-integrations/{slug}/api-key", "", "key", corsNone, false, a.connectAPIKey},
		{"POST", "/data-integrations/{slug}/client-credentials", "", "key", corsNone, false, a.connectClientCredentials},
		{"GET", org + "connected_accounts/{slug}", "", "key", corsNone, false, a.getAccount},
		{"POST", org + "connected_accounts/{slug}", "", "key", corsNone, false, a.importAccount(true)},
		{"PUT", org + "connected_accounts/{slug}", "", "key", corsNone, false, a.importAccount(false)},
		{"DELETE", org + "connected_accounts/{slug}", "", "key", corsNone, false, a.deleteAccount},
		{"GET", org + "data_providers", "", "key", corsNone, false, a.listDataProviders},
		// Where services send people back to.
		{"GET", IntegrationCallback, "", "public", corsNone, false, a.finishConnection},
	}
}

// IntegrationCallback is the path of the redirect URI that operators register with
// the services they integrate.
const IntegrationCallback = "/_lentil/v1/data-integrations/callback"

// integrationBody is what is said of an integration.
type integrationBody struct {
	Provider    string                    `json:"provider"`
	Description member[string]            `json:"description"`
	Enabled     member[bool]              `json:"enabled"`
	Scopes      member[[]string]          `json:"scopes"`
	Methods     []integration.Method      `json:"auth_methods"`
	Config      member[map[string]string] `json:"config"`
	Credentials *struct {
		Type         integration.CredentialsType `json:"type"`
		ClientID     string                      `json:"client_id"`
		ClientSecret string                      `json:"client_secret"`
	} `json:"credentials"`
	APIKey *struct {
		Secret string `json:"secret"`
		ownerBody
	} `json:"api_key"`
	Custom *customBody `json:"custom_provider"`
}

// customBody defines a service.
type customBody struct {
	Name             member[string]            `json:"name"`
	AuthorizationURL member[string]            `json:"authorization_url"`
	TokenURL         member[string]            `json:"token_url"`
	RefreshURL       member[string]            `json:"refresh_token_url"`
	PKCE             member[bool]              `json:"pkce_enabled"`
	Separator        member[string]            `json:"request_scope_separator"`
	ScopesRequired   member[bool]              `json:"scopes_required"`
	SecretRequired   member[bool]              `json:"client_secret_required"`
	Parameters       member[map[string]string] `json:"additional_authorization_parameters"`
	BodyType         member[string]            `json:"token_body_content_type"`
	Via              member[integration.Via]   `json:"authenticate_via"`
}

// ownerBody names whose account is meant.
type ownerBody struct {
	User         identity.UserID         `json:"user_id"`
	Organization identity.OrganizationID `json:"organization_id"`
}

// owner is the same in integration's words.
func (b ownerBody) owner() integration.Owner { return integration.Owner(b) }

// put sets v if m was given.
func put[T any](v *T, m member[T]) {
	if m.given {
		*v = m.value
	}
}

// apply puts what was given into i.
func (b *integrationBody) apply(s *integration.Service, i *integration.Integration) {
	put(&i.Description, b.Description)
	put(&i.Enabled, b.Enabled)
	put(&i.Scopes, b.Scopes)
	put(&i.Config, b.Config)
	if b.Methods != nil {
		i.Methods = b.Methods
	}
	if c := b.Credentials; c != nil {
		s.SetClient(i, c.Type, c.ClientID, c.ClientSecret)
	}
	if c := b.Custom; c != nil {
		p := integration.Provider{SecretRequired: true}
		if i.Custom != nil {
			p = *i.Custom
		}
		put(&p.Name, c.Name)
		put(&p.AuthorizationURL, c.AuthorizationURL)
		put(&p.TokenURL, c.TokenURL)
		put(&p.RefreshURL, c.RefreshURL)
		put(&p.PKCE, c.PKCE)
		put(&p.Separator, c.Separator)
		put(&p.ScopesRequired, c.ScopesRequired)
		put(&p.SecretRequired, c.SecretRequired)
		put(&p.Parameters, c.Parameters)
		put(&p.BodyType, c.BodyType)
		put(&p.Via, c.Via)
		i.Custom = &p
	}
}

// installed is the account by API key that the body brings along.
func (b *integrationBody) installed() *integration.Installed {
	if b.APIKey == nil {
		return nil
	}
	return &integration.Installed{Owner: b.APIKey.owner(), Secret: b.APIKey.Secret}
}

// createIntegration is POST /data-integrations.
func (a *API) createIntegration(w http.ResponseWriter, r *http.Request) error {
	var b integrationBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	i := integration.Integration{Slug: b.Provider, Enabled: true}
	b.apply(a.Integrations, &i)
	made, err := a.Integrations.Create(r.Context(), environment(r).ID, i, b.installed())
	if err != nil {
		return err
	}
	return a.showIntegration(w, r, http.StatusCreated, made.Slug)
}

// updateIntegration is PUT /data-integrations/{slug}: members that are absent stay.
func (a *API) updateIntegration(w http.ResponseWriter, r *http.Request) error {
	var b integrationBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	_, err := a.Integrations.Update(r.Context(), environment(r).ID, r.PathValue("slug"), b.installed(), func(i *integration.Integration) error {
		if b.Custom != nil && i.Custom == nil {
			return invalidField("custom_provider", "invalid", "The data integration is of a service that the house knows; its definition cannot be changed.")
		}
		b.apply(a.Integrations, i)
		return nil
	})
	if err != nil {
		return err
	}
	return a.showIntegration(w, r, http.StatusOK, r.PathValue("slug"))
}

// getIntegration is GET /data-integrations/{slug}.
func (a *API) getIntegration(w http.ResponseWriter, r *http.Request) error {
	return a.showIntegration(w, r, http.StatusOK, r.PathValue("slug"))
}

// showIntegration answers with an integration as it is.
func (a *API) showIntegration(w http.ResponseWriter, r *http.Request, status int, slug string) error {
	i, account, err := a.Integrations.Get(r.Context(), environment(r).ID, slug)
	if err != nil {
		return err
	}
	writeJSON(w, status, a.newIntegrationObject(&integration.Listed{Integration: *i, Account: account}))
	return nil
}

// listIntegrations is GET /data-integrations.
func (a *API) listIntegrations(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Integrations.List(r.Context(), environment(r).ID, page)
	if err != nil {
		return err
	}
	return writeList(w, list, a.newIntegrationObject)
}

// deleteIntegration is DELETE /data-integrations/{slug}.
func (a *API) deleteIntegration(w http.ResponseWriter, r *http.Request) error {
	return noContent(w, a.Integrations.Delete(r.Context(), environment(r).ID, r.PathValue("slug")))
}

// authorizeIntegration is POST /data-integrations/{slug}/authorize.
func (a *API) authorizeIntegration(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		ownerBody
		ReturnTo string            `json:"return_to"`
		Config   map[string]string `json:"config"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	u, err := a.Integrations.Authorize(r.Context(), environment(r).ID, r.PathValue("slug"), b.owner(), b.ReturnTo, b.Config)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"url": u})
	return nil
}

// finishConnection is where a service sends somebody back to.
func (a *API) finishConnection(w http.ResponseWriter, r *http.Request) error {
	f, err := a.Integrations.Finish(r.Context(), r.URL.Query())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address holds the service's code
	if f.ReturnTo != "" {
		u, err := url.Parse(f.ReturnTo)
		if err != nil {
			return err
		}
		if f.Failed != "" {
			q := u.Query()
			q.Set("error", f.Failed)
			u.RawQuery = q.Encode()
		}
		http.Redirect(w, r, u.String(), http.StatusFound)
		return nil
	}
	text := f.Provider + " is connected. You can close this window."
	if f.Failed != "" {
		text = f.Provider + " could not be connected (" + f.Failed + "). Close this window and try again."
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	_, err = w.Write([]byte("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">" +
		"<title>Connection</title><main><p role=\"status\">" + html.EscapeString(text) + "</p></main></html>\n"))
	if err != nil {
		return wire.ErrAborted
	}
	return nil
}

// connectAPIKey is PUT /data-integrations/{slug}/api-key.
func (a *API) connectAPIKey(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		ownerBody
		Secret string `json:"secret"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	x, err := a.Integrations.ConnectKey(r.Context(), environment(r).ID, r.PathValue("slug"), b.owner(), b.Secret)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newAccountObject(x))
	return nil
}

// connectClientCredentials is PUT /data-integrations/{slug}/client-credentials.
func (a *API) connectClientCredentials(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		ownerBody
		ClientID     string            `json:"client_id"`
		ClientSecret string            `json:"client_secret"`
		Config       map[string]string `json:"config"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	x, err := a.Integrations.ConnectCredentials(r.Context(), environment(r).ID, r.PathValue("slug"), b.owner(), b.ClientID, b.ClientSecret, b.Config)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newAccountObject(x))
	return nil
}

// accountOwner is whose account a path and its query name.
func accountOwner(r *http.Request) integration.Owner {
	if org := r.PathValue("organizationId"); org != "" {
		return integration.Owner{User: identity.UserID(r.URL.Query().Get("user_id")), Organization: identity.OrganizationID(org)}
	}
	return integration.Owner{User: identity.UserID(r.PathValue("user_id")), Organization: identity.OrganizationID(r.URL.Query().Get("organization_id"))}
}

// getAccount is GET …/connected_accounts/{slug}.
func (a *API) getAccount(w http.ResponseWriter, r *http.Request) error {
	x, err := a.Integrations.Account(r.Context(), environment(r).ID, r.PathValue("slug"), accountOwner(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newAccountObject(x))
	return nil
}

// importAccount is POST and PUT …/connected_accounts/{slug}.
func (a *API) importAccount(create bool) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var b struct {
			Access  string            `json:"access_token"`
			Refresh string            `json:"refresh_token"`
			Expires time.Time         `json:"expires_at"`
			Scopes  []string          `json:"scopes"`
			State   integration.State `json:"state"`
		}
		if err := decodeBody(r, &b); err != nil {
			return err
		}
		x, err := a.Integrations.Import(r.Context(), environment(r).ID, r.PathValue("slug"), accountOwner(r), integration.Imported(b), create)
		if err != nil {
			return err
		}
		status := http.StatusOK
		if create {
			status = http.StatusCreated
		}
		writeJSON(w, status, newAccountObject(x))
		return nil
	}
}

// deleteAccount is DELETE …/connected_accounts/{slug}.
func (a *API) deleteAccount(w http.ResponseWriter, r *http.Request) error {
	return noContent(w, a.Integrations.Disconnect(r.Context(), environment(r).ID, r.PathValue("slug"), accountOwner(r)))
}

// vendToken is POST /data-integrations/{slug}/token.
func (a *API) vendToken(w http.ResponseWriter, r *http.Request) error {
	var b ownerBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	c, err := a.Integrations.Vend(r.Context(), environment(r).ID, r.PathValue("slug"), b.owner(), integration.ByOAuth)
	if err != nil {
		return err
	}
	if c.Inactive != "" {
		writeSecret(w, inactive{Error: c.Inactive})
		return nil
	}
	type accessToken struct {
		Object  string   `json:"object"`
		Token   string   `json:"access_token"`
		Expires *string  `json:"expires_at"`
		Scopes  []string `json:"scopes"`
		Missing []string `json:"missing_scopes"`
	}
	writeSecret(w, struct {
		Active bool        `json:"active"`
		Token  accessToken `json:"access_token"`
	}{true, accessToken{"access_token", c.Value, timeOrNull(c.Expires), c.Scopes, c.Missing}})
	return nil
}

// inactive says that there is no credential, and why.
type inactive struct {
	Active bool   `json:"active"`
	Error  string `json:"error"`
}

// vendCredential is POST /data-integrations/{slug}/credentials.
func (a *API) vendCredential(w http.ResponseWriter, r *http.Request) error {
	var b ownerBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	c, err := a.Integrations.Vend(r.Context(), environment(r).ID, r.PathValue("slug"), b.owner(), "")
	if err != nil {
		return err
	}
	if c.Inactive != "" {
		writeSecret(w, inactive{Error: c.Inactive})
		return nil
	}
	o := map[string]any{"object": "credential", "auth_method": c.Method, "value": c.Value}
	if c.Method != integration.ByAPIKey {
		o["expires_at"], o["scopes"], o["missing_scopes"] = timeOrNull(c.Expires), c.Scopes, c.Missing
	}
	if c.Method == integration.ByCredentials {
		o["metadata"] = struct{}{}
	}
	writeSecret(w, map[string]any{"active": true, "credential": o})
	return nil
}

// listDataProviders is GET …/data_providers: what an owner may connect.
func (a *API) listDataProviders(w http.ResponseWriter, r *http.Request) error {
	o := accountOwner(r)
	list, err := a.Integrations.Offers(r.Context(), environment(r).ID, o)
	if err != nil {
		return err
	}
	out := make([]providerObject, len(list))
	for i := range list {
		out[i] = newProviderObject(&list[i], o)
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": out})
	return nil
}

// listConfigurations is GET …/data_integration_configurations.
func (a *API) listConfigurations(w http.ResponseWriter, r *http.Request) error {
	list, err := a.Integrations.Configurations(r.Context(), environment(r).ID, identity.OrganizationID(r.PathValue("organizationId")))
	if err != nil {
		return err
	}
	out := make([]configurationObject, len(list))
	for i := range list {
		out[i] = a.newConfigurationObject(&list[i])
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": out})
	return nil
}

// configureIntegration is PUT …/data_integration_configurations/{slug}.
func (a *API) configureIntegration(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Enabled      *bool             `json:"enabled"`
		Scopes       member[[]string]  `json:"scopes"`
		ClientID     string            `json:"client_id"`
		ClientSecret string            `json:"client_secret"`
		Config       map[string]string `json:"config"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	c, err := a.Integrations.Configure(r.Context(), environment(r).ID, identity.OrganizationID(r.PathValue("organizationId")), r.PathValue("slug"),
		integration.Choice{Enabled: b.Enabled, SetScopes: b.Scopes.given, Scopes: b.Scopes.value, ClientID: b.ClientID, ClientSecret: b.ClientSecret, Config: b.Config})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a.newConfigurationObject(c))
	return nil
}

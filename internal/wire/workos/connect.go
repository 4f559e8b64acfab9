package workos

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/wire"
)

// connectRoutes are the OAuth endpoints for applications other than the
// environment's own. They are at the house's address whatever the environment: the
// client id says which it is.
func (a *API) connectRoutes() []Route {
	return []Route{
		{"POST", "/oauth2/token", "", "public", corsOpen, false, inOAuth(a.connectToken)},
		{"POST", "/oauth2/introspection", "", "public", corsNone, false, inOAuth(a.introspect)},
		{"GET", "/oauth2/jwks", "", "public", corsOpen, false, a.connectKeys},
		{"GET", "/oauth2/userinfo", "", "token", corsOpen, false, inOAuth(a.userInfo)},
		{"POST", "/oauth2/userinfo", "", "token", corsOpen, false, inOAuth(a.userInfo)},
		{"GET", "/oauth2/.well-known/openid-configuration", "", "public", corsOpen, false, a.connectMetadata},
		{"GET", "/oauth2/.well-known/oauth-authorization-server", "", "public", corsOpen, false, a.connectMetadata},
		{"GET", "/.well-known/oauth-authorization-server/oauth2", "", "public", corsOpen, false, a.connectMetadata},
		{"GET", "/user_management/users/{user_id}/authorized_applications", "listUserAuthorizedApplications", "key", corsNone, false, a.userApplications},
		{"DELETE", "/user_management/users/{user_id}/authorized_applications/{application_id}", "deleteUserAuthorizedApplication", "key", corsNone, false, a.withdrawApplication},
		{"GET", "/organizations/{organization_id}/authorized_applications", "listOrganizationAuthorizedApplications", "key", corsNone, false, a.organizationApplications},
		{"POST", "/authkit/oauth2/complete", "completeOAuth2", "key", corsNone, false, a.completeExternal},
		{"GET", "/_lentil/v1/connect", "", "key", corsNone, false, a.connectSettings},
		{"PUT", "/_lentil/v1/connect", "", "key", corsNone, false, a.setConnectSettings},
	}
}

// inOAuth gives refusals OAuth bodies and keeps answers from being stored.
func inOAuth(h wire.Handler) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		err := h(w, r)
		if e, ok := apierr.As(err); ok {
			return e.With(&authflow.Refusal{OAuth: true})
		}
		return err
	}
}

// maxOAuthBody bounds the bodies of the OAuth endpoints.
const maxOAuthBody = 64 << 10

// oauthParameters reads the parameters of a request: a form, as OAuth has it, or
// JSON, as some clients send it. None may come twice (RFC 6749 §3.2).
func oauthParameters(r *http.Request) (url.Values, error) {
	b, err := wire.Body(r, maxOAuthBody)
	if err != nil {
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/json" {
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, application.Refuse("invalid_request", "The body is not a JSON object.")
		}
		v := url.Values{}
		for name, x := range m {
			if s, ok := x.(string); ok {
				v.Set(name, s)
			}
		}
		return v, nil
	}
	v, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, application.Refuse("invalid_request", "The body is not a form.")
	}
	for name, list := range v {
		if len(list) > 1 {
			return nil, application.Refuse("invalid_request", "The parameter %.60q came twice.", name)
		}
	}
	return v, nil
}

// connectClient reads how a client proves itself: in the Authorization header or
// in the body, not in both (RFC 6749 §2.3).
func connectClient(r *http.Request, v url.Values) (application.Client, error) {
	c := application.Client{ID: v.Get("client_id"), Secret: v.Get("client_secret")}
	user, password, ok := r.BasicAuth()
	if !ok {
		return c, nil
	}
	// Both parts are form-encoded within the header (§2.3.1).
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	if err1 != nil || err2 != nil || c.Secret != "" || c.ID != "" && c.ID != id {
		return c, application.Refuse("invalid_request", "The client proves itself in the Authorization header or in the body, not in both.")
	}
	return application.Client{ID: id, Secret: secret, ByHeader: true}, nil
}

// tokenAnswer is the answer of the token endpoint (RFC 6749 §5.1).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
}

// connectToken is POST /oauth2/token.
func (a *API) connectToken(w http.ResponseWriter, r *http.Request) error {
	v, err := oauthParameters(r)
	if err != nil {
		return err
	}
	c, err := connectClient(r, v)
	if err != nil {
		return err
	}
	var t *application.Tokens
	switch grant := v.Get("grant_type"); grant {
	case "client_credentials":
		t, err = a.Applications.ClientCredentials(r.Context(), a.baseURL(r), c, v.Get("scope"))
	case "authorization_code":
		t, err = a.Applications.RedeemCode(r.Context(), a.baseURL(r), c, v.Get("code"), v.Get("redirect_uri"), v.Get("code_verifier"))
	case "refresh_token":
		t, err = a.Applications.Refresh(r.Context(), a.baseURL(r), c, v.Get("refresh_token"), v.Get("scope"))
	case "":
		return application.Refuse("invalid_request", "The parameter grant_type is missing.")
	default:
		return application.Refuse("unsupported_grant_type", "The grant type %.60q is not offered here.", grant)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, http.StatusOK, tokenAnswer{t.Access, "Bearer", int(t.Expires.Seconds()), t.Scope, t.Refresh, t.ID})
	return nil
}

// introspect is POST /oauth2/introspection (RFC 7662).
func (a *API) introspect(w http.ResponseWriter, r *http.Request) error {
	v, err := oauthParameters(r)
	if err != nil {
		return err
	}
	c, err := connectClient(r, v)
	if err != nil {
		return err
	}
	if v.Get("token") == "" {
		return application.Refuse("invalid_request", "The parameter token is missing.")
	}
	i, err := a.Applications.Introspect(r.Context(), a.baseURL(r), c, v.Get("token"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, i)
	return nil
}

// connectKeys is GET /oauth2/jwks.
func (a *API) connectKeys(w http.ResponseWriter, r *http.Request) error {
	b, err := a.Applications.JWKS(r.Context())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", token.JWKSCacheControl)
	h.Set("Content-Type", token.JWKSContentType)
	_, err = w.Write(b)
	if err != nil {
		return wire.ErrAborted
	}
	return nil
}

// userInfo is GET and POST /oauth2/userinfo.
func (a *API) userInfo(w http.ResponseWriter, r *http.Request) error {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(text) > 16<<10 {
		return apierr.New(apierr.Unauthenticated, "invalid_token", "Send the access token in the header Authorization: Bearer ….")
	}
	u, err := a.Applications.UserInfo(r.Context(), a.baseURL(r), strings.TrimSpace(text))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, u)
	return nil
}

// connectMetadata says where the endpoints are (RFC 8414). The issuer is the house's
// address: it is what tokens say, and what the imitated service's domains are.
func (a *API) connectMetadata(w http.ResponseWriter, r *http.Request) error {
	base := a.baseURL(r)
	w.Header().Set("Cache-Control", "public, max-age=300")
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": base, "authorization_endpoint": base + "/oauth2/authorize", "token_endpoint": base + "/oauth2/token", "jwks_uri": base + "/oauth2/jwks",
		"userinfo_endpoint": base + "/oauth2/userinfo", "introspection_endpoint": base + "/oauth2/introspection",
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"}, "subject_types_supported": []string{"public"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token", "client_credentials"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none", "client_secret_basic", "client_secret_post"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"scopes_supported":                               application.StandardScopes(),
		"authorization_response_iss_parameter_supported": true,
		"claims_supported":                               []string{"sub", "email", "email_verified", "name", "given_name", "family_name", "picture", "locale", "org_id", "auth_time"},
	})
	return nil
}

// authorizedObject is an application that somebody let in.
type authorizedObject struct {
	Object      string            `json:"object"`
	ID          string            `json:"id"`
	Scopes      []string          `json:"granted_scopes"`
	Resource    string            `json:"oauth_resource,omitempty"`
	Application applicationObject `json:"application"`
	User        string            `json:"user_id,omitempty"`
}

// newAuthorizedObject shows g, without its user.
func newAuthorizedObject(g *application.Authorized) authorizedObject {
	return authorizedObject{Object: "authorized_connect_application", ID: g.ID, Scopes: g.Scopes, Resource: g.Resource, Application: newApplicationObject(&g.Application)}
}

// userApplications is GET /user_management/users/{user_id}/authorized_applications.
func (a *API) userApplications(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	l, err := a.Applications.OfUser(r.Context(), environment(r).ID, identity.UserID(r.PathValue("user_id")), page)
	if err != nil {
		return err
	}
	return writeList(w, l, newAuthorizedObject)
}

// organizationApplications is GET /organizations/{organization_id}/authorized_applications.
func (a *API) organizationApplications(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	l, err := a.Applications.OfOrganization(r.Context(), environment(r).ID, identity.OrganizationID(r.PathValue("organization_id")), page)
	if err != nil {
		return err
	}
	return writeList(w, l, func(g *application.Authorized) authorizedObject {
		o := newAuthorizedObject(g)
		o.User = string(g.User)
		return o
	})
}

// withdrawApplication is DELETE …/authorized_applications/{application_id}.
func (a *API) withdrawApplication(w http.ResponseWriter, r *http.Request) error {
	return noContent(w, a.Applications.Withdraw(r.Context(), environment(r).ID, identity.UserID(r.PathValue("user_id")), r.PathValue("application_id")))
}

// completeExternal is POST /authkit/oauth2/complete: an application that signs its
// people in by itself says who came.
func (a *API) completeExternal(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		ID   string `json:"external_auth_id"`
		User struct {
			ID        string            `json:"id"`
			Email     string            `json:"email"`
			FirstName *string           `json:"first_name"`
			LastName  *string           `json:"last_name"`
			Name      *string           `json:"name"`
			Metadata  map[string]string `json:"metadata"`
		} `json:"user"`
		Options []json.RawMessage `json:"user_consent_options"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if len(b.Options) > 0 {
		return apierr.New(apierr.BadRequest, "user_consent_options_not_supported", "Lentil's consent page has no choices of applications.")
	}
	u := b.User
	if u.Name != nil && u.FirstName == nil && u.LastName == nil {
		first, last := splitName(*u.Name)
		u.FirstName, u.LastName = &first, &last
	}
	err := a.Applications.Complete(r.Context(), environment(r).ID, b.ID,
		application.ExternalUser{ID: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Metadata: u.Metadata})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"redirect_uri": a.baseURL(r) + "/oauth2/external/" + url.PathEscape(b.ID)})
	return nil
}

// connectSettingsObject is what an operator chooses about Connect.
type connectSettingsObject struct {
	LoginURI *string `json:"login_uri"`
}

// connectSettings is GET /_lentil/v1/connect.
func (a *API) connectSettings(w http.ResponseWriter, r *http.Request) error {
	uri, err := a.Applications.LoginURI(r.Context(), environment(r).ID)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, connectSettingsObject{orNull(uri)})
	return nil
}

// setConnectSettings is PUT /_lentil/v1/connect.
func (a *API) setConnectSettings(w http.ResponseWriter, r *http.Request) error {
	var b connectSettingsObject
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	uri := ""
	if b.LoginURI != nil {
		uri = *b.LoginURI
	}
	if err := a.Applications.SetLoginURI(r.Context(), environment(r).ID, uri); err != nil {
		return err
	}
	return a.connectSettings(w, r)
}

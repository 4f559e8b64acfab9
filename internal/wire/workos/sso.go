package workos

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
	"github.com/lentil-dev/lentil/internal/wire"
)

// ssoRoutes are about connections and single sign-on. The callbacks are visited by
// browsers that come from somewhere else, some of them with a form (SAML, Apple):
// what they bring is checked by package sso, and nothing is done for the browser
// itself before it has come back to an address of ours by a link.
func (a *API) ssoRoutes() []Route {
	return []Route{
		{"GET", "/connections", "listConnections", "key", corsNone, false, a.listConnections},
		{"GET", "/connections/{id}", "getConnection", "key", corsNone, false, a.getConnection},
		{"DELETE", "/connections/{id}", "deleteConnection", "key", corsNone, false, a.deleteConnection},
		{"GET", "/sso/authorize", "ssoAuthorize", "public", corsNone, false, a.ssoAuthorize},
		{"POST", "/sso/token", "getProfileAndToken", "public", corsReadable, false, a.ssoToken},
		{"GET", "/sso/profile", "getProfile", "token", corsNone, false, a.ssoProfile},
		{"GET", "/sso/logout", "ssoLogout", "public", corsNone, false, a.ssoLogout},
		{"POST", "/sso/logout/authorize", "authorizeSsoLogout", "key", corsNone, false, a.ssoLogoutAuthorize},
		{"GET", "/sso/oauth/{provider}/{id}/callback", "", "public", corsNone, false, a.ssoCallback},
		{"POST", "/sso/oauth/{provider}/{id}/callback", "", "public", corsNone, false, a.ssoCallback},
		{"GET", "/sso/oidc/{id}/callback", "", "public", corsNone, false, a.ssoCallback},
		{"POST", "/sso/saml/acs/{id}", "", "public", corsNone, false, a.ssoCallback},
		{"GET", "/sso/saml/metadata/{id}", "", "public", corsNone, false, a.samlMetadata},
		{"GET", "/sso/saml/logout/{id}", "", "public", corsNone, false, a.ssoSignedOut},
		{"GET", "/sso/continue", "", "public", corsNone, false, a.ssoContinue},
		{"GET", "/_lentil/v1/connections", "", "key", corsNone, false, a.listOwnConnections},
		{"POST", "/_lentil/v1/connections", "", "key", corsNone, false, a.createConnection},
		{"GET", "/_lentil/v1/connections/{id}", "", "key", corsNone, false, a.getOwnConnection},
		{"PATCH", "/_lentil/v1/connections/{id}", "", "key", corsNone, false, a.patchConnection},
		{"GET", "/_lentil/v1/providers", "", "key", corsNone, false, a.listProviders},
		{"PUT", "/_lentil/v1/providers/{type}", "", "key", corsNone, false, a.putProvider},
		{"DELETE", "/_lentil/v1/providers/{type}", "", "key", corsNone, false, a.deleteProvider},
	}
}

// ssoAuthorize is GET /sso/authorize: straight to the provider and back to the
// application with a code for a profile.
func (a *API) ssoAuthorize(w http.ResponseWriter, r *http.Request) error {
	var address, browser string
	var err error
	if a.Admit != nil {
		err = a.Admit(a.clientIP(r))
	}
	if err == nil {
		address, browser, err = a.leaveForProfile(r)
	}
	if err != nil {
		a.Pages.Refuse(w, r, err)
		return nil
	}
	a.setBrowser(w, r, browser)
	return seeOther(w, http.StatusFound, address)
}

// setBrowser sets the cookie that ties what is begun to the browser it begins in.
func (a *API) setBrowser(w http.ResponseWriter, r *http.Request, browser string) {
	http.SetCookie(w, &http.Cookie{Name: authflow.HostCookie(authflow.BrowserCookie, a.secure(r)), Value: browser, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()), HttpOnly: true,
		Secure: a.secure(r), SameSite: http.SameSiteLaxMode})
}

// seeOther sends the browser to an address exactly as it is written.
func seeOther(w http.ResponseWriter, status int, address string) error {
	h := w.Header()
	h.Set("Location", address)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // addresses here carry codes and keys
	w.WriteHeader(status)
	return nil
}

// browserOf is the browser's secret, or a new one.
func (a *API) browserOf(r *http.Request) string {
	old := ""
	if c, err := r.Cookie(authflow.HostCookie(authflow.BrowserCookie, a.secure(r))); err == nil {
		old = c.Value
	}
	return authflow.BrowserSecret(old)
}

// leaveForProfile reads an authorize request and notes the departure; the address
// is the provider's, or the application's with an error.
func (a *API) leaveForProfile(r *http.Request) (address, browser string, err error) {
	if len(r.URL.RawQuery) > maxAuthorizeQuery {
		return "", "", apierr.New(apierr.TooLarge, "request_too_long", "The sign-in request of the app is too long.")
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", "", apierr.New(apierr.BadRequest, "malformed_request", "The sign-in request of the app is damaged: its query cannot be decoded.").Wrap(err)
	}
	uri, state, hasState := q.Get("redirect_uri"), q.Get("state"), q.Has("state")
	if uri == "" || len(state) > maxState {
		return "", "", apierr.New(apierr.BadRequest, "missing_redirect_uri", "The sign-in request of the app has no redirect_uri, or a state that is too long.")
	}
	d := sso.Departure{Purpose: sso.ForProfile, Browser: a.browserOf(r), RedirectURI: uri, State: []byte(state), HasState: hasState, Direct: true,
		Challenge: q.Get("code_challenge"), LoginHint: clip(q.Get("login_hint"), 254), Prompt: only(q.Get("prompt"), "login", "select_account", "consent"),
		Scopes: scopes(q), Params: bracketed(q, "provider_query_params")}
	var e *identity.Environment
	var c *sso.Connection
	var refusal error
	err = a.Identity.View(r.Context(), func(tx *identity.Tx) error {
		refusal = nil
		if e, err = tx.EnvironmentByClient(identity.ClientID(q.Get("client_id"))); err != nil {
			if apierr.KindOf(err) == apierr.NotFound {
				return apierr.New(apierr.BadRequest, "unknown_client", "There is no application with the client id %.100q here.", q.Get("client_id"))
			}
			return err
		}
		if ok, err := tx.RedirectAllowed(e, uri); err != nil || !ok {
			if err != nil {
				return err
			}
			return apierr.New(apierr.BadRequest, "redirect_uri_not_allowed", "The redirect URI %.300q is not registered for this application.", uri).
				With(&authflow.RefusedRedirect{Environment: *e, URI: uri})
		}
		switch {
		case q.Get("response_type") != "code":
			refusal = apierr.New(apierr.BadRequest, "unsupported_response_type", "response_type must be code.")
		case d.Challenge != "" && (q.Get("code_challenge_method") != "S256" || len(d.Challenge) != 43):
			refusal = apierr.New(apierr.BadRequest, "invalid_request", "code_challenge must be the base64url form of a SHA-256, and code_challenge_method S256.")
		default:
			c, refusal = a.SSO.Select(tx, e.ID, sso.Selector{Connection: sso.ConnectionID(q.Get("connection")), Organization: identity.OrganizationID(q.Get("organization")),
				Provider: q.Get("provider"), Domain: q.Get("domain")})
		}
		return nil
	})
	if err != nil {
		return "", "", err
	}
	if refusal == nil {
		var found connector.Endpoints
		if found, refusal = a.SSO.Ready(r.Context(), e, c); refusal == nil {
			refusal = a.Identity.Update(r.Context(), func(tx *identity.Tx) error {
				if err := a.SSO.RecordStarted(tx, c, d.LoginHint, a.clientIP(r), clip(r.UserAgent(), 512)); err != nil {
					return err
				}
				address, err = a.SSO.Leave(tx, e, c, d, found)
				return err
			})
		}
	}
	if refusal != nil {
		known, ok := apierr.As(refusal)
		if !ok || known.Kind == apierr.Internal {
			return "", "", refusal
		}
		address = d.Refused(known.Code, known.Message)
	}
	return address, d.Browser, nil
}

// only is s if it is one of the words, else "".
func only(s string, words ...string) string {
	for _, w := range words {
		if s == w {
			return s
		}
	}
	return ""
}

// scopes reads provider_scopes: repeated, or with commas between.
func scopes(q url.Values) []string {
	var out []string
	for _, s := range q["provider_scopes"] {
		for one := range strings.SplitSeq(s, ",") {
			if one != "" && len(one) < 256 && len(out) < 50 {
				out = append(out, one)
			}
		}
	}
	return out
}

// bracketed reads name[key]=value parameters.
func bracketed(q url.Values, name string) map[string]string {
	var out map[string]string
	for k, v := range q {
		if inner, ok := strings.CutPrefix(k, name+"["); ok && strings.HasSuffix(inner, "]") && len(out) < 20 {
			if out == nil {
				out = map[string]string{}
			}
			out[strings.TrimSuffix(inner, "]")] = clip(v[0], 1000)
		}
	}
	return out
}

// maxCallback bounds the form that a browser brings; SAML responses are large.
const maxCallback = 2 << 20

// ssoCallback takes a browser back from a provider and sends it on, by a link: only
// that brings along the cookies of a browser that posted from elsewhere.
func (a *API) ssoCallback(w http.ResponseWriter, r *http.Request) error {
	b, err := wire.Body(r, maxCallback)
	if err != nil {
		a.Pages.Refuse(w, r, err)
		return nil
	}
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		if q, err = url.ParseQuery(string(b)); err != nil {
			a.Pages.Refuse(w, r, apierr.New(apierr.BadRequest, "malformed_form", "What the identity provider sent cannot be read."))
			return nil
		}
	}
	in := sso.Incoming{
		Connection: sso.ConnectionID(r.PathValue("id")), State: q.Get("state"), Code: clip(q.Get("code"), 8<<10), Issuer: q.Get("iss"), User: q.Get("user"),
		Error: clip(q.Get("error"), 256), ErrorDescription: clip(q.Get("error_description"), 1000), SAMLResponse: q.Get("SAMLResponse"),
		IPAddress: a.clientIP(r), UserAgent: clip(r.UserAgent(), 512),
	}
	if in.SAMLResponse != "" {
		in.State = q.Get("RelayState")
	}
	arrival, err := a.SSO.Come(r.Context(), in)
	if err != nil {
		a.Pages.Refuse(w, r, err)
		return nil
	}
	if arrival.Unsolicited {
		return a.initiateLogin(w, r, arrival)
	}
	key := url.QueryEscape(arrival.Key)
	switch arrival.Purpose {
	case sso.ForAttempt:
		return seeOther(w, http.StatusSeeOther, "/login/"+url.PathEscape(arrival.Subject)+"/back?key="+key)
	case sso.ForTest:
		return seeOther(w, http.StatusSeeOther, "/portal/tested?key="+key)
	}
	return seeOther(w, http.StatusSeeOther, "/sso/continue?key="+key)
}

// initiateLogin sends a browser that brought a SAML response which nobody asked for
// to where the application begins its sign-ins.
func (a *API) initiateLogin(w http.ResponseWriter, r *http.Request, arrival *sso.Arrival) error {
	u, err := url.Parse(arrival.Environment.Settings.InitiateLoginURI)
	if err != nil || u.Host == "" {
		a.Pages.Refuse(w, r, apierr.New(apierr.BadRequest, "initiate_login_uri_missing",
			"Your identity provider sent you here, but this application has not said where its sign-ins begin. Open the application and sign in from there. Its operator can set initiate_login_uri (PATCH /_lentil/v1/settings)."))
		return nil
	}
	from := a.SSO.Context(arrival.Connection, arrival.Environment.Now())
	a.Pages.KeepLink(w, r, arrival.Environment.ClientID, authflow.KeepLink(authflow.LinkProvider, from))
	q := u.Query()
	q.Set("context", from)
	u.RawQuery = q.Encode()
	return seeOther(w, http.StatusSeeOther, u.String())
}

// ssoContinue is the last step of GET /sso/authorize.
func (a *API) ssoContinue(w http.ResponseWriter, r *http.Request) error {
	address, err := a.SSO.Finish(r.Context(), r.URL.Query().Get("key"), a.browserOf(r), a.clientIP(r), clip(r.UserAgent(), 512))
	if err != nil {
		a.Pages.Refuse(w, r, err)
		return nil
	}
	return seeOther(w, http.StatusFound, address)
}

// samlMetadata is our side of a SAML connection, for its administrator.
func (a *API) samlMetadata(w http.ResponseWriter, r *http.Request) error {
	doc, err := a.SSO.SAMLMetadata(r.Context(), sso.ConnectionID(r.PathValue("id")))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/samlmetadata+xml")
	h.Set("X-Content-Type-Options", "nosniff")
	_, err = w.Write(doc)
	return err
}

// oauthTokens are a provider's tokens as answers show them.
type oauthTokens struct {
	Provider     string   `json:"provider"`
	RefreshToken string   `json:"refresh_token"`
	AccessToken  string   `json:"access_token"`
	ExpiresAt    int64    `json:"expires_at"`
	Scopes       []string `json:"scopes"`
}

// newOAuthTokens shows t; nil for none.
func newOAuthTokens(provider string, t *connector.Tokens) *oauthTokens {
	if t == nil {
		return nil
	}
	o := &oauthTokens{Provider: provider, RefreshToken: t.Refresh, AccessToken: t.Access, Scopes: append([]string{}, t.Scopes...)}
	if !t.Expires.IsZero() {
		o.ExpiresAt = t.Expires.Unix()
	}
	return o
}

// ssoToken is POST /sso/token. The official client sends a form.
func (a *API) ssoToken(w http.ResponseWriter, r *http.Request) error {
	b, err := wire.Body(r, maxAuthenticate)
	if err != nil {
		return asOAuth(err)
	}
	var body struct {
		authenticateBody
	}
	text := strings.TrimSpace(string(b))
	if strings.HasPrefix(text, "{") {
		err = body.fromJSON(b)
	} else if err = body.fromForm(text); err == nil && text == "" { // the description has them in the query, too
		err = body.fromForm(r.URL.RawQuery)
	}
	if err != nil {
		return err
	}
	t, err := a.SSO.Redeem(r.Context(), sso.TokenRequest{GrantType: body.GrantType, ClientID: body.ClientID, ClientSecret: body.ClientSecret, Code: body.Code, Verifier: body.CodeVerifier})
	if err != nil {
		return err
	}
	out := map[string]any{"token_type": "Bearer", "access_token": t.AccessToken, "expires_in": int(t.Expires / time.Second), "profile": t.Profile.Data()}
	if o := newOAuthTokens(t.Profile.Type, t.OAuth); o != nil {
		out["oauth_tokens"] = o
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// ssoProfile is GET /sso/profile, for the bearer of a profile's access token.
func (a *API) ssoProfile(w http.ResponseWriter, r *http.Request) error {
	token, ok := bearer(r)
	var p *sso.Profile
	err := apierr.New(apierr.Unauthenticated, "unauthorized", "This request needs the access token of POST /sso/token as its bearer.")
	if ok {
		var fault error
		if p, fault = a.SSO.ProfileByToken(r.Context(), token); fault == nil {
			writeJSON(w, http.StatusOK, p.Data())
			return nil
		} else if known, is := apierr.As(fault); !is || known.Kind != apierr.Unauthenticated {
			return fault
		}
	}
	return err.With(map[string]string{"error": "Unauthorized"})
}

// ssoLogout is GET /sso/logout: on to the identity provider's own sign-out.
func (a *API) ssoLogout(w http.ResponseWriter, r *http.Request) error {
	address, err := a.SSO.Logout(r.Context(), clip(r.URL.Query().Get("token"), 256))
	if err != nil {
		return err
	}
	return seeOther(w, http.StatusFound, address)
}

// ssoLogoutAuthorize is POST /sso/logout/authorize.
func (a *API) ssoLogoutAuthorize(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Profile string `json:"profile_id"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	token, address, err := a.SSO.AuthorizeLogout(r.Context(), environment(r).ID, sso.ProfileID(b.Profile))
	if err != nil {
		if e, ok := apierr.As(err); ok && e.Code == "connection_invalid" {
			return oauthError(e.Code, "%s", e.Message)
		}
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"logout_url": address, "logout_token": token})
	return nil
}

// ssoSignedOut is where a sign-out at an identity provider comes back to.
func (a *API) ssoSignedOut(w http.ResponseWriter, r *http.Request) error {
	return a.Pages.SignedOut(w, r, &authflow.LoggedOut{RedirectTo: a.SSO.SignedOut(r.Context(), sso.ConnectionID(r.PathValue("id")))}, "")
}

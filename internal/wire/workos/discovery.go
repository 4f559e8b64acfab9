package workos

import (
	"net/http"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// discoveryRoutes tell generic OAuth and OpenID Connect software where everything
// is. For an issuer with a path both conventions are in use: the well-known part
// after it (OpenID Connect Discovery §4) and between host and path (RFC 8414 §3.1).
// The bare address is the issuer of applications' tokens (connect.go).
func (a *API) discoveryRoutes() []Route {
	const client = "/user_management/{clientId}"
	var rows []Route
	for _, document := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		for _, path := range []string{client + document, document + client} {
			rows = append(rows, Route{"GET", path, "", "public", corsOpen, false, a.discovery})
		}
		rows = append(rows, Route{"GET", document, "", "public", corsOpen, false, a.connectMetadata})
	}
	return rows
}

// serverMetadata is the document (RFC 8414 §2, OpenID Connect Discovery §3).
type serverMetadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	Responses     []string `json:"response_types_supported"`
	ResponseModes []string `json:"response_modes_supported"`
	Grants        []string `json:"grant_types_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	ClientAuth    []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Subjects      []string `json:"subject_types_supported"`
	Scopes        []string `json:"scopes_supported"`
	Claims        []string `json:"claims_supported"`
}

// discovery answers with the metadata of one environment. issuer is what its tokens
// say, whatever the address of the document; a client that insists on both being
// equal needs the setting issuer, or an authentication domain.
func (a *API) discovery(w http.ResponseWriter, r *http.Request) error {
	client := r.PathValue("clientId")
	if err := a.atHome(r, client); err != nil {
		return err
	}
	env, err := a.Identity.EnvironmentByClient(r.Context(), identity.ClientID(client))
	if err != nil {
		return err
	}
	base := a.baseURL(r)
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=300")
	writeJSON(w, http.StatusOK, serverMetadata{
		Issuer: env.Issuer(), Authorization: base + "/user_management/authorize", Token: base + authenticatePath, Device: base + devicePath,
		EndSession: base + "/user_management/sessions/logout", JWKS: base + "/sso/jwks/" + string(env.ClientID),
		Responses: []string{"code"}, ResponseModes: []string{"query"}, Challenges: []string{"S256"},
		Grants:     []string{string(authflow.GrantAuthorizationCode), string(authflow.GrantRefreshToken), string(authflow.GrantDeviceCode)},
		ClientAuth: []string{"none", "client_secret_post"}, Algorithms: []string{"RS256"}, Subjects: []string{"public"}, Scopes: []string{"openid"},
		Claims: []string{"iss", "sub", "sid", "jti", "iat", "exp", "aud", "auth_time", "client_id", "org_id", "role", "roles", "permissions", "entitlements", "feature_flags", "act"},
	})
	return nil
}

// visited finds out whether a request came to an environment's own domain. Requests
// to the common address cost no look.
func (a *API) visited(r *http.Request) (*http.Request, error) {
	if r.Host == "" || a.BaseURL == "" || strings.EqualFold(r.Host, hostPort(a.BaseURL)) {
		return r, nil
	}
	e, err := a.Identity.EnvironmentAt(r.Context(), r.Host)
	if err != nil || e == nil {
		return r, err
	}
	return r.WithContext(identity.WithHome(r.Context(), e)), nil
}

// peopleURL is the address under which people know an environment: its own domain, if
// it has one, whatever address the request came to.
func (a *API) peopleURL(r *http.Request, e *identity.Environment) string {
	if e.Settings.Domain == "" {
		return a.baseURL(r)
	}
	return e.OwnURL(a.secure(r))
}

// hostPort is the host of an address, with its port.
func hostPort(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// atHome refuses a client of another environment on an environment's own domain:
// its people must not be led to somebody else's pages under that name.
func (a *API) atHome(r *http.Request, client string) error {
	if home := identity.Home(r.Context()); home != nil && string(home.ClientID) != client {
		return apierr.New(apierr.NotFound, "entity_not_found", "There is no client %s at %s.", clip(client, 64), clip(r.Host, 128))
	}
	return nil
}

// jwks is GET /sso/jwks/{clientId}. Verifiers keep the set for minutes; old keys stay
// in it for longer than that, which is identity's care.
func (a *API) jwks(w http.ResponseWriter, r *http.Request) error {
	client := r.PathValue("clientId")
	if err := a.atHome(r, client); err != nil {
		return err
	}
	document, etag, err := a.Identity.JWKS(r.Context(), identity.ClientID(client))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=300, stale-while-revalidate=600, stale-if-error=86400")
	h.Set("ETag", etag)
	if match := r.Header.Get("If-None-Match"); match != "" && etagListed(match, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return wire.WriteRawJSON(w, document)
}

// etagListed reports whether an If-None-Match header names etag.
func etagListed(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == etag || one == "*" {
			return true
		}
	}
	return false
}

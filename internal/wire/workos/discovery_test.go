package workos

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// at asks for a path at a host.
func (h *house) at(host, path string) *answer {
	r := httptest.NewRequestWithContext(h.t.Context(), "GET", path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.API.ServeHTTP(w, r)
	a := &answer{t: h.t, status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
	_ = json.Unmarshal(a.raw, &a.body)
	return a
}

func TestDiscoveryOfAnEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	client := string(h.env.ClientID)
	for _, doc := range []string{"openid-configuration", "oauth-authorization-server"} {
		for _, path := range []string{"/user_management/" + client + "/.well-known/" + doc, "/.well-known/" + doc + "/user_management/" + client} {
			a := h.at("localhost:4100", path).want(200)
			if a.at("issuer") != h.env.Issuer() || a.at("jwks_uri") != "http://localhost:4100/sso/jwks/"+client || a.at("token_endpoint") != "http://localhost:4100/user_management/authenticate" ||
				a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.header.Get("Cache-Control"), "max-age") {
				t.Errorf("%s: %v %s", path, a.header, a.raw)
			}
		}
	}
	h.at("localhost:4100", "/user_management/client_nobody/.well-known/openid-configuration").want(404)
	if a := h.at("localhost:4100", "/.well-known/oauth-authorization-server").want(200); a.at("issuer") != "http://localhost:4100" {
		t.Errorf("%s", a.raw)
	}
}

func TestOwnDomainOfAnEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{err: oauthError("invalid_grant", "No such grant.")})
	other, err := h.Identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	check(t, err)
	for _, bad := range []string{"https://auth.example.com", "auth example", "-a.example", "a..b", "auth.example.com:0", "Auth.Example.com"} {
		h.call("PATCH", "/_lentil/v1/settings", map[string]any{"authentication_domain": bad}).want(422)
	}
	h.call("PATCH", "/_lentil/v1/settings", map[string]any{"authentication_domain": "auth.example.com"}).want(200)
	if _, err := h.Identity.ChangeSettings(t.Context(), other.ID, func(s *identity.Settings) { s.Domain = "auth.example.com" }); err == nil {
		t.Error("two environments have one domain")
	}
	client := string(h.env.ClientID)
	for _, host := range []string{"auth.example.com", "AUTH.example.com", "auth.example.com:443"} {
		a := h.at(host, "/user_management/"+client+"/.well-known/openid-configuration").want(200)
		if a.at("issuer") != "https://auth.example.com/user_management/"+client || a.at("jwks_uri") != "http://auth.example.com/sso/jwks/"+client {
			t.Errorf("%s", a.raw)
		}
	}
	if a := h.at("auth.example.com", "/.well-known/openid-configuration").want(200); a.at("issuer") != "http://auth.example.com" {
		t.Errorf("%s", a.raw)
	}
	// Links for people lead there, whatever address the application used.
	for path, body := range map[string]map[string]any{"/user_management/invitations": {"email": "new@example.com"}, "/user_management/password_reset": {"email": "ada@example.com"}} {
		h.call("POST", "/user_management/users", map[string]any{"email": "ada@example.com"})
		a := h.call("POST", path, body).want(201)
		if !strings.Contains(string(a.raw), `_url":"http://auth.example.com/`) {
			t.Errorf("%s", a.raw)
		}
	}
	h.at("auth.example.com", "/sso/jwks/"+client).want(200)
	h.at("localhost:4100", "/sso/jwks/"+client).want(200)
	h.at("auth.example.com", "/sso/jwks/"+string(other.ClientID)).want(404)
	h.at("localhost:4100", "/sso/jwks/"+string(other.ClientID)).want(200)
	// Another environment's client gets nowhere under this name.
	h.at("auth.example.com", "/user_management/authorize?client_id="+string(other.ClientID)+"&redirect_uri=http://localhost:1/&response_type=code")
	if p := h.Pages.(*pages); p.refused == nil || p.request != nil {
		t.Errorf("begun: %+v", p.request)
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", authenticatePath, strings.NewReader(`{"grant_type":"refresh_token","client_id":"`+string(other.ClientID)+`","refresh_token":"x"}`))
	r.Host = "auth.example.com"
	w := httptest.NewRecorder()
	h.API.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "invalid_client") {
		t.Errorf("%s", w.Body)
	}
}

func TestSigningKeysAreRotatedAndRevoked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	const path = "/_lentil/v1/signing_keys"
	published := func() (kids []string) {
		a := h.at("localhost:4100", "/sso/jwks/"+string(h.env.ClientID)).want(200)
		for _, k := range a.at("keys").([]any) {
			k := k.(map[string]any)
			kids = append(kids, k["kid"].(string))
			der, err := base64.StdEncoding.DecodeString(k["x5c"].([]any)[0].(string))
			check(t, err)
			c, err := x509.ParseCertificate(der)
			check(t, err)
			sum := sha256.Sum256(der)
			if c.Subject.CommonName != k["kid"] || c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil || k["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]) ||
				time.Now().Before(c.NotBefore) || c.NotAfter.Before(time.Now().AddDate(20, 0, 0)) {
				t.Errorf("%v", k)
			}
		}
		return kids
	}
	first := h.call("GET", path, nil).want(200).at("data", 0, "id").(string)
	a := h.call("POST", path+"/rotate", nil).want(200)
	if a.at("data", 0, "id") != first || a.at("data", 0, "state") != "signing" || a.at("data", 1, "state") != "published" || a.at("data", 0, "retires_at") == nil {
		t.Errorf("%s", a.raw)
	}
	if a := h.call("POST", path+"/rotate", nil).want(409); a.at("code") != "rotation_under_way" {
		t.Errorf("%s", a.raw)
	}
	if kids := published(); len(kids) != 2 || kids[0] != first {
		t.Errorf("%v", kids)
	}
	h.call("DELETE", path+"/sso_oidc_key_pair_x", nil).want(404)
	h.call("DELETE", path+"/"+first, nil).want(204)
	kids := published()
	if len(kids) != 2 || kids[0] == first || kids[1] == first {
		t.Errorf("%v", kids)
	}
	if now := h.call("GET", path, nil).want(200).at("data", 0, "state"); now != "signing" {
		t.Errorf("%v", now)
	}
	h.call("PATCH", "/_lentil/v1/settings", map[string]any{"signing_key_rotation": 60}).want(422)
	h.call("PATCH", "/_lentil/v1/settings", map[string]any{"signing_key_rotation": 86400, "amr_claim": true}).want(200)
	h.call("PATCH", "/_lentil/v1/settings", map[string]any{"signing_key_rotation": nil}).want(200)
}

func TestEntitlementsOfAnOrganization(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	org := h.call("POST", "/organizations", map[string]any{"name": "Acme"}).want(201).at("id").(string)
	if a := h.call("PUT", "/_lentil/v1/organizations/"+org+"/entitlements", map[string]any{"entitlements": []string{"b", "a"}}).want(200); a.at("entitlements", 0) != "a" {
		t.Errorf("%s", a.raw)
	}
	h.call("PUT", "/_lentil/v1/organizations/"+org+"/entitlements", map[string]any{"entitlements": []string{""}}).want(422)
	h.call("PUT", "/_lentil/v1/organizations/org_x/entitlements", map[string]any{"entitlements": []string{"a"}}).want(404)
	if a := h.call("PUT", "/_lentil/v1/organizations/"+org+"/entitlements", map[string]any{}).want(200); len(a.at("entitlements").([]any)) != 0 {
		t.Errorf("%s", a.raw)
	}
}

package workos

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/application"
)

// form sends a form without the environment's key.
func (h *house) form(target string, v url.Values, headers ...string) *answer {
	h.t.Helper()
	return h.call("POST", target, nil, append([]string{"Content-Type", "application/x-www-form-urlencoded", "Authorization", "", bodyHeader, v.Encode()}, headers...)...)
}

// robot makes an M2M application with a secret.
func (h *house) robot(scopes ...string) (client, secret, id string) {
	h.t.Helper()
	org := h.org("Robots")
	made := h.call("POST", "/connect/applications", object{"application_type": "m2m", "name": "Robot", "organization_id": org, "scopes": scopes}).want(201)
	s := h.call("POST", "/connect/applications/"+made.text("id")+"/client_secrets", object{}).want(201)
	return made.text("client_id"), s.text("secret"), made.text("id")
}

// payload is the decoded payload of a JWT.
func payload(t testing.TB, text string) (c object) {
	t.Helper()
	part := strings.Split(text, ".")
	if len(part) != 3 {
		t.Fatalf("no JWT: %.60s", text)
	}
	b, err := base64.RawURLEncoding.DecodeString(part[1])
	check(t, err)
	check(t, json.Unmarshal(b, &c))
	return c
}

func TestApplicationsAreKeptByKind(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	org := h.org("Soup")
	m2m := h.call("POST", "/connect/applications", object{"application_type": "m2m", "name": "Robot", "organization_id": org, "scopes": []string{"read", "read", "write"}}).want(201)
	first := h.call("POST", "/connect/applications", object{"application_type": "oauth", "name": "Ours", "is_first_party": true, "uses_pkce": true,
		"redirect_uris": []object{{"uri": "https://a.example/cb"}, {"uri": "https://b.example/cb", "default": true}}}).want(201)
	third := h.call("POST", "/connect/applications", object{"application_type": "oauth", "name": "Theirs", "is_first_party": false, "organization_id": org, "description": nil, "redirect_uris": nil}).want(201)
	if diff := cmp.Diff([]any{"read", "write"}, m2m.at("scopes")); diff != "" {
		t.Error(diff)
	}
	for name, a := range map[string]*answer{"m2m": m2m, "first": first} {
		if _, ok := a.body.(object)["was_dynamically_registered"]; ok {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	if first.text("redirect_uris", 0, "uri") != "https://b.example/cb" || first.at("redirect_uris", 1, "default") != false || third.text("organization_id") != string(org) || third.at("was_dynamically_registered") != false {
		t.Errorf("shapes: %s %s", first.raw, third.raw)
	}
	id := first.text("id")
	changed := h.call("PUT", "/connect/applications/"+id, object{"name": "Ours too", "redirect_uris": nil, "scopes": []string{"x"}}).want(200)
	if changed.text("name") != "Ours too" || changed.size("redirect_uris") != 2 || changed.text("scopes", 0) != "x" {
		t.Errorf("changed: %s", changed.raw)
	}
	if got := h.call("GET", "/connect/applications/"+first.text("client_id"), nil).want(200); got.text("id") != id {
		t.Errorf("by client id: %s", got.raw)
	}
	if l := h.call("GET", "/connect/applications?organization_id="+string(org), nil).want(200); l.size("data") != 2 {
		t.Errorf("of the organization: %s", l.raw)
	}
	if l := h.call("GET", "/connect/applications?registration_types[]=dynamic", nil).want(200); l.size("data") != 0 {
		t.Errorf("dynamic: %s", l.raw)
	}
	for _, bad := range []object{
		{"application_type": "oauth", "name": "x"}, {"application_type": "oauth", "name": "x", "is_first_party": false},
		{"application_type": "m2m", "name": "x"}, {"application_type": "thing", "name": "x", "organization_id": org},
		{"application_type": "oauth", "name": "x", "is_first_party": true, "redirect_uris": []object{{"uri": "javascript:alert(1)"}}},
		{"application_type": "oauth", "name": "x", "is_first_party": true, "redirect_uris": []object{{"uri": "https://x.example/#f"}}},
		{"application_type": "oauth", "name": "x", "is_first_party": true, "redirect_uris": []object{{"uri": "https://*.example/"}}},
		{"application_type": "m2m", "name": "x", "organization_id": org, "scopes": []string{"a b"}},
	} {
		h.call("POST", "/connect/applications", bad).want(422)
	}
	h.call("POST", "/connect/applications", object{"application_type": "m2m", "name": "x", "organization_id": "org_x"}).want(404)
	s := h.stranger()
	for _, target := range []string{id, first.text("client_id")} {
		s.call("GET", "/connect/applications/"+target, nil).want(404)
		s.call("PUT", "/connect/applications/"+target, object{"name": "mine"}).want(404)
		s.call("DELETE", "/connect/applications/"+target, nil).want(404)
	}
	h.call("DELETE", "/connect/applications/"+id, nil).want(204)
	h.call("GET", "/connect/applications/"+id, nil).want(404)
}

func TestClientSecretsAreShownOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	client, secret, id := h.robot("read")
	list := h.call("GET", "/connect/applications/"+id+"/client_secrets", nil).want(200)
	if list.text(0, "secret_hint") != secret[len(secret)-6:] || strings.Contains(string(list.raw), secret) || list.at(0, "last_used_at") != nil {
		t.Errorf("list: %s", list.raw)
	}
	use := func() *answer {
		return h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}})
	}
	use().want(200)
	list = h.call("GET", "/connect/applications/"+id+"/client_secrets", nil).want(200)
	if list.at(0, "last_used_at") == nil {
		t.Errorf("used: %s", list.raw)
	}
	h.stranger().call("DELETE", "/connect/client_secrets/"+list.text(0, "id"), nil).want(404)
	h.call("DELETE", "/connect/client_secrets/"+list.text(0, "id"), nil).want(204)
	use().want(400)
}

func TestMachineTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	client, secret, id := h.robot("read", "write")
	ask := func(more url.Values, headers ...string) *answer {
		v := url.Values{"grant_type": {"client_credentials"}}
		for k, l := range more {
			v[k] = l
		}
		return h.form("/oauth2/token", v, headers...)
	}
	basic := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(client+":"+secret))}
	got := ask(nil, basic...).want(200)
	if got.text("token_type") != "Bearer" || got.at("expires_in") != 3600.0 || got.text("scope") != "read write" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer: %s", got.raw)
	}
	c := payload(t, got.text("access_token"))
	if c["iss"] != "http://localhost:4100" || c["sub"] != client || c["aud"] != string(h.env.ClientID) || c["scope"] != "read write" || !strings.HasPrefix(c["org_id"].(string), "org_") || c["jti"] == "" {
		t.Errorf("claims: %v", c)
	}
	if got := ask(url.Values{"scope": {"read"}}, basic...).want(200); payload(t, got.text("access_token"))["scope"] != "read" {
		t.Errorf("narrowed: %s", got.raw)
	}
	for _, c := range []struct {
		name    string
		form    url.Values
		headers []string
		status  int
		code    string
	}{
		{"a scope it does not have", url.Values{"scope": {"read delete"}}, basic, 400, "invalid_scope"},
		{"a scope of people", url.Values{"scope": {"openid"}}, basic, 400, "invalid_scope"},
		{"a wrong secret", url.Values{"client_id": {client}, "client_secret": {secret + "x"}}, nil, 400, "invalid_client"},
		{"a wrong secret in the header", nil, []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(client+":no"))}, 401, "invalid_client"},
		{"no secret", url.Values{"client_id": {client}}, nil, 400, "invalid_client"},
		{"nobody", url.Values{"client_id": {"client_x"}, "client_secret": {"y"}}, nil, 400, "invalid_client"},
		{"the environment's own client", url.Values{"client_id": {string(h.env.ClientID)}, "client_secret": {h.key}}, nil, 400, "invalid_client"},
		{"both ways", url.Values{"client_secret": {secret}}, basic, 400, "invalid_request"},
		{"another grant", url.Values{"grant_type": {"password"}}, basic, 400, "unsupported_grant_type"},
		{"a parameter twice", url.Values{"scope": {"read", "read"}}, basic, 400, "invalid_request"},
	} {
		if no := ask(c.form, c.headers...); no.status != c.status || no.at("error") != c.code || no.at("error_description") == nil {
			t.Errorf("%s: %d %s", c.name, no.status, no.raw)
		}
	}
	keys := h.do("GET", "/oauth2/jwks", "")
	var set struct{ Keys []object }
	check(t, json.NewDecoder(keys.Body).Decode(&set))
	if len(set.Keys) != 1 || set.Keys[0]["kid"] == "" || keys.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("keys: %v", set)
	}

	token := got.text("access_token")
	tell := func(text string) *answer {
		return h.form("/oauth2/introspection", url.Values{"token": {text}, "client_id": {client}, "client_secret": {secret}})
	}
	if i := tell(token).want(200); i.at("active") != true || i.text("client_id") != client || i.text("scope") != "read write" {
		t.Errorf("introspection: %s", i.raw)
	}
	for _, text := range []string{token + "x", "x", strings.Replace(token, ".", ".e30.", 1)} {
		if i := tell(text).want(200); string(i.raw) != `{"active":false}` {
			t.Errorf("of %.20s: %s", text, i.raw)
		}
	}
	h.form("/oauth2/introspection", url.Values{"token": {token}, "client_id": {client}}).want(400)
	other, otherSecret, _ := h.robot()
	check(t, h.Applications.Delete(t.Context(), h.env.ID, id))
	if i := h.form("/oauth2/introspection", url.Values{"token": {token}, "client_id": {other}, "client_secret": {otherSecret}}).want(200); string(i.raw) != `{"active":false}` {
		t.Errorf("after the application: %s", i.raw)
	}
	if got, err := h.Applications.List(t.Context(), h.env.ID, application.Query{}); err != nil || len(got.Data) != 1 {
		t.Errorf("left: %v %v", got, err)
	}
}

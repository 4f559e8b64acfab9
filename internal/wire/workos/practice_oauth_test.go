package workos_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestOnlyTheCodeFlowIsOffered(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b, _ := h.session("ada@example.com")
	for _, kind := range []string{"token", "id_token", "code token", "code id_token", "none", "", "CODE"} {
		b.visit(h.authorize("s", "response_type", kind))
		if b.left != nil && (b.left.Query().Get("code") != "" || b.left.Fragment != "" || b.left.Query().Get("access_token") != "") {
			t.Errorf("response_type %q is answered with %v", kind, b.left)
		}
	}
	for _, grant := range []string{"implicit", "token", "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer", ""} {
		if status, m := h.grant(map[string]string{"grant_type": grant, "assertion": "x", "code": "x"}); status != 400 {
			t.Errorf("grant %q: %d %v", grant, status, m)
		}
	}
}

func TestPasswordGrantIsForServers(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	for name, secret := range map[string]string{"none": "", "a wrong one": "sk_test_wrong", "another's": "sk_live_wrong"} {
		body := map[string]string{"grant_type": "password", "email": "ada@example.com", "password": password}
		if secret != "" {
			body["client_secret"] = secret
		}
		if status, m := h.grant(body); status == 200 {
			t.Errorf("with %s as secret: %v", name, m)
		}
	}
	if status, m := h.grant(map[string]string{"grant_type": "password", "email": "ada@example.com", "password": password, "client_secret": h.key}); status != 200 {
		t.Errorf("with the secret: %d %v", status, m)
	}
}

func TestPublicClientsUsePKCE(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b, _ := h.session("ada@example.com")
	code := func(more ...string) string {
		b.visit(h.authorize("s", more...))
		if b.left == nil {
			return ""
		}
		return b.left.Query().Get("code")
	}
	// Neither plain challenges nor methods without a challenge.
	for _, more := range [][]string{{"code_challenge_method", "plain"}, {"code_challenge_method", ""}, {"code_challenge", "short"}, {"code_challenge", ""}} {
		got := code(more...)
		if got == "" {
			continue // refused at once
		}
		if status, m := h.grant(map[string]string{"grant_type": "authorization_code", "code": got, "code_verifier": verifier}); status == 200 {
			t.Errorf("%v: redeemed %v", more, m)
		}
	}
	for name, body := range map[string]map[string]string{
		"without a verifier":    {},
		"with a wrong one":      {"code_verifier": strings.Repeat("x", 64)},
		"with the challenge":    {"code_verifier": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"},
		"with an empty secret":  {"client_secret": ""},
		"with a client of sort": {"client_id": "client_other", "code_verifier": verifier},
	} {
		body["grant_type"], body["code"] = "authorization_code", code()
		if status, m := h.grant(body); name != "with a client of sort" && status == 200 {
			t.Errorf("%s: %d %v", name, status, m)
		}
	}
	// A verifier where no challenge was: somebody took the challenge away.
	q, err := url.Parse(h.authorize("s"))
	check(t, err)
	v := q.Query()
	v.Del("code_challenge")
	v.Del("code_challenge_method")
	q.RawQuery = v.Encode()
	b.visit(q.String())
	if b.left != nil && b.left.Query().Get("code") != "" {
		for _, secret := range []string{"", h.key} {
			body := map[string]string{"grant_type": "authorization_code", "code": b.left.Query().Get("code"), "code_verifier": verifier}
			if secret != "" {
				body["client_secret"] = secret
			}
			if status, m := h.grant(body); status == 200 {
				t.Errorf("a challenge that was taken away is not missed: %v", m)
			}
		}
	}
}

// TestPagesKeepTheirAddress looks at every answer on the way through a sign-in.
func TestPagesKeepTheirAddress(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b := h.browser()
	b.visit(h.authorize("s"))
	r, err := http.NewRequestWithContext(t.Context(), "GET", b.at.String(), nil)
	check(t, err)
	res, err := b.client.Do(r)
	check(t, err)
	res.Body.Close()
	for name, want := range map[string][]string{
		"Referrer-Policy": {"no-referrer", "same-origin"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
	} {
		if got := res.Header.Get(name); !contains(want, got) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("policy %q", csp)
	}
	for _, c := range res.Cookies() {
		if !c.HttpOnly || c.SameSite == http.SameSiteNoneMode || c.SameSite == 0 {
			t.Errorf("cookie %s: %+v", c.Name, c)
		}
	}
}

// contains reports whether one of list is s.
func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func TestFormsWithPasswordsAreNotSentOn(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b := h.browser()
	b.visit(h.authorize("s"))
	form := b.find("form", nil)
	values := url.Values{"email": {"ada@example.com"}, "password": {password}}
	for n := range form.Descendants() {
		if n.Type == html.ElementNode && n.Data == "input" && attr(n, "value") != "" {
			values.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	to, err := b.at.Parse(attr(form, "action"))
	check(t, err)
	for _, origin := range []string{"https://evil.example", "null", h.url} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", to.String(), strings.NewReader(values.Encode()))
		check(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		once := &http.Client{Jar: b.client.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := once.Do(r)
		check(t, err)
		res.Body.Close()
		switch {
		case origin == h.url && res.StatusCode != http.StatusSeeOther && res.StatusCode != http.StatusFound && res.StatusCode != http.StatusOK:
			t.Errorf("the form is answered with %d", res.StatusCode) // 307 and 308 would post it again
		case origin != h.url && res.StatusCode != http.StatusForbidden:
			t.Errorf("a form of %s is answered with %d", origin, res.StatusCode)
		}
	}
}

func TestClientsAreNotTakenForPeople(t *testing.T) {
	t.Parallel()
	h := open(t)
	org := h.want(201, h.key, "POST", "/organizations", `{"name":"Soup"}`)["id"].(string)
	app := h.want(201, h.key, "POST", "/connect/applications", fmt.Sprintf(`{"name":"robot","application_type":"m2m","organization_id":%q,"scopes":[]}`, org))
	secret := h.want(201, h.key, "POST", "/connect/applications/"+app["id"].(string)+"/client_secrets", `{}`)
	status, m := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {app["client_id"].(string)}, "client_secret": {secret["secret"].(string)}})
	if status != 200 {
		t.Fatalf("%d %v", status, m)
	}
	robot := claims(t, m["access_token"])
	h.user("ada@example.com", password)
	_, s := h.session("ada@example.com")
	person := claims(t, s["access_token"])
	if strings.HasPrefix(robot["sub"].(string), "user_") || robot["sid"] != nil {
		t.Errorf("a machine's token %v", robot)
	}
	if robot["iss"] == person["iss"] {
		t.Errorf("tokens of machines and of people have one issuer: %v", robot["iss"])
	}
	if robot["aud"] == nil {
		t.Errorf("a machine's token is for nobody in particular: %v", robot)
	}
}

func TestSignOutLeadsOnlyHome(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	for _, to := range []string{"https://evil.example", "//evil.example", "https://localhost.evil.example", "javascript:alert(1)", "http://localhost:5173@evil.example", "https:evil.example", "\\\\evil.example"} {
		b, m := h.session("ada@example.com")
		sid := claims(t, m["access_token"])["sid"].(string)
		b.visit(h.url + "/user_management/sessions/logout?session_id=" + sid + "&return_to=" + url.QueryEscape(to))
		if b.left != nil && !strings.HasPrefix(b.left.String(), origin) {
			t.Errorf("%q leads to %v", to, b.left)
		}
	}
	// Without the id of a session nobody is signed out.
	b, m := h.session("ada@example.com")
	b.visit(h.url + "/user_management/sessions/logout?session_id=session_01J0000000000000000000000A")
	if status, _ := h.refresh(m); status != 200 {
		t.Error("a sign-out of an unknown session ended a known one")
	}
}

package workos_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// third makes an application of a third party; its id and client id.
func (h *house) third(pkce bool, redirect string) (id, client string) {
	h.t.Helper()
	org := h.want(201, h.key, "POST", "/organizations", `{"name":"Boards"}`)["id"]
	app := h.want(201, h.key, "POST", "/connect/applications", fmt.Sprintf(
		`{"name":"Board <b>& Sons</b>","application_type":"oauth","is_first_party":false,"uses_pkce":%t,"organization_id":%q,"redirect_uris":[{"uri":%q}],"scopes":["board:read"]}`, pkce, org, redirect))
	return app["id"].(string), app["client_id"].(string)
}

// asks is the address at which an application asks for access.
func (h *house) asks(client, redirect string, more ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {client}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid email offline_access board:read"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return h.url + "/oauth2/authorize?" + q.Encode()
}

// consent presses a button of the consent page.
func (b *browser) consent(answer string) *browser {
	b.h.t.Helper()
	form := b.find("form", func(n *html.Node) bool { return attr(n, "data-testid") == "consent" })
	if form == nil {
		b.h.t.Fatalf("no consent page at %s: %s", b.at, text(b.page))
	}
	values := url.Values{"answer": {answer}}
	for n := range form.Descendants() {
		if n.Data == "input" {
			values.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	return b.post("/oauth2/authorize", values, b.h.url)
}

// post sends a form as a page of an origin would.
func (b *browser) post(path string, values url.Values, from string) *browser {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(b.h.t.Context(), "POST", b.h.url+path, strings.NewReader(values.Encode()))
	check(b.h.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", from)
	return b.send(r)
}

func TestConsentIsAskedOfWhomItConcerns(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	h.user("eve@example.com", password)
	const redirect = "https://board.example/cb"
	_, client := h.third(true, redirect)
	ada, _ := h.session("ada@example.com")
	eve, _ := h.session("eve@example.com")
	ada.visit(h.asks(client, redirect))
	for _, what := range []string{"Authorize Board <b>& Sons</b>", "ada@example.com", "See your e-mail address", "Keep this access while you are away", "board:read", "board.example", "holds until you take it back"} {
		if !strings.Contains(text(ada.page), what) {
			t.Errorf("the page does not say %q: %s", what, text(ada.page))
		}
	}
	field := attr(ada.find("input", func(n *html.Node) bool { return attr(n, "name") == "request" }), "value")
	// Neither another person's browser, nor another page, nor a field that was made up,
	// nor no answer.
	bent := []byte(field)
	bent[len(bent)/2] ^= 1
	made := string(bent)
	nobody := h.browser()
	for name, try := range map[string]struct {
		by             *browser
		request, reply string
		from           string
	}{
		"another person":    {eve, field, "allow", h.url},
		"nobody":            {nobody, field, "allow", h.url},
		"another page":      {ada, field, "allow", "https://evil.example"},
		"a made-up request": {ada, made, "allow", h.url},
		"no request":        {ada, "", "allow", h.url},
		"no answer":         {ada, field, "", h.url},
	} {
		if try.by.post("/oauth2/authorize", url.Values{"request": {try.request}, "answer": {try.reply}}, try.from); try.by.left != nil || try.by.status < 400 {
			t.Errorf("%s: %d, sent to %v", name, try.by.status, try.by.left)
		}
	}
	if ada.visit(h.url + "/oauth2/authorize?" + url.Values{"request": {field}, "answer": {"allow"}}.Encode()); ada.left != nil {
		t.Errorf("a link is an answer: %v", ada.left)
	}
	if ada.visit(h.asks(client, redirect)).consent("deny"); ada.left == nil || ada.left.Query().Get("error") != "access_denied" || ada.in() != "" {
		t.Errorf("a no: %v", ada.left)
	}
	if ada.visit(h.asks(client, redirect)).consent("allow"); ada.in() == "" || !strings.HasPrefix(ada.left.String(), redirect) {
		t.Errorf("a yes: %v", ada.left)
	}
	if ada.visit(h.asks(client, redirect)); ada.in() == "" {
		t.Error("asked again for what was allowed, by an application that is known by its address")
	}
	for name, more := range map[string][]string{"more": {"scope", "openid profile"}, "to be asked": {"prompt", "consent"}} {
		if ada.visit(h.asks(client, redirect, more...)); ada.left != nil {
			t.Errorf("an application that wants %s is not asked for: %v", name, ada.left)
		}
	}
	if eve.visit(h.asks(client, redirect)); eve.left != nil {
		t.Error("Ada's consent counts for Eve")
	}
}

func TestConsentIsAskedAgainOfAppsThatCannotProveThemselves(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	ada, _ := h.session("ada@example.com")
	for redirect, again := range map[string]bool{"http://127.0.0.1/cb": true, "com.example.board:/cb": true, "https://board.example/cb": false} {
		_, client := h.third(true, redirect)
		ada.visit(h.asks(client, redirect))
		if warned := strings.Contains(text(ada.page), "cannot prove that it is"); warned != again {
			t.Errorf("%s: warned %t", redirect, warned)
		}
		ada.consent("allow")
		asked := func() bool {
			return ada.find("form", func(n *html.Node) bool { return attr(n, "data-testid") == "consent" }) != nil
		}
		if asked() {
			t.Fatalf("%s: %v", redirect, ada.left)
		}
		if ada.visit(h.asks(client, redirect)); asked() != again {
			t.Errorf("%s: %v", redirect, ada.left)
		}
		ada.visit(h.asks(client, redirect, "prompt", "none"))
		said := fmt.Sprint(ada.left)
		if link := ada.find("a", nil); ada.left == nil && link != nil { // an app's own scheme is led to by a link
			said = attr(link, "href")
		}
		if strings.Contains(said, "error=consent_required") != again {
			t.Errorf("%s: silently, %s", redirect, said)
		}
	}
	// One that keeps a secret is known by it, wherever it lives.
	_, client := h.third(false, "http://127.0.0.1/cb")
	ada.visit(h.asks(client, "http://127.0.0.1/cb")).consent("allow")
	if ada.visit(h.asks(client, "http://127.0.0.1/cb")); ada.in() == "" {
		t.Error("asked again")
	}
}

// TestConsentsAreSeenAndTakenBack takes a consent back by the API.
func TestConsentsAreSeenAndTakenBack(t *testing.T) {
	t.Parallel()
	h := open(t)
	user := h.user("ada@example.com", password)
	const redirect = "https://board.example/cb"
	id, client := h.third(true, redirect)
	ada, _ := h.session("ada@example.com")
	ada.visit(h.asks(client, redirect)).consent("allow")
	status, got := h.form("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {ada.in()}, "redirect_uri": {redirect}, "code_verifier": {verifier}})
	if status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	ada.visit(h.asks(client, redirect))
	unused := ada.in()
	list := h.want(200, h.key, "GET", "/user_management/users/"+user+"/authorized_applications", "")
	if at(list, "data", "application", "id") != id || len(at(list, "data", "granted_scopes").([]any)) != 4 {
		t.Errorf("%v", list)
	}
	h.want(204, h.key, "DELETE", "/user_management/users/"+user+"/authorized_applications/"+id, "")
	for name, v := range map[string]url.Values{
		"refresh token": {"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {got["refresh_token"].(string)}},
		"code":          {"grant_type": {"authorization_code"}, "client_id": {client}, "code": {unused}, "redirect_uri": {redirect}, "code_verifier": {verifier}},
	} {
		if status, m := h.form("/oauth2/token", v); status != 400 {
			t.Errorf("a %s after all: %d %v", name, status, m)
		}
	}
	if status, m := h.ask(got["access_token"].(string), "GET", "/oauth2/userinfo", ""); status != 401 {
		t.Errorf("an access token after all: %d %v", status, m)
	}
	if ada.visit(h.asks(client, redirect)); ada.left != nil {
		t.Errorf("not asked again: %v", ada.left)
	}
}

// TestApplicationsDoNotRegisterThemselves shows that there is no dynamic
// registration and no client id that is the address of its own description.
func TestApplicationsDoNotRegisterThemselves(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	ada, _ := h.session("ada@example.com")
	body := `{"client_name":"Evil","redirect_uris":["https://evil.example/cb"],"token_endpoint_auth_method":"none"}`
	for _, path := range []string{"/oauth2/register", "/register", "/connect/register", "/oauth2/registration"} {
		if status, m := h.ask("", "POST", path, body); status < 400 {
			t.Errorf("%s: %d %v", path, status, m)
		}
	}
	if status, m := h.ask("", "POST", "/connect/applications", `{"name":"Evil","application_type":"oauth","is_first_party":true}`); status != 401 {
		t.Errorf("without a key: %d %v", status, m)
	}
	for _, path := range []string{"/oauth2/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/oauth2"} {
		m := h.want(200, "", "GET", path, "")
		if m["registration_endpoint"] != nil || m["client_id_metadata_document_supported"] == true {
			t.Errorf("%s: %v", path, m)
		}
	}
	for _, client := range []string{"https://evil.example/client.json", "http://127.0.0.1:1/", "client_01J0000000000000000000000A", ""} {
		if ada.visit(h.asks(client, "https://evil.example/cb")); ada.left != nil || ada.status != 400 {
			t.Errorf("%q: %d, sent to %v", client, ada.status, ada.left)
		}
	}
}

// TestOldSignInsAreNotEnoughWhereAppsSaySo is about max_age, prompt=login and the
// time that tokens carry.
func TestOldSignInsAreNotEnoughWhereAppsSaySo(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b, first := h.session("ada@example.com")
	begun := claims(t, first["access_token"])["auth_time"].(float64)
	h.want(200, h.key, "POST", "/_lentil/v1/clock/advance", `{"seconds":7200}`)
	if b.visit(h.authorize("1")); b.in() == "" {
		t.Fatal("the browser is not signed in any more")
	}
	if again := claims(t, h.exchange(b.in())["access_token"])["auth_time"].(float64); again != begun {
		t.Errorf("a visit moved auth_time from %v to %v", begun, again)
	}
	_, next := h.refresh(first)
	if again := claims(t, next["access_token"])["auth_time"].(float64); again != begun {
		t.Errorf("a refresh moved auth_time from %v to %v", begun, again)
	}
	for _, more := range [][]string{{"max_age", "3600"}, {"max_age", "0"}, {"prompt", "login"}} {
		if b.visit(h.authorize("2", more...)); b.left != nil || b.find("input", func(n *html.Node) bool { return attr(n, "name") == "password" }) == nil {
			t.Errorf("%v: at %s, %v", more, b.at, b.left)
		}
	}
	if b.visit(h.authorize("3", "max_age", "-1")); b.in() != "" {
		t.Error("max_age=-1 is taken")
	}
	if b.visit(h.authorize("4", "max_age", "10800")); b.in() == "" {
		t.Errorf("recent enough, and asked: %s", b.at)
	}
	const redirect = "https://board.example/cb"
	_, client := h.third(true, redirect)
	b.visit(h.asks(client, redirect)).consent("allow")
	if b.visit(h.asks(client, redirect, "max_age", "3600")); b.left != nil {
		t.Errorf("a third party's max_age: %v", b.left)
	}
	if b.visit(h.asks(client, redirect, "max_age", "3600", "prompt", "none")); b.left == nil || b.left.Query().Get("error") != "login_required" {
		t.Errorf("a third party's max_age, silently: %v", b.left)
	}
	b.visit(h.asks(client, redirect, "max_age", "3600")).fill(map[string]string{"Email": "ada@example.com", "Password": password})
	status, got := h.form("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {b.in()}, "redirect_uri": {redirect}, "code_verifier": {verifier}})
	if status != 200 {
		t.Fatalf("%d %v at %s %v", status, got, b.at, b.left)
	}
	if at := claims(t, got["id_token"])["auth_time"].(float64); at < begun+7200 {
		t.Errorf("auth_time %v after a sign-in at %v", at, begun+7200)
	}
}

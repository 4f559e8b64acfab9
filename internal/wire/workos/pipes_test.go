package workos

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// upstream is a service with OAuth endpoints: its tokens are numbered, its refresh
// tokens good for one use.
type upstream struct {
	*httptest.Server
	t *testing.T

	mu        sync.Mutex
	challenge string
	count     int
	refresh   string // the one that is good
	expires   int    // seconds
	broken    bool
	forms     []url.Values
}

// newUpstream starts one.
func newUpstream(t *testing.T) *upstream {
	u := &upstream{t: t, expires: 3600}
	u.Server = httptest.NewServer(http.HandlerFunc(u.token))
	t.Cleanup(u.Close)
	return u
}

// token is the token endpoint.
func (u *upstream) token(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		u.t.Error(err)
	}
	u.forms = append(u.forms, r.PostForm)
	no := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(object{"error": code, "error_description": "no"})
	}
	if u.broken {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	id, secret, ok := r.BasicAuth()
	id, secret = strings.ReplaceAll(id, "+", " "), strings.ReplaceAll(secret, "+", " ") // form-encoded, RFC 6749 §2.3.1
	if !ok || id != "the client" && id != "org client" && id != "robot" || secret != "the secret of "+id {
		no("invalid_client")
		return
	}
	u.count++
	answer := object{"access_token": "access " + string(rune('0'+u.count)), "expires_in": u.expires, "token_type": "bearer"}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if r.PostForm.Get("code") != "good" || base64.RawURLEncoding.EncodeToString(sum[:]) != u.challenge || r.PostForm.Get("redirect_uri") != "http://localhost:4100/_lentil/v1/data-integrations/callback" {
			no("invalid_grant")
			return
		}
		answer["scope"] = "read"
	case "refresh_token":
		if r.PostForm.Get("refresh_token") != u.refresh {
			no("invalid_grant")
			return
		}
	case "client_credentials":
		_ = json.NewEncoder(w).Encode(answer)
		return
	default:
		no("unsupported_grant_type")
		return
	}
	u.refresh = "refresh " + string(rune('0'+u.count))
	answer["refresh_token"] = u.refresh
	_ = json.NewEncoder(w).Encode(answer)
}

// integrate makes the upstream an integration of the house.
func (h *house) integrate(u *upstream, credentials object, more object) *answer {
	h.t.Helper()
	body := object{"provider": "soupbox", "scopes": []string{"read", "write"}, "auth_methods": []string{"oauth", "api_key", "client_credentials"}, "credentials": credentials,
		"custom_provider": object{"name": "Soup Box", "authorization_url": u.URL + "/authorize?x=1", "token_url": u.URL + "/token", "pkce_enabled": true,
			"authenticate_via": "basic_auth_header", "additional_authorization_parameters": object{"prompt": "consent"}}}
	for k, v := range more {
		body[k] = v
	}
	return h.call("POST", "/data-integrations", body).want(201)
}

// ours are the credentials of the environment.
var ours = object{"type": "custom", "client_id": "the client", "client_secret": "the secret of the client"}

// connect begins a connection and comes back with a code.
func (h *house) connect(u *upstream, owner object, code string) *http.Response {
	h.t.Helper()
	begun := h.call("POST", "/data-integrations/soupbox/authorize", owner).want(200)
	at, err := url.Parse(begun.text("url"))
	check(h.t, err)
	q := at.Query()
	u.mu.Lock()
	u.challenge = q.Get("code_challenge")
	u.mu.Unlock()
	if !strings.HasPrefix(begun.text("url"), u.URL+"/authorize?") || q.Get("x") != "1" || q.Get("prompt") != "consent" || q.Get("scope") != "read write" || q.Get("response_type") != "code" {
		h.t.Errorf("request: %s", at)
	}
	return h.do("GET", IntegrationCallback+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), "")
}

func TestPipesConnectByOAuthAndKeepTokensFresh(t *testing.T) {
	t.Parallel()
	h, u := newHouse(t, nil), newUpstream(t)
	user, _ := h.member("ada@example.com", "Soup")
	made := h.integrate(u, ours, nil)
	if made.text("state") != "valid" || made.text("redirect_uri") != "http://localhost:4100/_lentil/v1/data-integrations/callback" || made.text("credentials", "redacted_client_secret") != "****ient" || made.text("custom_provider", "request_scope_separator") != " " {
		t.Errorf("made: %s", made.raw)
	}
	owner := object{"user_id": user}
	ask := func() *answer { return h.call("POST", "/data-integrations/soupbox/token", owner).want(200) }
	if none := ask(); none.at("active") != false || none.text("error") != "not_installed" {
		t.Errorf("before: %s", none.raw)
	}
	back := h.connect(u, object{"user_id": user, "return_to": "https://app.example/done?tab=1"}, "good")
	if back.StatusCode != 302 || back.Header.Get("Location") != "https://app.example/done?tab=1" {
		t.Fatalf("back: %d %v", back.StatusCode, back.Header)
	}
	got := ask()
	if got.text("access_token", "access_token") != "access 1" || got.text("access_token", "scopes", 0) != "read" || got.text("access_token", "missing_scopes", 0) != "write" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("token: %s", got.raw)
	}
	account := h.call("GET", "/user_management/users/"+string(user)+"/connected_accounts/soupbox", nil).want(200)
	if account.text("state") != "connected" || account.text("auth_method") != "oauth" || account.at("organization_id") != nil {
		t.Errorf("account: %s", account.raw)
	}
	expire := func() {
		check(t, h.Identity.Update(t.Context(), func(tx *identity.Tx) error {
			f, err := tx.First("connected_accounts", "on_environment", string(h.env.ID), account.text("id"))
			if err != nil {
				return err
			}
			return tx.Patch(f, identity.Row{identity.Time("expires", tx.Now())})
		}))
	}
	expire()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if c := ask(); c.text("access_token", "access_token") != "access 2" {
				t.Errorf("refreshed: %s", c.raw)
			}
		})
	}
	wg.Wait()
	if len(u.forms) != 2 {
		t.Errorf("%d requests to the service, wanted 2", len(u.forms))
	}
	expire()
	u.broken = true
	h.call("POST", "/data-integrations/soupbox/token", owner).want(503)
	u.broken, u.refresh = false, "revoked elsewhere"
	if gone := ask(); gone.text("error") != "needs_reauthorization" {
		t.Errorf("revoked: %s", gone.raw)
	}
	h.connect(u, owner, "good")
	if again := ask(); again.at("active") != true {
		t.Errorf("again: %s", again.raw)
	}
	h.call("DELETE", "/user_management/users/"+string(user)+"/connected_accounts/soupbox", nil).want(204)
	h.call("GET", "/user_management/users/"+string(user)+"/connected_accounts/soupbox", nil).want(404)
	var events []string
	for _, e := range h.events() {
		if what, ok := strings.CutPrefix(e, "pipes.connected_account."); ok {
			events = append(events, what)
		}
	}
	if want := []string{"connected", "reauthorization_needed", "connected", "disconnected"}; !slices.Equal(events, want) {
		t.Errorf("events %v, wanted %v", events, want)
	}
}

func TestPipesStateIsGoodForOneUse(t *testing.T) {
	t.Parallel()
	h, u := newHouse(t, nil), newUpstream(t)
	user, _ := h.member("ada@example.com", "Soup")
	h.integrate(u, ours, nil)
	if no := h.do("GET", IntegrationCallback+"?code=good&state=guessed", ""); no.StatusCode != 404 {
		t.Errorf("a guessed state: %d", no.StatusCode)
	}
	bad := h.connect(u, object{"user_id": user, "return_to": "https://app.example/"}, "bad")
	if bad.Header.Get("Location") != "https://app.example/?error=token_exchange_failed" {
		t.Errorf("a bad code: %v", bad.Header)
	}
	begun := h.call("POST", "/data-integrations/soupbox/authorize", object{"user_id": user}).want(200)
	at, _ := url.Parse(begun.text("url"))
	state := url.QueryEscape(at.Query().Get("state"))
	if no := h.do("GET", IntegrationCallback+"?error=access_denied&state="+state, ""); no.StatusCode != 200 || no.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("denied: %d", no.StatusCode)
	}
	if no := h.do("GET", IntegrationCallback+"?code=good&state="+state, ""); no.StatusCode != 404 {
		t.Errorf("again: %d", no.StatusCode)
	}
	if got := h.call("POST", "/data-integrations/soupbox/token", object{"user_id": user}).want(200); got.text("error") != "not_installed" {
		t.Errorf("in the end: %s", got.raw)
	}
	for _, to := range []string{"javascript:alert(1)", "//evil.example", "ftp://x/"} {
		h.call("POST", "/data-integrations/soupbox/authorize", object{"user_id": user, "return_to": to}).want(422)
	}
}

func TestPipesCredentialsOfEveryMethod(t *testing.T) {
	t.Parallel()
	h, u := newHouse(t, nil), newUpstream(t)
	user, org := h.member("ada@example.com", "Soup")
	made := h.integrate(u, object{"type": "organization"}, object{"api_key": object{"secret": "key-1234567890", "user_id": user}})
	if made.text("state") != "valid" || made.text("installation", "api_key_last_4") != "7890" || made.at("credentials", "client_id") != nil {
		t.Errorf("made: %s", made.raw)
	}
	vend := func(owner object) *answer {
		return h.call("POST", "/data-integrations/soupbox/credentials", owner).want(200)
	}
	if c := vend(object{"user_id": user}); c.text("credential", "auth_method") != "api_key" || c.text("credential", "value") != "key-1234567890" {
		t.Errorf("by key: %s", c.raw)
	}
	if no := h.call("POST", "/data-integrations/soupbox/token", object{"user_id": user}).want(422); no.text("code") != "auth_method_mismatch" {
		t.Errorf("a token of a key: %s", no.raw)
	}
	in := object{"user_id": user, "organization_id": org}
	robot := h.call("PUT", "/data-integrations/soupbox/client-credentials", object{"user_id": user, "organization_id": org, "client_id": "robot", "client_secret": "the secret of robot"}).want(200)
	if robot.text("client_id") != "robot" || robot.text("client_secret_last_4") != "obot" || robot.at("api_key_last_4") != nil {
		t.Errorf("robot: %s", robot.raw)
	}
	for range 2 {
		if c := vend(in); c.text("credential", "auth_method") != "client_credentials" || c.text("credential", "value") != "access 1" || c.at("credential", "metadata") == nil {
			t.Errorf("by client: %s", c.raw)
		}
	}
	h.call("POST", "/data-integrations/soupbox/authorize", in).want(400) // the organization has no client yet
	path := "/organizations/" + string(org) + "/data_integration_configurations"
	set := h.call("PUT", path+"/soupbox", object{"client_id": "org client", "client_secret": "the secret of org client", "scopes": []string{"read", "write"}}).want(200)
	if set.at("credentials", "has_credentials") != true || set.text("credentials", "client_id") != "org client" || set.text("credentials", "credentials_type") != "organization" {
		t.Errorf("set: %s", set.raw)
	}
	h.connect(u, in, "good")
	if c := vend(in); c.text("credential", "auth_method") != "oauth" || c.text("credential", "value") != "access 2" {
		t.Errorf("by oauth: %s", c.raw)
	}
	h.call("PUT", path+"/soupbox", object{"enabled": false}).want(200)
	if c := vend(in); c.text("error") != "not_installed" {
		t.Errorf("disabled: %s", c.raw)
	}
	h.call("POST", "/data-integrations/soupbox/authorize", in).want(403)
	if l := h.call("GET", path, nil).want(200); l.size("data") != 1 || l.at("data", 0, "enabled") != false || strings.Contains(string(l.raw), "secret of") {
		t.Errorf("configurations: %s", l.raw)
	}
	providers := h.call("GET", "/user_management/users/"+string(user)+"/data_providers", nil).want(200)
	if providers.text("data", 0, "name") != "Soup Box" || providers.text("data", 0, "connected_account", "id") != made.text("installation", "id") || providers.text("data", 0, "integrationType") != "custom" {
		t.Errorf("providers: %s", providers.raw)
	}
	err := h.Identity.View(t.Context(), func(tx *identity.Tx) error {
		for _, table := range []string{"data_integrations", "connected_accounts", "data_integration_configurations"} {
			rows, err := tx.All(table, "by_creation_time")
			if err != nil {
				return err
			}
			for _, f := range rows {
				if text := string(value.JSON(f.Fields)); strings.Contains(text, "secret of") || strings.Contains(text, "key-1234567890") || strings.Contains(text, "access ") {
					t.Errorf("a row of %s shows a secret: %s", table, text)
				}
			}
		}
		return nil
	})
	check(t, err)
}

func TestPipesRefuseWhatCannotWork(t *testing.T) {
	t.Parallel()
	h, u := newHouse(t, nil), newUpstream(t)
	user, org := h.member("ada@example.com", "Soup")
	for _, body := range []object{
		{"provider": "nothing-known"}, {"provider": "No Slug"}, {"provider": "github", "auth_methods": []string{"magic"}},
		{"provider": "github", "credentials": object{"type": "shared"}}, {"provider": "zendesk", "config": object{"subdomain": "evil.example/"}},
		{"provider": "x", "custom_provider": object{"name": "X", "authorization_url": "https://x.example/a", "token_url": "http://169.254.169.254/latest"}},
		{"provider": "x", "custom_provider": object{"name": "X", "authorization_url": "javascript:alert(1)", "token_url": "https://x.example/t"}},
		{"provider": "x", "custom_provider": object{"name": "X"}},
	} {
		h.call("POST", "/data-integrations", body).want(422)
	}
	zendesk := h.call("POST", "/data-integrations", object{"provider": "zendesk", "scopes": []string{"read"}, "credentials": object{"type": "custom", "client_id": "id", "client_secret": "a secret of some length"}}).want(201)
	if zendesk.text("state") != "invalid" || zendesk.at("custom_provider") != nil {
		t.Errorf("zendesk: %s", zendesk.raw)
	}
	h.call("POST", "/data-integrations", object{"provider": "zendesk"}).want(409)
	h.integrate(u, ours, nil)
	h.call("PUT", "/data-integrations/soupbox", object{"enabled": false, "description": "Boxes of soup"}).want(200)
	h.call("POST", "/data-integrations/soupbox/authorize", object{"user_id": user}).want(403)
	h.call("PUT", "/data-integrations/soupbox/api-key", object{"user_id": "user_x", "secret": "long enough"}).want(404)
	stranger, err := h.Identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "eve@example.com"})
	check(t, err)
	h.call("POST", "/data-integrations/soupbox/authorize", object{"user_id": stranger.ID, "organization_id": org}).want(404)
	accounts := "/user_management/users/" + string(user) + "/connected_accounts/soupbox"
	h.call("PUT", accounts, object{"access_token": "a"}).want(404)
	h.call("POST", accounts, object{"access_token": "imported", "scopes": []string{"read"}, "expires_at": "2100-01-01T00:00:00.000Z"}).want(201)
	h.call("POST", accounts, object{"access_token": "imported"}).want(409)
	if x := h.call("PUT", accounts, object{"state": "needs_reauthorization"}).want(200); x.text("state") != "needs_reauthorization" {
		t.Errorf("marked: %s", x.raw)
	}
	s := h.stranger()
	for _, c := range [][2]string{{"GET", ""}, {"PUT", ""}, {"DELETE", ""}, {"POST", "/token"}, {"POST", "/credentials"}, {"POST", "/authorize"}} {
		s.call(c[0], "/data-integrations/soupbox"+c[1], object{"user_id": user}).want(404)
	}
	s.call("GET", accounts, nil).want(404)
	h.call("DELETE", "/data-integrations/soupbox", nil).want(204)
	h.call("GET", "/data-integrations/soupbox", nil).want(404)
}

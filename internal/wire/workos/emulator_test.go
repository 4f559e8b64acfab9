package workos_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// ask sends a request with a key and gives status and decoded body.
func (h *house) ask(key, method, path, body string) (int, map[string]any) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	check(h.t, err)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	check(h.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	check(h.t, err)
	var m map[string]any
	if len(b) > 0 && b[0] == '{' {
		check(h.t, json.Unmarshal(b, &m))
	} else if len(b) > 0 {
		m = map[string]any{"raw": string(b)}
	}
	return res.StatusCode, m
}

// want is ask with the status that is expected.
func (h *house) want(status int, key, method, path, body string) map[string]any {
	h.t.Helper()
	got, m := h.ask(key, method, path, body)
	if got != status {
		h.t.Fatalf("%s %s: %d %v, want %d", method, path, got, m, status)
	}
	return m
}

// at walks down the members of a JSON value.
func at(m any, path ...string) any {
	for _, p := range path {
		if list, ok := m.([]any); ok {
			m = list[0]
		}
		object, ok := m.(map[string]any)
		if !ok {
			return nil
		}
		m = object[p]
	}
	return m
}

// TestProductionHasNothingForTests asks for each thing that is for tests with the
// key of a production environment.
func TestProductionHasNothingForTests(t *testing.T) {
	t.Parallel()
	h := open(t)
	live, err := h.identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "live", Kind: identity.Production})
	check(t, err)
	_, key, err := h.identity.CreateAPIKey(t.Context(), live.ID, "live", "")
	check(t, err)
	for _, c := range [][3]string{
		{"GET", "/_lentil/v1/outbox", ""},
		{"DELETE", "/_lentil/v1/outbox", ""},
		{"POST", "/_lentil/v1/reset", ""},
		{"GET", "/_lentil/v1/clock", ""},
		{"PUT", "/_lentil/v1/clock", `{"now":"2030-01-01T00:00:00.000Z"}`},
		{"POST", "/_lentil/v1/clock/advance", `{"seconds":60}`},
		{"DELETE", "/_lentil/v1/clock", ""},
		{"POST", "/_lentil/v1/environments", `{"name":"x"}`},
		{"PATCH", "/_lentil/v1/settings", `{"fixed_code":"424242"}`},
		{"POST", "/_lentil/v1/seed", "users: []"},
		{"POST", "/_lentil/v1/api_keys", `{"name":"x","value":"sk_live_of_my_own_choosing"}`},
		{"GET", "/_emulate/hooks", ""},
		{"POST", "/_emulate/hooks", `{"method":"GET","path":"*","status":500}`},
		{"DELETE", "/_emulate/hooks", ""},
		{"DELETE", "/_emulate/hooks/hook_1", ""},
	} {
		m := h.want(403, key, c[0], c[1], c[2])
		if m["code"] != "test_environment_required" || !strings.Contains(fmt.Sprint(m["message"]), "sk_live_") {
			t.Errorf("%s %s: %v", c[0], c[1], m)
		}
	}
	// The room below says so, too, whoever asks.
	for name, err := range map[string]error{
		"clock":      second(h.identity.SetClock(t.Context(), live.ID, time.Hour)),
		"reset":      second(h.identity.ResetEnvironment(t.Context(), live.ID)),
		"fixed code": second(h.identity.ChangeSettings(t.Context(), live.ID, func(s *identity.Settings) { s.FixedCode = "424242" })),
		"offset":     second(h.identity.ChangeSettings(t.Context(), live.ID, func(s *identity.Settings) { s.Clock = time.Hour })),
		"made so": second(h.identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "l", Kind: identity.Production,
			Settings: identity.Settings{FixedCode: "424242"}})),
	} {
		if err == nil || !strings.Contains(err.Error(), "test_environment_required") {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.want(200, key, "GET", "/user_management/users", "")
}

// second is the error of a pair.
func second(_ any, err error) error { return err }

func TestErrorHooks(t *testing.T) {
	t.Parallel()
	h := open(t)
	users := "/user_management/users"
	hook := h.want(201, h.key, "POST", "/_emulate/hooks", `{"method":"post","path":"`+users+`","status":422,"body":{"message":"No.","code":"made_up"},"count":2}`)
	if list := h.want(200, h.key, "GET", "/_emulate/hooks", ""); !strings.Contains(fmt.Sprint(list["raw"]), fmt.Sprint(hook["id"])) {
		t.Errorf("the hook is not listed: %v", list)
	}
	h.want(200, h.key, "GET", users, "")
	for range 2 {
		if m := h.want(422, h.key, "POST", users, `{"email":"a@example.com"}`); m["code"] != "made_up" {
			t.Errorf("%v", m)
		}
	}
	h.want(201, h.key, "POST", users, `{"email":"a@example.com"}`)

	// Another environment is not struck, nor are the hooks' own addresses.
	other := h.want(201, h.key, "POST", "/_lentil/v1/environments", `{"name":"other"}`)
	all := h.want(201, h.key, "POST", "/_emulate/hooks", `{"method":"*","path":"*","status":503}`)
	h.want(200, fmt.Sprint(other["api_key"]), "GET", users, "")
	h.want(503, h.key, "GET", users, "")
	h.want(503, "", "GET", "/sso/jwks/"+string(h.env.ClientID), "")
	h.want(503, "", "POST", "/user_management/authenticate", `{"grant_type":"refresh_token","client_id":"`+string(h.env.ClientID)+`","refresh_token":"x"}`)
	h.want(400, "", "POST", "/user_management/authenticate", `{"grant_type":"refresh_token","client_id":"`+fmt.Sprint(other["client_id"])+`","refresh_token":"x"}`)
	h.want(404, fmt.Sprint(other["api_key"]), "DELETE", "/_emulate/hooks/"+fmt.Sprint(all["id"]), "")
	h.want(204, h.key, "DELETE", "/_emulate/hooks/"+fmt.Sprint(all["id"]), "")
	h.want(200, h.key, "GET", users, "")

	// Everything below a path; and without a key, from this machine, as the official
	// emulator has it.
	h.want(201, "", "POST", "/_emulate/hooks", `{"method":"GET","path":"`+users+`/*","status":500}`)
	h.want(500, h.key, "GET", users+"/user_1", "")
	h.want(500, h.key, "GET", users, "")
	h.want(204, "", "DELETE", "/_emulate/hooks", "")
	h.want(200, h.key, "GET", users, "")
	for _, bad := range []string{`{}`, `{"method":"GET","path":"x","status":500}`, `{"method":"GET","path":"/x","status":200}`, `{"method":"GET","path":"/x","status":500,"count":0}`} {
		h.want(400, h.key, "POST", "/_emulate/hooks", bad)
	}
	h.want(401, "sk_test_wrong", "GET", "/_emulate/hooks", "")
}

// TestHooksWithoutAKeyComeFromThisMachine keeps other machines, and pages in the
// browser, from breaking somebody's development.
func TestHooksWithoutAKeyComeFromThisMachine(t *testing.T) {
	t.Parallel()
	h := open(t)
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/_emulate/hooks", strings.NewReader(`{"method":"*","path":"*","status":500}`))
	check(t, err)
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Content-Type", "text/plain")
	res, err := http.DefaultClient.Do(r)
	check(t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a page made a hook: %d", res.StatusCode)
	}
	h.front.ClientIP = func(*http.Request) string { return "192.0.2.1" }
	h.want(401, "", "POST", "/_emulate/hooks", `{"method":"*","path":"*","status":500}`)
}

func TestFixedCodeOutboxAndReset(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.want(422, h.key, "PATCH", "/_lentil/v1/settings", `{"fixed_code":"1234"}`)
	h.want(200, h.key, "PATCH", "/_lentil/v1/settings", `{"fixed_code":"424242"}`)
	tenant := h.want(201, h.key, "POST", "/_lentil/v1/environments", `{"name":"tenant","redirect_uris":["http://localhost:3000/callback"]}`)
	for i := range 3 {
		h.want(201, h.key, "POST", "/user_management/users", fmt.Sprintf(`{"email":"user%d@example.com","email_verified":true,"password":%q}`, i, password))
		h.want(201, h.key, "POST", "/organizations", fmt.Sprintf(`{"name":"Organization %d"}`, i))
	}
	theirs := fmt.Sprint(tenant["api_key"])
	h.want(201, theirs, "POST", "/user_management/users", `{"email":"user0@example.com"}`)

	h.browser().visit(h.authorize("s", "screen_hint", "sign-up")).fill(map[string]string{"Email": "new@example.com", "Password": password})
	if code := h.code("new@example.com"); code != "424242" {
		t.Errorf("the code is %s", code)
	}
	box := h.want(200, h.key, "GET", "/_lentil/v1/outbox?to=NEW@example.com&limit=1", "")
	if at(box, "data", "code") != "424242" || at(box, "data", "to") != "new@example.com" {
		t.Errorf("outbox: %v", box)
	}
	if box := h.want(200, theirs, "GET", "/_lentil/v1/outbox", ""); len(box["data"].([]any)) != 0 {
		t.Errorf("another environment sees the mail: %v", box)
	}
	if box := h.want(200, h.key, "GET", fmt.Sprintf("/_lentil/v1/outbox?after=%v", at(box, "data", "id")), ""); len(box["data"].([]any)) != 0 {
		t.Errorf("mail after the newest: %v", box)
	}
	h.want(422, h.key, "GET", "/_lentil/v1/outbox?limit=many", "")

	h.want(201, h.key, "POST", "/_emulate/hooks", `{"method":"GET","path":"/user_management/users","status":500}`)
	h.want(200, h.key, "POST", "/_lentil/v1/clock/advance", `{"seconds":3600}`)
	h.want(201, h.key, "POST", "/webhook_endpoints", `{"endpoint_url":"http://localhost:9/hook","events":["user.created"]}`)
	h.want(200, h.key, "PUT", "/_lentil/v1/providers/GoogleOAuth", `{"test":true}`)
	h.want(204, h.key, "POST", "/_lentil/v1/reset", "")
	var providers []string
	for _, p := range h.want(200, h.key, "GET", "/_lentil/v1/providers", "")["data"].([]any) {
		if at(p, "connection") != nil {
			providers = append(providers, fmt.Sprint(at(p, "type")))
		}
	}
	if fmt.Sprint(providers) != "[GoogleOAuth]" {
		t.Errorf("providers after a reset: %v", providers)
	}
	if hooks := h.want(200, h.key, "GET", "/webhook_endpoints", ""); at(hooks, "data", "endpoint_url") != "http://localhost:9/hook" {
		t.Errorf("endpoints after a reset: %v", hooks)
	}
	for _, path := range []string{"/user_management/users", "/organizations", "/events", "/_lentil/v1/outbox"} {
		if list := h.want(200, h.key, "GET", path, ""); len(list["data"].([]any)) != 0 {
			t.Errorf("after a reset %s has %v", path, list)
		}
	}
	if s := h.want(200, h.key, "GET", "/_lentil/v1/settings", ""); s["fixed_code"] != "424242" || s["app_homepage_url"] != origin {
		t.Errorf("settings after a reset: %v", s)
	}
	if c := h.want(200, h.key, "GET", "/_lentil/v1/clock", ""); c["ahead_seconds"] != 0.0 {
		t.Errorf("clock after a reset: %v", c)
	}
	if uris := h.want(200, h.key, "GET", "/user_management/redirect_uris", ""); at(uris, "data", "uri") != callback {
		t.Errorf("addresses after a reset: %v", uris)
	}
	var roles []string
	for _, r := range h.want(200, h.key, "GET", "/authorization/roles", "")["data"].([]any) {
		roles = append(roles, fmt.Sprint(at(r, "slug")))
	}
	if slices.Sort(roles); fmt.Sprint(roles) != "[admin member]" {
		t.Errorf("roles after a reset: %v", roles)
	}
	if list := h.want(200, theirs, "GET", "/user_management/users", ""); len(list["data"].([]any)) != 1 {
		t.Errorf("another environment lost its users: %v", list)
	}
	h.want(201, h.key, "POST", "/user_management/users", `{"email":"user0@example.com"}`)
}

func TestClock(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.want(201, h.key, "POST", "/user_management/users", fmt.Sprintf(`{"email":"ada@example.com","email_verified":true,"password":%q}`, password))
	h.want(201, h.key, "POST", "/user_management/users", fmt.Sprintf(`{"email":"bob@example.com","password":%q}`, password))
	grant := func(body string) string {
		return `{"client_id":"` + string(h.env.ClientID) + `","client_secret":"` + h.key + `",` + body
	}
	signIn := grant(`"grant_type":"password","email":"ada@example.com","password":"` + password + `"}`)
	first := h.want(200, "", "POST", "/user_management/authenticate", signIn)
	step := h.want(403, "", "POST", "/user_management/authenticate", grant(`"grant_type":"password","email":"bob@example.com","password":"`+password+`"}`))
	code := h.code("bob@example.com")

	// An hour later the code is no good any more; the session is.
	h.want(200, h.key, "POST", "/_lentil/v1/clock/advance", `{"seconds":3600}`)
	refused := h.want(400, "", "POST", "/user_management/authenticate",
		grant(`"grant_type":"urn:workos:oauth:grant-type:email-verification:code","code":"`+code+`","pending_authentication_token":"`+fmt.Sprint(step["pending_authentication_token"])+`"}`))
	if !strings.Contains(fmt.Sprint(refused), "expired") && !strings.Contains(fmt.Sprint(refused), "invalid") {
		t.Errorf("an expired code: %v", refused)
	}
	refresh := grant(`"grant_type":"refresh_token","refresh_token":"` + fmt.Sprint(first["refresh_token"]) + `"}`)
	renewed := h.want(200, "", "POST", "/user_management/authenticate", refresh)
	ahead := claim(t, renewed["access_token"], "iat") - claim(t, first["access_token"], "iat")
	if ahead < 3600 || ahead > 3660 {
		t.Errorf("the token was issued %v s after the first", ahead)
	}

	// Two months later it is not.
	now := time.Now().Add(60 * 24 * time.Hour).UTC().Format(time.RFC3339Nano)
	if c := h.want(200, h.key, "PUT", "/_lentil/v1/clock", `{"now":"`+now+`"}`); c["ahead_seconds"].(float64) < 59*24*3600 {
		t.Errorf("%v", c)
	}
	h.want(400, "", "POST", "/user_management/authenticate", grant(`"grant_type":"refresh_token","refresh_token":"`+fmt.Sprint(renewed["refresh_token"])+`"}`))
	user := fmt.Sprint(at(first, "user", "id"))
	if list := h.want(200, h.key, "GET", "/user_management/users/"+user+"/sessions", ""); at(list, "data", "status") != "expired" {
		t.Errorf("sessions: %v", list)
	}
	made := h.want(201, h.key, "POST", "/user_management/users", `{"email":"late@example.com"}`)
	if created, _ := time.Parse(time.RFC3339, fmt.Sprint(made["created_at"])); time.Until(created) < 59*24*time.Hour {
		t.Errorf("a user made by that clock: %v", made["created_at"])
	}

	// Not back, and not without end; but right again.
	h.want(422, h.key, "PUT", "/_lentil/v1/clock", `{"now":"2020-01-01T00:00:00.000Z"}`)
	h.want(422, h.key, "PUT", "/_lentil/v1/clock", `{"now":"2999-01-01T00:00:00.000Z"}`)
	h.want(422, h.key, "PUT", "/_lentil/v1/clock", `{"now":"soon"}`)
	h.want(422, h.key, "POST", "/_lentil/v1/clock/advance", `{"seconds":-1}`)
	if c := h.want(200, h.key, "DELETE", "/_lentil/v1/clock", ""); c["ahead_seconds"] != 0.0 {
		t.Errorf("%v", c)
	}
	again := h.want(200, "", "POST", "/user_management/authenticate", signIn)
	if d := claim(t, again["access_token"], "iat") - float64(time.Now().Unix()); d < -60 || d > 60 {
		t.Errorf("issued %v s from now", d)
	}
}

// claim is a number among a token's claims.
func claim(t *testing.T, token any, name string) float64 {
	t.Helper()
	n, ok := claims(t, fmt.Sprint(token))[name].(float64)
	if !ok {
		t.Fatalf("no claim %s in %v", name, token)
	}
	return n
}

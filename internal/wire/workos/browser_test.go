package workos

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// scripted is a Flow that answers as told and remembers what it was asked. Only
// what this room adds to a grant is tried with it; whole journeys are in
// journey_test.go.
type scripted struct {
	grant *authflow.Grant
	out   *authflow.LoggedOut
	err   error
	asked []authflow.GrantRequest
}

func (s *scripted) Redeem(_ context.Context, r authflow.GrantRequest) (*authflow.Grant, error) {
	s.asked = append(s.asked, r)
	return s.grant, s.err
}

func (s *scripted) AuthorizeDevice(context.Context, identity.ClientID, string) (*authflow.DeviceAuthorization, error) {
	return &authflow.DeviceAuthorization{DeviceCode: "d", UserCode: "BCDF-GHJK"}, s.err
}

func (s *scripted) NewImpersonation(context.Context, identity.EnvironmentID, authflow.NewImpersonation) (*authflow.Impersonation, string, error) {
	return nil, "", errors.ErrUnsupported
}

func (s *scripted) Impersonations(context.Context, identity.EnvironmentID, identity.Page) (*identity.List[authflow.Impersonation], error) {
	return nil, errors.ErrUnsupported
}

func (s *scripted) Logout(context.Context, authflow.LogoutRequest) (*authflow.LoggedOut, error) {
	return s.out, s.err
}

// granting is a house whose every grant succeeds.
func granting(t *testing.T) (*house, *scripted) {
	s := &scripted{}
	h := newHouse(t, s)
	s.grant = &authflow.Grant{Environment: h.env, User: &identity.User{ID: "user_1", Email: "ada@example.com"}, Session: "session_1",
		AccessToken: "access", RefreshToken: "successor", AuthenticationMethod: identity.MethodPassword}
	return h, s
}

// cookies are the cookies that an answer sets, by name.
func cookies(res *http.Response) map[string]*http.Cookie {
	m := map[string]*http.Cookie{}
	for _, c := range res.Cookies() {
		c.Raw = ""
		m[c.Name] = c
	}
	return m
}

// members are the members of a JSON answer.
func members(t *testing.T, res *http.Response) map[string]any {
	t.Helper()
	var m map[string]any
	b, err := io.ReadAll(res.Body)
	check(t, err)
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return m
}

func TestAuthenticateSetsCookiesForBrowsersOnly(t *testing.T) {
	t.Parallel()
	h, s := granting(t)
	client := string(h.env.ClientID)
	body := `{"grant_type":"authorization_code","client_id":"` + client + `","code":"c","code_verifier":"v"}`

	res := h.do("POST", authenticatePath, body, "User-Agent", "workos-node/11", "Authorization", "Bearer "+h.key, "Idempotency-Key", "retry-1")
	if len(res.Cookies()) != 0 {
		t.Errorf("a server got cookies: %v", res.Cookies())
	}
	want := map[string]any{"access_token": "access", "refresh_token": "successor", "authentication_method": "Password"}
	got := members(t, res)
	delete(got, "user")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if q := s.asked[0]; q.ClientSecret != h.key || q.IdempotencyKey != "retry-1" || q.UserAgent != "" || q.IPAddress != "" {
		t.Errorf("asked %+v", q)
	}

	res = h.do("POST", authenticatePath, body, "Origin", appOrigin, "User-Agent", "Browser/1", "Cookie", "workos-has-session=client_other")
	set := cookies(res)
	refresh, has := set[refreshCookieName(h.env.ClientID)], set[hasSessionCookie]
	if refresh == nil || refresh.Value != "successor" || !refresh.HttpOnly || refresh.SameSite != http.SameSiteLaxMode || refresh.Domain != "" {
		t.Errorf("refresh cookie %v", refresh)
	}
	if has == nil || has.HttpOnly || has.Value != "client_other."+client || has.Path != "/" {
		t.Errorf("has-session cookie %v", has)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != appOrigin || res.Header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("headers %v", res.Header)
	}
	if q := s.asked[1]; q.UserAgent != "Browser/1" || q.IPAddress != "192.0.2.1" {
		t.Errorf("asked %+v", q)
	}
}

func TestAuthenticateTakesTheRefreshCookie(t *testing.T) {
	t.Parallel()
	h, s := granting(t)
	name := refreshCookieName(h.env.ClientID)
	body := `{"grant_type":"refresh_token","client_id":"` + string(h.env.ClientID) + `","organization_id":"org_1"}`
	res := h.do("POST", authenticatePath, body, "Origin", appOrigin, "Cookie", name+"=kept")
	if q := s.asked[0]; q.RefreshToken != "kept" || q.Organization != "org_1" {
		t.Errorf("asked %+v", q)
	}
	if m := members(t, res); m["refresh_token"] != nil || cookies(res)[name].Value != "successor" {
		t.Errorf("the token came back in the body, or not as a cookie: %v", m)
	}

	// Without an origin, nothing says that the page may use the cookie.
	if res := h.do("POST", authenticatePath, body, "Cookie", name+"=kept"); res.StatusCode != http.StatusBadRequest || len(s.asked) != 1 {
		t.Errorf("a cookie without an origin: %d", res.StatusCode)
	}

	// The end of the session takes the cookies along; a passing trouble does not.
	cookie := name + "=kept; workos-has-session=" + string(h.env.ClientID)
	s.err = apierr.New(apierr.Overloaded, "busy", "Later.")
	if res := h.do("POST", authenticatePath, body, "Origin", appOrigin, "Cookie", cookie); res.StatusCode != 503 || len(res.Cookies()) != 0 {
		t.Errorf("%d %v", res.StatusCode, res.Cookies())
	}
	s.err = oauthError("invalid_grant", "Session has already ended.")
	set := cookies(h.do("POST", authenticatePath, body, "Origin", appOrigin, "Cookie", cookie))
	if c := set[name]; c == nil || c.MaxAge >= 0 {
		t.Errorf("refresh cookie %v", c)
	}
	if c := set[hasSessionCookie]; c == nil || c.MaxAge >= 0 {
		t.Errorf("has-session cookie %v", c)
	}
}

func TestAuthenticateOverHTTPSAcrossHosts(t *testing.T) {
	t.Parallel()
	h, _ := granting(t)
	h.BaseURL = "https://auth.example.com"
	for origin, want := range map[string]struct {
		sameSite http.SameSite
		domain   string
	}{
		"https://app.example.com": {http.SameSiteLaxMode, "example.com"},
		"https://app.example.org": {http.SameSiteNoneMode, ""},
	} {
		_, err := h.Identity.AddCORSOrigin(t.Context(), h.env.ID, origin)
		check(t, err)
		res := h.do("POST", authenticatePath, `{"grant_type":"authorization_code","client_id":"`+string(h.env.ClientID)+`"}`, "Origin", origin)
		set := cookies(res)
		if c := set[refreshCookieName(h.env.ClientID)]; c == nil || !c.Secure || c.SameSite != want.sameSite || c.Domain != "" {
			t.Errorf("%s: refresh cookie %v", origin, c)
		}
		c := set[hasSessionCookie]
		if (c != nil) != (want.domain != "") || c != nil && (c.Domain != want.domain || !c.Secure) {
			t.Errorf("%s: has-session cookie %v", origin, c)
		}
	}
}

func TestAuthenticateSpendsNothingForForeignOrigins(t *testing.T) {
	t.Parallel()
	h, s := granting(t)
	other, err := h.Identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other", Kind: identity.Development})
	check(t, err)
	body := `{"grant_type":"authorization_code","client_id":"` + string(other.ClientID) + `","code":"c"}`
	res := h.do("POST", authenticatePath, body, "Origin", appOrigin) // known, but to another environment
	if res.StatusCode != http.StatusForbidden || members(t, res)["code"] != "cors_origin_not_registered" {
		t.Errorf("%d", res.StatusCode)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != appOrigin {
		t.Error("the page cannot read why")
	}
	res = h.do("POST", authenticatePath, body, "Origin", "https://evil.example")
	if res.StatusCode != http.StatusForbidden || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if len(s.asked) != 0 {
		t.Error("a grant was looked at")
	}
	for range 3 {
		h.do("OPTIONS", authenticatePath, "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	}
	if n := strings.Count(h.log.String(), "https://evil.example/"); n != 0 {
		t.Errorf("odd log: %s", h.log)
	}
	if n := strings.Count(h.log.String(), "origin=https://evil.example"); n != 1 {
		t.Errorf("%d lines in the log, want one a minute:\n%s", n, h.log)
	}
	list := h.Refusals.List()
	if len(list) != 2 || list[0].Value != "https://evil.example" || list[0].Times != 4 || list[0].Check != "cors-origin" {
		t.Errorf("refused origins %+v", list)
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	h, s := granting(t)
	shown := h.Pages.(*pages)
	s.out = &authflow.LoggedOut{RedirectTo: appOrigin, Client: h.env.ClientID}
	cookie := "workos-has-session=client_other." + string(h.env.ClientID) // the refresh cookie's path is another
	res := h.do("GET", "/user_management/sessions/logout?session_id=session_1&return_to=http%3A%2F%2Flocalhost%3A5173", "", "Cookie", cookie)
	if res.Header.Get("Location") != appOrigin || shown.out != s.out {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	set := cookies(res)
	if c := set[refreshCookieName(h.env.ClientID)]; c == nil || c.MaxAge >= 0 || c.Path != authenticatePath {
		t.Errorf("refresh cookie %v", c)
	}
	if c := set[hasSessionCookie]; c == nil || c.Value != "client_other" {
		t.Errorf("has-session cookie %v", c)
	}
	s.out, s.err = nil, apierr.New(apierr.BadRequest, "invalid_session_id", "No.")
	if res := h.do("GET", "/user_management/sessions/logout", ""); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("status %d", res.StatusCode)
	}
	h.do("GET", "/user_management/sessions/logout", "", "Accept", "text/html")
	if shown.refused == nil {
		t.Error("a person was shown JSON")
	}
}

func TestAuthorizeHandsTheRequestOver(t *testing.T) {
	t.Parallel()
	h, _ := granting(t)
	shown := h.Pages.(*pages)
	res := h.do("GET", "/user_management/authorize?client_id=c&code_challenge=x&code_challenge_method=S256&login_hint=a%40b.c&max_age=0"+
		"&prompt=login&provider=authkit&redirect_uri=http%3A%2F%2Flocalhost%3A5173&response_type=code&screen_hint=sign-up&state=Fe26.2*a~2&unknown=1", "")
	want := &authflow.AuthorizeRequest{ClientID: "c", CodeChallenge: "x", CodeChallengeMethod: "S256", LoginHint: "a@b.c", MaxAge: "0",
		Prompt: "login", Provider: "authkit", RedirectURI: appOrigin, ResponseType: "code", ScreenHint: "sign-up", State: "Fe26.2*a~2", HasState: true}
	if diff := cmp.Diff(want, shown.request); diff != "" || res.StatusCode != http.StatusFound {
		t.Errorf("%d %s", res.StatusCode, diff)
	}
	h.do("GET", "/user_management/authorize?client_id=c", "")
	if e, ok := apierr.As(shown.refused); !ok || e.Code != "missing_redirect_uri" {
		t.Errorf("refused as %v", shown.refused)
	}
}

func TestJWKSIsCached(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	path := "/sso/jwks/" + string(h.env.ClientID)
	res := h.do("GET", path, "")
	etag := res.Header.Get("ETag")
	keys, _ := members(t, res)["keys"].([]any)
	if len(keys) != 1 || etag == "" || !strings.Contains(res.Header.Get("Cache-Control"), "public, max-age=") ||
		res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d keys, %v", len(keys), res.Header)
	}
	key, _ := keys[0].(map[string]any)
	for _, name := range []string{"alg", "kty", "use", "kid", "n", "e"} {
		if key[name] == nil || key[name] == "" {
			t.Errorf("the key has no %s: %v", name, key)
		}
	}
	if key["d"] != nil {
		t.Error("the private key is published")
	}
	for match, status := range map[string]int{etag: 304, "W/" + etag: 304, `"x", ` + etag: 304, "*": 304, `"x"`: 200} {
		if res := h.do("GET", path, "", "If-None-Match", match); res.StatusCode != status {
			t.Errorf("%s: %d", match, res.StatusCode)
		}
	}
}

package workos_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// session signs a new browser in and gives it with the tokens.
func (h *house) session(email string) (*browser, map[string]any) {
	h.t.Helper()
	b := h.browser()
	code, alert := b.signIn(email, password)
	if code == "" {
		h.t.Fatalf("no sign-in: %s", alert)
	}
	return b, h.exchange(code)
}

// refresh exchanges a refresh token.
func (h *house) refresh(tokens map[string]any) (int, map[string]any) {
	return h.grant(map[string]string{"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"].(string)})
}

// cookies are the browser's cookies for the sign-in pages, by name.
func (b *browser) cookies() map[string]string {
	u, err := url.Parse(b.h.url)
	check(b.h.t, err)
	m := map[string]string{}
	for _, c := range b.client.Jar.Cookies(u) {
		m[c.Name] = c.Value
	}
	return m
}

func TestEverySignInHasTokensOfItsOwn(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	sids, refreshes := map[any]bool{}, map[any]bool{}
	for range 3 {
		_, m := h.session("ada@example.com")
		c := claims(t, m["access_token"])
		sids[c["sid"]], refreshes[m["refresh_token"]] = true, true
		if text := m["refresh_token"].(string); strings.Contains(text, h.key) || len(text) < 40 {
			t.Errorf("refresh token %q", text)
		}
	}
	if len(sids) != 3 || len(refreshes) != 3 {
		t.Errorf("%d sessions, %d refresh tokens of 3 sign-ins", len(sids), len(refreshes))
	}
}

func TestBrowserIsKnownByANewSecretAfterEachSignIn(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b, _ := h.session("ada@example.com")
	before := b.cookies()
	b.visit(h.authorize("2", "prompt", "login")).fill(map[string]string{"Email": "ada@example.com", "Password": password}).arrived()
	after := b.cookies()
	changed := ""
	for name, value := range after {
		if before[name] != "" && before[name] != value && len(value) >= 26 { // 130 bits in base 32
			changed = name
		}
	}
	if changed == "" {
		t.Fatalf("no secret changed: %v, %v", before, after)
	}
	// The old secret, in the hands of somebody else, is worth nothing.
	thief := h.browser()
	u, err := url.Parse(h.url)
	check(t, err)
	var stolen []*http.Cookie
	for name, value := range before {
		stolen = append(stolen, &http.Cookie{Name: name, Value: value})
	}
	thief.client.Jar.SetCookies(u, stolen)
	if thief.visit(h.authorize("3")); thief.left != nil {
		t.Error("the secret of before still signs in")
	}
	if b.visit(h.authorize("4")); b.left == nil {
		t.Error("the browser is not signed in any more")
	}
}

func TestSessionsEndWhenIdle(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	_, m := h.session("ada@example.com")
	h.want(200, h.key, "POST", "/_lentil/v1/clock/advance", fmt.Sprintf(`{"seconds":%d}`, 13*24*3600))
	status, m := h.refresh(m)
	if status != 200 {
		t.Fatalf("after 13 days: %d %v", status, m)
	}
	h.want(200, h.key, "POST", "/_lentil/v1/clock/advance", fmt.Sprintf(`{"seconds":%d}`, 15*24*3600))
	if status, m := h.refresh(m); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("after 15 days without use: %d %v", status, m)
	}
}

func TestSessionsEndHoweverBusy(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b, m := h.session("ada@example.com")
	for day := 1; day <= 30; day++ {
		h.want(200, h.key, "POST", "/_lentil/v1/clock/advance", `{"seconds":86400}`)
		status, next := h.refresh(m)
		if day < 30 && status != 200 {
			t.Fatalf("on day %d: %d %v", day, status, next)
		}
		if day == 30 && status != 400 {
			t.Errorf("on day 30: %d %v", status, next)
		}
		m = next
	}
	if b.visit(h.authorize("2")); b.left != nil {
		t.Error("the browser's sign-in outlives the longest session")
	}
}

func TestEndedSessionsAreOfNoUse(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b, m := h.session("ada@example.com")
	sid := claims(t, m["access_token"])["sid"].(string)
	b.visit(h.url + "/user_management/sessions/logout?session_id=" + sid)
	if status, m := h.refresh(m); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("after the sign-out: %d %v", status, m)
	}
	if b.visit(h.authorize("2")); b.left != nil {
		t.Error("the browser is still signed in after the sign-out")
	}
	_, m = h.session("ada@example.com")
	h.want(200, h.key, "POST", "/user_management/sessions/revoke", fmt.Sprintf(`{"session_id":%q}`, claims(t, m["access_token"])["sid"]))
	if status, _ := h.refresh(m); status != 400 {
		t.Errorf("after the revocation: %d", status)
	}
}

func TestDeletedPeopleAreSignedOut(t *testing.T) {
	t.Parallel()
	h := open(t)
	id := h.user("ada@example.com", password)
	b, m := h.session("ada@example.com")
	if status, _ := h.ask(h.key, "DELETE", "/user_management/users/"+id, ""); status >= 300 {
		t.Fatalf("delete: %d", status)
	}
	if status, m := h.refresh(m); status != 400 {
		t.Errorf("refresh: %d %v", status, m)
	}
	if b.visit(h.authorize("2")); b.left != nil {
		t.Error("the browser of somebody who is deleted is signed in")
	}
}

func TestOperatorsEndSessions(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.user("ada@example.com", password)
	h.user("bob@example.com", password)
	_, one := h.session("ada@example.com")
	browser, two := h.session("ada@example.com")
	_, bobs := h.session("bob@example.com")
	if m := h.want(200, h.key, "POST", "/_lentil/v1/sessions/revoke", fmt.Sprintf(`{"user_id":%q}`, ada)); m["revoked"] != 2.0 {
		t.Errorf("revoked %v", m)
	}
	for _, m := range []map[string]any{one, two} {
		if status, _ := h.refresh(m); status != 400 {
			t.Errorf("ada's session goes on: %d", status)
		}
	}
	if browser.visit(h.authorize("2")); browser.left != nil {
		t.Error("ada's browser is still signed in")
	}
	status, bobs := h.refresh(bobs)
	if status != 200 {
		t.Fatalf("bob was signed out, too: %d", status)
	}
	if m := h.want(200, h.key, "POST", "/_lentil/v1/sessions/revoke", `{"all":true}`); m["revoked"] != 1.0 {
		t.Errorf("revoked %v", m)
	}
	if status, _ := h.refresh(bobs); status != 400 {
		t.Errorf("bob's session goes on: %d", status)
	}
	h.want(422, h.key, "POST", "/_lentil/v1/sessions/revoke", `{}`)
	h.want(404, h.key, "POST", "/_lentil/v1/sessions/revoke", `{"user_id":"user_01J0000000000000000000000A"}`)
}

func TestNobodySignsInWithoutAnAct(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b := h.browser()
	if b.visit(h.authorize("1", "login_hint", "ada@example.com")); b.left != nil || b.find("form", nil) == nil {
		t.Error("a hint signs in")
	}
	if b.visit(h.authorize("2", "prompt", "none")); b.left == nil || b.left.Query().Get("error") != "login_required" || b.left.Query().Get("code") != "" {
		t.Errorf("prompt=none ended at %v", b.left)
	}
	b, _ = h.session("ada@example.com")
	if b.visit(h.authorize("3", "login_hint", "bob@example.com")); b.left != nil {
		t.Error("somebody else is signed in than was asked for")
	}
	if b.visit(h.authorize("4", "redirect_uri", "https://stranger.example.com/callback")); b.left != nil {
		t.Errorf("a stranger's application was given a code: %v", b.left)
	}
	if b.visit(h.authorize("5", "max_age", "0")); b.left != nil {
		t.Error("max_age=0 does not ask again")
	}
}

// TestTokensStayOutOfLogsAndPages looks for what is secret in everything that a
// journey leaves behind.
func TestTokensStayOutOfAnswersThatNeedNone(t *testing.T) {
	t.Parallel()
	h := open(t)
	id := h.user("ada@example.com", password)
	_, m := h.session("ada@example.com")
	for _, path := range []string{"/user_management/users/" + id, "/user_management/users/" + id + "/sessions", "/events?events=session.created,user.created,authentication.password_succeeded", "/_lentil/v1/operations"} {
		got := h.want(200, h.key, "GET", path, "")
		b, err := json.Marshal(got)
		check(t, err)
		for _, secret := range []string{m["refresh_token"].(string), m["access_token"].(string), password, "argon2", h.key} {
			if strings.Contains(string(b), secret) {
				t.Errorf("%s shows a secret", path)
			}
		}
	}
}

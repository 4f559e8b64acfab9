package workos_test

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// account is the account page, or one below it, of the app.
func (h *house) account(page string) string { return "/account/" + string(h.env.ClientID) + page }

// marked finds the element with a test id.
func (b *browser) marked(id string) *html.Node {
	return b.find("", func(n *html.Node) bool { return attr(n, "data-testid") == id })
}

func TestPeopleChangeTheirPasswords(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	const next = "another good long passphrase"
	b, _ := h.session("ada@example.com")
	other, theirs := h.session("ada@example.com")
	if b.visit(h.url + h.account("/password")); b.marked("password") == nil {
		t.Fatalf("no page at %s: %s", b.at, text(b.page))
	}
	works := func(p string) bool { code, _ := h.browser().signIn("ada@example.com", p); return code != "" }
	for name, f := range map[string]url.Values{
		"without the current one": {"password": {next}},
		"with a wrong one":        {"current": {"a wrong passphrase"}, "password": {next}},
		"to a common one":         {"current": {password}, "password": {"password1234"}},
	} {
		if b.post(h.account("/password"), f, h.url); works(next) || b.alert() == "" {
			t.Errorf("%s: %s %q", name, b.at, b.alert())
		}
	}
	for name, by := range map[string]func(){
		"another page": func() {
			b.post(h.account("/password"), url.Values{"current": {password}, "password": {next}}, "https://evil.example")
		},
		"nobody": func() {
			h.browser().post(h.account("/password"), url.Values{"current": {password}, "password": {next}}, h.url)
		},
	} {
		if by(); works(next) {
			t.Errorf("%s changed the password", name)
		}
	}
	b.post(h.account("/password"), url.Values{"current": {password}, "password": {next}, "everywhere": {"yes"}}, h.url)
	if !works(next) || works(password) {
		t.Errorf("not changed: %s %s", b.at, b.alert())
	}
	// The sessions elsewhere ended with it, as was asked.
	if status, m := h.refresh(theirs); status == 200 {
		t.Errorf("the other session goes on: %v", m)
	}
	if other.visit(h.authorize("x")); other.in() != "" {
		t.Error("the other browser is signed in still")
	}
}

func TestOldSignInsChangeNothingOfAnAccount(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	b, _ := h.session("ada@example.com")
	h.want(200, h.key, "POST", "/_lentil/v1/clock/advance", `{"seconds":3600}`)
	const next = "another good long passphrase"
	for page, f := range map[string]url.Values{
		"/password":      {"current": {password}, "password": {next}},
		"/email":         {"email": {"eve@example.com"}},
		"/authenticator": {"code": {"123456"}},
	} {
		b.post(h.account(page), f, h.url)
		if b.find("input", func(n *html.Node) bool {
			return attr(n, "name") == "password" && attr(n, "autocomplete") == "current-password"
		}) == nil {
			t.Errorf("%s: no sign-in at %s: %s", page, b.at, b.heading())
		}
	}
	if code, _ := h.browser().signIn("ada@example.com", next); code != "" {
		t.Error("the password was changed")
	}
	if mails, err := h.outbox.List(t.Context(), "eve@example.com"); err != nil || len(mails) != 0 {
		t.Errorf("mailed %v, %v", mails, err)
	}
}

func TestPeopleSeeAndEndTheirSessions(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	h.user("eve@example.com", password)
	b, mine := h.session("ada@example.com")
	_, second := h.session("ada@example.com")
	_, third := h.session("ada@example.com")
	eve, hers := h.session("eve@example.com")
	b.visit(h.url + h.account(""))
	sid := func(tokens map[string]any) string { return claims(t, tokens["access_token"])["sid"].(string) }
	for _, tokens := range []map[string]any{mine, second, third} {
		if b.marked("session-"+sid(tokens)) == nil {
			t.Errorf("%s is not shown: %s", sid(tokens), text(b.page))
		}
	}
	if b.marked("session-"+sid(hers)) != nil {
		t.Error("another person's session is shown")
	}
	eve.post(h.account(""), url.Values{"do": {"end-session"}, "id": {sid(second)}}, h.url)
	eve.post(h.account(""), url.Values{"do": {"end-others"}}, h.url)
	if status, m := h.refresh(second); status != 200 {
		t.Errorf("another person ended the session: %v", m)
	} else {
		second = m
	}
	b.post(h.account(""), url.Values{"do": {"end-session"}, "id": {sid(second)}}, h.url)
	if status, _ := h.refresh(second); status == 200 {
		t.Error("the session goes on")
	}
	b.post(h.account(""), url.Values{"do": {"end-others"}}, h.url)
	if status, _ := h.refresh(third); status == 200 {
		t.Error("the others go on")
	}
	status, m := h.refresh(mine)
	if status != 200 {
		t.Errorf("this browser's own ended: %v", m)
	}
	// And signing out where one is signed in.
	b.post(h.account(""), url.Values{"do": {"sign-out"}}, h.url)
	if b.visit(h.authorize("x")); b.in() != "" {
		t.Error("the browser is signed in after a sign-out")
	}
	if status, _ := h.refresh(m); status == 200 {
		t.Error("the app is signed in after a sign-out")
	}
}

func TestPeopleTakeBackWhatTheyAllowed(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	h.user("eve@example.com", password)
	const redirect = "https://board.example/cb"
	id, client := h.third(true, redirect)
	ada, _ := h.session("ada@example.com")
	eve, _ := h.session("eve@example.com")
	ada.visit(h.asks(client, redirect)).consent("allow")
	status, got := h.form("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {ada.in()}, "redirect_uri": {redirect}, "code_verifier": {verifier}})
	if status != 200 {
		t.Fatalf("%d %v", status, got)
	}
	if ada.visit(h.url + h.account("")); ada.marked("applications") == nil || !strings.Contains(text(ada.marked("applications")), "Board") {
		t.Fatalf("not shown: %s", text(ada.page))
	}
	refresh := func() int {
		status, m := h.form("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {got["refresh_token"].(string)}})
		if status == 200 {
			got = m
		}
		return status
	}
	eve.post(h.account(""), url.Values{"do": {"withdraw"}, "id": {id}}, h.url)
	if refresh() != 200 {
		t.Error("another person took it back")
	}
	ada.post(h.account(""), url.Values{"do": {"withdraw"}, "id": {id}}, h.url)
	if refresh() != 400 {
		t.Errorf("the tokens work still; at %s %s", ada.at, ada.alert())
	}
	if status, _ := h.ask(got["access_token"].(string), "GET", "/oauth2/userinfo", ""); status != 401 {
		t.Errorf("the access token: %d", status)
	}
	if ada.visit(h.asks(client, redirect)); ada.left != nil {
		t.Errorf("not asked again: %v", ada.left)
	}
}

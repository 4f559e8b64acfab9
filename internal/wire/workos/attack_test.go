package workos_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
	"github.com/lentil-dev/lentil/internal/wire/workos"
)

// TestStrangersCauseTheSameWork compares the memory that password hashing fills, for
// addresses with an account and without one, over the pages and the API. Clocks are
// of no use on a busy machine. It must not run beside others.
func TestStrangersCauseTheSameWork(t *testing.T) {
	h := open(t)
	h.user("ada@example.com", password)
	h.want(201, h.key, "POST", "/user_management/users", `{"email":"bob@example.com","email_verified":true}`) // has no password
	hashes := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / (19 << 20) // one hash fills 19 MiB
	}
	shown := func(b *browser, email string) string {
		return strings.ReplaceAll(fmt.Sprint(b.status, b.heading(), b.alert(), text(b.page)), email, "EMAIL")
	}
	for name, way := range map[string]struct {
		least uint64
		do    func(email string) string
	}{
		"sign-in": {1, func(e string) string {
			b := h.browser()
			return shown(b.visit(h.authorize("1")).fill(map[string]string{"Email": e, "Password": "a wrong password"}), e)
		}},
		"sign-up": {1, func(e string) string {
			b := h.browser()
			return shown(b.visit(h.authorize("1", "screen_hint", "sign-up")).fill(map[string]string{"Email": e, "Password": "a quite new password"}), e)
		}},
		"forgotten password": {0, func(e string) string {
			b := h.browser()
			return shown(b.visit(h.authorize("1")).follow("Forgot your password?").fill(map[string]string{"Email": e}), e)
		}},
		"password grant": {1, func(e string) string {
			status, m := h.grant(map[string]string{"grant_type": "password", "email": e, "password": "a wrong password", "client_secret": h.key})
			return fmt.Sprint(status, m["code"], m["error"], m["message"])
		}},
		"code grant": {0, func(e string) string {
			status, m := h.grant(map[string]string{"grant_type": "urn:workos:oauth:grant-type:magic-auth:code", "email": e, "code": "000000", "client_secret": h.key})
			return fmt.Sprint(status, m["code"], m["error"], m["message"])
		}},
	} {
		said, done := "", uint64(0)
		for i, email := range []string{"ada@example.com", "bob@example.com", "eve@example.com"} {
			var what string
			n := hashes(func() { what = way.do(email) })
			if i == 0 {
				said, done = what, n
				if n < way.least || n > 2 {
					t.Errorf("%s: %d hashes", name, n)
				}
			} else if what != said || n != done {
				t.Errorf("%s, %s: %d hashes, not %d\n%s\n%s", name, email, n, done, what, said)
			}
		}
	}
}

// TestFixedSessionsAreWorthNothing plants an attacker's cookies in the browser of
// somebody who then signs in. Over https, browsers let nobody plant them: their names
// say so.
func TestFixedSessionsAreWorthNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	eve := h.browser()
	eve.visit(h.authorize("1"))
	page := eve.at
	u, err := url.Parse(h.url)
	check(t, err)
	ada := h.browser()
	ada.client.Jar.SetCookies(u, eve.client.Jar.Cookies(u))
	ada.visit(h.authorize("1"))
	ada.fill(map[string]string{"Email": "ada@example.com", "Password": password})
	if ada.in() == "" {
		t.Fatalf("Ada is at %s: %s", ada.at, ada.alert())
	}
	if name := authflow.HostCookie(authflow.BrowserCookie, true); !strings.HasPrefix(name, "__Host-") {
		t.Errorf("the cookie over https is %s", name)
	}
	for _, address := range []string{page.String(), h.authorize("2"), h.url + h.account("")} {
		if eve.visit(address); eve.in() != "" || strings.Contains(text(eve.page), "ada@example.com") {
			t.Errorf("%s: the planted cookies are signed in: %v %s", address, eve.left, text(eve.page))
		}
	}
}

// TestAddressesInParametersLeadNowhere tries every public parameter that takes an
// address.
func TestAddressesInParametersLeadNowhere(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	_, client := h.third(true, "https://board.example/cb")
	c := newCrook(h)
	conn := c.connected(h.organization("corp.example"))
	saml := h.connect(h.organization("saml.example"), "saml", nil)
	once := func(b *browser, method, address string, form url.Values) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, h.url+address, strings.NewReader(form.Encode()))
		if err != nil {
			return // no browser asks for that either
		}
		r.Header.Set("Accept", "text/html")
		if method == "POST" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", h.url)
		}
		b.send(r)
	}
	for _, evil := range []string{"https://evil.example/", "//evil.example/", `\\evil.example`, "https:evil.example", "/\\evil.example", "https://localhost:5173@evil.example/", "http://localhost:5173.evil.example/",
		callback + "/../../evil", callback + "?x=https://evil.example", "javascript:alert(1)", "data:text/html,x", "https://evil.example\t", " https://evil.example"} {
		e := url.QueryEscape(evil)
		id := "client_id=" + string(h.env.ClientID)
		b, _ := h.session("ada@example.com")
		for _, address := range []string{
			"/user_management/authorize?" + id + "&response_type=code&provider=authkit&redirect_uri=" + e,
			"/user_management/authorize?" + id + "&response_type=code&connection_id=" + conn + "&redirect_uri=" + e,
			"/sso/authorize?" + id + "&response_type=code&connection=" + conn + "&redirect_uri=" + e,
			"/user_management/sessions/logout?session_id=session_1&return_to=" + e,
			"/sso/logout?token=x&return_to=" + e,
			"/oauth2/authorize?response_type=code&client_id=" + client + "&redirect_uri=" + e,
			"/sso/oidc/" + conn + "/callback?code=x&state=" + e,
			"/sso/oidc/" + conn + "/callback?error=" + e + "&error_uri=" + e + "&state=x",
			"/sso/continue?key=" + e, "/sso/continue?key=x&return_to=" + e + "&redirect_uri=" + e,
			"/account?client_id=" + e + "&return_to=" + e, "/device?user_code=" + e + "&return_to=" + e,
			"/" + evil, "//evil.example/%2f..", "/%5cevil.example",
		} {
			once(b, "GET", address, nil)
			if b.left != nil && (strings.Contains(b.left.Host, "evil") || !strings.HasPrefix(b.left.String(), origin) && !strings.HasPrefix(b.left.String(), c.URL) && b.left.Scheme != "https" || b.left.Scheme == "javascript" || b.left.Scheme == "data") {
				t.Errorf("%s leads to %v", address, b.left)
			}
			for n := range b.page.Descendants() {
				if to := attr(n, "href"); strings.HasPrefix(to, "javascript:") || strings.HasPrefix(to, "data:") || strings.Contains(to, "//evil.example") && !strings.Contains(to, "?") {
					t.Errorf("%s: the page links to %s", address, to)
				}
			}
		}
		once(b, "POST", "/sso/saml/acs/"+saml, url.Values{"SAMLResponse": {"x"}, "RelayState": {evil}})
		if b.left != nil {
			t.Errorf("RelayState %q leads to %v", evil, b.left)
		}
	}
}

// TestNothingBreaksOutOfItsLine puts line breaks and control characters wherever text
// reaches a header, a mail or the log.
func TestNothingBreaksOutOfItsLine(t *testing.T) {
	t.Parallel()
	h := open(t)
	const evil = "x\r\nX-Evil: 1\r\nBcc: eve@example.com\r\n\r\nlevel=ERROR msg=forged\x1b[2J\x00"
	e := url.QueryEscape(evil)
	once := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, address := range []string{
		h.authorize(evil), h.authorize("s", "login_hint", evil), h.authorize("s", "prompt", evil), h.authorize("s", "redirect_uri", callback+evil), h.authorize("s", "provider", evil),
		h.authorize("s", "organization_id", evil), h.authorize("s", "client_id", evil), h.authorize("s", "response_type", evil), h.authorize("s", "context", evil),
		h.url + "/sso/authorize?client_id=" + string(h.env.ClientID) + "&redirect_uri=" + url.QueryEscape(callback) + "&state=" + e + "&connection=" + e,
		h.url + "/oauth2/authorize?client_id=" + e + "&state=" + e, h.url + "/device?user_code=" + e, h.url + "/account?client_id=" + e,
		h.url + "/user_management/sessions/logout?session_id=" + e + "&return_to=" + e, h.url + "/sso/oidc/" + url.PathEscape(evil) + "/callback?state=" + e + "&error=" + e + "&error_description=" + e,
		h.url + "/sso/jwks/" + url.PathEscape(evil), h.url + "/" + url.PathEscape(evil), h.url + "/_lentil/test-idp/" + url.PathEscape(evil) + "/authorize?state=" + e,
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
		check(t, err)
		r.Header.Set("Accept", "text/html")
		res, err := once.Do(r)
		check(t, err)
		res.Body.Close()
		if res.Header.Get("X-Evil") != "" || res.StatusCode >= 500 {
			t.Errorf("%.120s: %d %v", address, res.StatusCode, res.Header)
		}
		for name, values := range res.Header {
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00\x1b") {
					t.Errorf("%.120s: %s: %q", address, name, v)
				}
			}
		}
	}
	// Names reach subjects and texts of mails.
	quoted := fmt.Sprintf("%q", evil)
	quoted = strings.NewReplacer(`\x1b`, `\u001b`, `\x00`, `\u0000`).Replace(quoted)
	h.ask(h.key, "POST", "/organizations", `{"name":`+quoted+`}`)
	_, made := h.ask(h.key, "POST", "/organizations", `{"name":"x\nX-Evil: 1"}`)
	org, _ := made["id"].(string)
	h.ask(h.key, "POST", "/user_management/users", `{"email":"ada@example.com","first_name":`+quoted+`,"last_name":"y\r\nBcc: eve@example.com"}`)
	h.ask(h.key, "POST", "/user_management/users", `{"email":"ada2@example.com\r\nBcc: eve@example.com"}`)
	h.ask(h.key, "POST", "/user_management/invitations", `{"email":"bob@example.com","organization_id":"`+org+`"}`)
	h.ask(h.key, "POST", "/user_management/invitations", `{"email":"bob@example.com\nBcc: eve@example.com"}`)
	h.browser().signUp("carol@example.com", "0") // mailed after the others
	mails, err := h.outbox.List(t.Context(), "")
	check(t, err)
	if len(mails) == 0 {
		t.Error("no mails")
	}
	for _, m := range mails {
		if strings.ContainsAny(m.Subject+m.To, "\r\n\x00\x1b") || strings.Contains(m.To, "eve@") {
			t.Errorf("a mail to %q: %q", m.To, m.Subject)
		}
	}
	for line := range strings.SplitSeq(h.lines.String(), "\n") {
		if line != "" && !strings.HasPrefix(line, "time=") || strings.ContainsAny(line, "\r\x00\x1b") {
			t.Errorf("a line of the log: %q", line)
		}
	}
}

// TestProductionCallsNoNeighbours asks a production environment to call this machine
// and private networks, through everything that takes an address, and counts who
// comes. A development environment comes, which shows that the counting works.
func TestProductionCallsNoNeighbours(t *testing.T) {
	t.Parallel()
	h := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.front.Webhooks.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	var calls atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			c.Close()
		}
	}()
	live, err := h.identity.CreateEnvironment(ctx, identity.NewEnvironment{Name: "live", Kind: identity.Production})
	check(t, err)
	_, key, err := h.identity.CreateAPIKey(ctx, live.ID, "live", "")
	check(t, err)
	org := h.want(201, key, "POST", "/organizations", `{"name":"Soup"}`)["id"].(string)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	// The names are taken when they are registered, since only dialling tells what they
	// stand for; the numbers are refused at once, or at the latest then.
	for _, host := range []string{"localhost.", "LOCALHOST", "127.1", "2130706433", "0x7f000001", "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "10.0.0.1", "192.168.0.1", "169.254.169.254", "[fd00:ec2::254]", "[64:ff9b::7f00:1]"} {
		at := "https://" + host + ":" + port
		status, m := h.ask(key, "POST", "/webhook_endpoints", fmt.Sprintf(`{"endpoint_url":%q,"events":["user.created"]}`, at+"/hook"))
		if named := strings.ContainsAny(host, "[") || strings.Count(host, ".") == 3; named && status < 400 {
			t.Errorf("a webhook at %s: %d %v", host, status, m)
		}
		if id, _ := m["id"].(string); status < 300 {
			h.ask(key, "POST", "/_lentil/v1/webhook_endpoints/"+id+"/test", `{"event":"user.created"}`)
		}
		if status, _ := h.ask(key, "PUT", "/_lentil/v1/actions/user_registration", fmt.Sprintf(`{"endpoint_url":%q}`, at+"/action")); status < 300 {
			if _, err := h.front.Webhooks.Action(ctx, live, webhook.ActionUserRegistration, webhook.ActionContext{Email: "ada@example.com"}); err != nil {
				t.Logf("action at %s: %v", host, err)
			}
		}
		for _, kind := range []string{`"connection_type":"GenericOIDC","client_id":"x","client_secret":"y","issuer":%q`, `"connection_type":"GenericSAML","metadata_url":%q`} {
			if status, m := h.ask(key, "POST", "/_lentil/v1/connections", fmt.Sprintf(`{"organization_id":%q,`+kind+`}`, org, at)); status < 400 {
				t.Errorf("a connection to %s: %v", host, m)
			}
		}
		// A provider whose token endpoint, keys and user info are here.
		h.ask(key, "PUT", "/_lentil/v1/providers/GoogleOAuth", fmt.Sprintf(`{"client_id":"x","client_secret":"y","endpoints":{"authorization_endpoint":"https://example.com/a","token_endpoint":%q,"jwks_uri":%q,"userinfo_endpoint":%q}}`, at+"/t", at+"/j", at+"/u"))
		h.ask(key, "POST", "/data-integrations", fmt.Sprintf(`{"provider":"box","scopes":["read"],"auth_methods":["oauth"],"credentials":{"type":"custom","client_id":"x","client_secret":"y"},"custom_provider":{"name":"Box","authorization_url":"https://example.com/a","token_url":%q,"authenticate_via":"basic_auth_header"}}`, at+"/t"))
	}
	// The last provider that was taken is visited and come back from.
	_, err = h.identity.AddRedirectURI(ctx, live.ID, "https://app.example/cb")
	check(t, err)
	b := h.browser()
	b.visit(h.url + "/user_management/authorize?" + url.Values{"client_id": {string(live.ClientID)}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "provider": {"GoogleOAuth"}}.Encode())
	if b.left != nil && b.left.Host == "example.com" {
		b.visit(b.left.Query().Get("redirect_uri") + "?code=x&state=" + b.left.Query().Get("state"))
		if b.in() != "" {
			t.Errorf("signed in: %v", b.left)
		}
	} else {
		t.Errorf("the provider was not visited: %s %v", b.at, b.left)
	}
	h.want(201, key, "POST", "/user_management/users", `{"email":"ada@example.com"}`) // all webhooks that there are
	if n := calls.Load(); n != 0 {
		t.Errorf("%d connections came", n)
	}
	h.ask(h.key, "POST", "/_lentil/v1/connections", fmt.Sprintf(`{"organization_id":%q,"connection_type":"GenericOIDC","client_id":"x","client_secret":"y","issuer":"http://127.0.0.1:%s"}`, h.organization("corp.example"), port))
	if calls.Load() == 0 {
		t.Error("nothing came from where it may come: the counting is wrong")
	}
	// A server that is called may not send the caller on to another.
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(other.Close)
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(first.Close)
	h.want(200, h.key, "PUT", "/_lentil/v1/actions/user_registration", fmt.Sprintf(`{"endpoint_url":%q}`, first.URL))
	if _, err := h.front.Webhooks.Action(ctx, h.env, webhook.ActionUserRegistration, webhook.ActionContext{Email: "ada@example.com"}); err != nil {
		t.Logf("action: %v", err)
	}
	for _, kind := range []string{`"connection_type":"GenericOIDC","client_id":"x","client_secret":"y","issuer":%q`, `"connection_type":"GenericSAML","metadata_url":%q`} {
		if status, _ := h.ask(h.key, "POST", "/_lentil/v1/connections", fmt.Sprintf(`{"organization_id":%q,`+kind+`}`, h.organization(""), first.URL)); status < 400 {
			t.Errorf("a connection to what redirects: %d", status)
		}
	}
}

// TestBodiesSetNothingElse sends members that are not the sender's to set.
func TestBodiesSetNothingElse(t *testing.T) {
	t.Parallel()
	h := open(t)
	const more = `"id":"user_EVIL","object":"admin","environment_id":"env_EVIL","environment":"env_EVIL","created_at":"2001-01-01T00:00:00.000Z","updated_at":"2001-01-01T00:00:00.000Z","last_sign_in_at":"2001-01-01T00:00:00.000Z","status":"active","state":"accepted","role":{"slug":"admin"},"permissions":["all"],"secret":"EVIL","hash":"EVIL","client_id":"EVIL"`
	for path, body := range map[string]string{
		"/user_management/users":       `"email":"ada@example.com"`,
		"/organizations":               `"name":"Soup"`,
		"/user_management/invitations": `"email":"bob@example.com"`,
		"/authorization/permissions":   `"slug":"soup:stir","name":"Stir"`,
	} {
		status, m := h.ask(h.key, "POST", path, "{"+body+","+more+"}")
		if status >= 400 {
			continue // refused whole
		}
		for _, name := range []string{"id", "created_at", "object", "environment_id"} {
			if s := fmt.Sprint(m[name]); strings.Contains(s, "EVIL") || strings.HasPrefix(s, "2001") || s == "admin" {
				t.Errorf("%s: %s is %s", path, name, s)
			}
		}
		if m["state"] == "accepted" || m["last_sign_in_at"] != nil {
			t.Errorf("%s: %v", path, m)
		}
	}
	// The sign-up form of the pages takes an address and a password.
	b := h.browser()
	b.visit(h.authorize("1", "screen_hint", "sign-up"))
	form := b.find("form", nil)
	values := url.Values{"email": {"carol@example.com"}, "password": {password}, "email_verified": {"true"}, "verified": {"yes"}, "role": {"admin"}, "id": {"user_EVIL"}, "user": {"user_EVIL"}, "organization_id": {"org_EVIL"}, "stage": {"done"}}
	for n := range form.Descendants() {
		if n.Data == "input" && attr(n, "type") == "hidden" {
			values.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	to, err := b.at.Parse(attr(form, "action"))
	check(t, err)
	b.post(to.RequestURI(), values, h.url)
	if b.in() != "" || b.heading() != "Check your email" {
		t.Errorf("the form led to %s, %v", b.heading(), b.left)
	}
	if u, err := h.identity.UserByEmail(t.Context(), h.env.ID, "carol@example.com"); err == nil && u != nil && u.EmailVerified {
		t.Error("a form field proved an address")
	}
}

// TestHugeAndDeepBodiesAreRefused posts bodies that are too large, and too deep, to
// every operation that takes one.
func TestHugeAndDeepBodiesAreRefused(t *testing.T) {
	t.Parallel()
	h := open(t)
	covered, err := workos.Coverage()
	check(t, err)
	huge := `{"name":"` + strings.Repeat("a", 12<<20) + `"}`
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	wide := strings.Repeat("[", 50_000)
	n := 0
	for _, op := range covered {
		if !op.Offered || op.Method == "GET" || op.Method == "DELETE" {
			continue
		}
		n++
		path := op.Path
		for i := strings.Index(path, "{"); i >= 0; i = strings.Index(path, "{") {
			path = path[:i] + "nothing_01" + path[i+strings.Index(path[i:], "}")+1:]
		}
		bodies := []string{deep, wide}
		if n%8 == 0 { // one body of this size takes long enough
			bodies = append(bodies, huge)
		}
		for _, body := range bodies {
			r := httptest.NewRequestWithContext(t.Context(), op.Method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+h.key)
			w := httptest.NewRecorder()
			h.api.ServeHTTP(w, r)
			if w.Code < 400 || w.Code >= 500 {
				t.Errorf("%s: %d for %d bytes of %.6s: %.200s", op.Name, w.Code, len(body), body, w.Body)
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d operations take a body", n)
	}
}

// TestCookiesOverHTTPSAreTheHostsAlone signs in over https: every cookie of the
// pages is one that no other host can plant, and they are read by those names only.
func TestCookiesOverHTTPSAreTheHostsAlone(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	srv := httptest.NewTLSServer(h.api)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	b := h.browser()
	b.client.Transport = srv.Client().Transport
	b.visit(h.authorize("1")).fill(map[string]string{"Email": "ada@example.com", "Password": password})
	if b.in() == "" {
		t.Fatalf("at %s: %s", b.at, b.alert())
	}
	if b.visit(h.authorize("2")); b.in() == "" {
		t.Error("the browser is not known again")
	}
	u, err := url.Parse(h.url)
	check(t, err)
	var planted []*http.Cookie
	for name, value := range b.cookies() {
		if strings.HasPrefix(name, "lentil_") {
			t.Errorf("%s can be planted", name)
		}
		if plain, ok := strings.CutPrefix(name, "__Host-"); ok {
			planted = append(planted, &http.Cookie{Name: plain, Value: value})
		}
	}
	if len(planted) < 2 {
		t.Errorf("cookies %v", b.cookies())
	}
	other := h.browser()
	other.client.Transport = srv.Client().Transport
	other.client.Jar.SetCookies(u, planted)
	if other.visit(h.authorize("3")); other.in() != "" {
		t.Error("a cookie without the prefix is believed")
	}
}

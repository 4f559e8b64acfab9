package workos_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestJourneySignUpToSignOut(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.browser()
	state := `{"back":"/a b?c=d&e=é"} Fe26.2*1*a~b+c/d==`
	b.visit(h.authorize(state, "screen_hint", "sign-up"))
	if b.heading() != "Create your account" {
		t.Fatalf("heading %q", b.heading())
	}
	b.fill(map[string]string{"Email": "Ada@Example.com", "Password": "short"})
	if b.status != http.StatusBadRequest || b.alert() == "" {
		t.Errorf("a short password: %d %q", b.status, b.alert())
	}
	b.fill(map[string]string{"Email": "Ada@Example.com", "Password": password})
	right := h.code("ada@example.com")
	wrong := "000000"
	if wrong == right {
		wrong = "111111"
	}
	b.fill(map[string]string{"Code": wrong})
	if b.status != http.StatusBadRequest || b.alert() == "" {
		t.Errorf("a wrong code: %d %q", b.status, b.alert())
	}
	code := b.fill(map[string]string{"Code": right[:3] + " " + right[3:]}).arrived()
	if got := b.left.Query().Get("state"); got != state || !strings.HasPrefix(b.left.String(), callback+"?") {
		t.Errorf("came back to %s with state %q", b.left, got)
	}

	g := h.exchange(code)
	user, _ := g["user"].(map[string]any)
	c := claims(t, g["access_token"])
	if user["email"] != "Ada@Example.com" || user["email_verified"] != true || c["sub"] != user["id"] || g["authentication_method"] != "Password" {
		t.Errorf("user %v, claims %v", user, c)
	}
	if c["exp"].(float64)-c["iat"].(float64) != 300 || c["sid"] == "" || c["jti"] == "" ||
		c["iss"] != "https://api.workos.com/user_management/"+string(h.env.ClientID) {
		t.Errorf("claims %v", c)
	}
	if status, m := h.grant(map[string]string{"grant_type": "authorization_code", "code": code, "code_verifier": "another-verifier-0123456789-0123456789-0123456789"}); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("a spent code: %d %v", status, m)
	}

	status, m := h.grant(map[string]string{"grant_type": "refresh_token", "refresh_token": g["refresh_token"].(string)})
	if status != http.StatusOK || m["access_token"] == g["access_token"] || m["refresh_token"] == g["refresh_token"] || m["authentication_method"] != "Password" {
		t.Errorf("refresh: %d %v", status, m)
	}

	// The browser is signed in: another visit needs no password.
	if again := b.visit(h.authorize("2")).arrived(); again == "" || again == code {
		t.Errorf("the second visit came back with %q", again)
	}
	if b.visit(h.authorize("3", "prompt", "login")); b.heading() != "Sign in" {
		t.Errorf("prompt=login showed %q", b.heading())
	}

	b.visit(h.url + "/user_management/sessions/logout?session_id=" + c["sid"].(string) + "&return_to=" + origin)
	if b.left == nil || !strings.HasPrefix(b.left.String(), origin) {
		t.Errorf("signing out led to %v (%s)", b.left, b.heading())
	}
	if status, m := h.grant(map[string]string{"grant_type": "refresh_token", "refresh_token": m["refresh_token"].(string)}); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("a refresh after signing out: %d %v", status, m)
	}
	if b.visit(h.authorize("4")); b.heading() != "Sign in" {
		t.Errorf("after signing out the page was %q", b.heading())
	}
	// Signing out twice is as good as once.
	if b.visit(h.url + "/user_management/sessions/logout?session_id=" + c["sid"].(string)); b.left == nil {
		t.Errorf("the second sign-out: %d %s", b.status, b.heading())
	}
}

func TestJourneyWrongPasswordAndForgottenOne(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.browser().signUp("bob@example.com", "1")
	first := h.code("bob@example.com")

	b := h.browser()
	b.visit(h.authorize("2")).fill(map[string]string{"Email": "bob@example.com", "Password": "not his password"})
	wrong := b.alert()
	b.visit(h.authorize("2")).fill(map[string]string{"Email": "nobody@example.com", "Password": "not his password"})
	if wrong == "" || b.alert() != wrong {
		t.Errorf("the alerts differ: %q and %q", wrong, b.alert())
	}

	b.follow("Forgot your password?").fill(map[string]string{"Email": "bob@example.com"})
	if b.heading() != "Check your email" {
		t.Fatalf("heading %q %q", b.heading(), b.alert())
	}
	b.fill(map[string]string{"Code": h.code("bob@example.com", first)})
	if b.left == nil {
		b.fill(map[string]string{"Password": "another long password"})
	}
	h.exchange(b.arrived())

	b = h.browser()
	b.visit(h.authorize("3")).fill(map[string]string{"Email": "bob@example.com", "Password": password})
	if b.alert() == "" {
		t.Error("the old password still works")
	}
	b.fill(map[string]string{"Email": "bob@example.com", "Password": "another long password"}).arrived()

	// An address without an account sees the same pages.
	b = h.browser()
	b.visit(h.authorize("4")).follow("Forgot your password?").fill(map[string]string{"Email": "nobody@example.com"})
	if b.heading() != "Check your email" {
		t.Errorf("heading %q", b.heading())
	}
}

func TestJourneyLinksAndOtherBrowsers(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.browser()
	b.visit(h.authorize("1", "login_hint", "eve@example.com"))
	attempt := b.at.String()
	if b.follow("Sign up").heading() != "Create your account" || b.follow("Sign in").heading() != "Sign in" {
		t.Errorf("links led to %q", b.heading())
	}
	if other := h.browser().visit(attempt); other.status != http.StatusForbidden && other.status != http.StatusNotFound || other.find("form", nil) != nil {
		t.Errorf("another browser saw %d %s", other.status, other.heading())
	}
	for _, bad := range []string{"/login/attempt_none", "/login/%00", "/login/" + strings.Repeat("x", 5000)} {
		if b.visit(h.url + bad); b.status != http.StatusNotFound || b.heading() == "" {
			t.Errorf("%.30s: %d %s", bad, b.status, b.heading())
		}
	}
}

func TestJourneyRefusedRequests(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.browser()
	bad := "https://evil.example/callback"
	b.visit(h.authorize("1", "redirect_uri", bad))
	if b.status != http.StatusBadRequest || b.left != nil || !strings.Contains(text(b.page), bad) || !strings.Contains(text(b.page), callback) {
		t.Errorf("%d %v %s", b.status, b.left, text(b.page))
	}
	b.visit(h.authorize("1", "client_id", "client_nobody"))
	if b.status < 400 || b.status > 499 || b.left != nil || !strings.Contains(text(b.page), "client_nobody") {
		t.Errorf("%d %v %s", b.status, b.left, text(b.page))
	}
	// What else is wrong is told to the app.
	b.visit(h.authorize("s t", "response_type", "token"))
	if b.left == nil || b.left.Query().Get("error") == "" || b.left.Query().Get("state") != "s t" {
		t.Errorf("%d %v %s", b.status, b.left, text(b.page))
	}
	for name, body := range map[string]map[string]string{
		"unknown code":    {"grant_type": "authorization_code", "code": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "code_verifier": verifier},
		"unknown refresh": {"grant_type": "refresh_token", "refresh_token": "nothing"},
		"unknown grant":   {"grant_type": "implicit"},
	} {
		status, m := h.grant(body)
		if status != http.StatusBadRequest || m["error"] == nil || m["error_description"] == "" {
			t.Errorf("%s: %d %v", name, status, m)
		}
	}
}

func TestJourneyManyTabsRefreshAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	g := h.exchange(h.browser().signUp("tabs@example.com", "1"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	refresh, access := map[string]int{}, map[string]int{}
	for range 8 {
		wg.Go(func() {
			status, m := h.grant(map[string]string{"grant_type": "refresh_token", "refresh_token": g["refresh_token"].(string)})
			mu.Lock()
			defer mu.Unlock()
			if status != http.StatusOK {
				t.Errorf("%d %v", status, m)
				return
			}
			refresh[m["refresh_token"].(string)]++
			access[m["access_token"].(string)]++
		})
	}
	wg.Wait()
	if len(refresh) != 1 || len(access) != 8 {
		t.Errorf("%d successors and %d access tokens, want 1 and 8", len(refresh), len(access))
	}
}

// FuzzHouse sends arbitrary requests to a whole sign-in service: none is answered
// with a fault of ours, and every answer has a request id.
func FuzzHouse(f *testing.F) {
	h := open(f)
	client := string(h.env.ClientID)
	for _, seed := range [][5]string{
		{"GET", "/user_management/authorize?client_id=" + client + "&redirect_uri=http%3A%2F%2Flocalhost%3A5173%2Fcallback&response_type=code&state=%00", "", "", ""},
		{"POST", "/user_management/authenticate", "http://localhost:5173", "workos-has-session=" + client, `{"grant_type":"refresh_token","client_id":"` + client + `","refresh_token":"x"}`},
		{"POST", "/user_management/authenticate", "", "", `{"grant_type":"password","client_id":"` + client + `","email":"\u0000","password":"x"}`},
		{"POST", "/user_management/authenticate", "", "", "grant_type=authorization_code&client_id=" + client + "&code=%ff"},
		{"OPTIONS", "/user_management/authenticate", "null", "", ""},
		{"GET", "/user_management/sessions/logout?session_id=session_01ARZ3NDEKTSV4RRFFQ69G5FAV&return_to=javascript:x", "", "", ""},
		{"GET", "/login/attempt_01ARZ3NDEKTSV4RRFFQ69G5FAV/resend", "", "lentil_browser=\xff", ""},
		{"POST", "/login/%2e%2e", "", "lentil_browser=x", "step=code&code=%00"},
		{"POST", "/user_management/users", "", "", `{"email":"a@b.c","metadata":{"":""},"name":"\ud800"}`},
		{"PUT", "/user_management/users/user_%00", "", "", `{"email":null}`},
		{"GET", "/user_management/users?limit=-1&after=%ff&email=%00", "", "", ""},
		{"POST", "/user_management/redirect_uris", "", "", `{"uri":"http://[::1"}`},
		{"POST", "/user_management/cors_origins", "", "", `{"origin":"http://*.x"}`},
		{"PUT", "/user_management/app_homepage_url", "", "", `{"url":"http://%zz"}`},
		{"GET", "/sso/jwks/%ff", "", "", ""},
		{"DELETE", "/organizations//x/../y", "", "", ""},
		{"GET", "/_lentil/outbox?to=%00", "", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	f.Fuzz(func(t *testing.T, method, target, origin, cookie, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost:4100"+target, strings.NewReader(body))
		if err != nil || len(target) == 0 || target[0] != '/' {
			return
		}
		r.Header.Set("Authorization", "Bearer "+h.key)
		r.Header.Set("Origin", origin)
		r.Header.Set("Cookie", cookie)
		if strings.HasPrefix(body, "{") {
			r.Header.Set("Content-Type", "application/json")
		} else {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		h.api.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented && w.Code != http.StatusServiceUnavailable {
			t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		if w.Header().Get("X-Request-ID") == "" {
			t.Fatal("no request id")
		}
	})
}

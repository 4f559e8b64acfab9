package management

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/platform"
)

// form sends a form and gives the answer, whose body is JSON unless it is a page.
func (h *house) form(path string, cookie string, pairs ...string) (*httptest.ResponseRecorder, map[string]any) {
	h.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: SessionCookie, Value: cookie})
	}
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	var out map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &out)
	return w, out
}

// begin starts a login.
func (h *house) begin() (code, user string) {
	h.t.Helper()
	_, d := h.form(devicePath, "", "client_id", "cli", "scope", "openid")
	code, _ = d["device_code"].(string)
	user, _ = d["user_code"].(string)
	if code == "" || len(user) != 9 || d["interval"] != 1.0 || !strings.HasSuffix(d["verification_uri_complete"].(string), user) {
		h.t.Fatalf("device = %v", d)
	}
	return code, user
}

// poll asks what became of it and gives the error, or the tokens.
func (h *house) poll(code string) (string, map[string]any) {
	h.t.Helper()
	_, d := h.form(tokenPath, "", "client_id", "cli", "grant_type", deviceGrant, "device_code", code)
	e, _ := d["error"].(string)
	return e, d
}

// want checks the error of a poll.
func (h *house) want(code, wish string) {
	h.t.Helper()
	if e, d := h.poll(code); e != wish {
		h.t.Errorf("poll = %v, want %q", d, wish)
	}
}

// idToken checks an id token's signature with the key that is published, and gives
// its claims.
func (h *house) idToken(raw string) (claims map[string]any) {
	h.t.Helper()
	parts := strings.Split(raw, ".")
	signer, set, err := h.api.keys.get()
	if err != nil || len(parts) != 3 {
		h.t.Fatalf("id token %q, %v", raw, err)
	}
	key, err := set.Key(h.t.Context(), signer.KeyID())
	if err != nil {
		h.t.Fatal(err)
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		h.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, sum[:], sig); err != nil {
		h.t.Fatal(err)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return claims
}

func TestLoginByDeviceFlow(t *testing.T) {
	t.Parallel()
	h := open(t, func(a *API) { a.Trusted = true })
	code, user := h.begin()
	h.want(code, "authorization_pending")
	h.want(code, "slow_down")
	h.now = h.now.Add(time.Second)
	h.want(code, "authorization_pending")
	h.want("other", "invalid_grant")

	page, _ := h.form(confirmPath, "", "user_code", strings.ToLower(user), "answer", "yes")
	if page.Code != 200 || !strings.Contains(page.Body.String(), `data-state="done"`) {
		t.Fatalf("confirm: %d %s", page.Code, page.Body)
	}
	e, tokens := h.poll(code)
	if e != "" {
		t.Fatalf("tokens = %v", tokens)
	}
	h.want(code, "invalid_grant") // once
	if claims := h.idToken(tokens["id_token"].(string)); claims["email"] != "owner@lentil.localhost" || claims["iss"] != h.api.BaseURL || claims["aud"] != "cli" {
		t.Errorf("id token: %v", claims)
	}
	own := h.post(tokens["access_token"].(string), "/v1/create_personal_access_token", body{"name": "laptop"}).text("accessToken")
	h.get(own, "/api/teams")

	code, user = h.begin()
	if page, _ := h.form(confirmPath, "", "user_code", user, "answer", "no"); !strings.Contains(page.Body.String(), `data-state="denied"`) {
		t.Errorf("deny: %s", page.Body)
	}
	h.want(code, "access_denied")

	code, user = h.begin()
	h.now = h.now.Add(deviceLife + time.Second)
	if page, _ := h.form(confirmPath, "", "user_code", user, "answer", "yes"); page.Code != 400 {
		t.Errorf("late: %d", page.Code)
	}
	h.want(code, "expired_token")
	refused := func() bool {
		w, d := h.form(devicePath, "", "client_id", "cli")
		return w.Code == 503 && d["error"] == "temporarily_unavailable"
	}
	for i := 0; !refused(); i++ {
		if i > maxDevicesOf {
			t.Fatal("one address may begin any number of logins")
		}
	}
	for i := range maxDevices - maxDevicesOf {
		if _, _, err := h.api.devices.begin("cli", fmt.Sprint(i)); err != nil {
			t.Fatalf("device %d: %v", i, err)
		}
	}
	if _, _, err := h.api.devices.begin("cli", "another"); err == nil {
		t.Error("the number of logins is not bounded")
	}
	h.now = h.now.Add(2*deviceLife + time.Second)
	h.begin()
}

func TestLoginNeedsAnOperatorWhereOthersReachThePage(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	code, user := h.begin()
	signIn := "/sign-in?next=" + url.QueryEscape(confirmPath+"?user_code="+user)
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, httptest.NewRequest("GET", confirmPath+"?user_code="+user, nil))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != signIn {
		t.Errorf("a stranger is sent to %q, not %q", w.Header().Get("Location"), signIn)
	}
	owner, err := h.api.Platform.Owner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Nobody's answer counts for nothing, nor does that of a token for programs.
	personal := h.key(platform.NewCredential{Kind: platform.PersonalToken, Operator: owner.ID})
	for _, cookie := range []string{"", "nonsense", personal} {
		if w, _ := h.form(confirmPath, cookie, "user_code", user, "answer", "yes"); w.Code != http.StatusSeeOther {
			t.Errorf("%q: %d %s", cookie, w.Code, w.Body)
		}
	}
	h.want(code, "authorization_pending")
	session := h.key(platform.NewCredential{Kind: platform.SessionToken, Operator: owner.ID})
	cookie := &http.Cookie{Name: SessionCookie, Value: session}
	r := httptest.NewRequest("GET", confirmPath+"?user_code="+user, nil)
	r.AddCookie(cookie)
	w = httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `data-state="ask"`) || !strings.Contains(w.Body.String(), owner.Email) ||
		!strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("page: %s", w.Body)
	}
	if page, _ := h.form(confirmPath, session, "user_code", user, "answer", "yes"); !strings.Contains(page.Body.String(), `data-state="done"`) {
		t.Errorf("page: %s", page.Body)
	}
	h.now = h.now.Add(time.Second)
	if e, d := h.poll(code); e != "" {
		t.Errorf("poll = %v", d)
	}

	// A page of another origin may not press the button.
	_, user = h.begin()
	r = httptest.NewRequest("POST", confirmPath, strings.NewReader("answer=yes&user_code="+user))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.AddCookie(cookie)
	w = httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("from another origin: %d", w.Code)
	}
	if _, waiting := h.api.devices.waiting(user); !waiting {
		t.Error("it was confirmed from another origin")
	}
}

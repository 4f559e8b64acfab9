package workos_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// form posts a form without credentials.
func (h *house) form(path string, v url.Values) (int, map[string]any) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), "POST", h.url+path, strings.NewReader(v.Encode()))
	check(h.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	check(h.t, err)
	defer res.Body.Close()
	var m map[string]any
	check(h.t, json.NewDecoder(res.Body).Decode(&m))
	return res.StatusCode, m
}

// press sends the form whose button has this label.
func (b *browser) press(label string) *browser {
	b.h.t.Helper()
	button := b.find("button", func(n *html.Node) bool { return text(n) == label })
	if button == nil {
		b.h.t.Fatalf("no button %q at %s: %s", label, b.at, text(b.page))
	}
	form := button.Parent
	for form.Data != "form" {
		form = form.Parent
	}
	values := url.Values{}
	for n := range form.Descendants() {
		if n.Data == "input" {
			values.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	to, err := b.at.Parse(attr(form, "action"))
	check(b.h.t, err)
	r, err := http.NewRequestWithContext(b.h.t.Context(), "POST", to.String(), strings.NewReader(values.Encode()))
	check(b.h.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.h.url)
	return b.send(r)
}

// device begins the flow as a device does.
func (h *house) device() (d map[string]any, poll func() (int, map[string]any)) {
	h.t.Helper()
	status, d := h.form("/user_management/authorize/device", url.Values{"client_id": {string(h.env.ClientID)}})
	if status != http.StatusOK || d["expires_in"] != 300.0 || d["interval"] != 5.0 || d["verification_uri"] != h.url+"/device" {
		h.t.Fatalf("%d %v", status, d)
	}
	return d, func() (int, map[string]any) {
		return h.form("/user_management/authenticate", url.Values{"client_id": {string(h.env.ClientID)},
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d["device_code"].(string)}})
	}
}

func TestJourneyOfADevice(t *testing.T) {
	t.Parallel()
	h := open(t)
	d, poll := h.device()
	if status, m := poll(); status != 400 || m["error"] != "authorization_pending" {
		t.Errorf("%d %v", status, m)
	}
	if status, m := poll(); status != 400 || m["error"] != "slow_down" {
		t.Errorf("%d %v", status, m)
	}
	// The address brings the code along, and waits for the person to press.
	b := h.browser().visit(d["verification_uri_complete"].(string))
	if b.heading() != "Connect a device" {
		t.Fatalf("%s: %s", b.at, b.heading())
	}
	code := d["user_code"].(string)
	if b.fill(map[string]string{"Code": "BBBB-BBBB"}); b.status != http.StatusBadRequest || !strings.Contains(text(b.page), "is not right") {
		t.Errorf("a wrong code: %d %s", b.status, text(b.page))
	}
	if b.fill(map[string]string{"Code": "what?"}); b.status != http.StatusBadRequest {
		t.Errorf("no code: %d %s", b.status, text(b.page))
	}
	b.fill(map[string]string{"Code": strings.ToLower(strings.ReplaceAll(code, "-", " "))})
	b.follow("Sign up").fill(map[string]string{"Email": "ada@example.com", "Password": password})
	b.fill(map[string]string{"Code": h.code("ada@example.com")})
	if b.heading() != "Sign in a device?" || !strings.Contains(text(b.page), code) || !strings.Contains(text(b.page), "ada@example.com") {
		t.Fatalf("%s: %s", b.at, text(b.page))
	}
	if status, m := poll(); status != 400 || m["access_token"] != nil {
		t.Errorf("before the answer: %d %v", status, m)
	}
	if b.press("Sign in the device"); b.heading() != "Device signed in" {
		t.Fatalf("%s: %s", b.at, text(b.page))
	}
	status, m := poll()
	if status != http.StatusOK || m["user"].(map[string]any)["email"] != "ada@example.com" || m["refresh_token"] == nil || m["authentication_method"] != "Password" {
		t.Errorf("%d %v", status, m)
	}
	if status, m := poll(); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("once more: %d %v", status, m)
	}
	// A second time the code is worth nothing; and a refusal is a refusal.
	if b.visit(h.url + "/device").fill(map[string]string{"Code": code}); b.status != http.StatusBadRequest {
		t.Errorf("the code again: %d %s", b.status, text(b.page))
	}
	d, poll = h.device()
	b.visit(h.url + "/device").fill(map[string]string{"Code": d["user_code"].(string)})
	b.fill(map[string]string{"Email": "ada@example.com", "Password": password})
	if b.press("Refuse"); b.heading() != "Device refused" {
		t.Errorf("%s: %s", b.at, text(b.page))
	}
	if status, m := poll(); status != 400 || m["error"] != "access_denied" {
		t.Errorf("%d %v", status, m)
	}
}

func TestDeviceOfASignedInBrowser(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.browser()
	b.signUp("ada@example.com", "s")
	d, poll := h.device()
	b.visit(d["verification_uri_complete"].(string)).press("Continue")
	if b.heading() != "Sign in a device?" {
		t.Fatalf("%s: %s", b.at, text(b.page))
	}
	b.press("Sign in the device")
	if status, m := poll(); status != http.StatusOK {
		t.Errorf("%d %v", status, m)
	}
}

func TestDeviceOfNobody(t *testing.T) {
	t.Parallel()
	h := open(t)
	for want, v := range map[string]url.Values{"invalid_request": {}, "invalid_client": {"client_id": {"client_nobody"}}} {
		if status, m := h.form("/user_management/authorize/device", v); status != 400 || m["error"] != want {
			t.Errorf("%v: %d %v", v, status, m)
		}
	}
	_, poll := h.device()
	_ = poll
	for _, code := range []string{"", "x", strings.Repeat("A", 52)} {
		status, m := h.form("/user_management/authenticate", url.Values{"client_id": {string(h.env.ClientID)}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {code}})
		if status != 400 || m["access_token"] != nil {
			t.Errorf("%q: %d %v", code, status, m)
		}
	}
	// Guessing ends.
	b := h.browser()
	status := 0
	for range 15 {
		status = b.visit(h.url + "/device").fill(map[string]string{"Code": "BBBB-BBBB"}).status
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("after 15 guesses: %d", status)
	}
}

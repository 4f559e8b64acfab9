package workos_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// The tests of the files attack_*_test.go answer to docs/security/attacks.tsv, one
// attack each.

// TestSecretsAreNotInTheStore makes every kind of secret that the house gives out
// or is given, and then looks for each in all that was ever written to the store: in
// clear, in hexadecimal and in base64.
func TestSecretsAreNotInTheStore(t *testing.T) {
	t.Parallel()
	h := open(t)
	secrets := map[string]string{"environment's API key": h.key}
	post := func(path, format string, args ...any) map[string]any {
		t.Helper()
		got, m := h.ask(h.key, "POST", path, fmt.Sprintf(format, args...))
		if got >= 300 {
			t.Fatalf("POST %s: %d %v", path, got, m)
		}
		return m
	}
	note := func(name string, v any) {
		t.Helper()
		s, ok := v.(string)
		if !ok || s == "" {
			t.Fatalf("no %s: %v", name, v)
		}
		secrets[name] = s
	}
	org := post("/organizations", `{"name":"Soup"}`)["id"].(string)
	user := h.user("ada@example.com", "the first password of Ada")
	secrets["password"] = "the first password of Ada"
	post("/user_management/organization_memberships", `{"user_id":%q,"organization_id":%q}`, user, org)

	// Signing in.
	b := h.browser()
	b.visit(h.authorize("1")).fill(map[string]string{"Email": "ada@example.com", "Password": "the first password of Ada"})
	note("authorization code", b.arrived())
	g := h.exchange(b.arrived())
	note("access token", g["access_token"])
	note("refresh token", g["refresh_token"])
	for name, v := range b.cookies() {
		if len(v) >= 20 {
			note("cookie "+name, v)
		}
	}
	_, next := h.refresh(g)
	note("second refresh token", next["refresh_token"])
	note("magic code", post("/user_management/magic_auth", `{"email":"ada@example.com"}`)["code"])
	note("token for a new password", post("/user_management/password_reset", `{"email":"ada@example.com"}`)["password_reset_token"])
	note("invitation token", post("/user_management/invitations", `{"email":"bob@example.com"}`)["token"])
	other := h.browser()
	other.visit(h.authorize("2", "screen_hint", "sign-up")).fill(map[string]string{"Email": "carol@example.com", "Password": "the first password of Carol"})
	secrets["password of a sign-up that waits"] = "the first password of Carol"
	note("mailed code", h.code("carol@example.com"))
	d, _ := h.device()
	note("device code", d["device_code"])
	factor := post("/user_management/users/"+user+"/auth_factors", `{"type":"totp","totp_issuer":"Soup","totp_user":"ada"}`)
	note("seed of an authenticator app", at(factor, "authentication_factor", "totp", "secret"))

	// What operators and their services keep.
	note("user's API key", post("/user_management/users/"+user+"/api_keys", `{"name":"laptop","organization_id":%q}`, org)["value"])
	note("organization's API key", post("/organizations/"+org+"/api_keys", `{"name":"robot"}`)["value"])
	note("second key of the environment", post("/_lentil/v1/api_keys", `{"name":"second"}`)["value"])
	note("webhook's secret", post("/webhook_endpoints", `{"endpoint_url":"http://localhost:1/hook","events":["user.created"]}`)["secret"])
	secrets["action's secret"] = "a secret of the action, given"
	h.want(200, h.key, "PUT", "/_lentil/v1/actions/user_registration", `{"endpoint_url":"http://localhost:1/action","secret":"a secret of the action, given"}`)
	robot := post("/connect/applications", `{"name":"robot","application_type":"m2m","organization_id":%q,"scopes":[]}`, org)
	note("client secret", post("/connect/applications/"+robot["id"].(string)+"/client_secrets", `{}`)["secret"])
	status, m := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {robot["client_id"].(string)}, "client_secret": {secrets["client secret"]}})
	if status != 200 {
		t.Fatalf("%d %v", status, m)
	}
	note("machine's token", m["access_token"])
	_, client := h.third(true, "https://board.example/cb")
	b.visit(h.asks(client, "https://board.example/cb")).consent("allow")
	note("application's code", b.in())
	status, m = h.form("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {b.in()}, "redirect_uri": {"https://board.example/cb"}, "code_verifier": {verifier}})
	if status != 200 {
		t.Fatalf("%d %v", status, m)
	}
	note("application's refresh token", m["refresh_token"])
	secrets["connection's client secret"] = "a secret of the connection, given"
	h.want(200, h.key, "PUT", "/_lentil/v1/providers/GitHubOAuth", `{"client_id":"x","client_secret":"a secret of the connection, given"}`)
	note("directory's token", post("/_lentil/v1/directories", `{"organization_id":%q,"name":"Staff","type":"okta scim v2.0"}`, org)["token"])
	secrets["vault's value"], secrets["vault's second value"] = "what the vault keeps at first", "what the vault keeps afterwards"
	kept := post("/vault/v1/kv", `{"name":"stripe","value":"what the vault keeps at first","key_context":{}}`)
	h.want(201, h.key, "PUT", "/vault/v1/kv/"+kept["id"].(string), `{"value":"what the vault keeps afterwards"}`)
	note("data key", post("/vault/v1/keys/data-key", `{"context":{}}`)["data_key"])
	link, err := url.Parse(post("/portal/generate_link", `{"organization":%q,"intent":"sso"}`, org)["link"].(string))
	check(t, err)
	for _, v := range link.Query() {
		note("portal's link", v[0])
	}
	secrets["integration's client secret"] = "a secret of the integration, given"
	post("/data-integrations", `{"provider":"soupbox","scopes":["read"],"auth_methods":["oauth"],"credentials":{"type":"custom","client_id":"x","client_secret":"a secret of the integration, given"},
		"custom_provider":{"name":"Soup Box","authorization_url":"http://localhost:1/a","token_url":"http://localhost:1/t","authenticate_via":"basic_auth_header"}}`)

	// A second factor and its recovery codes, by the pages.
	h.user("dan@example.com", password)
	h.want(200, h.key, "PATCH", "/_lentil/v1/settings", `{"mfa_policy":"required"}`)
	dan := h.browser()
	dan.visit(h.authorize("3")).fill(map[string]string{"Email": "dan@example.com", "Password": password})
	marked := func(id string) *html.Node {
		t.Helper()
		n := dan.find("", func(n *html.Node) bool { return attr(n, "data-testid") == id })
		if n == nil {
			t.Fatalf("no %s at %s: %s", id, dan.at, text(dan.page))
		}
		return n
	}
	note("seed made on the pages", text(marked("secret")))
	dan.fill(map[string]string{"Code": identity.TOTPCode(secrets["seed made on the pages"], time.Now())})
	for i, code := range strings.Fields(text(marked("recovery-codes"))) {
		note(fmt.Sprintf("recovery code %d", i+1), code)
		note(fmt.Sprintf("recovery code %d without its signs", i+1), strings.ReplaceAll(code, "-", ""))
	}

	needles := map[string][][]byte{}
	for name, s := range secrets {
		raw := []byte(s)
		list := [][]byte{raw, []byte(hex.EncodeToString(raw)), []byte(strings.ToUpper(hex.EncodeToString(raw)))}
		for shift := range 3 { // base64 of a text within which it stands
			b := base64.StdEncoding.EncodeToString(append(bytes.Repeat([]byte{'x'}, shift), raw...))
			if len(b) > 20 {
				list = append(list, []byte(b[4:len(b)-4]), []byte(strings.NewReplacer("+", "-", "/", "_").Replace(b[4:len(b)-4])))
			}
		}
		if decoded, err := base64.StdEncoding.DecodeString(s); err == nil && len(decoded) >= 16 {
			list = append(list, decoded)
		}
		// What counts of a token is what stands behind its prefix.
		if parts := strings.Split(s, "_"); len(parts) > 1 && len(parts[len(parts)-1]) >= 20 {
			list = append(list, []byte(parts[len(parts)-1]))
		}
		needles[name] = list
	}
	rows := 0
	for r, err := range h.store.Log(t.Context(), 0, persistence.Max, persistence.Asc) {
		check(t, err)
		rows++
		for name, list := range needles {
			for _, n := range list {
				if bytes.Contains(r.Body, n) {
					t.Errorf("the %s is in a row: %.600q", name, r.Body)
				}
			}
		}
	}
	if rows < 100 || len(secrets) < 28 {
		t.Errorf("%d rows were searched for %d secrets", rows, len(secrets))
	}
	for name, list := range needles { // and the log
		if strings.Contains(h.lines.String(), string(list[0])) {
			t.Errorf("the %s is in the log", name)
		}
	}
}

package workos_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// The tests of the files practice_*_test.go answer to docs/security, one
// requirement each.

// signIn signs in with a password and gives the code, or "" and what the page says.
func (b *browser) signIn(email, password string) (code, alert string) {
	b.h.t.Helper()
	b.visit(b.h.authorize("s")).fill(map[string]string{"Email": email, "Password": password})
	if b.left == nil {
		return "", b.alert()
	}
	return b.arrived(), ""
}

// user makes a user by the API and gives the id.
func (h *house) user(email, password string) string {
	h.t.Helper()
	m := h.want(201, h.key, "POST", "/user_management/users", fmt.Sprintf(`{"email":%q,"password":%q,"email_verified":true}`, email, password))
	return m["id"].(string)
}

func TestPasswordsMayBeOfAnything(t *testing.T) {
	t.Parallel()
	h := open(t)
	for i, password := range []string{"onlysmallletters", "ONLYLARGELETTERS", "73901846205917", "§§ %% && ?? !!", "пароль из слов", "🫘🥣🥄 yes 🫘🥣🥄🫘", "with  two  spaces"} {
		email := fmt.Sprintf("person%d@example.com", i)
		b := h.browser()
		b.visit(h.authorize("1", "screen_hint", "sign-up")).fill(map[string]string{"Email": email, "Password": password})
		if b.alert() != "" {
			t.Errorf("%q is refused: %s", password, b.alert())
			continue
		}
		b.fill(map[string]string{"Code": h.code(email)}).arrived()
		if code, alert := h.browser().signIn(email, password); code == "" {
			t.Errorf("%q does not sign in: %s", password, alert)
		}
	}
}

func TestPasswordsAreTakenExactly(t *testing.T) {
	t.Parallel()
	h := open(t)
	long := strings.Repeat("a long sentence ", 16)[:255] + "!"
	for i, password := range []string{" Spaces around it ", "Grüße aus Köln", long, strings.Repeat("a1 b2 c3 d4 ", 6)[:64]} {
		email := fmt.Sprintf("person%d@example.com", i)
		h.user(email, password)
		for _, other := range []string{strings.TrimSpace(password), strings.ToLower(password), strings.ToUpper(password), password + " ", password[:len(password)-1], password[:min(72, len(password))]} {
			if other == password {
				continue
			}
			if code, _ := h.browser().signIn(email, other); code != "" {
				t.Errorf("%.30q signs in instead of %.30q", other, password)
			}
		}
		if code, alert := h.browser().signIn(email, password); code == "" {
			t.Errorf("%.30q of %d characters does not sign in: %s", password, len(password), alert)
		}
	}
}

func TestPasswordsDoNotExpire(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.user("ada@example.com", password)
	h.want(200, h.key, "POST", "/_lentil/v1/clock/advance", fmt.Sprintf(`{"seconds":%d}`, 10*365*24*3600))
	if code, alert := h.browser().signIn("ada@example.com", password); code == "" {
		t.Errorf("after ten years: %s", alert)
	}
}

// TestFormsAskForNothingElse reads every template: the fields of all pages are
// these, so there are no hints and no secret questions; passwords are masked, may be
// pasted and are known to password managers.
func TestFormsAskForNothingElse(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"email": true, "password": true, "code": true, "step": true, "attempt": true, "csrf": true}
	templates := os.DirFS("../../web/login/templates")
	names, err := fs.Glob(templates, "*.html")
	check(t, err)
	passwords := 0
	for _, name := range names {
		b, err := fs.ReadFile(templates, name)
		check(t, err)
		doc, err := html.Parse(strings.NewReader(string(b)))
		check(t, err)
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: %s has the handler %s", name, n.Data, a.Key)
				}
			}
			if n.Data == "textarea" || n.Data == "select" {
				t.Errorf("%s: a field of the kind %s", name, n.Data)
			}
			if n.Data != "input" {
				continue
			}
			field := attr(n, "name")
			if attr(n, "type") == "hidden" || attr(n, "type") == "radio" || attr(n, "type") == "checkbox" {
				continue
			}
			if strings.Contains(field, "password") {
				passwords++
				if attr(n, "type") != "password" {
					t.Errorf("%s: %s is not masked", name, field)
				}
				if ac := attr(n, "autocomplete"); ac != "current-password" && ac != "new-password" {
					t.Errorf("%s: password managers do not know %s (%q)", name, field, ac)
				}
			}
			for _, bad := range []string{"hint", "question", "answer", "mother", "pet"} {
				if strings.Contains(strings.ToLower(field), bad) {
					t.Errorf("%s: the field %s", name, field)
				}
			}
			if !known[field] && path.Ext(name) == ".html" && strings.HasPrefix(name, "sign-") {
				t.Errorf("%s asks for %s", name, field)
			}
		}
	}
	if passwords < 2 {
		t.Errorf("%d password fields were looked at", passwords)
	}
}

func TestEnvironmentsBeginWithoutAccounts(t *testing.T) {
	t.Parallel()
	h := open(t)
	if m := h.want(200, h.key, "GET", "/user_management/users", ""); len(m["data"].([]any)) != 0 {
		t.Errorf("a new environment has users: %v", m)
	}
	for _, email := range []string{"admin@example.com", "root@localhost", "admin", "test@example.com"} {
		for _, password := range []string{"admin", "password", ""} {
			if status, m := h.grant(map[string]string{"grant_type": "password", "email": email, "password": password, "client_secret": h.key}); status == 200 {
				t.Errorf("%s signs in with %q: %v", email, password, m)
			}
		}
	}
}

func TestResetDoesNotPassByTheSecondFactor(t *testing.T) {
	t.Parallel()
	h := open(t)
	id := h.user("ada@example.com", password)
	h.want(201, h.key, "POST", "/user_management/users/"+id+"/auth_factors", `{"type":"totp","totp_issuer":"soup","totp_user":"ada"}`)
	b := h.browser()
	b.visit(h.authorize("1")).follow("Forgot your password?").fill(map[string]string{"Email": "ada@example.com"})
	b.fill(map[string]string{"Code": h.code("ada@example.com")})
	b.fill(map[string]string{"Password": "another long password"})
	if b.left != nil {
		t.Fatal("the reset signed in without the second factor")
	}
	if b.find("input", func(n *html.Node) bool { return attr(n, "name") == "code" }) == nil {
		t.Errorf("the page after the reset is %q", b.heading())
	}
	if b.fill(map[string]string{"Code": "000000"}); b.left != nil {
		t.Error("a wrong code signed in")
	}
}

func TestCodesBelongToTheirAttempt(t *testing.T) {
	t.Parallel()
	h := open(t)
	one, two := h.browser(), h.browser()
	one.visit(h.authorize("1", "screen_hint", "sign-up")).fill(map[string]string{"Email": "ada@example.com", "Password": password})
	first := h.code("ada@example.com")
	two.visit(h.authorize("2", "screen_hint", "sign-up")).fill(map[string]string{"Email": "ada@example.com", "Password": password})
	second := h.code("ada@example.com", first)
	if two.fill(map[string]string{"Code": first}); two.left != nil {
		t.Error("the code of another attempt is taken")
	}
	if one.fill(map[string]string{"Code": second}); one.left != nil {
		t.Error("the code of a later attempt is taken")
	}
	two.fill(map[string]string{"Code": second}).arrived()
	if three := h.browser().visit(two.at.String()); three.left != nil || three.find("form", nil) != nil {
		t.Error("the attempt goes on in another browser")
	}
}

func TestCodesAreRandomDigits(t *testing.T) {
	t.Parallel()
	h := open(t)
	seen := map[string]int{}
	for i := range 40 {
		m := h.want(201, h.key, "POST", "/user_management/magic_auth", fmt.Sprintf(`{"email":"person%d@example.com"}`, i))
		code := m["code"].(string)
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Errorf("code %q", code)
		}
		seen[code]++
	}
	for code, n := range seen {
		if n > 2 { // a third of the same among 40 of a million happens once in 10¹⁰ runs
			t.Errorf("%q came %d times", code, n)
		}
	}
}

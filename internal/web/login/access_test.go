package login

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// everyStep is each page that an attempt can show, as it first is and, where that can
// be, with a problem.
func everyStep() map[string]authflow.Step {
	wrong := func(f authflow.Field) authflow.Screen {
		return screen(&authflow.Problem{Field: f, Code: "wrong", Message: "Something is wrong."})
	}
	return map[string]authflow.Step{
		"sign-in":                 &authflow.AskSignIn{Screen: screen(), SignUpAllowed: true},
		"sign-in, wrong password": &authflow.AskSignIn{Screen: wrong(authflow.FieldPassword), Email: "a@b.c", SignUpAllowed: true},
		"sign-in, wrong email":    &authflow.AskSignIn{Screen: wrong(authflow.FieldEmail), Email: "a"},
		"sign-in, alert":          &authflow.AskSignIn{Screen: screen(&authflow.Problem{Code: "x", Message: "Wait.", Retry: time.Minute})},
		"sign-up":                 &authflow.AskSignUp{Screen: screen(), MinPassword: 10},
		"sign-up, weak":           &authflow.AskSignUp{Screen: wrong(authflow.FieldPassword), Email: "a@b.c", MinPassword: 10},
		"code":                    &authflow.AskCode{Screen: screen(), For: authflow.CodeForSignIn, Email: "a@b.c"},
		"code, wrong":             &authflow.AskCode{Screen: wrong(authflow.FieldCode), For: authflow.CodeForReset, Email: "a@b.c"},
		"passkey":                 &authflow.AskPasskey{Screen: screen(), Email: "a@b.c", Options: "{}"},
		"passkey, refused":        &authflow.AskPasskey{Screen: screen(&authflow.Problem{Code: "x", Message: "No."}), Email: "a@b.c", Options: "{}"},
		"sign-in by passkey":      &authflow.AskSignIn{Screen: screen(), Passkey: "{}"},
		"forgot":                  &authflow.AskForgot{Screen: screen()},
		"new password":            &authflow.AskNewPassword{Screen: screen(), Email: "a@b.c", MinPassword: 10},
		"factor":                  &authflow.AskFactor{Screen: screen(), Email: "a@b.c"},
		"factor, wrong":           &authflow.AskFactor{Screen: wrong(authflow.FieldCode), Email: "a@b.c"},
		"recovery code":           &authflow.AskRecoveryCode{Screen: screen()},
		"recovery code, wrong":    &authflow.AskRecoveryCode{Screen: wrong(authflow.FieldCode)},
		"codes left":              &authflow.TellCodesLeft{Screen: screen(), Left: 2},
		"enroll":                  &authflow.AskEnroll{Screen: screen(), Secret: "ABCDEFGH", URI: "otpauth://totp/x?secret=ABCDEFGH"},
		"enroll, wrong":           &authflow.AskEnroll{Screen: wrong(authflow.FieldCode), Secret: "ABCDEFGH", URI: "otpauth://totp/x?secret=ABCDEFGH"},
		"recovery codes":          &authflow.TellRecoveryCodes{Screen: screen(), Codes: []string{"aaaaa-bbbbb"}},
		"organization":            &authflow.AskOrganization{Screen: screen(), Email: "a@b.c", Organizations: []authflow.Choice{{ID: "org_1", Name: "Acme"}, {ID: "org_2", Name: "Zeta"}}},
		"not a member":            &authflow.TellNotMember{Screen: screen(), Email: "a@b.c", Organization: "Acme"},
		"invitation":              &authflow.TellInvitation{Screen: screen(), Fault: authflow.InvitationExpired},
		"over, unknown":           &authflow.Over{Screen: screen(), Reason: authflow.OverUnknown, AppURL: "https://app.example.com"},
		"over, another browser":   &authflow.Over{Screen: screen(), Reason: authflow.OverOtherBrowser, AppURL: "https://app.example.com"},
		"over, finished":          &authflow.Over{Screen: screen(), Reason: authflow.OverFinished, AppURL: "https://app.example.com"},
	}
}

// TestEveryPageIsAccessible holds each page to what assistive technology needs: a
// language, one heading, landmarks, names for every control, problems that are said
// and tied to their field, one focus, and a way on.
func TestEveryPageIsAccessible(t *testing.T) {
	t.Parallel()
	for name, s := range everyStep() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := do(open(t, &script{step: s}), "GET", "/login/attempt_1", "")
			csp := res.Header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || res.Header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("policy %q", csp)
			}
			d := parse(t, res)
			if attr(d.one("html"), "lang") == "" || d.text("title") == "" || d.text("h1") == "" {
				t.Error("no language, title or heading")
			}
			d.one("main")
			d.one("meta[name=viewport]")
			for _, e := range d.all("script") {
				if !strings.HasPrefix(attr(e, "src"), AssetsPath) || attr(e, "type") != "module" || textOf(e) != "" || !strings.Contains(csp, "script-src 'self'") {
					t.Error("a script that the policy refuses")
				}
			}
			if n := len(d.all("[style]")) + len(d.all("style")) + len(d.all("[onclick]")) + len(d.all("iframe")); n != 0 {
				t.Errorf("%d elements that the policy refuses", n)
			}
			if n := len(d.all("[autofocus]")); n > 1 {
				t.Errorf("%d elements want the focus", n)
			}
			if n := len(d.all("[tabindex]")); n > 0 {
				for _, e := range d.all("[tabindex]") {
					if attr(e, "tabindex") != "0" {
						t.Error("the order of the keyboard is not the order of the page")
					}
				}
			}
			ids := map[string]bool{}
			for _, e := range d.all("[id]") {
				if ids[attr(e, "id")] {
					t.Errorf("two elements with the id %s", attr(e, "id"))
				}
				ids[attr(e, "id")] = true
			}
			labelled := map[string]bool{}
			for _, l := range d.all("label") {
				labelled[attr(l, "for")] = textOf(l) != ""
			}
			for _, in := range d.all("input") {
				if attr(in, "type") == "hidden" {
					continue
				}
				if !labelled[attr(in, "id")] || attr(in, "autocomplete") == "" || attr(in, "data-testid") == "" {
					t.Errorf("the field %s has no label, autocomplete or stable name", attr(in, "name"))
				}
				if by := attr(in, "aria-describedby"); by != "" && !ids[by] {
					t.Errorf("the field %s is described by %s, which is not there", attr(in, "name"), by)
				}
				if attr(in, "aria-invalid") == "true" && attr(in, "aria-describedby") == "" {
					t.Errorf("the field %s does not say what is wrong", attr(in, "name"))
				}
			}
			for _, e := range append(d.all("button"), d.all("a")...) {
				if textOf(e) == "" && attr(e, "aria-label") == "" {
					t.Errorf("a %s without a name", e.Data)
				}
			}
			for _, f := range d.all("form") {
				if attr(f, "method") != "post" || attr(f, "data-testid") == "" || !within(f, "button") {
					t.Error("a form without method, stable name or button")
				}
			}
			alerts := 0
			for _, e := range d.all("[role=alert]") {
				if !has(e, "hidden") { // a script may show it
					alerts++
				}
			}
			if sc := authflow.ScreenOf(s); sc.Problem != nil && alerts != 1 {
				t.Errorf("%d alerts", alerts)
			}
			if len(d.all("main button"))+len(d.all("a")) == 0 && len(d.all("button")) == 0 {
				t.Error("no way on")
			}
		})
	}
}

// within reports whether an element has a descendant of a kind.
func within(n *html.Node, tag string) bool {
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && c.Data == tag {
			return true
		}
	}
	return false
}

// TestPagesNameNoHostButTheirOwn looks for anything that would load from elsewhere.
func TestPagesNameNoHostButTheirOwn(t *testing.T) {
	t.Parallel()
	for name, s := range everyStep() {
		d := parse(t, do(open(t, &script{step: s}), "GET", "/login/attempt_1", ""))
		for _, e := range append(d.all("[src]"), d.all("link")...) {
			if at := attr(e, "src") + attr(e, "href"); !strings.HasPrefix(at, "/") || strings.HasPrefix(at, "//") {
				t.Errorf("%s loads %s", name, at)
			}
		}
	}
}

// TestStatusOfProblems: a page with a problem is not answered as if all were well.
func TestStatusOfProblems(t *testing.T) {
	t.Parallel()
	for name, s := range everyStep() {
		sc := authflow.ScreenOf(s)
		if sc.Problem == nil {
			continue
		}
		res := do(open(t, &script{step: s}), "POST", "/login/attempt_1", "step=continue")
		if want := map[bool]int{true: http.StatusTooManyRequests, false: http.StatusBadRequest}[sc.Problem.Retry > 0]; res.StatusCode != want {
			t.Error(fmt.Sprint(name, ": ", res.Status))
		}
	}
}

// has reports whether an element has an attribute, whatever its value.
func has(e *html.Node, name string) bool {
	for _, a := range e.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

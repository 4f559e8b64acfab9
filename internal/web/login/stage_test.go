package login

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
)

func TestEnrollPageShowsTheSecretTwice(t *testing.T) {
	t.Parallel()
	res := do(open(t, &script{step: &authflow.AskEnroll{Screen: screen(), Email: "ada@example.com", Secret: "ABCDEFGHIJ", URI: "otpauth://totp/a?secret=ABCDEFGHIJ"}}), "GET", "/login/attempt_1", "")
	d := parse(t, res)
	if got := d.text("pre"); got != "ABCD EFGH IJ" {
		t.Errorf("the key to type is %q", got)
	}
	if svg := d.one("svg[role]"); attr(svg, "aria-label") == "" || attr(svg, "viewBox") == "" && attr(svg, "viewbox") == "" {
		t.Error("the picture has no name or no size")
	}
}

func TestCodesLeftPageOffersNewOnes(t *testing.T) {
	t.Parallel()
	f := &script{step: &authflow.TellCodesLeft{Screen: screen()}}
	do(open(t, f), "POST", "/login/attempt_1", "step=renew-codes")
	if d := cmp.Diff(authflow.Answer(authflow.RenewCodes{}), f.answer); d != "" {
		t.Error(d)
	}
}

func TestPasswordFieldsAreMaskedAndOpenToManagers(t *testing.T) {
	t.Parallel()
	n := 0
	for name, s := range everyStep() {
		for _, in := range parse(t, do(open(t, &script{step: s}), "GET", "/login/attempt_1", "")).all("input[name=password]") {
			n++
			if attr(in, "type") != "password" || !strings.HasSuffix(attr(in, "autocomplete"), "-password") || attr(in, "onpaste") != "" {
				t.Errorf("%s: type %s, autocomplete %s", name, attr(in, "type"), attr(in, "autocomplete"))
			}
			if attr(in, "maxlength") != "1024" || attr(in, "pattern") != "" {
				t.Errorf("%s: a password of 64 characters may not fit", name)
			}
		}
	}
	if n == 0 {
		t.Error("no password fields at all")
	}
}

func TestTellingPagesGoOnWithContinue(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]authflow.Step{
		"codes left":     &authflow.TellCodesLeft{Screen: screen(), Left: 3},
		"recovery codes": &authflow.TellRecoveryCodes{Screen: screen(), Codes: []string{"aaaaa-bbbbb", "ccccc-ddddd"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &script{step: s}
			d := parse(t, do(open(t, f), "GET", "/login/attempt_1", ""))
			in := d.all("input")[0] // of the first form, which goes on
			form := url.Values{attr(in, "name"): {attr(in, "value")}}
			do(open(t, f), "POST", "/login/attempt_1", form.Encode())
			if d := cmp.Diff(authflow.Answer(authflow.Continue{}), f.answer); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOrganizationPageHasAButtonForEach(t *testing.T) {
	t.Parallel()
	f := &script{step: &authflow.AskOrganization{Screen: screen(), Email: "ada@example.com", Organizations: []authflow.Choice{{ID: "org_1", Name: "Acme <&>"}, {ID: "org_2", Name: "Zeta"}}}}
	d := parse(t, do(open(t, f), "GET", "/login/attempt_1", ""))
	buttons := d.all("button")
	if len(buttons) != 2 || textOf(buttons[0]) != "Acme <&>" || attr(buttons[1], "value") != "org_2" {
		t.Fatalf("%d buttons", len(buttons))
	}
	do(open(t, f), "POST", "/login/attempt_1", url.Values{"step": {"organization"}, "organization": {"org_2"}}.Encode())
	if d := cmp.Diff(authflow.Answer(authflow.ChooseOrganization{Organization: "org_2"}), f.answer); d != "" {
		t.Error(d)
	}
}

func TestNotMemberPageLeadsOn(t *testing.T) {
	t.Parallel()
	f := &script{step: &authflow.TellNotMember{Screen: screen(), Email: "ada@example.com", Organization: "Acme"}}
	res := do(open(t, f), "GET", "/login/attempt_1", "")
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	d := parse(t, res)
	if got := d.link("Sign in as somebody else"); got != "/login/attempt_1/sign-in" {
		t.Errorf("another account: %q", got)
	}
	do(open(t, f), "POST", "/login/attempt_1", url.Values{"step": {"give-up"}}.Encode())
	if d := cmp.Diff(authflow.Answer(authflow.GiveUp{}), f.answer); d != "" {
		t.Error(d)
	}
}

func TestSignInPageOffersWhatTheEnvironmentDoes(t *testing.T) {
	t.Parallel()
	both := &authflow.AskSignIn{Screen: screen()}
	d := parse(t, do(open(t, &script{step: both}), "GET", "/login/attempt_1", ""))
	if got := len(d.all("button")); got != 2 {
		t.Errorf("%d buttons with password and code", got)
	}
	codeOnly := &authflow.AskSignIn{Screen: screen()}
	codeOnly.Methods.NoPassword = true
	d = parse(t, do(open(t, &script{step: codeOnly}), "GET", "/login/attempt_1", ""))
	if got := len(d.all("label")); got != 1 || len(d.all("button")) != 1 {
		t.Errorf("%d fields and %d buttons with codes alone", got, len(d.all("button")))
	}
	passwordOnly := &authflow.AskSignIn{Screen: screen()}
	passwordOnly.Methods.NoMagicCode = true
	f := &script{step: passwordOnly}
	d = parse(t, do(open(t, f), "GET", "/login/attempt_1", ""))
	if got := len(d.all("button")); got != 1 {
		t.Errorf("%d buttons with passwords alone", got)
	}
	do(open(t, f), "POST", "/login/attempt_1", url.Values{"step": {"sign-in"}, "email": {"a@b.c"}, "way": {"code"}}.Encode())
	if d := cmp.Diff(authflow.Answer(authflow.AskForCode{Email: "a@b.c"}), f.answer); d != "" {
		t.Error(d)
	}
}

func TestMailedLinksLeadOn(t *testing.T) {
	t.Parallel()
	f := &script{link: &authflow.Followed{RedirectTo: "http://localhost:5173/login?invitation_token=t"}}
	res := do(open(t, f), "GET", "/invite?token=t", "")
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != f.link.RedirectTo || f.followed != "invitation_token t" {
		t.Errorf("%s to %s, followed %s", res.Status, res.Header.Get("Location"), f.followed)
	}
	f = &script{link: &authflow.Followed{Request: authflow.AuthorizeRequest{ClientID: "client_1", PasswordResetToken: "t"}}, begun: &authflow.Begun{Attempt: "attempt_1", Browser: "b"}}
	res = do(open(t, f), "GET", "/reset-password?token=t", "")
	if res.Header.Get("Location") != "/login/attempt_1" || f.request.PasswordResetToken != "t" {
		t.Errorf("to %s with %+v", res.Header.Get("Location"), f.request)
	}
	res = do(open(t, &script{err: apierr.New(apierr.NotFound, "link_unknown", "No.")}), "GET", "/invite?token=", "")
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown link: %s", res.Status)
	}
}

func TestMailedLinkIsKeptForAnAppThatForgetsIt(t *testing.T) {
	t.Parallel()
	f := &script{link: &authflow.Followed{Client: "client_1", RedirectTo: "http://localhost:5173/login?invitation_token=t", Keep: "invitation_token.t"},
		begun: &authflow.Begun{Attempt: "attempt_1", Browser: "b"}}
	p := open(t, f)
	var kept *http.Cookie
	for _, c := range do(p, "GET", "/invite?token=t", "").Cookies() {
		if c.Name == authflow.LinkCookie("client_1") {
			kept = c
		}
	}
	if kept == nil || !kept.HttpOnly || kept.MaxAge != 600 {
		t.Fatalf("kept %v", kept)
	}
	authorize := func(q authflow.AuthorizeRequest) *http.Response {
		r := httptest.NewRequest("GET", "/user_management/authorize", nil)
		r.AddCookie(kept)
		w := httptest.NewRecorder()
		if err := p.Authorize(w, r, q); err != nil {
			t.Fatal(err)
		}
		return w.Result()
	}
	res := authorize(authflow.AuthorizeRequest{ClientID: "client_1"})
	if f.request.InvitationToken != "t" {
		t.Errorf("the request is %+v", f.request)
	}
	gone := false
	for _, c := range res.Cookies() {
		gone = gone || c.Name == kept.Name && c.MaxAge < 0
	}
	if !gone {
		t.Error("the link is kept for another time")
	}
	authorize(authflow.AuthorizeRequest{ClientID: "client_1", PasswordResetToken: "r"})
	if f.request.InvitationToken != "" || f.request.PasswordResetToken != "r" {
		t.Errorf("what the app brings along counts; the request is %+v", f.request)
	}
	authorize(authflow.AuthorizeRequest{ClientID: "client_2"})
	if f.request.InvitationToken != "" {
		t.Error("another app was given the link")
	}
	authorize(authflow.AuthorizeRequest{ClientID: "client_1", Context: "c"})
	if f.request.InvitationToken != "" || f.request.Context != "c" {
		t.Errorf("the identity provider the app brings along counts; the request is %+v", f.request)
	}
	kept.Value = authflow.KeepLink(authflow.LinkProvider, "sealed.context")
	authorize(authflow.AuthorizeRequest{ClientID: "client_1"})
	if f.request.Context != "sealed.context" {
		t.Errorf("the identity provider's context was forgotten; the request is %+v", f.request)
	}
}

func TestInvitationPageSaysWhy(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, fault := range []authflow.LinkFault{authflow.InvitationUnknown, authflow.InvitationExpired, authflow.InvitationRevoked, authflow.InvitationUsed, authflow.InvitationOther} {
		d := parse(t, do(open(t, &script{step: &authflow.TellInvitation{Screen: screen(), Fault: fault, Email: "eve@example.com"}}), "GET", "/login/attempt_1", ""))
		said := d.text(".lead")
		if seen[said] || said == "" {
			t.Errorf("%s: %q", fault, said)
		}
		seen[said] = true
		if d.link("Sign in as somebody else") == "" || len(d.all("button")) != 1 {
			t.Errorf("%s leads nowhere", fault)
		}
	}
}

func TestDevicePages(t *testing.T) {
	t.Parallel()
	f := &script{step: &authflow.AskDevice{Screen: screen(), Email: "ada@example.com", UserCode: "BCDF-GHJK"}}
	p := open(t, f)
	// A code that the address brings is filled in, not sent, and cannot break out.
	d := parse(t, do(p, "GET", DevicePath+"?user_code="+url.QueryEscape(`BCDF"><b>`), ""))
	if in := d.one("input[name=user_code]"); attr(in, "value") != `BCDF"><b>` || f.followed != "" {
		t.Errorf("%q %q", attr(in, "value"), f.followed)
	}
	if res := do(p, "POST", DevicePath, "user_code=BCDF-GHJK"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/login/attempt_1" || f.followed != "device BCDF-GHJK" {
		t.Errorf("%d %s %q", res.StatusCode, res.Header.Get("Location"), f.followed)
	}
	if res := do(p, "POST", DevicePath, "user_code=x", "Origin", "https://evil.example"); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %d", res.StatusCode)
	}
	f.problem = &authflow.Problem{Field: authflow.FieldCode, Code: "unknown_user_code", Message: "Not right."}
	res := do(p, "POST", DevicePath, "user_code=BCDF-GHJK")
	if d := parse(t, res); res.StatusCode != http.StatusBadRequest || d.text("[role=alert]") != "Not right." {
		t.Errorf("%d", res.StatusCode)
	}
	d = parse(t, do(p, "GET", "/login/attempt_1", ""))
	if got := d.text("[data-testid=shown-code]"); got != "BCDF-GHJK" {
		t.Errorf("shown: %q", got)
	}
	for step, want := range map[string]authflow.Answer{"allow-device": authflow.AllowDevice{}, "deny-device": authflow.DenyDevice{}} {
		if do(p, "POST", "/login/attempt_1", "step="+step); f.answer != want {
			t.Errorf("%s: %#v", step, f.answer)
		}
	}
}

func TestPasskeyPagesAloneHaveAScript(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step   authflow.Step
		script bool
		kind   string
		answer authflow.Answer
	}{
		"sign-in":      {&authflow.AskSignIn{Screen: screen(), Passkey: `{"challenge":"c"}`}, true, "get", authflow.ShowPasskey{Response: "{}"}},
		"without":      {&authflow.AskSignIn{Screen: screen()}, false, "", nil},
		"offer":        {&authflow.AskPasskey{Screen: screen(), Options: `{"challenge":"c"}`}, true, "create", authflow.AddPasskey{Response: "{}"}},
		"another page": {&authflow.AskFactor{Screen: screen()}, false, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &script{step: c.step}
			p := open(t, f)
			res := do(p, "GET", "/login/attempt_1", "")
			csp := res.Header.Get("Content-Security-Policy")
			if strings.Contains(csp, "script-src 'self'") != c.script || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %s", csp)
			}
			d := parse(t, res)
			forms := d.all("form[data-passkey]")
			if !c.script {
				if len(forms)+len(d.all("script")) > 0 {
					t.Error("a script where none is needed")
				}
				return
			}
			if len(forms) != 1 || attr(forms[0], "data-passkey") != c.kind || attr(forms[0], "data-options") != `{"challenge":"c"}` || !strings.Contains(textOf(forms[0]), "passkey") {
				t.Fatalf("%d forms", len(forms))
			}
			if src := attr(d.one("script"), "src"); do(p, "GET", src, "").Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
				t.Errorf("script %s", src)
			}
			step := map[string]string{"get": "passkey", "create": "add-passkey"}[c.kind]
			do(p, "POST", "/login/attempt_1", url.Values{"step": {step}, "credential": {"{}"}}.Encode())
			if d := cmp.Diff(c.answer, f.answer); d != "" {
				t.Error(d)
			}
		})
	}
}

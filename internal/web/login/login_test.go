package login

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
)

// script is a Flow that says what a test tells it to and remembers what it was
// asked: the pages hold no rule, so their tests need none. The real flow runs
// behind the same pages in wire/workos and in conformance/.
type script struct {
	begun   *authflow.Begun
	step    authflow.Step
	err     error
	visitor authflow.Visitor
	answer  authflow.Answer
	request authflow.AuthorizeRequest

	link     *authflow.Followed
	problem  *authflow.Problem
	followed string
}

func (s *script) Begin(_ context.Context, v authflow.Visitor, r authflow.AuthorizeRequest) (*authflow.Begun, error) {
	v.Cookie = nil
	s.visitor, s.request = v, r
	return s.begun, s.err
}

func (s *script) Step(_ context.Context, v authflow.Visitor, _ authflow.AttemptID) (authflow.Step, error) {
	v.Cookie = nil
	s.visitor = v
	return s.step, s.err
}

func (s *script) Submit(_ context.Context, v authflow.Visitor, _ authflow.AttemptID, a authflow.Answer) (authflow.Step, error) {
	v.Cookie = nil
	s.visitor, s.answer = v, a
	return s.step, s.err
}

func (s *script) EnterDevice(_ context.Context, v authflow.Visitor, _ func(identity.ClientID) string, typed string) (*authflow.Begun, *authflow.Problem, error) {
	s.followed = "device " + typed
	return &authflow.Begun{Attempt: "attempt_1", Browser: v.Browser}, s.problem, s.err
}

func (s *script) Impersonation(_ context.Context, secret string) (*authflow.AskImpersonation, error) {
	s.followed = "impersonation " + secret
	return &authflow.AskImpersonation{Screen: screen(), UserEmail: "ada@example.com", Impersonation: authflow.Impersonation{NewImpersonation: authflow.NewImpersonation{Email: "help@example.com", Reason: "a <b>ticket</b>"}}}, s.err
}

func (s *script) Impersonate(_ context.Context, v authflow.Visitor, secret string) (*authflow.Begun, error) {
	s.visitor, s.followed = v, "impersonate "+secret
	return s.begun, s.err
}

func (s *script) Follow(_ context.Context, kind authflow.LinkKind, token string) (*authflow.Followed, error) {
	s.followed = string(kind) + " " + token
	return s.link, s.err
}

// shelf is a fixed outbox and list of environments.
type shelf struct{ mails []mail.Delivered }

func (s shelf) List(_ context.Context, to string) ([]mail.Delivered, error) {
	var out []mail.Delivered
	for _, m := range s.mails {
		if to == "" || strings.EqualFold(m.To, to) {
			out = append(out, m)
		}
	}
	return out, nil
}

func (s shelf) Environments(context.Context) ([]identity.Environment, error) {
	return []identity.Environment{{Kind: identity.Development, ClientID: "client_1", Name: "soup (dev)", Settings: identity.Settings{HomepageURL: "http://localhost:5173"}},
		{Kind: identity.Production, ClientID: "client_prod", Settings: identity.Settings{HomepageURL: "https://secret.example"}}}, nil
}

func (s shelf) EnvironmentAt(context.Context, string) (*identity.Environment, error) { return nil, nil }

func (s shelf) BrandingOf(_ context.Context, client identity.ClientID) (*identity.Branding, []byte, error) {
	if client != "client_1" {
		return nil, nil, apierr.New(apierr.NotFound, "entity_not_found", "No.")
	}
	return &identity.Branding{AccentLight: "#ffee00", LogoType: "image/svg+xml"}, []byte("<svg/>"), nil
}

// env is the environment of the tests' attempts.
var env = identity.Environment{ID: "environment_1", ClientID: "client_1", Name: "soup (dev)", Kind: identity.Development,
	Settings: identity.Settings{HomepageURL: "http://localhost:5173"}}

// screen is a screen of an attempt, with a problem if given.
func screen(pb ...*authflow.Problem) authflow.Screen {
	s := authflow.Screen{Attempt: "attempt_1", Environment: env}
	if len(pb) > 0 {
		s.Problem = pb[0]
	}
	return s
}

// open makes pages over a script.
func open(t testing.TB, s *script, change ...func(*Pages)) *Pages {
	t.Helper()
	p := &Pages{Flow: s, Identity: shelf{}, Outbox: shelf{}, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(p)
	}
	if err := p.Open(); err != nil {
		t.Fatal(err)
	}
	return p
}

// do sends a request; a body is posted as a form.
func do(p http.Handler, method, target, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result()
}

func TestFormPagesCanBeDrivenByLabels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		step   authflow.Step
		labels []string
		links  map[string]string
		title  string
	}{
		{"sign-in", &authflow.AskSignIn{Screen: screen(), SignUpAllowed: true}, []string{"Email", "Password"},
			map[string]string{"Sign up": "/login/attempt_1/sign-up", "Forgot your password?": "/login/attempt_1/forgot"}, "Sign in · Lentil"},
		{"sign-up", &authflow.AskSignUp{Screen: screen(), MinPassword: 10}, []string{"Email", "Password"},
			map[string]string{"Sign in": "/login/attempt_1/sign-in"}, "Sign up · Lentil"},
		{"code", &authflow.AskCode{Screen: screen(), Email: "a@b.c", For: authflow.CodeForVerification}, []string{"Code"},
			map[string]string{"Resend code": "/login/attempt_1/resend", "Sign in": "/login/attempt_1/sign-in"}, "Check your email · Lentil"},
		{"reset code", &authflow.AskCode{Screen: screen(), Email: "a@b.c", For: authflow.CodeForReset}, []string{"Code"},
			map[string]string{"Resend code": "/login/attempt_1/resend"}, "Check your email · Lentil"},
		{"forgot", &authflow.AskForgot{Screen: screen()}, []string{"Email"},
			map[string]string{"Sign in": "/login/attempt_1/sign-in"}, "Forgotten password · Lentil"},
		{"factor", &authflow.AskFactor{Screen: screen(), Email: "a@b.c"}, []string{"Code"},
			map[string]string{"Use a recovery code": "/login/attempt_1/recovery-code", "Sign in as somebody else": "/login/attempt_1/sign-in"}, "Two-step sign-in · Lentil"},
		{"recovery code", &authflow.AskRecoveryCode{Screen: screen()}, []string{"Recovery code"},
			map[string]string{"Use your authenticator app": "/login/attempt_1/authenticator"}, "Recovery code · Lentil"},
		{"enroll", &authflow.AskEnroll{Screen: screen(), Secret: "ABCDEFGHIJ", URI: "otpauth://totp/a?secret=ABCDEFGHIJ"}, []string{"Code"},
			map[string]string{"Sign in as somebody else": "/login/attempt_1/sign-in"}, "Set up two-step sign-in · Lentil"},
		{"new password", &authflow.AskNewPassword{Screen: screen(), MinPassword: 10}, []string{"Password"}, nil, "Choose a new password · Lentil"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res := do(open(t, &script{step: c.step}), "GET", "/login/attempt_1", "")
			if res.StatusCode != http.StatusOK {
				t.Fatalf("status %d", res.StatusCode)
			}
			d := parse(t, res)
			if got := d.text("title"); got != c.title {
				t.Errorf("title %q, want %q", got, c.title)
			}
			var labels []string
			for _, n := range d.all("label") {
				labels = append(labels, textOf(n))
			}
			if diff := cmp.Diff(c.labels, labels); diff != "" {
				t.Errorf("labels: %s", diff)
			}
			for _, l := range c.labels {
				if in := d.labelled(l); attr(in, "name") == "" || attr(in, "autocomplete") == "" {
					t.Errorf("input %q lacks name or autocomplete", l)
				}
			}
			if got := textOf(d.all("button")[0]); got != "Continue" { // what the Enter key presses
				t.Errorf("first button %q", got)
			}
			for text, href := range c.links {
				if got := d.link(text); got != href {
					t.Errorf("link %q leads to %q, want %q", text, got, href)
				}
			}
			if got := attr(d.one("form"), "action"); got != "/login/attempt_1" {
				t.Errorf("form posts to %q", got)
			}
			if len(d.all("input[autofocus]")) != 1 {
				t.Error("not exactly one field has the focus")
			}
			if len(d.all("*[role=alert]")) != 0 {
				t.Error("an alert without a problem")
			}
		})
	}
}

func TestPagesAreStrict(t *testing.T) {
	t.Parallel()
	p := open(t, &script{step: &authflow.AskSignIn{Screen: screen()}})
	for _, path := range []string{"/", "/login/attempt_1", "/_lentil/outbox", "/login/x/y", "/_lentil/none"} {
		res := do(p, "GET", path, "", "Accept", "text/html")
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if got := res.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: cache %q", path, got)
		}
		d := parse(t, res)
		if n := len(d.all("script")) + len(d.all("style")) + len(d.all("*[style]")) + len(d.all("*[onclick]")); n != 0 {
			t.Errorf("%s: %d inline scripts or styles", path, n)
		}
		if attr(d.one("html"), "lang") != "en" || len(d.all("h1")) != 1 || len(d.all("main")) != 1 {
			t.Errorf("%s: language, heading or landmark missing", path)
		}
		css := attr(d.one("link[rel=stylesheet]"), "href")
		style := do(p, "GET", css, "")
		if style.StatusCode != http.StatusOK || !strings.HasPrefix(style.Header.Get("Content-Type"), "text/css") ||
			!strings.Contains(style.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: stylesheet %s: %d %v", path, css, style.StatusCode, style.Header)
		}
	}
	if res := do(p, "GET", AssetsPath+"..%2fdoc.go", ""); res.StatusCode == http.StatusOK {
		t.Error("an asset outside the folder was served")
	}
}

func TestProblemIsOneAlertAtItsField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		step  authflow.Step
		field string // label of the field that is marked
	}{
		{"whole form", &authflow.AskSignIn{Screen: screen(&authflow.Problem{Message: "No."}), Email: "ada@example.com"}, ""},
		{"email", &authflow.AskSignUp{Screen: screen(&authflow.Problem{Field: authflow.FieldEmail, Message: "No."}), Email: "ada@example.com"}, "Email"},
		{"password", &authflow.AskSignUp{Screen: screen(&authflow.Problem{Field: authflow.FieldPassword, Message: "No."}), Email: "ada@example.com"}, "Password"},
		{"code", &authflow.AskCode{Screen: screen(&authflow.Problem{Field: authflow.FieldCode, Message: "No."})}, "Code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res := do(open(t, &script{step: c.step}), "POST", "/login/attempt_1", "step=sign-in&email=ada%40example.com&password=hunter2hunter2")
			if res.StatusCode != http.StatusBadRequest {
				t.Errorf("status %d", res.StatusCode)
			}
			d := parse(t, res)
			if got := d.text("*[role=alert]"); got != "No." {
				t.Errorf("alert %q", got)
			}
			if c.field != "" {
				in := d.labelled(c.field)
				if attr(in, "aria-invalid") != "true" || !strings.Contains(attr(in, "aria-describedby"), "-problem") {
					t.Errorf("field %s is not marked", c.field)
				}
			}
			for _, in := range d.all("input[type=password]") {
				if attr(in, "value") != "" {
					t.Error("the password came back")
				}
			}
		})
	}
}

func TestProblemWithRetryIsRateLimited(t *testing.T) {
	t.Parallel()
	s := &script{step: &authflow.AskSignIn{Screen: screen(&authflow.Problem{Message: "Wait.", Retry: 61500 * time.Millisecond})}}
	res := do(open(t, s), "POST", "/login/attempt_1", "step=sign-in")
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "62" {
		t.Errorf("%d, retry after %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
}

func TestSubmitPassesTheAnswerOn(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]authflow.Answer{
		"step=sign-in&email=+a%40b.c+&password=+p+":      authflow.EnterPassword{Email: " a@b.c ", Password: " p "},
		"step=sign-up&email=a%40b.c&password=p%26%C3%A9": authflow.Register{Email: "a@b.c", Password: "p&é"},
		"step=code&code=123+456":                         authflow.EnterCode{Code: "123 456"},
		"step=forgot&email=a%40b.c":                      authflow.ForgotPassword{Email: "a@b.c"},
		"step=new-password&password=p&username=x":        authflow.ChoosePassword{Password: "p"},
	} {
		s := &script{step: &authflow.AskCode{Screen: screen()}}
		res := do(open(t, s), "POST", "/login/attempt_1", body, "Cookie", authflow.BrowserCookie+"=secret", "User-Agent", "Test/1")
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/login/attempt_1" {
			t.Errorf("%s: %d to %q", body, res.StatusCode, res.Header.Get("Location"))
		}
		if diff := cmp.Diff(want, s.answer); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
		if diff := cmp.Diff(authflow.Visitor{Browser: "secret", IPAddress: "192.0.2.1", UserAgent: "Test/1", Origin: "http://example.com"}, s.visitor); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	s := &script{step: &authflow.AskCode{Screen: screen()}}
	for _, body := range []string{"step=none", "email=a", "%zz=1", "step=code&code=" + strings.Repeat("1", maxForm)} {
		if res := do(open(t, s), "POST", "/login/attempt_1", body); res.StatusCode != http.StatusBadRequest || s.answer != nil {
			t.Errorf("%.20s: %d", body, res.StatusCode)
		}
	}
}

func TestLinksGoToPlaces(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]authflow.Answer{
		"sign-in": authflow.GoTo{Place: authflow.SignIn}, "sign-up": authflow.GoTo{Place: authflow.SignUp},
		"forgot": authflow.GoTo{Place: authflow.Forgot}, "resend": authflow.SendAgain{},
	} {
		s := &script{step: &authflow.AskCode{Screen: authflow.Screen{Attempt: "attempt_1", Environment: env, Notice: "Sent."}}}
		res := do(open(t, s), "GET", "/login/attempt_1/"+path, "")
		if diff := cmp.Diff(want, s.answer); diff != "" || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, res.StatusCode, diff)
		}
		if got := parse(t, res).text("*[role=status]"); got != "Sent." {
			t.Errorf("%s: notice %q", path, got)
		}
	}
	s := &script{}
	if res := do(open(t, s), "GET", "/login/attempt_1/resend", "", "Sec-Purpose", "prefetch"); res.StatusCode != http.StatusBadRequest || s.answer != nil {
		t.Error("a prefetch sent a mail")
	}
}

func TestDoneLeadsBackByteForByte(t *testing.T) {
	t.Parallel()
	back := "http://localhost:5173/callback?code=01ABC&state=Fe26.2*1*a~b%2Bc%2F..%2f%3D%3D&x"
	s := &script{step: &authflow.Done{RedirectTo: back, Client: "client_1", SSO: "sso", SSOMaxAge: time.Hour}}
	res := do(open(t, s, func(p *Pages) { p.BaseURL = "https://auth.example.com" }), "POST", "/login/attempt_1", "step=code&code=1")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != back {
		t.Errorf("%d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	want := authflow.HostCookie(authflow.SSOCookie("client_1"), true) + "=sso; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"
	if got := res.Header.Get("Set-Cookie"); got != want {
		t.Errorf("cookie %q, want %q", got, want)
	}
}

func TestDoneOpensANativeAppByLink(t *testing.T) {
	t.Parallel()
	s := &script{step: &authflow.Done{RedirectTo: "com.example.app:/callback?code=1"}}
	d := parse(t, do(open(t, s), "POST", "/login/attempt_1", "step=code&code=1"))
	if got := d.link("Open the app"); got != "com.example.app:/callback?code=1" {
		t.Errorf("link %q", got)
	}
	for _, bad := range []string{"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//evil.example"} {
		s := &script{step: &authflow.Done{RedirectTo: bad}}
		res := do(open(t, s), "POST", "/login/attempt_1", "step=code&code=1")
		if res.StatusCode != http.StatusInternalServerError || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %q", bad, res.StatusCode, res.Header.Get("Location"))
		}
	}
}

func TestAuthorizeBeginsAnAttempt(t *testing.T) {
	t.Parallel()
	s := &script{begun: &authflow.Begun{Attempt: "attempt_1", Browser: "fresh"}}
	p := open(t, s)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/user_management/authorize", nil)
	r.AddCookie(&http.Cookie{Name: authflow.SSOCookie("client_1"), Value: "sso"})
	if err := p.Authorize(w, r, authflow.AuthorizeRequest{ClientID: "client_1"}); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Location"); w.Code != http.StatusFound || got != "/login/attempt_1" {
		t.Errorf("%d to %q", w.Code, got)
	}
	want := authflow.BrowserCookie + "=fresh; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
	if got := w.Header().Get("Set-Cookie"); got != want {
		t.Errorf("cookie %q, want %q", got, want)
	}
	if s.visitor.SSO != "sso" {
		t.Error("the browser's sign-in was not passed on")
	}
}

func TestRefusedRedirectNamesTheAddressAndTheFix(t *testing.T) {
	t.Parallel()
	uri := `http://localhost:3000/call'back?"><script>x</script>`
	e := apierr.New(apierr.BadRequest, "redirect_uri_not_allowed", "No.").With(
		&authflow.RefusedRedirect{Environment: env, URI: uri, Registered: []string{"http://localhost:5173/callback"}})
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "http://localhost:4100/user_management/authorize", nil)
	if err := open(t, &script{err: e}).Authorize(w, r, authflow.AuthorizeRequest{}); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
		t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
	}
	d := parse(t, w.Result())
	pres := d.all("pre")
	if len(pres) != 3 || textOf(pres[0]) != uri {
		t.Fatalf("the address is not shown as it is")
	}
	if got := textOf(pres[2]); !strings.Contains(got, "http://localhost:4100/user_management/redirect_uris") || !strings.Contains(got, `call'\''back`) {
		t.Errorf("command %q", got)
	}
	if got := d.text("ul.plain"); got != "http://localhost:5173/callback" {
		t.Errorf("registered %q", got)
	}
	if len(d.all("script")) != 0 {
		t.Error("the address became markup")
	}
}

func TestUnknownClientIsNamed(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/user_management/authorize?client_id=client_nobody", nil)
	s := &script{err: apierr.New(apierr.NotFound, "unknown_client", "No.")}
	_ = open(t, s).Authorize(w, r, authflow.AuthorizeRequest{ClientID: "client_nobody"})
	d := parse(t, w.Result())
	if got := d.text("ul.plain"); !strings.Contains(got, "client_1 · soup (dev)") || strings.Contains(got, "client_prod") {
		t.Errorf("what it could be: %q", got)
	}
	if got := d.text("pre"); w.Code != http.StatusNotFound || got != "client_nobody" {
		t.Errorf("%d %q", w.Code, got)
	}
}

func TestOverExplains(t *testing.T) {
	t.Parallel()
	for reason, status := range map[authflow.OverReason]int{authflow.OverUnknown: 404, authflow.OverOtherBrowser: 403, authflow.OverFinished: 409} {
		s := &script{step: &authflow.Over{Screen: screen(), Reason: reason, AppURL: "http://localhost:5173"}}
		res := do(open(t, s), "GET", "/login/attempt_1", "")
		d := parse(t, res)
		if res.StatusCode != status || d.link("Back to the app") != "http://localhost:5173" {
			t.Errorf("%s: %d", reason, res.StatusCode)
		}
	}
	s := &script{step: &authflow.Over{Screen: screen(), AppURL: "javascript:alert(1)"}}
	if d := parse(t, do(open(t, s), "GET", "/login/attempt_1", "")); len(d.all("a.button")) != 0 {
		t.Error("a link to a script")
	}
}

func TestForeignFormsAreRefused(t *testing.T) {
	t.Parallel()
	s := &script{step: &authflow.AskCode{Screen: screen()}}
	p := open(t, s)
	for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		res := do(p, "POST", "/login/attempt_1", "step=code&code=1", h...)
		if res.StatusCode != http.StatusForbidden || s.answer != nil {
			t.Errorf("%v: %d", h, res.StatusCode)
		}
	}
	if res := do(p, "POST", "/login/attempt_1", "step=code&code=1", "Sec-Fetch-Site", "same-origin"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("our own form: %d", res.StatusCode)
	}
}

func TestFaultsOfOursShowNoDetail(t *testing.T) {
	t.Parallel()
	res := do(open(t, &script{err: errors.New("secret detail")}), "GET", "/login/attempt_1", "")
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusInternalServerError || strings.Contains(string(b), "secret detail") {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 20, 4, 5, 6e6, time.UTC)
	box := shelf{[]mail.Delivered{
		{Message: mail.Message{To: "Ada@example.com", Subject: "Your code", Text: "It is <b>123456</b>", Code: "123456"}, ID: 2, Time: at},
		{Message: mail.Message{To: "bob@example.com", Subject: "Hello", Text: "Hello"}, ID: 1, Time: at},
	}}
	p := open(t, &script{}, func(p *Pages) { p.Outbox = box })
	var got []map[string]any
	res := do(p, "GET", "/_lentil/outbox?to=ada@example.com", "", "Accept", "text/html", "Origin", "https://evil.example")
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{"id": 2.0, "to": "Ada@example.com", "subject": "Your code", "text": "It is <b>123456</b>", "code": "123456", "at": "2026-11-23T20:04:05.006Z"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another site may read the codes")
	}
	if res = do(p, "GET", "/_lentil/outbox?to=nobody@example.com", ""); readAll(t, res) != "[]\n" {
		t.Error("an empty outbox is not an empty list")
	}
	d := parse(t, do(p, "GET", "/_lentil/outbox", "", "Accept", "text/html"))
	if len(d.all("li.mail")) != 2 || d.text("p.big") != "123456" || len(d.all("b")) != 0 {
		t.Error("the page does not show the mails as they are")
	}
	d = parse(t, do(p, "GET", "/_lentil/outbox?address=bob@example.com", "", "Accept", "text/html"))
	if len(d.all("li.mail")) != 1 || d.link("Show everyone's") != "/_lentil/outbox" {
		t.Error("the page does not filter")
	}
	if res = do(open(t, &script{}, func(p *Pages) { p.Outbox = nil }), "GET", "/_lentil/outbox?to=x", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("an outbox where there is none: %d", res.StatusCode)
	}
}

func TestHomeShowsAppsInDevelopmentOnly(t *testing.T) {
	t.Parallel()
	if d := parse(t, do(open(t, &script{}), "GET", "/", "")); d.link("http://localhost:5173") != "http://localhost:5173" || len(d.all("li")) != 1 {
		t.Error("the apps are not those in development")
	}
	if d := parse(t, do(open(t, &script{}, func(p *Pages) { p.Outbox = nil }), "GET", "/", "")); len(d.all("li")) != 0 {
		t.Error("apps are listed in production")
	}
}

func TestSignedOut(t *testing.T) {
	t.Parallel()
	p := open(t, &script{})
	r := httptest.NewRequest("GET", "/user_management/sessions/logout", nil)
	w := httptest.NewRecorder()
	_ = p.SignedOut(w, r, &authflow.LoggedOut{RedirectTo: "http://localhost:5173/?a=b", Client: "client_1"}, "")
	if w.Code != http.StatusFound || w.Header().Get("Location") != "http://localhost:5173/?a=b" ||
		!strings.Contains(w.Header().Get("Set-Cookie"), authflow.SSOCookie("client_1")+"=; Path=/; Max-Age=0") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	w = httptest.NewRecorder()
	_ = p.SignedOut(w, r, &authflow.LoggedOut{}, "https://evil.example")
	d := parse(t, w.Result())
	if w.Code != http.StatusOK || d.text("h1") != "You are signed out" || !strings.Contains(d.text("p.quiet"), "https://evil.example") {
		t.Errorf("%d", w.Code)
	}
}

// FuzzSubmit posts arbitrary forms: no crash, no fault of ours, no page that is not
// HTML, and what was typed never becomes markup.
func FuzzSubmit(f *testing.F) {
	f.Add("step=sign-in&email=a%40b.c&password=p", "")
	f.Add("step=sign-up&email=%3Cscript%3E&password=%00%ff", "lentil_browser=x")
	f.Add("step=code&code=%F0%9F%98%80", "lentil_browser=\"; a=b")
	f.Add("step=forgot&email=a;b&&&=", "=;=;=")
	f.Add("step=new-password&password=", "")
	f.Fuzz(func(t *testing.T, body, cookie string) {
		s := &script{step: &authflow.AskSignUp{Screen: screen(&authflow.Problem{Message: "No."}), Email: "x"}}
		if v, err := url.ParseQuery(body); err == nil {
			s.step.(*authflow.AskSignUp).Email = v.Get("email")
		}
		res := do(open(t, s), "POST", "/login/attempt_1", body, "Cookie", cookie)
		if res.StatusCode != http.StatusBadRequest {
			t.Fatalf("status %d", res.StatusCode)
		}
		if n := len(parse(t, res).all("script")); n != 0 {
			t.Fatal("input became markup")
		}
	})
}

// readAll is the body of an answer.
func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

package authflow_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// house is a flow on the in-memory store with one environment, in a synctest
// bubble, so that time costs nothing.
type house struct {
	t      *testing.T
	ids    *identity.Service
	flow   *authflow.Flow
	outbox *mail.Outbox
	env    *identity.Environment
	secret string // an API key
}

// inHouse runs f with a house in a bubble.
func inHouse(t *testing.T, set identity.Settings, f func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
		if err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, outbox: &mail.Outbox{}, ids: &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}}
		h.flow = &authflow.Flow{Identity: h.ids, Mail: h.outbox, Hasher: cheap()}
		var wg sync.WaitGroup
		must(t, h.ids.Open(ctx))
		must(t, h.flow.Open(ctx))
		wg.Go(func() { h.ids.Run(ctx) })
		wg.Go(func() { h.flow.Run(ctx) })
		h.env, err = h.ids.CreateEnvironment(ctx, identity.NewEnvironment{Name: "Test", Settings: set})
		must(t, err)
		_, err = h.ids.AddRedirectURI(ctx, h.env.ID, "https://app.example.com/callback")
		must(t, err)
		_, h.secret, err = h.ids.CreateAPIKey(ctx, h.env.ID, "test", "")
		must(t, err)
		f(t, h)
		cancel()
		wg.Wait()
		db.Close()
	})
}

// cheap is a hasher that costs nothing; hasher_test.go tests the real one.
func cheap() *authflow.Hasher { return &authflow.Hasher{Memory: 64, Passes: 1} }

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// browser is a person with a browser.
type browser struct {
	h       *house
	v       authflow.Visitor
	attempt authflow.AttemptID
}

// verifier and challenge are one PKCE pair.
var (
	verifier  = strings.Repeat("v", 64)
	challenge = func() string {
		s := sha256.Sum256([]byte(verifier))
		return base64.RawURLEncoding.EncodeToString(s[:])
	}()
)

// request is what the browser SDK asks for.
func (h *house) request() authflow.AuthorizeRequest {
	return authflow.AuthorizeRequest{ClientID: string(h.env.ClientID), RedirectURI: "http://localhost:5173/callback", ResponseType: "code", Provider: "authkit",
		State: `{"a":"b c+d~*%"}`, HasState: true, CodeChallenge: challenge, CodeChallengeMethod: "S256"}
}

// begin opens the sign-in page.
func (b *browser) begin(r authflow.AuthorizeRequest) authflow.Step {
	b.h.t.Helper()
	begun, err := b.h.flow.Begin(b.h.t.Context(), b.v, r)
	must(b.h.t, err)
	b.attempt, b.v.Browser = begun.Attempt, begun.Browser
	return begun.Step
}

// submit answers a page; the cookies of a Done are kept.
func (b *browser) submit(a authflow.Answer) authflow.Step {
	b.h.t.Helper()
	s, err := b.h.flow.Submit(b.h.t.Context(), b.v, b.attempt, a)
	must(b.h.t, err)
	if d, ok := s.(*authflow.Done); ok && d.SSO != "" {
		b.v.SSO = d.SSO
	}
	return s
}

// mailedCode is the newest code in a mailbox; "" if there is none.
func (h *house) mailedCode(to string) string {
	h.t.Helper()
	synctest.Wait()
	l, err := h.outbox.List(h.t.Context(), to)
	must(h.t, err)
	if len(l) == 0 {
		return ""
	}
	return l[0].Code
}

// step asserts the kind of a step.
func step[T authflow.Step](t *testing.T, s authflow.Step) T {
	t.Helper()
	v, ok := s.(T)
	if !ok {
		t.Fatalf("step is %T %+v", s, s)
	}
	return v
}

// problem is the code of a step's problem.
func problem(s authflow.Step) string {
	if sc := authflow.ScreenOf(s); sc != nil && sc.Problem != nil {
		return sc.Problem.Code
	}
	return ""
}

// codeOf is the authorization code in a redirect; state must be as it was sent.
func codeOf(t *testing.T, s authflow.Step, state string) string {
	t.Helper()
	u, err := url.Parse(step[*authflow.Done](t, s).RedirectTo)
	must(t, err)
	if got := u.Query().Get("state"); got != state {
		t.Errorf("state came back as %q", got)
	}
	return u.Query().Get("code")
}

const goodPassword = "correct horse battery"

// signUp makes an account by the pages and gives its first code.
func (b *browser) signUp(email string) string {
	b.h.t.Helper()
	r := b.h.request()
	r.ScreenHint = "sign-up"
	step[*authflow.AskSignUp](b.h.t, b.begin(r))
	s := step[*authflow.AskCode](b.h.t, b.submit(authflow.Register{Email: email, Password: goodPassword, FirstName: "Ada"}))
	if s.For != authflow.CodeForVerification || s.Email != email {
		b.h.t.Errorf("asks %+v", s)
	}
	return codeOf(b.h.t, b.submit(authflow.EnterCode{Code: b.h.mailedCode(email)}), r.State)
}

// redeem exchanges a code as the browser SDK does.
func (h *house) redeem(code string) (*authflow.Grant, error) {
	return h.flow.Redeem(h.t.Context(), authflow.GrantRequest{Type: authflow.GrantAuthorizationCode, ClientID: string(h.env.ClientID), Code: code, CodeVerifier: verifier})
}

// refresh exchanges a refresh token as the browser SDK does.
func (h *house) refresh(text string) (*authflow.Grant, error) {
	return h.flow.Redeem(h.t.Context(), authflow.GrantRequest{Type: authflow.GrantRefreshToken, ClientID: string(h.env.ClientID), RefreshToken: text})
}

// refusal is the code of a refusal, with its body form.
func refusal(err error) string {
	e, ok := apierr.As(err)
	if !ok {
		return fmt.Sprint(err)
	}
	if d, ok := e.Details.(*authflow.Refusal); ok && d.OAuth {
		return "oauth:" + e.Code
	}
	return "plain:" + e.Code
}

func TestFlowSignUpSignInRedeemRefresh(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		b := &browser{h: h}
		g, err := h.redeem(b.signUp("ada@example.com"))
		must(t, err)
		if g.User.Email != "ada@example.com" || !g.User.EmailVerified || g.User.FirstName != "Ada" || g.AuthenticationMethod != identity.MethodPassword || g.User.LastSignIn.IsZero() {
			t.Errorf("grant %+v user %+v", g, g.User)
		}
		r1, err := h.refresh(g.RefreshToken)
		must(t, err)
		if r1.AccessToken == g.AccessToken || r1.RefreshToken == g.RefreshToken || r1.Session != g.Session {
			t.Error("nothing rotated")
		}
		other := &browser{h: h}
		step[*authflow.AskSignIn](t, other.begin(h.request()))
		s := other.submit(authflow.EnterPassword{Email: "ADA@example.com", Password: goodPassword})
		g2, err := h.redeem(codeOf(t, s, h.request().State))
		must(t, err)
		if g2.User.ID != g.User.ID || g2.Session == g.Session {
			t.Errorf("second sign-in %+v", g2)
		}
	})
}

func TestFlowSignedInBrowserIsNotAskedAgain(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		b := &browser{h: h}
		g, err := h.redeem(b.signUp("ada@example.com"))
		must(t, err)
		g2, err := h.redeem(codeOf(t, b.begin(h.request()), h.request().State))
		must(t, err)
		if g2.User.ID != g.User.ID {
			t.Error("another user")
		}
		force := h.request()
		force.Prompt = "login"
		step[*authflow.AskSignIn](t, b.begin(force))
		old := h.request()
		old.MaxAge = "60"
		codeOf(t, b.begin(old), old.State)
		time.Sleep(2 * time.Minute)
		step[*authflow.AskSignIn](t, b.begin(old))
		hint := h.request()
		hint.LoginHint = "bob@example.com"
		if s := step[*authflow.AskSignIn](t, b.begin(hint)); s.Email != "bob@example.com" {
			t.Errorf("hint shows as %q", s.Email)
		}
		none := h.request()
		none.Prompt = "none"
		stranger := &browser{h: h}
		if d := step[*authflow.Done](t, stranger.begin(none)); !strings.Contains(d.RedirectTo, "error=login_required") {
			t.Error(d.RedirectTo)
		}
		out, err := h.flow.Logout(t.Context(), authflow.LogoutRequest{SessionID: string(g2.Session), ReturnTo: "http://localhost:5173/bye"})
		must(t, err)
		if out.RedirectTo != "http://localhost:5173/bye" || out.Client != h.env.ClientID {
			t.Errorf("%+v", out)
		}
		step[*authflow.AskSignIn](t, b.begin(h.request()))
		if _, err := h.refresh(g2.RefreshToken); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("refresh after sign-out: %v", err)
		}
	})
}

func TestFlowForgottenPassword(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		b := &browser{h: h}
		g, err := h.redeem(b.signUp("ada@example.com"))
		must(t, err)
		other := &browser{h: h}
		other.begin(h.request())
		step[*authflow.AskForgot](t, other.submit(authflow.GoTo{Place: authflow.Forgot, Email: "ada@example.com"}))
		step[*authflow.AskCode](t, other.submit(authflow.ForgotPassword{Email: "Ada@example.com"}))
		code := h.mailedCode("ada@example.com")
		step[*authflow.AskNewPassword](t, other.submit(authflow.EnterCode{Code: code[:3] + " " + code[3:]}))
		if s := other.submit(authflow.ChoosePassword{Password: "short"}); problem(s) != "password_too_short" {
			t.Errorf("short: %+v", s)
		}
		s := other.submit(authflow.ChoosePassword{Password: "another good one"})
		_, err = h.redeem(codeOf(t, s, h.request().State))
		must(t, err)
		if _, err := h.refresh(g.RefreshToken); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("old session after reset: %v", err)
		}
		step[*authflow.AskSignIn](t, b.begin(h.request())) // the old browser is asked too
		if s := b.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}); problem(s) != "invalid_credentials" {
			t.Errorf("old password: %+v", s)
		}
		codeOf(t, b.submit(authflow.EnterPassword{Email: "ada@example.com", Password: "another good one"}), h.request().State)
		synctest.Wait()
		l, _ := h.outbox.List(t.Context(), "ada@example.com")
		if l[0].Subject != "Your Test password was changed" || l[0].Code != "" {
			t.Errorf("notice %+v", l[0])
		}
	})
}

func TestFlowAnswersStrangersAndOwnersAlike(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		(&browser{h: h}).signUp("ada@example.com")
		show := func(s authflow.Step) string {
			switch s := s.(type) {
			case *authflow.AskSignIn:
				return fmt.Sprintf("%T %+v", s, *s.Problem)
			case *authflow.AskCode:
				return fmt.Sprintf("%T %s %v %q", s, s.For, s.Problem, s.Notice)
			}
			return fmt.Sprintf("%T", s)
		}
		for _, c := range []struct {
			name    string
			answers func(email string) []authflow.Answer
		}{
			{"sign in", func(e string) []authflow.Answer {
				return []authflow.Answer{authflow.EnterPassword{Email: e, Password: "wrong"}}
			}},
			{"forgot", func(e string) []authflow.Answer {
				return []authflow.Answer{authflow.GoTo{Place: authflow.Forgot}, authflow.ForgotPassword{Email: e}, authflow.SendAgain{}, authflow.EnterCode{Code: "000000"}}
			}},
			{"sign up", func(e string) []authflow.Answer {
				return []authflow.Answer{authflow.GoTo{Place: authflow.SignUp}, authflow.Register{Email: e, Password: "some good password"}, authflow.SendAgain{}, authflow.EnterCode{Code: "000000"}}
			}},
		} {
			owner, stranger := &browser{h: h}, &browser{h: h}
			owner.begin(h.request())
			stranger.begin(h.request())
			a, n := c.answers("ada@example.com"), c.answers("nobody@example.com")
			for i := range a {
				if x, y := show(owner.submit(a[i])), show(stranger.submit(n[i])); x != y {
					t.Errorf("%s, answer %d:\nowner    %s\nstranger %s", c.name, i, x, y)
				}
			}
		}
		synctest.Wait()
		if l, _ := h.outbox.List(t.Context(), "nobody@example.com"); len(l) != 2 { // the sign-up's two, none for the reset
			t.Errorf("stranger got %d mails", len(l))
		}
	})
}

func TestFlowSignUpForATakenAddressLeadsIntoThatAccount(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g, err := h.redeem((&browser{h: h}).signUp("ada@example.com"))
		must(t, err)
		b := &browser{h: h}
		b.begin(h.request())
		b.submit(authflow.GoTo{Place: authflow.SignUp})
		b.submit(authflow.Register{Email: "Ada@Example.com", Password: "some other password"})
		code := h.mailedCode("ada@example.com")
		if l, _ := h.outbox.List(t.Context(), "ada@example.com"); !strings.Contains(l[0].Text, "already have an account") || l[0].To != "ada@example.com" {
			t.Errorf("mail %+v", l[0])
		}
		g2, err := h.redeem(codeOf(t, b.submit(authflow.EnterCode{Code: code}), h.request().State))
		must(t, err)
		if g2.User.ID != g.User.ID || g2.AuthenticationMethod != identity.MethodMagicAuth {
			t.Errorf("%+v", g2)
		}
		c := &browser{h: h}
		c.begin(h.request())
		if s := c.submit(authflow.EnterPassword{Email: "ada@example.com", Password: "some other password"}); problem(s) != "invalid_credentials" {
			t.Error("the password was replaced by whoever signed up")
		}
	})
}

func TestFlowUnverifiedUserProvesTheAddressFirst(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		hash, err := cheap().Hash(t.Context(), goodPassword)
		must(t, err)
		u, err := h.ids.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "bob@example.com", PasswordHash: hash})
		must(t, err)
		b := &browser{h: h}
		b.begin(h.request())
		step[*authflow.AskCode](t, b.submit(authflow.EnterPassword{Email: "bob@example.com", Password: goodPassword}))
		if s := b.submit(authflow.EnterCode{Code: "12345"}); problem(s) != "code_malformed" {
			t.Errorf("%+v", s)
		}
		g, err := h.redeem(codeOf(t, b.submit(authflow.EnterCode{Code: h.mailedCode("bob@example.com")}), h.request().State))
		must(t, err)
		if g.User.ID != u.ID || !g.User.EmailVerified {
			t.Errorf("%+v", g.User)
		}
	})
}

func TestFlowCodesExpireAndRunOut(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		b := &browser{h: h}
		b.begin(h.request())
		b.submit(authflow.GoTo{Place: authflow.SignUp})
		b.submit(authflow.Register{Email: "ada@example.com", Password: goodPassword})
		code := h.mailedCode("ada@example.com")
		time.Sleep(10 * time.Minute)
		if s := b.submit(authflow.EnterCode{Code: code}); problem(s) != "code_expired" {
			t.Errorf("expired: %+v", s)
		}
		if s := step[*authflow.AskCode](t, b.submit(authflow.SendAgain{})); s.Notice == "" {
			t.Error("no notice")
		}
		fresh := h.mailedCode("ada@example.com")
		wrong := "000000"
		if fresh == wrong {
			wrong = "000001"
		}
		for range 5 {
			if s := b.submit(authflow.EnterCode{Code: wrong}); problem(s) != "code_wrong" {
				t.Errorf("wrong: %+v", s)
			}
		}
		if s := b.submit(authflow.EnterCode{Code: fresh}); problem(s) != "code_used_up" {
			t.Errorf("right after five wrong: %+v", s)
		}
		b.submit(authflow.SendAgain{})
		codeOf(t, b.submit(authflow.EnterCode{Code: h.mailedCode("ada@example.com")}), h.request().State)
	})
}

func TestFlowLocksAnAccountThatIsGuessedAt(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		(&browser{h: h}).signUp("ada@example.com")
		for _, email := range []string{"ada@example.com", "nobody@example.com"} {
			b := &browser{h: h, v: authflow.Visitor{IPAddress: "192.0.2.7"}}
			b.begin(h.request())
			for i := range 10 {
				if s := b.submit(authflow.EnterPassword{Email: email, Password: fmt.Sprint("guess ", i)}); problem(s) != "invalid_credentials" {
					t.Fatalf("guess %d: %+v", i, s)
				}
			}
			s := step[*authflow.AskSignIn](t, b.submit(authflow.EnterPassword{Email: strings.ToUpper(email), Password: goodPassword}))
			if s.Problem == nil || s.Problem.Code != "too_many_attempts" || s.Problem.Retry <= 0 {
				t.Errorf("%s after ten: %+v", email, s.Problem)
			}
		}
		time.Sleep(31 * time.Second)
		b := &browser{h: h}
		b.begin(h.request())
		codeOf(t, b.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}), h.request().State)
	})
}

func TestFlowAttemptBelongsToItsBrowser(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		(&browser{h: h}).signUp("ada@example.com")
		attacker := &browser{h: h}
		attacker.begin(h.request())
		victim := &browser{h: h, attempt: attacker.attempt}
		if s := step[*authflow.Over](t, victim.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword})); s.Reason != authflow.OverOtherBrowser {
			t.Errorf("%+v", s)
		}
		victim.begin(h.request())
		victim.attempt = attacker.attempt
		if s, err := h.flow.Step(t.Context(), victim.v, victim.attempt); err != nil || step[*authflow.Over](t, s).Reason != authflow.OverOtherBrowser {
			t.Errorf("%+v %v", s, err)
		}
		for _, id := range []authflow.AttemptID{"", "attempt_", "attempt_x", "../../x", authflow.AttemptID(identity.NewID("attempt_"))} {
			if s, err := h.flow.Submit(t.Context(), victim.v, id, authflow.SendAgain{}); err != nil || step[*authflow.Over](t, s).Reason != authflow.OverUnknown {
				t.Errorf("%q: %+v %v", id, s, err)
			}
		}
		// A page left open overnight knows the way back.
		time.Sleep(8 * time.Hour)
		if s := step[*authflow.Over](t, attacker.submit(authflow.SendAgain{})); s.Reason != authflow.OverUnknown || s.AppURL != "https://app.example.com/" {
			t.Errorf("%+v", s)
		}
		// A cookie that this house did not set is replaced.
		begun, err := h.flow.Begin(t.Context(), authflow.Visitor{Browser: "planted"}, h.request())
		if err != nil || begun.Browser == "planted" {
			t.Errorf("%+v %v", begun, err)
		}
	})
}

func TestFlowFormSentTwiceEndsInOneCode(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		(&browser{h: h}).signUp("ada@example.com")
		b := &browser{h: h}
		b.begin(h.request())
		var wg sync.WaitGroup
		got := make([]authflow.Step, 4)
		for i := range got {
			wg.Go(func() {
				s, err := h.flow.Submit(t.Context(), b.v, b.attempt, authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword})
				if err != nil {
					t.Error(err)
				}
				got[i] = s
			})
		}
		wg.Wait()
		first := codeOf(t, got[0], h.request().State)
		for _, s := range got[1:] {
			if c := codeOf(t, s, h.request().State); c != first {
				t.Errorf("codes %s and %s", first, c)
			}
		}
		_, err := h.redeem(first)
		must(t, err)
		if s := step[*authflow.Over](t, b.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword})); s.Reason != authflow.OverFinished || s.AppURL == "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestFlowRefusesToRedirectToStrangers(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		for _, uri := range []string{"https://evil.example/callback", "https://app.example.com/callback/", "http://localhost:1@evil.example/", "javascript:alert(1)"} {
			r := h.request()
			r.RedirectURI = uri
			_, err := h.flow.Begin(t.Context(), authflow.Visitor{}, r)
			e, _ := apierr.As(err)
			if e == nil || e.Code != "redirect_uri_not_allowed" || e.Details.(*authflow.RefusedRedirect).URI != uri {
				t.Errorf("%s: %v", uri, err)
			}
		}
		r := h.request()
		r.ClientID = "client_nobody"
		if _, err := h.flow.Begin(t.Context(), authflow.Visitor{}, r); refusal(err) != "plain:unknown_client" {
			t.Errorf("unknown client: %v", err)
		}
		for code, change := range map[string]func(*authflow.AuthorizeRequest){
			"unsupported_response_type":   func(r *authflow.AuthorizeRequest) { r.ResponseType = "token" },
			"invalid_request":             func(r *authflow.AuthorizeRequest) { r.CodeChallengeMethod = "plain" },
			"organization_invalid":        func(r *authflow.AuthorizeRequest) { r.OrganizationID = "org_1" },
			"connection_invalid":          func(r *authflow.AuthorizeRequest) { r.ConnectionID = "conn_1" },
			"connection_strategy_invalid": func(r *authflow.AuthorizeRequest) { r.Provider = "GoogleOAuth" },
		} {
			r := h.request()
			change(&r)
			d := step[*authflow.Done](t, (&browser{h: h}).begin(r))
			u, _ := url.Parse(d.RedirectTo)
			if q := u.Query(); q.Get("error") != code || q.Get("state") != r.State || u.Host != "localhost:5173" || q.Get("error_description") == "" {
				t.Errorf("%s: %s", code, d.RedirectTo)
			}
		}
	})
}

func TestFlowRehashesAtTheNextSignIn(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		old, err := (&authflow.Hasher{Memory: 32, Passes: 1}).Hash(t.Context(), goodPassword)
		must(t, err)
		u, err := h.ids.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@example.com", EmailVerified: true, PasswordHash: old})
		must(t, err)
		b := &browser{h: h}
		b.begin(h.request())
		codeOf(t, b.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}), h.request().State)
		must(t, h.ids.View(t.Context(), func(tx *identity.Tx) error {
			now, err := tx.Password(u.ID)
			if !strings.Contains(now, "m=64,t=1") {
				t.Errorf("hash is %q", now)
			}
			return err
		}))
	})
}

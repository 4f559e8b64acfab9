package authflow_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/passkey"
	"github.com/lentil-dev/lentil/internal/passkey/passkeytest"
)

// origin is where the tests' pages are.
const origin = "https://auth.example.com"

// withPasskeys opens the room of passkeys; the settings must offer them.
func (h *house) withPasskeys() {
	h.t.Helper()
	h.flow.Passkeys = &passkey.Service{Identity: h.ids}
	must(h.t, h.flow.Passkeys.Open(h.t.Context()))
}

// passkeys are settings that offer them.
var passkeys = identity.Settings{SignIn: identity.SignInMethods{Passkeys: true}}

// owner signs somebody in by password and makes a passkey.
func (h *house) owner(email string) (*browser, *passkeytest.Authenticator) {
	h.t.Helper()
	h.passwordUser(email)
	b := h.at(origin)
	ask := step[*authflow.AskPasskey](h.t, b.password(email))
	a := passkeytest.New(origin)
	a.Count = 7
	codeOf(h.t, b.submit(authflow.AddPasskey{Response: a.Create(ask.Options)}), h.request().State)
	return b, a
}

// at is a browser at an origin.
func (h *house) at(origin string) *browser {
	return &browser{h: h, v: authflow.Visitor{Origin: origin}}
}

// asked begins a sign-in and gives what the page's script is told.
func (b *browser) asked() string {
	b.h.t.Helper()
	r := b.h.request()
	r.Prompt = "login"
	return step[*authflow.AskSignIn](b.h.t, b.begin(r)).Passkey
}

func TestFlowPasskeyFromOfferToSignIn(t *testing.T) {
	set := passkeys
	set.MFA, set.AMR = identity.MFAOptional, true
	inHouse(t, set, func(t *testing.T, h *house) {
		h.withPasskeys()
		u := h.passwordUser("ada@example.com")
		b := h.at(origin)
		ask := step[*authflow.AskPasskey](t, b.password("ada@example.com"))
		if strings.Contains(ask.Options, string(u.ID)) || !strings.Contains(ask.Options, `"userVerification":"required"`) {
			t.Errorf("options %s", ask.Options)
		}
		var o struct{ User struct{ ID string } }
		must(t, json.Unmarshal([]byte(ask.Options), &o))
		a := passkeytest.New(origin)
		codeOf(t, b.submit(authflow.AddPasskey{Response: a.Create(ask.Options)}), h.request().State)

		other := h.at(origin)
		g, err := h.redeem(codeOf(t, other.submitAfter(other.asked(), a), h.request().State))
		must(t, err)
		if g.User.ID != u.ID || g.AuthenticationMethod != identity.MethodPasskey {
			t.Errorf("%s by %s", g.User.ID, g.AuthenticationMethod)
		}
		s, err := h.ids.Session(t.Context(), h.env.ID, g.Session)
		must(t, err)
		if s.Method.AuthMethod() != "passkey" {
			t.Error(s.Method)
		}
		if names := h.events(); !slices.Contains(names, "authentication.passkey_succeeded") {
			t.Errorf("%q", names)
		}
		synctest.Wait()
		if l, err := h.outbox.List(t.Context(), "ada@example.com"); err != nil || len(l) != 1 || !strings.Contains(l[0].Subject, "passkey was added") {
			t.Errorf("%v %v", l, err)
		}
	})
}

// submitAfter shows a passkey to the page that asked for it.
func (b *browser) submitAfter(options string, a *passkeytest.Authenticator) authflow.Step {
	return b.submit(authflow.ShowPasskey{Response: a.Get(options)})
}

func TestFlowPasskeyIsBothFactors(t *testing.T) {
	set := passkeys
	set.MFA = identity.MFARequired
	inHouse(t, set, func(t *testing.T, h *house) {
		h.withPasskeys()
		h.passwordUser("ada@example.com")
		b := h.at(origin)
		enroll := step[*authflow.AskEnroll](t, b.password("ada@example.com"))
		step[*authflow.TellRecoveryCodes](t, b.submit(authflow.EnterCode{Code: identity.TOTPCode(enroll.Secret, time.Now())}))
		ask := step[*authflow.AskPasskey](t, b.submit(authflow.Continue{}))
		a := passkeytest.New(origin)
		codeOf(t, b.submit(authflow.AddPasskey{Response: a.Create(ask.Options)}), h.request().State)
		other := h.at(origin)
		codeOf(t, other.submitAfter(other.asked(), a), h.request().State)
	})
}

func TestFlowPasskeyOfferIsDeclinedForTwoWeeks(t *testing.T) {
	inHouse(t, passkeys, func(t *testing.T, h *house) {
		h.withPasskeys()
		h.passwordUser("ada@example.com")
		b := h.at(origin)
		step[*authflow.AskPasskey](t, b.password("ada@example.com"))
		codeOf(t, b.submit(authflow.Continue{}), h.request().State)
		time.Sleep(14*24*time.Hour - time.Minute)
		codeOf(t, h.at(origin).password("ada@example.com"), h.request().State)
		time.Sleep(2 * time.Minute)
		step[*authflow.AskPasskey](t, h.at(origin).password("ada@example.com"))
		// Where browsers know no passkeys, or nobody told where we are, none is offered.
		for _, elsewhere := range []string{"", "http://auth.example.com", "https://192.0.2.1"} {
			codeOf(t, h.at(elsewhere).password("ada@example.com"), h.request().State)
		}
	})
}

func TestFlowPasskeyAttacks(t *testing.T) {
	inHouse(t, passkeys, func(t *testing.T, h *house) {
		h.withPasskeys()
		_, a := h.owner("ada@example.com")
		_, eve := h.owner("eve@example.com")
		refusedBy := func(name string, b *browser, response string) {
			t.Helper()
			s, ok := b.submit(authflow.ShowPasskey{Response: response}).(*authflow.AskSignIn)
			if !ok || s.Problem == nil || s.Problem.Code != "passkey_refused" {
				t.Errorf("%s: %+v", name, s)
			}
		}
		for _, c := range []struct {
			name string
			lie  func(*passkeytest.Authenticator)
		}{
			{"wrong origin", func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example.com" }},
			{"origin of another port", func(a *passkeytest.Authenticator) { a.Origin = origin + ":8443" }},
			{"plain origin", func(a *passkeytest.Authenticator) { a.Origin = "http://auth.example.com" }},
			{"wrong relying party", func(a *passkeytest.Authenticator) { a.RP = "example.com" }},
			{"user not verified", func(a *passkeytest.Authenticator) { a.Unverified = true }},
			{"made-up challenge", func(a *passkeytest.Authenticator) { a.Challenge = "bm90IHRoZSBjaGFsbGVuZ2UgYXQgYWxs" }},
			{"other user's credential id", func(a *passkeytest.Authenticator) { a.ID = eve.ID }},
			{"other user's handle", func(a *passkeytest.Authenticator) { a.Handle = eve.Handle }},
			{"other user's id and handle", func(a *passkeytest.Authenticator) { a.ID, a.Handle = eve.ID, eve.Handle }},
			{"no handle", func(a *passkeytest.Authenticator) { a.Handle = nil }},
			{"counter stands still", func(a *passkeytest.Authenticator) { a.Step = 0 }},
			{"unknown credential", func(a *passkeytest.Authenticator) { a.ID = []byte("nobody has seen me") }},
		} {
			b, liar := h.at(origin), *a
			options := b.asked()
			c.lie(&liar)
			refusedBy(c.name, b, liar.Get(options))
		}
		for _, garbage := range []string{"", "{}", "null", strings.Repeat("[", 9000), `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`} {
			b := h.at(origin)
			b.asked()
			refusedBy("garbage "+garbage[:min(9, len(garbage))], b, garbage)
		}
		// Another attempt's challenge, and the same one twice, even after a refusal.
		mine, theirs := h.at(origin), h.at(origin)
		options := mine.asked()
		theirs.asked()
		refusedBy("challenge of another attempt", theirs, a.Get(options))
		refusedBy("garbage", mine, "{}")
		refusedBy("used challenge", mine, a.Get(options))
		fresh := step[*authflow.AskSignIn](t, mine.look()).Passkey
		if fresh == options {
			t.Error("the challenge did not change")
		}
		right := a.Get(fresh)
		codeOf(t, mine.submit(authflow.ShowPasskey{Response: right}), h.request().State)
		again := h.at(origin)
		again.asked()
		refusedBy("replay of a sign-in", again, right)
		// Someone else's browser.
		r := h.request()
		r.Prompt = "login"
		stolen := h.at(origin)
		page := step[*authflow.AskSignIn](t, stolen.begin(r)).Passkey
		thief := h.at(origin)
		thief.begin(r)
		thief.attempt = stolen.attempt
		if over, ok := thief.submit(authflow.ShowPasskey{Response: a.Get(page)}).(*authflow.Over); !ok || over.Reason != authflow.OverOtherBrowser {
			t.Error("an attempt went on in another browser")
		}
		failed := 0
		for _, n := range h.events() {
			if n == "authentication.passkey_failed" {
				failed++
			}
		}
		if failed < 10 {
			t.Errorf("%d failures recorded", failed)
		}
	})
}

func TestFlowPasskeyOfAnotherHostOpensNothing(t *testing.T) {
	inHouse(t, passkeys, func(t *testing.T, h *house) {
		h.withPasskeys()
		_, a := h.owner("ada@example.com")
		b := h.at("https://login.example.org")
		options := b.asked()
		a.Origin = "https://login.example.org"
		if got := problem(b.submitAfter(options, a)); got != "passkey_refused" {
			t.Error(got)
		}
	})
}

func TestFlowPasskeyMakingRefusals(t *testing.T) {
	inHouse(t, passkeys, func(t *testing.T, h *house) {
		h.withPasskeys()
		_, taken := h.owner("eve@example.com")
		h.passwordUser("ada@example.com")
		for _, c := range []struct {
			name string
			lie  func(*passkeytest.Authenticator)
		}{
			{"wrong origin", func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example.com" }},
			{"wrong relying party", func(a *passkeytest.Authenticator) { a.RP = "evil.example.com" }},
			{"user not verified", func(a *passkeytest.Authenticator) { a.Unverified = true }},
			{"made-up challenge", func(a *passkeytest.Authenticator) { a.Challenge = "bm90IHRoZSBjaGFsbGVuZ2UgYXQgYWxs" }},
			{"attestation that identifies", func(a *passkeytest.Authenticator) { a.Format = "fido-u2f" }},
			{"unknown attestation", func(a *passkeytest.Authenticator) { a.Format = "lentil" }},
			{"packed without a statement", func(a *passkeytest.Authenticator) { a.Format = "packed" }},
			{"another user's", func(a *passkeytest.Authenticator) { a.ID = taken.ID }},
		} {
			b, a := h.at(origin), passkeytest.New(origin)
			ask := step[*authflow.AskPasskey](t, b.password("ada@example.com"))
			c.lie(a)
			s, ok := b.submit(authflow.AddPasskey{Response: a.Create(ask.Options)}).(*authflow.AskPasskey)
			if !ok || s.Problem == nil || s.Problem.Code != "passkey_refused" {
				t.Errorf("%s: %+v", c.name, s)
			}
		}
	})
}

package authflow_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// help is who acts as users in the tests.
func help(u *identity.User) authflow.NewImpersonation {
	return authflow.NewImpersonation{User: u.ID, Email: "help@example.com", Reason: "ticket 7"}
}

func TestFlowImpersonationLastsAnHour(t *testing.T) {
	inHouse(t, identity.Settings{InitiateLoginURI: "https://app.example.com/login", ImpersonationNotice: true}, func(t *testing.T, h *house) {
		u := h.passwordUser("ada@example.com")
		_, secret, err := h.flow.NewImpersonation(t.Context(), h.env.ID, help(u))
		must(t, err)
		for range 2 { // looking uses nothing up
			page, err := h.flow.Impersonation(t.Context(), secret)
			must(t, err)
			if page.UserEmail != u.Email || page.Reason != "ticket 7" || page.Email != "help@example.com" {
				t.Fatalf("%+v", page)
			}
		}
		begun, err := h.flow.Impersonate(t.Context(), authflow.Visitor{}, secret)
		must(t, err)
		if to := step[*authflow.Done](t, begun.Step); to.RedirectTo != "https://app.example.com/login" || to.SSO != "" {
			t.Errorf("to %s", to.RedirectTo)
		}
		if _, err := h.flow.Impersonate(t.Context(), authflow.Visitor{}, secret); apierr.KindOf(err) != apierr.NotFound {
			t.Error("the address works twice:", err)
		}
		// Not in another browser.
		step[*authflow.AskSignIn](t, (&browser{h: h}).begin(h.request()))
		b := &browser{h: h, v: authflow.Visitor{Browser: begun.Browser}}
		own := h.request()
		own.Own, own.RedirectURI = true, "https://auth.example.com/account/client_1"
		step[*authflow.AskSignIn](t, b.begin(own)) // and the account page is not theirs
		g, err := h.redeem(codeOf(t, b.begin(h.request()), h.request().State))
		must(t, err)
		if g.User.ID != u.ID || g.AuthenticationMethod != identity.MethodImpersonation || g.Impersonator == nil || g.Impersonator.Reason != "ticket 7" {
			t.Errorf("%+v", g)
		}
		if act, _ := claimsOf(t, g.AccessToken)["act"].(map[string]any); act["sub"] != "help@example.com" {
			t.Errorf("act %v", act)
		}
		if now, err := h.ids.User(t.Context(), h.env.ID, u.ID); err != nil || !now.LastSignIn.IsZero() {
			t.Error("acting as somebody is no sign-in of theirs", now.LastSignIn, err)
		}
		// The pages are not signed in, and it worked once.
		step[*authflow.AskSignIn](t, b.begin(h.request()))
		synctest.Wait()
		if l, err := h.outbox.List(t.Context(), "ada@example.com"); err != nil || len(l) != 1 || !strings.Contains(l[0].Subject, "looked at") {
			t.Errorf("%v %v", l, err)
		}
		time.Sleep(59 * time.Minute)
		r, err := h.refresh(g.RefreshToken)
		must(t, err)
		if exp, _ := claimsOf(t, r.AccessToken)["exp"].(float64); time.Unix(int64(exp), 0).After(time.Now().Add(61 * time.Second)) {
			t.Error("the token outlives the hour")
		}
		time.Sleep(61 * time.Second)
		if _, err := h.refresh(r.RefreshToken); refusal(err) == "" {
			t.Error("refreshed after an hour")
		}
		if !slices.Contains(h.events(), "session.created") {
			t.Error("no event")
		}
	})
}

func TestFlowImpersonationWithoutAnInitiateLoginURI(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		u := h.passwordUser("ada@example.com")
		_, secret, err := h.flow.NewImpersonation(t.Context(), h.env.ID, help(u))
		must(t, err)
		begun, err := h.flow.Impersonate(t.Context(), authflow.Visitor{}, secret)
		must(t, err)
		to, err := url.Parse(step[*authflow.Done](t, begun.Step).RedirectTo)
		must(t, err)
		g, err := h.flow.Redeem(t.Context(), authflow.GrantRequest{Type: authflow.GrantAuthorizationCode, ClientID: string(h.env.ClientID), ClientSecret: h.secret, Code: to.Query().Get("code")})
		must(t, err)
		if g.Impersonator == nil || g.Impersonator.Email != "help@example.com" {
			t.Errorf("%+v", g)
		}
		_, late, err := h.flow.NewImpersonation(t.Context(), h.env.ID, help(u))
		must(t, err)
		time.Sleep(11 * time.Minute)
		if _, err := h.flow.Impersonate(t.Context(), authflow.Visitor{}, late); apierr.KindOf(err) != apierr.NotFound {
			t.Error("after ten minutes:", err)
		}
		l, err := h.flow.Impersonations(t.Context(), h.env.ID, identity.Page{})
		must(t, err)
		if len(l.Data) != 2 || !l.Data[0].Used.IsZero() || l.Data[1].Used.IsZero() {
			t.Errorf("%+v", l.Data)
		}
	})
}

func TestFlowImpersonationRefusals(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		u := h.passwordUser("ada@example.com")
		for name, change := range map[string]func(*authflow.NewImpersonation){
			"no reason":       func(n *authflow.NewImpersonation) { n.Reason = "  " },
			"long reason":     func(n *authflow.NewImpersonation) { n.Reason = strings.Repeat("x", 501) },
			"no address":      func(n *authflow.NewImpersonation) { n.Email = "me" },
			"unknown user":    func(n *authflow.NewImpersonation) { n.User = "user_01J0000000000000000000000A" },
			"no member there": func(n *authflow.NewImpersonation) { n.Organization = "org_01J0000000000000000000000A" },
		} {
			n := help(u)
			change(&n)
			if _, _, err := h.flow.NewImpersonation(t.Context(), h.env.ID, n); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		_, secret, err := h.flow.NewImpersonation(t.Context(), h.env.ID, help(u))
		must(t, err)
		_, err = h.ids.ChangeSettings(t.Context(), h.env.ID, func(s *identity.Settings) { s.ImpersonationOff = true })
		must(t, err)
		if _, err := h.flow.Impersonate(t.Context(), authflow.Visitor{}, secret); err == nil {
			t.Error("switched off meanwhile, and yet it went on")
		}
		if _, _, err := h.flow.NewImpersonation(t.Context(), h.env.ID, help(u)); apierr.KindOf(err) != apierr.Forbidden {
			t.Error(err)
		}
	})
}

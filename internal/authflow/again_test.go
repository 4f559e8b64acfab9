package authflow_test

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

func TestFlowSignInEndsTheBrowsersFormerOne(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		h.passwordUser("ada@example.com")
		h.passwordUser("eve@example.com")
		b := &browser{h: h}
		codeOf(t, b.password("ada@example.com"), h.request().State)
		former := b.v.SSO
		b.v.Cookie = func(name string) string {
			if name == authflow.SSOCookie(h.env.ClientID) {
				return former
			}
			return ""
		}
		b.v.SSO = "" // an answer to an attempt does not know its client's cookie before
		codeOf(t, b.password("eve@example.com"), h.request().State)
		thief := &browser{h: h, v: authflow.Visitor{SSO: former}}
		step[*authflow.AskSignIn](t, thief.begin(h.request()))
	})
}

func TestFlowTellsAgainFromAnew(t *testing.T) {
	inHouse(t, identity.Settings{HomepageURL: "https://app.example.com"}, func(t *testing.T, h *house) {
		h.passwordUser("ada@example.com")
		h.passwordUser("eve@example.com")
		count := func() (n int) {
			for _, name := range h.events() {
				if name == "authentication.reauthentication_succeeded" {
					n++
				}
			}
			return n
		}
		b := &browser{h: h}
		codeOf(t, b.password("ada@example.com"), h.request().State)
		if n := count(); n != 0 {
			t.Errorf("%d reauthentications after the first sign-in", n)
		}
		codeOf(t, b.password("ada@example.com"), h.request().State) // prompt=login
		if n := count(); n != 1 {
			t.Errorf("%d reauthentications after the second", n)
		}
		codeOf(t, b.password("eve@example.com"), h.request().State)
		if n := count(); n != 1 {
			t.Errorf("%d reauthentications after somebody else's", n)
		}
		// An attempt that nobody knows any more still leads somewhere.
		b.attempt = "attempt_01J00000000000000000000000"
		if over := step[*authflow.Over](t, b.look()); over.AppURL != "https://app.example.com" {
			t.Errorf("leads to %q", over.AppURL)
		}
	})
}

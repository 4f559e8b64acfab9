package authflow_test

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

func TestFlowMagicCodeSignsInAndUp(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		b := &browser{h: h}
		step[*authflow.AskSignIn](t, b.begin(h.request()))
		c := step[*authflow.AskCode](t, b.submit(authflow.AskForCode{Email: "Ada@Example.com"}))
		if c.For != authflow.CodeForSignIn {
			t.Errorf("code is for %s", c.For)
		}
		right := h.mailedCode("Ada@Example.com")
		wrong := "000000"
		if right == wrong {
			wrong = "111111"
		}
		if got := problem(b.submit(authflow.EnterCode{Code: wrong})); got != "code_wrong" {
			t.Errorf("wrong code: %q", got)
		}
		g, err := h.redeem(codeOf(t, b.submit(authflow.EnterCode{Code: right}), h.request().State))
		must(t, err)
		if g.AuthenticationMethod != identity.MethodMagicAuth || !g.User.EmailVerified {
			t.Errorf("signed up by %s, verified %v", g.AuthenticationMethod, g.User.EmailVerified)
		}
		// A second time it is the same person.
		other := &browser{h: h}
		other.begin(h.request())
		other.submit(authflow.AskForCode{Email: "ada@example.com"})
		again, err := h.redeem(codeOf(t, other.submit(authflow.EnterCode{Code: h.mailedCode("Ada@Example.com")}), h.request().State))
		must(t, err)
		if again.User.ID != g.User.ID {
			t.Error("the second sign-in made another account")
		}
	})
}

func TestFlowMagicCodeToAnUnprovenAddressDropsThePassword(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		hash, err := h.flow.Hasher.Hash(t.Context(), "chosen by a stranger")
		must(t, err)
		u, err := h.ids.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@example.com", PasswordHash: hash})
		must(t, err)
		b := &browser{h: h}
		b.begin(h.request())
		b.submit(authflow.AskForCode{Email: "ada@example.com"})
		g, err := h.redeem(codeOf(t, b.submit(authflow.EnterCode{Code: h.mailedCode("ada@example.com")}), h.request().State))
		must(t, err)
		if g.User.ID != u.ID || !g.User.EmailVerified {
			t.Errorf("signed in as %s, verified %v", g.User.ID, g.User.EmailVerified)
		}
		stranger := &browser{h: h}
		stranger.begin(h.request())
		if got := problem(stranger.submit(authflow.EnterPassword{Email: "ada@example.com", Password: "chosen by a stranger"})); got != "invalid_credentials" {
			t.Errorf("the stranger's password: %q", got)
		}
	})
}

func TestFlowMagicCodeSaysNothingOfAccounts(t *testing.T) {
	inHouse(t, identity.Settings{SignUpDisabled: true}, func(t *testing.T, h *house) {
		_, err := h.ids.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@example.com", EmailVerified: true})
		must(t, err)
		var seen [2]authflow.AskCode
		for i, email := range []string{"ada@example.com", "bob@example.com"} {
			b := &browser{h: h}
			b.begin(h.request())
			seen[i] = *step[*authflow.AskCode](t, b.submit(authflow.AskForCode{Email: email}))
			seen[i].Attempt, seen[i].Email = "", ""
		}
		if seen[0].For != seen[1].For || seen[0].Problem != seen[1].Problem || seen[0].Notice != seen[1].Notice {
			t.Errorf("the pages differ: %+v and %+v", seen[0], seen[1])
		}
		if h.mailedCode("ada@example.com") == "" || h.mailedCode("bob@example.com") != "" {
			t.Error("the mail went to the wrong people")
		}
	})
}

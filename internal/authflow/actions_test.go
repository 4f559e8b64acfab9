package authflow_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// judge decides about registrations and sign-ins.
type judge struct {
	asked []webhook.ActionKind
	told  []webhook.ActionContext
	deny  map[webhook.ActionKind]string // and what it says
}

// Asks is true.
func (*judge) Asks(*identity.Tx, identity.EnvironmentID, webhook.ActionKind) (bool, error) {
	return true, nil
}

// Action decides.
func (j *judge) Action(_ context.Context, _ *identity.Environment, k webhook.ActionKind, c webhook.ActionContext) (webhook.Verdict, error) {
	j.asked, j.told = append(j.asked, k), append(j.told, c)
	says, no := j.deny[k]
	return webhook.Verdict{Denied: no, Message: says}, nil
}

func TestActionsMayRefuseARegistration(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		j := &judge{deny: map[webhook.ActionKind]string{webhook.ActionUserRegistration: "Only for cooks."}}
		h.flow.Actions = j
		b := &browser{h: h}
		r := h.request()
		r.ScreenHint = "sign-up"
		b.begin(r)
		b.submit(authflow.Register{Email: "eve@example.com", Password: goodPassword, FirstName: "Eve"})
		s := step[*authflow.AskSignIn](t, b.submit(authflow.EnterCode{Code: h.mailedCode("eve@example.com")}))
		if s.Problem == nil || s.Problem.Code != "access_denied" || s.Problem.Message != "Only for cooks." {
			t.Errorf("%+v", s.Problem)
		}
		if l, err := h.ids.Users(t.Context(), h.env.ID, identity.UserQuery{}); err != nil || len(l.Data) != 0 {
			t.Errorf("%+v %v", l, err)
		}
		if len(j.told) != 1 || j.told[0].Email != "eve@example.com" || j.told[0].FirstName != "Eve" || j.told[0].Method != "Password" {
			t.Errorf("%v %+v", j.asked, j.told)
		}

		*j = judge{}
		g, err := h.redeem(b.signUp("ada@example.com"))
		must(t, err)
		if len(j.asked) != 2 || j.asked[0] != webhook.ActionUserRegistration || j.asked[1] != webhook.ActionAuthentication {
			t.Errorf("asked %v", j.asked)
		}
		if j.told[1].User.ID != g.User.ID {
			t.Errorf("the action saw %s, the user is %s", j.told[1].User.ID, g.User.ID)
		}
		if _, err := h.refresh(g.RefreshToken); err != nil || len(j.asked) != 2 {
			t.Errorf("asked about a refresh: %v %v", j.asked, err)
		}
	})
}

func TestActionsMayRefuseASignIn(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		_, err := h.redeem((&browser{h: h}).signUp("ada@example.com"))
		must(t, err)
		j := &judge{deny: map[webhook.ActionKind]string{webhook.ActionAuthentication: ""}}
		h.flow.Actions = j
		b := &browser{h: h}
		b.begin(h.request())
		s := step[*authflow.AskSignIn](t, b.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}))
		if s.Problem == nil || s.Problem.Code != "access_denied" || s.Problem.Message == "" || b.v.SSO != "" {
			t.Errorf("%+v", s.Problem)
		}
		grant := authflow.GrantRequest{Type: authflow.GrantPassword, ClientID: string(h.env.ClientID), ClientSecret: h.secret, Email: "ada@example.com", Password: goodPassword}
		if _, err := h.flow.Redeem(t.Context(), grant); refusal(err) != "oauth:access_denied" {
			t.Errorf("grant: %v", err)
		}
		l, err := h.ids.Events(t.Context(), h.env.ID, []string{"session.created"}, identity.Page{})
		must(t, err)
		if len(l.Data) != 1 {
			t.Errorf("%d sessions were made", len(l.Data))
		}
		j.deny = nil
		if _, err := h.flow.Redeem(t.Context(), grant); err != nil {
			t.Errorf("grant: %v", err)
		}
		step[*authflow.Done](t, b.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}))
		if len(j.asked) != 4 {
			t.Errorf("asked %v", j.asked)
		}

		// A browser that is signed in is asked about as well.
		step[*authflow.Done](t, b.begin(h.request()))
		j.deny = map[webhook.ActionKind]string{webhook.ActionAuthentication: "Not today."}
		back := step[*authflow.AskSignIn](t, b.begin(h.request()))
		if back.Problem == nil || back.Problem.Code != "access_denied" || back.Problem.Message != "Not today." || len(j.asked) != 6 {
			t.Errorf("%+v after %v", back.Problem, j.asked)
		}
		r := h.request()
		r.Prompt = "none"
		if d := step[*authflow.Done](t, b.begin(r)); !strings.Contains(d.RedirectTo, "error=access_denied") {
			t.Errorf("%s", d.RedirectTo)
		}
	})
}

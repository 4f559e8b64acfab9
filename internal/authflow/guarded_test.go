package authflow_test

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/radar"
)

func TestListsKeepPeopleOut(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		r := &radar.Service{Identity: h.ids}
		must(t, r.Open(t.Context()))
		j := &judge{}
		h.flow.Actions = authflow.Guarded{Radar: r, Next: j}
		_, err := h.redeem((&browser{h: h}).signUp("ada@example.com"))
		must(t, err)
		asked := len(j.asked)
		grant := authflow.GrantRequest{Type: authflow.GrantPassword, ClientID: string(h.env.ClientID), ClientSecret: h.secret, Email: "ada@example.com",
			Password: goodPassword, IPAddress: "198.51.100.7", UserAgent: "Robot/1"}
		list := func(k radar.Kind, a radar.Action, entry string) {
			t.Helper()
			_, err := r.Add(t.Context(), h.env.ID, k, a, entry)
			must(t, err)
		}
		list(radar.Domain, radar.Block, "example.com")
		b := &browser{h: h}
		b.begin(h.request())
		s := step[*authflow.AskSignIn](t, b.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}))
		if s.Problem == nil || s.Problem.Code != "access_denied" || b.v.SSO != "" {
			t.Errorf("on the page: %+v", s.Problem)
		}
		if _, err := h.flow.Redeem(t.Context(), grant); refusal(err) != "oauth:access_denied" {
			t.Errorf("by grant: %v", err)
		}
		if len(j.asked) != asked {
			t.Error("an action was asked about somebody who is kept out")
		}
		list(radar.Email, radar.Allow, "Ada@Example.com")
		if _, err := h.flow.Redeem(t.Context(), grant); err != nil {
			t.Errorf("allowed: %v", err)
		}
		must(t, r.Remove(t.Context(), h.env.ID, radar.Email, radar.Allow, "ada@example.com"))
		must(t, r.Remove(t.Context(), h.env.ID, radar.Domain, radar.Block, "example.com"))
		for _, entry := range []struct {
			kind  radar.Kind
			entry string
		}{{radar.IPAddress, "198.51.100.0/24"}, {radar.UserAgent, "Robot/1"}} {
			list(entry.kind, radar.Block, entry.entry)
			if _, err := h.flow.Redeem(t.Context(), grant); refusal(err) != "oauth:access_denied" {
				t.Errorf("by %s: %v", entry.kind, err)
			}
			must(t, r.Remove(t.Context(), h.env.ID, entry.kind, radar.Block, entry.entry))
		}
		if _, err := h.flow.Redeem(t.Context(), grant); err != nil {
			t.Errorf("in the end: %v", err)
		}
		l, err := h.ids.Events(t.Context(), h.env.ID, []string{"authentication.radar_risk_detected"}, identity.Page{})
		must(t, err)
		if len(l.Data) != 4 {
			t.Errorf("%d events tell of it, wanted 4", len(l.Data))
		}
	})
}

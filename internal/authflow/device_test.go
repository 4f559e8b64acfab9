package authflow_test

import (
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// poll asks for a device.
func (h *house) poll(code string) (*authflow.Grant, string) {
	g, err := h.flow.Redeem(h.t.Context(), authflow.GrantRequest{Type: authflow.GrantDeviceCode, ClientID: string(h.env.ClientID), DeviceCode: code})
	if err != nil {
		return nil, refusal(err)
	}
	return g, "granted"
}

func TestDevicePollsAtItsPace(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		d, err := h.flow.AuthorizeDevice(t.Context(), h.env.ClientID, "10.0.0.1")
		must(t, err)
		other, err := h.ids.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
		must(t, err)
		if _, err := h.flow.Redeem(t.Context(), authflow.GrantRequest{Type: authflow.GrantDeviceCode, ClientID: string(other.ClientID), DeviceCode: d.DeviceCode}); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("another client: %v", err)
		}
		for _, c := range []struct {
			wait time.Duration
			want string
		}{
			{0, "oauth:authorization_pending"}, {5 * time.Second, "oauth:authorization_pending"}, {4 * time.Second, "oauth:slow_down"},
			{6 * time.Second, "oauth:slow_down"}, {15 * time.Second, "oauth:authorization_pending"}, {5 * time.Minute, "oauth:expired_token"},
		} {
			time.Sleep(c.wait)
			if _, got := h.poll(d.DeviceCode); got != c.want {
				t.Errorf("after %v: %s, not %s", c.wait, got, c.want)
			}
		}
		out, problem, err := h.flow.EnterDevice(t.Context(), authflow.Visitor{}, func(identity.ClientID) string { return "" }, d.UserCode)
		must(t, err)
		if problem == nil || out.Attempt != "" {
			t.Errorf("an expired code: %+v", out)
		}
	})
}

// TestDeviceIsAnsweredOnce checks that the page cannot answer late, or twice, and that
// the person behind the code may change.
func TestDeviceIsAnsweredOnce(t *testing.T) {
	inHouse(t, identity.Settings{AMR: true}, func(t *testing.T, h *house) {
		ada := h.user(t, "ada@example.com", true)
		h.user(t, "bob@example.com", true)
		h.member(t, ada, "Acme")
		beta := h.member(t, ada, "Beta")
		d, err := h.flow.AuthorizeDevice(t.Context(), h.env.ClientID, "10.0.0.1")
		must(t, err)
		enter := func() *browser {
			b := &browser{h: h}
			out, problem, err := h.flow.EnterDevice(t.Context(), b.v, func(identity.ClientID) string { return "" }, d.UserCode)
			must(t, err)
			if problem != nil {
				t.Fatal(problem)
			}
			b.v.Browser, b.attempt = out.Browser, out.Attempt
			return b
		}
		one, two := enter(), enter()
		step[*authflow.AskDevice](t, one.submit(authflow.EnterPassword{Email: "bob@example.com", Password: goodPassword}))
		one.submit(authflow.GoTo{Place: authflow.SignIn})
		one.submit(authflow.AllowDevice{}) // which does not fit the page
		if _, got := h.poll(d.DeviceCode); got != "oauth:authorization_pending" {
			t.Fatal(got)
		}
		step[*authflow.AskOrganization](t, one.submit(authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword}))
		if s := step[*authflow.AskDevice](t, one.submit(authflow.ChooseOrganization{Organization: beta})); s.Email != "ada@example.com" || s.UserCode != d.UserCode {
			t.Errorf("%+v", s)
		}
		step[*authflow.AskDevice](t, two.submit(authflow.EnterPassword{Email: "bob@example.com", Password: goodPassword}))
		if s := step[*authflow.TellDevice](t, one.submit(authflow.AllowDevice{})); s.Outcome != authflow.DeviceAllowed {
			t.Errorf("%+v", s)
		}
		if s := step[*authflow.TellDevice](t, two.submit(authflow.AllowDevice{})); s.Outcome != authflow.DeviceGone {
			t.Errorf("the second answer: %+v", s)
		}
		if s := step[*authflow.TellDevice](t, one.submit(authflow.DenyDevice{})); s.Outcome != authflow.DeviceAllowed {
			t.Errorf("another answer: %+v", s)
		}
		if s := step[*authflow.TellDevice](t, one.submit(authflow.GoTo{Place: authflow.SignIn})); s.Outcome != authflow.DeviceAllowed {
			t.Errorf("back: %+v", s)
		}
		time.Sleep(5 * time.Second)
		g, got := h.poll(d.DeviceCode)
		if got != "granted" || g.User.ID != ada || g.OrganizationID != beta {
			t.Fatalf("%s %+v", got, g)
		}
	})
}

func FuzzUserCode(f *testing.F) {
	f.Add("BCDF-GHJK")
	f.Add(" bcdf ghjk ")
	f.Add("ſ\u212a-\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if code, ok := authflow.ReadUserCode(s); ok && len(code) != 8 {
			t.Errorf("%q is %q", s, code)
		}
	})
}

package authflow_test

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// claimsOf is the payload of an access token.
func claimsOf(t *testing.T, access string) map[string]any {
	t.Helper()
	parts := strings.Split(access, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	var c map[string]any
	must(t, json.Unmarshal(raw, &c))
	if strings.Count(string(raw), `"iss"`) != 1 {
		t.Errorf("claims repeat themselves: %s", raw)
	}
	return c
}

// session begins a session as a grant would, and refreshes it.
func (h *house) session(t *testing.T, n identity.NewSession) *authflow.Grant {
	t.Helper()
	var text string
	given := n
	must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) (err error) {
		n := given // it may run again, and the user of the first time is not there then
		if n.User == "" {
			u, err := tx.CreateUser(h.env.ID, identity.NewUser{Email: "ada@example.com", EmailVerified: true, FirstName: "Ada", Metadata: map[string]string{"tier": "gold"}})
			if err != nil {
				return err
			}
			n.User = u.ID
		}
		n.Authenticated = tx.Now()
		_, text, err = tx.StartSession(h.env, n)
		return err
	}))
	g, err := h.refresh(text)
	must(t, err)
	return g
}

// settings changes the house's environment.
func (h *house) settings(t *testing.T, change func(*identity.Settings)) {
	t.Helper()
	e, err := h.ids.ChangeSettings(t.Context(), h.env.ID, change)
	must(t, err)
	h.env = e
}

func TestClaimsAreFewByDefault(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g := h.session(t, identity.NewSession{Method: identity.MethodPassword})
		c := claimsOf(t, g.AccessToken)
		if !identity.ValidID("", c["jti"].(string)) || c["exp"].(float64)-c["iat"].(float64) != 300 {
			t.Errorf("%v", c)
		}
		auth := c["auth_time"]
		delete(c, "jti")
		delete(c, "exp")
		delete(c, "iat")
		delete(c, "auth_time")
		want := map[string]any{"iss": "https://api.workos.com/user_management/" + string(h.env.ClientID), "sub": string(g.User.ID), "sid": string(g.Session), "client_id": string(h.env.ClientID)}
		if d := cmp.Diff(want, c); d != "" {
			t.Error(d)
		}
		time.Sleep(time.Minute)
		again, err := h.refresh(g.RefreshToken)
		must(t, err)
		c2 := claimsOf(t, again.AccessToken)
		if c2["auth_time"] != auth || c2["jti"] == claimsOf(t, g.AccessToken)["jti"] {
			t.Errorf("auth_time moved or jti did not: %v", c2)
		}
	})
}

func TestClaimsFollowTheSettings(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		n := identity.NewSession{Method: identity.MethodPassword, Second: "otp"}
		g := h.session(t, n)
		n.User = g.User.ID
		for _, c := range []struct {
			name   string
			change func(*identity.Settings)
			claim  string
			want   any
		}{
			{"short issuer", func(s *identity.Settings) { s.IssuerTemplate = "https://api.workos.com/" }, "iss", "https://api.workos.com/"},
			{"and its audience", func(*identity.Settings) {}, "aud", string(h.env.ClientID)},
			{"no audience", func(s *identity.Settings) { s.Audience = identity.AudienceNever }, "aud", nil},
			{"own issuer", func(s *identity.Settings) { s.IssuerTemplate = "https://id.example.com/<clientId>" }, "iss", "https://id.example.com/" + string(h.env.ClientID)},
			{"audience always", func(s *identity.Settings) { s.Audience = identity.AudienceAlways }, "aud", string(h.env.ClientID)},
			{"own domain", func(s *identity.Settings) { s.IssuerTemplate, s.Domain = "", "auth.example.com" }, "iss", "https://auth.example.com/user_management/" + string(h.env.ClientID)},
			{"no amr", func(*identity.Settings) {}, "amr", nil},
			{"amr", func(s *identity.Settings) { s.AMR = true }, "amr", []any{"pwd", "otp", "mfa"}},
		} {
			h.settings(t, c.change)
			if got := claimsOf(t, h.session(t, n).AccessToken)[c.claim]; !cmp.Equal(got, c.want) {
				t.Errorf("%s: %v", c.name, got)
			}
		}
	})
}

func TestClaimsOfAnImpersonator(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g := h.session(t, identity.NewSession{Method: identity.MethodImpersonation, Impersonator: &identity.Impersonator{Email: "admin@example.com", Reason: "ticket 7"}})
		if got := claimsOf(t, g.AccessToken)["act"]; !cmp.Equal(got, map[string]any{"sub": "admin@example.com"}) {
			t.Errorf("act %v", got)
		}
		if g.Impersonator == nil || g.Impersonator.Reason != "ticket 7" {
			t.Errorf("impersonator %v", g.Impersonator)
		}
	})
}

func TestClaimsOfATemplate(t *testing.T) {
	inHouse(t, identity.Settings{Audience: identity.AudienceAlways}, func(t *testing.T, h *house) {
		put := func(content string) {
			t.Helper()
			_, err := h.ids.SetJWTTemplate(t.Context(), h.env.ID, content)
			must(t, err)
		}
		put(`{"email": {{ user.email }}, "name": "{{ user.first_name }} {{ user.last_name || 'Byron' }}", "tier": {{ user.metadata.tier }},
			"org": {{ organization.name }}, "sid": "mine", "permissions": ["all"], "act": {"sub": "me"}, "aud": ["api", "web"], "<": "<&>"}`)
		g := h.session(t, identity.NewSession{Method: identity.MethodPassword})
		c := claimsOf(t, g.AccessToken)
		for name, want := range map[string]any{"email": "ada@example.com", "name": "Ada Byron", "tier": "gold", "org": nil, "sid": string(g.Session),
			"permissions": nil, "act": nil, "aud": []any{"api", "web"}, "<": "<&>"} {
			if !cmp.Equal(c[name], want) {
				t.Errorf("%s is %v", name, c[name])
			}
		}
		// Too large: refused, and the refresh token is not used up.
		put(`{"a": "` + strings.Repeat("x", 4000) + `"}`)
		if _, err := h.refresh(g.RefreshToken); refusal(err) != "oauth:token_too_big" {
			t.Errorf("%v", err)
		}
		put(`{}`)
		g, err := h.refresh(g.RefreshToken)
		must(t, err)
		if _, ok := claimsOf(t, g.AccessToken)["email"]; ok {
			t.Error("the template stays")
		}
	})
}

func TestLargeSessionIsWarnedOf(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		var log strings.Builder
		h.flow.Log = slog.New(slog.NewTextHandler(&log, nil))
		g := h.session(t, identity.NewSession{Method: identity.MethodPassword})
		if log.Len() > 0 {
			t.Errorf("warned of a small one: %s", log.String())
		}
		_, err := h.ids.SetJWTTemplate(t.Context(), h.env.ID, `{"a": "`+strings.Repeat("x", 2500)+`"}`)
		must(t, err)
		for range 3 {
			g, err = h.refresh(g.RefreshToken)
			must(t, err)
		}
		if n := strings.Count(log.String(), "session too large for a cookie"); n != 1 {
			t.Errorf("warned %d times: %s", n, log.String())
		}
	})
}

func TestForeignAPIKeyIsWarnedOfOnce(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		var log strings.Builder
		h.flow.Log = slog.New(slog.NewTextHandler(&log, nil))
		for range 3 {
			_, err := h.flow.Redeem(t.Context(), authflow.GrantRequest{Type: authflow.GrantPassword, ClientID: string(h.env.ClientID),
				ClientSecret: "sk_test_of_elsewhere", Email: "ada@example.com", Password: goodPassword})
			if refusal(err) != "oauth:invalid_client" {
				t.Errorf("%v", err)
			}
		}
		if n := strings.Count(log.String(), "API key was refused"); n != 1 || strings.Contains(log.String(), "sk_test") {
			t.Errorf("warned %d times: %s", n, log.String())
		}
	})
}

// member makes an organization with a role, and the user a member of it.
func (h *house) member(t *testing.T, user identity.UserID, name string) (org identity.OrganizationID) {
	t.Helper()
	must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
		o, err := tx.CreateOrganization(h.env.ID, identity.NewOrganization{Name: name, Metadata: map[string]string{"plan": "gold"}})
		if err != nil {
			return err
		}
		org = o.ID
		if user == "" {
			return nil
		}
		_, err = tx.AddMembership(h.env.ID, identity.NewMembership{User: user, Organization: o.ID, CustomAttributes: map[string]any{"desk": "7b"}})
		return err
	}))
	return org
}

// switchTo refreshes into another organization.
func (h *house) switchTo(t *testing.T, text string, org identity.OrganizationID) (*authflow.Grant, error) {
	return h.flow.Redeem(t.Context(), authflow.GrantRequest{Type: authflow.GrantRefreshToken, ClientID: string(h.env.ClientID), RefreshToken: text, Organization: org})
}

func TestClaimsOfAMember(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g := h.session(t, identity.NewSession{Method: identity.MethodPassword})
		acme, other := h.member(t, g.User.ID, "Acme"), h.member(t, "", "Other")
		for org, want := range map[identity.OrganizationID]string{other: "oauth:organization_membership_not_found", "org_01HXNOTHINGNOTHINGNOTHIN00": "oauth:organization_not_found"} {
			if _, err := h.switchTo(t, g.RefreshToken, org); refusal(err) != want {
				t.Errorf("%s: %v", org, err)
			}
		}
		g, err := h.switchTo(t, g.RefreshToken, acme)
		must(t, err)
		c := claimsOf(t, g.AccessToken)
		for name, want := range map[string]any{"org_id": string(acme), "role": "member", "roles": []any{"member"}, "permissions": []any{}, "entitlements": nil} {
			if !cmp.Equal(c[name], want) {
				t.Errorf("%s is %v", name, c[name])
			}
		}
		if g.OrganizationID != acme {
			t.Errorf("organization %s", g.OrganizationID)
		}
		// Without the parameter the session stays where it is; permissions follow at once.
		must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
			for _, slug := range []string{"posts:write", "posts:read"} {
				if _, err := tx.CreatePermission(h.env.ID, identity.NewPermission{Slug: slug, Name: slug}); err != nil {
					return err
				}
			}
			_, err := tx.UpdateRole(h.env.ID, "", "member", func(r *identity.Role) { r.Permissions = []string{"posts:write", "posts:read"} })
			return err
		}))
		_, err = h.ids.SetEntitlements(t.Context(), h.env.ID, acme, []string{"seats", "audit-logs", "seats"})
		must(t, err)
		_, err = h.ids.SetJWTTemplate(t.Context(), h.env.ID, `{"plan": {{ organization.metadata.plan }}, "desk": "{{ organization_membership.custom_attributes.desk | upcase }}", "as": {{ organization_membership.role.slug }}}`)
		must(t, err)
		g, err = h.refresh(g.RefreshToken)
		must(t, err)
		c = claimsOf(t, g.AccessToken)
		for name, want := range map[string]any{"org_id": string(acme), "permissions": []any{"posts:read", "posts:write"}, "entitlements": []any{"audit-logs", "seats"},
			"plan": "gold", "desk": "7B", "as": "member"} {
			if !cmp.Equal(c[name], want) {
				t.Errorf("%s is %v", name, c[name])
			}
		}
	})
}

// onlySSO wants a connection for one organization.
type onlySSO struct{ org identity.OrganizationID }

func (o *onlySSO) ConnectionsFor(_ *identity.Tx, _ *identity.Environment, org identity.OrganizationID, _ *identity.User) ([]string, error) {
	if org == o.org {
		return []string{"conn_1"}, nil
	}
	return nil, nil
}

func TestSwitchIntoAnOrganizationThatWantsSSO(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g := h.session(t, identity.NewSession{Method: identity.MethodPassword})
		acme := h.member(t, g.User.ID, "Acme")
		h.flow.Rules = &onlySSO{acme}
		_, err := h.switchTo(t, g.RefreshToken, acme)
		e, _ := apierr.As(err)
		if refusal(err) != "oauth:sso_required" || !cmp.Equal(e.Details.(*authflow.Refusal).ConnectionIDs, []string{"conn_1"}) {
			t.Errorf("%v", err)
		}
		// The refusal used nothing up, and who came through the connection stays.
		if _, err := h.refresh(g.RefreshToken); err != nil {
			t.Error(err)
		}
		sso := h.session(t, identity.NewSession{User: g.User.ID, Method: identity.MethodSSO, Organization: acme})
		if _, err := h.switchTo(t, sso.RefreshToken, acme); err != nil {
			t.Error(err)
		}
	})
}

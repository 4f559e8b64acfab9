package authflow_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// retold is what the house would write into a token of a grant's session now.
func (h *house) retold(t *testing.T, g *authflow.Grant) (map[string]any, error) {
	t.Helper()
	raw, err := h.flow.Retell(t.Context(), h.env.ClientID, g.Session)
	if err != nil {
		return nil, err
	}
	var c map[string]any
	must(t, json.Unmarshal(raw, &c))
	for _, name := range []string{"jti", "iat", "exp"} {
		delete(c, name)
	}
	return c, nil
}

func TestRetellIsWhatARenewedTokenSays(t *testing.T) {
	settings := identity.Settings{AMR: true, JWTTemplate: identity.JWTTemplate{Content: `{"mail": "{{user.email}}"}`}}
	inHouse(t, settings, func(t *testing.T, h *house) {
		g := h.session(t, identity.NewSession{Method: identity.MethodPassword})
		time.Sleep(time.Hour)
		got, err := h.retold(t, g)
		must(t, err)
		again, err := h.refresh(g.RefreshToken)
		must(t, err)
		want := claimsOf(t, again.AccessToken)
		for _, name := range []string{"jti", "iat", "exp"} {
			delete(want, name)
		}
		if d := cmp.Diff(want, got); d != "" || got["mail"] != "ada@example.com" {
			t.Error(d, got)
		}
	})
}

func TestRetellEndsWithTheSession(t *testing.T) {
	ends := map[string]func(t *testing.T, h *house, g *authflow.Grant){
		"revoked": func(t *testing.T, h *house, g *authflow.Grant) {
			must(t, h.ids.RevokeSession(t.Context(), h.env.ID, g.Session))
		},
		"inactive": func(t *testing.T, h *house, g *authflow.Grant) { time.Sleep(2 * time.Hour) },
		"user deleted": func(t *testing.T, h *house, g *authflow.Grant) {
			must(t, h.ids.DeleteUser(t.Context(), h.env.ID, g.User.ID))
		},
		"left the organization": func(t *testing.T, h *house, g *authflow.Grant) {
			must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
				m, err := tx.Membership(h.env.ID, g.User.ID, g.OrganizationID)
				if err != nil {
					return err
				}
				return tx.RemoveMembership(h.env.ID, m.ID)
			}))
		},
		"connections end with tokens": func(t *testing.T, h *house, g *authflow.Grant) {
			h.settings(t, func(s *identity.Settings) { s.EndWithToken = true })
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inHouse(t, identity.Settings{InactivityTimeout: time.Hour}, func(t *testing.T, h *house) {
				g := h.session(t, identity.NewSession{Method: identity.MethodPassword})
				g, err := h.switchTo(t, g.RefreshToken, h.member(t, g.User.ID, "Acme"))
				must(t, err)
				if c, err := h.retold(t, g); err != nil || c["org_id"] != string(g.OrganizationID) {
					t.Fatalf("%v %v", c, err)
				}
				end(t, h, g)
				if c, err := h.retold(t, g); apierr.KindOf(err) != apierr.Unauthenticated {
					t.Fatalf("%v %v", c, err)
				}
			})
		})
	}
}

func TestRetellIsNotForImpersonators(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g := h.session(t, identity.NewSession{Method: identity.MethodImpersonation, Impersonator: &identity.Impersonator{Email: "op@example.com", Reason: "help"}})
		if c, err := h.retold(t, g); apierr.KindOf(err) != apierr.Unauthenticated {
			t.Fatalf("%v %v", c, err)
		}
	})
}

func TestRetellIsOfOneEnvironment(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g := h.session(t, identity.NewSession{Method: identity.MethodPassword})
		other, err := h.ids.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other", Kind: identity.Development})
		must(t, err)
		if c, err := h.flow.Retell(t.Context(), other.ClientID, g.Session); apierr.KindOf(err) != apierr.Unauthenticated {
			t.Fatalf("%s %v", c, err)
		}
	})
}

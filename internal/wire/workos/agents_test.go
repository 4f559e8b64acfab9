package workos

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

func TestAgentsAreClaimedAndEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		user, org := h.member("ada@example.com", "Soup")
		register := func(more object) *answer {
			body := object{"organization_id": org}
			for k, v := range more {
				body[k] = v
			}
			return h.call("POST", "/_lentil/v1/agents/registrations", body).want(201)
		}
		validate := func(kind, credential string) bool {
			return h.call("POST", "/agents/credentials/validate", object{"type": kind, "credential": credential}).want(200).at("valid") == true
		}
		made := register(nil)
		id := made.text("registration", "id")
		if !validate("api_key", made.text("api_key")) || !validate("access_token", made.text("access_token")) {
			t.Error("its own credentials are not valid")
		}
		if validate("api_key", made.text("api_key")+"x") || validate("access_token", made.text("access_token")+"x") || validate("access_token", made.text("api_key")) {
			t.Error("other credentials are valid")
		}
		h.call("POST", "/agents/credentials/validate", object{"type": "cookie", "credential": "x"}).want(400)
		if other := h.call("POST", "/agents/credentials/validate", object{"type": "access_token", "credential": made.text("access_token"), "audience": "client_x"}).want(200); string(other.raw) != `{"valid":false,"registration_id":null,"expires_at":null}` {
			t.Errorf("for another audience: %s", other.raw)
		}
		claim := func(token string, email, external string, more object) *answer {
			body := object{"type": "link_external_user", "claim_attempt_token": token, "user": object{"email": email, "external_id": external}}
			for k, v := range more {
				body[k] = v
			}
			return h.call("PATCH", "/agents/claims/attempts", body)
		}
		token := made.text("claim_attempt_token")
		if no := claim("nothing", "ada@example.com", "7", nil).want(400); no.text("code") != "invalid_claim" {
			t.Errorf("no claim: %s", no.raw)
		}
		if no := claim(token, "ada@example.com", "7", object{"organization_id": h.org("Salad")}).want(400); no.text("code") != "invalid_organization" {
			t.Errorf("another organization: %s", no.raw)
		}
		if got := claim(token, "ada@example.com", "7", nil).want(200); got.text("status") != "verified" || got.text("organizations", 0, "id") != string(org) || got.text("user_code") != made.text("user_code") {
			t.Errorf("claimed: %s", got.raw)
		}
		if no := claim(token, "ada@example.com", "7", nil).want(409); no.text("code") != "already_claimed" {
			t.Errorf("twice: %s", no.raw)
		}
		got := h.call("GET", "/agents/registrations/"+id, nil).want(200)
		if got.text("status") != "verified" || got.text("agent_identity", "userland_user_id") != string(user) || got.text("claim", "claim_completion", "claimed_at") == "" {
			t.Errorf("registration: %s", got.raw)
		}
		h.stranger().call("GET", "/agents/registrations/"+id, nil).want(404)
		h.stranger().call("POST", "/_lentil/v1/agents/registrations/"+id+"/revoke", object{}).want(404)

		second := register(object{"login_hint": "bob@example.com", "kind": "service_auth"})
		for code, c := range map[string][2]string{"wrong_account": {"ada@example.com", "7"}, "email_mismatch": {"bob@example.com", "7"}} {
			if no := claim(second.text("claim_attempt_token"), c[0], c[1], nil).want(400); no.text("code") != code {
				t.Errorf("%s: %s", code, no.raw)
			}
		}
		third := register(nil)
		if no := claim(third.text("claim_attempt_token"), "ada@example.com", "8", nil).want(409); no.text("code") != "email_already_in_use" {
			t.Errorf("another external id: %s", no.raw)
		}
		bob, err := h.Identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "bob@example.com", ExternalID: "bob"})
		check(t, err)
		for _, name := range []string{"One", "Two"} {
			_, err := h.Identity.AddMembership(t.Context(), h.env.ID, identity.NewMembership{User: bob.ID, Organization: h.org(name)})
			check(t, err)
		}
		if no := claim(third.text("claim_attempt_token"), "bob@example.com", "bob", nil).want(409); no.text("code") != "organization_selection_required" || no.size("organizations") != 2 {
			t.Errorf("several: %s", no.raw)
		}
		time.Sleep(61 * time.Minute)
		if no := claim(third.text("claim_attempt_token"), "bob@example.com", "bob", nil).want(410); no.text("code") != "claim_expired" {
			t.Errorf("late: %s", no.raw)
		}
		if validate("access_token", made.text("access_token")) || !validate("api_key", made.text("api_key")) {
			t.Error("an hour later the token is valid, or the key is not")
		}
		h.call("POST", "/_lentil/v1/agents/registrations/"+id+"/revoke", object{}).want(204)
		if validate("api_key", made.text("api_key")) || h.call("GET", "/agents/registrations/"+id, nil).text("status") != "revoked" {
			t.Error("it is valid after all")
		}
		time.Sleep(31 * 24 * time.Hour)
		if validate("api_key", third.text("api_key")) || h.call("GET", "/agents/registrations/"+third.text("registration", "id"), nil).text("status") != "expired" {
			t.Error("it is valid for ever")
		}
	})
}

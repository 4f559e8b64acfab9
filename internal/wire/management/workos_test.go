package management

import (
	"net/http"
	"strings"
	"testing"
)

func TestProvisioningWorkOS(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.post(houseToken, "/v1/teams/create_team", body{"name": "Acme", "defaultRegion": region})
	dev := h.post(houseToken, "/v1/teams/2/create_project", body{"projectName": "Shop", "deploymentType": "dev"}).text("deploymentName")
	has := func() answer {
		return h.post(houseToken, "/api/workos/has_associated_workos_team", body{"deploymentName": dev})
	}
	provision := func(more body) answer {
		b := body{"deploymentName": dev, "environmentType": "nonproduction"}
		for k, v := range more {
			b[k] = v
		}
		return h.ask(houseToken, "POST", "/api/workos/get_or_provision_workos_environment", b)
	}
	if a := has(); a.at("hasAssociatedWorkosTeam") != false || a.at("teamId") != 2.0 {
		t.Errorf("has = %v", a.body)
	}
	h.refusedAs(provision(nil), http.StatusBadRequest, "WorkOSTeamNotProvisioned")
	emails := h.get(houseToken, "/api/workos/available_workos_team_emails")
	email := emails.text("availableEmails", 0)
	if email != "owner+2@lentil.localhost" || emails.text("usedEmails", 0) != "owner@lentil.localhost" {
		t.Errorf("emails = %v", emails.body)
	}
	link := func(email string) answer {
		return h.ask(houseToken, "POST", "/api/workos/provision_associated_workos_team", body{"teamId": 2, "email": email})
	}
	h.refusedAs(link("owner@lentil.localhost"), http.StatusBadRequest, "WorkosAccountAlreadyExistsWithThisEmail")
	h.refusedAs(link("somebody@else.example"), http.StatusBadRequest, "EmailNotVerified")
	if a := h.must(link(email), "provision team"); a.text("adminEmail") != email || a.text("workosTeamName") != "Acme" {
		t.Errorf("team = %v", a.body)
	}
	if a := h.get(houseToken, "/api/teams/2/workos_team_health"); a.at("teamProvisioned") != true || a.text("teamInfo", "productionState") != "active" {
		t.Errorf("health = %v", a.body)
	}
	h.refusedAs(h.ask(houseToken, "GET", "/api/deployments/"+dev+"/workos_environment_health", nil), http.StatusNotFound, "WorkOSEnvironmentNotProvisioned")
	one := h.must(provision(nil), "provision")
	if one.at("newlyProvisioned") != true || !strings.HasPrefix(one.text("apiKey"), "sk_test_") || !strings.HasPrefix(one.text("clientId"), "client_") {
		t.Errorf("environment = %v", one.body)
	}
	again := h.must(provision(nil), "again")
	if again.at("newlyProvisioned") != false || again.text("apiKey") != one.text("apiKey") {
		t.Errorf("again = %v", again.body)
	}
	h.refusedAs(provision(body{"environmentType": "moon"}), http.StatusBadRequest, "InvalidEnvironmentType")
	if a := h.get(houseToken, "/api/deployments/"+dev+"/workos_environment_health"); a.text("clientId") != one.text("clientId") {
		t.Errorf("environment's health = %v", a.body)
	}
	prod := h.post(houseToken, "/api/deployment/authorize_prod", body{"deploymentName": dev}).text("deploymentName")
	live := h.must(provision(body{"deploymentName": prod, "environmentType": "production"}), "production")
	if !strings.HasPrefix(live.text("apiKey"), "sk_live_") || live.text("clientId") == one.text("clientId") {
		t.Errorf("production = %v", live.body)
	}

	// The platform loses its authorization, and gets it back as the guide says.
	h.post(houseToken, "/api/workos/authorize_platform", body{"teamId": 2, "authorized": false})
	no := provision(nil)
	h.refusedAs(no, http.StatusForbidden, "PlatformNotAuthorized")
	if !strings.Contains(no.text("message"), "Platform not authorized") {
		t.Errorf("said %q", no.text("message"))
	}
	h.post(houseToken, "/api/workos/disconnect_workos_team", body{"teamId": 2})
	h.refusedAs(h.ask(houseToken, "POST", "/api/workos/disconnect_workos_team", body{"teamId": 2}), http.StatusBadRequest, "WorkOSTeamNotAssociated")
	h.must(link("owner+3@lentil.localhost"), "another workspace")
	if a := h.must(provision(nil), "cured"); a.text("clientId") != one.text("clientId") {
		t.Errorf("after the cure = %v", a.body)
	}

	if a := h.get(houseToken, "/api/teams/2/workos_invitation_eligible_emails"); a.text("adminEmail") != "owner+3@lentil.localhost" || a.text("eligibleEmails", 0) != "owner@lentil.localhost" {
		t.Errorf("invitable = %v", a.body)
	}
	invite := func(email string) answer {
		return h.ask(houseToken, "POST", "/api/workos/invite_team_member", body{"teamId": 2, "email": email})
	}
	if a := h.must(invite("Owner+4@lentil.localhost"), "invite"); a.text("email") != "owner+4@lentil.localhost" || a.text("roleSlug") == "" || len(h.mails) != 1 || h.mails[0].Team != "Acme" {
		t.Errorf("invite = %v, mails %v", a.body, h.mails)
	}
	h.refusedAs(invite("owner+4@lentil.localhost"), http.StatusConflict, "WorkosUserAlreadyInThisTeam")
	h.refusedAs(invite("owner@lentil.localhost"), http.StatusConflict, "WorkosUserAlreadyInWorkspace")
	h.refusedAs(invite("a@b.c"), http.StatusBadRequest, "EmailNotVerified")

	gone := h.post(houseToken, "/api/workos/delete_environment", body{"deploymentName": dev})
	if gone.text("workosEnvironmentId") != one.text("environmentId") {
		t.Errorf("deleted = %v", gone.body)
	}
	if _, _, err := h.api.Platform.Identity.AuthenticateKey(t.Context(), one.text("apiKey")); err == nil {
		t.Error("the key of an environment that was deleted opens something")
	}
}

func TestEnvironmentsOfAProject(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	const path = "/api/projects/1/workos_environments"
	made := h.post(houseToken, path, body{"environmentName": "staging", "isProduction": nil})
	live := h.post(houseToken, path, body{"environmentName": "live", "isProduction": true})
	if made.text("userEnvironmentName") != "staging" || !strings.HasPrefix(made.text("workosApiKey"), "sk_test_") || !strings.HasPrefix(live.text("workosApiKey"), "sk_live_") {
		t.Fatalf("made %v and %v", made.body, live.body)
	}
	h.refusedAs(h.ask(houseToken, "POST", path, body{"environmentName": "staging"}), http.StatusConflict, "DuplicateEnvironment")
	if list := h.get(houseToken, path); list.text("environments", 0, "workosClientId") != made.text("workosClientId") || list.at("environments", 1, "isProduction") != true {
		t.Errorf("list = %v", list.body)
	}
	if one := h.get(houseToken, path+"/"+live.text("workosClientId")); one.text("workosApiKey") != live.text("workosApiKey") {
		t.Errorf("one = %v", one.body)
	}
	h.post(houseToken, "/api/workos/check_project_environment_health", body{"projectId": 1, "clientId": made.text("workosClientId")})
	for _, e := range []answer{made, live} {
		h.post(houseToken, "/api/workos/delete_project_environment", body{"projectId": 1, "clientId": e.text("workosClientId")})
		if _, _, err := h.api.Platform.Identity.AuthenticateKey(t.Context(), e.text("workosApiKey")); err == nil {
			t.Error("the key of an environment that was deleted opens something")
		}
	}
	no := h.ask(houseToken, "POST", "/api/workos/delete_project_environment", body{"projectId": 1, "clientId": "client_none"})
	h.refusedAs(no, http.StatusNotFound, "WorkOSEnvironmentNotFound")
	if !strings.Contains(no.text("message"), "not found") { // the CLI looks for it
		t.Errorf("said %q", no.text("message"))
	}
}

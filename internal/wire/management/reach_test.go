package management

import (
	"errors"
	"net/http"
	"testing"

	"github.com/lentil-dev/lentil/internal/platform"
)

// TestPreviewKeysReachPreviewsAlone: they lie in the settings of build services, whose
// builds run what anybody proposes.
func TestPreviewKeysReachPreviewsAlone(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	secret := "of production"
	if err := h.api.Platform.SetDefaultVariable(t.Context(), 1, "SECRET", &secret, []platform.Kind{platform.Prod}); err != nil {
		t.Fatal(err)
	}
	env, err := h.api.Platform.CreateProjectEnvironment(t.Context(), 1, "Live", true)
	if err != nil {
		t.Fatal(err)
	}
	key := h.post(houseToken, "/v1/projects/1/create_preview_deploy_key", body{"name": "CI"}).text("previewDeployKey")
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/v1/projects/1/list_default_environment_variables", nil},
		{"GET", "/api/projects/1/workos_environments/" + string(env.Client), nil},
		{"POST", "/api/projects/1/workos_environments", body{"environmentName": "More"}},
		{"POST", "/v1/projects/1/create_deployment", body{"type": "prod", "isDefault": true}},
		{"POST", "/v1/projects/1/create_project_deploy_key", body{"name": "all"}},
		{"POST", "/api/deployment/provision_and_authorize", body{"deploymentType": "prod"}},
		{"POST", "/api/workos/get_or_provision_workos_environment", body{"deploymentName": h.home.Name}},
	} {
		a := h.ask(key, c.method, c.path, c.body)
		if a.status != http.StatusForbidden && a.status != http.StatusNotFound {
			t.Errorf("%s %s: %d %v", c.method, c.path, a.status, a.body)
		}
	}
	if _, err := h.api.Platform.DefaultDeployment(t.Context(), 1, platform.Prod, ""); err == nil {
		t.Error("a key for previews made a production deployment")
	}
	sel := body{"kind": "projectDeployKey", "projectDeployKey": key}
	if a := h.post(key, "/api/claim_preview_deployment", body{"projectSelection": sel, "identifier": "b"}); a.text("adminKey") == "" {
		t.Errorf("what it is for: %v", a.body)
	}
}

// TestKeysMakeNoKeys: one that leaked is of no use after it was revoked.
func TestKeysMakeNoKeys(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	path := "/v1/deployments/" + h.home.Name
	admin, err := h.fleet.AdminKey(h.home.Name)
	if err != nil {
		t.Fatal(err)
	}
	leaked := h.post(houseToken, path+"/create_deploy_key", body{"name": "leaked"}).text("deployKey")
	h.post(houseToken, path+"/create_deploy_key", body{"name": "another"})
	for name, key := range map[string]string{
		"deploy key": leaked, "admin key": admin,
		"project key": h.post(houseToken, "/v1/projects/1/create_project_deploy_key", body{"name": "all"}).text("deployKey"),
	} {
		if a := h.ask(key, "POST", path+"/create_deploy_key", body{"name": name}); a.status != http.StatusForbidden {
			t.Errorf("%s made another: %v", name, a.body)
		}
		if a := h.ask(key, "POST", path+"/delete_deploy_key", body{"id": "another"}); a.status != http.StatusNotFound {
			t.Errorf("%s took another's away: %v", name, a.body)
		}
	}
	if a := h.get(admin, "/v1/token_details"); a.text("type") != "deployKey" {
		t.Errorf("an admin key is told to be %v", a.body)
	}
	h.post(leaked, path+"/delete_deploy_key", body{"id": "leaked"}) // itself it may
}

// TestAProjectThatCannotBeginLeavesNothing: whoever tries again would have a second one.
func TestAProjectThatCannotBeginLeavesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.fleet.full = errors.New("no ports are free")
	shop := body{"projectName": "Shop", "deploymentType": "dev"}
	if a := h.ask(houseToken, "POST", "/v1/teams/1/create_project", shop); a.status != 500 {
		t.Fatalf("%d %v", a.status, a.body)
	}
	h.fleet.full = nil
	if a := h.post(houseToken, "/v1/teams/1/create_project", shop); a.text("slug") != "shop" {
		t.Errorf("tried again: %v", a.body)
	}
}

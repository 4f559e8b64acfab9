package management

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/platform"
)

func TestFirstDevelopmentOfANewProject(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.get(houseToken, "/api/authorize")
	if a := h.post(houseToken, "/api/check_opt_ins", body{}); len(a.at("optInsToAccept").([]any)) != 0 {
		t.Errorf("opt-ins = %v", a.body)
	}
	if a := h.get(houseToken, "/api/has_projects"); a.body != true {
		t.Errorf("has_projects = %v", a.body)
	}
	team := h.get(houseToken, "/api/teams")
	if team.text(0, "slug") != "my-team" || team.text(0, "defaultRegion") == "" || team.at(0, "id") != 1.0 {
		t.Fatalf("teams = %v", team.body)
	}
	made := h.post(houseToken, "/v1/teams/1/create_project", body{"projectName": "The shop", "deploymentType": "dev", "deploymentRegion": region})
	if made.text("slug") != "the-shop" || made.text("deploymentUrl") == "" {
		t.Fatalf("create_project = %v", made.body)
	}
	dev := h.post(houseToken, "/api/deployment/provision_and_authorize", body{"teamSlug": "my-team", "projectSlug": "the-shop", "deploymentType": "dev"})
	name := dev.text("deploymentName")
	if name != made.text("deploymentName") || !strings.HasPrefix(dev.text("adminKey"), "dev:"+name+"|") || dev.text("reference") != "dev/owner" || dev.at("isDefault") != true {
		t.Errorf("provision_and_authorize = %v", dev.body)
	}
	where := h.get(houseToken, "/api/deployment/"+name+"/team_and_project")
	if where.text("team") != "my-team" || where.text("project") != "the-shop" || where.at("projectId") != made.at("projectId") {
		t.Errorf("team_and_project = %v", where.body)
	}
	prod := h.post(houseToken, "/api/deployment/authorize_prod", body{"deploymentName": name})
	again := h.post(houseToken, "/api/deployment/authorize_prod", body{"deploymentName": name})
	if !strings.HasPrefix(prod.text("adminKey"), "prod:") || prod.text("deploymentName") != again.text("deploymentName") || prod.text("deploymentType") != "prod" {
		t.Errorf("authorize_prod = %v, then %v", prod.body, again.body)
	}
	byRef := h.get(houseToken, "/v1/teams/my-team/projects/the-shop/deployment?reference=prod")
	if byRef.text("name") != prod.text("deploymentName") {
		t.Errorf("by reference = %v", byRef.body)
	}
	if a := h.get(houseToken, "/v1/teams/my-team/projects/the-shop/deployment?defaultDev=true"); a.text("name") != name {
		t.Errorf("defaultDev = %v", a.body)
	}
	within := h.post(houseToken, "/api/deployment/authorize_within_current_project",
		body{"selectedDeploymentName": name, "projectSelection": body{"kind": "deploymentName", "deploymentName": prod.text("deploymentName"), "deploymentType": "prod"}})
	if within.text("deploymentName") != name {
		t.Errorf("within = %v", within.body)
	}
	h.refusedAs(h.ask(houseToken, "POST", "/api/deployment/authorize_within_current_project",
		body{"selectedDeploymentName": h.home.Name, "projectSelection": body{"kind": "deploymentName", "deploymentName": name}}), http.StatusBadRequest, "DeploymentNotInProject")
	extra := h.post(houseToken, "/v1/projects/2/create_deployment", body{"type": "dev", "region": nil, "reference": "dev/feature", "isDefault": nil})
	if extra.text("kind") != "cloud" || extra.text("reference") != "dev/feature" || extra.at("isDefault") != false {
		t.Errorf("create_deployment = %v", extra.body)
	}
	if list := h.get(houseToken, "/v1/projects/2/list_deployments"); len(list.at("items").([]any)) != 3 {
		t.Errorf("deployments = %v", list.body)
	}
	p := h.get(houseToken, "/v1/projects/2")
	if p.text("devDeploymentName") != name || p.text("prodDeploymentName") != prod.text("deploymentName") || p.text("teamSlug") != "my-team" {
		t.Errorf("project = %v", p.body)
	}
	h.post(houseToken, "/v1/deployments/"+extra.text("name")+"/delete", body{})
	h.post(houseToken, "/v1/projects/2/delete", body{})
	if len(h.fleet.removed) != 3 {
		t.Errorf("removed = %v", h.fleet.removed)
	}
	h.refusedAs(h.ask(houseToken, "POST", "/v1/projects/1/delete", body{}), http.StatusConflict, "HomeDeployment")
}

func TestPreviewsAreClaimed(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	key := h.post(houseToken, "/v1/projects/1/create_preview_deploy_key", body{"name": "CI"}).text("previewDeployKey")
	if !strings.HasPrefix(key, "preview:my-team:my-project|") {
		t.Fatalf("key = %q", key)
	}
	sel := body{"kind": "teamAndProjectSlugs", "teamSlug": "my-team", "projectSlug": "my-project"}
	claim := func(reuse bool) answer {
		return h.post(key, "/api/claim_preview_deployment", body{"projectSelection": sel, "identifier": "Feature/Log in", "reuse": reuse})
	}
	one := claim(false)
	if one.at("isNewDeployment") != true || one.text("reference") != "preview/feature-log-in" || one.text("instanceUrl") == "" || one.text("adminKey") == "" {
		t.Fatalf("claim = %v", one.body)
	}
	same := claim(true)
	if same.at("isNewDeployment") != false || same.text("deploymentName") != one.text("deploymentName") {
		t.Errorf("claimed again = %v", same.body)
	}
	fresh := claim(false)
	if fresh.at("isNewDeployment") != true || fresh.text("deploymentName") == one.text("deploymentName") || len(h.fleet.removed) != 1 {
		t.Errorf("claimed anew = %v, removed %v", fresh.body, h.fleet.removed)
	}
	found := h.post(houseToken, "/api/deployment/authorize_preview", body{"previewName": "Feature/Log in", "projectSelection": sel})
	if found.text("deploymentName") != fresh.text("deploymentName") || found.text("deploymentType") != "preview" {
		t.Errorf("authorize_preview = %v", found.body)
	}
	h.refusedAs(h.ask(houseToken, "POST", "/api/deployment/authorize_preview", body{"previewName": "other", "projectSelection": sel}), http.StatusNotFound, "PreviewNotFound")
	h.refusedAs(h.ask(key, "POST", "/api/deployment/authorize_prod", body{"deploymentName": h.home.Name}), http.StatusNotFound, "DeploymentNotFound")
	h.refusedAs(h.ask(key, "POST", "/api/claim_preview_deployment", body{"projectSelection": sel, "identifier": strings.Repeat("x", 300)}), http.StatusBadRequest, "InvalidPreviewName")
	if a := h.post("", "/api/deployment/team_and_project_for_key", body{"deployKey": key}); a.text("project") != "my-project" || a.at("reference") != nil {
		t.Errorf("team_and_project_for_key = %v", a.body)
	}
}

func TestKeysOpenWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	path := "/v1/deployments/" + h.home.Name
	key := h.post(houseToken, path+"/create_deploy_key", body{"name": "CI"}).text("deployKey")
	if !strings.HasPrefix(key, "dev:"+h.home.Name+"|") {
		t.Fatalf("key = %q", key)
	}
	h.refusedAs(h.ask(houseToken, "POST", path+"/create_deploy_key", body{"name": "CI"}), http.StatusConflict, "NameTaken")
	h.refusedAs(h.ask(houseToken, "POST", path+"/create_deploy_key", body{"name": strings.Repeat("n", 101)}), http.StatusBadRequest, "InvalidName")
	h.refusedAs(h.ask(houseToken, "POST", path+"/create_deploy_key", body{"name": "late", "expiresAt": 1}), http.StatusBadRequest, "InvalidExpiry")
	if a := h.post(key, "/api/deployment/url_for_key", body{"deployKey": key}); a.body != "https://"+h.home.Name+".convex.example" {
		t.Errorf("url_for_key = %v", a.body)
	}
	if a := h.post(key, "/api/deployment/team_and_project_for_key", body{"deployKey": key}); a.text("team") != "my-team" || a.text("reference") != "dev" || a.at("isDefault") != true {
		t.Errorf("team_and_project_for_key = %v", a.body)
	}
	h.refusedAs(h.ask(key, "POST", "/v1/teams/1/create_project", body{"projectName": "x"}), http.StatusForbidden, "PersonalTokenRequired")
	h.refusedAs(h.ask(key, "GET", path+"x", nil), http.StatusNotFound, "DeploymentNotFound")
	if list := h.get(houseToken, path+"/list_deploy_keys"); list.text(0, "name") != "CI" || list.at(0, "lastUsedTime") == nil {
		t.Errorf("keys = %v", list.body)
	}
	_, bare, _ := strings.Cut(key, "|")
	h.post(houseToken, path+"/delete_deploy_key", body{"id": bare}) // as the CLI sends it
	h.refusedAs(h.ask(key, "POST", "/api/deployment/url_for_key", body{"deployKey": key}), http.StatusUnauthorized, "InvalidAccessToken")
	h.post(houseToken, path+"/create_deploy_key", body{"name": "CI"})
	h.post(houseToken, path+"/delete_deploy_key", body{"id": "CI"})
	h.refusedAs(h.ask(houseToken, "POST", path+"/delete_deploy_key", body{"id": "CI"}), http.StatusNotFound, "AccessTokenNotFound")

	project := h.post(houseToken, "/v1/projects/1/create_project_deploy_key", body{"name": "all"}).text("deployKey")
	dev := h.post(project, "/api/deployment/provision_and_authorize", body{"teamSlug": nil, "projectSlug": nil, "deploymentType": "dev"})
	if dev.text("deploymentName") != h.home.Name {
		t.Errorf("by the project's key = %v", dev.body)
	}
	prod := h.post(project, "/api/deployment/provision_and_authorize", body{"deploymentType": "prod"})
	if prod.text("deploymentType") != "prod" {
		t.Errorf("production by the project's key = %v", prod.body)
	}
	h.post(houseToken, "/v1/teams/1/create_project", body{"projectName": "Other"})
	h.refusedAs(h.ask(project, "GET", "/v1/projects/2", nil), http.StatusNotFound, "ProjectNotFound")
	h.refusedAs(h.ask(project, "GET", "/v1/teams/my-team/projects/other", nil), http.StatusNotFound, "ProjectNotFound")

	mine := h.post(houseToken, "/v1/create_personal_access_token", body{"name": "laptop", "anonymousId": "x"}).text("accessToken")
	if list := h.get(mine, "/v1/list_personal_access_tokens"); list.text("items", 0, "name") != "laptop" {
		t.Errorf("tokens = %v", list.body)
	}
	h.post(mine, "/v1/delete_personal_access_token", body{"id": "laptop"})
	h.refusedAs(h.ask(mine, "GET", "/api/teams", nil), http.StatusUnauthorized, "InvalidAccessToken")
}

func TestStrangersSeeNothing(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.post(houseToken, "/v1/teams/create_team", body{"name": "Acme", "defaultRegion": region})
	acme, err := h.api.Platform.AddOperator(t.Context(), "ann@acme.example", "Ann", 2, platform.Administrator)
	if err != nil {
		t.Fatal(err)
	}
	vera, err := h.api.Platform.AddOperator(t.Context(), "vera@example.com", "Vera", 1, platform.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	ann := h.key(platform.NewCredential{Kind: platform.PersonalToken, Operator: acme.ID})
	viewer := h.key(platform.NewCredential{Kind: platform.PersonalToken, Operator: vera.ID})
	for path, code := range map[string]string{
		"/v1/projects/1": "ProjectNotFound", "/v1/projects/99": "ProjectNotFound", "/v1/projects/x": "ProjectNotFound",
		"/v1/teams/my-team/projects/my-project": "TeamNotFound", "/v1/teams/nope/projects/x": "TeamNotFound",
		"/v1/deployments/" + h.home.Name: "DeploymentNotFound", "/v1/deployments/calm-wren-100": "DeploymentNotFound",
		"/api/deployment/" + h.home.Name + "/team_and_project": "DeploymentNotFound",
		"/api/projects/1/workos_environments":                  "ProjectNotFound",
		"/api/teams/1/workos_team_health":                      "TeamNotFound", "/v1/teams/1/list_members": "TeamNotFound",
		"/api/deployment/local-my_team-my_project/team_and_project": "DeploymentNotFound",
	} {
		h.refusedAs(h.ask(ann, "GET", path, nil), http.StatusNotFound, code)
	}
	if a := h.get(ann, "/api/has_projects"); a.body != false {
		t.Errorf("has_projects = %v", a.body)
	}
	h.get(viewer, "/v1/projects/1")
	dev := body{"teamSlug": "my-team", "projectSlug": "my-project", "deploymentType": "dev"}
	h.refusedAs(h.ask(viewer, "POST", "/api/deployment/provision_and_authorize", dev), http.StatusForbidden, "NotAllowed")
	h.refusedAs(h.ask(ann, "POST", "/api/deployment/provision_and_authorize", dev), http.StatusNotFound, "TeamNotFound")
	h.refusedAs(h.ask(viewer, "GET", "/v1/projects/1/list_default_environment_variables", nil), http.StatusForbidden, "NotAllowed")
	h.refusedAs(h.ask(ann, "POST", "/v1/teams/create_team", body{"name": "Another"}), http.StatusForbidden, "OwnerRequired")
	h.refusedAs(h.ask("", "GET", "/api/teams", nil), http.StatusUnauthorized, "NoAccessToken")
	bad := h.ask("nonsense", "GET", "/api/teams", nil)
	h.refusedAs(bad, http.StatusUnauthorized, "InvalidAccessToken")
	if !strings.Contains(bad.text("message"), "npx convex login") || bad.header.Get("WWW-Authenticate") == "" {
		t.Errorf("a bad token is answered %v", bad.body)
	}
	h.refusedAs(h.ask(houseToken, "GET", "/api/no/such/thing", nil), http.StatusNotImplemented, "UnknownManagementRoute")
	h.refusedAs(h.ask(houseToken, "POST", "/v1/no_such_thing", body{}), http.StatusNotImplemented, "UnknownManagementRoute")
	h.refusedAs(h.ask(houseToken, "GET", "/api/dashboard/teams/1/usage/query?queryId=x", nil), http.StatusNotImplemented, "InsightsNotOffered")
	h.refusedAs(h.ask(houseToken, "POST", "/v1/teams/1/create_project", body{"projectName": strings.Repeat("é", 60)}), http.StatusBadRequest, "InvalidName")
	h.refusedAs(h.ask(houseToken, "POST", "/v1/teams/1/create_project", body{"projectName": 7}), http.StatusBadRequest, "BadJsonBody")
	h.refusedAs(h.ask(houseToken, "POST", "/v1/teams/1/create_project", body{"projectName": strings.Repeat("x", maxBody)}), http.StatusRequestEntityTooLarge, "RequestBodyTooLarge")
}

func TestDefaultVariables(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	set := func(name, kind string, value any) answer {
		return h.ask(houseToken, "POST", "/v1/projects/1/update_default_environment_variables", body{"changes": []body{{"name": name, "deploymentType": kind, "value": value}}})
	}
	h.must(set("REGION", "dev", "earth"), "set")
	h.must(set("REGION", "preview", "earth"), "set")
	h.must(set("REGION", "prod", "moon"), "set")
	list := func(query string) []any {
		return h.get(houseToken, "/v1/projects/1/list_default_environment_variables"+query).at("items").([]any)
	}
	if all := list(""); len(all) != 2 {
		t.Errorf("all = %v", all)
	}
	if prod := list("?deploymentType=prod&name=REGION"); len(prod) != 1 || prod[0].(map[string]any)["value"] != "moon" {
		t.Errorf("prod = %v", prod)
	}
	h.must(set("REGION", "dev", nil), "remove")
	if dev := list("?deploymentType=dev"); len(dev) != 0 {
		t.Errorf("dev = %v", dev)
	}
	if preview := list("?deploymentType=preview"); len(preview) != 1 {
		t.Errorf("preview = %v", preview)
	}
	h.refusedAs(set("1X", "dev", "y"), http.StatusBadRequest, "EnvironmentVariableNameInvalid")
	h.refusedAs(set("X", "dev", strings.Repeat("y", 9000)), http.StatusBadRequest, "EnvironmentVariableValueTooLarge")
	h.refusedAs(set("X", "moon", "y"), http.StatusBadRequest, "InvalidDeploymentType")
}

// TestOlderTools asks as CLIs before 1.40 do.
func TestOlderTools(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	own := h.post("", "/api/authorize", body{"authnToken": houseToken, "deviceName": "laptop"}).text("accessToken")
	h.refusedAs(h.ask("", "POST", "/api/authorize", body{"authnToken": "wrong", "deviceName": "laptop"}), http.StatusUnauthorized, "InvalidAccessToken")
	made := h.post(own, "/api/create_project", body{"team": "my-team", "projectName": "Shop", "deploymentType": "dev"})
	if made.text("projectSlug") != "shop" || made.text("teamSlug") != "my-team" || made.at("projectsRemaining") == nil {
		t.Errorf("create_project = %v", made.body)
	}
	if a := h.get(own, "/api/teams/my-team/projects"); a.text(1, "slug") != "shop" {
		t.Errorf("projects = %v", a.body)
	}
	if a := h.get(own, "/api/teams/my-team/projects/shop/deployments"); a.text(0, "name") != made.text("deploymentName") {
		t.Errorf("deployments = %v", a.body)
	}
	h.get(own, "/api/teams/my-team/projects_remaining")
}

// TestTwoPushesAtOnceMakeOneDeployment begins many at once, as two terminals do.
func TestTwoPushesAtOnceMakeOneDeployment(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.post(houseToken, "/v1/teams/1/create_project", body{"projectName": "Shop"})
	key := h.post(houseToken, "/v1/projects/2/create_preview_deploy_key", body{"name": "CI"}).text("previewDeployKey")
	sel := body{"kind": "teamAndProjectSlugs", "teamSlug": "my-team", "projectSlug": "shop"}
	names := make([][2]string, 8)
	var wg sync.WaitGroup
	for i := range names {
		wg.Go(func() {
			dev := h.ask(houseToken, "POST", "/api/deployment/provision_and_authorize", body{"teamSlug": "my-team", "projectSlug": "shop", "deploymentType": "dev"})
			preview := h.ask(key, "POST", "/api/claim_preview_deployment", body{"projectSelection": sel, "identifier": "branch", "reuse": true})
			names[i] = [2]string{dev.text("deploymentName"), preview.text("deploymentName")}
		})
	}
	wg.Wait()
	for _, n := range names {
		if n != names[0] || n[0] == "" || n[1] == "" {
			t.Errorf("made %v", names)
			break
		}
	}
}

// TestTableIsWhole makes sure that no two rows are the same and that each has what it needs.
func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range Coverage() {
		if p := r.pattern(); seen[p] {
			t.Errorf("%s is there twice", p)
		} else {
			seen[p] = true
		}
		if r.Offered() == (r.Code != "") || !strings.HasPrefix(r.Path, "/api/") && !strings.HasPrefix(r.Path, "/v1/") {
			t.Errorf("odd row %+v", r)
		}
	}
}

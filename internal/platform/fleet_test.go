package platform_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
)

// fleet knows names only; what a real one does is tested where it is.
type fleet struct{ removed []string }

func (f *fleet) Open(context.Context, string) (*deployment.Deployment, error) {
	panic("not opened here")
}
func (f *fleet) Addresses(context.Context, string) (string, string, error) { return "", "", nil }
func (f *fleet) AdminKey(name string) (string, error) {
	return token.AdminKeyOf([]byte("a secret of sixteen bytes or more"), name)
}
func (f *fleet) CheckAdminKey(name, key string) error {
	if k, err := f.AdminKey(name); err != nil || k != key {
		return apierr.New(apierr.Unauthenticated, "BadAdminKey", "no")
	}
	return nil
}
func (f *fleet) Remove(_ context.Context, name string) error {
	f.removed = append(f.removed, name)
	return nil
}

// code is the code of an error.
func code(err error) string {
	if e, ok := apierr.As(err); ok {
		return e.Code
	}
	return ""
}

func TestDeploymentsOfAProject(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	f := &fleet{}
	p.Fleet = f
	home, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	owner, err := p.Owner(ctx)
	if err != nil || home.Creator != owner.ID || !home.Home || home.Reference != "dev" {
		t.Fatalf("home = %+v, owner %+v, %v", home, owner, err)
	}
	prod, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Prod, Default: true})
	if err != nil || prod.Reference != "prod" {
		t.Fatalf("prod = %+v, %v", prod, err)
	}
	if _, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Prod, Default: true}); code(err) != "ProductionExists" {
		t.Errorf("second production: %v", err)
	}
	preview, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Preview, Reference: platform.Reference("preview", "Feature/Log in!")})
	if err != nil || preview.Reference != "preview/feature-log-in" || preview.Expires.IsZero() {
		t.Fatalf("preview = %+v, %v", preview, err)
	}
	if _, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Preview, Reference: preview.Reference}); code(err) != "ReferenceTaken" {
		t.Errorf("second of one reference: %v", err)
	}
	if list, err := p.Expired(ctx, preview.Expires); err != nil || len(list) != 1 || list[0].Name != preview.Name {
		t.Errorf("expired = %+v, %v", list, err)
	}
	_, key, err := p.CreateCredential(ctx, platform.NewCredential{Kind: platform.DeployKey, Name: "CI", Operator: owner.ID, Deployment: preview.Name})
	if err != nil || !strings.HasPrefix(key, "prod:"+preview.Name+"|") {
		t.Fatalf("key %v", err)
	}
	if ok, err := p.CheckDeployKey(ctx, preview.Name, key); !ok || err != nil {
		t.Errorf("key is not known: %v", err)
	}
	if ok, _ := p.CheckDeployKey(ctx, prod.Name, key); ok {
		t.Error("a key opens another deployment")
	}
	if err := p.DeleteDeployment(ctx, preview.Name); err != nil || len(f.removed) != 1 {
		t.Fatalf("delete: %v, removed %v", err, f.removed)
	}
	if _, err := p.Authenticate(ctx, key); code(err) != "InvalidAccessToken" {
		t.Errorf("the key of a deployment that is gone: %v", err)
	}
	if err := p.DeleteDeployment(ctx, home.Name); code(err) != "HomeDeployment" {
		t.Errorf("deleting home: %v", err)
	}
}

func TestEachDeploymentHasItsOwnEnvironment(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	owner, _ := p.Owner(ctx)
	team, err := p.CreateTeam(ctx, "Acme Inc.", owner.ID)
	if err != nil || team.Slug != "acme-inc" {
		t.Fatalf("team = %+v, %v", team, err)
	}
	project, err := p.CreateProject(ctx, team.ID, "Shop")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: project.ID, Kind: platform.Dev, Creator: owner.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.ProvisionEnvironment(ctx, dev.Name); code(err) != "WorkOSTeamNotProvisioned" {
		t.Errorf("without a workspace: %v", err)
	}
	if _, err := p.ProvisionWorkspace(ctx, team.ID, owner.Email); code(err) != "WorkosAccountAlreadyExistsWithThisEmail" {
		t.Errorf("with the first team's address: %v", err)
	}
	if _, err := p.ProvisionWorkspace(ctx, team.ID, "it@acme.example"); err != nil {
		t.Fatal(err)
	}
	one, err := p.ProvisionEnvironment(ctx, dev.Name)
	if err != nil || !one.New || !strings.HasPrefix(one.APIKey, "sk_test_") {
		t.Fatalf("dev's environment = %+v, %v", one, err)
	}
	again, err := p.ProvisionEnvironment(ctx, dev.Name)
	if err != nil || again.New || again.Client != one.Client || again.APIKey != one.APIKey {
		t.Errorf("again = %+v, %v", again, err)
	}
	prod, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: project.ID, Kind: platform.Prod, Default: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.SetDefaultVariable(ctx, project.ID, "REGION", ptr("moon"), []platform.Kind{platform.Prod}); err != nil {
		t.Fatal(err)
	}
	vars, err := p.FirstVariables(ctx, prod)
	if err != nil || vars["REGION"] != "moon" || !strings.HasPrefix(vars["WORKOS_API_KEY"], "sk_live_") || vars["WORKOS_CLIENT_ID"] == string(one.Client) {
		t.Errorf("production begins with %v, %v", vars, err)
	}
	if err := p.AuthorizeWorkspace(ctx, team.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, err := p.ProvisionEnvironment(ctx, dev.Name); err == nil || !strings.Contains(err.Error(), "Platform not authorized") {
		t.Errorf("unauthorized: %v", err)
	}
	if _, err := p.DisconnectWorkspace(ctx, team.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := p.ProvisionWorkspace(ctx, team.ID, "it@acme.example"); err != nil {
		t.Fatal(err)
	}
	if back, err := p.ProvisionEnvironment(ctx, dev.Name); err != nil || back.Client != one.Client {
		t.Errorf("after disconnect and provision: %+v, %v", back, err)
	}
	extra, err := p.CreateProjectEnvironment(ctx, project.ID, "Load tests", false)
	if err != nil {
		t.Fatal(err)
	}
	if env, _, err := p.Identity.AuthenticateKey(ctx, extra.APIKey); err != nil || env.ClientID != extra.Client {
		t.Errorf("the key of a project's environment: %+v, %v", env, err)
	}
	if err := p.DeleteProjectEnvironment(ctx, project.ID, extra.Client); err != nil {
		t.Fatal(err)
	}
	if list, err := p.ProjectEnvironments(ctx, project.ID); err != nil || len(list) != 0 {
		t.Errorf("environments = %v, %v", list, err)
	}
}

func TestResetOfAnEnvironmentLeavesItsDeployment(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	home, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.ProvisionEnvironment(ctx, home.Name)
	if err != nil {
		t.Fatal(err)
	}
	extra, err := p.CreateProjectEnvironment(ctx, home.Project, "Load tests", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []identity.EnvironmentID{e.Environment, extra.Env} {
		if _, err := p.Identity.ResetEnvironment(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := p.Deployment(ctx, home.Name); err != nil || d.Client != e.Client {
		t.Errorf("deployment = %+v, %v", d, err)
	}
	if list, err := p.ProjectEnvironments(ctx, home.Project); err != nil || len(list) != 1 {
		t.Errorf("the project's environments = %v, %v", list, err)
	}
}

func TestWhoMayWhat(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	p.HouseToken = "the token of the house"
	home, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	project, err := p.Project(ctx, home.Project)
	if err != nil {
		t.Fatal(err)
	}
	viewer, err := p.AddOperator(ctx, "Vera@Example.com", "Vera", project.Team, platform.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddOperator(ctx, "nobody", "", project.Team, platform.Viewer); code(err) != "InvalidEmail" {
		t.Errorf("not an address: %v", err)
	}
	text := func(n platform.NewCredential) string {
		t.Helper()
		_, s, err := p.CreateCredential(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	admin, err := p.Fleet.AdminKey(home.Name)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		token                  string
		view, develop, operate bool // the home deployment
		team                   bool // administer the team
	}{
		"house token":  {p.HouseToken, true, true, true, true},
		"viewer":       {text(platform.NewCredential{Kind: platform.PersonalToken, Operator: viewer.ID}), true, false, false, false},
		"project key":  {text(platform.NewCredential{Kind: platform.ProjectKey, Project: project.ID}), true, true, false, false},
		"preview key":  {text(platform.NewCredential{Kind: platform.PreviewKey, Project: project.ID}), false, false, false, false},
		"deploy key":   {text(platform.NewCredential{Kind: platform.DeployKey, Deployment: home.Name}), true, true, true, false},
		"admin key":    {admin, true, true, true, false},
		"dev: and key": {"dev:" + admin, true, true, true, false},
	} {
		a, err := p.Authenticate(ctx, tc.token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for need, want := range map[platform.Role]bool{platform.Viewer: tc.view, platform.Developer: tc.develop, platform.Administrator: tc.operate} {
			if err := p.MayDeployment(ctx, a, home, need); (err == nil) != want {
				t.Errorf("%s as %s of the deployment: %v", name, need, err)
			}
		}
		if err := p.MayTeam(ctx, a, project.Team, platform.Administrator); (err == nil) != tc.team {
			t.Errorf("%s as the team's administrator: %v", name, err)
		}
		if list, err := p.TeamsOf(ctx, a); err != nil || len(list) != 1 {
			t.Errorf("%s sees the teams %v, %v", name, list, err)
		}
	}
	for _, bad := range []string{"", "x", home.Name + "|00", "lentil_" + strings.Repeat("a", 52), "prod:" + strings.Repeat("|", 60)} {
		if _, err := p.Authenticate(ctx, bad); code(err) != "InvalidAccessToken" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	link := text(platform.NewCredential{Kind: platform.LinkToken, Operator: viewer.ID})
	if _, err := p.Authenticate(ctx, link); err == nil {
		t.Error("a link is a token")
	}
	o, session, err := p.UseLink(ctx, link)
	if err != nil || o.ID != viewer.ID || o.Email != "vera@example.com" {
		t.Fatalf("link: %+v, %v", o, err)
	}
	if _, _, err := p.UseLink(ctx, link); code(err) != "LinkUsed" {
		t.Errorf("link twice: %v", err)
	}
	if a, err := p.Authenticate(ctx, session); err != nil || a.Operator.ID != viewer.ID {
		t.Errorf("session: %+v, %v", a, err)
	}
	if err := p.RemoveMember(ctx, project.Team, viewer.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Authenticate(ctx, session); err == nil {
		t.Error("somebody who left is still signed in")
	}
}

func ptr[T any](v T) *T { return &v }

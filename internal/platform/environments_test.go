package platform_test

import (
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
)

func TestResettingAnEnvironmentLeavesTheControlPlane(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	home, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.EnsureDevEnvironment(ctx, home.Name, platform.DevEnvironment{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := p.CreateProjectEnvironment(ctx, home.Project, "Shared", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []identity.EnvironmentID{d.Environment, own.Env} {
		if _, err := p.Identity.ResetEnvironment(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := p.Deployment(ctx, home.Name); err != nil || again.Environment != d.Environment {
		t.Errorf("the deployment is %+v, %v", again, err)
	}
	if _, err := p.ProjectEnvironment(ctx, home.Project, own.Client); err != nil {
		t.Errorf("the project's environment: %v", err)
	}
}

func TestDeletingADeploymentDeletesItsEnvironment(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	home, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	prod, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Prod, Default: true})
	if err != nil {
		t.Fatal(err)
	}
	env, err := p.ProvisionEnvironment(ctx, prod.Name)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Identity.Environment(ctx, env.Environment)
	if err != nil || e.Kind != identity.Production {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := p.DeleteDeployment(ctx, prod.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Identity.Environment(ctx, env.Environment); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("the environment: %v", err)
	}
	if _, _, err := p.Identity.AuthenticateKey(ctx, env.APIKey); apierr.KindOf(err) != apierr.Unauthenticated {
		t.Errorf("its API key: %v", err)
	}
	if _, _, err := p.Identity.JWKS(ctx, env.Client); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("its keys: %v", err)
	}
	if list, err := p.Expired(ctx, time.Now().Add(1000*time.Hour)); err != nil || len(list) != 0 {
		t.Errorf("expired: %v, %v", list, err)
	}
}

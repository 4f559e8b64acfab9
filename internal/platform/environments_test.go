package platform_test

import (
	"strings"
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

func TestProductionDoesNotShareAnEnvironmentWithDevelopment(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	p.Fleet = &fleet{}
	home, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	made := func(kind platform.Kind) (*platform.Deployment, *platform.Provisioned) {
		d, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		e, err := p.ProvisionEnvironment(ctx, d.Name)
		if err != nil {
			t.Fatal(err)
		}
		return d, e
	}
	dev, devEnv := made(platform.Dev)
	prod, prodEnv := made(platform.Prod)
	preview, _ := made(platform.Preview)
	for _, tt := range []struct {
		name, deployment, text, refused string
	}{
		{"dev's id for prod", prod.Name, string(devEnv.Client), "is a production deployment"},
		{"in an address", prod.Name, "https://api.workos.com/sso/jwks/" + string(devEnv.Client), dev.Name},
		{"dev's key for prod", prod.Name, devEnv.APIKey, "an API key"},
		{"prod's id for dev", dev.Name, string(prodEnv.Client), "is no production deployment"},
		{"prod's id for a preview", preview.Name, string(prodEnv.Client), "LENTIL_ALLOW_SHARED_ENVIRONMENT=true"},
		{"dev's id for a preview", preview.Name, string(devEnv.Client), ""},
		{"its own", prod.Name, string(prodEnv.Client), ""},
		{"a foreign one", prod.Name, "client_01HFOREIGN0000000000000000", ""},
		{"a foreign key", prod.Name, "sk_test_a_key_of_somebody_else_0000", ""},
		{"something else", prod.Name, "hello", ""},
	} {
		err := p.GuardEnvironment(ctx, tt.deployment, []string{"first", tt.text})
		if (err == nil) != (tt.refused == "") || err != nil && (code(err) != "SharedWorkOSEnvironment" || !strings.Contains(err.Error(), tt.refused)) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "sk_") {
			t.Errorf("%s: the message holds the key", tt.name)
		}
	}
}

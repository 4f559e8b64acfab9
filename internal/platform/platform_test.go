package platform_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
)

// open assembles the room on a store in memory.
func open(t *testing.T, store persistence.Store) *platform.Service {
	t.Helper()
	ctx := t.Context()
	db, err := database.Open(ctx, database.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		db.Close()
	})
	sealer := token.NewSealer([]byte("a secret of sixteen bytes or more"))
	ids := &identity.Service{DB: db, Sealer: sealer}
	if err := ids.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := &platform.Service{DB: db, Identity: ids, Sealer: sealer}
	if err := p.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEnsureDeploymentKeepsItsName(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	if _, err := p.EnsureDeployment(ctx, "Not A Name"); apierr.KindOf(err) != apierr.BadRequest {
		t.Errorf("odd name: %v", err)
	}
	d, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	if !platform.ValidName(d.Name) || strings.Count(d.Name, "-") != 2 {
		t.Errorf("name = %q", d.Name)
	}
	again, err := p.EnsureDeployment(ctx, "")
	if err != nil || again.Name != d.Name {
		t.Errorf("again: %v, %v", again, err)
	}
	if _, err := p.EnsureDeployment(ctx, "other-name-1"); apierr.KindOf(err) != apierr.Conflict {
		t.Errorf("another name: %v", err)
	}
	want := platform.Ports{Deployment: 3220, Site: 3221, AuthKit: 4110}
	for range 2 {
		if err := p.SavePorts(ctx, d.Name, want); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := p.Deployments(ctx); err != nil || len(list) != 1 || list[0].Ports != want {
		t.Errorf("deployments = %+v, %v", list, err)
	}
}

func TestEnsureDevEnvironmentIsRepeatable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, persistence.NewMemory())
	d, err := p.EnsureDeployment(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	want := platform.DevEnvironment{
		Name:         "shop",
		RedirectURIs: []string{"http://localhost:5173/callback"}, CORSOrigins: []string{"http://localhost:5173"}, HomepageURL: "http://localhost:5173",
		Settings: func(s *identity.Settings) { s.AccessTokenLifetime = 15 * time.Second },
	}
	first, err := p.EnsureDevEnvironment(ctx, d.Name, want)
	if err != nil {
		t.Fatal(err)
	}
	want.RedirectURIs = append(want.RedirectURIs, "http://localhost:5173/other")
	second, err := p.EnsureDevEnvironment(ctx, d.Name, want)
	if err != nil {
		t.Fatal(err)
	}
	if *first != *second || !strings.HasPrefix(first.APIKey, "sk_test_") {
		t.Errorf("first %+v, then %+v", first, second)
	}
	env, _, err := p.Identity.AuthenticateKey(ctx, first.APIKey)
	if err != nil || env.ID != first.Environment || env.ClientID != first.Client || env.Name != "shop" {
		t.Fatalf("environment of the key = %+v, %v", env, err)
	}
	if env.Settings.AccessTokenLifetime != 15*time.Second || env.Settings.HomepageURL != "http://localhost:5173" {
		t.Errorf("settings = %+v", env.Settings)
	}
	for _, uri := range want.RedirectURIs {
		if ok, err := p.Identity.RedirectAllowed(ctx, env, uri); !ok || err != nil {
			t.Errorf("%s: %v, %v", uri, ok, err)
		}
	}
	if ok, err := p.Identity.OriginAllowed(ctx, env.ID, "http://localhost:5173"); !ok || err != nil {
		t.Errorf("origin: %v, %v", ok, err)
	}
}

func TestNewNameIsAlwaysValid(t *testing.T) {
	t.Parallel()
	for range 200 {
		if n := platform.NewName(); !platform.ValidName(n) {
			t.Fatalf("%q is not valid", n)
		}
	}
	for _, n := range []string{"", "-a", "a-", "A", "a b", "a|b", "../x", strings.Repeat("a", 65)} {
		if platform.ValidName(n) {
			t.Errorf("%q passes", n)
		}
	}
}

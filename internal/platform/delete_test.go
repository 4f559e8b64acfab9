package platform_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
)

// removing is a fleet that does something while a deployment's data is removed.
type removing struct {
	fleet
	meanwhile func(name string) error
}

func (f *removing) Remove(ctx context.Context, name string) error {
	if f.meanwhile != nil {
		if err := f.meanwhile(name); err != nil {
			return err
		}
	}
	return f.fleet.Remove(ctx, name)
}

// housed is a house with a home deployment and a fleet.
func housed(t *testing.T) (*platform.Service, *removing, *platform.Deployment) {
	t.Helper()
	p := open(t, persistence.NewMemory())
	f := &removing{}
	p.Fleet = f
	home, err := p.EnsureDeployment(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return p, f, home
}

// TestADeletionIsEndedWhenWhoAskedHasGone: a build that is cancelled while its preview is
// replaced must not leave a branch that can have none.
func TestADeletionIsEndedWhenWhoAskedHasGone(t *testing.T) {
	t.Parallel()
	p, f, home := housed(t)
	n := platform.NewDeployment{Project: home.Project, Kind: platform.Preview, Reference: "preview/login"}
	d, err := p.CreateDeployment(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.ProvisionEnvironment(t.Context(), d.Name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	f.meanwhile = func(string) error {
		leave()
		// The keeper, who finishes what was broken off, must not wait for what is not.
		if left, err := p.Deleting(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("while it is deleted: %v, %v", left, err)
		}
		return nil
	}
	if err := p.DeleteDeployment(ctx, d.Name); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := p.Identity.Environment(t.Context(), e.Environment); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("its environment: %v", err)
	}
	if left, err := p.Deleting(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("half deleted: %v, %v", left, err)
	}
	if _, err := p.CreateDeployment(t.Context(), n); err != nil {
		t.Errorf("the branch's next preview: %v", err)
	}
}

// TestWhatIsGoingKeepsNobodyFromAnother: a deletion that fails is tried again later, and
// until then its place in the project is free.
func TestWhatIsGoingKeepsNobodyFromAnother(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, f, home := housed(t)
	n := platform.NewDeployment{Project: home.Project, Kind: platform.Prod, Default: true}
	d, err := p.CreateDeployment(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	f.meanwhile = func(string) error { return context.DeadlineExceeded }
	if err := p.DeleteDeployment(ctx, d.Name); err == nil {
		t.Fatal("the deletion did not fail")
	}
	next, err := p.CreateDeployment(ctx, n)
	if err != nil || next.Reference != "prod" {
		t.Fatalf("another production deployment: %+v, %v", next, err)
	}
	if err := p.Rename(ctx, d.Name, "gone"); code(err) != "DeploymentNotFound" {
		t.Errorf("rename what is going: %v", err)
	}
	if err := p.SavePorts(ctx, d.Name, platform.Ports{Deployment: 1, Site: 2}); code(err) != "DeploymentNotFound" {
		t.Errorf("change what is going: %v", err)
	}
	f.meanwhile = nil
	if err := p.DeleteDeployment(ctx, d.Name); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := p.Deployment(ctx, next.Name); err != nil {
		t.Errorf("the other: %v", err)
	}
}

// TestNothingIsMadeForWhatIsGoing: an environment that is made while its deployment is
// deleted would have keys that nobody revokes.
func TestNothingIsMadeForWhatIsGoing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, f, home := housed(t)
	d, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Dev})
	if err != nil {
		t.Fatal(err)
	}
	f.meanwhile = func(name string) error {
		if e, err := p.ProvisionEnvironment(ctx, name); code(err) != "DeploymentNotFound" {
			t.Errorf("an environment: %+v, %v", e, err)
		}
		if _, _, err := p.CreateCredential(ctx, platform.NewCredential{Kind: platform.DeployKey, Deployment: name}); code(err) != "DeploymentNotFound" {
			t.Errorf("a key: %v", err)
		}
		return nil
	}
	if err := p.DeleteDeployment(ctx, d.Name); err != nil {
		t.Fatal(err)
	}
	if list, err := p.Identity.Environments(ctx); err != nil || len(list) != 0 {
		t.Errorf("environments left: %v, %v", list, err)
	}
}

func TestMoreTimeKeepsADeploymentThatExpires(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, f, home := housed(t)
	d, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Preview})
	if err != nil {
		t.Fatal(err)
	}
	seen := d.Expires // as the keeper's list has it
	if err := p.ChangeDeployment(ctx, d.Name, func(d *platform.Deployment) { d.Expires = d.Expires.Add(time.Hour) }); err != nil {
		t.Fatal(err)
	}
	if done, err := p.DeleteExpired(ctx, d.Name, seen); done || err != nil || len(f.removed) != 0 {
		t.Errorf("with more time: %v, %v, removed %v", done, err, f.removed)
	}
	if done, err := p.DeleteExpired(ctx, d.Name, seen.Add(time.Hour)); !done || err != nil || len(f.removed) != 1 {
		t.Errorf("when it is over: %v, %v, removed %v", done, err, f.removed)
	}
	if _, err := p.DeleteExpired(ctx, home.Name, seen.Add(1e6*time.Hour)); code(err) != "HomeDeployment" {
		t.Errorf("home: %v", err)
	}
}

// TestNamesAreGivenOnce: the admin key of a deployment is derived from its name, and
// backups tell deployments apart by it.
func TestNamesAreGivenOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, _, home := housed(t)
	n := platform.NewDeployment{Project: home.Project, Kind: platform.Dev, Name: "staging"}
	if _, err := p.CreateDeployment(ctx, n); err != nil {
		t.Fatal(err)
	}
	// What could not be opened has left nothing.
	if err := p.DeleteDeployment(ctx, "staging"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.CreateDeployment(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := p.ChangeDeployment(ctx, "staging", func(d *platform.Deployment) { d.Awake = true }); err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteDeployment(ctx, "staging"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.CreateDeployment(ctx, n); code(err) != "DeploymentNameTaken" {
		t.Errorf("the name again: %v", err)
	}
}

// TestReferencesStayUniqueWhileDeploymentsAreRenamed: pushes find deployments by them.
func TestReferencesStayUniqueWhileDeploymentsAreRenamed(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, _, home := housed(t)
	var names []string
	for range 4 {
		d, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Dev})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, d.Name)
	}
	for round := range 20 {
		wish := fmt.Sprintf("wish-%d", round)
		var wg sync.WaitGroup
		for _, name := range names {
			wg.Go(func() {
				if err := p.Rename(ctx, name, wish); err != nil && code(err) != "ReferenceTaken" {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			_, err := p.CreateDeployment(ctx, platform.NewDeployment{Project: home.Project, Kind: platform.Dev, Reference: wish})
			if err != nil && code(err) != "ReferenceTaken" {
				t.Error(err)
			}
		})
		wg.Wait()
		list, err := p.DeploymentsOf(ctx, home.Project)
		if err != nil {
			t.Fatal(err)
		}
		have := 0
		for _, d := range list {
			if d.Reference == wish {
				have++
			}
		}
		if have != 1 {
			t.Fatalf("%d deployments are %s", have, wish)
		}
	}
}

// TestAnEnvironmentThatWasBrokenOffIsMadeWhole: only its row is there.
func TestAnEnvironmentThatWasBrokenOffIsMadeWhole(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, _, home := housed(t)
	e, err := p.CreateProjectEnvironment(ctx, home.Project, "Staging", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.CreateProjectEnvironment(ctx, home.Project, "Staging", false); code(err) != "DuplicateEnvironment" {
		t.Errorf("a second one: %v", err)
	}
	if err := p.Identity.DeleteEnvironment(ctx, e.Env); err != nil {
		t.Fatal(err)
	}
	if _, err := p.CreateProjectEnvironment(ctx, home.Project, "Staging", true); code(err) != "DuplicateEnvironment" {
		t.Errorf("as one for production: %v", err)
	}
	again, err := p.CreateProjectEnvironment(ctx, home.Project, "Staging", false)
	if err != nil || again.Client != e.Client || again.APIKey != e.APIKey {
		t.Fatalf("again: %+v, %v", again, err)
	}
	if of, _, err := p.Identity.AuthenticateKey(ctx, e.APIKey); err != nil || of.ID != e.Env {
		t.Errorf("its key: %+v, %v", of, err)
	}
}

func TestDefaultVariablesAtTheirBound(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, _, home := housed(t)
	dev := []platform.Kind{platform.Dev}
	var all []platform.VariableChange
	for i := range 512 {
		all = append(all, platform.VariableChange{Name: fmt.Sprintf("V%d", i), Value: ptr("1"), Kinds: dev})
	}
	if err := p.ChangeDefaultVariables(ctx, home.Project, all); err != nil {
		t.Fatal(err)
	}
	if err := p.SetDefaultVariable(ctx, home.Project, "V7", ptr("2"), dev); err != nil {
		t.Errorf("change one of as many as there may be: %v", err)
	}
	if err := p.ChangeDefaultVariables(ctx, home.Project, []platform.VariableChange{{"V8", ptr("3"), dev}, {"NEW", ptr("1"), dev}}); code(err) != "EnvVarLimitMet" {
		t.Errorf("one more: %v", err)
	}
	if err := p.ChangeDefaultVariables(ctx, home.Project, []platform.VariableChange{{"V9", nil, dev}, {"NEW", ptr("1"), dev}}); err != nil {
		t.Errorf("one for another: %v", err)
	}
	list, err := p.DefaultVariables(ctx, home.Project)
	if err != nil || len(list) != 512 {
		t.Fatalf("%d variables, %v", len(list), err)
	}
	for _, v := range list {
		if want := map[string]string{"V7": "2", "V9": "gone"}[v.Name]; want != "" && v.Value != want || v.Name == "V8" && v.Value != "1" {
			t.Errorf("%s = %s", v.Name, v.Value)
		}
	}
	if err := p.SetDefaultVariable(ctx, home.Project, "V7", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.All("default_variables", "on_project")
		if len(f) != 511 {
			t.Errorf("%d rows when one was taken from all kinds", len(f))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

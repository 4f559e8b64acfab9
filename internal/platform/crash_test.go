package platform_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
)

// mortal is a store that takes so many batches of commits more, and then none: what is in
// it is what a crash leaves.
type mortal struct {
	persistence.Store
	left atomic.Int64
	dead atomic.Bool
}

var errCrash = errors.New("the house crashed")

func (m *mortal) Append(ctx context.Context, batch []persistence.Commit) error {
	if m.left.Add(-1) < 0 {
		m.dead.Store(true)
		return errCrash
	}
	return m.Store.Append(ctx, batch)
}

func (m *mortal) Close() error { return nil }

// TestWhateverACrashBreaksOffIsDoneAgain breaks off everything that takes more than one
// commit, behind each of its commits, and does it again after a restart, as people and
// their tools do. Afterwards everything is as if nothing had happened.
func TestWhateverACrashBreaksOffIsDoneAgain(t *testing.T) {
	t.Parallel()
	const plenty = 1 << 40
	type world struct {
		*testing.T
		p    *platform.Service
		home *platform.Deployment
		dev  *platform.Deployment // with an environment and a deploy key
		env  *platform.Provisioned
		own  *platform.ProjectEnvironment // of a project without deployments
		key  string                       // of dev
	}
	must := func(w *world, err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	begin := func(w *world, p *platform.Service) {
		ctx := w.Context()
		var err error
		p.Fleet = &fleet{}
		w.p = p
		w.home, err = p.EnsureDeployment(ctx, "")
		must(w, err)
		w.dev, err = p.CreateDeployment(ctx, platform.NewDeployment{Project: w.home.Project, Kind: platform.Dev, Reference: "dev/ada"})
		must(w, err)
		w.env, err = p.ProvisionEnvironment(ctx, w.dev.Name)
		must(w, err)
		_, w.key, err = p.CreateCredential(ctx, platform.NewCredential{Kind: platform.DeployKey, Deployment: w.dev.Name})
		must(w, err)
		other, err := p.CreateProject(ctx, 1, "Other")
		must(w, err)
		w.own, err = p.CreateProjectEnvironment(ctx, other.ID, "Staging", false)
		must(w, err)
	}
	// opens says whether an API key opens an environment.
	opens := func(w *world, key string) bool {
		_, _, err := w.p.Identity.AuthenticateKey(w.Context(), key)
		return err == nil
	}
	environments := func(w *world) int {
		list, err := w.p.Identity.Environments(w.Context())
		must(w, err)
		return len(list)
	}
	for _, tt := range []struct {
		name  string
		run   func(w *world) error
		again []string // codes of errors that say that it was done already
		check func(w *world)
	}{
		{"give a deployment an environment", func(w *world) error {
			_, err := w.p.ProvisionEnvironment(w.Context(), w.home.Name)
			return err
		}, nil, func(w *world) {
			e, err := w.p.ProvisionEnvironment(w.Context(), w.home.Name)
			must(w, err)
			if e.New || !opens(w, e.APIKey) || environments(w) != 3 {
				w.Errorf("%+v, its key opens %v, environments %d", e, opens(w, e.APIKey), environments(w))
			}
		}},
		{"give a project an environment", func(w *world) error {
			_, err := w.p.CreateProjectEnvironment(w.Context(), w.own.Project, "Tests", false)
			return err
		}, []string{"DuplicateEnvironment"}, func(w *world) {
			list, err := w.p.ProjectEnvironments(w.Context(), w.own.Project)
			must(w, err)
			if len(list) != 2 || !opens(w, list[0].APIKey) || !opens(w, list[1].APIKey) || environments(w) != 3 {
				w.Errorf("%+v, environments %d", list, environments(w))
			}
		}},
		{"take a deployment's environment", func(w *world) error {
			_, err := w.p.DeleteEnvironment(w.Context(), w.dev.Name)
			return err
		}, []string{"WorkOSEnvironmentNotProvisioned"}, func(w *world) {
			d, err := w.p.Deployment(w.Context(), w.dev.Name)
			must(w, err)
			if d.Environment != "" || opens(w, w.env.APIKey) || environments(w) != 1 {
				w.Errorf("%+v, environments %d", d, environments(w))
			}
		}},
		{"take a project's environment", func(w *world) error {
			return w.p.DeleteProjectEnvironment(w.Context(), w.own.Project, w.own.Client)
		}, []string{"WorkOSEnvironmentNotFound"}, func(w *world) {
			list, err := w.p.ProjectEnvironments(w.Context(), w.own.Project)
			must(w, err)
			if len(list) != 0 || opens(w, w.own.APIKey) || environments(w) != 1 {
				w.Errorf("%+v, environments %d", list, environments(w))
			}
		}},
		{"delete a deployment", func(w *world) error { return w.p.DeleteDeployment(w.Context(), w.dev.Name) }, []string{"DeploymentNotFound"}, func(w *world) {
			left, err := w.p.Deleting(w.Context())
			must(w, err)
			if ok, err := w.p.CheckDeployKey(w.Context(), w.dev.Name, w.key); ok || err != nil || len(left) != 0 || opens(w, w.env.APIKey) || environments(w) != 1 {
				w.Errorf("half deleted: %v, its key %v, %v, environments %d", left, ok, err, environments(w))
			}
			_, err = w.p.CreateDeployment(w.Context(), platform.NewDeployment{Project: w.home.Project, Kind: platform.Dev, Reference: "dev/ada"})
			must(w, err)
		}},
		{"delete a project", func(w *world) error { return w.p.DeleteProject(w.Context(), w.own.Project) }, []string{"ProjectNotFound"}, func(w *world) {
			if _, err := w.p.Project(w.Context(), w.own.Project); apierr.KindOf(err) != apierr.NotFound || opens(w, w.own.APIKey) || environments(w) != 1 {
				w.Errorf("the project: %v, environments %d", err, environments(w))
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			crashes := 0
			for behind := int64(0); ; behind++ {
				store := &mortal{Store: persistence.NewMemory()}
				store.left.Store(plenty)
				w := &world{T: t}
				begin(w, open(t, store))
				store.left.Store(behind)
				err := tt.run(w)
				if !store.dead.Load() {
					must(w, err)
					break // it has no more commits
				}
				crashes++
				store.left.Store(plenty)
				w.p = open(t, store)
				w.p.Fleet = &fleet{}
				if err := tt.run(w); err != nil {
					known := false
					for _, c := range tt.again {
						known = known || code(err) == c
					}
					if !known {
						t.Fatalf("again, after a crash behind %d commits: %v", behind, err)
					}
				}
				tt.check(w)
				if t.Failed() {
					t.Fatalf("after a crash behind %d commits", behind)
				}
			}
			if crashes < 2 {
				t.Errorf("it has %d commits: nothing to break off", crashes)
			}
		})
	}
}

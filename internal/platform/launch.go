package platform

import (
	"context"
	"fmt"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Launch makes a deployment and opens it, which gives it its first variables. If that
// fails there is none.
func (s *Service) Launch(ctx context.Context, n NewDeployment) (*Deployment, error) {
	d, err := s.CreateDeployment(ctx, n)
	if err != nil {
		return nil, err
	}
	opening, done := context.WithCancel(ctx) // it need not stay open for us
	defer done()
	if _, err := s.Fleet.Open(opening, d.Name); err != nil {
		if undo := s.DeleteDeployment(context.WithoutCancel(ctx), d.Name); undo != nil && s.Log != nil {
			s.Log.Warn("left a deployment that could not be opened", "deployment", d.Name, "err", undo)
		}
		return nil, fmt.Errorf("platform: open %s: %w", d.Name, err)
	}
	if s.Log != nil {
		s.Log.Info("launched a deployment", "deployment", d.Name, "kind", d.Kind, "reference", d.Reference)
	}
	return s.Deployment(ctx, d.Name)
}

// EnsureDefault finds a project's production deployment, or by's deployment for
// development, and launches it if there is none.
func (s *Service) EnsureDefault(ctx context.Context, project int64, kind Kind, by *Operator) (*Deployment, error) {
	s.launching.Lock() // two pushes at once must not make two
	defer s.launching.Unlock()
	n := NewDeployment{Project: project, Kind: kind, Default: true}
	if by != nil {
		n.Creator = by.ID
	}
	d, err := s.DefaultDeployment(ctx, project, kind, n.Creator)
	if err == nil || apierr.KindOf(err) != apierr.NotFound {
		return d, err
	}
	if kind == Dev && by != nil {
		name, _, _ := strings.Cut(by.Email, "@")
		n.Reference = Reference("dev", name)
		if _, err := s.DeploymentByReference(ctx, project, n.Reference); err == nil {
			n.Reference = "" // somebody's with the same name at another domain
		}
	}
	return s.Launch(ctx, n)
}

// Rename changes a deployment's reference.
func (s *Service) Rename(ctx context.Context, name, reference string) error {
	if err := checkReference(reference); err != nil {
		return err
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := deploymentRow(tx, name)
		if err != nil {
			return err
		}
		other := ""
		err = tx.Each(tableDeployments, "on_project", numberKey(int64(f.Number("project"))), database.Asc, func(o identity.Found) (bool, error) {
			if o.Doc != f.Doc && !o.Flag("deleting") && o.Text("reference") == reference {
				other = o.Text("name")
			}
			return other == "", nil
		})
		if err != nil {
			return err
		}
		if other != "" {
			return apierr.New(apierr.Conflict, "ReferenceTaken", "The project has a deployment %s already: %s.", reference, other)
		}
		return tx.Patch(f, identity.Row{identity.Text("reference", reference)})
	})
}

package platform

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// DeleteDeployment removes a deployment with all that it has stored, its keys, and
// its identity environment with the users in it. The home deployment stays.
//
// The row is marked first, so that nobody opens the deployment any more, and goes
// last: what a crash leaves half done is found by it (Deleting).
func (s *Service) DeleteDeployment(ctx context.Context, name string) error {
	d, err := s.deployment(ctx, name)
	if err != nil {
		return err
	}
	if d.Home {
		return apierr.New(apierr.Conflict, "HomeDeployment", "%s is the deployment that this house was started for; it cannot be deleted.", name)
	}
	if err := s.change(ctx, name, func(d *Deployment) bool { d.Deleting = true; return true }); err != nil {
		return err
	}
	if err := s.Fleet.Remove(ctx, name); err != nil {
		return err
	}
	if d.Environment != "" {
		if err := s.Identity.DeleteEnvironment(ctx, d.Environment); err != nil && apierr.KindOf(err) != apierr.NotFound {
			return err
		}
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		keys, err := tx.All(tableCredentials, "on_scope", deploymentScope(name))
		if err != nil {
			return err
		}
		for i := range keys {
			if err := tx.Remove(&keys[i]); err != nil {
				return err
			}
		}
		f, err := tx.First(tableDeployments, "by_name", name)
		if err != nil || f == nil {
			return err
		}
		return tx.Remove(f)
	})
}

// Deleting lists the names of deployments whose deletion was begun and not ended.
func (s *Service) Deleting(ctx context.Context) (names []string, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		names = nil
		return tx.Each(tableDeployments, "by_name", database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
			if f.Flag("deleting") {
				names = append(names, f.Text("name"))
			}
			return true, nil
		})
	})
	return names, err
}

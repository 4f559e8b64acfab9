package platform

import (
	"context"

	"github.com/lentil-dev/lentil/internal/deployment"
)

// Fleet runs the deployments of a house. Names are those of rows.
type Fleet interface {
	// Open gives a deployment that answers requests, opening it if need be. It is held
	// open until ctx ends, so that ctx should be that of a request or a task.
	Open(ctx context.Context, name string) (*deployment.Deployment, error)
	// Addresses tells where a deployment and its HTTP actions answer, for everybody;
	// they stay the same as long as the house's configuration does.
	Addresses(ctx context.Context, name string) (url, siteURL string, err error)
	// AdminKey is the deployment's own admin key, "name|…".
	AdminKey(name string) (string, error)
	// CheckAdminKey refuses what is not the deployment's own admin key.
	CheckAdminKey(name, key string) error
	// Remove closes a deployment and deletes all that it has stored.
	Remove(ctx context.Context, name string) error
}

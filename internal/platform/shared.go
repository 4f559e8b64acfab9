package platform

import (
	"context"
	"regexp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// What names an identity environment in a text: a client id, also within the address
// of its keys or its issuer, and an API key.
var (
	clientForm = regexp.MustCompile(`client_[0-9A-Za-z_]+`)
	keyForm    = regexp.MustCompile(`sk_(?:test|live)_[0-9A-Za-z_-]+`)
)

// maxGuarded bounds a text that is looked at; client ids and keys are short.
const maxGuarded = 16 << 10

// GuardEnvironment refuses texts that give a production deployment the identity
// environment of one that is for development, or the reverse: the people who try
// things out would be users of the real app. What this house does not know is
// allowed, and so is an environment that nobody has.
func (s *Service) GuardEnvironment(ctx context.Context, deployment string, texts []string) error {
	var d *Deployment
	for _, text := range texts {
		if len(text) > maxGuarded {
			continue
		}
		for _, client := range clientForm.FindAllString(text, -1) {
			e, err := s.Identity.EnvironmentByClient(ctx, identity.ClientID(client))
			if err := s.guard(ctx, &d, deployment, "the client id "+client, e, err); err != nil {
				return err
			}
		}
		for _, key := range keyForm.FindAllString(text, -1) {
			e, _, err := s.Identity.AuthenticateKey(ctx, key)
			if err := s.guard(ctx, &d, deployment, "an API key", e, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// guard is GuardEnvironment for one environment that was looked for. d is read when
// it is first needed.
func (s *Service) guard(ctx context.Context, d **Deployment, name, what string, e *identity.Environment, err error) error {
	switch apierr.KindOf(err) {
	case apierr.NotFound, apierr.Unauthenticated:
		return nil // of another house, or the vendor's
	}
	if err != nil {
		return err
	}
	if *d == nil {
		if *d, err = s.Deployment(ctx, name); err != nil {
			return err
		}
	}
	owner, production, err := s.ownerOf(ctx, e.ID)
	if err != nil || owner == "" || owner == name || production == (*d).Kind.Production() {
		return err
	}
	mine, theirs := "a production deployment", "for development"
	if production {
		mine, theirs = "no production deployment", "for production"
	}
	return apierr.New(apierr.Conflict, "SharedWorkOSEnvironment",
		"%s is %s, but %s is of the WorkOS environment of %s, which is %s: people of the one would be users of the other. "+
			"Give %s an environment of its own (npx convex integration workos provision-environment) and let auth.config.ts read "+
			"process.env.WORKOS_CLIENT_ID. If sharing is what you want, first set LENTIL_ALLOW_SHARED_ENVIRONMENT=true in this deployment.",
		name, mine, what, owner, theirs, name)
}

// DeploymentOf is the name of the deployment that an environment belongs to; "" if it
// is nobody's.
func (s *Service) DeploymentOf(ctx context.Context, id identity.EnvironmentID) (string, error) {
	owner, _, err := s.ownerOf(ctx, id)
	return owner, err
}

// ownerOf finds out whose an environment is, and whether it is for production; owner
// is "" if it is nobody's.
func (s *Service) ownerOf(ctx context.Context, id identity.EnvironmentID) (owner string, production bool, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		owner, production = "", false
		f, err := tx.First(tableDeployments, "on_environment", string(id))
		if err != nil {
			return err
		}
		if f != nil {
			owner, production = f.Text("name"), Kind(f.Text("kind")).Production()
		}
		return nil
	})
	return owner, production, err
}

// SeesEnvironment says whether those who work with a deployment may be told about an
// environment: it is of a deployment or project of the same team. One that is nobody's
// is shown to the home deployment alone. A client id proves nothing: it is public.
func (s *Service) SeesEnvironment(ctx context.Context, deployment string, e *identity.Environment) (bool, error) {
	d, err := s.Deployment(ctx, deployment)
	if err != nil {
		return false, err
	}
	project := int64(0)
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableDeployments, "on_environment", string(e.ID))
		if err == nil && f == nil {
			f, err = tx.First(tableEnvironments, "on_client", string(e.ClientID))
		}
		if err == nil && f != nil {
			project = int64(f.Number("project"))
		}
		return err
	})
	if err != nil || project == 0 {
		return d.Home, err
	}
	theirs, err := s.Project(ctx, project)
	if err != nil {
		return false, err
	}
	own, err := s.Project(ctx, d.Project)
	if err != nil {
		return false, err
	}
	return own.Team == theirs.Team, nil
}

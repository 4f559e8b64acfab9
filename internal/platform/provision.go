package platform

import (
	"context"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Provisioned is an environment of the identity service with what an app needs of it.
type Provisioned struct {
	Environment identity.EnvironmentID
	Name        string
	Client      identity.ClientID
	APIKey      string
	New         bool
}

// The variables that an app finds its environment by.
const (
	varClient      = "WORKOS_CLIENT_ID"
	varKey         = "WORKOS_API_KEY" //nolint:gosec // the name of a variable
	varEnvironment = "WORKOS_ENVIRONMENT_ID"
)

// Variables are the environment variables that an app finds it by.
func (p *Provisioned) Variables() map[string]string {
	return map[string]string{varClient: string(p.Client), varKey: p.APIKey, varEnvironment: string(p.Environment)}
}

// ProvisionEnvironment gives a deployment its own environment, unless it has one:
// one for production if the deployment is. The team's workspace must allow it.
func (s *Service) ProvisionEnvironment(ctx context.Context, name string) (*Provisioned, error) {
	return s.ProvisionEnvironmentAs(ctx, name, "")
}

// ProvisionEnvironmentAs does so with a kind of the caller's choice; "" for what
// suits the deployment.
func (s *Service) ProvisionEnvironmentAs(ctx context.Context, name string, kind identity.EnvironmentKind) (*Provisioned, error) {
	var project Project
	var d *Deployment
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := deploymentRow(tx, name)
		if err != nil {
			return err
		}
		if d, err = s.decode(f.Record); err != nil {
			return err
		}
		p, err := projectRow(tx, d.Project)
		if err != nil {
			return err
		}
		project = readProject(p.Record)
		if err := usableWorkspace(tx, project.Team); err != nil {
			return err
		}
		if project.AuthKit {
			return nil
		}
		return tx.Patch(p, identity.Row{identity.Flag("authkit", true)})
	})
	if err != nil {
		return nil, err
	}
	fresh := d.Environment == ""
	if kind == "" {
		kind = identity.Development
		if d.Kind.Production() {
			kind = identity.Production
		}
	}
	label := project.Name + " (" + d.Reference + ")"
	if d, err = s.EnsureDevEnvironment(ctx, name, DevEnvironment{Kind: kind, Name: label}); err != nil {
		return nil, err
	}
	e, err := s.Identity.Environment(ctx, d.Environment)
	if err != nil {
		return nil, err
	}
	return &Provisioned{Environment: d.Environment, Name: e.Name, Client: d.Client, APIKey: d.APIKey, New: fresh}, nil
}

// FirstVariables are the environment variables that a new deployment begins with:
// the project's default ones for its kind and, in a project that uses AuthKit, those
// of an environment of its own.
func (s *Service) FirstVariables(ctx context.Context, d *Deployment) (map[string]string, error) {
	out := map[string]string{}
	list, err := s.DefaultVariables(ctx, d.Project)
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		if slices.Contains(v.Kinds, d.Kind) {
			out[v.Name] = v.Value
		}
	}
	p, err := s.Project(ctx, d.Project)
	if err != nil || !p.AuthKit {
		return out, err
	}
	e, err := s.ProvisionEnvironment(ctx, d.Name)
	switch apierr.KindOf(err) {
	case apierr.BadRequest, apierr.Forbidden:
		return out, nil // no workspace, or it does not allow it: whoever asks for the environment is told
	}
	if err != nil {
		return nil, err
	}
	for name, v := range e.Variables() {
		out[name] = v
	}
	return out, nil
}

// ProjectEnvironment is an environment that belongs to a project rather than to one
// of its deployments.
type ProjectEnvironment struct {
	ID         string
	Project    int64
	Name       string
	Production bool
	Client     identity.ClientID
	Created    time.Time
	Env        identity.EnvironmentID
	APIKey     string
}

// maxProjectEnvironments bounds them, as the vendor does: the official CLI speaks of 10.
const maxProjectEnvironments = 10

// errNoEnvironment has the code that the official CLI knows (convex-cli.md §4.3).
var errNoEnvironment = apierr.New(apierr.NotFound, "WorkOSEnvironmentNotProvisioned",
	"This deployment has no WorkOS environment yet. Make one with: npx convex integration workos provision-environment")

func (s *Service) readProjectEnvironment(r identity.Record) ProjectEnvironment {
	e := ProjectEnvironment{ID: r.Text("id"), Project: int64(r.Number("project")), Name: r.Text("name"), Production: r.Flag("production"),
		Client: identity.ClientID(r.Text("client")), Env: identity.EnvironmentID(r.Text("environment")), Created: r.Time("created")}
	if key, err := s.openKey(r.Text("apiKey")); err == nil {
		e.APIKey = key
	}
	return e
}

// ProjectEnvironments lists a project's own environments, oldest first.
func (s *Service) ProjectEnvironments(ctx context.Context, project int64) (list []ProjectEnvironment, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list, err = each(tx, tableEnvironments, "on_project", numberKey(project), s.readProjectEnvironment)
		return err
	})
	return list, err
}

// ProjectEnvironment finds one by its client id.
func (s *Service) ProjectEnvironment(ctx context.Context, project int64, client identity.ClientID) (*ProjectEnvironment, error) {
	list, err := s.ProjectEnvironments(ctx, project)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Client == client {
			return &list[i], nil
		}
	}
	return nil, notFound("WorkOSEnvironmentNotFound", "The project has no WorkOS environment with the client id %q.", client)
}

// CreateProjectEnvironment makes one in the team's workspace. One of which a crash, or a
// client that went away, left the row alone is made whole.
func (s *Service) CreateProjectEnvironment(ctx context.Context, project int64, name string, production bool) (*ProjectEnvironment, error) {
	name, err := checkName("WorkOS environment", name)
	if err != nil {
		return nil, err
	}
	kind := identity.Development
	if production {
		kind = identity.Production
	}
	var e ProjectEnvironment
	var had bool
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		had = false
		p, err := projectRow(tx, project)
		if err != nil {
			return err
		}
		if err := usableWorkspace(tx, int64(p.Number("team"))); err != nil {
			return err
		}
		all, err := each(tx, tableEnvironments, "on_project", numberKey(project), s.readProjectEnvironment)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(all, func(e ProjectEnvironment) bool { return e.Name == name }); i >= 0 {
			e, had = all[i], true
			return nil
		}
		if len(all) >= maxProjectEnvironments {
			return apierr.New(apierr.BadRequest, "TooManyEnvironments", "A project has at most %d WorkOS environments of its own.", maxProjectEnvironments)
		}
		e = ProjectEnvironment{ID: tx.NewID("project_environment_"), Project: project, Name: name, Production: production, Created: tx.Now(),
			Env: identity.EnvironmentID(identity.NewID("environment_")), Client: identity.ClientID(identity.NewID("client_")), APIKey: newAPIKey(kind)}
		return tx.Add(tableEnvironments, identity.Row{identity.Text("id", e.ID), identity.Number("project", e.Project), identity.Text("name", e.Name),
			identity.Flag("production", e.Production), identity.Text("client", e.Client), identity.Text("environment", e.Env), identity.Time("created", e.Created),
			identity.Text("apiKey", s.Sealer.Seal(sealAPIKey, []byte(e.APIKey)))})
	})
	if err != nil {
		return nil, err
	}
	duplicate := apierr.New(apierr.Conflict, "DuplicateEnvironment", "The project has a WorkOS environment %q already; a duplicate would only confuse.", name)
	if had && e.Production != production {
		return nil, duplicate
	}
	_, whole, err := s.complete(ctx, identity.NewEnvironment{ID: e.Env, ClientID: e.Client, Name: name, Kind: kind}, name, e.APIKey)
	if err != nil {
		return nil, err
	}
	if had && whole {
		return nil, duplicate
	}
	return &e, nil
}

// DeleteProjectEnvironment forgets one with its keys and users.
func (s *Service) DeleteProjectEnvironment(ctx context.Context, project int64, client identity.ClientID) error {
	e, err := s.ProjectEnvironment(ctx, project, client)
	if err != nil {
		return err
	}
	if err := s.dismantle(ctx, e.Env); err != nil {
		return err
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		doc, err := first(tx, tableEnvironments, "on_project", numberKey(project, e.ID))
		if err != nil || doc == nil {
			return err
		}
		return tx.Remove(doc)
	})
}

// DeleteEnvironment takes a deployment's environment away: its keys open nothing any
// more. The deployment's variables stay as they are until somebody changes them.
func (s *Service) DeleteEnvironment(ctx context.Context, deployment string) (*Provisioned, error) {
	d, err := s.Deployment(ctx, deployment)
	if err != nil {
		return nil, err
	}
	if d.Environment == "" {
		return nil, errNoEnvironment
	}
	gone := &Provisioned{Environment: d.Environment, Client: d.Client}
	if e, err := s.Identity.Environment(ctx, d.Environment); err == nil {
		gone.Name = e.Name
	}
	if err := s.dismantle(ctx, d.Environment); err != nil {
		return nil, err
	}
	return gone, s.change(ctx, deployment, func(r *Deployment) bool {
		if r.Environment != d.Environment {
			return false
		}
		r.Environment, r.Client, r.APIKey = "", "", ""
		return true
	})
}

// dismantle revokes an environment's keys and, where it was for trying things out,
// forgets its users. Those of production are kept: one command must not lose them.
func (s *Service) dismantle(ctx context.Context, id identity.EnvironmentID) error {
	e, err := s.Identity.Environment(ctx, id)
	if apierr.KindOf(err) == apierr.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	keys, err := s.Identity.APIKeys(ctx, id)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := s.Identity.DeleteAPIKey(ctx, id, k.ID); err != nil && apierr.KindOf(err) != apierr.NotFound {
			return err
		}
	}
	if e.Kind != identity.Production {
		return s.Identity.DeleteEnvironment(ctx, id)
	}
	return nil
}

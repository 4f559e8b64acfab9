package management

import (
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// What is not there, and what is hidden from whoever asks. The CLI looks at these
// codes (api.ts: hasAccessToProject, resolveDeploymentNameByReference).
func noTeam(which string) error {
	return apierr.New(apierr.NotFound, "TeamNotFound", "There is no team %q, or you are not in it.", clip(which))
}
func noProject(which string) error {
	return apierr.New(apierr.NotFound, "ProjectNotFound", "There is no project %q, or it is not yours to see.", clip(which))
}
func noDeployment(which string) error {
	return apierr.New(apierr.NotFound, "DeploymentNotFound", "There is no deployment %q, or it is not yours to see.", clip(which))
}

// refused gives the error to show when an actor was refused something: hidden if they
// may not even see it.
func refused(err error, sees func() error, hidden error) error {
	switch apierr.KindOf(err) {
	case apierr.NotFound:
		return hidden
	case apierr.Forbidden:
		if seen := sees(); seen != nil {
			return hidden
		}
	}
	return err
}

// team finds a team by id or slug for somebody with a role in it.
func (a *API) team(q *request, which string, need platform.Role) (*platform.Team, error) {
	t, err := a.seenTeam(q, which)
	if err != nil {
		return nil, err
	}
	if need == platform.Viewer {
		return t, nil
	}
	return t, a.Platform.MayTeam(q.Context(), q.actor, t.ID, need)
}

// seenTeam finds a team by id or slug among those that the actor may see; a key sees
// the one that it belongs to.
func (a *API) seenTeam(q *request, which string) (*platform.Team, error) {
	list, err := a.Platform.TeamsOf(q.Context(), q.actor)
	if err != nil {
		return nil, err
	}
	id, _ := strconv.ParseInt(which, 10, 64)
	for i := range list {
		if list[i].ID == id || list[i].Slug == which {
			return &list[i], nil
		}
	}
	return nil, noTeam(which)
}

// may refuses an actor who has not a role in a project.
func (a *API) may(q *request, p *platform.Project, need platform.Role) error {
	ctx := q.Context()
	if err := a.Platform.MayProject(ctx, q.actor, p, need); err != nil {
		return refused(err, func() error { return a.Platform.MayProject(ctx, q.actor, p, platform.Viewer) }, noProject(p.Slug))
	}
	return nil
}

// projectByID finds a project for somebody with a role in it.
func (a *API) projectByID(q *request, text string, need platform.Role) (*platform.Project, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, noProject(text)
	}
	p, err := a.Platform.Project(q.Context(), id)
	if apierr.KindOf(err) == apierr.NotFound {
		return nil, noProject(text)
	}
	if err != nil {
		return nil, err
	}
	if err := a.may(q, p, need); err != nil {
		return nil, refused(err, func() error { return nil }, noProject(text))
	}
	return p, nil
}

// projectBySlugs finds a project by its team's id or slug and its own slug.
func (a *API) projectBySlugs(q *request, team, slug string, need platform.Role) (*platform.Project, *platform.Team, error) {
	t, err := a.seenTeam(q, team)
	if err != nil {
		return nil, nil, err
	}
	p, err := a.Platform.ProjectBySlug(q.Context(), t.ID, slug)
	if apierr.KindOf(err) == apierr.NotFound {
		return nil, nil, noProject(slug)
	}
	if err != nil {
		return nil, nil, err
	}
	return p, t, a.may(q, p, need)
}

// deployment finds a deployment by name for somebody with a role there.
func (a *API) deployment(q *request, name string, need platform.Role) (*platform.Deployment, error) {
	ctx := q.Context()
	d, err := a.Platform.Deployment(ctx, name)
	if apierr.KindOf(err) == apierr.NotFound {
		return nil, noDeployment(name)
	}
	if err != nil {
		return nil, err
	}
	if err := a.Platform.MayDeployment(ctx, q.actor, d, need); err != nil {
		return nil, refused(err, func() error { return a.Platform.MayDeployment(ctx, q.actor, d, platform.Viewer) }, noDeployment(name))
	}
	return d, nil
}

// localPrefix begins the names of deployments that the CLI runs itself on somebody's
// machine. They are in no list here; their names tell the project.
const localPrefix = "local-"

// localName names a project's deployment on somebody's machine. Slugs hold hyphens
// but no underscores, so the name can be read back.
func localName(t *platform.Team, p *platform.Project) string {
	return localPrefix + strings.ReplaceAll(t.Slug, "-", "_") + "-" + strings.ReplaceAll(p.Slug, "-", "_")
}

// projectOfDeployment finds the project of a deployment by name, local ones too; d is
// nil for those.
func (a *API) projectOfDeployment(q *request, name string, need platform.Role) (p *platform.Project, d *platform.Deployment, err error) {
	if rest, ok := strings.CutPrefix(name, localPrefix); ok {
		team, project, _ := strings.Cut(rest, "-")
		p, _, err := a.projectBySlugs(q, strings.ReplaceAll(team, "_", "-"), strings.ReplaceAll(project, "_", "-"), need)
		if apierr.KindOf(err) == apierr.NotFound {
			err = noDeployment(name)
		}
		return p, nil, err
	}
	if d, err = a.deployment(q, name, need); err != nil {
		return nil, nil, err
	}
	p, err = a.Platform.Project(q.Context(), d.Project)
	return p, d, err
}

// selection is how the CLI names a project (api.ts: ProjectSelection).
type selection struct {
	Kind             string `json:"kind"`
	TeamSlug         string `json:"teamSlug"`
	ProjectSlug      string `json:"projectSlug"`
	DeploymentName   string `json:"deploymentName"`
	ProjectDeployKey string `json:"projectDeployKey"`
}

// selected finds the project that a selection names.
func (a *API) selected(q *request, s selection, need platform.Role) (*platform.Project, error) {
	switch s.Kind {
	case "teamAndProjectSlugs":
		p, _, err := a.projectBySlugs(q, s.TeamSlug, s.ProjectSlug, need)
		return p, err
	case "deploymentName":
		p, _, err := a.projectOfDeployment(q, s.DeploymentName, platform.Viewer)
		if err != nil {
			return nil, err
		}
		return p, a.may(q, p, need)
	case "projectDeployKey":
		actor, err := a.Platform.Authenticate(q.Context(), s.ProjectDeployKey)
		if err != nil {
			return nil, err
		}
		return a.ownProject(&request{Request: q.Request, actor: actor}, need)
	}
	return nil, apierr.New(apierr.BadRequest, "InvalidProjectSelection",
		"A project is selected by teamAndProjectSlugs, deploymentName or projectDeployKey, not by %q.", clip(s.Kind))
}

// ownProject is the project that a key belongs to.
func (a *API) ownProject(q *request, need platform.Role) (*platform.Project, error) {
	c := q.actor.Credential
	if c == nil || c.Project == 0 {
		return nil, apierr.New(apierr.BadRequest, "ProjectRequired", "Name the team and the project, or use a key of the project.")
	}
	p, err := a.Platform.Project(q.Context(), c.Project)
	if err != nil {
		return nil, err
	}
	return p, a.may(q, p, need)
}

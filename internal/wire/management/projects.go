package management

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// projectShape is a project as the CLI and the vendor's clients read it.
func (a *API) projectShape(ctx context.Context, t *platform.Team, p *platform.Project, by *platform.Operator) (object, error) {
	out := object{"id": p.ID, "name": p.Name, "slug": p.Slug, "teamId": t.ID, "teamSlug": t.Slug, "createTime": p.Created.UnixMilli(),
		"prodDeploymentName": nil, "devDeploymentName": nil}
	list, err := a.Platform.DeploymentsOf(ctx, p.ID)
	for i := range list {
		switch d := &list[i]; {
		case d.Default && d.Kind == platform.Prod:
			out["prodDeploymentName"] = d.Name
		case d.Default && d.Kind == platform.Dev && by != nil && d.Creator == by.ID:
			out["devDeploymentName"] = d.Name
		}
	}
	return out, err
}

// projectsOf lists the projects of a team that the actor may see.
func (a *API) projectsOf(q *request, t *platform.Team) ([]object, error) {
	list, err := a.Platform.Projects(q.Context(), t.ID)
	out := []object{}
	for i := range list {
		if a.Platform.MayProject(q.Context(), q.actor, &list[i], platform.Viewer) != nil {
			continue
		}
		shape, err := a.projectShape(q.Context(), t, &list[i], q.actor.Operator)
		if err != nil {
			return nil, err
		}
		out = append(out, shape)
	}
	return out, err
}

func listProjects(a *API, q *request) (any, error) {
	t, err := a.seenTeam(q, q.PathValue("team"))
	if err != nil {
		return nil, err
	}
	list, err := a.projectsOf(q, t)
	return page(list), err
}

// listProjectsOld is what CLIs before 1.40 ask.
func listProjectsOld(a *API, q *request) (any, error) {
	t, err := a.seenTeam(q, q.PathValue("team"))
	if err != nil {
		return nil, err
	}
	return a.projectsOf(q, t)
}

// countProjects counts the projects that the actor may see.
func (a *API) countProjects(q *request) (n int, err error) {
	teams, err := a.Platform.TeamsOf(q.Context(), q.actor)
	for i := range teams {
		list, err := a.projectsOf(q, &teams[i])
		if err != nil {
			return 0, err
		}
		n += len(list)
	}
	return n, err
}

func hasProjects(a *API, q *request) (any, error) {
	n, err := a.countProjects(q)
	return n > 0, err
}

func getProject(a *API, q *request) (any, error) {
	p, err := a.projectByID(q, q.PathValue("project"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	t, err := a.Platform.Team(q.Context(), p.Team)
	if err != nil {
		return nil, err
	}
	return a.projectShape(q.Context(), t, p, q.actor.Operator)
}

func getProjectBySlugs(a *API, q *request) (any, error) {
	p, t, err := a.projectBySlugs(q, q.PathValue("team"), q.PathValue("slug"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	return a.projectShape(q.Context(), t, p, q.actor.Operator)
}

// createProject makes a project and, if a type is given, its first deployment.
func createProject(a *API, q *request) (any, error) {
	var in struct {
		ProjectName    string         `json:"projectName"`
		DeploymentType *platform.Kind `json:"deploymentType"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	return a.newProject(q, q.PathValue("team"), in.ProjectName, in.DeploymentType)
}

// createProjectOld is what CLIs before 1.35 ask.
func createProjectOld(a *API, q *request) (any, error) {
	var in struct {
		Team           string         `json:"team"`
		ProjectName    string         `json:"projectName"`
		DeploymentType *platform.Kind `json:"deploymentType"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	return a.newProject(q, in.Team, in.ProjectName, in.DeploymentType)
}

// manyProjects is what older CLIs are told of how many projects a team may still
// have: nobody counts, but they want a number.
const manyProjects = 1000

// projectsRemaining is what CLIs before 1.26 ask.
func projectsRemaining(a *API, q *request) (any, error) {
	_, err := a.seenTeam(q, q.PathValue("team"))
	return object{"projectsRemaining": manyProjects}, err
}

// newProject makes a project and its first deployment.
func (a *API) newProject(q *request, team, name string, kind *platform.Kind) (any, error) {
	if kind != nil && *kind != platform.Dev && *kind != platform.Prod {
		return nil, apierr.New(apierr.BadRequest, "InvalidDeploymentType", "A project begins with a deployment of type dev or prod, not %q.", clip(string(*kind)))
	}
	t, err := a.team(q, team, platform.Developer)
	if err != nil {
		return nil, err
	}
	p, err := a.Platform.CreateProject(q.Context(), t.ID, name)
	if err != nil {
		return nil, err
	}
	a.Log.Info("created a project", "project", p.Slug, "team", t.Slug)
	out := object{"id": p.ID, "projectId": p.ID, "slug": p.Slug, "projectSlug": p.Slug, "teamSlug": t.Slug, "projectsRemaining": manyProjects}
	if kind == nil {
		return out, nil
	}
	d, err := a.Platform.EnsureDefault(q.Context(), p.ID, *kind, q.actor.Operator)
	if err != nil {
		// Whoever tries again would have a second project of that name.
		if undo := a.Platform.DeleteProject(context.WithoutCancel(q.Context()), p.ID); undo != nil {
			a.Log.Warn("left a project that has no deployment", "project", p.Slug, "team", t.Slug, "err", undo)
		}
		return nil, err
	}
	url, _, err := a.Platform.Fleet.Addresses(q.Context(), d.Name)
	if err != nil {
		return nil, err
	}
	out["deploymentName"], out["deploymentUrl"] = d.Name, url
	return out, nil
}

func updateProject(a *API, q *request) (any, error) {
	var in struct{ Name, Slug *string }
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, err := a.projectByID(q, q.PathValue("project"), platform.Administrator)
	if err != nil {
		return nil, err
	}
	if in.Slug != nil && *in.Slug != p.Slug {
		return nil, apierr.New(apierr.Unsupported, "SlugIsFixed", "A project's slug stays as it is: keys hold it. Its name can change.")
	}
	if in.Name != nil {
		if err := a.Platform.RenameProject(q.Context(), p.ID, *in.Name); err != nil {
			return nil, err
		}
	}
	return getProject(a, q)
}

// deleteProject deletes a project with its deployments.
func deleteProject(a *API, q *request) (any, error) {
	p, err := a.projectByID(q, q.PathValue("project"), platform.Administrator)
	if err != nil {
		return nil, err
	}
	list, err := a.Platform.DeploymentsOf(q.Context(), p.ID)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if d.Home {
			return nil, apierr.New(apierr.Conflict, "HomeDeployment", "%s is the deployment that this house was started for; its project cannot be deleted.", d.Name)
		}
	}
	for _, d := range list {
		if err := a.Platform.DeleteDeployment(q.Context(), d.Name); err != nil {
			return nil, err
		}
	}
	return object{}, a.Platform.DeleteProject(q.Context(), p.ID)
}

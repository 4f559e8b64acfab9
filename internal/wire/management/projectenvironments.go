package management

import (
	"strconv"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/platform"
)

// environmentShape describes an environment of a project, without its key.
func environmentShape(e *platform.ProjectEnvironment) object {
	return object{"workosEnvironmentId": e.Env, "workosEnvironmentName": e.Name, "workosClientId": e.Client, "userEnvironmentName": e.Name, "isProduction": e.Production}
}

func listProjectEnvironments(a *API, q *request) (any, error) {
	p, err := a.projectByID(q, q.PathValue("project"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	list, err := a.Platform.ProjectEnvironments(q.Context(), p.ID)
	return object{"environments": shapes(list, environmentShape)}, err
}

func createProjectEnvironment(a *API, q *request) (any, error) {
	var in struct {
		EnvironmentName string `json:"environmentName"`
		IsProduction    bool   `json:"isProduction"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, err := a.projectByID(q, q.PathValue("project"), platform.Developer)
	if err != nil {
		return nil, err
	}
	e, err := a.Platform.CreateProjectEnvironment(q.Context(), p.ID, in.EnvironmentName, in.IsProduction)
	if err != nil {
		return nil, err
	}
	out := environmentShape(e)
	out["workosApiKey"], out["newlyProvisioned"] = e.APIKey, true
	return out, nil
}

// getProjectEnvironment shows one with its key.
func getProjectEnvironment(a *API, q *request) (any, error) {
	p, err := a.projectByID(q, q.PathValue("project"), platform.Developer)
	if err != nil {
		return nil, err
	}
	e, err := a.Platform.ProjectEnvironment(q.Context(), p.ID, identity.ClientID(q.PathValue("client")))
	if err != nil {
		return nil, err
	}
	out := environmentShape(e)
	out["workosApiKey"] = e.APIKey
	return out, nil
}

// namedEnvironment reads a body that names a project's environment.
func (a *API) namedEnvironment(q *request, need platform.Role) (*platform.ProjectEnvironment, error) {
	var in struct {
		ProjectID int64             `json:"projectId"`
		ClientID  identity.ClientID `json:"clientId"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, err := a.projectByID(q, strconv.FormatInt(in.ProjectID, 10), need)
	if err != nil {
		return nil, err
	}
	e, err := a.Platform.ProjectEnvironment(q.Context(), p.ID, in.ClientID)
	if apierr.KindOf(err) == apierr.NotFound {
		err = apierr.New(apierr.NotFound, "WorkOSEnvironmentNotFound", "The environment %q was not found in this project.", clip(string(in.ClientID)))
	}
	return e, err
}

func deleteProjectEnvironment(a *API, q *request) (any, error) {
	e, err := a.namedEnvironment(q, platform.Developer)
	if err == nil && e.Production {
		p := strconv.FormatInt(e.Project, 10)
		_, err = a.projectByID(q, p, platform.Administrator)
	}
	if err != nil {
		return nil, err
	}
	workspace, err := a.workspaceID(q, e.Project)
	if err != nil {
		return nil, err
	}
	if err := a.Platform.DeleteProjectEnvironment(q.Context(), e.Project, e.Client); err != nil {
		return nil, err
	}
	return object{"workosEnvironmentId": e.Env, "workosEnvironmentName": e.Name, "workosTeamId": workspace}, nil
}

func projectEnvironmentHealth(a *API, q *request) (any, error) {
	e, err := a.namedEnvironment(q, platform.Viewer)
	if err != nil {
		return nil, err
	}
	return object{"id": e.Env, "name": e.Name, "clientId": e.Client}, nil
}

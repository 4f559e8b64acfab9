package management

import (
	"strconv"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/platform"
)

// The vendor's words: a team's account with the identity service is a WorkOS team
// here, a workspace in platform; what a deployment has is an environment in both.

// hasWorkspace says whether a deployment's team has a workspace.
func (a *API) hasWorkspace(q *request, deployment string) (any, error) {
	p, _, err := a.projectOfDeployment(q, deployment, platform.Viewer)
	if err != nil {
		return nil, err
	}
	w, err := a.Platform.Workspace(q.Context(), p.Team)
	if err != nil {
		return nil, err
	}
	out := object{"hasAssociatedWorkosTeam": w != nil, "teamId": p.Team}
	if w != nil {
		out["adminEmail"], out["adminName"], out["adminConvexEmail"] = w.AdminEmail, nil, w.AdminEmail
	}
	return out, nil
}

func hasAssociatedTeam(a *API, q *request) (any, error) {
	var in struct {
		DeploymentName string `json:"deploymentName"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	return a.hasWorkspace(q, in.DeploymentName)
}

func hasAssociatedTeamByPath(a *API, q *request) (any, error) {
	return a.hasWorkspace(q, q.PathValue("deployment"))
}

func availableEmails(a *API, q *request) (any, error) {
	if q.actor.Operator == nil {
		return nil, errPersonOnly
	}
	available, used, err := a.Platform.WorkspaceEmails(q.Context(), q.actor.Operator)
	return object{"availableEmails": available, "usedEmails": used}, err
}

// teamRequest is the body of requests about a team's workspace.
type teamRequest struct {
	TeamID     int64  `json:"teamId"`
	Email      string `json:"email"`
	Authorized bool   `json:"authorized"`
}

// administered reads a body and finds its team for one of its administrators.
func (a *API) administered(q *request) (*platform.Team, teamRequest, error) {
	var in teamRequest
	if err := q.decode(&in); err != nil {
		return nil, in, err
	}
	t, err := a.team(q, strconv.FormatInt(in.TeamID, 10), platform.Administrator)
	return t, in, err
}

// provisionTeam makes a team's workspace. The address that administers it must be the
// operator's, so that nobody links a team to somebody else's.
func provisionTeam(a *API, q *request) (any, error) {
	t, in, err := a.administered(q)
	if err != nil {
		return nil, err
	}
	if q.actor.Operator == nil || !q.actor.Operator.OwnAddress(in.Email) {
		return nil, apierr.New(apierr.BadRequest, "EmailNotVerified", "%q is not one of your addresses.", clip(in.Email))
	}
	w, err := a.Platform.ProvisionWorkspace(q.Context(), t.ID, in.Email)
	if err != nil {
		return nil, err
	}
	return object{"workosTeamId": w.ID, "workosTeamName": w.Name, "adminEmail": w.AdminEmail}, nil
}

func disconnectTeam(a *API, q *request) (any, error) {
	t, _, err := a.administered(q)
	if err != nil {
		return nil, err
	}
	w, err := a.Platform.DisconnectWorkspace(q.Context(), t.ID)
	if err != nil {
		return nil, err
	}
	return object{"workosTeamId": w.ID, "workosTeamName": w.Name}, nil
}

// authorizePlatform says whether the control plane may provision in a team's
// workspace. The vendor has no such call: a workspace's administrator withdraws it in
// the identity service's dashboard, and the CLI reports "Platform not authorized".
func authorizePlatform(a *API, q *request) (any, error) {
	t, in, err := a.administered(q)
	if err != nil {
		return nil, err
	}
	return object{"teamId": t.ID, "authorized": in.Authorized}, a.Platform.AuthorizeWorkspace(q.Context(), t.ID, in.Authorized)
}

func teamHealth(a *API, q *request) (any, error) {
	t, err := a.team(q, q.PathValue("team"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	w, err := a.Platform.Workspace(q.Context(), t.ID)
	if err != nil || w == nil {
		return object{"teamProvisioned": false, "teamInfo": nil}, err
	}
	// Production needs no credit card here: its environments are made as any others.
	return object{"teamProvisioned": true, "teamInfo": object{"id": w.ID, "name": w.Name, "productionState": "active"}}, nil
}

func invitableEmails(a *API, q *request) (any, error) {
	t, err := a.team(q, q.PathValue("team"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	w, err := a.Platform.Workspace(q.Context(), t.ID)
	if err != nil {
		return nil, err
	}
	out := object{"eligibleEmails": []string{}, "adminEmail": nil}
	if w != nil {
		out["adminEmail"] = w.AdminEmail
	}
	if o := q.actor.Operator; o != nil && (w == nil || o.Email != w.AdminEmail) {
		out["eligibleEmails"] = []string{o.Email}
	}
	return out, nil
}

// inviteMember invites one of the operator's addresses to their team's workspace.
func inviteMember(a *API, q *request) (any, error) {
	var in teamRequest
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	t, err := a.team(q, strconv.FormatInt(in.TeamID, 10), platform.Developer)
	if err != nil {
		return nil, err
	}
	if q.actor.Operator == nil {
		return nil, errPersonOnly
	}
	w, err := a.Platform.InviteToWorkspace(q.Context(), t.ID, q.actor.Operator, in.Email)
	if err != nil {
		return nil, err
	}
	email := w.Members[len(w.Members)-1]
	if a.Invite != nil {
		if err := a.Invite(q.Context(), Invitation{Email: email, Workspace: w.Name, Team: t.Name, URL: a.BaseURL + "/"}); err != nil {
			return nil, err
		}
	}
	return object{"email": email, "roleSlug": "admin"}, nil
}

// provisionEnvironment gives a deployment its environment: the one that it has, or a
// new one of the kind that is asked for.
func provisionEnvironment(a *API, q *request) (any, error) {
	var in struct {
		DeploymentName  string `json:"deploymentName"`
		EnvironmentType string `json:"environmentType"`
		IsProduction    *bool  `json:"isProduction"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	var kind identity.EnvironmentKind
	switch {
	case in.EnvironmentType == "production" || in.IsProduction != nil && *in.IsProduction:
		kind = identity.Production
	case in.EnvironmentType == "nonproduction" || in.IsProduction != nil:
		kind = identity.Development
	case in.EnvironmentType != "":
		return nil, apierr.New(apierr.BadRequest, "InvalidEnvironmentType", "environmentType is production or nonproduction, not %q.", clip(in.EnvironmentType))
	}
	d, err := a.deployment(q, in.DeploymentName, platform.Developer)
	if err != nil {
		return nil, err
	}
	e, err := a.Platform.ProvisionEnvironmentAs(q.Context(), d.Name, kind)
	if err != nil {
		return nil, err
	}
	return object{"environmentId": e.Environment, "environmentName": e.Name, "clientId": e.Client, "apiKey": e.APIKey, "newlyProvisioned": e.New}, nil
}

func environmentHealth(a *API, q *request) (any, error) {
	d, err := a.deployment(q, q.PathValue("deployment"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	if d.Environment == "" {
		return nil, errNoEnvironment
	}
	e, err := a.Platform.Identity.Environment(q.Context(), d.Environment)
	if apierr.KindOf(err) == apierr.NotFound {
		err = errNoEnvironment
	}
	if err != nil {
		return nil, err
	}
	return object{"id": e.ID, "name": e.Name, "clientId": e.ClientID}, nil
}

// errNoEnvironment has the code that the CLI takes for "none".
var errNoEnvironment = apierr.New(apierr.NotFound, "WorkOSEnvironmentNotProvisioned",
	"This deployment has no WorkOS environment yet. Make one with: npx convex integration workos provision-environment")

func deleteEnvironment(a *API, q *request) (any, error) {
	var in struct {
		DeploymentName string `json:"deploymentName"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	d, err := a.deployment(q, in.DeploymentName, platform.Administrator)
	if err != nil {
		return nil, err
	}
	workspace, err := a.workspaceID(q, d.Project)
	if err != nil {
		return nil, err
	}
	e, err := a.Platform.DeleteEnvironment(q.Context(), d.Name)
	if err != nil {
		return nil, err
	}
	return object{"workosEnvironmentId": e.Environment, "workosEnvironmentName": e.Name, "workosTeamId": workspace}, nil
}

// workspaceID is the id of the workspace of a project's team; "" if it has none.
func (a *API) workspaceID(q *request, project int64) (string, error) {
	p, err := a.Platform.Project(q.Context(), project)
	if err != nil {
		return "", err
	}
	w, err := a.Platform.Workspace(q.Context(), p.Team)
	if err != nil || w == nil {
		return "", err
	}
	return w.ID, nil
}

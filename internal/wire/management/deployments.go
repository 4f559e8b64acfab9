package management

import (
	"context"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// deploymentShape is a deployment as the vendor's clients read it. It is never an
// error that a deployment's address is not known: lists must not fail for one row.
func (a *API) deploymentShape(ctx context.Context, d *platform.Deployment) object {
	url, _, _ := a.Platform.Fleet.Addresses(ctx, d.Name)
	out := object{"kind": "cloud", "id": d.Name, "name": d.Name, "deploymentType": d.Kind, "deploymentUrl": url, "projectId": d.Project,
		"reference": d.Reference, "isDefault": d.Default, "region": region, "class": class, "creator": d.Creator,
		"createTime": d.Created.UnixMilli(), "expiresAt": nil, "previewIdentifier": nil}
	if !d.Expires.IsZero() {
		out["expiresAt"] = d.Expires.UnixMilli()
	}
	if d.Kind == platform.Preview {
		out["previewIdentifier"] = strings.TrimPrefix(d.Reference, "preview/")
	}
	return out
}

func getDeployment(a *API, q *request) (any, error) {
	d, err := a.deployment(q, q.PathValue("deployment"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	return a.deploymentShape(q.Context(), d), nil
}

// findDeployment finds a deployment of a project by reference, or a default one.
func (a *API) findDeployment(q *request, p *platform.Project) (any, error) {
	var d *platform.Deployment
	var err error
	query := q.URL.Query()
	switch {
	case query.Get("reference") != "":
		d, err = a.Platform.DeploymentByReference(q.Context(), p.ID, query.Get("reference"))
	case query.Get("defaultProd") == "true":
		d, err = a.Platform.DefaultDeployment(q.Context(), p.ID, platform.Prod, "")
	case query.Get("defaultDev") == "true" && q.actor.Operator != nil:
		d, err = a.Platform.DefaultDeployment(q.Context(), p.ID, platform.Dev, q.actor.Operator.ID)
	default:
		return nil, apierr.New(apierr.BadRequest, "InvalidDeploymentQuery", "Say reference=…, defaultDev=true or defaultProd=true.")
	}
	if err != nil {
		return nil, err
	}
	if err := a.Platform.MayDeployment(q.Context(), q.actor, d, platform.Viewer); err != nil {
		return nil, noDeployment(query.Get("reference"))
	}
	return a.deploymentShape(q.Context(), d), nil
}

func findInProject(a *API, q *request) (any, error) {
	p, err := a.projectByID(q, q.PathValue("project"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	return a.findDeployment(q, p)
}

func findInProjectBySlugs(a *API, q *request) (any, error) {
	p, _, err := a.projectBySlugs(q, q.PathValue("team"), q.PathValue("slug"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	return a.findDeployment(q, p)
}

// seenDeployments lists the deployments of a project that the actor may see, of one
// type if the query says so.
func (a *API) seenDeployments(q *request, p *platform.Project) ([]object, error) {
	list, err := a.Platform.DeploymentsOf(q.Context(), p.ID)
	out := []object{}
	only := platform.Kind(q.URL.Query().Get("deploymentType"))
	for i := range list {
		if d := &list[i]; (only == "" || only == d.Kind) && a.Platform.MayDeployment(q.Context(), q.actor, d, platform.Viewer) == nil {
			out = append(out, a.deploymentShape(q.Context(), d))
		}
	}
	return out, err
}

func listDeployments(a *API, q *request) (any, error) {
	p, err := a.projectByID(q, q.PathValue("project"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	list, err := a.seenDeployments(q, p)
	return page(list), err
}

// listDeploymentsOld is what CLIs before 1.40 ask.
func listDeploymentsOld(a *API, q *request) (any, error) {
	p, _, err := a.projectBySlugs(q, q.PathValue("team"), q.PathValue("slug"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	return a.seenDeployments(q, p)
}

func listTeamDeployments(a *API, q *request) (any, error) {
	t, err := a.seenTeam(q, q.PathValue("team"))
	if err != nil {
		return nil, err
	}
	projects, err := a.Platform.Projects(q.Context(), t.ID)
	if err != nil {
		return nil, err
	}
	all := []object{}
	for i := range projects {
		list, err := a.seenDeployments(q, &projects[i])
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return page(all), nil
}

// Bounds of an expiry that somebody chooses: the CLI sends milliseconds.
const maxExpiry = 10 * 365 * 24 * time.Hour

// expiry reads an expiresAt.
func (a *API) expiry(millis *int64) (time.Time, error) {
	if millis == nil {
		return time.Time{}, nil
	}
	at, now := time.UnixMilli(*millis), a.now()
	if !at.After(now) || at.After(now.Add(maxExpiry)) {
		return time.Time{}, apierr.New(apierr.BadRequest, "InvalidExpiry", "expiresAt must lie in the future, and within ten years.")
	}
	return at, nil
}

func createDeployment(a *API, q *request) (any, error) {
	var in struct {
		Type      platform.Kind `json:"type"`
		Reference *string       `json:"reference"`
		IsDefault *bool         `json:"isDefault"`
		ExpiresAt *int64        `json:"expiresAt"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, err := a.projectByID(q, q.PathValue("project"), platform.Developer)
	if err != nil {
		return nil, err
	}
	n := platform.NewDeployment{Project: p.ID, Kind: in.Type}
	if n.Expires, err = a.expiry(in.ExpiresAt); err != nil {
		return nil, err
	}
	if in.Reference != nil {
		n.Reference = *in.Reference
	}
	if in.IsDefault != nil {
		n.Default = *in.IsDefault
	}
	if o := q.actor.Operator; o != nil {
		n.Creator = o.ID
	}
	if n.Default && n.Kind == platform.Dev {
		if d, err := a.Platform.DefaultDeployment(q.Context(), p.ID, platform.Dev, n.Creator); err == nil {
			return nil, apierr.New(apierr.Conflict, "DefaultDevExists", "You have your default deployment for development in this project already: %s.", d.Name)
		}
	}
	d, err := a.Platform.Launch(q.Context(), n)
	if err != nil {
		return nil, err
	}
	return a.deploymentShape(q.Context(), d), nil
}

func updateDeployment(a *API, q *request) (any, error) {
	var in struct {
		Reference      *string        `json:"reference"`
		ExpiresAt      *int64         `json:"expiresAt"`
		DeploymentType *platform.Kind `json:"deploymentType"`
		IsDefault      *bool          `json:"isDefault"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	d, err := a.deployment(q, q.PathValue("deployment"), platform.Administrator)
	if err != nil {
		return nil, err
	}
	if in.DeploymentType != nil && *in.DeploymentType != d.Kind || in.IsDefault != nil && *in.IsDefault != d.Default {
		return nil, apierr.New(apierr.Unsupported, "DeploymentTypeIsFixed", "The type of a deployment, and whether it is the default, stay as they were made.")
	}
	at, err := a.expiry(in.ExpiresAt)
	if err != nil {
		return nil, err
	}
	if in.Reference != nil {
		if err := a.Platform.Rename(q.Context(), d.Name, *in.Reference); err != nil {
			return nil, err
		}
	}
	if in.ExpiresAt != nil {
		if err := a.Platform.ChangeDeployment(q.Context(), d.Name, func(d *platform.Deployment) { d.Expires = at }); err != nil {
			return nil, err
		}
	}
	return getDeployment(a, q)
}

func deleteDeployment(a *API, q *request) (any, error) {
	need := platform.Developer
	d, err := a.deployment(q, q.PathValue("deployment"), need)
	if err == nil && d.Kind.Production() {
		d, err = a.deployment(q, d.Name, platform.Administrator)
	}
	if err != nil {
		return nil, err
	}
	if err := a.Platform.DeleteDeployment(q.Context(), d.Name); err != nil {
		return nil, err
	}
	a.Log.Info("deleted a deployment", "deployment", d.Name, "reference", d.Reference)
	return object{}, nil
}

package management

import (
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// credentials are what the CLI needs to work with a deployment: its address and an
// admin key. Whoever gets them may everything there.
func (a *API) credentials(q *request, d *platform.Deployment) (object, error) {
	ctx := q.Context()
	if err := a.Platform.MayDeployment(ctx, q.actor, d, platform.Developer); err != nil {
		return nil, err
	}
	key, err := a.Platform.Fleet.AdminKey(d.Name)
	if err != nil {
		return nil, err
	}
	if d.Kind == platform.Dev || d.Kind == platform.Prod {
		key = string(d.Kind) + ":" + key
	}
	url, _, err := a.Platform.Fleet.Addresses(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	return object{"adminKey": key, "url": url, "deploymentName": d.Name, "deploymentType": d.Kind, "reference": d.Reference, "isDefault": d.Default}, nil
}

// provisionAndAuthorize gives the actor's deployment for development, or the
// project's for production, which it makes if there is none.
func provisionAndAuthorize(a *API, q *request) (any, error) {
	var in struct {
		TeamSlug       *string       `json:"teamSlug"`
		ProjectSlug    *string       `json:"projectSlug"`
		DeploymentType platform.Kind `json:"deploymentType"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if in.DeploymentType != platform.Dev && in.DeploymentType != platform.Prod {
		return nil, apierr.New(apierr.BadRequest, "InvalidDeploymentType", "deploymentType is dev or prod, not %q.", clip(string(in.DeploymentType)))
	}
	var p *platform.Project
	var err error
	if in.TeamSlug == nil || in.ProjectSlug == nil {
		p, err = a.ownProject(q, platform.Developer)
	} else {
		p, _, err = a.projectBySlugs(q, *in.TeamSlug, *in.ProjectSlug, platform.Developer)
	}
	if err != nil {
		return nil, err
	}
	d, err := a.Platform.EnsureDefault(q.Context(), p.ID, in.DeploymentType, q.actor.Operator)
	if err != nil {
		return nil, err
	}
	return a.credentials(q, d)
}

// authorizeWithinProject gives a deployment that is named, of the project selected.
func authorizeWithinProject(a *API, q *request) (any, error) {
	var in struct {
		SelectedDeploymentName string    `json:"selectedDeploymentName"`
		ProjectSelection       selection `json:"projectSelection"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, err := a.selected(q, in.ProjectSelection, platform.Viewer)
	if err != nil {
		return nil, err
	}
	d, err := a.deployment(q, in.SelectedDeploymentName, platform.Viewer)
	if err != nil {
		return nil, err
	}
	if d.Project != p.ID {
		return nil, apierr.New(apierr.BadRequest, "DeploymentNotInProject", "%s is a deployment of another project than %s.", d.Name, p.Slug)
	}
	return a.credentials(q, d)
}

// authorizeProd gives the production deployment of the project that a deployment
// belongs to.
func authorizeProd(a *API, q *request) (any, error) {
	var in struct {
		DeploymentName string `json:"deploymentName"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, _, err := a.projectOfDeployment(q, in.DeploymentName, platform.Viewer)
	if err == nil {
		err = a.may(q, p, platform.Developer)
	}
	if err != nil {
		return nil, err
	}
	d, err := a.Platform.EnsureDefault(q.Context(), p.ID, platform.Prod, q.actor.Operator)
	if err != nil {
		return nil, err
	}
	return a.credentials(q, d)
}

// authorizePreview gives a preview that exists, by the name that it was made for.
func authorizePreview(a *API, q *request) (any, error) {
	var in struct {
		PreviewName      string    `json:"previewName"`
		ProjectSelection selection `json:"projectSelection"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, err := a.selected(q, in.ProjectSelection, platform.Viewer)
	if err != nil {
		return nil, err
	}
	d, err := a.Platform.DeploymentByReference(q.Context(), p.ID, platform.Reference("preview", in.PreviewName))
	if apierr.KindOf(err) == apierr.NotFound {
		return nil, apierr.New(apierr.NotFound, "PreviewNotFound", "The project has no preview %q. Previews expire; deploy it again to have a new one.", clip(in.PreviewName))
	}
	if err != nil {
		return nil, err
	}
	return a.credentials(q, d)
}

// maxIdentifier bounds what a preview is named after: a branch, usually.
const maxIdentifier = 256

// claimPreview gives a preview of that name: the one that is there if it may be used
// again, a new and empty one otherwise.
func claimPreview(a *API, q *request) (any, error) {
	var in struct {
		ProjectSelection selection `json:"projectSelection"`
		Identifier       string    `json:"identifier"`
		Reuse            bool      `json:"reuse"`
		ExpiresAt        *int64    `json:"expiresAt"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if in.Identifier == "" || len(in.Identifier) > maxIdentifier {
		return nil, apierr.New(apierr.BadRequest, "InvalidPreviewName", "The name of a preview has 1 to %d bytes.", maxIdentifier)
	}
	p, err := a.selected(q, in.ProjectSelection, platform.Viewer)
	if err == nil {
		err = a.Platform.MayPreview(q.Context(), q.actor, p)
	}
	if err != nil {
		return nil, err
	}
	n := platform.NewDeployment{Project: p.ID, Kind: platform.Preview, Reference: platform.Reference("preview", in.Identifier)}
	if n.Expires, err = a.expiry(in.ExpiresAt); err != nil {
		return nil, err
	}
	if o := q.actor.Operator; o != nil {
		n.Creator = o.ID
	}
	a.claiming.Lock() // two builds of one branch must get one preview, not an error
	defer a.claiming.Unlock()
	d, err := a.Platform.DeploymentByReference(q.Context(), p.ID, n.Reference)
	if err != nil && apierr.KindOf(err) != apierr.NotFound {
		return nil, err
	}
	fresh := err != nil
	if d != nil && d.Kind != platform.Preview {
		return nil, apierr.New(apierr.Conflict, "ReferenceTaken", "%s is a deployment of type %s, not a preview.", n.Reference, d.Kind)
	}
	if d != nil && !in.Reuse {
		if err := a.Platform.DeleteDeployment(q.Context(), d.Name); err != nil {
			return nil, err
		}
		fresh = true
	}
	if fresh {
		if d, err = a.Platform.Launch(q.Context(), n); err != nil {
			return nil, err
		}
	}
	out, err := a.credentials(q, d)
	if err != nil {
		return nil, err
	}
	out["instanceUrl"], out["isNewDeployment"] = out["url"], fresh
	return out, nil
}

// existingDev says whether the actor has a deployment for development in a project.
func existingDev(a *API, q *request) (any, error) {
	var in struct {
		TeamSlug    string `json:"teamSlug"`
		ProjectSlug string `json:"projectSlug"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, _, err := a.projectBySlugs(q, in.TeamSlug, in.ProjectSlug, platform.Viewer)
	if err != nil {
		return nil, err
	}
	if q.actor.Operator != nil {
		d, err := a.Platform.DefaultDeployment(q.Context(), p.ID, platform.Dev, q.actor.Operator.ID)
		if err == nil {
			return object{"kind": "Exists", "deploymentName": d.Name}, nil
		}
		if apierr.KindOf(err) != apierr.NotFound {
			return nil, err
		}
	}
	return object{"kind": "DoesNotExist"}, nil
}

// whereabouts tell where a deployment or a key belongs.
func (a *API) whereabouts(q *request, p *platform.Project, d *platform.Deployment) (object, error) {
	t, err := a.Platform.Team(q.Context(), p.Team)
	if err != nil {
		return nil, err
	}
	out := object{"team": t.Slug, "project": p.Slug, "teamId": t.ID, "projectId": p.ID, "reference": nil, "isDefault": false}
	if d != nil {
		out["reference"], out["isDefault"] = d.Reference, d.Default
	}
	return out, nil
}

func teamAndProject(a *API, q *request) (any, error) {
	p, d, err := a.projectOfDeployment(q, q.PathValue("deployment"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	return a.whereabouts(q, p, d)
}

// byKey finds who a key in the body belongs to. The key is the credential: whoever
// has it may know what it is for.
func (a *API) byKey(q *request) (*request, *platform.Deployment, error) {
	var in struct {
		DeployKey string `json:"deployKey"`
	}
	if err := q.decode(&in); err != nil {
		return nil, nil, err
	}
	actor, err := a.Platform.Authenticate(q.Context(), in.DeployKey)
	if err != nil {
		return nil, nil, err
	}
	k := &request{Request: q.Request, actor: actor}
	name := actor.AdminOf
	if name == "" && actor.Credential != nil {
		name = actor.Credential.Deployment
	}
	if name == "" {
		return k, nil, nil
	}
	d, err := a.Platform.Deployment(q.Context(), name)
	return k, d, err
}

// urlForKey gives the address of the deployment that a deploy key opens.
func urlForKey(a *API, q *request) (any, error) {
	_, d, err := a.byKey(q)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, apierr.New(apierr.BadRequest, "NotADeployKey", "That key does not belong to one deployment.")
	}
	url, _, err := a.Platform.Fleet.Addresses(q.Context(), d.Name)
	return url, err
}

func teamAndProjectForKey(a *API, q *request) (any, error) {
	k, d, err := a.byKey(q)
	if err != nil {
		return nil, err
	}
	if d == nil {
		p, err := a.ownProject(k, platform.Viewer)
		if err != nil {
			return nil, err
		}
		return a.whereabouts(k, p, nil)
	}
	p, err := a.Platform.Project(q.Context(), d.Project)
	if err != nil {
		return nil, err
	}
	return a.whereabouts(k, p, d)
}

package management

import "github.com/lentil-dev/lentil/internal/platform"

// The CLI can run a backend of its own on somebody's machine and tell the control
// plane about it. Such deployments have their data there; this house keeps nothing
// about them, and only says to which project one belongs.

// localStart names the deployment that the CLI is about to run for a project.
func localStart(a *API, q *request) (any, error) {
	var in struct {
		TeamSlug     string  `json:"teamSlug"`
		ProjectSlug  string  `json:"projectSlug"`
		InstanceName *string `json:"instanceName"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, t, err := a.projectBySlugs(q, in.TeamSlug, in.ProjectSlug, platform.Developer)
	if err != nil {
		return nil, err
	}
	// The CLI makes the key itself; the member is there because older ones read it.
	return object{"deploymentName": localName(t, p), "adminKey": "", "projectId": p.ID}, nil
}

// localSeen takes note of nothing: see above.
func localSeen(*API, *request) (any, error) { return object{}, nil }

// localMetadata keeps the CLI from asking "cloud or local?", which it does for
// whoever has several projects. A house is on people's own machines already, and the
// other answer downloads the vendor's backend. `npx convex deployment select local`
// is still there for those who want it.
func localMetadata(a *API, q *request) (any, error) {
	n, err := a.countProjects(q)
	kind := "none"
	if n > 0 {
		kind = "one"
	}
	return object{"totalProjects": object{"kind": kind}}, err
}

package server

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/wire"
)

// DeploymentsPath is where lentil deployments asks a running house, with the token of
// the house or of its owner.
const DeploymentsPath = "/_lentil/deployments"

// DeploymentInfo is a deployment of a house, for lists.
type DeploymentInfo struct {
	Name      string        `json:"name"`
	Kind      platform.Kind `json:"kind"`
	Team      string        `json:"team"`    // its slug
	Project   string        `json:"project"` // likewise
	Reference string        `json:"reference"`
	Home      bool          `json:"home"`
	State     string        `json:"state"` // open, closed, unavailable; "" in a house that does not run
	Reason    string        `json:"reason,omitempty"`
	URL       string        `json:"url,omitempty"`
	SiteURL   string        `json:"siteUrl,omitempty"`
	ClientID  string        `json:"clientId,omitempty"`
	Sockets   int           `json:"sockets"`
	Created   time.Time     `json:"created"`
	Expires   *time.Time    `json:"expires,omitempty"`
}

// CreateDeploymentRequest says what to make. Project is a slug, team/project where
// several teams have one of that slug, or empty for the first project.
type CreateDeploymentRequest struct {
	Kind      platform.Kind `json:"kind"`
	Project   string        `json:"project,omitempty"`
	Reference string        `json:"reference,omitempty"`
	Name      string        `json:"name,omitempty"`
}

// CreatedKey is a deploy key, which is shown this once.
type CreatedKey struct {
	ID  string `json:"id"`
	Key string `json:"key"`
}

// roster answers for lentil deployments.
func (s *Server) roster(mux *http.ServeMux) {
	front := wire.Front{Log: s.log, Dialect: func(w http.ResponseWriter, r *http.Request, e *apierr.Error) {
		writeRefusal(w, r, wire.Status(e.Kind), e.Code, e.Message)
	}}
	handle := func(pattern string, f func(r *http.Request, by platform.OperatorID) (any, error)) {
		mux.Handle(pattern, front.Handle(func(w http.ResponseWriter, r *http.Request) error {
			token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			actor, err := s.platform.Authenticate(r.Context(), token)
			if err != nil {
				return err
			}
			if !actor.Person() || actor.Operator == nil || !actor.Operator.Owner {
				return apierr.New(apierr.Forbidden, "OwnerOnly", "Only the owner of the house may do that: run lentil deployments where its data directory is.")
			}
			out, err := f(r, actor.Operator.ID)
			if err != nil {
				return err
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			_ = json.NewEncoder(w).Encode(out) // who asked may be gone
			return nil
		}))
	}
	handle("GET "+DeploymentsPath, func(r *http.Request, _ platform.OperatorID) (any, error) { return s.deployments(r.Context()) })
	handle("POST "+DeploymentsPath, func(r *http.Request, by platform.OperatorID) (any, error) {
		var req CreateDeploymentRequest
		if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16)).Decode(&req); err != nil {
			return nil, apierr.New(apierr.BadRequest, "BadRequest", "The request is not what lentil deployments sends: are both of one version?").Wrap(err)
		}
		return s.createDeployment(r.Context(), &req, by)
	})
	handle("DELETE "+DeploymentsPath+"/{name}", func(r *http.Request, _ platform.OperatorID) (any, error) {
		return struct{}{}, s.platform.DeleteDeployment(r.Context(), r.PathValue("name"))
	})
	handle("POST "+DeploymentsPath+"/{name}/keys", func(r *http.Request, by platform.OperatorID) (any, error) {
		name := r.URL.Query().Get("name")
		if name == "" {
			name = "lentil deployments key"
		}
		c, text, err := s.platform.CreateCredential(r.Context(), platform.NewCredential{Kind: platform.DeployKey, Name: name, Operator: by, Deployment: r.PathValue("name")})
		if err != nil {
			return nil, err
		}
		return CreatedKey{ID: c.ID, Key: text}, nil
	})
}

// deployments lists the deployments of the running house.
func (s *Server) deployments(ctx context.Context) ([]DeploymentInfo, error) {
	list, err := listDeployments(ctx, s.platform)
	if err != nil {
		return nil, err
	}
	states := map[string]DeploymentStatus{}
	for _, st := range s.fleet.status(&Status{}) {
		states[st.Name] = st
	}
	for i := range list {
		d := &list[i]
		if d.URL, d.SiteURL, err = s.fleet.Addresses(ctx, d.Name); err != nil {
			d.State, d.Reason = "unavailable", err.Error()
			continue
		}
		st := states[d.Name]
		if d.Home {
			st.State, st.Sockets = "open", s.home.sync.Connections()
		} else if st.State == "" {
			st.State = "closed" // made since
		}
		d.State, d.Reason, d.Sockets = st.State, st.Reason, st.Sockets
	}
	return list, nil
}

// createDeployment makes one and opens it, so that it answers from now on.
func (s *Server) createDeployment(ctx context.Context, req *CreateDeploymentRequest, by platform.OperatorID) (*DeploymentInfo, error) {
	project, err := findProject(ctx, s.platform, req.Project)
	if err != nil {
		return nil, err
	}
	n := platform.NewDeployment{Project: project, Kind: req.Kind, Reference: req.Reference, Name: req.Name, Creator: by}
	if n.Kind == platform.Prod {
		if _, err := s.platform.DefaultDeployment(ctx, project, platform.Prod, by); apierr.KindOf(err) == apierr.NotFound {
			n.Default = true // the first one is the project's own
		} else if err != nil {
			return nil, err
		}
	}
	d, err := s.platform.Launch(ctx, n)
	if err != nil {
		return nil, err
	}
	list, err := s.deployments(ctx)
	for i := range list {
		if list[i].Name == d.Name {
			return &list[i], nil
		}
	}
	return nil, errors.Join(err, apierr.New(apierr.NotFound, "DeploymentNotFound", "The deployment %s is gone again.", d.Name))
}

// findProject finds a project by its slug, with its team's before it if need be.
func findProject(ctx context.Context, p *platform.Service, slug string) (int64, error) {
	team, name, has := strings.Cut(slug, "/")
	if !has {
		team, name = "", slug
	}
	teams, err := p.Teams(ctx)
	if err != nil {
		return 0, err
	}
	var found []platform.Project
	for _, t := range teams {
		if team != "" && t.Slug != team {
			continue
		}
		projects, err := p.Projects(ctx, t.ID)
		if err != nil {
			return 0, err
		}
		for _, one := range projects {
			if name == "" && len(found) == 0 || one.Slug == name {
				found = append(found, one)
			}
		}
	}
	switch len(found) {
	case 0:
		return 0, apierr.New(apierr.NotFound, "ProjectNotFound", "There is no project %q.", slug)
	case 1:
		return found[0].ID, nil
	}
	return 0, apierr.New(apierr.Conflict, "ProjectAmbiguous", "Several teams have a project %s: name the team too, as in my-team/%s.", name, name)
}

// listDeployments lists the rows, whether or not anything runs.
func listDeployments(ctx context.Context, p *platform.Service) ([]DeploymentInfo, error) {
	rows, err := p.Deployments(ctx)
	if err != nil {
		return nil, err
	}
	list := []DeploymentInfo{}
	slugs := map[int64][2]string{} // team's and project's, by project
	for _, d := range rows {
		if _, known := slugs[d.Project]; !known {
			project, err := p.Project(ctx, d.Project)
			if err != nil {
				return nil, err
			}
			team, err := p.Team(ctx, project.Team)
			if err != nil {
				return nil, err
			}
			slugs[d.Project] = [2]string{team.Slug, project.Slug}
		}
		one := DeploymentInfo{
			Name: d.Name, Kind: d.Kind, Team: slugs[d.Project][0], Project: slugs[d.Project][1], Reference: d.Reference, Home: d.Home,
			ClientID: string(d.Client), Created: d.Created,
		}
		if !d.Expires.IsZero() {
			one.Expires = &d.Expires
		}
		list = append(list, one)
	}
	return list, nil
}

// DeploymentsStopped lists the deployments in a data directory that no process has open.
func DeploymentsStopped(ctx context.Context, dir string, masters [][]byte, log *slog.Logger) (list []DeploymentInfo, err error) {
	if _, err := os.Stat(filepath.Join(dir, houseName)); errors.Is(err, fs.ErrNotExist) {
		return nil, &plainError{dir + " holds no house: name the directory that lentil serve or lentil dev uses", err}
	}
	d, err := openDataDir(dir, masters)
	if err != nil {
		return nil, explain(dir, err)
	}
	defer d.close()
	store, err := pebblestore.Open(filepath.Join(d.path, houseName), pebblestore.Options{Log: log})
	if err != nil {
		return nil, explain(dir, err)
	}
	db, err := database.Open(ctx, database.Options{Store: store, Log: log})
	if err != nil {
		return nil, explain(dir, errors.Join(err, store.Close()))
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	seal := d.ring.Sealer()
	id := &identity.Service{DB: db, Sealer: seal, Log: log}
	if err := id.Open(ctx); err != nil {
		return nil, explain(dir, err)
	}
	p := &platform.Service{DB: db, Identity: id, Sealer: seal, Log: log}
	if err := p.Open(ctx); err != nil {
		return nil, explain(dir, err)
	}
	return listDeployments(ctx, p)
}

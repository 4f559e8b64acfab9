package dashboard

import (
	"github.com/lentil-dev/lentil/internal/platform"
)

// workspaceView shows a team's WorkOS workspace and the environments in it.
type workspaceView struct {
	*Visit
	Workspace *platform.Workspace
	Rows      []environmentRow
	Email     string // proposed for a new one
}

// environmentRow is an environment of the team.
type environmentRow struct{ Project, Name, Client, Kind, URL string }

func (workspaceView) template() string  { return "workspace" }
func (v workspaceView) heading() string { return "WorkOS workspace of " + v.Team.Name }

// showWorkspace lists the environments of the team's deployments and projects.
func (s *Site) showWorkspace(v *Visit) (view, error) {
	out := &workspaceView{Visit: v, Email: v.Operator.Email}
	var err error
	if out.Workspace, err = s.Platform.Workspace(v.Context(), v.Team.ID); err != nil {
		return nil, err
	}
	projects, err := s.Platform.Projects(v.Context(), v.Team.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range projects {
		list, err := s.Platform.DeploymentsOf(v.Context(), p.ID)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			if d.Environment != "" {
				out.Rows = append(out.Rows, environmentRow{p.Name, d.Reference, string(d.Client), string(d.Kind), "/d/" + d.Name + "/users"})
			}
		}
		own, err := s.Platform.ProjectEnvironments(v.Context(), p.ID)
		if err != nil {
			return nil, err
		}
		for _, e := range own {
			kind := "dev"
			if e.Production {
				kind = "prod"
			}
			out.Rows = append(out.Rows, environmentRow{Project: p.Name, Name: e.Name, Client: string(e.Client), Kind: kind})
		}
	}
	return out, nil
}

// provisionWorkspace makes the team's workspace, or links the one that the address
// had.
func (s *Site) provisionWorkspace(v *Visit) (string, error) {
	w, err := s.Platform.ProvisionWorkspace(v.Context(), v.Team.ID, v.PostForm.Get("email"))
	if err != nil {
		return "", err
	}
	v.Say("The workspace of %s is linked.", w.AdminEmail)
	return "", nil
}

// disconnectWorkspace unlinks it.
func (s *Site) disconnectWorkspace(v *Visit) (string, error) {
	if _, err := s.Platform.DisconnectWorkspace(v.Context(), v.Team.ID); err != nil {
		return "", err
	}
	v.Say("Unlinked. Environments and their users stay as they are.")
	return "", nil
}

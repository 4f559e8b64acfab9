package dashboard

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// teamCard is a team with its projects as the first page shows them.
type teamCard struct {
	platform.Team
	Role     platform.Role
	Projects []projectCard
}

// projectCard is a project with its deployments.
type projectCard struct {
	platform.Project
	URL         string
	Deployments []platform.Deployment
}

// homeView is the first page: teams and projects.
type homeView struct {
	*Visit
	Teams []teamCard
}

func (homeView) template() string { return "home" }
func (homeView) heading() string  { return "Projects" }

// showHome lists what the operator may see.
func (s *Site) showHome(v *Visit) (view, error) {
	teams, err := s.Platform.TeamsOf(v.Context(), v.Actor)
	if err != nil {
		return nil, err
	}
	out := &homeView{Visit: v}
	for _, t := range teams {
		c, err := s.teamCard(v, t)
		if err != nil {
			return nil, err
		}
		out.Teams = append(out.Teams, *c)
	}
	return out, nil
}

// teamCard reads a team's projects and their deployments.
func (s *Site) teamCard(v *Visit, t platform.Team) (*teamCard, error) {
	role, err := s.Platform.RoleIn(v.Context(), t.ID, v.Operator)
	if err != nil {
		return nil, err
	}
	c := &teamCard{Team: t, Role: role}
	projects, err := s.Platform.Projects(v.Context(), t.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range projects {
		list, err := s.Platform.DeploymentsOf(v.Context(), p.ID)
		if err != nil {
			return nil, err
		}
		c.Projects = append(c.Projects, projectCard{Project: p, URL: "/t/" + t.Slug + "/" + p.Slug, Deployments: list})
	}
	return c, nil
}

// createTeam makes a team.
func (s *Site) createTeam(v *Visit) (string, error) {
	t, err := s.Platform.CreateTeam(v.Context(), v.PostForm.Get("name"), v.Operator.ID)
	if err != nil {
		return "", err
	}
	v.Say("The team %s is there.", t.Name)
	return "/t/" + t.Slug, nil
}

// teamView is a team's page: its projects.
type teamView struct {
	*Visit
	Card teamCard
}

func (teamView) template() string  { return "team" }
func (v teamView) heading() string { return v.Team.Name }

// showTeam shows a team.
func (s *Site) showTeam(v *Visit) (view, error) {
	c, err := s.teamCard(v, *v.Team)
	if err != nil {
		return nil, err
	}
	return &teamView{Visit: v, Card: *c}, nil
}

// createProject makes a project.
func (s *Site) createProject(v *Visit) (string, error) {
	p, err := s.Platform.CreateProject(v.Context(), v.Team.ID, v.PostForm.Get("name"))
	if err != nil {
		return "", err
	}
	v.Say("The project %s is there. Give it its first deployment.", p.Name)
	return "/t/" + v.Team.Slug + "/" + p.Slug, nil
}

// projectView is a project's page: its deployments.
type projectView struct {
	*Visit
	Rows     []deploymentRow
	Keys     []platform.Credential
	Defaults []platform.Variable // their values are not shown
	Fresh    string              // the text of a key that was made just now
}

// deploymentRow is a deployment in a list.
type deploymentRow struct {
	platform.Deployment
	Address string
}

func (projectView) template() string  { return "project" }
func (v projectView) heading() string { return v.Project.Name }

// showProject shows a project.
func (s *Site) showProject(v *Visit) (view, error) {
	out := &projectView{Visit: v}
	for _, d := range v.Deployments {
		row := deploymentRow{Deployment: d}
		if s.Platform.Fleet != nil {
			var err error
			if row.Address, _, err = s.Platform.Fleet.Addresses(v.Context(), d.Name); err != nil {
				return nil, err
			}
		}
		out.Rows = append(out.Rows, row)
	}
	var err error
	if out.Keys, err = s.Platform.ProjectCredentials(v.Context(), v.Project.ID); err != nil {
		return nil, err
	}
	out.Defaults, err = s.Platform.DefaultVariables(v.Context(), v.Project.ID)
	return out, err
}

// createDeployment makes a deployment. Production takes an administrator.
func (s *Site) createDeployment(v *Visit) (string, error) {
	n := platform.NewDeployment{Project: v.Project.ID, Kind: platform.Kind(v.PostForm.Get("kind")), Reference: strings.TrimSpace(v.PostForm.Get("reference")), Creator: v.Operator.ID}
	if n.Kind == platform.Prod && !v.Role.Includes(platform.Administrator) {
		return "", errRole(platform.Administrator)
	}
	if n.Reference != "" && !strings.Contains(n.Reference, "/") && n.Kind != platform.Prod {
		n.Reference = platform.Reference(string(n.Kind), n.Reference)
	}
	if n.Kind == platform.Prod {
		if _, err := s.Platform.DefaultDeployment(v.Context(), v.Project.ID, platform.Prod, v.Operator.ID); apierr.KindOf(err) == apierr.NotFound {
			n.Default = true
		}
	}
	d, err := s.Platform.CreateDeployment(v.Context(), n)
	if err != nil {
		return "", err
	}
	if s.Platform.Fleet != nil {
		if _, err := s.Platform.Fleet.Open(v.Context(), d.Name); err != nil {
			return "", err
		}
	}
	v.Say("The deployment %s is there.", d.Name)
	return "/d/" + d.Name + "/health", nil
}

// renameProject changes the project's name.
func (s *Site) renameProject(v *Visit) (string, error) {
	if err := s.Platform.RenameProject(v.Context(), v.Project.ID, v.PostForm.Get("name")); err != nil {
		return "", err
	}
	v.Say("Renamed.")
	return "", nil
}

// deleteProject removes an empty project.
func (s *Site) deleteProject(v *Visit) (string, error) {
	if err := confirm(v, v.Project.Slug); err != nil {
		return "", err
	}
	if err := s.Platform.DeleteProject(v.Context(), v.Project.ID); err != nil {
		return "", err
	}
	v.Say("The project %s is gone.", v.Project.Name)
	return "/t/" + v.Team.Slug, nil
}

// confirm asks that a name was typed before something is lost.
func confirm(v *Visit, name string) error {
	if v.PostForm.Get("confirm") != name {
		return apierr.New(apierr.BadRequest, "NotConfirmed", "Type %s to confirm.", name)
	}
	return nil
}

// toDeployment leads from a deployment's name within its project to its own pages.
func (s *Site) toDeployment(v *Visit) (view, error) {
	ref := v.PathValue("reference")
	for _, d := range v.Deployments {
		if d.Reference == ref || d.Name == ref {
			return v.redirect("/d/" + d.Name + "/health")
		}
		for _, name := range []string{d.Reference, d.Name} {
			if rest, ok := strings.CutPrefix(ref, name+"/"); ok {
				return v.redirect((&url.URL{Path: "/d/" + d.Name + "/" + rest}).EscapedPath())
			}
		}
	}
	return nil, apierr.New(apierr.NotFound, "DeploymentNotFound", "The project has no deployment %q.", ref)
}

// toHealth leads to the first page of a deployment.
func (s *Site) toHealth(v *Visit) (view, error) { return v.redirect(v.Base() + "/health") }

// redirect answers with another address.
func (v *Visit) redirect(to string) (view, error) {
	http.Redirect(v.W, v.Request, to, http.StatusSeeOther)
	return nil, errDone
}

package platform

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// Team is a group of operators and their projects.
type Team struct {
	ID      int64
	Slug    string // in addresses and keys; unique in the house
	Name    string
	Creator OperatorID
	Created time.Time
}

// Project is one app: its deployments for development, previews and production.
type Project struct {
	ID   int64
	Team int64
	Slug string // unique in the team
	Name string
	// AuthKit says that the project has had an environment provisioned; new
	// deployments of it get theirs at once.
	AuthKit bool
	Created time.Time
}

// maxProjects bounds the projects of a team.
const maxProjects = 1000

// maxNameLength bounds the names of teams and projects, in bytes.
const maxNameLength = 100

// numberKey is the beginning of an index key whose first field is a number.
func numberKey(n int64, texts ...string) database.Interval {
	k := value.AppendKey(nil, value.Float64(n))
	for _, t := range texts {
		k = value.AppendKey(k, value.String(t))
	}
	return database.Prefix(k)
}

// first finds the first row in a span.
func first(tx *identity.Tx, table, index string, in database.Interval) (*identity.Found, error) {
	var found *identity.Found
	err := tx.Each(table, index, in, database.Asc, func(f identity.Found) (bool, error) {
		found = &f
		return false, nil
	})
	return found, err
}

// each reads all rows in a span.
func each[T any](tx *identity.Tx, table, index string, in database.Interval, read func(identity.Record) T) ([]T, error) {
	var list []T
	err := tx.Each(table, index, in, database.Asc, func(f identity.Found) (bool, error) {
		list = append(list, read(f.Record))
		return true, nil
	})
	return list, err
}

// Slug makes what stands for a name in addresses.
func Slug(name string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteRune(r)
		} else {
			dash = true
		}
	}
	if b.Len() == 0 {
		return "unnamed"
	}
	return b.String()
}

// freeSlug is the slug of a name with a number after it if others have it.
func freeSlug(name string, taken func(slug string) (bool, error)) (string, error) {
	base := Slug(name)
	for n := 1; ; n++ {
		slug := base
		if n > 1 {
			slug += "-" + strconv.Itoa(n)
		}
		if is, err := taken(slug); err != nil || !is {
			return slug, err
		}
	}
}

// checkName refuses names of teams and projects that a list could not show.
func checkName(what, name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > maxNameLength || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return "", apierr.New(apierr.BadRequest, "InvalidName", "The name of a %s has 1 to %d bytes and no control characters.", what, maxNameLength)
	}
	return name, nil
}

func readTeam(r identity.Record) Team {
	return Team{ID: int64(r.Number("id")), Slug: r.Text("slug"), Name: r.Text("name"), Creator: OperatorID(r.Text("creator")), Created: r.Time("created")}
}

func readProject(r identity.Record) Project {
	return Project{ID: int64(r.Number("id")), Team: int64(r.Number("team")), Slug: r.Text("slug"), Name: r.Text("name"), AuthKit: r.Flag("authkit"), Created: r.Time("created")}
}

// addTeam writes a team with its first administrator.
func addTeam(tx *identity.Tx, name string, by OperatorID) (*Team, error) {
	id, err := nextID(tx, tableTeams)
	if err != nil {
		return nil, err
	}
	t := &Team{ID: id, Name: name, Creator: by, Created: tx.Now()}
	t.Slug, err = freeSlug(name, func(slug string) (bool, error) {
		f, err := tx.First(tableTeams, "on_slug", slug)
		return f != nil, err
	})
	if err != nil {
		return nil, err
	}
	err = tx.Add(tableTeams, identity.Row{identity.Number("id", t.ID), identity.Text("slug", t.Slug), identity.Text("name", t.Name),
		identity.Text("creator", t.Creator), identity.Time("created", t.Created)})
	if err != nil {
		return nil, err
	}
	return t, putMember(tx, t.ID, by, Administrator)
}

// addProject writes a project.
func addProject(tx *identity.Tx, team int64, name string) (*Project, error) {
	id, err := nextID(tx, tableProjects)
	if err != nil {
		return nil, err
	}
	p := &Project{ID: id, Team: team, Name: name, Created: tx.Now()}
	p.Slug, err = freeSlug(name, func(slug string) (bool, error) {
		f, err := first(tx, tableProjects, "on_team", numberKey(team, slug))
		return f != nil, err
	})
	if err != nil {
		return nil, err
	}
	return p, tx.Add(tableProjects, identity.Row{identity.Number("id", p.ID), identity.Number("team", team), identity.Text("slug", p.Slug), identity.Text("name", p.Name),
		identity.Flag("authkit", false), identity.Time("created", p.Created)})
}

// CreateTeam makes a team that by administers. It has no workspace yet.
func (s *Service) CreateTeam(ctx context.Context, name string, by OperatorID) (t *Team, err error) {
	if name, err = checkName("team", name); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		t, err = addTeam(tx, name, by)
		return err
	})
	return t, err
}

// CreateProject makes a project without deployments.
func (s *Service) CreateProject(ctx context.Context, team int64, name string) (p *Project, err error) {
	if name, err = checkName("project", name); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := teamRow(tx, team); err != nil {
			return err
		}
		all, err := each(tx, tableProjects, "on_team", numberKey(team), readProject)
		if err != nil {
			return err
		}
		if most := cmp.Or(s.MaxProjects, maxProjects); len(all) >= most {
			return apierr.New(apierr.Conflict, "TooManyProjects", "The team has %d projects: delete those that nobody uses.", most)
		}
		p, err = addProject(tx, team, name)
		return err
	})
	return p, err
}

// teamRow finds a team; TeamNotFound if there is none.
func teamRow(tx *identity.Tx, id int64) (*identity.Found, error) {
	f, err := first(tx, tableTeams, "on_id", numberKey(id))
	if err == nil && f == nil {
		err = notFound("TeamNotFound", "There is no team %d.", id)
	}
	return f, err
}

// projectRow finds a project; ProjectNotFound if there is none.
func projectRow(tx *identity.Tx, id int64) (*identity.Found, error) {
	f, err := first(tx, tableProjects, "on_id", numberKey(id))
	if err == nil && f == nil {
		err = notFound("ProjectNotFound", "There is no project %d.", id)
	}
	return f, err
}

// Team finds a team by its id.
func (s *Service) Team(ctx context.Context, id int64) (t *Team, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := teamRow(tx, id)
		if err == nil {
			found := readTeam(f.Record)
			t = &found
		}
		return err
	})
	return t, err
}

// TeamBySlug finds a team by its slug.
func (s *Service) TeamBySlug(ctx context.Context, slug string) (t *Team, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableTeams, "on_slug", slug)
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("TeamNotFound", "There is no team %q.", slug)
		}
		found := readTeam(f.Record)
		t = &found
		return nil
	})
	return t, err
}

// Teams lists all teams of the house, oldest first.
func (s *Service) Teams(ctx context.Context) (list []Team, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list, err = each(tx, tableTeams, "on_id", database.Interval{}, readTeam)
		return err
	})
	return list, err
}

// Project finds a project by its id.
func (s *Service) Project(ctx context.Context, id int64) (p *Project, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := projectRow(tx, id)
		if err == nil {
			found := readProject(f.Record)
			p = &found
		}
		return err
	})
	return p, err
}

// ProjectBySlug finds a project of a team by its slug.
func (s *Service) ProjectBySlug(ctx context.Context, team int64, slug string) (p *Project, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := first(tx, tableProjects, "on_team", numberKey(team, slug))
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("ProjectNotFound", "The team has no project %q.", slug)
		}
		found := readProject(f.Record)
		p = &found
		return nil
	})
	return p, err
}

// Projects lists a team's projects by slug.
func (s *Service) Projects(ctx context.Context, team int64) (list []Project, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list, err = each(tx, tableProjects, "on_team", numberKey(team), readProject)
		return err
	})
	return list, err
}

// RenameProject changes a project's name; its slug, which keys hold, stays.
func (s *Service) RenameProject(ctx context.Context, id int64, name string) error {
	name, err := checkName("project", name)
	if err != nil {
		return err
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := projectRow(tx, id)
		if err != nil {
			return err
		}
		return tx.Patch(f, identity.Row{identity.Text("name", name)})
	})
}

// DeleteProject removes a project that has no deployments any more, with its keys,
// its first variables and its identity environments. Nothing of them may stay: a later
// project may be given the same id.
func (s *Service) DeleteProject(ctx context.Context, id int64) error {
	environments, err := s.ProjectEnvironments(ctx, id)
	if err != nil {
		return err
	}
	if err := s.bare(ctx, id); err != nil {
		return err
	}
	for _, e := range environments {
		if err := s.DeleteProjectEnvironment(ctx, id, e.Client); err != nil {
			return err
		}
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := projectRow(tx, id)
		if err != nil {
			return err
		}
		d, err := first(tx, tableDeployments, "on_project", numberKey(id))
		if err != nil {
			return err
		}
		if d != nil {
			return errHasDeployments(d)
		}
		keys, err := tx.All(tableCredentials, "on_scope", projectScope(id))
		if err != nil {
			return err
		}
		for i := range keys {
			if err := tx.Remove(&keys[i]); err != nil {
				return err
			}
		}
		for _, table := range []string{tableVariables, tableEnvironments} {
			for {
				row, err := first(tx, table, "on_project", numberKey(id))
				if err != nil {
					return err
				}
				if row == nil {
					break
				}
				if err := tx.Remove(row); err != nil {
					return err
				}
			}
		}
		return tx.Remove(f)
	})
}

// bare refuses a project that has deployments.
func (s *Service) bare(ctx context.Context, id int64) error {
	return s.Identity.View(ctx, func(tx *identity.Tx) error {
		d, err := first(tx, tableDeployments, "on_project", numberKey(id))
		if err == nil && d != nil {
			err = errHasDeployments(d)
		}
		return err
	})
}

// errHasDeployments names one of a project's deployments.
func errHasDeployments(d *identity.Found) error {
	return apierr.New(apierr.Conflict, "ProjectHasDeployments", "The project has deployments, %s for one: delete them first.", d.Text("name"))
}

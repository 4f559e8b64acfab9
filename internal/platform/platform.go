package platform

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// Service keeps the control plane's rows in the house's own store. Fill the
// fields and call Open once.
type Service struct {
	DB       *database.DB
	Identity *identity.Service
	// Sealer protects API keys at rest.
	Sealer *token.Sealer
	// Fleet runs the deployments; set before the first deployment is made or removed.
	Fleet Fleet
	// Revoked is told of a token or key that has just ended, to end what it has opened;
	// nil for nobody.
	Revoked func(Credential)
	// HouseToken is the token with the owner's rights that local commands derive from
	// the data directory's secret; "" for none.
	HouseToken string
	// OwnerEmail is the address of the first operator of a new house.
	OwnerEmail string
	Log        *slog.Logger

	launching sync.Mutex // EnsureDefault, so that a default is made once
	going     turns      // deletions, by name of deployment
	// MaxDeployments bounds the deployments of a project, MaxProjects the projects of a
	// team; 0 means 1000 each.
	MaxDeployments, MaxProjects int
}

// The room's tables, in the house's own store.
const (
	tableDeployments  = "deployments"
	tableRetired      = "retired_names" // of deployments that were deleted
	tableTeams        = "teams"
	tableProjects     = "projects"
	tableWorkspaces   = "workos_workspaces"
	tableEnvironments = "project_environments"
	tableVariables    = "default_variables"
	tableCredentials  = "platform_credentials"
	tableOperators    = "operators"
	tableMembers      = "team_members"
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableDeployments, Indexes: []database.IndexDef{
		{Name: "by_name", Fields: []string{"name"}},
		{Name: "on_project", Fields: []string{"project", "name"}},
		{Name: "on_expires", Fields: []string{"expires"}},
		{Name: "on_environment", Fields: []string{"environment"}},
	}},
	{Name: tableRetired, Indexes: []database.IndexDef{{Name: "by_name", Fields: []string{"name"}}}},
	{Name: tableTeams, Indexes: []database.IndexDef{{Name: "on_id", Fields: []string{"id"}}, {Name: "on_slug", Fields: []string{"slug"}}}},
	{Name: tableProjects, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}}, {Name: "on_team", Fields: []string{"team", "slug"}},
	}},
	{Name: tableWorkspaces, Indexes: []database.IndexDef{{Name: "on_team", Fields: []string{"team"}}, {Name: "on_email", Fields: []string{"email"}}}},
	{Name: tableEnvironments, Indexes: []database.IndexDef{{Name: "on_project", Fields: []string{"project", "id"}}, {Name: "on_client", Fields: []string{"client"}}}},
	{Name: tableVariables, Indexes: []database.IndexDef{{Name: "on_project", Fields: []string{"project", "name"}}}},
	{Name: tableCredentials, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}}, {Name: "on_hash", Fields: []string{"hash"}}, {Name: "on_scope", Fields: []string{"scope", "id"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableOperators, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}}, {Name: "on_email", Fields: []string{"email"}}, {Name: "on_user", Fields: []string{"user"}},
	}},
	{Name: tableMembers, Indexes: []database.IndexDef{{Name: "on_team", Fields: []string{"team", "operator"}}, {Name: "on_operator", Fields: []string{"operator", "team"}}}},
}

// Open makes the tables and what a house has from the start; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	for _, t := range tableDefs {
		s.Identity.Foreign = append(s.Identity.Foreign, t.Name) // a reset of an environment must not take its deployment away
	}
	err := s.DB.EnsureTables(ctx, tableDefs)
	if err == nil {
		err = s.settle(ctx)
	}
	if err != nil {
		return fmt.Errorf("platform: open: %w", err)
	}
	return nil
}

// The first team and project of a house.
const (
	firstTeam    = "My team"
	firstProject = "My project"
)

// defaultOwner is the first operator's address where none is configured.
const defaultOwner = "owner@lentil.localhost"

// settle makes the owner, a first team that is linked to a workspace, and a first
// project, and gives deployments that older versions made their place in it.
func (s *Service) settle(ctx context.Context) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		any, err := tx.First(tableTeams, "on_id")
		if err != nil || any != nil {
			return err
		}
		owner := &Operator{ID: OperatorID(tx.NewID("operator_")), Email: s.OwnerEmail, Name: "Owner", Owner: true, Created: tx.Now()}
		if owner.Email == "" {
			owner.Email = defaultOwner
		}
		if err := tx.Add(tableOperators, operatorRow(owner)); err != nil {
			return err
		}
		t, err := addTeam(tx, firstTeam, owner.ID)
		if err != nil {
			return err
		}
		if _, err := addWorkspace(tx, t, owner.Email); err != nil {
			return err
		}
		p, err := addProject(tx, t.ID, firstProject)
		if err != nil {
			return err
		}
		// Its home deployment has an environment from the start, and so shall its others.
		f, err := projectRow(tx, p.ID)
		if err == nil {
			err = tx.Patch(f, identity.Row{identity.Flag("authkit", true)})
		}
		if err != nil {
			return err
		}
		old, err := tx.All(tableDeployments, "by_name")
		for _, f := range old {
			if err = tx.Patch(&f, identity.Row{identity.Number("project", p.ID), identity.Text("reference", "dev"), identity.Flag("default", true), identity.Flag("home", true)}); err != nil {
				break
			}
		}
		return err
	})
}

// nextID is one more than the greatest id of a table, whose index on_id begins with
// it. Ids are small numbers because the official tools want numbers.
func nextID(tx *identity.Tx, table string) (int64, error) {
	id := int64(1)
	err := tx.Each(table, "on_id", database.Interval{}, database.Desc, func(f identity.Found) (bool, error) {
		id = int64(f.Number("id")) + 1
		return false, nil
	})
	return id, err
}

// notFound is the answer to a name or id that nothing has, or nothing that the
// caller may see.
func notFound(code, format string, args ...any) error {
	return apierr.New(apierr.NotFound, code, format, args...)
}

package platform

import (
	"context"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Workspace is a team's account with the identity service, which the vendor calls a
// WorkOS team. Environments are provisioned in it.
type Workspace struct {
	ID         string // "team_…"
	Team       int64  // 0 when no team is linked to it any more
	Name       string
	AdminEmail string
	// Authorized says that the control plane may provision in it. What the vendor
	// reports as "Platform not authorized" is a workspace where it may not.
	Authorized bool
	// Members are the addresses that were invited to it.
	Members []string
	Created time.Time
}

// Errors of provisioning, with the codes that the official tools know
// (convex-cli.md §4.2, §4.3).
var (
	errNoWorkspace = apierr.New(apierr.BadRequest, "WorkOSTeamNotProvisioned",
		"This team has no WorkOS workspace yet. Make one with: npx convex integration workos provision-team")
	errNotAssociated = apierr.New(apierr.BadRequest, "WorkOSTeamNotAssociated", "This team has no WorkOS workspace.")
	errEmailTaken    = apierr.New(apierr.BadRequest, "WorkosAccountAlreadyExistsWithThisEmail",
		"Another team's WorkOS workspace belongs to that e-mail address. Choose another address.")
	errNotAuthorized = apierr.New(apierr.Forbidden, "PlatformNotAuthorized",
		"Platform not authorized: this team's WorkOS workspace no longer lets the platform provision in it. "+
			"Run npx convex integration workos disconnect-team, then npx convex integration workos provision-team.")
)

func readWorkspace(r identity.Record) Workspace {
	return Workspace{ID: r.Text("id"), Team: int64(r.Number("team")), Name: r.Text("name"), AdminEmail: r.Text("email"), Authorized: r.Flag("authorized"),
		Members: r.Texts("members"), Created: r.Time("created")}
}

func workspaceRow(w *Workspace) identity.Row {
	return identity.Row{identity.Text("id", w.ID), identity.Number("team", w.Team), identity.Text("name", w.Name), identity.Text("email", w.AdminEmail),
		identity.Flag("authorized", w.Authorized), identity.Texts("members", w.Members), identity.Time("created", w.Created)}
}

// addWorkspace writes a workspace for a team.
func addWorkspace(tx *identity.Tx, t *Team, email string) (*Workspace, error) {
	w := &Workspace{ID: tx.NewID("team_"), Team: t.ID, Name: t.Name, AdminEmail: strings.ToLower(email), Authorized: true, Created: tx.Now()}
	return w, tx.Add(tableWorkspaces, workspaceRow(w))
}

// Workspace finds a team's workspace; nil if it has none.
func (s *Service) Workspace(ctx context.Context, team int64) (w *Workspace, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := first(tx, tableWorkspaces, "on_team", numberKey(team))
		if err == nil && f != nil {
			found := readWorkspace(f.Record)
			w = &found
		}
		return err
	})
	return w, err
}

// ProvisionWorkspace links a team with a workspace of that address: a new one, or
// one that the same address had before it was disconnected, whose environments are
// then the team's again.
func (s *Service) ProvisionWorkspace(ctx context.Context, team int64, email string) (w *Workspace, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		t, err := teamRow(tx, team)
		if err != nil {
			return err
		}
		has, err := first(tx, tableWorkspaces, "on_team", numberKey(team))
		if err != nil {
			return err
		}
		if has != nil {
			return apierr.New(apierr.BadRequest, "WorkOSTeamAlreadyProvisioned", "This team has a WorkOS workspace already.")
		}
		old, err := tx.First(tableWorkspaces, "on_email", email)
		if err != nil {
			return err
		}
		if old == nil {
			row := readTeam(t.Record)
			w, err = addWorkspace(tx, &row, email)
			return err
		}
		found := readWorkspace(old.Record)
		if found.Team != 0 {
			return errEmailTaken
		}
		found.Team, found.Authorized = team, true
		w = &found
		return tx.Put(old.Doc, workspaceRow(w))
	})
	return w, err
}

// DisconnectWorkspace unlinks a team from its workspace. Environments and their
// users stay as they are.
func (s *Service) DisconnectWorkspace(ctx context.Context, team int64) (w *Workspace, err error) {
	err = s.changeWorkspace(ctx, team, func(found *Workspace) { found.Team, w = 0, found })
	return w, err
}

// AuthorizeWorkspace says whether the control plane may provision in a team's workspace.
func (s *Service) AuthorizeWorkspace(ctx context.Context, team int64, may bool) error {
	return s.changeWorkspace(ctx, team, func(w *Workspace) { w.Authorized = may })
}

func (s *Service) changeWorkspace(ctx context.Context, team int64, edit func(*Workspace)) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := first(tx, tableWorkspaces, "on_team", numberKey(team))
		if err != nil {
			return err
		}
		if f == nil {
			return errNotAssociated
		}
		w := readWorkspace(f.Record)
		edit(&w)
		return tx.Put(f.Doc, workspaceRow(&w))
	})
}

// usableWorkspace is a team's workspace if one can provision in it.
func usableWorkspace(tx *identity.Tx, team int64) error {
	f, err := first(tx, tableWorkspaces, "on_team", numberKey(team))
	switch {
	case err != nil:
		return err
	case f == nil:
		return errNoWorkspace
	case !f.Flag("authorized"):
		return errNotAuthorized
	}
	return nil
}

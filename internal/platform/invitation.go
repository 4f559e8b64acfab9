package platform

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Errors of invitations, with the codes that the official CLI knows (convex-cli.md §4.3).
var (
	errOthersAddress = apierr.New(apierr.BadRequest, "EmailNotVerified",
		"A WorkOS workspace is administered from one of your own addresses: yours, or a sub-address of it such as you+team@example.com.")
	errInThisTeam = apierr.New(apierr.Conflict, "WorkosUserAlreadyInThisTeam", "That address is in this team's WorkOS workspace already.")
	errElsewhere  = apierr.New(apierr.Conflict, "WorkosUserAlreadyInWorkspace", "That address administers another team's WorkOS workspace.")
)

// maxWorkspaceMembers bounds the addresses that are invited to a workspace.
const maxWorkspaceMembers = 200

// OwnAddress says whether an address is an operator's: theirs, or a sub-address of it
// (RFC 5233), whose mail reaches them as well.
func (o *Operator) OwnAddress(email string) bool {
	email = strings.ToLower(strings.TrimSpace(email))
	local, domain, ok := strings.Cut(o.Email, "@")
	if !ok || len(email) > 254 || strings.ContainsAny(email, " \t\r\n<>") {
		return false
	}
	given, at, ok := strings.Cut(email, "@")
	if !ok || at != domain {
		return false
	}
	base, detail, sub := strings.Cut(given, "+")
	return given == local || sub && base == local && detail != ""
}

// administered finds the workspace that an address administers; nil if there is none
// that a team is linked to.
func administered(tx *identity.Tx, email string) (*Workspace, error) {
	f, err := tx.First(tableWorkspaces, "on_email", email)
	if err != nil || f == nil || f.Number("team") == 0 {
		return nil, err
	}
	w := readWorkspace(f.Record)
	return &w, nil
}

// WorkspaceEmails tells which of an operator's addresses can administer a new
// workspace and which do so for a team. One that can is always among them: where the
// address itself is taken, a sub-address, so that a house's only operator is not
// stuck with their second team.
func (s *Service) WorkspaceEmails(ctx context.Context, o *Operator) (available, used []string, err error) {
	local, domain, _ := strings.Cut(o.Email, "@")
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		available, used = []string{}, []string{}
		for n, email := 1, o.Email; ; n++ {
			if n > 1 {
				email = fmt.Sprintf("%s+%d@%s", local, n, domain)
			}
			w, err := administered(tx, email)
			if err != nil {
				return err
			}
			if w != nil {
				used = append(used, email)
				continue
			}
			if available = append(available, email); n > 1 {
				return nil
			}
		}
	})
	return available, used, err
}

// InviteToWorkspace lets an address of the operator's into their team's workspace.
func (s *Service) InviteToWorkspace(ctx context.Context, team int64, o *Operator, email string) (w *Workspace, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if !o.OwnAddress(email) {
		return nil, errOthersAddress
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := first(tx, tableWorkspaces, "on_team", numberKey(team))
		if err != nil {
			return err
		}
		if f == nil {
			return errNoWorkspace
		}
		found := readWorkspace(f.Record)
		w = &found
		if slices.Contains(w.Members, email) {
			return errInThisTeam
		}
		if len(w.Members) >= maxWorkspaceMembers { // sub-addresses have no end
			return apierr.New(apierr.Conflict, "TooManyMembers", "A WorkOS workspace has at most %d invited addresses.", maxWorkspaceMembers)
		}
		if other, err := administered(tx, email); err != nil {
			return err
		} else if other != nil && other.Team != team {
			return errElsewhere
		}
		w.Members = append(w.Members, email)
		return tx.Put(f.Doc, workspaceRow(w))
	})
	return w, err
}

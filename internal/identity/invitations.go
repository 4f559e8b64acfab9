package identity

import (
	"context"

	"github.com/lentil-dev/lentil/internal/database"
)

// InvitationQuery narrows a list of invitations.
type InvitationQuery struct {
	Page
	Email        string
	Organization OrganizationID
}

// Invitations lists invitations, whatever became of them.
func (s *Service) Invitations(ctx context.Context, id EnvironmentID, q InvitationQuery) (l *List[Invitation], err error) {
	index, prefix := "on_environment", []string{string(id)}
	if q.Organization != "" {
		index, prefix = "on_organization", append(prefix, string(q.Organization))
	}
	if q.Email != "" {
		_, k, ok := ParseEmail(q.Email)
		if !ok {
			return &List[Invitation]{Data: []Invitation{}}, nil
		}
		index, prefix = "on_email", []string{string(id), k}
	}
	err = s.View(ctx, func(tx *Tx) error {
		var failed error
		l, err = page(tx, tableInvitations, index, prefix, q.Page, func(r Record) (Invitation, string, bool) {
			i, err := tx.readInvitation(r)
			if err != nil {
				failed = err
				return Invitation{}, "", false
			}
			return *i, string(i.ID), q.Organization == "" || i.Organization == q.Organization
		})
		if err == nil {
			err = failed
		}
		return err
	})
	return l, err
}

// removeInvitations deletes an organization's invitations.
func (tx *Tx) removeInvitations(o *Organization) error {
	return tx.dropInvitations("on_organization", string(o.Environment), string(o.ID))
}

// dropInvitations deletes the invitations of a part of an index.
func (tx *Tx) dropInvitations(index string, prefix ...string) error {
	rows, err := tx.All(tableInvitations, index, prefix...)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// lapseInvitations gives up the places that expired invitations kept.
func (s *Service) lapseInvitations(ctx context.Context) error {
	for {
		n := 0
		err := s.Update(ctx, func(tx *Tx) error {
			n = 0
			var rows []Found
			err := tx.Each(tableInvitations, "on_lapse", sweepSpan(tx.now), database.Asc, func(f Found) (bool, error) {
				rows = append(rows, f)
				return len(rows) < sweepBatch, nil
			})
			if err != nil {
				return err
			}
			for _, f := range rows {
				i, err := tx.readInvitation(f.Record)
				if err != nil {
					return err
				}
				if err := tx.Put(f.Doc, tx.invitationRow(i)); err != nil { // which has no lapse any more
					return err
				}
				if err := tx.giveUpPlace(i); err != nil {
					return err
				}
			}
			n = len(rows)
			return nil
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}

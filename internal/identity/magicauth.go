package identity

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// CreateMagicAuth makes a code that signs an address in, for an application that
// brings it to the person itself. An address without an account gets one, if
// people may sign up or an invitation came along: it stays unproven until the code
// comes back.
func (s *Service) CreateMagicAuth(ctx context.Context, id EnvironmentID, email, invitation string) (c *OneTimeCode, err error) {
	email, _, ok := ParseEmail(email)
	if !ok {
		return nil, InvalidField("email", "invalid_email", "This is no e-mail address.")
	}
	err = s.Update(ctx, func(tx *Tx) error {
		e, err := tx.Environment(id)
		if err != nil {
			return err
		}
		if e.Settings.SignIn.NoMagicCode {
			return apierr.New(apierr.BadRequest, "authentication_method_not_allowed", "Signing in with a code by mail is turned off for this environment.")
		}
		u, err := tx.UserByEmail(id, email)
		if err != nil {
			return err
		}
		if invitation != "" {
			i, err := tx.InvitationByToken(id, invitation)
			if err != nil && apierr.KindOf(err) != apierr.NotFound && apierr.KindOf(err) != apierr.BadRequest {
				return err
			}
			if err != nil || i.State(tx.now) != InvitationPending || !i.Invites(email) {
				return apierr.New(apierr.BadRequest, "invitation_invalid", "The invitation is unknown or over, or is for another address.")
			}
		}
		if u == nil {
			if e.Settings.SignUpDisabled && invitation == "" {
				return apierr.New(apierr.BadRequest, "sign_up_not_allowed", "There is no account for this address, and new ones cannot be made.")
			}
			if u, err = tx.CreateUser(id, NewUser{Email: email}); err != nil {
				return err
			}
		}
		c, err = tx.CreateCode(id, NewCode{Kind: CodeMagicAuth, User: u.ID, Email: u.Email})
		return err
	})
	return c, err
}

// FindCode finds a one-time code of a kind, whatever became of it.
func (s *Service) FindCode(ctx context.Context, id EnvironmentID, kind CodeKind, code CodeID) (c *OneTimeCode, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		c, err = tx.OneTimeCode(id, kind, code)
		return err
	})
	return c, err
}

package authflow

import (
	"context"
	"encoding/json"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// errNotRetold is a session that nothing more is said of.
var errNotRetold = apierr.New(apierr.Unauthenticated, "SessionEnded", "The session of this token has ended.")

// Retell is the payload that an access token of a session would have if it were
// renewed now, without jti, iat and exp. It hands out no credential and changes
// nothing: the session is no longer for it, its refresh token is where it was. It is
// refused, Unauthenticated, as a renewal would be: for a session that was ended,
// is over, or of a user or a member that is no more. And it is refused where a
// token's end is to be the end: for those who act as somebody else, and in
// environments whose connections end with their tokens.
func (f *Flow) Retell(ctx context.Context, client identity.ClientID, id identity.SessionID) (json.RawMessage, error) {
	var payload json.RawMessage
	err := f.Identity.View(ctx, func(tx *identity.Tx) error {
		e, err := tx.EnvironmentByClient(client)
		if err != nil {
			return err
		}
		s, err := tx.FindSession(id)
		if err != nil {
			return err
		}
		if s == nil || s.Environment != e.ID || s.Status(tx.Now()) != identity.SessionActive || s.Impersonator != nil || e.Settings.EndWithToken {
			return errNotRetold
		}
		g := &grantCall{client: client, environment: e, session: s}
		if g.user, err = tx.User(e.ID, s.User); err != nil {
			return err
		}
		if err := f.tell(tx, g); err != nil {
			return err
		}
		payload, err = g.payload(*g.claims)
		return err
	})
	switch apierr.KindOf(err) {
	case apierr.NotFound, apierr.BadRequest, apierr.Forbidden:
		return nil, errNotRetold.Wrap(err)
	}
	return payload, err
}

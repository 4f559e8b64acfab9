package authflow

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// LogoutRequest is GET sessions/logout. No credentials are needed.
type LogoutRequest struct {
	SessionID string
	ReturnTo  string
}

// LoggedOut says where a sign-out leads. Client's SSOCookie and refresh cookie
// are to be cleared; it is empty if the session was not known. RedirectTo is
// empty if no address is allowed and there is no homepage: show a page then.
type LoggedOut struct {
	RedirectTo string
	Client     identity.ClientID
}

// Logout ends a session and its browser's sign-in. It is tolerant: an unknown or
// ended session still leads somewhere; BadRequest "invalid_session_id" only for
// an id that cannot be one.
func (f *Flow) Logout(ctx context.Context, r LogoutRequest) (out *LoggedOut, err error) {
	if !identity.ValidID("session_", r.SessionID) {
		return nil, apierr.New(apierr.BadRequest, "invalid_session_id", "session_id is not the id of a session; it is the sid claim of the access token.")
	}
	err = f.Identity.Update(ctx, func(tx *identity.Tx) error {
		out = &LoggedOut{}
		s, err := tx.FindSession(identity.SessionID(r.SessionID))
		if err != nil {
			return err
		}
		if s == nil {
			out.RedirectTo, err = returnOfUnknown(tx, r.ReturnTo)
			return err
		}
		e, err := tx.Environment(s.Environment)
		if err != nil {
			return err
		}
		out.Client = e.ClientID
		if _, err := tx.EndSession(e.ID, s.ID); err != nil {
			return err
		}
		out.RedirectTo, err = returnOf(tx, e, r.ReturnTo)
		return err
	})
	return out, err
}

// returnOf is where a sign-out of an environment leads: to the address asked for if
// it is allowed, else to the homepage. An address that is not allowed is no error,
// since the person has done nothing wrong.
func returnOf(tx *identity.Tx, e *identity.Environment, asked string) (string, error) {
	if asked != "" {
		ok, err := tx.ReturnAllowed(e, asked)
		if err != nil || ok {
			return asked, err
		}
	}
	return tx.Homepage(e)
}

// returnOfUnknown is where the sign-out of a session leads that is long forgotten:
// to the address asked for if any environment allows it, else to the homepage of
// the only environment there is.
func returnOfUnknown(tx *identity.Tx, asked string) (string, error) {
	all, err := tx.Environments()
	if err != nil {
		return "", err
	}
	for i := range all {
		if ok, err := tx.ReturnAllowed(&all[i], asked); err != nil || ok {
			return asked, err
		}
	}
	if len(all) == 1 {
		return tx.Homepage(&all[0])
	}
	return "", nil
}

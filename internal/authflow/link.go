package authflow

import (
	"context"
	"net/url"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// LinkKind is what a mailed link is for.
type LinkKind string

// The kinds of link, by the parameter of the authorize request that carries their
// token on.
const (
	LinkInvitation LinkKind = "invitation_token"
	LinkReset      LinkKind = "password_reset_token"
)

// Followed says where a mailed link leads: to an address of the application if
// RedirectTo is not empty, else into an attempt that Begin makes of Request.
type Followed struct {
	RedirectTo string
	Request    AuthorizeRequest
}

// Follow answers the visit of a mailed link. An application that can begin sign-ins
// does so itself, since only then it knows the verifier and the state of the code
// that comes back; for others the code goes to their default redirect URI. NotFound
// for a token that never was; whether it can still be used shows in the attempt.
func (f *Flow) Follow(ctx context.Context, kind LinkKind, token string) (out *Followed, err error) {
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		find := tx.EnvironmentOfInvitation
		if kind == LinkReset {
			find = tx.EnvironmentOfReset
		}
		id, err := find(token)
		if err != nil {
			return err
		}
		if id == "" {
			return apierr.New(apierr.NotFound, "link_unknown", "This link is not complete, or was withdrawn. Copy it from the mail once more, or ask for a new one.")
		}
		e, err := tx.Environment(id)
		if err != nil {
			return err
		}
		out = &Followed{}
		if to := e.Settings.InitiateLoginURI; to != "" {
			out.RedirectTo = withQuery(to, string(kind)+"="+url.QueryEscape(token), "", false)
			return nil
		}
		out.Request = AuthorizeRequest{ClientID: string(e.ClientID), ResponseType: "code", Provider: "authkit"}
		if kind == LinkReset {
			out.Request.PasswordResetToken = token
		} else {
			out.Request.InvitationToken = token
		}
		return nil
	})
	return out, err
}

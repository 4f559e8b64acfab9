package authflow

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// LinkKind is what a link is for that leads into a sign-in.
type LinkKind string

// The kinds of link, by the parameter of the authorize request that carries their
// token on: two that are mailed, and the identity provider's own page of applications.
const (
	LinkInvitation LinkKind = "invitation_token"
	LinkReset      LinkKind = "password_reset_token"
	LinkProvider   LinkKind = "context"
)

// LinkCookie names the cookie that keeps a link while the browser visits the
// application, which may forget to bring its token along: the official package for
// Next.js has no way to pass one on (getSignInUrl of authkit-nextjs 4). It holds what
// KeepLink makes, for LinkCookieAge.
func LinkCookie(client identity.ClientID) string {
	return strings.Replace(SSOCookie(client), "session", "link", 1)
}

// LinkCookieAge is how long that cookie lives: long enough for a redirect or two.
const LinkCookieAge = 10 * time.Minute

// KeepLink is the value of such a cookie.
func KeepLink(kind LinkKind, token string) string { return string(kind) + "." + token }

// Kept reads the value of such a cookie into a request that names no link itself.
func (r *AuthorizeRequest) Kept(value string) {
	if r.InvitationToken != "" || r.PasswordResetToken != "" || r.Context != "" {
		return
	}
	switch kind, token, _ := strings.Cut(value, "."); LinkKind(kind) {
	case LinkInvitation:
		r.InvitationToken = token
	case LinkReset:
		r.PasswordResetToken = token
	case LinkProvider:
		r.Context = token
	}
}

// Followed says where a mailed link leads: to an address of the application if
// RedirectTo is not empty, else into an attempt that Begin makes of Request.
type Followed struct {
	Client     identity.ClientID
	RedirectTo string
	Keep       string // the value of LinkCookie(Client), if the application is visited
	Request    AuthorizeRequest
}

// Follow answers the visit of a mailed link. An application that can begin sign-ins
// does so itself, since only then it knows the verifier and the state of the code
// that comes back. One that has not said where gets no code, which its package would
// refuse (authkit-nextjs 4: "Missing required auth parameter"): the sign-in ends at
// its homepage, from where the next one asks nothing. Without a homepage the code goes
// to the default redirect URI. NotFound for a token that never was; whether it can
// still be used shows in the attempt.
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
		out = &Followed{Client: e.ClientID}
		if to := e.Settings.InitiateLoginURI; to != "" {
			out.Keep = KeepLink(kind, token)
			out.RedirectTo = withQuery(to, string(kind)+"="+url.QueryEscape(token), "", false)
			return nil
		}
		out.Request = AuthorizeRequest{ClientID: string(e.ClientID), ResponseType: "code", Provider: "authkit",
			RedirectURI: e.Settings.HomepageURL, Homeward: e.Settings.HomepageURL != ""}
		if kind == LinkReset {
			out.Request.PasswordResetToken = token
		} else {
			out.Request.InvitationToken = token
		}
		return nil
	})
	return out, err
}

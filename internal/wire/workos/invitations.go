package workos

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/identity"
)

// InvitePath is where the link of an invitation leads, on the host of the sign-in
// pages; the token is its parameter "token".
const InvitePath = "/invite"

// invitationRoutes are about invitations.
func (a *API) invitationRoutes() []Route {
	return []Route{
		{"GET", "/user_management/invitations", "listInvitations", "key", corsNone, false, a.listInvitations},
		{"POST", "/user_management/invitations", "sendInvitation", "key", corsNone, false, a.sendInvitation},
		{"GET", "/user_management/invitations/by_token/{token}", "findInvitationByToken", "key", corsNone, false, a.invitationByToken},
		{"GET", "/user_management/invitations/{id}", "getInvitation", "key", corsNone, false, a.getInvitation},
		{"POST", "/user_management/invitations/{id}/accept", "acceptInvitation", "key", corsNone, false, a.acceptInvitation},
		{"POST", "/user_management/invitations/{id}/resend", "resendInvitation", "key", corsNone, false, a.resendInvitation},
		{"POST", "/user_management/invitations/{id}/revoke", "revokeInvitation", "key", corsNone, false, a.revokeInvitation},
		// Not in the public description, but the official client calls them.
		{"GET", "/user_management/waitlists", "", "key", corsNone, false, a.listWaitlists},
		{"GET", "/user_management/waitlists/{id}", "", "key", corsNone, false, a.getWaitlist},
		{"GET", "/user_management/waitlists/{id}/entries", "", "key", corsNone, false, a.listWaiters},
		{"POST", "/user_management/waitlists/{id}/entries", "", "key", corsNone, false, a.joinWaitlist},
		{"POST", "/user_management/waitlist_entries/{id}/approve", "", "key", corsNone, false, a.approveWaiter},
		{"POST", "/user_management/waitlist_entries/{id}/deny", "", "key", corsNone, false, a.denyWaiter},
		{"DELETE", "/user_management/waitlist_entries/{id}", "", "key", corsNone, false, a.deleteWaiter},
	}
}

// invitationObject is an invitation on the wire.
type invitationObject struct {
	Object         string  `json:"object"`
	ID             string  `json:"id"`
	Email          string  `json:"email"`
	State          string  `json:"state"`
	AcceptedAt     *string `json:"accepted_at"`
	RevokedAt      *string `json:"revoked_at"`
	ExpiresAt      string  `json:"expires_at"`
	OrganizationID *string `json:"organization_id"`
	InviterUserID  *string `json:"inviter_user_id"`
	AcceptedUserID *string `json:"accepted_user_id"`
	RoleSlug       *string `json:"role_slug"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      string  `json:"updated_at"`
	Token          string  `json:"token"`
	AcceptURL      string  `json:"accept_invitation_url"`
}

// acceptURL is the link of an invitation.
func (a *API) acceptURL(r *http.Request, i *identity.Invitation) string {
	return a.peopleURL(r, environment(r)) + InvitePath + "?token=" + url.QueryEscape(i.Token)
}

// invitation shows invitations as of now, with links to this front.
func (a *API) invitation(r *http.Request) func(*identity.Invitation) invitationObject {
	now := environment(r).Now()
	return func(i *identity.Invitation) invitationObject {
		return invitationObject{
			Object: "invitation", ID: string(i.ID), Email: i.Email, State: string(i.State(now)), AcceptedAt: timeOrNull(i.Accepted),
			RevokedAt: timeOrNull(i.Revoked), ExpiresAt: identity.FormatTime(i.Expires), OrganizationID: orNull(string(i.Organization)),
			InviterUserID: orNull(string(i.Inviter)), AcceptedUserID: orNull(string(i.AcceptedBy)), RoleSlug: orNull(i.Role),
			CreatedAt: identity.FormatTime(i.Created), UpdatedAt: identity.FormatTime(i.Updated), Token: i.Token, AcceptURL: a.acceptURL(r, i),
		}
	}
}

// listInvitations is GET /user_management/invitations.
func (a *API) listInvitations(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list, err := a.Identity.Invitations(r.Context(), environment(r).ID, identity.InvitationQuery{
		Page: page, Email: q.Get("email"), Organization: identity.OrganizationID(q.Get("organization_id")),
	})
	if err != nil {
		return err
	}
	return writeList(w, list, a.invitation(r))
}

// checkLocale refuses a language that nobody can be written to in.
func checkLocale(locale string) error {
	if locale != "" && !identity.KnownLocale(locale) {
		return invalidField("locale", "locale_invalid", "%.20q is not a locale such as en or de-DE that the service knows.", locale)
	}
	return nil
}

// sent is an invitation with what its letter tells.
type sent struct {
	*identity.Invitation
	who, organization string
}

// letterOf looks up what an invitation's letter tells.
func letterOf(tx *identity.Tx, i *identity.Invitation) (*sent, error) {
	s := &sent{Invitation: i}
	if i.Organization != "" {
		o, err := tx.Organization(i.Environment, i.Organization)
		if err != nil {
			return nil, err
		}
		s.organization = o.Name
	}
	if i.Inviter != "" {
		if u, err := tx.User(i.Environment, i.Inviter); err == nil { // who may be gone by now
			if s.who = strings.TrimSpace(u.FirstName + " " + u.LastName); s.who == "" {
				s.who = u.Email
			}
		}
	}
	return s, nil
}

// sendInvitation is POST /user_management/invitations.
func (a *API) sendInvitation(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Email          string `json:"email"`
		OrganizationID string `json:"organization_id"`
		RoleSlug       string `json:"role_slug"`
		ExpiresInDays  *int   `json:"expires_in_days"`
		InviterUserID  string `json:"inviter_user_id"`
		Locale         string `json:"locale"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if err := checkLocale(b.Locale); err != nil {
		return err
	}
	s, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*sent, error) {
		i, err := tx.CreateInvitation(env, identity.NewInvitation{
			Email: b.Email, Organization: identity.OrganizationID(b.OrganizationID), Role: b.RoleSlug, Inviter: identity.UserID(b.InviterUserID),
			Locale: b.Locale, Days: b.ExpiresInDays,
		})
		if err != nil {
			return nil, err
		}
		return letterOf(tx, i)
	})
	return a.showSent(w, r, http.StatusCreated, s, err)
}

// showSent mails an invitation that was made or made anew, and shows it.
func (a *API) showSent(w http.ResponseWriter, r *http.Request, status int, s *sent, err error) error {
	if err != nil {
		return err
	}
	// Made it is, whatever becomes of the mail: it can be resent.
	if err := a.Letters.SendInvitation(environment(r), s.Invitation, a.acceptURL(r, s.Invitation), s.who, s.organization); err != nil {
		return err
	}
	return show(w, status, s.Invitation, nil, a.invitation(r))
}

// getInvitation is GET /user_management/invitations/{id}.
func (a *API) getInvitation(w http.ResponseWriter, r *http.Request) error {
	i, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Invitation, error) {
		return tx.Invitation(env, identity.InvitationID(r.PathValue("id")))
	})
	return show(w, http.StatusOK, i, err, a.invitation(r))
}

// invitationByToken is GET /user_management/invitations/by_token/{token}.
func (a *API) invitationByToken(w http.ResponseWriter, r *http.Request) error {
	i, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Invitation, error) {
		return tx.InvitationByToken(env, r.PathValue("token"))
	})
	return show(w, http.StatusOK, i, err, a.invitation(r))
}

// acceptInvitation is POST /user_management/invitations/{id}/accept.
func (a *API) acceptInvitation(w http.ResponseWriter, r *http.Request) error {
	i, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Invitation, error) {
		return tx.AcceptInvitationFor(env, identity.InvitationID(r.PathValue("id")))
	})
	return show(w, http.StatusOK, i, err, a.invitation(r))
}

// resendInvitation is POST /user_management/invitations/{id}/resend.
func (a *API) resendInvitation(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Locale string `json:"locale"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if err := checkLocale(b.Locale); err != nil {
		return err
	}
	s, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*sent, error) {
		i, err := tx.ResendInvitation(env, identity.InvitationID(r.PathValue("id")), b.Locale)
		if err != nil {
			return nil, err
		}
		return letterOf(tx, i)
	})
	return a.showSent(w, r, http.StatusOK, s, err)
}

// revokeInvitation is POST /user_management/invitations/{id}/revoke.
func (a *API) revokeInvitation(w http.ResponseWriter, r *http.Request) error {
	i, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Invitation, error) {
		return tx.RevokeInvitation(env, identity.InvitationID(r.PathValue("id")))
	})
	return show(w, http.StatusOK, i, err, a.invitation(r))
}

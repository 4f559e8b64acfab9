package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
)

// magicAuthObject is a code that signs an address in.
type magicAuthObject struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	UserID    string `json:"user_id"`
	Email     string `json:"email"`
	ExpiresAt string `json:"expires_at"`
	Code      string `json:"code"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// newMagicAuthObject shows c.
func newMagicAuthObject(c *identity.OneTimeCode) magicAuthObject {
	return magicAuthObject{"magic_auth", string(c.ID), string(c.User), c.Email, identity.FormatTime(c.Expires), c.Code,
		identity.FormatTime(c.Created), identity.FormatTime(c.Updated)}
}

// createMagicAuth is POST /user_management/magic_auth.
func (a *API) createMagicAuth(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Email           string `json:"email"`
		InvitationToken string `json:"invitation_token"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	c, err := a.Identity.CreateMagicAuth(r.Context(), environment(r).ID, body.Email, body.InvitationToken)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newMagicAuthObject(c))
	return nil
}

// getMagicAuth is GET /user_management/magic_auth/{id}.
func (a *API) getMagicAuth(w http.ResponseWriter, r *http.Request) error {
	c, err := a.Identity.FindCode(r.Context(), environment(r).ID, identity.CodeMagicAuth, identity.CodeID(r.PathValue("id")))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newMagicAuthObject(c))
	return nil
}

package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
)

// signingKeyObject is a key that tokens are signed with.
type signingKeyObject struct {
	Object    string  `json:"object"`
	ID        string  `json:"id"`
	State     string  `json:"state"`
	CreatedAt string  `json:"created_at"`
	ActiveAt  string  `json:"active_at"`
	RetiresAt *string `json:"retires_at"`
}

// listSigningKeys is GET /_lentil/v1/signing_keys.
func (a *API) listSigningKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := a.Identity.SigningKeys(r.Context(), environment(r).ID)
	if err != nil {
		return err
	}
	return writeList(w, &identity.List[identity.SigningKey]{Data: keys}, func(k *identity.SigningKey) signingKeyObject {
		return signingKeyObject{"signing_key", string(k.ID), string(k.State), identity.FormatTime(k.Created), identity.FormatTime(k.Active), timeOrNull(k.Retires)}
	})
}

// rotateSigningKey is POST /_lentil/v1/signing_keys/rotate.
func (a *API) rotateSigningKey(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.Identity.RotateSigningKey(r.Context(), environment(r).ID); err != nil {
		return err
	}
	return a.listSigningKeys(w, r)
}

// revokeSigningKey is DELETE /_lentil/v1/signing_keys/{id}.
func (a *API) revokeSigningKey(w http.ResponseWriter, r *http.Request) error {
	if err := a.Identity.RevokeSigningKey(r.Context(), environment(r).ID, identity.KeyID(r.PathValue("id"))); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

package workos

import (
	"net/http"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/vault"
	"github.com/lentil-dev/lentil/internal/wire"
)

// vaultRoutes are about the vault.
func (a *API) vaultRoutes() []Route {
	return []Route{
		{"POST", "/vault/v1/keys/data-key", "createDataKey", "key", corsNone, false, inVault(a.createDataKey)},
		{"POST", "/vault/v1/keys/decrypt", "decryptDataKey", "key", corsNone, false, inVault(a.decryptDataKey)},
		{"POST", "/vault/v1/keys/rekey", "createRekey", "key", corsNone, false, inVault(a.rekey)},
		{"GET", "/vault/v1/kv", "listObjects", "key", corsNone, false, inVault(a.listObjects)},
		{"POST", "/vault/v1/kv", "createObject", "key", corsNone, false, inVault(a.createObject)},
		{"GET", "/vault/v1/kv/name/{name}", "readObjectByName", "key", corsNone, false, inVault(a.readObjectByName)},
		{"GET", "/vault/v1/kv/{id}", "readObject", "key", corsNone, false, inVault(a.readObject)},
		{"PUT", "/vault/v1/kv/{id}", "updateObject", "key", corsNone, false, inVault(a.updateObject)},
		{"DELETE", "/vault/v1/kv/{id}", "deleteObject", "key", corsNone, false, inVault(a.deleteObject)},
		{"GET", "/vault/v1/kv/{id}/metadata", "describeObject", "key", corsNone, false, inVault(a.describeObject)},
		{"GET", "/vault/v1/kv/{id}/versions", "listObjectVersions", "key", corsNone, false, inVault(a.listObjectVersions)},
	}
}

// inVault gives refusals the member "error" that the vault's answers have.
func inVault(h wire.Handler) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if e, ok := apierr.As(err); ok && e.Kind != apierr.Internal {
			more := map[string]any{"error": e.Message}
			if faults, ok := e.Details.([]fieldFault); ok {
				more["errors"] = faults
			}
			return e.With(more)
		}
		return err
	}
}

// vaultActor is who asks, for events and metadata.
func vaultActor(r *http.Request) vault.Actor {
	k := apiKey(r)
	return vault.Actor{ID: string(k.ID), Name: k.Name}
}

// objectMetadata is what the vault tells of an object.
type objectMetadata struct {
	Context       vault.Context `json:"context"`
	EnvironmentID string        `json:"environment_id"`
	ID            string        `json:"id"`
	KeyID         string        `json:"key_id"`
	UpdatedAt     string        `json:"updated_at"`
	UpdatedBy     objectActor   `json:"updated_by"`
	VersionID     string        `json:"version_id"`
}

// objectActor is who changed an object.
type objectActor struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// vaultObject is an object, with its value only where that was asked for.
type vaultObject struct {
	ID       string         `json:"id"`
	Metadata objectMetadata `json:"metadata"`
	Name     string         `json:"name"`
	Value    *string        `json:"value,omitempty"`
}

// newObjectMetadata shows o without its value.
func newObjectMetadata(o *vault.Object) objectMetadata {
	return objectMetadata{Context: o.Context, EnvironmentID: string(o.Environment), ID: o.ID, KeyID: o.KeyID,
		UpdatedAt: identity.FormatTime(o.Updated), UpdatedBy: objectActor{o.UpdatedBy.ID, o.UpdatedBy.Name}, VersionID: o.Version}
}

// newVaultObject shows o; value may be nil.
func newVaultObject(o *vault.Object, value *string) vaultObject {
	return vaultObject{ID: o.ID, Metadata: newObjectMetadata(o), Name: o.Name, Value: value}
}

// dataKeyObject is a fresh data key.
type dataKeyObject struct {
	Context       vault.Context `json:"context"`
	DataKey       string        `json:"data_key"`
	EncryptedKeys string        `json:"encrypted_keys"`
	ID            string        `json:"id"`
}

// createDataKey is POST /vault/v1/keys/data-key.
func (a *API) createDataKey(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Context member[vault.Context] `json:"context"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if !body.Context.given {
		return invalid("The member context is missing.")
	}
	k, err := a.Vault.CreateDataKey(r.Context(), environment(r).ID, body.Context.value, vaultActor(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, dataKeyObject{k.Context, k.Key, k.Sealed, k.ID})
	return nil
}

// decryptDataKey is POST /vault/v1/keys/decrypt.
func (a *API) decryptDataKey(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Keys string `json:"keys"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	k, err := a.Vault.DecryptDataKey(r.Context(), environment(r).ID, body.Keys, vaultActor(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"data_key": k.Key, "id": k.ID})
	return nil
}

// rekey is POST /vault/v1/keys/rekey.
func (a *API) rekey(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Context       member[vault.Context] `json:"context"`
		EncryptedKeys string                `json:"encrypted_keys"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if !body.Context.given {
		return invalid("The member context is missing.")
	}
	k, err := a.Vault.Rekey(r.Context(), environment(r).ID, body.Context.value, body.EncryptedKeys, vaultActor(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, dataKeyObject{k.Context, k.Key, k.Sealed, k.ID})
	return nil
}

// listObjects is GET /vault/v1/kv. The description spells the parameter
// updatedAfter, the official client updated_after; both are taken.
func (a *API) listObjects(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := vault.Query{Page: page, Search: r.URL.Query().Get("search")}
	after := r.URL.Query().Get("updatedAfter") + r.URL.Query().Get("updated_after")
	if after != "" {
		if q.UpdatedAfter, err = time.Parse(time.RFC3339, after); err != nil {
			return invalid("updatedAfter must be a time such as 2026-01-15T12:00:00.000Z.")
		}
	}
	list, err := a.Vault.List(r.Context(), environment(r).ID, q, vaultActor(r))
	if err != nil {
		return err
	}
	type summary struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		UpdatedAt string `json:"updated_at"`
	}
	return writeList(w, list, func(o *vault.Object) summary { return summary{o.ID, o.Name, identity.FormatTime(o.Updated)} })
}

// createObject is POST /vault/v1/kv.
func (a *API) createObject(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Context member[vault.Context] `json:"key_context"`
		Name    string                `json:"name"`
		Value   member[string]        `json:"value"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if !body.Context.given || body.Name == "" || !body.Value.given {
		return invalid("The members key_context, name and value are needed.")
	}
	o, err := a.Vault.Create(r.Context(), environment(r).ID, body.Name, body.Context.value, body.Value.value, vaultActor(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newObjectMetadata(o))
	return nil
}

// readObject is GET /vault/v1/kv/{id}.
func (a *API) readObject(w http.ResponseWriter, r *http.Request) error {
	o, value, err := a.Vault.Read(r.Context(), environment(r).ID, r.PathValue("id"), vaultActor(r))
	if err != nil {
		return err
	}
	writeSecret(w, newVaultObject(o, &value))
	return nil
}

// readObjectByName is GET /vault/v1/kv/name/{name}.
func (a *API) readObjectByName(w http.ResponseWriter, r *http.Request) error {
	o, value, err := a.Vault.ReadByName(r.Context(), environment(r).ID, r.PathValue("name"), vaultActor(r))
	if err != nil {
		return err
	}
	writeSecret(w, newVaultObject(o, &value))
	return nil
}

// writeSecret writes an answer that nobody on the way may keep.
func writeSecret(w http.ResponseWriter, v any) {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, v)
}

// updateObject is PUT /vault/v1/kv/{id}. The description answers 201.
func (a *API) updateObject(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Value        member[string] `json:"value"`
		VersionCheck string         `json:"version_check"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if !body.Value.given {
		return invalid("The member value is missing.")
	}
	o, err := a.Vault.Write(r.Context(), environment(r).ID, r.PathValue("id"), body.Value.value, body.VersionCheck, vaultActor(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newVaultObject(o, nil))
	return nil
}

// deleteObject is DELETE /vault/v1/kv/{id}.
func (a *API) deleteObject(w http.ResponseWriter, r *http.Request) error {
	o, err := a.Vault.Delete(r.Context(), environment(r).ID, r.PathValue("id"), r.URL.Query().Get("version_check"), vaultActor(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Name    string `json:"name"`
		Success bool   `json:"success"`
	}{o.Name, true})
	return nil
}

// describeObject is GET /vault/v1/kv/{id}/metadata.
func (a *API) describeObject(w http.ResponseWriter, r *http.Request) error {
	o, err := a.Vault.Describe(r.Context(), environment(r).ID, r.PathValue("id"), vaultActor(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newVaultObject(o, nil))
	return nil
}

// listObjectVersions is GET /vault/v1/kv/{id}/versions.
func (a *API) listObjectVersions(w http.ResponseWriter, r *http.Request) error {
	list, present, err := a.Vault.Versions(r.Context(), environment(r).ID, r.PathValue("id"), vaultActor(r))
	if err != nil {
		return err
	}
	type version struct {
		CreatedAt      string `json:"created_at"`
		CurrentVersion bool   `json:"current_version"`
		ETag           string `json:"etag"`
		ID             string `json:"id"`
		Size           int    `json:"size"`
	}
	return writeList(w, &identity.List[vault.Version]{Data: list}, func(v *vault.Version) version {
		return version{identity.FormatTime(v.Created), v.ID == present, v.ETag, v.ID, v.Size}
	})
}

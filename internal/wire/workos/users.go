package workos

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// userObject is a user on the wire.
type userObject struct {
	Object            string            `json:"object"`
	ID                string            `json:"id"`
	Email             string            `json:"email"`
	EmailVerified     bool              `json:"email_verified"`
	FirstName         *string           `json:"first_name"`
	LastName          *string           `json:"last_name"`
	Name              *string           `json:"name"`
	ProfilePictureURL *string           `json:"profile_picture_url"`
	LastSignInAt      *string           `json:"last_sign_in_at"`
	ExternalID        *string           `json:"external_id"`
	Metadata          map[string]string `json:"metadata"`
	Locale            *string           `json:"locale"`
	CreatedAt         string            `json:"created_at"`
	UpdatedAt         string            `json:"updated_at"`
}

// newUserObject shows u.
func newUserObject(u *identity.User) userObject {
	o := userObject{
		Object: "user", ID: string(u.ID), Email: u.Email, EmailVerified: u.EmailVerified,
		FirstName: orNull(u.FirstName), LastName: orNull(u.LastName),
		Name:              orNull(strings.TrimSpace(u.FirstName + " " + u.LastName)),
		ProfilePictureURL: orNull(u.ProfilePictureURL), LastSignInAt: timeOrNull(u.LastSignIn),
		ExternalID: orNull(u.ExternalID), Metadata: u.Metadata, Locale: orNull(u.Locale),
		CreatedAt: identity.FormatTime(u.Created), UpdatedAt: identity.FormatTime(u.Updated),
	}
	if o.Metadata == nil {
		o.Metadata = map[string]string{}
	}
	return o
}

// userBody is the body of creating and of changing a user. A member is absent
// (nil), null (JSON null) or given.
type userBody struct {
	ID            member[string]            `json:"id"` // seeds only
	Email         member[string]            `json:"email"`
	Password      member[string]            `json:"password"`
	PasswordHash  member[string]            `json:"password_hash"`
	HashType      member[string]            `json:"password_hash_type"`
	SaltPosition  member[string]            `json:"password_salt_position"`
	FirstName     member[string]            `json:"first_name"`
	LastName      member[string]            `json:"last_name"`
	Name          member[string]            `json:"name"`
	EmailVerified member[bool]              `json:"email_verified"`
	ExternalID    member[string]            `json:"external_id"`
	Locale        member[string]            `json:"locale"`
	Metadata      member[map[string]string] `json:"metadata"`
}

// member is a JSON member that may be absent. null counts as the zero value.
type member[T any] struct {
	given bool
	value T
}

// UnmarshalJSON notes that the member is there.
func (m *member[T]) UnmarshalJSON(b []byte) error {
	m.given = true
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	return json.Unmarshal(b, &m.value)
}

// pointer is the value if it was given, else nil.
func (m *member[T]) pointer() *T {
	if !m.given {
		return nil
	}
	return &m.value
}

// listUsers is GET /user_management/users.
func (a *API) listUsers(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	org := q.Get("organization_id")
	if org == "" {
		org = q.Get("organization") // the older name
	}
	list, err := a.Identity.Users(r.Context(), environment(r).ID, identity.UserQuery{Page: page, Email: q.Get("email"), Organization: identity.OrganizationID(org)})
	if err != nil {
		return err
	}
	return writeList(w, list, newUserObject)
}

// userByExternalID is GET /user_management/users/external_id/{external_id}.
func (a *API) userByExternalID(w http.ResponseWriter, r *http.Request) error {
	u, err := a.Identity.UserByExternalID(r.Context(), environment(r).ID, r.PathValue("external_id"))
	return show(w, http.StatusOK, u, err, newUserObject)
}

// getUser is GET /user_management/users/{id}.
func (a *API) getUser(w http.ResponseWriter, r *http.Request) error {
	u, err := a.Identity.User(r.Context(), environment(r).ID, identity.UserID(r.PathValue("id")))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newUserObject(u))
	return nil
}

// userIdentities is GET /user_management/users/{id}/identities: the accounts
// elsewhere that a user signed in with. GitHub's type has another spelling here.
func (a *API) userIdentities(w http.ResponseWriter, r *http.Request) error {
	list, err := a.SSO.Identities(r.Context(), environment(r).ID, identity.UserID(r.PathValue("id")))
	if err != nil {
		return err
	}
	out := make([]map[string]string, len(list))
	for i, u := range list {
		out[i] = map[string]string{"idp_id": u.IDP, "type": "OAuth", "provider": strings.Replace(u.Type, "GitHub", "Github", 1)}
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// createUser is POST /user_management/users.
func (a *API) createUser(w http.ResponseWriter, r *http.Request) error {
	var b userBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if b.Email.value == "" {
		return missing("email")
	}
	hash, err := a.passwordHash(r, &b)
	if err != nil {
		return err
	}
	n := identity.NewUser{
		Email: b.Email.value, EmailVerified: b.EmailVerified.value,
		FirstName: b.FirstName.value, LastName: b.LastName.value,
		ExternalID: b.ExternalID.value, Locale: b.Locale.value, Metadata: b.Metadata.value,
	}
	if hash != nil {
		n.PasswordHash = *hash
	}
	if seeding(r) {
		n.ID = identity.UserID(b.ID.value)
	}
	if n.FirstName == "" && n.LastName == "" {
		n.FirstName, n.LastName = splitName(b.Name.value)
	}
	u, err := a.Identity.CreateUser(r.Context(), environment(r).ID, n)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newUserObject(u))
	return nil
}

// updateUser is PUT /user_management/users/{id}: members that are absent stay.
func (a *API) updateUser(w http.ResponseWriter, r *http.Request) error {
	var b userBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if b.Email.given && b.Email.value == "" {
		return invalid("The member email cannot be empty.")
	}
	hash, err := a.passwordHash(r, &b)
	if err != nil {
		return err
	}
	c := identity.UserChange{
		Email: b.Email.pointer(), EmailVerified: b.EmailVerified.pointer(), FirstName: b.FirstName.pointer(),
		LastName: b.LastName.pointer(), ExternalID: b.ExternalID.pointer(), Locale: b.Locale.pointer(),
		Metadata: b.Metadata.value, ClearMetadata: b.Metadata.given && b.Metadata.value == nil, PasswordHash: hash,
	}
	if b.Name.given && !b.FirstName.given && !b.LastName.given {
		first, last := splitName(b.Name.value)
		c.FirstName, c.LastName = &first, &last
	}
	u, err := a.Identity.EditUser(r.Context(), environment(r).ID, identity.UserID(r.PathValue("id")), c)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newUserObject(u))
	return nil
}

// deleteUser is DELETE /user_management/users/{id}.
func (a *API) deleteUser(w http.ResponseWriter, r *http.Request) error {
	if err := a.Identity.DeleteUser(r.Context(), environment(r).ID, identity.UserID(r.PathValue("id"))); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// passwordHash is the hash of the body's password, hashed here or before; nil if
// there is none.
func (a *API) passwordHash(r *http.Request, b *userBody) (*string, error) {
	switch {
	case b.Password.value != "" && b.PasswordHash.value != "":
		return nil, apierr.New(apierr.BadRequest, "password_and_password_hash_provided",
			"Give password or password_hash, not both.")
	case b.Password.value != "" && b.HashType.value != "":
		return nil, apierr.New(apierr.BadRequest, "password_and_password_hash_type_provided",
			"password_hash_type goes with password_hash, not with password.")
	case b.PasswordHash.value == "" && b.SaltPosition.value != "":
		return nil, apierr.New(apierr.BadRequest, "password_salt_position_requires_password_hash",
			"password_salt_position goes with password_hash.")
	case b.PasswordHash.value == "" && b.HashType.value != "":
		return nil, missing("password_hash")
	case b.PasswordHash.value != "" && b.HashType.value == "":
		return nil, missing("password_hash_type")
	case b.PasswordHash.value != "":
		hash, err := authflow.ForeignHash(b.HashType.value, b.PasswordHash.value, b.SaltPosition.value)
		if err != nil {
			return nil, err
		}
		return &hash, nil
	case b.Password.value == "":
		return nil, nil
	}
	p, err := a.Policy.Check(environment(r), b.Password.value, b.Email.value)
	if err != nil {
		return nil, err
	}
	if p != nil && !seeding(r) {
		return nil, apierr.New(apierr.BadRequest, "password_strength_error",
			"Password does not meet strength requirements.").With([]identity.FieldError{{Code: p.Code, Message: p.Message}})
	}
	hash, err := a.Hasher.Hash(r.Context(), b.Password.value)
	if err != nil {
		return nil, err
	}
	return &hash, nil
}

// splitName splits a full name at its last space.
func splitName(name string) (first, last string) {
	name = strings.TrimSpace(name)
	if i := strings.LastIndexByte(name, ' '); i > 0 {
		return strings.TrimSpace(name[:i]), name[i+1:]
	}
	return name, ""
}

package directory

import (
	"reflect"

	"github.com/lentil-dev/lentil/internal/identity"
)

// Role is a role as the read API names it inside of other objects.
type Role struct {
	Slug string `json:"slug"`
}

// EmailData is an address as events and the read API show it.
type EmailData struct {
	Primary bool   `json:"primary"`
	Type    string `json:"type,omitempty"`
	Value   string `json:"value"`
}

// UserData is a user as events and the read API show it (workos-operations.md,
// DirectoryUser).
type UserData struct {
	Object       string                  `json:"object"`
	ID           UserID                  `json:"id"`
	Directory    ID                      `json:"directory_id"`
	Organization identity.OrganizationID `json:"organization_id"`
	IdpID        string                  `json:"idp_id"`
	Email        *string                 `json:"email"`
	FirstName    *string                 `json:"first_name"`
	LastName     *string                 `json:"last_name"`
	Name         *string                 `json:"name"`
	Emails       []EmailData             `json:"emails"`
	JobTitle     *string                 `json:"job_title"`
	Username     *string                 `json:"username"`
	State        UserState               `json:"state"`
	Raw          Attributes              `json:"raw_attributes"`
	Custom       map[string]any          `json:"custom_attributes"`
	Role         *Role                   `json:"role,omitempty"`
	Roles        []Role                  `json:"roles,omitempty"`
	CreatedAt    string                  `json:"created_at"`
	UpdatedAt    string                  `json:"updated_at"`
	// Previous holds what dsync.user.updated changed, with the values before.
	Previous map[string]any `json:"previous_attributes,omitempty"`
}

// GroupData is a group as events and the read API show it (DirectoryGroup).
type GroupData struct {
	Object       string                  `json:"object"`
	ID           GroupID                 `json:"id"`
	IdpID        string                  `json:"idp_id"`
	Directory    ID                      `json:"directory_id"`
	Organization identity.OrganizationID `json:"organization_id"`
	Name         string                  `json:"name"`
	Raw          Attributes              `json:"raw_attributes"`
	CreatedAt    string                  `json:"created_at"`
	UpdatedAt    string                  `json:"updated_at"`
	Previous     map[string]any          `json:"previous_attributes,omitempty"`
}

// nullable is s as JSON wants it: null when empty.
func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Data is the user as events and the read API show it.
func (u *User) Data() UserData {
	d := UserData{Object: "directory_user", ID: u.ID, Directory: u.Directory, Organization: u.Organization, IdpID: u.IdpID(), Email: nullable(u.Email),
		FirstName: nullable(u.FirstName), LastName: nullable(u.LastName), Name: nullable(u.Name), Emails: []EmailData{}, JobTitle: nullable(u.JobTitle),
		Username: nullable(u.Username), State: u.State, Raw: u.Attributes, Custom: u.Custom,
		CreatedAt: identity.FormatTime(u.Created), UpdatedAt: identity.FormatTime(u.Updated)}
	for _, e := range u.Emails {
		d.Emails = append(d.Emails, EmailData(e))
	}
	for i, slug := range u.Roles {
		if i == 0 {
			d.Role = &Role{slug}
		}
		d.Roles = append(d.Roles, Role{slug})
	}
	return d
}

// Data is the group as events and the read API show it.
func (g *Group) Data() GroupData {
	return GroupData{Object: "directory_group", ID: g.ID, IdpID: g.IdpID(), Directory: g.Directory, Organization: g.Organization, Name: g.Name, Raw: g.Attributes,
		CreatedAt: identity.FormatTime(g.Created), UpdatedAt: identity.FormatTime(g.Updated)}
}

// previous tells what of a differs in b: the fields' values in a, and of objects
// only the members that differ, null where a had none.
func previous(a, b map[string]any) map[string]any {
	out := map[string]any{}
	for name, was := range a {
		is, there := b[name]
		if there && reflect.DeepEqual(was, is) {
			continue
		}
		wasObject, ok1 := was.(map[string]any)
		isObject, ok2 := is.(map[string]any)
		if ok1 && ok2 {
			was = previous(wasObject, isObject)
		}
		out[name] = was
	}
	for name := range b {
		if _, there := a[name]; !there {
			out[name] = nil
		}
	}
	return out
}

// fields are what a change of the user can change, for previous.
func (u *User) fields() map[string]any {
	orNil := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	emails := make([]any, len(u.Emails))
	for i, e := range u.Emails {
		emails[i] = EmailData(e)
	}
	roles := make([]any, len(u.Roles))
	for i, slug := range u.Roles {
		roles[i] = Role{slug}
	}
	return map[string]any{"roles": roles, "idp_id": u.IdpID(), "email": orNil(u.Email), "first_name": orNil(u.FirstName), "last_name": orNil(u.LastName), "name": orNil(u.Name),
		"job_title": orNil(u.JobTitle), "username": orNil(u.Username), "state": string(u.State), "emails": emails,
		"raw_attributes": map[string]any(u.Attributes), "custom_attributes": u.Custom}
}

// fields are what a change of the group can change, for previous.
func (g *Group) fields() map[string]any {
	return map[string]any{"idp_id": g.IdpID(), "name": g.Name, "raw_attributes": map[string]any(g.Attributes)}
}

// eventState is a directory's state as events spell it, which differs from the read
// API's.
func (s State) eventState() string {
	if s == Linked {
		return "active"
	}
	return string(s)
}

// deletedData is the directory as dsync.deleted shows it.
func (d *Directory) deletedData() map[string]any {
	m := map[string]any{"object": "directory", "id": d.ID, "type": d.Type, "state": d.State.eventState(), "name": d.Name,
		"created_at": identity.FormatTime(d.Created), "updated_at": identity.FormatTime(d.Updated)}
	if d.Organization != "" {
		m["organization_id"] = d.Organization
	}
	return m
}

// tokenData is the directory's token as dsync.token.* show it.
func (d *Directory) tokenData() map[string]any {
	return map[string]any{"object": "directory_token", "id": d.token, "directory_id": d.ID, "organization_id": d.Organization,
		"token_suffix": d.TokenSuffix, "created_at": identity.FormatTime(d.tokenMade)}
}

// activatedData is the directory as dsync.activated shows it.
func (d *Directory) activatedData(org *identity.Organization) map[string]any {
	m := d.deletedData()
	m["external_key"] = d.ExternalKey
	domains := []map[string]any{}
	for _, o := range org.Domains {
		domains = append(domains, map[string]any{"object": "organization_domain", "id": o.ID, "domain": o.Name})
	}
	m["domains"] = domains
	return m
}

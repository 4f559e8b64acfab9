package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// roleRoutes are about roles and permissions.
func (a *API) roleRoutes() []Route {
	return []Route{
		{"GET", "/authorization/roles", "listEnvironmentRoles", "key", corsNone, false, a.listRoles},
		{"POST", "/authorization/roles", "createEnvironmentRole", "key", corsNone, false, a.createRole},
		{"GET", "/authorization/roles/{slug}", "getEnvironmentRole", "key", corsNone, false, a.getRole},
		{"PATCH", "/authorization/roles/{slug}", "updateEnvironmentRole", "key", corsNone, false, a.updateRole},
		{"PUT", "/authorization/roles/{slug}/permissions", "setEnvironmentRolePermissions", "key", corsNone, false, a.setRolePermissions},
		{"POST", "/authorization/roles/{slug}/permissions", "addEnvironmentRolePermission", "key", corsNone, false, a.addRolePermission},
		{"GET", "/authorization/organizations/{organizationId}/roles", "listOrganizationRoles", "key", corsNone, false, a.listRoles},
		{"POST", "/authorization/organizations/{organizationId}/roles", "createOrganizationRole", "key", corsNone, false, a.createRole},
		{"GET", "/authorization/organizations/{organizationId}/roles/{slug}", "getOrganizationRole", "key", corsNone, false, a.getRole},
		{"PATCH", "/authorization/organizations/{organizationId}/roles/{slug}", "updateOrganizationRole", "key", corsNone, false, a.updateRole},
		{"DELETE", "/authorization/organizations/{organizationId}/roles/{slug}", "deleteOrganizationRole", "key", corsNone, false, a.deleteRole},
		{"PUT", "/authorization/organizations/{organizationId}/roles/{slug}/permissions", "setOrganizationRolePermissions", "key", corsNone, false, a.setRolePermissions},
		{"POST", "/authorization/organizations/{organizationId}/roles/{slug}/permissions", "addOrganizationRolePermission", "key", corsNone, false, a.addRolePermission},
		{"DELETE", "/authorization/organizations/{organizationId}/roles/{slug}/permissions/{permissionSlug}", "removeOrganizationRolePermission", "key", corsNone, false, a.removeRolePermission},
		{"GET", "/authorization/permissions", "listPermissions", "key", corsNone, false, a.listPermissions},
		{"POST", "/authorization/permissions", "createPermission", "key", corsNone, false, a.createPermission},
		{"GET", "/authorization/permissions/{slug}", "getPermission", "key", corsNone, false, a.getPermission},
		{"PATCH", "/authorization/permissions/{slug}", "updatePermission", "key", corsNone, false, a.updatePermission},
		{"DELETE", "/authorization/permissions/{slug}", "deletePermission", "key", corsNone, false, a.deletePermission},
	}
}

// roleObject is a role on the wire.
type roleObject struct {
	Slug         string   `json:"slug"`
	Object       string   `json:"object"`
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Description  *string  `json:"description"`
	Type         string   `json:"type"`
	ResourceType string   `json:"resource_type_slug"`
	Permissions  []string `json:"permissions"`
	CreatedAt    string   `json:"created_at"`
	UpdatedAt    string   `json:"updated_at"`
}

// newRoleObject shows role.
func newRoleObject(role *identity.Role) roleObject {
	o := roleObject{
		Slug: role.Slug, Object: "role", ID: string(role.ID), Name: role.Name, Description: orNull(role.Description), Type: "EnvironmentRole",
		ResourceType: role.ResourceType, Permissions: append([]string{}, role.Permissions...),
		CreatedAt: identity.FormatTime(role.Created), UpdatedAt: identity.FormatTime(role.Updated),
	}
	if role.Organization != "" {
		o.Type = "OrganizationRole"
	}
	return o
}

// rolePath is the owner and the slug of the role that a request names; no owner
// stands for the environment.
func rolePath(r *http.Request) (identity.OrganizationID, string) {
	return identity.OrganizationID(r.PathValue("organizationId")), r.PathValue("slug")
}

// knownOwner refuses an organization that is not there.
func knownOwner(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID) error {
	if org == "" {
		return nil
	}
	_, err := tx.Organization(env, org)
	return err
}

// listRoles is GET /authorization/roles and …/organizations/{organizationId}/roles.
// Roles are few and come in one list.
func (a *API) listRoles(w http.ResponseWriter, r *http.Request) error {
	org, _ := rolePath(r)
	roles, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) ([]identity.Role, error) {
		if err := knownOwner(tx, env, org); err != nil {
			return nil, err
		}
		return tx.Roles(env, org)
	})
	return show(w, http.StatusOK, roles, err, func(roles []identity.Role) any {
		data := make([]roleObject, len(roles))
		for i := range roles {
			data[i] = newRoleObject(&roles[i])
		}
		return struct {
			Object string       `json:"object"`
			Data   []roleObject `json:"data"`
		}{"list", data}
	})
}

// createRole makes a role of the environment or of an organization.
func (a *API) createRole(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		nameBody
		Slug         string `json:"slug"`
		ResourceType string `json:"resource_type_slug"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	org, _ := rolePath(r)
	role, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Role, error) {
		return tx.CreateRole(env, org, identity.NewRole{Slug: b.Slug, Name: b.Name.value, Description: b.Description.value, ResourceType: b.ResourceType})
	})
	return show(w, http.StatusCreated, role, err, newRoleObject)
}

// getRole shows a role; through an organization the environment's, too.
func (a *API) getRole(w http.ResponseWriter, r *http.Request) error {
	org, slug := rolePath(r)
	role, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Role, error) {
		if err := knownOwner(tx, env, org); err != nil {
			return nil, err
		}
		return tx.Role(env, org, slug)
	})
	return show(w, http.StatusOK, role, err, newRoleObject)
}

// changeRole edits the role that a request names and shows it.
func (a *API) changeRole(w http.ResponseWriter, r *http.Request, edit func(*identity.Role)) error {
	org, slug := rolePath(r)
	role, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Role, error) {
		return tx.UpdateRole(env, org, slug, edit)
	})
	return show(w, http.StatusOK, role, err, newRoleObject)
}

// updateRole changes a role's name and description.
func (a *API) updateRole(w http.ResponseWriter, r *http.Request) error {
	var b nameBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	return a.changeRole(w, r, func(role *identity.Role) {
		if b.Name.given {
			role.Name = b.Name.value
		}
		if b.Description.given {
			role.Description = b.Description.value
		}
	})
}

// setRolePermissions makes the permissions of a role those of the body.
func (a *API) setRolePermissions(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Permissions []string `json:"permissions"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	return a.changeRole(w, r, func(role *identity.Role) { role.Permissions = append([]string{}, b.Permissions...) })
}

// addRolePermission adds one permission to a role; having it already is no error.
func (a *API) addRolePermission(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Slug string `json:"slug"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	return a.changeRole(w, r, func(role *identity.Role) { role.Permissions = append(role.Permissions, b.Slug) })
}

// removeRolePermission takes one permission from an organization's role.
func (a *API) removeRolePermission(w http.ResponseWriter, r *http.Request) error {
	slug, had := r.PathValue("permissionSlug"), false
	org, roleSlug := rolePath(r)
	role, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Role, error) {
		role, err := tx.UpdateRole(env, org, roleSlug, func(role *identity.Role) {
			kept := role.Permissions[:0:0]
			for _, p := range role.Permissions {
				if p != slug {
					kept = append(kept, p)
				}
			}
			had = len(kept) < len(role.Permissions)
			role.Permissions = kept
		})
		if err == nil && !had {
			return nil, apierr.New(apierr.NotFound, "entity_not_found", "The role %s does not have the permission '%.100s'.", roleSlug, slug)
		}
		return role, err
	})
	return show(w, http.StatusOK, role, err, newRoleObject)
}

// orderRoles is PUT /_lentil/v1/roles/priority: the environment's roles, the most
// important first. Of a member with several roles, the first one is theirs where
// there is room for one only.
func (a *API) orderRoles(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Slugs []string `json:"slugs"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	_, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (struct{}, error) {
		return struct{}{}, tx.OrderRoles(env, b.Slugs)
	})
	if err != nil {
		return err
	}
	return a.listRoles(w, r)
}

// deleteRole removes an organization's role, and for an operator the environment's.
func (a *API) deleteRole(w http.ResponseWriter, r *http.Request) error {
	org, slug := rolePath(r)
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		return tx.DeleteRole(env, org, slug)
	})
}

// permissionObject is a permission on the wire.
type permissionObject struct {
	Object       string  `json:"object"`
	ID           string  `json:"id"`
	Slug         string  `json:"slug"`
	Name         string  `json:"name"`
	Description  *string `json:"description"`
	System       bool    `json:"system"`
	ResourceType string  `json:"resource_type_slug"`
	CreatedAt    string  `json:"created_at"`
	UpdatedAt    string  `json:"updated_at"`
}

// newPermissionObject shows p.
func newPermissionObject(p *identity.Permission) permissionObject {
	return permissionObject{
		Object: "permission", ID: string(p.ID), Slug: p.Slug, Name: p.Name, Description: orNull(p.Description), System: p.System,
		ResourceType: p.ResourceType, CreatedAt: identity.FormatTime(p.Created), UpdatedAt: identity.FormatTime(p.Updated),
	}
}

// listPermissions is GET /authorization/permissions.
func (a *API) listPermissions(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Identity.Permissions(r.Context(), environment(r).ID, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newPermissionObject)
}

// createPermission is POST /authorization/permissions.
func (a *API) createPermission(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		nameBody
		Slug         string `json:"slug"`
		ResourceType string `json:"resource_type_slug"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	p, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Permission, error) {
		return tx.CreatePermission(env, identity.NewPermission{Slug: b.Slug, Name: b.Name.value, Description: b.Description.value, ResourceType: b.ResourceType})
	})
	return show(w, http.StatusCreated, p, err, newPermissionObject)
}

// getPermission is GET /authorization/permissions/{slug}.
func (a *API) getPermission(w http.ResponseWriter, r *http.Request) error {
	p, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Permission, error) {
		return tx.Permission(env, r.PathValue("slug"))
	})
	return show(w, http.StatusOK, p, err, newPermissionObject)
}

// updatePermission is PATCH /authorization/permissions/{slug}.
func (a *API) updatePermission(w http.ResponseWriter, r *http.Request) error {
	var b nameBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	p, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Permission, error) {
		return tx.UpdatePermission(env, r.PathValue("slug"), b.Name.pointer(), b.Description.pointer())
	})
	return show(w, http.StatusOK, p, err, newPermissionObject)
}

// deletePermission is DELETE /authorization/permissions/{slug}.
func (a *API) deletePermission(w http.ResponseWriter, r *http.Request) error {
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		return tx.DeletePermission(env, r.PathValue("slug"))
	})
}

package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// membershipRoutes are about organization memberships.
func (a *API) membershipRoutes() []Route {
	return []Route{
		{"GET", "/user_management/organization_memberships", "listOrganizationMemberships", "key", corsNone, false, a.listMemberships},
		{"POST", "/user_management/organization_memberships", "createOrganizationMembership", "key", corsNone, false, a.createMembership},
		{"GET", "/user_management/organization_memberships/{id}", "getOrganizationMembership", "key", corsNone, false, a.getMembership},
		{"DELETE", "/user_management/organization_memberships/{id}", "deleteOrganizationMembership", "key", corsNone, false, a.deleteMembership},
		{"PUT", "/user_management/organization_memberships/{id}", "updateOrganizationMembership", "key", corsNone, false, a.updateMembership},
		{"PUT", "/user_management/organization_memberships/{id}/deactivate", "deactivateOrganizationMembership", "key", corsNone, false, a.deactivateMembership},
		{"PUT", "/user_management/organization_memberships/{id}/reactivate", "reactivateOrganizationMembership", "key", corsNone, false, a.reactivateMembership},
		{"GET", "/user_management/organization_memberships/{omId}/groups", "listGroupsForOrganizationMembership", "key", corsNone, false, a.listMemberGroups},
	}
}

// slimRole is a role as memberships show it.
type slimRole struct {
	Slug string `json:"slug"`
}

// slimRoles shows roles by their slugs.
func slimRoles(slugs []string) []slimRole {
	out := make([]slimRole, len(slugs))
	for i, s := range slugs {
		out[i] = slimRole{s}
	}
	return out
}

// memberBase is a membership as the lists of the authorization API show it.
type memberBase struct {
	Object           string         `json:"object"`
	ID               string         `json:"id"`
	UserID           string         `json:"user_id"`
	OrganizationID   string         `json:"organization_id"`
	OrganizationName string         `json:"organization_name"`
	Status           string         `json:"status"`
	DirectoryManaged bool           `json:"directory_managed"`
	CustomAttributes map[string]any `json:"custom_attributes"`
	CreatedAt        string         `json:"created_at"`
	UpdatedAt        string         `json:"updated_at"`
}

// newMemberBase shows m without roles and user.
func newMemberBase(m *identity.Member) memberBase {
	b := memberBase{
		Object: "organization_membership", ID: string(m.ID), UserID: string(m.User), OrganizationID: string(m.Organization),
		OrganizationName: m.OrganizationName, Status: string(m.Status), DirectoryManaged: m.DirectoryManaged, CustomAttributes: m.CustomAttributes,
		CreatedAt: identity.FormatTime(m.Created), UpdatedAt: identity.FormatTime(m.Updated),
	}
	if b.CustomAttributes == nil {
		b.CustomAttributes = map[string]any{}
	}
	return b
}

// memberObject is a membership in full.
type memberObject struct {
	memberBase
	Role  slimRole   `json:"role"`
	Roles []slimRole `json:"roles"`
	User  userObject `json:"user"`
}

// newMemberObject shows m.
func newMemberObject(m *identity.Member) memberObject {
	o := memberObject{memberBase: newMemberBase(m), Roles: slimRoles(m.Roles), User: newUserObject(&m.UserData)}
	if len(o.Roles) > 0 {
		o.Role = o.Roles[0]
	}
	return o
}

// rolesBody is the part of a body that names roles.
type rolesBody struct {
	RoleSlug  member[string]   `json:"role_slug"`
	RoleSlugs member[[]string] `json:"role_slugs"`
}

// slugs are the roles that the body names; nil if it names none.
func (b *rolesBody) slugs() ([]string, error) {
	switch {
	case b.RoleSlug.value != "" && b.RoleSlugs.value != nil:
		return nil, invalidField("role_slugs", "role_slug_and_role_slugs", "Give role_slug or role_slugs, not both.")
	case b.RoleSlug.given && b.RoleSlug.value != "":
		return []string{b.RoleSlug.value}, nil
	case b.RoleSlugs.value != nil && len(b.RoleSlugs.value) == 0:
		return nil, invalidField("role_slugs", "role_slugs_empty", "A member has at least one role.")
	}
	return b.RoleSlugs.value, nil
}

// roleRefusals are the refusals of roles that this API says with 422, while the one
// of invitations says them with 400.
var roleRefusals = map[string]bool{"invalid_role": true, "multiple_roles_not_enabled": true, "sub_resource_scoped_role_not_allowed": true}

// unprocessableRoles gives refusals of roles their status here.
func unprocessableRoles(err error) error {
	if e, ok := apierr.As(err); ok && roleRefusals[e.Code] {
		return e.With(atStatus{http.StatusUnprocessableEntity, e.Details})
	}
	return err
}

// listMemberships is GET /user_management/organization_memberships.
func (a *API) listMemberships(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	query := identity.MembershipQuery{Page: page, User: identity.UserID(q.Get("user_id")), Organization: identity.OrganizationID(q.Get("organization_id"))}
	seen := map[string]bool{}
	for _, s := range listed(q["statuses"], q["statuses[]"]) {
		switch s {
		case "active", "inactive", "pending":
		default:
			return invalidField("statuses", "status_invalid", "A status is active, inactive or pending.")
		}
		if !seen[s] {
			query.Statuses = append(query.Statuses, identity.MembershipStatus(s))
		}
		seen[s] = true
	}
	list, err := a.Identity.Members(r.Context(), environment(r).ID, query)
	if err != nil {
		return err
	}
	return writeList(w, list, newMemberObject)
}

// createMembership is POST /user_management/organization_memberships.
func (a *API) createMembership(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		UserID         string `json:"user_id"`
		OrganizationID string `json:"organization_id"`
		rolesBody
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	slugs, err := b.slugs()
	if err != nil {
		return err
	}
	m, err := a.Identity.AddMembership(r.Context(), environment(r).ID, identity.NewMembership{
		User: identity.UserID(b.UserID), Organization: identity.OrganizationID(b.OrganizationID), Roles: slugs,
	})
	return show(w, http.StatusCreated, m, unprocessableRoles(err), newMemberObject)
}

// getMembership is GET /user_management/organization_memberships/{id}.
func (a *API) getMembership(w http.ResponseWriter, r *http.Request) error {
	m, err := a.Identity.Member(r.Context(), environment(r).ID, identity.MembershipID(r.PathValue("id")))
	return show(w, http.StatusOK, m, err, newMemberObject)
}

// updateMembership is PUT /user_management/organization_memberships/{id}.
func (a *API) updateMembership(w http.ResponseWriter, r *http.Request) error {
	var b rolesBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	slugs, err := b.slugs()
	if err != nil {
		return err
	}
	m, err := a.Identity.UpdateMembership(r.Context(), environment(r).ID, identity.MembershipID(r.PathValue("id")), identity.MembershipChange{Roles: slugs})
	return show(w, http.StatusOK, m, unprocessableRoles(err), newMemberObject)
}

// deleteMembership is DELETE /user_management/organization_memberships/{id}.
func (a *API) deleteMembership(w http.ResponseWriter, r *http.Request) error {
	return a.erase(w, r, http.StatusOK, func(tx *identity.Tx, env identity.EnvironmentID) error {
		return tx.RemoveMembership(env, identity.MembershipID(r.PathValue("id")))
	})
}

// deactivateMembership is PUT /user_management/organization_memberships/{id}/deactivate.
func (a *API) deactivateMembership(w http.ResponseWriter, r *http.Request) error {
	m, err := a.Identity.SetMembershipActive(r.Context(), environment(r).ID, identity.MembershipID(r.PathValue("id")), false)
	return show(w, http.StatusOK, m, err, newMemberObject)
}

// reactivateMembership is PUT /user_management/organization_memberships/{id}/reactivate.
func (a *API) reactivateMembership(w http.ResponseWriter, r *http.Request) error {
	m, err := a.Identity.SetMembershipActive(r.Context(), environment(r).ID, identity.MembershipID(r.PathValue("id")), true)
	return show(w, http.StatusOK, m, err, newMemberObject)
}

// listMemberGroups is GET /user_management/organization_memberships/{omId}/groups.
func (a *API) listMemberGroups(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Identity.GroupsOf(r.Context(), environment(r).ID, identity.MembershipID(r.PathValue("omId")), page)
	if err != nil {
		return err
	}
	return writeList(w, list, newGroupObject)
}

package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authorization"
	"github.com/lentil-dev/lentil/internal/identity"
)

// authorizationRoutes are about resources, role assignments and checks. Types of
// resources are made by the operator's routes: the imitated service has them in its
// dashboard.
func (a *API) authorizationRoutes() []Route {
	const (
		ofMember = "/authorization/organization_memberships/{organization_membership_id}"
		ofGroup  = "/authorization/groups/{group_id}/role_assignments"
		byName   = "/authorization/organizations/{organization_id}/resources/{resource_type_slug}/{external_id}"
		byID     = "/authorization/resources/{resource_id}"
		types    = "/_lentil/v1/authorization/resource_types"
	)
	return []Route{
		{"GET", ofGroup, "listGroupRoleAssignments", "key", corsNone, false, a.listGroupAssignments},
		{"POST", ofGroup, "createGroupRoleAssignment", "key", corsNone, false, a.createGroupAssignment},
		{"PUT", ofGroup, "replaceGroupRoleAssignments", "key", corsNone, false, a.replaceGroupAssignments},
		{"DELETE", ofGroup, "removeGroupRoleAssignments", "key", corsNone, false, a.removeGroupAssignments},
		{"GET", ofGroup + "/{role_assignment_id}", "getGroupRoleAssignment", "key", corsNone, false, a.getGroupAssignment},
		{"DELETE", ofGroup + "/{role_assignment_id}", "removeGroupRoleAssignment", "key", corsNone, false, a.removeGroupAssignment},
		{"POST", ofMember + "/check", "checkAuthorization", "key", corsNone, false, a.checkAuthorization},
		{"GET", ofMember + "/resources", "listResourcesForMembership", "key", corsNone, false, a.listResourcesForMembership},
		{"GET", ofMember + "/resources/{resource_id}/permissions", "listEffectivePermissions", "key", corsNone, false, a.listEffectivePermissions},
		{"GET", ofMember + "/resources/{resource_type_slug}/{external_id}/permissions", "listEffectivePermissionsByExternalId", "key", corsNone, false, a.listEffectivePermissions},
		// The official client asks here for what the description has above.
		{"GET", byID + "/organization_memberships/{organization_membership_id}/permissions", "", "key", corsNone, false, a.listEffectivePermissions},
		{"GET", ofMember + "/role_assignments", "listRoleAssignments", "key", corsNone, false, a.listAssignments},
		{"POST", ofMember + "/role_assignments", "assignRole", "key", corsNone, false, a.assignRole},
		{"DELETE", ofMember + "/role_assignments", "removeRole", "key", corsNone, false, a.unassignRole},
		{"DELETE", ofMember + "/role_assignments/{role_assignment_id}", "removeRoleAssignment", "key", corsNone, false, a.removeAssignment},
		{"GET", byName, "getResourceByExternalId", "key", corsNone, false, a.getResource},
		{"PATCH", byName, "updateResourceByExternalId", "key", corsNone, false, a.updateResource},
		{"DELETE", byName, "deleteResourceByExternalId", "key", corsNone, false, a.deleteResource},
		{"GET", byName + "/organization_memberships", "listMembershipsForResourceByExternalId", "key", corsNone, false, a.listMembershipsForResource},
		{"GET", byName + "/role_assignments", "listResourceRoleAssignments", "key", corsNone, false, a.listResourceAssignments},
		{"GET", "/authorization/resources", "listResources", "key", corsNone, false, a.listResources},
		{"POST", "/authorization/resources", "createResource", "key", corsNone, false, a.createResource},
		{"GET", byID, "getResource", "key", corsNone, false, a.getResource},
		{"PATCH", byID, "updateResource", "key", corsNone, false, a.updateResource},
		{"DELETE", byID, "deleteResource", "key", corsNone, false, a.deleteResource},
		{"GET", byID + "/organization_memberships", "listMembershipsForResource", "key", corsNone, false, a.listMembershipsForResource},
		{"GET", byID + "/role_assignments", "listRoleAssignmentsForResource", "key", corsNone, false, a.listResourceAssignments},
		{"GET", types, "", "key", corsNone, false, a.listResourceTypes},
		{"POST", types, "", "key", corsNone, false, a.createResourceType},
		{"PATCH", types + "/{slug}", "", "key", corsNone, false, a.updateResourceType},
		{"DELETE", types + "/{slug}", "", "key", corsNone, false, a.deleteResourceType},
	}
}

// resourceObject is a resource on the wire.
type resourceObject struct {
	Object         string  `json:"object"`
	ID             string  `json:"id"`
	ExternalID     string  `json:"external_id"`
	Name           string  `json:"name"`
	Description    *string `json:"description"`
	TypeSlug       string  `json:"resource_type_slug"`
	OrganizationID string  `json:"organization_id"`
	ParentID       *string `json:"parent_resource_id"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      string  `json:"updated_at"`
}

// newResourceObject shows r.
func newResourceObject(r *authorization.Resource) resourceObject {
	return resourceObject{
		Object: "authorization_resource", ID: string(r.ID), ExternalID: r.ExternalID, Name: r.Name, Description: orNull(r.Description), TypeSlug: r.Type,
		OrganizationID: string(r.Organization), ParentID: orNull(string(r.Parent)), CreatedAt: identity.FormatTime(r.Created), UpdatedAt: identity.FormatTime(r.Updated),
	}
}

// resourceAt is the resource that the path names, in one of two ways.
func resourceAt(r *http.Request) authorization.At {
	return authorization.At{ID: authorization.ResourceID(r.PathValue("resource_id")), Organization: identity.OrganizationID(r.PathValue("organization_id")),
		Type: r.PathValue("resource_type_slug"), ExternalID: r.PathValue("external_id")}
}

// membershipID is the membership that the path names.
func membershipID(r *http.Request) identity.MembershipID {
	return identity.MembershipID(r.PathValue("organization_membership_id"))
}

// getResource is GET of a resource, by id or external id.
func (a *API) getResource(w http.ResponseWriter, r *http.Request) error {
	res, err := a.Authorization.Resource(r.Context(), environment(r).ID, resourceAt(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newResourceObject(res))
	return nil
}

// parentBody is the part of a body that names a parent.
type parentBody struct {
	ParentID         string `json:"parent_resource_id"`
	ParentExternalID string `json:"parent_resource_external_id"`
	ParentType       string `json:"parent_resource_type_slug"`
}

// ref is the parent; zero if none is named.
func (b *parentBody) ref() authorization.Ref {
	return authorization.Ref{ID: authorization.ResourceID(b.ParentID), ExternalID: b.ParentExternalID, Type: b.ParentType}
}

// createResource is POST /authorization/resources.
func (a *API) createResource(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		parentBody
		OrganizationID string `json:"organization_id"`
		Type           string `json:"resource_type_slug"`
		ExternalID     string `json:"external_id"`
		Name           string `json:"name"`
		Description    string `json:"description"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	res, err := a.Authorization.CreateResource(r.Context(), environment(r).ID, authorization.NewResource{Organization: identity.OrganizationID(b.OrganizationID),
		Type: b.Type, ExternalID: b.ExternalID, Name: b.Name, Description: b.Description, Parent: b.ref()})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newResourceObject(res))
	return nil
}

// updateResource is PATCH of a resource.
func (a *API) updateResource(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		parentBody
		Name        member[string] `json:"name"`
		Description member[string] `json:"description"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	res, err := a.Authorization.UpdateResource(r.Context(), environment(r).ID, resourceAt(r), authorization.Change{Name: b.Name.pointer(), Description: b.Description.pointer(), Parent: b.ref()})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newResourceObject(res))
	return nil
}

// deleteResource is DELETE of a resource.
func (a *API) deleteResource(w http.ResponseWriter, r *http.Request) error {
	cascade := false
	switch r.URL.Query().Get("cascade_delete") {
	case "", "false":
	case "true":
		cascade = true
	default:
		return invalidField("cascade_delete", "cascade_delete_invalid", "cascade_delete must be true or false.")
	}
	if err := a.Authorization.DeleteResource(r.Context(), environment(r).ID, resourceAt(r), cascade); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listResources is GET /authorization/resources.
func (a *API) listResources(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list, err := a.Authorization.Resources(r.Context(), environment(r).ID, authorization.Query{
		Page: page, Organization: identity.OrganizationID(q.Get("organization_id")), Type: q.Get("resource_type_slug"), ExternalID: q.Get("resource_external_id"), Search: q.Get("search"),
		Parent: authorization.Ref{ID: authorization.ResourceID(q.Get("parent_resource_id")), Type: q.Get("parent_resource_type_slug"), ExternalID: q.Get("parent_external_id")},
	})
	if err != nil {
		return err
	}
	return writeList(w, list, newResourceObject)
}

// permissionParam is the permission that the query names.
func permissionParam(r *http.Request) (string, error) {
	if p := r.URL.Query().Get("permission_slug"); p != "" {
		return p, nil
	}
	return "", invalidField("permission_slug", "permission_slug_required", "The parameter permission_slug is missing.")
}

// listResourcesForMembership is GET …/organization_memberships/{id}/resources.
func (a *API) listResourcesForMembership(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	if _, err := a.Identity.Member(r.Context(), environment(r).ID, membershipID(r)); err != nil {
		return err
	}
	permission, err := permissionParam(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	parent := authorization.Ref{ID: authorization.ResourceID(q.Get("parent_resource_id")), Type: q.Get("parent_resource_type_slug"), ExternalID: q.Get("parent_resource_external_id")}
	if parent.IsZero() {
		return apierr.New(apierr.BadRequest, "bad_request", "Name the parent: parent_resource_id, or parent_resource_type_slug and parent_resource_external_id.")
	}
	list, err := a.Authorization.Below(r.Context(), environment(r).ID, membershipID(r), permission, parent, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newResourceObject)
}

// memberWithUser is a membership as listMembershipsForResource shows it.
type memberWithUser struct {
	memberBase
	User userObject `json:"user"`
}

// listMembershipsForResource lists who has a permission on a resource: by default
// those with a role on itself, with assignment=indirect all.
func (a *API) listMembershipsForResource(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	if _, err := a.Authorization.Resource(r.Context(), environment(r).ID, resourceAt(r)); err != nil {
		return err
	}
	permission, err := permissionParam(r)
	if err != nil {
		return err
	}
	inherited := false
	switch r.URL.Query().Get("assignment") {
	case "", "direct":
	case "indirect":
		inherited = true
	default:
		return invalidField("assignment", "assignment_invalid", "assignment must be direct or indirect.")
	}
	list, err := a.Authorization.Who(r.Context(), environment(r).ID, resourceAt(r), permission, inherited, page)
	if err != nil {
		return err
	}
	return writeList(w, list, func(m *identity.Member) memberWithUser {
		return memberWithUser{newMemberBase(m), newUserObject(&m.UserData)}
	})
}

// checkAuthorization is POST …/organization_memberships/{id}/check.
func (a *API) checkAuthorization(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		refBody
		Permission string `json:"permission_slug"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	may, err := a.Authorization.Check(r.Context(), environment(r).ID, membershipID(r), b.Permission, b.ref())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]bool{"authorized": may})
	return nil
}

// listEffectivePermissions lists what a member may do with a resource.
func (a *API) listEffectivePermissions(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	at := resourceAt(r)
	list, err := a.Authorization.Effective(r.Context(), environment(r).ID, membershipID(r), authorization.Ref{ID: at.ID, Type: at.Type, ExternalID: at.ExternalID}, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newPermissionObject)
}

// resourceTypeObject is a type of resources, as operators see it.
type resourceTypeObject struct {
	Object      string   `json:"object"`
	Slug        string   `json:"slug"`
	Name        string   `json:"name"`
	Description *string  `json:"description"`
	Parents     []string `json:"parent_type_slugs"`
	CreatedAt   string   `json:"created_at"`
	UpdatedAt   string   `json:"updated_at"`
}

// newResourceTypeObject shows t.
func newResourceTypeObject(t *authorization.Type) resourceTypeObject {
	return resourceTypeObject{"resource_type", t.Slug, t.Name, orNull(t.Description), t.Parents, identity.FormatTime(t.Created), identity.FormatTime(t.Updated)}
}

// listResourceTypes is GET /_lentil/v1/authorization/resource_types; there are few.
func (a *API) listResourceTypes(w http.ResponseWriter, r *http.Request) error {
	types, err := a.Authorization.Types(r.Context(), environment(r).ID)
	if err != nil {
		return err
	}
	return writeList(w, &identity.List[authorization.Type]{Data: types}, newResourceTypeObject)
}

// createResourceType is POST /_lentil/v1/authorization/resource_types.
func (a *API) createResourceType(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Slug        string   `json:"slug"`
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Parents     []string `json:"parent_type_slugs"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	t, err := a.Authorization.CreateType(r.Context(), environment(r).ID, authorization.Type{Slug: b.Slug, Name: b.Name, Description: b.Description, Parents: b.Parents})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newResourceTypeObject(t))
	return nil
}

// updateResourceType is PATCH /_lentil/v1/authorization/resource_types/{slug}.
func (a *API) updateResourceType(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Name        member[string] `json:"name"`
		Description member[string] `json:"description"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	t, err := a.Authorization.RenameType(r.Context(), environment(r).ID, r.PathValue("slug"), b.Name.pointer(), b.Description.pointer())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newResourceTypeObject(t))
	return nil
}

// deleteResourceType is DELETE /_lentil/v1/authorization/resource_types/{slug}.
func (a *API) deleteResourceType(w http.ResponseWriter, r *http.Request) error {
	if err := a.Authorization.DeleteType(r.Context(), environment(r).ID, r.PathValue("slug")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

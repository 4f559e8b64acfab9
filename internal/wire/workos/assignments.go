package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/authorization"
	"github.com/lentil-dev/lentil/internal/identity"
)

// refBody is the part of a body that names a resource.
type refBody struct {
	ID         string `json:"resource_id"`
	ExternalID string `json:"resource_external_id"`
	Type       string `json:"resource_type_slug"`
}

// ref is the resource; zero if none is named.
func (b *refBody) ref() authorization.Ref {
	return authorization.Ref{ID: authorization.ResourceID(b.ID), ExternalID: b.ExternalID, Type: b.Type}
}

// grantBody names a role and where it is had.
type grantBody struct {
	refBody
	Role string `json:"role_slug"`
}

// grant is the grant of the body.
func (b *grantBody) grant() authorization.Grant {
	return authorization.Grant{Role: b.Role, On: b.ref()}
}

// slimResource is a resource as assignments show it.
type slimResource struct {
	ID         string `json:"id"`
	ExternalID string `json:"external_id"`
	TypeSlug   string `json:"resource_type_slug"`
}

// newSlimResource shows r.
func newSlimResource(r *authorization.Resource) slimResource {
	return slimResource{string(r.ID), r.ExternalID, r.Type}
}

// assignmentSource says whether a member has a role by itself.
type assignmentSource struct {
	Type    string  `json:"type"`
	Through *string `json:"group_role_assignment_id"`
}

// assignmentObject is a role of a member on a resource.
type assignmentObject struct {
	Object       string           `json:"object"`
	ID           string           `json:"id"`
	MembershipID string           `json:"organization_membership_id"`
	Role         slimRole         `json:"role"`
	Resource     slimResource     `json:"resource"`
	Source       assignmentSource `json:"source"`
	CreatedAt    string           `json:"created_at"`
	UpdatedAt    string           `json:"updated_at"`
}

// newAssignmentObject shows a.
func newAssignmentObject(a *authorization.Assignment) assignmentObject {
	o := assignmentObject{Object: "role_assignment", ID: string(a.ID), MembershipID: a.Subject, Role: slimRole{a.Role}, Resource: newSlimResource(&a.Resource),
		Source: assignmentSource{"direct", orNull(string(a.Through))}, CreatedAt: identity.FormatTime(a.Created), UpdatedAt: identity.FormatTime(a.Created)}
	if a.Through != "" {
		o.Source.Type = "group"
	}
	return o
}

// groupAssignmentObject is a role of a group on a resource.
type groupAssignmentObject struct {
	Object    string       `json:"object"`
	ID        string       `json:"id"`
	GroupID   string       `json:"group_id"`
	Role      slimRole     `json:"role"`
	Resource  slimResource `json:"resource"`
	CreatedAt string       `json:"created_at"`
	UpdatedAt string       `json:"updated_at"`
}

// newGroupAssignmentObject shows a.
func newGroupAssignmentObject(a *authorization.Assignment) groupAssignmentObject {
	return groupAssignmentObject{"group_role_assignment", string(a.ID), a.Subject, slimRole{a.Role}, newSlimResource(&a.Resource),
		identity.FormatTime(a.Created), identity.FormatTime(a.Created)}
}

// listAssignments is GET …/organization_memberships/{id}/role_assignments.
func (a *API) listAssignments(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	on := authorization.Ref{ID: authorization.ResourceID(q.Get("resource_id")), ExternalID: q.Get("resource_external_id"), Type: q.Get("resource_type_slug")}
	list, err := a.Authorization.OfMember(r.Context(), environment(r).ID, membershipID(r), on, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newAssignmentObject)
}

// assignRole is POST …/organization_memberships/{id}/role_assignments.
func (a *API) assignRole(w http.ResponseWriter, r *http.Request) error {
	var b grantBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	made, err := a.Authorization.Assign(r.Context(), environment(r).ID, membershipID(r), b.Role, b.ref())
	if err != nil {
		return unprocessableRoles(err)
	}
	writeJSON(w, http.StatusCreated, newAssignmentObject(made))
	return nil
}

// unassignRole is DELETE …/organization_memberships/{id}/role_assignments.
func (a *API) unassignRole(w http.ResponseWriter, r *http.Request) error {
	var b grantBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if err := a.Authorization.Unassign(r.Context(), environment(r).ID, membershipID(r), b.Role, b.ref()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// assignmentID is the assignment that the path names.
func assignmentID(r *http.Request) authorization.AssignmentID {
	return authorization.AssignmentID(r.PathValue("role_assignment_id"))
}

// removeAssignment is DELETE …/organization_memberships/{id}/role_assignments/{id}.
func (a *API) removeAssignment(w http.ResponseWriter, r *http.Request) error {
	if err := a.Authorization.UnassignByID(r.Context(), environment(r).ID, membershipID(r), assignmentID(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listResourceAssignments lists the roles that members have on a resource itself.
func (a *API) listResourceAssignments(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Authorization.OnResource(r.Context(), environment(r).ID, resourceAt(r), r.URL.Query().Get("role_slug"), page)
	if err != nil {
		return err
	}
	return writeList(w, list, newAssignmentObject)
}

// authorizedGroup is the group that the path names.
func authorizedGroup(r *http.Request) identity.GroupID {
	return identity.GroupID(r.PathValue("group_id"))
}

// listGroupAssignments is GET /authorization/groups/{id}/role_assignments.
func (a *API) listGroupAssignments(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Authorization.OfGroup(r.Context(), environment(r).ID, authorizedGroup(r), page)
	if err != nil {
		return err
	}
	return writeList(w, list, newGroupAssignmentObject)
}

// createGroupAssignment is POST /authorization/groups/{id}/role_assignments.
func (a *API) createGroupAssignment(w http.ResponseWriter, r *http.Request) error {
	var b grantBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	made, err := a.Authorization.AssignGroup(r.Context(), environment(r).ID, authorizedGroup(r), b.grant())
	if err != nil {
		return unprocessableRoles(err)
	}
	writeJSON(w, http.StatusCreated, newGroupAssignmentObject(made))
	return nil
}

// replaceGroupAssignments is PUT /authorization/groups/{id}/role_assignments.
func (a *API) replaceGroupAssignments(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Assignments []grantBody `json:"role_assignments"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	grants := make([]authorization.Grant, len(b.Assignments))
	for i := range b.Assignments {
		grants[i] = b.Assignments[i].grant()
	}
	if err := a.Authorization.ReplaceGroup(r.Context(), environment(r).ID, authorizedGroup(r), grants); err != nil {
		return unprocessableRoles(err)
	}
	list, err := a.Authorization.OfGroup(r.Context(), environment(r).ID, authorizedGroup(r), identity.Page{Limit: 100})
	if err != nil {
		return err
	}
	return writeList(w, list, newGroupAssignmentObject)
}

// removeGroupAssignments is DELETE /authorization/groups/{id}/role_assignments.
func (a *API) removeGroupAssignments(w http.ResponseWriter, r *http.Request) error {
	var b grantBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if err := a.Authorization.UnassignGroup(r.Context(), environment(r).ID, authorizedGroup(r), b.grant()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getGroupAssignment is GET /authorization/groups/{id}/role_assignments/{id}.
func (a *API) getGroupAssignment(w http.ResponseWriter, r *http.Request) error {
	found, err := a.Authorization.GroupAssignment(r.Context(), environment(r).ID, authorizedGroup(r), assignmentID(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newGroupAssignmentObject(found))
	return nil
}

// removeGroupAssignment is DELETE /authorization/groups/{id}/role_assignments/{id}.
func (a *API) removeGroupAssignment(w http.ResponseWriter, r *http.Request) error {
	if err := a.Authorization.UnassignGroupByID(r.Context(), environment(r).ID, authorizedGroup(r), assignmentID(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
)

// groupRoutes are about groups of members.
func (a *API) groupRoutes() []Route {
	return []Route{
		{"POST", "/organizations/{organizationId}/groups", "createGroup", "key", corsNone, false, a.createGroup},
		{"GET", "/organizations/{organizationId}/groups", "listGroups", "key", corsNone, false, a.listGroups},
		{"GET", "/organizations/{organizationId}/groups/{groupId}", "getGroup", "key", corsNone, false, a.getGroup},
		{"PATCH", "/organizations/{organizationId}/groups/{groupId}", "updateGroup", "key", corsNone, false, a.updateGroup},
		{"DELETE", "/organizations/{organizationId}/groups/{groupId}", "deleteGroup", "key", corsNone, false, a.deleteGroup},
		{"POST", "/organizations/{organizationId}/groups/{groupId}/organization-memberships", "addGroupMembership", "key", corsNone, false, a.addGroupMember},
		{"GET", "/organizations/{organizationId}/groups/{groupId}/organization-memberships", "listGroupMemberships", "key", corsNone, false, a.listGroupMembers},
		{"DELETE", "/organizations/{organizationId}/groups/{groupId}/organization-memberships/{omId}", "removeGroupMembership", "key", corsNone, false, a.removeGroupMember},
	}
}

// groupObject is a group on the wire.
type groupObject struct {
	Object         string  `json:"object"`
	ID             string  `json:"id"`
	OrganizationID string  `json:"organization_id"`
	Name           string  `json:"name"`
	Description    *string `json:"description"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      string  `json:"updated_at"`
}

// newGroupObject shows g.
func newGroupObject(g *identity.Group) groupObject {
	return groupObject{
		Object: "group", ID: string(g.ID), OrganizationID: string(g.Organization), Name: g.Name, Description: orNull(g.Description),
		CreatedAt: identity.FormatTime(g.Created), UpdatedAt: identity.FormatTime(g.Updated),
	}
}

// nameBody is the body of things that have a name and a description.
type nameBody struct {
	Name        member[string] `json:"name"`
	Description member[string] `json:"description"`
}

// groupPath is the organization and the group that a request names.
func groupPath(r *http.Request) (identity.OrganizationID, identity.GroupID) {
	return identity.OrganizationID(r.PathValue("organizationId")), identity.GroupID(r.PathValue("groupId"))
}

// createGroup is POST /organizations/{organizationId}/groups.
func (a *API) createGroup(w http.ResponseWriter, r *http.Request) error {
	var b nameBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	org, _ := groupPath(r)
	g, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Group, error) {
		return tx.CreateGroup(env, org, b.Name.value, b.Description.value)
	})
	return show(w, http.StatusCreated, g, err, newGroupObject)
}

// listGroups is GET /organizations/{organizationId}/groups.
func (a *API) listGroups(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	org, _ := groupPath(r)
	list, err := a.Identity.Groups(r.Context(), environment(r).ID, org, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newGroupObject)
}

// getGroup is GET /organizations/{organizationId}/groups/{groupId}.
func (a *API) getGroup(w http.ResponseWriter, r *http.Request) error {
	org, group := groupPath(r)
	g, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Group, error) {
		return tx.Group(env, org, group)
	})
	return show(w, http.StatusOK, g, err, newGroupObject)
}

// updateGroup is PATCH /organizations/{organizationId}/groups/{groupId}.
func (a *API) updateGroup(w http.ResponseWriter, r *http.Request) error {
	var b nameBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	org, group := groupPath(r)
	g, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Group, error) {
		return tx.UpdateGroup(env, org, group, b.Name.pointer(), b.Description.pointer())
	})
	return show(w, http.StatusOK, g, err, newGroupObject)
}

// deleteGroup is DELETE /organizations/{organizationId}/groups/{groupId}.
func (a *API) deleteGroup(w http.ResponseWriter, r *http.Request) error {
	org, group := groupPath(r)
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		return tx.DeleteGroup(env, org, group)
	})
}

// addGroupMember is POST /organizations/{organizationId}/groups/{groupId}/organization-memberships.
func (a *API) addGroupMember(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Membership string `json:"organization_membership_id"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	org, group := groupPath(r)
	g, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Group, error) {
		return tx.AddGroupMember(env, org, group, identity.MembershipID(b.Membership))
	})
	return show(w, http.StatusOK, g, err, newGroupObject)
}

// listGroupMembers is GET /organizations/{organizationId}/groups/{groupId}/organization-memberships.
func (a *API) listGroupMembers(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	org, group := groupPath(r)
	list, err := a.Identity.GroupMembers(r.Context(), environment(r).ID, org, group, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newMemberBase)
}

// removeGroupMember is DELETE /organizations/{organizationId}/groups/{groupId}/organization-memberships/{omId}.
func (a *API) removeGroupMember(w http.ResponseWriter, r *http.Request) error {
	org, group := groupPath(r)
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		return tx.RemoveGroupMember(env, org, group, identity.MembershipID(r.PathValue("omId")))
	})
}

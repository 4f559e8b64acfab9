package workos

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

func TestAuthorizationIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	ctx := t.Context()
	types := "/_lentil/v1/authorization/resource_types"
	h.call("POST", types, map[string]any{"slug": "folder"}).want(201)
	h.call("POST", types, map[string]any{"slug": "file", "parent_type_slugs": []string{"folder", "organization"}}).want(201)
	h.call("POST", types, map[string]any{"slug": "file"}).want(409)
	h.call("POST", types, map[string]any{"slug": "organization"}).want(422)
	h.call("POST", types, map[string]any{"slug": "No"}).want(422)
	h.call("POST", types, map[string]any{"slug": "page", "parent_type_slugs": []string{"book"}}).want(422)
	h.call("PATCH", types+"/file", map[string]any{"name": "File", "description": "of bytes"}).want(200)
	h.call("DELETE", types+"/folder", nil).want(409)
	if n := h.call("GET", types, nil).want(200).size("data"); n != 2 {
		t.Errorf("%d types", n)
	}
	last := "file"
	for i := range 9 { // as deep as may be
		next := "t" + string(rune('0'+i))
		a := h.call("POST", types, map[string]any{"slug": next, "parent_type_slugs": []string{last}})
		if want := 201; i >= 7 {
			want = 422
			a.want(want)
			break
		}
		a.want(201)
		last = next
	}
	org, err := h.Identity.CreateOrganization(ctx, h.env.ID, identity.NewOrganization{Name: "Acme"})
	check(t, err)
	other, err := h.Identity.CreateOrganization(ctx, h.env.ID, identity.NewOrganization{Name: "Other"})
	check(t, err)
	u, err := h.Identity.CreateUser(ctx, h.env.ID, identity.NewUser{Email: "ann@example.com"})
	check(t, err)
	m, err := h.Identity.AddMembership(ctx, h.env.ID, identity.NewMembership{User: u.ID, Organization: org.ID})
	check(t, err)
	make := func(more map[string]any) *answer {
		b := map[string]any{"organization_id": org.ID, "resource_type_slug": "folder", "external_id": "f", "name": "F"}
		for k, v := range more {
			b[k] = v
		}
		return h.call("POST", "/authorization/resources", b)
	}
	folder := make(nil).want(201).text("id")
	foreign := make(map[string]any{"organization_id": other.ID}).want(201).text("id")
	make(nil).want(409)
	make(map[string]any{"resource_type_slug": "none"}).want(404)
	make(map[string]any{"resource_type_slug": "organization"}).want(400)
	make(map[string]any{"organization_id": "org_none"}).want(404)
	make(map[string]any{"external_id": "é"}).want(422)
	make(map[string]any{"external_id": "g", "name": ""}).want(422)
	make(map[string]any{"external_id": "g", "parent_resource_id": folder}).want(422) // a folder below a folder
	make(map[string]any{"resource_type_slug": "file", "external_id": "x", "parent_resource_id": foreign}).want(404)
	make(map[string]any{"resource_type_slug": "file", "external_id": "x", "parent_resource_id": folder, "parent_resource_external_id": "f", "parent_resource_type_slug": "folder"}).want(422)
	file := make(map[string]any{"resource_type_slug": "file", "external_id": "a/b", "parent_resource_external_id": "f", "parent_resource_type_slug": "folder"}).want(201).text("id")
	if got := h.call("GET", "/authorization/organizations/"+string(org.ID)+"/resources/file/a%2Fb", nil).want(200).text("id"); got != file {
		t.Errorf("an external id with a slash leads to %s", got)
	}
	h.call("GET", "/authorization/resources?resource_external_id=f", nil).want(400)
	h.call("GET", "/authorization/resources?organization_id="+string(org.ID)+"&resource_type_slug=folder&resource_external_id=f", nil).want(200)
	// Moved to the top, it has the organization's own resource as parent, which nobody changes.
	root := h.call("PATCH", "/authorization/resources/"+file, map[string]any{"parent_resource_external_id": org.ID, "parent_resource_type_slug": "organization"}).want(200).text("parent_resource_id")
	h.call("PATCH", "/authorization/resources/"+root, map[string]any{"name": "x"}).want(400)
	h.call("DELETE", "/authorization/resources/"+root+"?cascade_delete=true", nil).want(400)
	h.call("DELETE", "/authorization/resources/"+file+"?cascade_delete=maybe", nil).want(422)
	h.call("DELETE", types+"/file", nil).want(409)

	member := "/authorization/organization_memberships/" + string(m.ID)
	h.call("POST", member+"/check", map[string]any{"permission_slug": "p"}).want(422)
	h.call("POST", member+"/check", map[string]any{"permission_slug": "p", "resource_id": foreign}).want(404)
	if h.call("POST", member+"/check", map[string]any{"permission_slug": "p", "resource_id": folder}).want(200).at("authorized") != false {
		t.Error("an unknown permission is had")
	}
	h.call("GET", member+"/resources?permission_slug=p", nil).want(400)
	h.call("GET", member+"/resources?parent_resource_id="+folder, nil).want(422)
	h.call("GET", member+"/resources?permission_slug=p&parent_resource_id="+folder, nil).want(200)
	h.call("GET", "/authorization/resources/"+folder+"/organization_memberships", nil).want(422)
	h.call("GET", "/authorization/resources/"+folder+"/organization_memberships?permission_slug=p&assignment=some", nil).want(422)
	h.call("POST", member+"/role_assignments", map[string]any{"role_slug": "none", "resource_id": folder}).want(404)
	h.call("POST", member+"/role_assignments", map[string]any{"role_slug": "member", "resource_id": folder}).want(422)
	h.call("DELETE", member+"/role_assignments", map[string]any{"role_slug": "none", "resource_id": folder}).want(404)
	h.call("DELETE", member+"/role_assignments/role_assignment_none", nil).want(404)
	// Both addresses of effective permissions.
	h.call("GET", member+"/resources/"+folder+"/permissions", nil).want(200)
	h.call("GET", "/authorization/resources/"+folder+"/organization_memberships/"+string(m.ID)+"/permissions", nil).want(200)
	// A role that somebody has on a resource stays.
	h.call("POST", "/authorization/organizations/"+string(org.ID)+"/roles", map[string]any{"slug": "org-keeper", "name": "Keeper", "resource_type_slug": "folder"}).want(201)
	h.call("POST", member+"/role_assignments", map[string]any{"role_slug": "org-keeper", "resource_id": folder}).want(201)
	h.call("POST", member+"/role_assignments", map[string]any{"role_slug": "org-keeper", "resource_id": folder}).want(201)
	if n := h.call("GET", member+"/role_assignments?resource_id="+folder, nil).want(200).size("data"); n != 1 {
		t.Errorf("%d assignments of one role", n)
	}
	h.call("DELETE", "/authorization/organizations/"+string(org.ID)+"/roles/org-keeper", nil).want(409)
	h.call("DELETE", "/authorization/resources/"+folder, nil).want(409)
	// Another environment's key sees nothing.
	env, err := h.Identity.CreateEnvironment(ctx, identity.NewEnvironment{Name: "other", Kind: identity.Development})
	check(t, err)
	_, key, err := h.Identity.CreateAPIKey(ctx, env.ID, "test", "")
	check(t, err)
	for _, path := range []string{"/authorization/resources/" + folder, "/authorization/resources/" + root, member + "/role_assignments", "/authorization/resources/" + folder + "/role_assignments"} {
		h.call("GET", path, nil, "Authorization", "Bearer "+key).want(404)
	}
	// A deleted member leaves no roles behind.
	h.call("DELETE", "/user_management/organization_memberships/"+string(m.ID), nil)
	if n := h.call("GET", "/authorization/resources/"+folder+"/role_assignments", nil).want(200).size("data"); n != 0 {
		t.Errorf("a deleted member has %d roles", n)
	}
	h.call("DELETE", "/authorization/organizations/"+string(org.ID)+"/roles/org-keeper", nil).want(204)
}

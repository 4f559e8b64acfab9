package workos

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
)

func TestDirectoriesAreRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	ctx := t.Context()
	org, err := h.Identity.CreateOrganization(ctx, h.env.ID, identity.NewOrganization{Name: "Example"})
	check(t, err)
	h.call("POST", "/_lentil/v1/directories", map[string]any{"organization_id": "org_none"}).want(404)
	h.call("POST", "/_lentil/v1/directories", map[string]any{"organization_id": org.ID, "type": "workday"}).want(422)
	made := h.call("POST", "/_lentil/v1/directories", map[string]any{"organization_id": org.ID, "name": "Staff", "type": "okta scim v2.0", "domain": "example.com",
		"group_roles": map[string]string{"Cooks": "admin"}}).want(201)
	id, token := made.text("id"), made.text("token")
	if got := made.text("endpoint"); got != "http://localhost:4100/scim/v2.0/"+id {
		t.Errorf("endpoint %s", got)
	}
	d, err := h.Directory.Authenticate(ctx, directory.ID(id), token)
	check(t, err)
	u, err := h.Directory.CreateUser(ctx, d, directory.Attributes{"userName": "ann@example.com", "externalId": "00u1", "title": "Cook",
		"emails": []any{map[string]any{"value": "ann@example.com", "primary": true, "type": "work"}}})
	check(t, err)
	v, err := h.Directory.CreateUser(ctx, d, directory.Attributes{"userName": "bob@example.com", "active": false})
	check(t, err)
	g, err := h.Directory.CreateGroup(ctx, d, directory.Attributes{"displayName": "Cooks"}, []directory.UserID{u.ID})
	check(t, err)

	one := h.call("GET", "/directories/"+id, nil).want(200)
	if one.at("metadata", "users", "active") != 1.0 || one.at("metadata", "users", "inactive") != 1.0 || one.at("metadata", "groups") != 1.0 || one.text("state") != "linked" {
		t.Errorf("%s", one.raw)
	}
	if one.at("token") != nil || one.at("endpoint") != nil {
		t.Errorf("the read API shows an operator's facts: %s", one.raw)
	}
	for query, want := range map[string]int{"": 1, "?organization_id=" + string(org.ID): 1, "?search=sta": 1, "?search=x": 0, "?domain=EXAMPLE.com": 1, "?organization_id=org_none": 0} {
		if n := h.call("GET", "/directories"+query, nil).want(200).size("data"); n != want {
			t.Errorf("%d directories for %q, wanted %d", n, query, want)
		}
	}
	user := h.call("GET", "/directory_users/"+string(u.ID), nil).want(200)
	if user.text("role", "slug") != "admin" || user.text("groups", 0, "id") != string(g.ID) || user.text("idp_id") != "00u1" || user.text("custom_attributes", "job_title") != "Cook" || user.text("raw_attributes", "title") != "Cook" {
		t.Errorf("%s", user.raw)
	}
	for query, want := range map[string]string{"?directory=" + id + "&idp_id=00u1": string(u.ID), "?directory=" + id + "&email=ANN@example.com": string(u.ID),
		"?directory=" + id + "&idp_id=bob@example.com": string(v.ID), "?group=" + string(g.ID): string(u.ID), "?group=" + string(g.ID) + "&email=ann@example.com": string(u.ID)} {
		l := h.call("GET", "/directory_users"+query, nil).want(200)
		if l.size("data") != 1 || l.text("data", 0, "id") != want {
			t.Errorf("%s: %s", query, l.raw)
		}
	}
	first := h.call("GET", "/directory_users?limit=1&order=asc&directory="+id, nil).want(200)
	second := h.call("GET", "/directory_users?limit=1&order=asc&directory="+id+"&after="+first.text("list_metadata", "after"), nil).want(200)
	if first.text("data", 0, "id") == second.text("data", 0, "id") || second.at("list_metadata", "after") != nil {
		t.Errorf("pages %s, %s", first.raw, second.raw)
	}
	h.call("GET", "/directory_users", nil).want(422)
	h.call("GET", "/directory_users?directory=directory_none", nil).want(404)
	h.call("GET", "/directory_users?group=directory_group_none", nil).want(404)
	if l := h.call("GET", "/directory_groups?user="+string(u.ID), nil).want(200); l.size("data") != 1 || l.text("data", 0, "name") != "Cooks" {
		t.Errorf("%s", l.raw)
	}
	h.call("GET", "/directory_groups?directory="+id, nil).want(200)
	h.call("GET", "/directory_groups/"+string(g.ID), nil).want(200)
	h.call("GET", "/directory_groups", nil).want(422)
	h.call("GET", "/directory_groups?user=directory_user_none", nil).want(404)

	h.call("PATCH", "/_lentil/v1/directories/"+id, map[string]any{"name": "People", "group_roles": map[string]string{}}).want(200)
	rotated := h.call("POST", "/_lentil/v1/directories/"+id+"/token", nil).want(200)
	if rotated.text("token") == token {
		t.Error("the token is the same")
	}
	if h.call("GET", "/_lentil/v1/directories/"+id, nil).want(200).at("token") != nil {
		t.Error("the token is shown again")
	}
	// Every kind of event, in the shape of the public description.
	_, err = h.Directory.ChangeUser(ctx, d, u.ID, 0, func(a directory.Attributes) (directory.Attributes, error) {
		a["title"] = "Chef"
		return a, nil
	})
	check(t, err)
	_, err = h.Directory.ChangeGroup(ctx, d, g.ID, 0, func(a directory.Attributes) (directory.Attributes, directory.Members, error) {
		a["displayName"] = "Chefs"
		return a, directory.Members{Replace: true}, nil
	})
	check(t, err)
	check(t, h.Directory.DeleteUser(ctx, d, v.ID, 0))
	spare, err := h.Directory.CreateGroup(ctx, d, directory.Attributes{"displayName": "Spare"}, nil)
	check(t, err)
	check(t, h.Directory.DeleteGroup(ctx, d, spare.ID, 0))
	for _, kind := range []string{"activated", "token.created", "token.revoked", "user.created", "user.updated", "user.deleted", "group.created", "group.updated", "group.deleted", "group.user_added", "group.user_removed"} {
		l := h.call("GET", "/events?events=dsync."+kind, nil).want(200)
		if l.size("data") == 0 {
			t.Errorf("no dsync.%s", kind)
		}
	}
	// Another environment sees nothing of it.
	other, err := h.Identity.CreateEnvironment(ctx, identity.NewEnvironment{Name: "other", Kind: identity.Development})
	check(t, err)
	_, key, err := h.Identity.CreateAPIKey(ctx, other.ID, "test", "")
	check(t, err)
	for _, path := range []string{"/directories/" + id, "/directory_users/" + string(u.ID), "/directory_groups/" + string(g.ID), "/directory_users?directory=" + id, "/directory_groups?user=" + string(u.ID), "/_lentil/v1/directories/" + id} {
		h.call("GET", path, nil, "Authorization", "Bearer "+key).want(404)
	}
	h.call("DELETE", "/directories/"+id, nil, "Authorization", "Bearer "+key).want(202)
	h.call("GET", "/directories/"+id, nil).want(200)
	h.call("DELETE", "/directories/"+id, nil).want(202)
	h.call("DELETE", "/directories/"+id, nil).want(202)
	h.call("GET", "/directories/"+id, nil).want(404)
	h.call("GET", "/directory_users/"+string(u.ID), nil).want(404)
	h.call("GET", "/events?events=dsync.deleted", nil).want(200).text("data", 0, "data", "id")
}

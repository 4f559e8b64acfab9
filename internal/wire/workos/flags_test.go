package workos

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/identity"
)

// member makes a user, an organisation, and the user a member of it.
func (h *house) member(email, org string) (identity.UserID, identity.OrganizationID) {
	h.t.Helper()
	ctx := h.t.Context()
	u, err := h.Identity.CreateUser(ctx, h.env.ID, identity.NewUser{Email: email, EmailVerified: true})
	check(h.t, err)
	o, err := h.Identity.CreateOrganization(ctx, h.env.ID, identity.NewOrganization{Name: org})
	check(h.t, err)
	_, err = h.Identity.AddMembership(ctx, h.env.ID, identity.NewMembership{User: u.ID, Organization: o.ID})
	check(h.t, err)
	return u.ID, o.ID
}

// stranger is a house's door with the key of another environment.
func (h *house) stranger() *house {
	h.t.Helper()
	other, err := h.Identity.CreateEnvironment(h.t.Context(), identity.NewEnvironment{Name: "other"})
	check(h.t, err)
	_, key, err := h.Identity.CreateAPIKey(h.t.Context(), other.ID, "other", "")
	check(h.t, err)
	s := *h
	s.env, s.key = other, key
	return &s
}

// slugs are the slugs of a list of flags.
func (a *answer) slugs() []string {
	out := []string{}
	for i := range a.size("data") {
		out = append(out, a.text("data", i, "slug"))
	}
	slices.Sort(out)
	return out
}

func TestFlagsAreOnForTheirTargets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	user, org := h.member("ada@example.com", "Soup")
	for _, f := range []object{
		{"slug": "for-user", "enabled": true, "targets": []object{{"type": "user", "id": user}}},
		{"slug": "for-org", "enabled": true, "name": "For the organization", "tags": []string{"beta"}, "owner": object{"email": "eva@example.com"}},
		{"slug": "for-all", "enabled": true, "default_value": true},
		{"slug": "off", "enabled": false, "default_value": true},
		{"slug": "for-none", "enabled": true},
	} {
		h.call("POST", "/_lentil/v1/feature-flags", f).want(201)
	}
	h.call("POST", "/_lentil/v1/feature-flags", object{"slug": "off"}).want(409)
	h.call("POST", "/_lentil/v1/feature-flags", object{"slug": "No!"}).want(422)
	h.call("POST", "/feature-flags/for-org/targets/"+string(org), nil).want(204)
	h.call("POST", "/feature-flags/for-org/targets/"+string(org), nil).want(204)

	userFlags, orgFlags := "/user_management/users/"+string(user)+"/feature-flags", "/organizations/"+string(org)+"/feature-flags"
	if got := h.call("GET", userFlags, nil).want(200).slugs(); !slices.Equal(got, []string{"for-all", "for-org", "for-user"}) {
		t.Errorf("of the user: %v", got)
	}
	if got := h.call("GET", orgFlags, nil).want(200).slugs(); !slices.Equal(got, []string{"for-all", "for-org"}) {
		t.Errorf("of the organization: %v", got)
	}
	claim := func(o identity.OrganizationID) (slugs []string) {
		check(t, h.Identity.View(t.Context(), func(tx *identity.Tx) (err error) {
			slugs, err = h.Flags.Enabled(tx, h.env.ID, user, o)
			return err
		}))
		return slugs
	}
	if diff := cmp.Diff([][]string{{"for-all", "for-org", "for-user"}, {"for-all", "for-user"}}, [][]string{claim(org), claim("")}); diff != "" {
		t.Error(diff)
	}

	off := h.call("PUT", "/feature-flags/for-all/disable", object{}).want(200)
	if off.at("enabled") != false || off.at("default_value") != true || off.at("description") != nil || off.at("owner") != nil {
		t.Errorf("disabled: %s", off.raw)
	}
	if on := h.call("PUT", "/feature-flags/off/enable", object{}).want(200); on.at("enabled") != true {
		t.Errorf("enabled: %s", on.raw)
	}
	if one := h.call("GET", "/feature-flags/for-org", nil).want(200); one.text("owner", "email") != "eva@example.com" || one.text("tags", 0) != "beta" {
		t.Errorf("flag: %s", one.raw)
	}
	h.call("DELETE", "/feature-flags/for-user/targets/"+string(user), nil).want(204)
	if got := claim(org); !slices.Equal(got, []string{"for-org", "off"}) {
		t.Errorf("in the end: %v", got)
	}
	h.call("DELETE", "/_lentil/v1/feature-flags/off", nil).want(204)
	h.call("GET", "/feature-flags/off", nil).want(404)
	want := map[string]int{"flag.created": 5, "flag.rule_updated": 2, "flag.updated": 2, "flag.deleted": 1}
	got := map[string]int{}
	for _, name := range h.events() {
		if _, ok := want[name]; ok {
			got[name]++
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestFlagEventsTellWhatWas looks at the context of the events of flags.
func TestFlagEventsTellWhatWas(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	user, org := h.member("ada@example.com", "Soup")
	h.call("POST", "/_lentil/v1/feature-flags", object{"slug": "a", "name": "A"}).want(201)
	h.call("POST", "/feature-flags/a/targets/"+string(org), nil).want(204)
	h.call("POST", "/feature-flags/a/targets/"+string(user), nil).want(204)
	h.call("PUT", "/feature-flags/a/enable", nil).want(200)
	list, err := h.Identity.History(t.Context(), h.env.ID, identity.EventQuery{Limit: 100})
	check(t, err)
	var told []string
	for _, e := range list.Data {
		if strings.HasPrefix(e.Name, "flag.") {
			var c map[string]json.RawMessage
			check(t, json.Unmarshal(e.Context, &c))
			told = append(told, fmt.Sprintf("%s %s %s %s", e.Name, c["access_type"], c["configured_targets"], c["previous_attributes"]))
		}
	}
	o, u := `{"id":"`+string(org)+`","name":"Soup"}`, `{"id":"`+string(user)+`","email":"ada@example.com"}`
	want := []string{
		"flag.created   ",
		`flag.rule_updated "some" {"organizations":[` + o + `],"users":[]} {"context":{"access_type":"none","configured_targets":{"organizations":[],"users":[]}}}`,
		`flag.rule_updated "some" {"organizations":[` + o + `],"users":[` + u + `]} {"context":{"configured_targets":{"organizations":[` + o + `],"users":[]}}}`,
		`flag.updated   {"data":{"enabled":false}}`,
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

func TestFlagTargetsMustExist(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	user, org := h.member("ada@example.com", "Soup")
	h.call("POST", "/_lentil/v1/feature-flags", object{"slug": "a"}).want(201)
	if no := h.call("POST", "/feature-flags/a/targets/team_1", nil).want(400); no.text("code") != "invalid_resource_id_format" {
		t.Errorf("code: %s", no.raw)
	}
	for _, id := range []string{"user_01HXNOTHINGNOTHINGNOTHIN", "org_01HXNOTHINGNOTHINGNOTHIN"} {
		h.call("POST", "/feature-flags/a/targets/"+id, nil).want(404)
		h.call("DELETE", "/feature-flags/a/targets/"+id, nil).want(404)
	}
	h.call("DELETE", "/feature-flags/a/targets/"+string(user), nil).want(204)
	h.call("POST", "/_lentil/v1/feature-flags/a/targets", object{"type": "workspace", "id": "ws_1"}).want(204)
	h.call("POST", "/_lentil/v1/feature-flags/a/targets", object{"type": "Work space", "id": "ws_1"}).want(400)
	s := h.stranger()
	s.call("POST", "/_lentil/v1/feature-flags", object{"slug": "b"}).want(201)
	s.call("GET", "/feature-flags/a", nil).want(404)
	s.call("POST", "/feature-flags/b/targets/"+string(user), nil).want(404)
	s.call("GET", "/organizations/"+string(org)+"/feature-flags", nil).want(404)
	s.call("GET", "/user_management/users/"+string(user)+"/feature-flags", nil).want(404)
}

func TestFlagPollAnswersOnlyChanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	user, org := h.member("ada@example.com", "Soup")
	h.call("POST", "/_lentil/v1/feature-flags", object{"slug": "a", "enabled": true, "targets": []object{
		{"type": "user", "id": user}, {"type": "organization", "id": org}, {"type": "workspace", "id": "ws_1"}}}).want(201)
	first := h.call("GET", "/sdk/feature-flags", nil).want(200)
	want := object{"a": object{"slug": "a", "enabled": true, "default_value": false, "targets": object{
		"users":          []any{object{"id": string(user), "enabled": true}},
		"organizations":  []any{object{"id": string(org), "enabled": true}},
		"custom_targets": []any{object{"type": "workspace", "id": "ws_1", "enabled": true}}}}}
	if diff := cmp.Diff(want, first.body); diff != "" {
		t.Error(diff)
	}
	tag := first.header.Get("ETag")
	if again := h.call("GET", "/sdk/feature-flags", nil, "If-None-Match", tag); again.status != http.StatusNotModified || len(again.raw) != 0 {
		t.Errorf("unchanged: %d %s", again.status, again.raw)
	}
	h.call("DELETE", "/_lentil/v1/feature-flags/a/targets/workspace/ws_1", nil).want(204)
	if changed := h.call("GET", "/sdk/feature-flags", nil, "If-None-Match", tag).want(200); changed.header.Get("ETag") == tag {
		t.Error("the tag stayed")
	}
}

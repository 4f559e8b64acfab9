package scim

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

func TestUserOfOkta(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	// As Okta does: look for the name, create, change by PUT, deactivate by a patch without path.
	h.call("GET", "/Users?filter="+url.QueryEscape(`userName eq "ann@example.com"`)+"&startIndex=1&count=100", "").want(200).is("0", "totalResults").is("[]", "Resources")
	made := h.call("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@example.com","name":{"givenName":"Ann","familyName":"Doe"},
		"emails":[{"primary":true,"value":"ann@example.com","type":"work"}],"displayName":"Ann Doe","locale":"en-US","externalId":"00u1","groups":[],"password":"t0p-secret!","active":true}`).want(201)
	id := made.id()
	if made.header.Get("Location") != h.BaseURL+"/scim/v2.0/"+string(h.dir.ID)+"/Users/"+id || made.header.Get("ETag") != `W/"1"` {
		t.Errorf("Location %q, ETag %q", made.header.Get("Location"), made.header.Get("ETag"))
	}
	made.is(`"User"`, "meta", "resourceType").is(`"W/\"1\""`, "meta", "version").is("null", "password").is("[]", "groups")
	h.call("POST", "/Users", `{"userName":"ANN@example.com"}`).want(409, "uniqueness")
	h.call("GET", "/Users?filter="+url.QueryEscape(`userName eq "Ann@Example.com"`), "").want(200).is("1", "totalResults").is(`"`+id+`"`, "Resources", 0, "id")
	h.call("PUT", "/Users/"+id, `{"userName":"ann@example.com","name":{"givenName":"Anna","familyName":"Doe"},"emails":[{"primary":true,"value":"ann@example.com","type":"work"}],"externalId":"00u1"}`).
		want(200).is(`"Anna"`, "name", "givenName").is("true", "active").is("null", "displayName")
	off := h.call("PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`).want(200).is("false", "active")
	if off.header.Get("ETag") != `W/"3"` {
		t.Errorf("ETag %s", off.header.Get("ETag"))
	}
	events := h.events("dsync.user.created", "dsync.user.updated")
	if len(events) != 3 {
		t.Fatalf("%d events: %v", len(events), events)
	}
	before := events[2]["previous_attributes"].(map[string]any)
	if before["state"] != "active" || events[2]["state"] != "inactive" || len(before) != 2 || before["raw_attributes"].(map[string]any)["active"] != true {
		t.Errorf("previous attributes %v", before)
	}
	if strings.Contains(strings.Join(h.everything(), " "), "t0p-secret") {
		t.Error("a pushed password is in an event")
	}
	h.call("DELETE", "/Users/"+id, "").want(204)
	h.call("GET", "/Users/"+id, "").want(404)
	h.call("DELETE", "/Users/"+id, "").want(404)
}

// everything is all events as text.
func (h *house) everything() (out []string) {
	list, err := h.id.Events(h.t.Context(), h.env.ID, nil, identity.Page{Limit: 100})
	check(h.t, err)
	for _, e := range list.Data {
		out = append(out, e.Name+" "+string(e.Data))
	}
	return out
}

func TestUserOfEntra(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	id := h.call("POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"e-1",
		"userName":"bob@example.com","active":true,"name":{"formatted":"Bob B","familyName":"B","givenName":"Bob"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Kitchen"}}`).want(201).id()
	patched := h.call("PATCH", "/Users/"+id, `{"Operations":[
		{"op":"Add","path":"emails[type eq \"work\"].value","value":"bob@example.com"},
		{"op":"Replace","path":"name.familyName","value":"Baker"},
		{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"chef"},
		{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Bakery"},
		{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"+1"},
		{"op":"Replace","path":"active","value":"False"}]}`).want(200)
	ext := "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patched.is(`[{"type":"work","value":"bob@example.com"}]`, "emails").is(`"Baker"`, "name", "familyName").is(`{"value":"chef"}`, ext, "manager").
		is(`"Bakery"`, ext, "department").is("false", "active").is(`"+1"`, "phoneNumbers", 0, "value")
	// Attributes by dotted names in a value without path, and again in vain: no event tells of nothing.
	again := `{"Operations":[{"op":"replace","value":{"name.givenName":"Robert","` + ext + `:division":"Food","active":"True","id":"ignored"}}]}`
	h.call("PATCH", "/Users/"+id, again).want(200).is(`"Robert"`, "name", "givenName").is(`"Food"`, ext, "division").is("true", "active")
	n := len(h.events("dsync.user.updated"))
	h.call("PATCH", "/Users/"+id, again).want(200)
	if len(h.events("dsync.user.updated")) != n {
		t.Error("an update of nothing is told")
	}
	u, err := h.Directory.User(t.Context(), h.env.ID, "directory_user_"+"none")
	if err == nil {
		t.Errorf("found %v", u)
	}
	h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"Remove","path":"emails[type eq \"work\"]"},{"op":"remove","path":"`+ext+`:manager"}]}`).want(200).is("null", "emails").is("null", ext, "manager")
	for body, scimType := range map[string]string{
		`{"Operations":[]}`: "invalidSyntax", `{`: "invalidSyntax", `[]`: "invalidSyntax",
		`{"Operations":[{"op":"move","path":"title"}]}`:                                "invalidSyntax",
		`{"Operations":[{"op":"remove"}]}`:                                             "noTarget",
		`{"Operations":[{"op":"add","value":"x"}]}`:                                    "invalidSyntax",
		`{"Operations":[{"op":"replace","path":"emails[","value":"x"}]}`:               "invalidPath",
		`{"Operations":[{"op":"replace","path":"emails[type is 1]","value":{}}]}`:      "invalidFilter",
		`{"Operations":[{"op":"replace","path":"id","value":"x"}]}`:                    "mutability",
		`{"Operations":[{"op":"remove","path":"userName"}]}`:                           "invalidValue",
		`{"Operations":[{"op":"replace","path":"active","value":"perhaps"}]}`:          "invalidValue",
		`{"Operations":[{"op":"replace","path":"photos[type pr]","value":{"a":"b"}}]}`: "noTarget",
	} {
		h.call("PATCH", "/Users/"+id, body).want(400, scimType)
	}
}

func TestUserVersionsAndProjections(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	id := h.user("carl")
	h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"add","path":"title","value":"Cook"}]}`, "If-Match", `W/"1"`).want(200)
	for _, stale := range []string{`W/"1"`, `"x"`} {
		h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"add","path":"title","value":"Chef"}]}`, "If-Match", stale).want(412)
		h.call("PUT", "/Users/"+id, `{"userName":"carl"}`, "If-Match", stale).want(412)
		h.call("DELETE", "/Users/"+id, "", "If-Match", stale).want(412)
	}
	if a := h.call("GET", "/Users/"+id, "", "If-None-Match", `W/"2"`); a.status != 304 || a.raw != "" {
		t.Errorf("%d %s", a.status, a.raw)
	}
	only := h.call("GET", "/Users/"+id+"?attributes=title,name.givenName", "").want(200)
	if len(only.body) != 4 { // id and schemas, always
		t.Errorf("attributes gave %s", only.raw)
	}
	h.call("GET", "/Users/"+id+"?excludedAttributes=title,groups", "").want(200).is("null", "title").is("null", "groups").is(`"carl@example.com"`, "userName")
}

func TestUserLists(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, n := range []string{"ann", "bob", "carl", "dora", "eve"} {
		h.user(n)
	}
	seen := map[string]bool{}
	for _, start := range []string{"1", "3", "5"} {
		page := h.call("GET", "/Users?count=2&startIndex="+start, "").want(200).is("5", "totalResults").is(start, "startIndex")
		for i := 0; page.at("Resources", i) != "none"; i++ {
			seen[page.at("Resources", i, "id")] = true
		}
	}
	// A page that nobody read up to, and pages after a change.
	if got, want := h.call("GET", "/Users?count=1&startIndex=5", "").at("Resources", 0, "id"), h.call("GET", "/Users?count=5", "").at("Resources", 4, "id"); got != want {
		t.Errorf("the fifth is %s, by itself %s", want, got)
	}
	first := strings.Trim(h.call("GET", "/Users?count=1", "").at("Resources", 0, "id"), `"`)
	h.call("DELETE", "/Users/"+first, "").want(204)
	if got, want := h.call("GET", "/Users?count=2&startIndex=3", "").at("Resources", 0, "id"), h.call("GET", "/Users?count=4", "").at("Resources", 2, "id"); got != want {
		t.Errorf("after a deletion the third is %s, by itself %s", want, got)
	}
	h.user(strings.Split("ann bob carl dora eve", " ")[0])
	if len(seen) != 5 {
		t.Errorf("three pages show %d users", len(seen))
	}
	h.call("GET", "/Users?count=0", "").want(200).is("5", "totalResults").is("[]", "Resources")
	h.call("GET", "/Users?startIndex=-3&count=-1", "").want(200).is("1", "startIndex").is("0", "itemsPerPage")
	h.call("GET", "/Users?count=many", "").want(400, "invalidSyntax")
	for filter, want := range map[string]string{
		`userName sw "a" or userName co "OB@"`:        "2",
		`name.givenName eq "dora" and active eq true`: "1",
		`not (userName ew "example.com")`:             "0",
		`active eq "True"`:                            "5",
		`title pr`:                                    "0",
		`emails[type eq "work"]`:                      "0",
		`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "eve@example.com"`: "1",
		`meta.created gt "2001-01-01T00:00:00Z"`:                                   "5",
		`userName ne "eve@example.com"`:                                            "4",
		`userName eq "eve@example.com" and name.familyName eq "Roe"`:               "0",
	} {
		h.call("GET", "/Users?filter="+url.QueryEscape(filter), "").want(200).is(want, "totalResults")
	}
	for _, filter := range []string{`userName`, `userName eq`, `userName is "x"`, `(userName pr`, `userName eq {"a":1}`, `userName eq "x" or`, strings.Repeat("(", 50) + `a pr` + strings.Repeat(")", 50), `groups eq "x"`, `1 eq 2`} {
		h.call("GET", "/Users?filter="+url.QueryEscape(filter), "").want(400, "invalidFilter")
	}
}

func TestProvisioningFollowsTheDirectory(t *testing.T) {
	t.Parallel()
	h := newHouse(t, map[string]string{"Cooks": "admin"})
	id := h.user("ann")
	m := h.member("ann@example.com")
	if m == nil || !m.DirectoryManaged || m.Status != identity.MembershipActive || !slices.Equal(m.Roles, []string{"member"}) {
		t.Fatalf("membership %+v", m)
	}
	// A session of hers ends with her access.
	var session *identity.Session
	check(t, h.id.Update(t.Context(), func(tx *identity.Tx) (err error) {
		session, _, err = tx.StartSession(h.env, identity.NewSession{User: m.User, Organization: h.org.ID, Method: identity.MethodPassword})
		return err
	}))
	h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"replace","value":{"active":false}}]}`).want(200)
	if m = h.member("ann@example.com"); m.Status != identity.MembershipInactive {
		t.Errorf("deactivated in the directory, membership %s", m.Status)
	}
	session, err := h.id.Session(t.Context(), h.env.ID, session.ID)
	check(t, err)
	if session.Ended.IsZero() {
		t.Error("the session goes on")
	}
	h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"replace","value":{"active":true,"name":{"givenName":"Anna"}}}]}`).want(200)
	if m = h.member("ann@example.com"); m.Status != identity.MembershipActive {
		t.Errorf("reactivated, membership %s", m.Status)
	}
	u, err := h.id.User(t.Context(), h.env.ID, m.User)
	check(t, err)
	if u.FirstName != "Anna" || !u.EmailVerified {
		t.Errorf("user %+v", u)
	}
	// Roles follow groups.
	group := h.call("POST", "/Groups", `{"displayName":"Cooks","members":[{"value":"`+id+`"}]}`).want(201).id()
	if m = h.member("ann@example.com"); !slices.Equal(m.Roles, []string{"admin"}) {
		t.Errorf("in the group, roles %v", m.Roles)
	}
	h.call("PATCH", "/Groups/"+group, `{"Operations":[{"op":"remove","path":"members[value eq \"`+id+`\"]"}]}`).want(204)
	if m = h.member("ann@example.com"); !slices.Equal(m.Roles, []string{"member"}) {
		t.Errorf("out of the group, roles %v", m.Roles)
	}
	// Somebody of a domain that the organisation does not own stays a stranger.
	h.call("POST", "/Users", `{"userName":"mallory@elsewhere.com","emails":[{"value":"mallory@elsewhere.com","primary":true}]}`).want(201)
	if _, err := h.id.UserByEmail(t.Context(), h.env.ID, "mallory@elsewhere.com"); err == nil {
		t.Error("a directory made a user of a foreign domain")
	}
	h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"replace","path":"userName","value":"ann@elsewhere.com"}]}`).want(200)
	if m = h.member("ann@example.com"); m.Status != identity.MembershipInactive {
		t.Errorf("moved to a foreign domain, membership %s", m.Status)
	}
	h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"replace","path":"userName","value":"ann2@example.com"}]}`).want(200)
	if m = h.member("ann2@example.com"); m == nil || m.User != u.ID || m.Status != identity.MembershipActive {
		t.Errorf("renamed, membership %+v", m)
	}
	// What a person deactivated, a change of the directory does not give back.
	_, err = h.id.SetMembershipActive(t.Context(), h.env.ID, m.ID, false)
	check(t, err)
	h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"add","path":"title","value":"Cook"}]}`).want(200)
	if m = h.member("ann2@example.com"); m.Status != identity.MembershipInactive {
		t.Errorf("deactivated by hand, membership %s", m.Status)
	}
	_, err = h.id.SetMembershipActive(t.Context(), h.env.ID, m.ID, true)
	check(t, err)
	h.call("DELETE", "/Users/"+id, "").want(204)
	if m = h.member("ann2@example.com"); m.Status != identity.MembershipInactive {
		t.Errorf("deleted from the directory, membership %s", m.Status)
	}
}

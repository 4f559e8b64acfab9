package scim

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
)

func TestGroupOfBothDialects(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	ann, bob, carl := h.user("ann"), h.user("bob"), h.user("carl")
	members := func(g string) string {
		a := h.call("GET", "/Groups/"+g, "").want(200)
		var in []string
		for i := 0; a.at("members", i) != "none"; i++ {
			in = append(in, strings.TrimSuffix(strings.Trim(a.at("members", i, "display"), `"`), "@example.com"))
		}
		return strings.Join(in, " ")
	}
	made := h.call("POST", "/Groups", `{"schemas":["`+directory.GroupSchema+`"],"displayName":"Cooks","members":[{"value":"`+ann+`","display":"ann"}]}`).want(201)
	g := made.id()
	made.is(`"`+ann+`"`, "members", 0, "value")
	h.call("POST", "/Groups", `{"displayName":"cooks"}`).want(409, "uniqueness")
	h.call("POST", "/Groups", `{"displayName":"Bakers","externalId":"g-1"}`).want(201)
	h.call("POST", "/Groups", `{"displayName":"Bakers","externalId":"g-2"}`).want(201) // Entra ID has groups of one name
	h.call("POST", "/Groups", `{"displayName":"Others","externalId":"g-2"}`).want(409, "uniqueness")
	// Okta adds, renames with the id in the value, and replaces all.
	h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"add","path":"members","value":[{"value":"`+bob+`","display":"bob"},{"value":"`+ann+`"}]}]}`).want(204)
	if got := members(g); got != "ann bob" {
		t.Errorf("members %s", got)
	}
	h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"replace","value":{"id":"`+g+`","displayName":"Chefs"}}]}`).want(204)
	h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"replace","path":"members","value":[{"value":"`+carl+`"}]}]}`).want(204)
	if got := members(g); got != "carl" {
		t.Errorf("members %s", got)
	}
	// Entra ID removes by filter, by a value beside the path, and all.
	h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"Add","path":"members","value":[{"value":"`+ann+`"}]},{"op":"Add","path":"members","value":[{"value":"`+bob+`"}]},{"op":"Remove","path":"members[value eq \"`+carl+`\"]"}]}`).want(204)
	h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"Remove","path":"members","value":[{"value":"`+ann+`"}]}]}`).want(204)
	if got := members(g); got != "bob" {
		t.Errorf("members %s", got)
	}
	in := h.call("GET", "/Groups?excludedAttributes=members&filter="+url.QueryEscape(`id eq "`+g+`" and members eq "`+bob+`"`), "").want(200).is("1", "totalResults")
	in.is("null", "Resources", 0, "members")
	h.call("GET", "/Groups?filter="+url.QueryEscape(`members[value eq "`+ann+`"]`), "").want(200).is("0", "totalResults")
	h.call("GET", "/Groups?filter="+url.QueryEscape(`displayName eq "bakers" and externalId eq "g-2"`), "").want(200).is("1", "totalResults")
	h.call("GET", "/Groups?filter="+url.QueryEscape(`not (members eq "x")`), "").want(400, "invalidFilter")
	h.call("GET", "/Users/"+bob, "").want(200).is(`"Chefs"`, "groups", 0, "display")
	h.call("PUT", "/Groups/"+g, `{"displayName":"Crew"}`).want(200).is(`"`+bob+`"`, "members", 0, "value")
	h.call("PUT", "/Groups/"+g, `{"displayName":"Crew","members":[]}`).want(200).is("[]", "members")
	h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"add","path":"members","value":[{"value":"nobody"}]}]}`).want(400, "invalidValue")
	h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"remove","path":"members[display eq \"x\"]"}]}`).want(400, "invalidFilter")

	var told []string
	for _, e := range h.events("dsync.group.created", "dsync.group.updated", "dsync.group.user_added", "dsync.group.user_removed") {
		if e["event"] == "dsync.group.updated" {
			told = append(told, fmt.Sprint("was ", e["previous_attributes"].(map[string]any)["name"]))
		} else if u, ok := e["user"].(map[string]any); ok {
			told = append(told, strings.TrimPrefix(e["event"].(string), "dsync.group.user_")+" "+u["first_name"].(string))
		}
	}
	want := "added ann, added bob, was Cooks, removed ann, removed bob, added carl, removed carl, added ann, added bob, removed ann, was Chefs, removed bob"
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("told\n%s, wanted\n%s", got, want)
	}
	h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"add","path":"members","value":{"value":"`+bob+`"}}]}`).want(204)
	h.call("DELETE", "/Users/"+bob, "").want(204)
	if got := members(g); got != "" {
		t.Errorf("a deleted user is a member: %s", got)
	}
	h.call("DELETE", "/Groups/"+g, "").want(204)
	h.call("GET", "/Groups/"+g, "").want(404)
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	const n = 12
	g := h.call("POST", "/Groups", `{"displayName":"All"}`).want(201).id()
	statuses := make(chan int, n)
	for i := range n {
		go func() { // the same name for all, and a member of its own
			statuses <- h.call("POST", "/Users", `{"userName":"one@example.com"}`).status
			own := h.call("POST", "/Users", fmt.Sprintf(`{"userName":"own%d@example.com"}`, i))
			statuses <- h.call("PATCH", "/Groups/"+g, `{"Operations":[{"op":"add","path":"members","value":[{"value":`+own.at("id")+`}]}]}`).status
		}()
	}
	got := map[int]int{}
	for range 2 * n {
		got[<-statuses]++
	}
	if got[201] != 1 || got[409] != n-1 || got[204] != n {
		t.Errorf("statuses %v", got)
	}
	in := h.call("GET", "/Groups/"+g, "").want(200)
	if in.at("members", n-1) == "none" || in.at("members", n) != "none" {
		t.Errorf("members %s", in.at("members"))
	}
	h.call("GET", "/Users?count=0", "").is(fmt.Sprint(n+1), "totalResults")
}

func TestTestEnvironmentIsResetAndAheadOfTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	_, err := h.id.SetClock(t.Context(), h.env.ID, 48*time.Hour)
	check(t, err)
	id := h.user("ann")
	made, err := time.Parse(time.RFC3339, strings.Trim(h.call("GET", "/Users/"+id, "").at("meta", "created"), `"`))
	check(t, err)
	if time.Until(made) < 24*time.Hour {
		t.Errorf("made %s", made)
	}
	h.call("POST", "/Groups", `{"displayName":"All","members":[{"value":"`+id+`"}]}`).want(201)
	_, err = h.id.ResetEnvironment(t.Context(), h.env.ID)
	check(t, err)
	h.call("GET", "/Users", "").want(401)
	check(t, h.id.View(t.Context(), func(tx *identity.Tx) error {
		for _, table := range []string{"directories", "directory_counts", "directory_users", "directory_groups", "directory_members"} {
			n := 0
			if err := tx.Each(table, "by_creation_time", database.Interval{}, database.Asc, func(identity.Found) (bool, error) { n++; return true, nil }); err != nil {
				return err
			}
			if n > 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		return nil
	}))
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	var list []string
	for i := range directory.MaxChange + 1 {
		list = append(list, fmt.Sprintf(`{"value":"u%d"}`, i))
	}
	h.call("POST", "/Groups", `{"displayName":"All","members":[`+strings.Join(list, ",")+`]}`).want(413, "tooMany")
	h.call("POST", "/Users", `{"userName":"big","title":"`+strings.Repeat("x", 70<<10)+`"}`).want(413)
	h.call("POST", "/Users", `{"userName":"`+strings.Repeat("x", 600)+`"}`).want(400, "invalidValue")
	h.call("POST", "/Users", `{"userName":"deep","x":`+strings.Repeat(`{"a":`, 20)+`1`+strings.Repeat(`}`, 20)+`}`).want(400, "invalidValue")
	h.call("POST", "/Users", strings.Repeat(" ", maxBody+1)).want(413)
}

func TestDirectoryHasADoor(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	id := h.user("ann")
	other, otherToken, err := h.Directory.Create(t.Context(), h.env.ID, directory.New{Organization: h.org.ID, Name: "Other"})
	check(t, err)
	own, ownToken := h.dir, h.token
	for _, header := range []string{"Bearer " + otherToken, "Bearer ", "Basic " + ownToken, "Bearer " + ownToken + "x"} {
		a := h.call("GET", "/Users", "", "Authorization", header).want(401)
		if a.header.Get("WWW-Authenticate") == "" || strings.Contains(a.raw, ownToken) {
			t.Errorf("%v %s", a.header, a.raw)
		}
	}
	// The other directory does not see this one's user.
	h.dir, h.token = other, otherToken
	h.call("GET", "/Users/"+id, "").want(404)
	h.call("PATCH", "/Users/"+id, `{"Operations":[{"op":"replace","value":{"active":false}}]}`).want(404)
	h.call("DELETE", "/Users/"+id, "").want(404)
	h.call("POST", "/Groups", `{"displayName":"Thieves","members":[{"value":"`+id+`"}]}`).want(400, "invalidValue")
	h.call("GET", "/Users", "").want(200).is("0", "totalResults")
	h.dir, h.token = own, ownToken
	_, h.token, err = h.Directory.RotateToken(t.Context(), h.env.ID, own.ID)
	check(t, err)
	h.call("GET", "/Users", "", "Authorization", "Bearer "+ownToken).want(401)
	h.call("GET", "/Users", "").want(200)
	h.call("GET", "/Users/", "").want(200).is("1", "totalResults")
	h.call("GET", "//Users/"+id, "").want(200).is(`"`+id+`"`, "id")
	h.call("POST", "/Bulk", `{}`).want(501)
	h.call("GET", "/Nothing", "").want(404)
	h.call("GET", "/ServiceProviderConfig", "").want(200).is("false", "bulk", "supported").is("true", "patch", "supported").is("true", "etag", "supported")
	h.call("GET", "/ResourceTypes", "").want(200).is("2", "totalResults")
	h.call("GET", "/ResourceTypes/User", "").want(200).is(`"/Users"`, "endpoint")
	h.call("GET", "/Schemas", "").want(200).is("3", "totalResults")
	h.call("GET", "/Schemas/"+directory.EnterpriseSchema, "").want(200).is(`"EnterpriseUser"`, "name")
	h.call("GET", "/Schemas/none", "").want(404)
	// Deleted, it is gone with all it held, and its members stay as they are.
	check(t, h.Directory.Delete(t.Context(), h.env.ID, own.ID))
	h.call("GET", "/Users", "").want(401)
	if _, err := h.Directory.User(t.Context(), h.env.ID, directory.UserID(id)); err == nil {
		t.Error("a deleted directory's user is there")
	}
	if m := h.member("ann@example.com"); m == nil || m.DirectoryManaged || m.Status != "active" {
		t.Errorf("membership %+v", m)
	}
	if e := h.events("dsync.deleted"); len(e) != 1 || e[0]["id"] != string(own.ID) {
		t.Errorf("events %v", e)
	}
	check(t, h.id.DeleteOrganization(t.Context(), h.env.ID, h.org.ID))
	h.dir, h.token = other, otherToken
	h.call("GET", "/Users", "").want(401)
}

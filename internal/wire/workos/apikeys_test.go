package workos

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

func TestOwnedAPIKeysLive(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	org := h.call("POST", "/organizations", map[string]any{"name": "Soup"}).want(http.StatusCreated).text("id")
	user := h.call("POST", "/user_management/users", map[string]any{"email": "ada@example.com"}).want(http.StatusCreated).text("id")
	h.call("POST", "/authorization/permissions", map[string]any{"slug": "soup:stir", "name": "Stir"}).want(http.StatusCreated)

	ofUser := map[string]any{"name": "laptop", "organization_id": org, "permissions": []string{"soup:stir"}}
	h.call("POST", "/user_management/users/"+user+"/api_keys", ofUser).want(http.StatusUnprocessableEntity) // no member yet
	h.call("POST", "/user_management/organization_memberships", map[string]any{"user_id": user, "organization_id": org}).want(http.StatusCreated)

	made := h.call("POST", "/organizations/"+org+"/api_keys", map[string]any{"name": "robot", "permissions": []string{"soup:stir", "soup:stir"}}).want(http.StatusCreated)
	value, id := made.text("value"), made.text("id")
	if !strings.HasPrefix(value, "sk_") || len(value) < 40 || made.text("obfuscated_value") != "sk_..."+value[len(value)-4:] || made.size("permissions") != 1 || made.text("owner", "type") != "organization" {
		t.Errorf("%s", made.raw)
	}
	mine := h.call("POST", "/user_management/users/"+user+"/api_keys", ofUser).want(http.StatusCreated)
	if mine.text("owner", "type") != "user" || mine.text("owner", "organization_id") != org || mine.text("owner", "id") != user {
		t.Errorf("%s", mine.raw)
	}
	for path, want := range map[string]int{
		"/organizations/" + org + "/api_keys":                                         1,
		"/user_management/users/" + user + "/api_keys":                                1,
		"/user_management/users/" + user + "/api_keys?organization_id=" + org:         1,
		"/user_management/users/" + user + "/api_keys?organization_id=org_of_nothing": 0,
	} {
		l := h.call("GET", path, nil).want(http.StatusOK)
		if l.size("data") != want || strings.Contains(string(l.raw), `"value"`) {
			t.Errorf("%s: %s", path, l.raw)
		}
	}
	valid := func(v string) *answer {
		return h.call("POST", "/api_keys/validations", map[string]any{"value": v}).want(http.StatusOK)
	}
	if got := valid(value); got.text("api_key", "id") != id || got.text("api_key", "last_used_at") == "" {
		t.Errorf("%s", got.raw)
	}
	if got := valid(mine.text("value")); got.text("api_key", "owner", "id") != user {
		t.Errorf("%s", got.raw)
	}
	for _, bad := range []string{"", "sk_", value + "x", value[:len(value)-1], strings.ToLower(value), h.key, strings.Repeat("sk_", 1000)} {
		if got := h.call("POST", "/api_keys/validations", map[string]any{"value": bad}); got.status == http.StatusOK && got.at("api_key") != nil {
			t.Errorf("%.40q is valid: %s", bad, got.raw)
		}
	}
	// It opens nothing here.
	if res := h.do("GET", "/organizations", "", "Authorization", "Bearer "+value); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a customer's key opens the API: %d", res.StatusCode)
	}
	other, err := h.Identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	check(t, err)
	_, theirs, err := h.Identity.CreateAPIKey(t.Context(), other.ID, "test", "")
	check(t, err)
	if got := h.call("POST", "/api_keys/validations", map[string]any{"value": value}, "Authorization", "Bearer "+theirs); got.at("api_key") != nil {
		t.Errorf("valid in another environment: %s", got.raw)
	}
	h.call("DELETE", "/api_keys/"+id, nil, "Authorization", "Bearer "+theirs).want(http.StatusNotFound)

	// Expiry.
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	h.call("POST", "/api_keys/"+id+"/expire", map[string]any{"expires_at": "2020-01-01T00:00:00Z"}).want(http.StatusUnprocessableEntity)
	h.call("POST", "/api_keys/"+id+"/expire", map[string]any{"expires_at": "soon"}).want(http.StatusUnprocessableEntity)
	if got := h.call("POST", "/api_keys/"+id+"/expire", map[string]any{"expires_at": soon}).want(http.StatusOK); got.at("expires_at") == nil {
		t.Errorf("%s", got.raw)
	}
	if valid(value).at("api_key") == nil {
		t.Error("expired before its time")
	}
	h.call("POST", "/api_keys/"+id+"/expire", nil).want(http.StatusOK)
	if valid(value).at("api_key") != nil {
		t.Error("valid though it has expired")
	}
	if c := h.call("POST", "/api_keys/"+id+"/expire", map[string]any{}).want(http.StatusConflict).text("code"); c != "api_key_already_expired" {
		t.Error(c)
	}
	h.call("DELETE", "/api_keys/"+id, nil).want(http.StatusNoContent)
	h.call("DELETE", "/api_keys/"+id, nil).want(http.StatusNotFound)

	// What goes takes its keys along.
	h.call("DELETE", "/user_management/users/"+user, nil).want(http.StatusNoContent)
	if valid(mine.text("value")).at("api_key") != nil {
		t.Error("a key outlives its user")
	}
	again := h.call("POST", "/organizations/"+org+"/api_keys", map[string]any{"name": "robot", "expires_at": soon}).want(http.StatusCreated)
	h.call("DELETE", "/organizations/"+org, nil)
	if valid(again.text("value")).at("api_key") != nil {
		t.Error("a key outlives its organization")
	}
	_, events := h.listEventsOf("limit=100&events=api_key.created,api_key.updated,api_key.revoked")
	if len(events.Data) != 8 {
		t.Errorf("%d events: %s", len(events.Data), events.Data)
	}
}

func TestOwnedAPIKeysAreChecked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	org := h.call("POST", "/organizations", map[string]any{"name": "Soup"}).want(http.StatusCreated).text("id")
	for name, body := range map[string]map[string]any{
		"no name":            {"permissions": []string{}},
		"an empty name":      {"name": "  "},
		"a long name":        {"name": strings.Repeat("é", 256)},
		"no such permission": {"name": "robot", "permissions": []string{"soup:spill"}},
		"the past":           {"name": "robot", "expires_at": "2020-01-01T00:00:00Z"},
		"no time":            {"name": "robot", "expires_at": "tomorrow"},
		"too many":           {"name": "robot", "permissions": strings.Split(strings.Repeat("a,", 101), ",")},
	} {
		got := h.call("POST", "/organizations/"+org+"/api_keys", body).want(http.StatusUnprocessableEntity)
		if got.size("errors") == 0 || got.text("errors", 0, "field") == "" {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
	h.call("POST", "/organizations/org_01HXNOTHINGNOTHINGNOTHIN/api_keys", map[string]any{"name": "robot"}).want(http.StatusNotFound)
}

func TestEnvironmentKeysAreTheOperators(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.call("POST", "/_lentil/v1/api_keys", map[string]any{"name": "worker"}).want(http.StatusCreated)
	value, id := made.text("value"), made.text("id")
	list := h.call("GET", "/_lentil/v1/api_keys", nil, "Authorization", "Bearer "+value).want(http.StatusOK)
	if list.size("data") != 2 || strings.Contains(string(list.raw), value) {
		t.Errorf("%s", list.raw)
	}
	h.call("DELETE", "/_lentil/v1/api_keys/"+id, nil, "Authorization", "Bearer "+value).want(http.StatusConflict)
	h.call("DELETE", "/_lentil/v1/api_keys/"+id, nil).want(http.StatusNoContent)
	h.call("GET", "/_lentil/v1/api_keys", nil, "Authorization", "Bearer "+value).want(http.StatusUnauthorized)
	h.call("DELETE", "/_lentil/v1/api_keys/"+id, nil).want(http.StatusNotFound)
	h.call("POST", "/_lentil/v1/api_keys", map[string]any{"name": ""}).want(http.StatusUnprocessableEntity)
}

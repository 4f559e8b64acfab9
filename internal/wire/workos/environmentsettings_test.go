package workos

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/identity"
)

func TestSettingsAreShownAndChanged(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	a := h.call("GET", "/_lentil/v1/settings", nil).want(200)
	if got := a.text("mfa_policy"); got != "optional" {
		t.Errorf("mfa_policy is %q at first", got)
	}
	want := map[string]any{"password": true, "magic_code": true, "passkey": false, "social": []any{}}
	if d := cmp.Diff(want, a.at("authentication_methods")); d != "" {
		t.Error(d)
	}
	a = h.call("PATCH", "/_lentil/v1/settings", map[string]any{"mfa_policy": "required", "sign_up_allowed": false, "session_lifetime": 3600,
		"initiate_login_uri": "http://localhost:5173/login", "authentication_methods": map[string]any{"magic_code": false, "social": []string{"GoogleOAuth"}}}).want(200)
	want = map[string]any{"password": true, "magic_code": false, "passkey": false, "social": []any{"GoogleOAuth"}}
	if d := cmp.Diff(want, a.at("authentication_methods")); d != "" {
		t.Error(d)
	}
	a = h.call("GET", "/_lentil/v1/settings", nil).want(200)
	for name, want := range map[string]any{"mfa_policy": "required", "sign_up_allowed": false, "session_lifetime": json.Number("3600"), "initiate_login_uri": "http://localhost:5173/login"} {
		if got := a.at(name); cmp.Diff(want, got) != "" && got != 3600.0 {
			t.Errorf("%s is %v (%T), want %v", name, got, got, want)
		}
	}
	h.call("PATCH", "/_lentil/v1/settings", map[string]any{"initiate_login_uri": nil, "session_lifetime": nil}).want(200)
	a = h.call("GET", "/_lentil/v1/settings", nil).want(200)
	if got := a.at("initiate_login_uri"); got != nil {
		t.Errorf("initiate_login_uri is %v after null", got)
	}
}

func TestSettingsRefuseNonsenseWhole(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	for name, body := range map[string]map[string]any{
		"a typo":             {"sign_up_alowed": false},
		"what only is shown": {"client_id": "client_1"},
		"another kind":       {"sign_up_allowed": "no"},
		"a negative time":    {"session_lifetime": -5},
		"no time":            {"session_lifetime": 0},
		"unknown policy":     {"mfa_policy": "sometimes"},
		"unknown provider":   {"authentication_methods": map[string]any{"social": []string{"MySpaceOAuth"}}},
		"no address":         {"initiate_login_uri": "javascript:alert(1)"},
		"half right":         {"sign_up_allowed": false, "issuer": "no address"},
	} {
		h.call("PATCH", "/_lentil/v1/settings", body).want(422)
		if h.call("GET", "/_lentil/v1/settings", nil).want(200).at("sign_up_allowed") != true {
			t.Errorf("%s: changed something all the same", name)
		}
	}
	h.call("GET", "/_lentil/v1/settings", nil, "Authorization", "Bearer sk_test_wrong").want(401)
}

func TestSignInPolicyOfAnOrganization(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	o, err := h.Identity.CreateOrganization(t.Context(), h.env.ID, identity.NewOrganization{Name: "Acme"})
	check(t, err)
	path := "/_lentil/v1/organizations/" + string(o.ID) + "/sign_in_policy"
	if got := h.call("GET", path, nil).want(200).text("mfa_policy"); got != "optional" {
		t.Errorf("at first %q", got)
	}
	h.call("PUT", path, map[string]any{"mfa_policy": "required"}).want(200)
	if got := h.call("GET", path, nil).want(200).text("mfa_policy"); got != "required" {
		t.Errorf("then %q", got)
	}
	h.call("PUT", path, map[string]any{"mfa_policy": "off"}).want(422)
	h.call("PUT", path, map[string]any{}).want(422)
	h.call("PUT", "/_lentil/v1/organizations/org_none/sign_in_policy", map[string]any{"mfa_policy": "required"}).want(404)
	h.call("GET", "/_lentil/v1/organizations/org_none/sign_in_policy", nil).want(404)
}

package workos_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

func TestImpersonationsOverTheWire(t *testing.T) {
	h := open(t)
	u, err := h.identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@example.com", EmailVerified: true})
	check(t, err)
	call := func(method, body, key string) (int, map[string]any) {
		r, err := http.NewRequestWithContext(t.Context(), method, h.url+"/_lentil/v1/impersonations", strings.NewReader(body))
		check(t, err)
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		check(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		check(t, err)
		var out map[string]any
		check(t, json.Unmarshal(text, &out))
		return res.StatusCode, out
	}
	good := `{"user_id":"` + string(u.ID) + `","reason":"ticket 7","impersonator_email":"help@example.com"}`
	for name, c := range map[string]struct {
		body, key string
		status    int
	}{
		"no key":        {good, "sk_test_of_a_stranger", 401},
		"no reason":     {strings.Replace(good, "ticket 7", " ", 1), h.key, 422},
		"no address":    {strings.Replace(good, "help@example.com", "help", 1), h.key, 422},
		"unknown user":  {strings.Replace(good, string(u.ID), "user_01J0000000000000000000000A", 1), h.key, 404},
		"not a member":  {strings.Replace(good, "{", `{"organization_id":"org_01J0000000000000000000000A",`, 1), h.key, 422},
		"all is well":   {good, h.key, 201},
		"and once more": {good, h.key, 201},
	} {
		if status, out := call("POST", c.body, c.key); status != c.status {
			t.Errorf("%s: %d %v", name, status, out)
		} else if status == 201 && !strings.HasPrefix(out["url"].(string), h.url+"/impersonate?token=") {
			t.Errorf("%s: %v", name, out)
		}
	}
	status, out := call("GET", "", h.key)
	list, _ := out["data"].([]any)
	if status != 200 || len(list) != 2 {
		t.Fatalf("%d %v", status, out)
	}
	if first := list[0].(map[string]any); first["url"] != nil || first["used_at"] != nil || first["user_id"] != string(u.ID) {
		t.Errorf("%v", first)
	}
}

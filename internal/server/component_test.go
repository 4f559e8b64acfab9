package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/server"
)

// TestComponentFollowsItsSite starts a project's house twice on whatever ports are
// free: there is one endpoint and one action of each kind, at the present port, with
// the secrets of the first time, and what somebody changed stays.
func TestComponentFollowsItsSite(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	type row struct {
		URL       string `json:"endpoint_url"`
		Secret    string
		Kind      string
		Enabled   bool
		OnFailure string `json:"on_failure"`
	}
	var secrets [2]string
	for round := range 2 {
		s, stop := start(t, func(c *server.Config) {
			c.Data = data
			c.Project = &server.Project{Name: "shop", Component: true}
		})
		a := s.Addresses()
		ask := func(method, path, body string) (rows []row) {
			t.Helper()
			status, text := fetch(t, method, a.AuthKitURL+path, body, map[string]string{"Authorization": "Bearer " + a.APIKey, "Content-Type": "application/json"})
			if status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, status, text)
			}
			var l struct{ Data []row }
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			return l.Data
		}
		hooks, actions := ask("GET", "/webhook_endpoints", ""), ask("GET", "/_lentil/v1/actions", "")
		if len(hooks) != 1 || hooks[0].URL != a.SiteURL+"/workos/webhook" || len(actions) != 2 {
			t.Fatalf("round %d at %s: %+v %+v", round, a.SiteURL, hooks, actions)
		}
		for _, x := range actions {
			if x.URL != a.SiteURL+"/workos/action" || x.Secret != actions[0].Secret || x.Enabled != (round == 1 && x.Kind == "authentication") {
				t.Errorf("round %d: %+v", round, x)
			}
		}
		if round == 0 {
			secrets = [2]string{hooks[0].Secret, actions[0].Secret}
			ask("PUT", "/_lentil/v1/actions/authentication", `{"enabled":true,"on_failure":"Allow"}`)
		} else if got := [2]string{hooks[0].Secret, actions[0].Secret}; got != secrets || actions[0].OnFailure != "Allow" {
			t.Errorf("secrets %v, then %v; %+v", secrets, got, actions[0])
		}
		status, text := fetch(t, "POST", a.URL+"/api/query", `{"path":"_system/cli/queryEnvironmentVariables","args":{},"format":"json"}`,
			map[string]string{"Authorization": "Convex " + a.AdminKey, "Content-Type": "application/json"})
		if status != http.StatusOK || !strings.Contains(text, secrets[0]) || !strings.Contains(text, secrets[1]) {
			t.Errorf("variables: %d %s", status, text)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}

package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/server"
)

// make makes a deployment in the first project of a house.
func create(t *testing.T, s *server.Server, n platform.NewDeployment) *platform.Deployment {
	t.Helper()
	home, err := s.Platform().Deployment(t.Context(), s.Addresses().Deployment)
	if err != nil {
		t.Fatal(err)
	}
	n.Project = home.Project
	d, err := s.Platform().CreateDeployment(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// key is the Authorization header of a deployment's admin.
func admin(t *testing.T, s *server.Server, name string) map[string]string {
	t.Helper()
	key, err := s.Platform().Fleet.AdminKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"Authorization": "Convex " + key}
}

func TestFleetOpensDeploymentsWhenTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var told atomic.Pointer[string]
	in := func(c *server.Config) {
		c.Data = dir
		c.Notice = func(format string, args ...any) { text := fmt.Sprintf(format, args...); told.Store(&text) }
	}
	s, stop := start(t, in)
	a := s.Addresses()
	prod := create(t, s, platform.NewDeployment{Kind: platform.Prod, Default: true})
	url, site, err := s.Platform().Fleet.Addresses(t.Context(), prod.Name)
	if err != nil {
		t.Fatal(err)
	}
	set := `{"changes":[{"name":"COLOUR","value":"blue"}]}`
	for _, tt := range []struct {
		name, method, url, body string
		header                  map[string]string
		status                  int
		contains                string
	}{
		{"name", "GET", url + "/instance_name", "", nil, 200, prod.Name},
		{"HTTP actions", "GET", site + "/hook", "", nil, 404, "HTTP actions"},
		{"URLs", "GET", url + "/api/v1/get_canonical_urls", "", admin(t, s, prod.Name), 200, site},
		{"home's key", "GET", url + "/api/v1/get_canonical_urls", "", admin(t, s, a.Deployment), 401, "admin key"},
		{"its key at home", "GET", a.URL + "/api/v1/get_canonical_urls", "", admin(t, s, prod.Name), 401, "admin key"},
		{"by host", "GET", a.URL + "/instance_name", "", map[string]string{"Host": prod.Name + ".localhost"}, 200, prod.Name},
		{"actions by host", "GET", a.URL + "/hook", "", map[string]string{"Host": prod.Name + ".site.localhost"}, 404, "HTTP actions"},
		{"actions by host there", "GET", a.SiteURL + "/hook", "", map[string]string{"Host": prod.Name + ".localhost"}, 404, "HTTP actions"},
		{"no such host", "GET", a.URL + "/instance_name", "", map[string]string{"Host": "nobody.localhost"}, 404, "DeploymentNotFound"},
		{"set", "POST", url + "/api/v1/update_environment_variables", set, admin(t, s, prod.Name), 200, ""},
		{"variables", "GET", url + "/api/v1/list_environment_variables", "", admin(t, s, prod.Name), 200, "blue"},
		{"not home's", "GET", a.URL + "/api/v1/list_environment_variables", "", admin(t, s, a.Deployment), 200, a.ClientID},
	} {
		status, body := fetch(t, tt.method, tt.url, tt.body, tt.header)
		if status != tt.status || !strings.Contains(body, tt.contains) || tt.name == "not home's" && strings.Contains(body, "blue") {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, _ = start(t, in)
	again, _, err := s.Platform().Fleet.Addresses(t.Context(), prod.Name)
	if err != nil {
		t.Fatal(err)
	}
	// Another program of this machine may have taken its ports meanwhile; then that is told.
	if text := told.Load(); again != url && (text == nil || !strings.Contains(*text, "is taken; "+prod.Name+" answers on ")) {
		t.Fatalf("it was at %s, now at %s", url, again)
	}
	url = again
	if status, body := fetch(t, "GET", url+"/api/v1/list_environment_variables", "", admin(t, s, prod.Name)); status != 200 || !strings.Contains(body, "blue") {
		t.Errorf("after a restart: %d %s", status, body)
	}
	if err := s.Platform().DeleteDeployment(t.Context(), prod.Name); err != nil {
		t.Fatal(err)
	}
	if res, err := http.Get(url + "/instance_name"); err == nil { // if anything, it is a house that was given the port since
		if name, _ := io.ReadAll(res.Body); string(name) == prod.Name {
			t.Error("it answers after it was deleted")
		}
		res.Body.Close()
	}
	if status, body := fetch(t, "GET", s.Addresses().URL+"/instance_name", "", map[string]string{"Host": prod.Name + ".localhost"}); status != 404 {
		t.Errorf("by host after it was deleted: %d %s", status, body)
	}
}

func TestControlListener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data = dir })
	a := s.Addresses()
	if status, body := fetch(t, "GET", a.ControlURL+"/version", "", nil); status != 200 || body != "test" {
		t.Errorf("version: %d %s", status, body)
	}
	if status, body := fetch(t, "GET", a.ControlURL+"/version", "", map[string]string{"Host": "evil.example"}); status != 421 || !strings.Contains(body, "--control-url") {
		t.Errorf("another host's name: %d %s", status, body)
	}
	token, err := server.HouseToken(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	actor, err := s.Platform().Authenticate(t.Context(), token)
	if err != nil || actor.Operator == nil || !actor.Operator.Owner {
		t.Errorf("the house token is %+v, %v", actor, err)
	}
	if _, err := s.Platform().Authenticate(t.Context(), token+"0"); err == nil {
		t.Error("another token does as well")
	}
}

func TestFleetKeepsEnvironmentsApart(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	prod := create(t, s, platform.NewDeployment{Kind: platform.Prod, Default: true})
	url, _, err := s.Platform().Fleet.Addresses(t.Context(), prod.Name)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name, value string) (int, string) {
		return fetch(t, "POST", url+"/api/v1/update_environment_variables", `{"changes":[{"name":"`+name+`","value":"`+value+`"}]}`, admin(t, s, prod.Name))
	}
	if status, body := set("WORKOS_CLIENT_ID", s.Addresses().ClientID); status != 409 && status != 400 || !strings.Contains(body, "SharedWorkOSEnvironment") {
		t.Errorf("home's client id: %d %s", status, body)
	}
	if status, body := set("LENTIL_ALLOW_SHARED_ENVIRONMENT", "true"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if status, body := set("WORKOS_CLIENT_ID", s.Addresses().ClientID); status != 200 {
		t.Errorf("deliberately: %d %s", status, body)
	}
}

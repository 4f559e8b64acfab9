package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/platform"
)

// inDomain opens a house in memory whose deployments have host names, and one more
// deployment in it.
func inDomain(t *testing.T, change func(*Config)) (*Server, *platform.Deployment) {
	t.Helper()
	any := Port{Fixed: true}
	cfg := Config{Port: any, SitePort: any, AuthKitPort: any, ControlPort: any, Workers: 1, DeploymentsDomain: "convex.example.com", Log: slog.New(slog.DiscardHandler)}
	change(&cfg)
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	home, err := s.platform.Deployment(t.Context(), s.addresses.Deployment)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.platform.CreateDeployment(t.Context(), platform.NewDeployment{Project: home.Project, Kind: platform.Prod, Default: true})
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

func TestDeploymentsHaveNamesInTheDomain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, site, want, wantSite string }{
		{"https by default", "", "", "https://NAME.convex.example.com", "https://NAME.site.convex.example.com"},
		{"the house in the domain", "https://home.convex.example.com", "", "https://NAME.convex.example.com", "https://NAME.site.convex.example.com"},
		{"as the house's own", "http://app.example.com:8080", "", "http://NAME.convex.example.com:8080", "http://NAME.site.convex.example.com:8080"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, d := inDomain(t, func(c *Config) { c.URL = tt.url })
			url, site, err := s.fleet.Addresses(t.Context(), d.Name)
			if err != nil {
				t.Fatal(err)
			}
			fill := func(text string) string { return strings.ReplaceAll(text, "NAME", d.Name) }
			if url != fill(tt.want) || site != fill(tt.wantSite) {
				t.Errorf("%s and %s", url, site)
			}
			b, err := s.fleet.berth(t.Context(), d.Name)
			if err != nil || len(b.sockets) != 0 {
				t.Errorf("it has %d ports, %v", len(b.sockets), err)
			}
			ask := func(h http.Handler, host, path string) (int, string) {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Host = host
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				return w.Code, w.Body.String()
			}
			for _, host := range []string{d.Name + ".convex.example.com", d.Name + ".CONVEX.example.com:443", d.Name + ".convex.example.com.", d.Name + ".localhost"} {
				if code, body := ask(s.fleet.functions(), host, "/instance_name"); code != 200 || body != d.Name {
					t.Errorf("%s: %d %s", host, code, body)
				}
			}
			if tt.url == "https://home.convex.example.com" {
				if code, body := ask(s.fleet.functions(), "home.convex.example.com", "/instance_name"); code != 200 || body != s.addresses.Deployment {
					t.Errorf("the house's own name: %d %s", code, body)
				}
			}
			for host, want := range map[string]int{"nobody.convex.example.com": 404, d.Name + ".site.convex.example.com": 404, "convex.example.com": 200} {
				if code, body := ask(s.fleet.functions(), host, "/instance_name"); code != want || want == 200 && body != s.addresses.Deployment {
					t.Errorf("%s: %d %s", host, code, body)
				}
			}
			// On the listener that all names share, too.
			var h hosts
			s.fleet.share(&h)
			if code, body := ask(&h, d.Name+".convex.example.com", "/instance_name"); code != 200 || body != d.Name {
				t.Errorf("shared: %d %s", code, body)
			}
			if code, _ := ask(&h, "nobody.convex.example.com", "/instance_name"); code != http.StatusMisdirectedRequest {
				t.Errorf("nobody's name: %d", code)
			}
			if h.find(t.Context(), d.Name+".site.convex.example.com") == nil || h.find(t.Context(), d.Name+".x.convex.example.com") != nil {
				t.Error("names below the domain are mixed up")
			}
		})
	}
}

func TestDomainsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{"https://x.example", "a b", "-x.example", "x..example", "*.example.com"} {
		c := Config{DeploymentsDomain: domain}
		if err := c.checkDomain(); err == nil {
			t.Errorf("%q is taken", domain)
		}
	}
}

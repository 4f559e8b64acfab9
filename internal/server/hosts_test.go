package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// says is a handler that says who it is.
func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
}

func TestHostsHandOverByName(t *testing.T) {
	t.Parallel()
	h := &hosts{anywhere: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/health" {
			return false
		}
		io.WriteString(w, "alive")
		return true
	}}
	h.add("App.Example.com", "the deployment", says("deployment"))
	h.add("auth.example.com", "sign-in", says("sign-in"))
	of := func(kind string, names ...string) func(context.Context, string) http.Handler {
		return func(_ context.Context, label string) http.Handler {
			for _, n := range names {
				if n == label {
					return says(kind + " " + label)
				}
			}
			return nil
		}
	}
	h.addDomain("example.com", "deployments", of("functions", "happy-otter-1", "app"))
	h.addDomain("site.example.com", "HTTP actions", of("site", "happy-otter-1"))
	h.addFinder(of("environment", "id.customer.example"))
	for host, want := range map[string]string{
		"app.example.com": "deployment", "APP.example.com:443": "deployment", "app.example.com.": "deployment",
		"auth.example.com:8443": "sign-in", "happy-otter-1.example.com": "functions happy-otter-1",
		"happy-otter-1.site.example.com": "site happy-otter-1", "id.customer.example": "environment id.customer.example",
		"sad-otter-2.example.com": "421", "example.com": "421", "a.b.example.com": "421", "evil.example": "421", "": "421", "127.0.0.1": "421", "[::1]:443": "421",
	} {
		for path, wantThere := range map[string]string{"/": want, "/health": strings.ReplaceAll(want, "421", "alive")} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got := w.Body.String()
			if w.Code == http.StatusMisdirectedRequest {
				got = "421"
				if !strings.Contains(w.Body.String(), "does not answer to the host name") {
					t.Errorf("%q: %s", host, w.Body)
				}
			}
			if got != wantThere {
				t.Errorf("%q %s: %q, want %q", host, path, got, wantThere)
			}
		}
	}
}

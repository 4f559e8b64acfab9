package udf

import (
	"fmt"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
)

// TestRouteChoosesTheComponent: an exact route of the app, then the longest prefix.
func TestRouteChoosesTheComponent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	router := func(routes ...string) ModuleRow {
		text := ""
		for i, r := range routes {
			if i > 0 {
				text += ","
			}
			text += fmt.Sprintf(`{"route":{"path":%q,"method":"GET"}}`, r)
		}
		return ModuleRow{Path: "http.js", Environment: "isolate", Source: "router", Analysis: []byte(`{"httpRoutes":[` + text + `]}`)}
	}
	install := func(tx *database.Tx, c Component, modules ...ModuleRow) error {
		return InstallModules(t.Context(), tx.In(c.Space), Package{Component: c.Path, Modules: modules, Config: Config{ServerVersion: "1.48.0"}})
	}
	all := []Component{
		{Mounted: true, HTTPPrefix: "/api/", Mounts: map[string]string{"/mail/": "mail", "/api/own/": "bare"}},
		{Path: "mail", Space: 1, Mounted: true, Mounts: map[string]string{"/in/": "in"}},
		{Path: "mail/in", Space: 2, Mounted: true},
		{Path: "bare", Space: 3, Mounted: true},
	}
	h.update(func(tx *database.Tx) error {
		if err := SetComponents(t.Context(), tx, all); err != nil {
			return err
		}
		for i, routes := range [][]string{{"/own/exact", "/own/longer/*", "/*"}, {"/x", "/in/exact"}, {"/y"}} {
			if err := install(tx, all[i], router(routes...)); err != nil {
				return err
			}
		}
		return install(tx, all[3])
	})
	for _, c := range []struct{ method, path, component, routed string }{
		{"GET", "/api/own/exact", "", "/own/exact"},
		{"HEAD", "/api/own/exact", "", "/own/exact"},
		{"POST", "/api/own/exact", "none", ""}, // the component mounted there has no router
		{"GET", "/api/own/longer/a", "", "/own/longer/a"},
		{"GET", "/api/own/a", "none", ""},
		{"GET", "/api/else", "", "/else"},
		{"GET", "/else", "none", ""}, // outside of the app's prefix
		{"GET", "/apix", "none", ""},
		{"GET", "/mail/x", "mail", "/x"},
		{"GET", "/mail/", "mail", "/"},
		{"GET", "/mail", "none", ""},
		{"GET", "/mail/in/y", "mail/in", "/y"},
		{"GET", "/mail/in/exact", "mail", "/in/exact"},
	} {
		q := HTTPRequest{Method: c.method, Path: c.path}
		var l *live
		var none *HTTPOutcome
		if err := h.DB.View(t.Context(), func(tx *database.Tx) (err error) {
			l, none, err = h.route(t.Context(), tx, &q)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		switch {
		case c.component == "none":
			if none == nil || !none.NoRoute {
				t.Errorf("%s %s: %+v, %+v", c.method, c.path, l, none)
			}
		case none != nil || l.component.Path != c.component || q.Path != c.routed:
			t.Errorf("%s %s: routed %s, %+v", c.method, c.path, q.Path, none)
		}
	}
}

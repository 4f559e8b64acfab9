package deploy

import (
	"encoding/json"
	"fmt"

	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/udf"
)

// analyzedRoute is one HTTP action as the answer to a push has it.
type analyzedRoute struct {
	Route routeLabel    `json:"route"`
	Pos   *udf.Position `json:"pos"`
}

// routeLabel names a route; the path of a prefix ends with "*".
type routeLabel struct {
	Path   string `json:"path"`
	Method string `json:"method"`
}

// readRoutes takes in the routes of the module that has the router: they go into the
// answer, and beside the module for function-spec.
func readRoutes(info isolate.ModuleInfo, out *AnalyzedModule, row *udf.ModuleRow) error {
	if info.Path != isolate.HTTPRouter {
		return nil // a router elsewhere is any other export
	}
	if !info.Router {
		return bad("InvalidModules", "%sThe default export of `convex/http.ts` must be a router made with httpRouter().", prefix)
	}
	routes := make([]analyzedRoute, 0, len(info.Routes))
	for _, r := range info.Routes {
		a := analyzedRoute{Route: routeLabel{Path: r.Path, Method: r.Method}}
		if r.Pos.Path != "" {
			a.Pos = &udf.Position{Path: r.Pos.Path, StartLine: r.Pos.Line, StartCol: r.Pos.Column}
		}
		routes = append(routes, a)
	}
	var err error
	if out.HTTPRoutes, err = json.Marshal(routes); err != nil {
		return fmt.Errorf("deploy: write routes: %w", err)
	}
	if row.Analysis, err = json.Marshal(map[string]any{"httpRoutes": routes}); err != nil {
		return fmt.Errorf("deploy: store routes: %w", err)
	}
	return nil
}

// moduleRoutes are the routes as the tree of components has them; nil without http.js.
func (in *inspected) moduleRoutes() ([]any, error) {
	m := in.functions[isolate.HTTPRouter]
	if m == nil {
		return nil, nil
	}
	var routes []analyzedRoute
	if err := json.Unmarshal(m.HTTPRoutes, &routes); err != nil {
		return nil, fmt.Errorf("deploy: read routes: %w", err)
	}
	list := make([]any, 0, len(routes))
	for _, r := range routes {
		list = append(list, r.Route)
	}
	return list, nil
}

package udf

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
)

// route finds the component whose router answers a request, and makes the request's
// path the one that it routes; outcome is set when there is none. A route of the app
// for the very path goes first, then whatever has the longest prefix: a prefix of
// the app's routes or one under which a component is mounted (convex-runtime.md §8.1).
func (r *Runner) route(ctx context.Context, tx *database.Tx, h *HTTPRequest) (l *live, none *HTTPOutcome, err error) {
	t, err := r.tree(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	at := ""
	for {
		if l, err = r.liveIn(ctx, tx, at); err != nil {
			return nil, nil, err
		}
		if len(t.All) == 0 {
			break
		}
		c := t.At(at)
		mount, child := "", ""
		for prefix, name := range c.Mounts {
			if strings.HasPrefix(h.Path, prefix) && len(prefix) > len(mount) {
				mount, child = prefix, name
			}
		}
		own, inside := strings.CutPrefix(h.Path, strings.TrimSuffix(c.HTTPPrefix, "/"))
		if inside = inside && strings.HasPrefix(own, "/"); inside || mount == "" {
			prefix, exact, err := l.ownRoute(h.Method, own)
			if err != nil {
				return nil, nil, err
			}
			if inside && (exact || prefix != "" && len(prefix)+len(h.Path)-len(own) >= len(mount)) || mount == "" {
				if !inside {
					return nil, &HTTPOutcome{NoRoute: true}, nil
				}
				h.Path = own
				break
			}
		}
		at, h.Path = childPath(at, child), h.Path[len(mount)-1:]
	}
	if !l.has(isolate.HTTPRouter) {
		return nil, &HTTPOutcome{NoRouter: at == "", NoRoute: at != ""}, nil
	}
	return l, nil, nil
}

// ownRoute tells how the routes of a component's http.js match: the longest prefix
// that does, and whether there is one for the very path.
func (l *live) ownRoute(method, path string) (prefix string, exact bool, err error) {
	if method == "HEAD" {
		method = "GET"
	}
	for i := range l.modules {
		m := &l.modules[i]
		if m.Path != isolate.HTTPRouter || len(m.Analysis) == 0 {
			continue
		}
		var a struct {
			Routes []struct {
				Route struct{ Path, Method string }
			} `json:"httpRoutes"`
		}
		if err := json.Unmarshal(m.Analysis, &a); err != nil {
			return "", false, fmt.Errorf("udf: read routes: %w", err)
		}
		for _, r := range a.Routes {
			p, isPrefix := strings.CutSuffix(r.Route.Path, "*")
			switch {
			case r.Route.Method != method:
			case !isPrefix:
				exact = exact || p == path
			case strings.HasPrefix(path, p) && len(p) > len(prefix):
				prefix = p
			}
		}
	}
	return prefix, exact, nil
}

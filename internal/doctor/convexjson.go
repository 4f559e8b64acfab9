package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/projectfile"
)

// configure is what convex.json wants registered for development.
type configure struct {
	RedirectURIs   []string `json:"redirectUris"`
	AppHomepageURL string   `json:"appHomepageUrl"`
	CORSOrigins    []string `json:"corsOrigins"`
}

// decodeConvex reads convex.json; without one v stays as it is.
func (p *Patient) decodeConvex(v any) error {
	if p.Convex == nil {
		return nil
	}
	return json.Unmarshal(projectfile.PlainJSON(p.Convex), v)
}

// configured is the part of convex.json for development, empty where it is wrong.
func (p *Patient) configured() configure {
	var c struct {
		AuthKit struct {
			Dev struct {
				Configure json.RawMessage `json:"configure"`
			} `json:"dev"`
		} `json:"authKit"`
	}
	var out configure
	if p.decodeConvex(&c) == nil && len(c.AuthKit.Dev.Configure) > 0 {
		json.Unmarshal(c.AuthKit.Dev.Configure, &out) // false has none of it
	}
	return out
}

// template is a placeholder of convex.json, right or wrong.
var template = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([^}]*)\}`) })

// goodTemplate is one that the official CLI knows (convex-cli.md §4.1).
var goodTemplate = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(authEnv\.(WORKOS_CLIENT_ID|WORKOS_API_KEY|WORKOS_ENVIRONMENT_ID)|buildEnv\.\w+)$`)
})

// checkConvexJSON checks the shape of convex.json's section authKit, which the
// official CLI reads strictly.
func checkConvexJSON(_ context.Context, p *Patient, f *finding) {
	if p.Convex == nil {
		f.say(Skipped, "there is no convex.json")
		return
	}
	var c map[string]any
	if err := p.decodeConvex(&c); err != nil {
		f.say(Problem, "convex.json cannot be read: %v", err)
		f.fix("Correct it; compare with node_modules/convex/schemas/convex.schema.json.")
		return
	}
	kit, there := c["authKit"]
	if !there {
		f.say(OK, "there is no section authKit, so nothing is configured by it")
		return
	}
	v := &convexShape{f: f}
	sections := v.object("authKit", kit, "dev", "preview", "prod")
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		section := sections[name]
		at := "authKit." + name
		members := []string{"configure", "environmentType"}
		if name == "dev" {
			members = []string{"configure", "localEnvVars"}
		}
		if name == "preview" {
			members = []string{"configure"}
		}
		s := v.object(at, section, members...)
		if t, ok := s["environmentType"]; ok && !slices.Contains([]any{"development", "staging", "production"}, t) {
			v.wrong(at+".environmentType", "expected development, staging or production, got %v", t)
		}
		if cfg, ok := s["configure"]; ok && cfg != false {
			m := v.object(at+".configure", cfg, "redirectUris", "appHomepageUrl", "corsOrigins")
			v.addresses(at+".configure.redirectUris", m["redirectUris"], name)
			v.addresses(at+".configure.corsOrigins", m["corsOrigins"], name)
			if h, ok := m["appHomepageUrl"]; ok {
				v.addresses(at+".configure.appHomepageUrl", []any{h}, name)
			}
		}
		if vars, ok := s["localEnvVars"]; ok && vars != false {
			values := v.object(at+".localEnvVars", vars)
			for _, name := range slices.Sorted(maps.Keys(values)) {
				val := values[name]
				v.text(at+".localEnvVars."+name, val)
				for _, prefix := range publicPrefixes {
					if strings.HasPrefix(name, prefix) && strings.Contains(fmt.Sprint(val), "WORKOS_API_KEY") {
						v.wrong(at+".localEnvVars."+name, "the API key is a secret, and the prefix %s puts it into every page", prefix)
					}
				}
			}
		}
	}
	if len(f.Detail) == 0 {
		f.say(OK, "the section authKit is well formed")
	}
	origin := firstOf(p.Framework.Origin, "http://localhost:5173")
	f.fix("As the guide's template has it:\n"+`{ "authKit": { "dev": { "configure": { "redirectUris": ["%s/callback"], "corsOrigins": ["%s"] } } } }`, origin, origin)
}

// convexShape notes what is wrong with the section.
type convexShape struct{ f *finding }

// wrong notes one fault.
func (v *convexShape) wrong(at, format string, args ...any) {
	v.f.say(Problem, "convex.json: %s: %s", at, fmt.Sprintf(format, args...))
}

// object is an object with no members but those; any, if none are given.
func (v *convexShape) object(at string, x any, members ...string) map[string]any {
	m, ok := x.(map[string]any)
	if !ok {
		v.wrong(at, "expected an object, got %v", x)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if len(members) > 0 && !slices.Contains(members, name) {
			v.wrong(at, "has no member %q; it has %s", name, strings.Join(members, ", "))
		}
	}
	return m
}

// text is a string whose placeholders are known.
func (v *convexShape) text(at string, x any) (string, bool) {
	s, ok := x.(string)
	if !ok {
		v.wrong(at, "expected a string, got %v", x)
		return "", false
	}
	for _, m := range template().FindAllStringSubmatch(s, -1) {
		if !goodTemplate().MatchString(m[1]) {
			v.wrong(at, "${%s} is not known; expected authEnv.WORKOS_CLIENT_ID, authEnv.WORKOS_API_KEY, authEnv.WORKOS_ENVIRONMENT_ID or buildEnv.NAME", m[1])
		}
	}
	return s, true
}

// addresses is a list of absolute addresses; origins and those of production have
// rules of their own.
func (v *convexShape) addresses(at string, x any, section string) {
	if x == nil {
		return
	}
	list, ok := x.([]any)
	if !ok {
		v.wrong(at, "expected a list, got %v", x)
		return
	}
	for _, item := range list {
		s, ok := v.text(at, item)
		if !ok {
			continue
		}
		if strings.HasPrefix(s, "${") {
			continue // the scheme may come from the variable
		}
		u, err := url.Parse(template().ReplaceAllString(s, "x"))
		switch {
		case err != nil || u.Host == "" || u.Scheme == "":
			v.wrong(at, "expected an absolute address, got %q", s)
		case strings.HasSuffix(at, "corsOrigins") && (u.Path != "" && u.Path != "/" || u.RawQuery != ""):
			v.wrong(at, "expected scheme, host and port alone, got %q", s)
		case section == "prod" && (loopback(u.Hostname()) || u.Scheme == "http"):
			v.wrong(at, "expected https and a public name for production, got %q", s)
		}
	}
}

package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// dependencyPrefix begins the specifier under which a definition imports that of a
// child; the child's path follows in base64url (convex-cli §2.6).
const dependencyPrefix = "_componentDeps/"

// childReference begins how a definition refers to its children.
const childReference = "_reference/childComponent/"

// inspectComponents evaluates the definitions of a push, those of children before
// those that import them, and analyses the components' modules.
func (s *Service) inspectComponents(ctx context.Context, b *bundle, in *inspection, world isolate.Import) error {
	defs, err := s.evaluateDefinitions(ctx, b, world)
	if err != nil {
		return err
	}
	in.definition = defs[""]
	for _, path := range slices.Sorted(maps.Keys(b.components)) {
		if defs[path] == nil {
			continue // nobody imports it
		}
		if in.definitions[path], err = s.inspectComponent(ctx, b.components[path], defs[path], world); err != nil {
			return err
		}
	}
	return nil
}

// evaluateDefinitions evaluates the app's definition, and before it those that it
// depends on.
func (s *Service) evaluateDefinitions(ctx context.Context, b *bundle, world isolate.Import) (map[string]*Definition, error) {
	defs, open := map[string]*Definition{}, map[string]bool{}
	var evaluate func(path string, m *Module, dependencies []string, world isolate.Import) error
	evaluate = func(path string, m *Module, dependencies []string, world isolate.Import) error {
		if open[path] {
			return bad("CyclicImport", "%sThe component %s depends on itself.", prefix, clip(path))
		}
		open[path] = true
		defer delete(open, path)
		var children []isolate.Module
		for _, dep := range slices.Compact(slices.Sorted(slices.Values(dependencies))) {
			c := b.components[dep]
			if c == nil {
				return bad("InvalidPush", "%sThe push lacks the component %s, which%s depends on.", prefix, clip(dep), cmpApp(path))
			}
			if defs[dep] == nil {
				// Variables are for the app: a component gets its own when it runs.
				if err := evaluate(dep, c.Definition, c.Dependencies, isolate.Import{Now: world.Now, Seed: world.Seed}); err != nil {
					return err
				}
			}
			source, err := json.Marshal(map[string]string{"componentDefinitionPath": dep, "defaultName": defs[dep].Name})
			if err != nil {
				return err
			}
			children = append(children, isolate.Module{
				Path:   dependencyPrefix + base64.RawURLEncoding.EncodeToString([]byte(dep)),
				Source: "export default " + string(source) + ";",
			})
		}
		d, err := s.evaluateDefinition(ctx, path, m, children, world)
		if err != nil {
			return err
		}
		if err := d.checkKind(); err != nil {
			return err
		}
		defs[path] = d
		return nil
	}
	app := &b.request.AppDefinition
	return defs, evaluate("", app.Definition, app.Dependencies, world)
}

// cmpApp names a definition, or the app.
func cmpApp(path string) string {
	if path == "" {
		return " the app"
	}
	return " " + clip(path)
}

// checkKind refuses an app where a component should be, and the other way round.
func (d *Definition) checkKind() error {
	var kind struct {
		Type string `json:"type"`
	}
	if len(d.Exports) == 0 {
		d.Exports = json.RawMessage(`{"type":"branch","branch":[]}`)
	}
	if len(d.DefinitionType) == 0 {
		d.DefinitionType = json.RawMessage(`{"type":"app"}`)
	}
	if err := json.Unmarshal(d.DefinitionType, &kind); err != nil {
		return bad("InvalidDefinition", "%sThe definition in convex.config.ts%s has no type.", prefix, ofComponent(d.Path))
	}
	want, maker := "app", "defineApp()"
	if d.Path != "" {
		want, maker = "childComponent", "defineComponent()"
	}
	if kind.Type != want {
		return bad("InvalidDefinition", "%sThe default export of convex.config.ts%s must be made with %s.", prefix, ofComponent(d.Path), maker)
	}
	if d.Path != "" {
		if err := value.CheckIdentifier("component name", d.Name); err != nil {
			return prefixed(err)
		}
	}
	return nil
}

// inspectComponent evaluates what a component has besides its definition. Between two
// pushes of an app components seldom change, so the newest are remembered.
func (s *Service) inspectComponent(ctx context.Context, c *componentSource, d *Definition, world isolate.Import) (*inspected, error) {
	key := c.digest()
	in := s.known.find(key)
	if in == nil {
		in = &inspected{}
		own := isolate.Import{Env: map[string]string{}, Now: world.Now, Seed: world.Seed}
		for _, name := range []string{"CONVEX_CLOUD_URL", "CONVEX_SITE_URL"} {
			own.Env[name] = world.Env[name]
		}
		if err := s.analyze(ctx, c.modules, nil, in, own); err != nil {
			return nil, within(c.DefinitionPath, err)
		}
		var err error
		if in.schema, err = s.evaluateSchema(ctx, c.Schema, own); err != nil {
			return nil, within(c.DefinitionPath, err)
		}
		s.known.add(key, in)
	}
	found := *in
	found.pkg.Config = udf.Config{ServerVersion: c.UDFServerVersion, ImportPhaseUnixTimestampMS: world.Now.UnixMilli(), ImportPhaseRngSeed: world.Seed}
	d.Exports = found.exports()
	found.definition = d
	return &found, nil
}

// within says of an error in which component it is.
func within(path string, err error) error {
	err = about("inspect component "+path, err)
	if e := asRefusal(err); e != nil {
		return bad(e.Code, "%s\nThis is in the component %s.", e.Message, clip(path))
	}
	return err
}

// digest names what inspecting a component depends on.
func (c *componentSource) digest() (sum [32]byte) {
	h := sha256.New()
	for _, m := range c.modules {
		fmt.Fprintf(h, "%q %s\n", m.Path, m.hash)
	}
	if c.Schema != nil {
		fmt.Fprintf(h, "schema %s\n", udf.HashModule(c.Schema.Source, c.Schema.SourceMap))
	}
	h.Sum(sum[:0])
	return sum
}

// definitionCache remembers what the newest components were found to be.
type definitionCache struct {
	mu    sync.Mutex
	known []knownDefinition // oldest first
}

// knownDefinition is an entry of the cache. What it holds is shared and must not be changed.
type knownDefinition struct {
	key [32]byte
	in  *inspected
}

// keptDefinitions is how many components are remembered, with their sources.
const keptDefinitions = 32

// find gives what is remembered of a component; nil if nothing is.
func (c *definitionCache) find(key [32]byte) *inspected {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.known {
		if k.key == key {
			return k.in
		}
	}
	return nil
}

// add remembers a component.
func (c *definitionCache) add(key [32]byte, in *inspected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = append(c.known, knownDefinition{key, in})
	if len(c.known) > keptDefinitions {
		c.known = append([]knownDefinition(nil), c.known[1:]...)
	}
}

// exports is the tree of a component's public functions, as clients generate code from it.
func (in *inspected) exports() json.RawMessage {
	root := &exportTree{}
	for _, path := range slices.Sorted(maps.Keys(in.functions)) {
		module := strings.TrimSuffix(path, ".js")
		for _, f := range in.functions[path].Functions {
			if f.Visibility == nil || f.Visibility.Kind != "public" {
				continue
			}
			at := root
			for part := range strings.SplitSeq(module, "/") {
				at = at.branch(part)
			}
			at.branch(f.Name).leaf = "_reference/function/" + module + ":" + f.Name
		}
	}
	text, _ := json.Marshal(root) // plain texts cannot fail
	return text
}

// exportTree is a branch of that tree, or a leaf.
type exportTree struct {
	leaf  string
	names []string
	below map[string]*exportTree
}

// branch finds or makes what is below a name.
func (t *exportTree) branch(name string) *exportTree {
	if t.below == nil {
		t.below = map[string]*exportTree{}
	}
	if t.below[name] == nil {
		t.names, t.below[name] = append(t.names, name), &exportTree{}
	}
	return t.below[name]
}

// MarshalJSON writes {"type":"branch","branch":[[name, …]]} or a leaf.
func (t *exportTree) MarshalJSON() ([]byte, error) {
	if t.leaf != "" {
		return json.Marshal(map[string]string{"type": "leaf", "leaf": t.leaf})
	}
	pairs := [][2]any{}
	for _, name := range t.names {
		pairs = append(pairs, [2]any{name, t.below[name]})
	}
	return json.Marshal(map[string]any{"type": "branch", "branch": pairs})
}

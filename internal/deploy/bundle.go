package deploy

import (
	"context"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
)

// Environments of modules.
const (
	environmentIsolate = "isolate"
	environmentNode    = "node"
)

// authModule is the module that configures whose tokens are accepted.
const authModule = "auth.config.js"

// moduleSource is a module of the bundle; Source is empty until the live one is joined in.
type moduleSource struct {
	Module
	hash string
}

// bundle is a push as it came in, joined with what was live.
type bundle struct {
	modules    []moduleSource // of the app, with their sources
	components map[string]*componentSource
	request    *StartPushRequest
	env        map[string]string // everything modules see in process.env
	owned      map[string]string // variables set by the owner
}

// componentSource is the definition of a component in a bundle.
type componentSource struct {
	*ComponentDefinition
	modules []moduleSource
}

// checkComponents lists the definitions of components by their paths, with their modules.
func (r *StartPushRequest) checkComponents() (map[string]*componentSource, error) {
	if n := len(r.ComponentDefinitions); n > maxDefinitions {
		return nil, bad("TooManyComponents", "The push has %d components, more than the maximum of %d.", n, maxDefinitions)
	}
	all := map[string]*componentSource{}
	n, code := 0, 0
	for i := range r.ComponentDefinitions {
		c := &componentSource{ComponentDefinition: &r.ComponentDefinitions[i]}
		switch path := c.DefinitionPath; {
		case path == "" || len(path) > maxPath || all[path] != nil:
			return nil, bad("InvalidPush", "The push contains the component %q twice, or its path is empty or too long.", clip(path))
		case c.Definition == nil:
			return nil, bad("InvalidPush", "The component %s has no `definition`. Push with the convex CLI.", clip(path))
		case len(c.UDFServerVersion) > 64:
			return nil, bad("InvalidServerVersion", "udfServerVersion is longer than 64 characters.")
		}
		all[c.DefinitionPath] = c
		seen := map[string]bool{}
		if n += len(c.Functions); n > maxModules {
			return nil, bad("TooManyModules", "The components of the push have more than %d modules.", maxModules)
		}
		for _, m := range c.Functions {
			if err := checkPath(m.Path); err != nil {
				return nil, err
			}
			if m.Environment != environmentIsolate {
				return nil, bad("InvalidModules", "Module %s of component %s wants the environment %q: components run in Convex's own runtime only.",
					m.Path, clip(c.DefinitionPath), clip(m.Environment))
			}
			if seen[m.Path] {
				return nil, bad("InvalidModules", "The component %s contains module %s twice.", clip(c.DefinitionPath), m.Path)
			}
			seen[m.Path] = true
			code += len(m.Source)
			c.modules = append(c.modules, moduleSource{m, udf.HashModule(m.Source, m.SourceMap)})
		}
		code += len(c.Definition.Source)
		if c.Schema != nil {
			code += len(c.Schema.Source)
		}
		if code > maxCodeBytes {
			return nil, bad("ModulesTooLarge", "The components of the push have more than %d MiB of code.", maxCodeBytes>>20)
		}
	}
	return all, nil
}

// check holds a request against the rules that need no look at the database,
// and lists its modules. Unchanged ones lack their source.
func (r *StartPushRequest) check() ([]moduleSource, error) {
	app := &r.AppDefinition
	if app.Definition == nil {
		// Every CLI sends one, also for an app without convex.config.ts. A body without it is no push, and taking it
		// for an empty one would end in an app without functions.
		return nil, bad("InvalidPush", "The push has no `appDefinition.definition`. Push with the convex CLI.")
	}
	if n := len(app.ChangedModules) + len(app.UnchangedModuleHashes); n > maxModules {
		return nil, bad("TooManyModules", "The push has %d modules, more than the maximum of %d.", n, maxModules)
	}
	seen := map[string]bool{}
	code := 0
	var list []moduleSource
	add := func(m Module, hash string) error {
		if err := checkPath(m.Path); err != nil {
			return err
		}
		if m.Environment != environmentIsolate && m.Environment != environmentNode {
			return bad("InvalidModules", "Module %s has the unknown environment %q.", clip(m.Path), clip(m.Environment))
		}
		if seen[m.Path] {
			return bad("InvalidModules", "The push contains module %s twice.", m.Path)
		}
		seen[m.Path] = true
		if code += len(m.Source); code > maxCodeBytes {
			return bad("ModulesTooLarge", "The push has more than %d MiB of code.", maxCodeBytes>>20)
		}
		list = append(list, moduleSource{m, hash})
		return nil
	}
	for _, m := range app.ChangedModules {
		if err := add(m, udf.HashModule(m.Source, m.SourceMap)); err != nil {
			return nil, err
		}
	}
	for _, h := range app.UnchangedModuleHashes {
		if !isHash(h.SHA256) {
			return nil, bad("InvalidModules", "The sha256 of module %s is not 64 lower hexadecimal digits.", clip(h.Path))
		}
		if err := add(Module{Path: h.Path, Environment: h.Environment}, h.SHA256); err != nil {
			return nil, err
		}
	}
	for _, m := range []*Module{app.Definition, app.Schema} {
		if m != nil && len(m.Source) > maxCodeBytes {
			return nil, bad("ModulesTooLarge", "Module %s is larger than %d MiB.", clip(m.Path), maxCodeBytes>>20)
		}
	}
	if len(app.UDFServerVersion) > 64 {
		return nil, bad("InvalidServerVersion", "udfServerVersion is longer than 64 characters.")
	}
	return list, nil
}

// checkPath refuses what is no relative path to a JavaScript module.
func checkPath(path string) error {
	refuse := func(why string) error {
		return bad("InvalidModules", "Invalid module path %q: %s", clip(path), why)
	}
	switch {
	case path == "" || len(path) > maxPath:
		return refuse("it is empty or too long.")
	case !strings.HasSuffix(path, ".js"):
		return refuse("it must end in .js.")
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return refuse("it must be relative, without empty, . or .. parts.")
		}
		for _, c := range []byte(part) {
			if c <= ' ' || c > '~' || strings.IndexByte(`\:"'*?<>|`, c) >= 0 {
				return refuse("it may contain letters, digits and simple punctuation only.")
			}
		}
	}
	return nil
}

// isHash reports whether s is a SHA-256 in lower hex.
func isHash(s string) bool {
	if len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// take checks a request and completes it from the database.
func (s *Service) take(ctx context.Context, r *StartPushRequest) (*bundle, error) {
	modules, err := r.check()
	if err != nil {
		return nil, err
	}
	b := &bundle{modules: modules, request: r}
	if b.components, err = r.checkComponents(); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		if b.owned, err = udf.Environment(ctx, tx); err != nil {
			return err
		}
		if b.env, err = s.Runner.Environment(ctx, tx); err != nil {
			return err
		}
		var rows []udf.ModuleRow
		var at []int
		for i, m := range b.modules {
			if i >= len(r.AppDefinition.ChangedModules) {
				rows = append(rows, udf.ModuleRow{Path: m.Path, Environment: m.Environment, Hash: m.hash})
				at = append(at, i)
			}
		}
		if err := udf.LoadSources(ctx, tx, rows); err != nil {
			return err
		}
		for i, row := range rows {
			b.modules[at[i]].Source, b.modules[at[i]].SourceMap = row.Source, row.SourceMap
		}
		return nil
	})
	return b, err
}

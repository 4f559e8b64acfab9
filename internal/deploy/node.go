package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/node"
)

// notInNode are modules that the house itself evaluates, in the default runtime;
// the official CLI refuses the directive in them, too.
var notInNode = []string{authModule, cronsModule, isolate.HTTPRouter, "schema.js", "convex.config.js"}

// analyzeNode evaluates the "use node" modules in Node.js and adds what they export
// to found.
func (s *Service) analyzeNode(ctx context.Context, b *bundle, in *inspected, found map[string]isolate.ModuleInfo) error {
	var src node.Source
	var paths []string
	for _, m := range b.modules {
		if m.Environment != environmentNode {
			continue
		}
		if slices.Contains(notInNode, m.Path) {
			return bad("InvalidModules", "%s\"use node\" directive is not allowed for %s.", prefix, m.Path)
		}
		src.Modules = append(src.Modules, m.forIsolate())
		if !strings.HasPrefix(m.Path, "_deps/") {
			paths = append(paths, m.Path)
		}
	}
	r := b.request
	in.pkg.Config.NodeVersion = r.NodeVersion
	if len(paths) == 0 {
		return nil
	}
	for _, d := range r.NodeDependencies {
		src.Packages = append(src.Packages, node.Package(d))
	}
	in.pkg.Config.NodePackages = src.Packages
	src.Env = b.env
	if s.Runner.Node != nil {
		if err := s.Runner.Node.Check(ctx, r.NodeVersion); err != nil {
			return prefixed(err)
		}
	}
	p, err := s.Runner.LoadNode(ctx, src)
	if err != nil {
		return prefixed(err)
	}
	defer p.Release()
	infos, err := p.Inspect(ctx)
	if err != nil {
		return loadFailure(err)
	}
	for _, info := range infos {
		if info.Error != nil {
			return cannotAnalyze(info.Path, info.Error.Text)
		}
		if err := onlyActions(info); err != nil {
			return err
		}
		found[info.Path] = info
	}
	for _, path := range paths {
		if _, ok := found[path]; !ok {
			return cannotAnalyze(path, "The module did not finish loading.")
		}
	}
	return nil
}

// onlyActions refuses a module with "use node" that defines what must run in the default runtime.
func onlyActions(info isolate.ModuleInfo) error {
	for _, f := range info.Functions {
		if f.Kind != isolate.Action {
			kind := f.Kind.String()
			if f.HTTP {
				kind = "HTTP action"
			}
			return bad("InvalidModules", "%s`%s` defined in `%s` is a %s function. Only actions can be defined in Node.js. "+
				"See https://docs.convex.dev/functions/actions for more details.", prefix, f.Name, info.Path, kind)
		}
	}
	return nil
}

// externalDepsID names the external packages of a push, for tools; nil for none.
func externalDepsID(list []node.Package) (*string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("deploy: %w", err)
	}
	sum := sha256.Sum256(b)
	id := hex.EncodeToString(sum[:16])
	return &id, nil
}

package udf

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/node"
)

// maxNodeArguments is the limit on the arguments of an action in Node.js
// (convex-runtime.md §3.10).
const maxNodeArguments = 5 << 20

// nodeLoadTimeout bounds the loading of a program whose npm packages may have to be
// installed first: the house may have moved to a machine that does not have them.
const nodeLoadTimeout = 4 * time.Minute

// acquireNode gives the program of the "use node" modules of a state of the
// registry, loading it first if need be. The caller must call done when it has
// finished with it.
func (r *Runner) acquireNode(ctx context.Context, l *live, at func(context.Context) (*database.Tx, error)) (p javascript, done func(), err error) {
	return r.node.acquire(ctx, l.key, func(ctx context.Context) (javascript, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nodeLoadTimeout)
		defer cancel()
		tx, err := at(ctx)
		if err != nil {
			return nil, fmt.Errorf("udf: load modules for Node.js: %w", err)
		}
		rows := slices.DeleteFunc(slices.Clone(l.modules), func(m ModuleRow) bool { return m.Environment != nodeEnvironment })
		if err := LoadSources(ctx, tx, rows); err != nil {
			return nil, fmt.Errorf("udf: load modules for Node.js: %w", err)
		}
		modules := make([]isolate.Module, len(rows))
		for i, m := range rows {
			modules[i] = isolate.Module{Path: m.Path, Source: m.Source, SourceMap: m.SourceMap}
		}
		program, err := r.LoadNode(ctx, node.Source{Modules: modules, Env: l.env, Packages: l.config.NodePackages})
		if err != nil {
			return nil, err
		}
		return program, nil
	})
}

// nodeEnvironment marks modules with "use node".
const nodeEnvironment = "node"

// LoadNode loads "use node" modules.
func (r *Runner) LoadNode(ctx context.Context, s node.Source) (*node.Program, error) {
	if r.Node == nil {
		return nil, unsupported("The Node.js runtime (\"use node\")")
	}
	return r.Node.Load(ctx, s)
}

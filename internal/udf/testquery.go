package udf

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// wrappersPath is how a one-off query imports what makes a query of a function.
const wrappersPath = "convex:/_system/repl/wrappers.js"

// wrappers is the source of that module.
//
//go:embed repl/wrappers.js
var wrappers string

// maxTestSource bounds the source of a one-off query, which a person or their tool typed.
const maxTestSource = 1 << 20

// TestQuery runs the default export of a module that is no part of the live
// package, as a query beside the live modules: what the CLI calls an inline
// query. It writes nothing, and nobody but admins may do it.
func (r *Runner) TestQuery(ctx context.Context, q Request, module, source string) (*Outcome, error) {
	if err := q.prepare(); err != nil {
		return nil, err
	}
	if !q.Caller.IsAdmin() {
		return nil, apierr.New(apierr.Forbidden, "Unauthorized", "One-off queries need the deployment's admin key.")
	}
	path, ok := parsePath(module)
	if !ok || len(source) > maxTestSource {
		return nil, apierr.New(apierr.BadRequest, "InvalidModules", "The bundle must have a path like \"testQuery.js\" and a source of at most %d bytes.", maxTestSource)
	}
	q.Path = path.Client()
	tx, err := r.DB.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("udf: begin one-off query: %w", err)
	}
	l, err := r.liveIn(ctx, tx, q.Component)
	if err != nil {
		return nil, err
	}
	program, err := r.testProgram(ctx, tx, l, path.Module, source)
	if err != nil {
		return nil, err
	}
	defer program.Release()
	b, out := newLogBuffer(), &Outcome{Kind: Query, UsedCaller: true}
	shared := newRun(r, &q, b)
	defer shared.leave()
	x := shared.executionOf(Query, tx, l, program)
	x.path, x.fn = path, &FunctionRow{Name: path.Export, Kind: Query}
	out.Value, err = x.perform(ctx, x.tx)
	x.warn()
	if out, err = r.finish(out, err, &q, b); err != nil {
		return nil, err
	}
	out.TS = tx.Snapshot()
	r.logged(&q, Query, b, out, tx.Usage(), nil)
	return out, nil
}

// testProgram evaluates a module, the one it may import, and the live modules,
// which it may call.
func (r *Runner) testProgram(ctx context.Context, tx *database.Tx, l *live, path, source string) (javascript, error) {
	rows, err := l.sources(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(m ModuleRow) bool { return m.Path == path })
	rows = append(rows, ModuleRow{Path: path, Source: source}, ModuleRow{Path: wrappersPath, Source: wrappers})
	return r.evaluate(ctx, rows, l.config, l.env)
}

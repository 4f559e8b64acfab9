package udf

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
)

// programKey says which modules are evaluated under which environment.
type programKey struct{ pkg, env string }

// javascript is what this room needs of a loaded program.
type javascript interface {
	Run(ctx context.Context, c isolate.Call) (isolate.Result, error)
	Release()
}

// programs are the loaded programs. A program is loaded once, however many calls
// wait for it, and released when it is neither in use nor among the newest.
type programs struct {
	mu      sync.Mutex
	entries []*program // least recently used first
	kept    int        // how many stay loaded
	closed  bool
}

// program is one loaded program, or the attempt to load it. Users and kept are
// guarded by programs.mu; loaded and err are set before ready is closed.
type program struct {
	key    programKey
	ready  chan struct{}
	loaded javascript
	err    error
	users  int
	kept   bool // among the newest
}

// keptPrograms is how many programs stay loaded of an app without components: the
// newest, the one it supersedes while calls and older snapshots still want it, and one
// to spare. Each component adds one, and all of them once more during a push.
const keptPrograms = 3

// expect makes room for the programs of so many instances, the app being one.
func (ps *programs) expect(instances int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.kept = keptPrograms + 2*(instances-1)
}

// loadTimeout bounds the loading of a program; evaluation has its own limit (convex-runtime.md §5.5).
const loadTimeout = 60 * time.Second

// acquire gives the program for a state of the registry, loading it first if
// need be. The caller must call done when it has finished with it.
func (r *Runner) acquire(ctx context.Context, l *live, at func(context.Context) (*database.Tx, error)) (p javascript, done func(), err error) {
	return r.programs.acquire(ctx, l.key, func(ctx context.Context) (javascript, error) { return r.loadProgram(ctx, l, at) })
}

// acquire gives the program of a key, loading it first if need be.
func (ps *programs) acquire(ctx context.Context, key programKey, f func(context.Context) (javascript, error)) (p javascript, done func(), err error) {
	entry, first := ps.enter(key)
	if first {
		ps.load(ctx, entry, f)
	}
	select {
	case <-entry.ready:
	case <-ctx.Done():
		ps.leave(entry)
		return nil, nil, ctx.Err()
	}
	if entry.err != nil {
		ps.leave(entry)
		return nil, nil, entry.err
	}
	return entry.loaded, func() { ps.leave(entry) }, nil
}

// enter finds or begins the entry of a key and counts the caller as its user.
func (ps *programs) enter(key programKey) (entry *program, first bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if i := slices.IndexFunc(ps.entries, func(p *program) bool { return p.key == key }); i >= 0 {
		entry = ps.entries[i]
		if i != len(ps.entries)-1 {
			ps.entries = append(slices.Delete(ps.entries, i, i+1), entry)
		}
	} else {
		entry, first = &program{key: key, ready: make(chan struct{}), kept: !ps.closed}, true
		if !ps.closed {
			ps.entries = append(ps.entries, entry)
		}
		for len(ps.entries) > max(ps.kept, keptPrograms) {
			ps.drop(0)
		}
	}
	entry.users++
	return entry, first
}

// leave takes back what enter counted; the last user of a superseded program releases it.
func (ps *programs) leave(entry *program) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	entry.users--
	entry.releaseIfIdle()
}

// drop stops keeping the i-th entry. The caller holds mu.
func (ps *programs) drop(i int) {
	entry := ps.entries[i]
	ps.entries = slices.Delete(ps.entries, i, i+1)
	entry.kept = false
	entry.releaseIfIdle()
}

// releaseIfIdle releases a program that nobody keeps or uses. The caller holds programs.mu.
func (p *program) releaseIfIdle() {
	if !p.kept && p.users == 0 && p.loaded != nil {
		p.loaded.Release()
		p.loaded = nil
	}
}

// load loads an entry in the background of whoever came first: it goes on when
// that call is canceled, because others may be waiting. A failure is not kept.
func (ps *programs) load(ctx context.Context, entry *program, f func(context.Context) (javascript, error)) {
	ps.mu.Lock()
	entry.users++ // the loading itself
	ps.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	go func() {
		defer cancel()
		loaded, err := f(ctx)
		ps.mu.Lock()
		entry.loaded, entry.err = loaded, err
		if i := slices.Index(ps.entries, entry); err != nil && i >= 0 {
			ps.drop(i)
		}
		entry.users--
		close(entry.ready)
		entry.releaseIfIdle()
		ps.mu.Unlock()
	}()
}

// close releases everything that is not in use.
func (ps *programs) close() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.closed = true
	for len(ps.entries) > 0 {
		ps.drop(0)
	}
}

// unevaluated are modules of a push that are configuration, not code of functions.
var unevaluated = map[string]bool{"auth.config.js": true, "schema.js": true, "convex.config.js": true}

// loadProgram reads the sources of the live modules and evaluates them.
func (r *Runner) loadProgram(ctx context.Context, l *live, at func(context.Context) (*database.Tx, error)) (javascript, error) {
	tx, err := at(ctx)
	if err != nil {
		return nil, fmt.Errorf("udf: load program: %w", err)
	}
	rows, err := l.sources(ctx, tx)
	if err != nil {
		return nil, err
	}
	return r.evaluate(ctx, rows, l.config, l.env)
}

// sources reads the modules that are evaluated together, with their sources.
func (l *live) sources(ctx context.Context, tx *database.Tx) ([]ModuleRow, error) {
	rows := slices.DeleteFunc(slices.Clone(l.modules), func(m ModuleRow) bool { return m.Environment == nodeEnvironment || unevaluated[m.Path] })
	if err := LoadSources(ctx, tx, rows); err != nil {
		return nil, fmt.Errorf("udf: load program: %w", err)
	}
	return rows, nil
}

// evaluate loads modules as the import phase of a package wants it.
func (r *Runner) evaluate(ctx context.Context, rows []ModuleRow, c Config, env map[string]string) (javascript, error) {
	modules := make([]isolate.Module, len(rows))
	for i, m := range rows {
		modules[i] = isolate.Module{Path: m.Path, Source: m.Source, SourceMap: m.SourceMap}
	}
	started := time.Now()
	p, err := r.loader(ctx, modules, isolate.Import{
		Env: env, Now: time.UnixMilli(c.ImportPhaseUnixTimestampMS), Seed: c.ImportPhaseRngSeed,
	})
	if err != nil {
		return nil, fmt.Errorf("udf: evaluate modules: %w", err)
	}
	r.Log.Debug("program loaded", "modules", len(modules), "took", time.Since(started))
	return p, nil
}

// warmLive loads the programs that are live now: first the app's.
func (r *Runner) warmLive(ctx context.Context) error {
	tx, err := r.DB.Begin(ctx)
	if err != nil {
		return err
	}
	t, err := r.tree(ctx, tx)
	if err != nil {
		return err
	}
	paths := []string{""}
	for i := range t.All {
		if c := &t.All[i]; c.Mounted && c.Path != "" {
			paths = append(paths, c.Path)
		}
	}
	r.programs.expect(len(paths))
	for _, path := range paths {
		l, err := r.liveIn(ctx, tx, path)
		if err != nil || !l.installed {
			return err
		}
		if err := r.warm(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// warm loads what runs the functions of a state of the registry.
func (r *Runner) warm(ctx context.Context, l *live) error {
	_, done, err := r.acquire(ctx, l, r.DB.Begin)
	if err != nil {
		return err
	}
	done()
	if len(l.node) == 0 {
		return nil
	}
	if _, done, err = r.acquireNode(ctx, l, r.DB.Begin); err != nil {
		return err
	}
	done()
	return nil
}

// Warm loads the program of a package that is about to become live within a tree of
// components, so that no call has to wait for it. The sources must be in the package
// or stored.
func (r *Runner) Warm(ctx context.Context, all []Component, p Package) error {
	var l *live
	err := r.DB.View(ctx, func(tx *database.Tx) error {
		env, err := r.Environment(ctx, tx)
		l = &live{config: p.Config, modules: slices.Clone(p.Modules), env: (&Tree{All: all}).environment(p.Component, env)}
		return err
	})
	if err != nil {
		return err
	}
	arrange(l.modules)
	if l.config.Digest, err = (&Package{Modules: l.modules, Config: p.Config}).digest(); err != nil {
		return err
	}
	l.index()
	r.programs.expect(len(all))
	return r.warm(ctx, l)
}

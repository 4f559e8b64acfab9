package node

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/isolate"
)

// childSource is the code of the processes.
//
//go:embed runtime/child.mjs
var childSource []byte

// modulesName is the folder that holds the modules of programs.
const modulesName = "modules"

// linger is how long the processes of a program outlive its last user: a push
// loads its modules to inspect them, and soon after to run them.
const linger = 30 * time.Second

// Source is what a Program is made of.
type Source struct {
	Modules  []isolate.Module // all with "use node", and the chunks they share
	Env      map[string]string
	Packages []Package // npm packages that the modules import and do not contain
}

// Program is the "use node" modules of a push, on disk and ready to run. It is
// reference-counted: Load returns it with one reference.
type Program struct {
	pool  *Pool
	group *group
	maps  isolate.SourceMaps
}

// group is what programs made of the same source share. Fields below are under Pool.mu.
type group struct {
	key     string
	dir     string // of the modules, with a slash at the end
	env     map[string]string
	entries []string // modules that are not chunks

	refs int
	idle []*process // most recently used last
	gone *time.Timer
}

// Load writes the modules to disk and sees to their packages, installing what is
// missing. It fails with a refusal for whoever pushes when Node.js is not there.
func (p *Pool) Load(ctx context.Context, s Source) (*Program, error) {
	if _, err := p.Version(ctx); err != nil {
		return nil, err
	}
	if _, err := p.prepare(); err != nil {
		return nil, err
	}
	packages, err := p.packages(ctx, s.Packages)
	if err != nil {
		return nil, err
	}
	key, err := s.key(packages)
	if err != nil {
		return nil, err
	}
	g := p.hold(key)
	if g == nil {
		dir, err := p.write(s, packages)
		if err != nil {
			return nil, err
		}
		if g, err = p.found(key, dir, s); err != nil {
			return nil, err
		}
	}
	p.prespawn()
	return &Program{pool: p, group: g, maps: isolate.NewSourceMaps(s.Modules)}, nil
}

// key names a source: equal sources have equal keys.
func (s *Source) key(packages string) (string, error) {
	modules := slices.Clone(s.Modules)
	slices.SortFunc(modules, func(a, b isolate.Module) int { return strings.Compare(a.Path, b.Path) })
	text, err := json.Marshal([]any{modules, s.Env, packages}) // maps are written in order
	if err != nil {
		return "", fmt.Errorf("node: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// hold finds a group and counts a reference; nil if there is none.
func (p *Pool) hold(key string) *group {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[key]
	if g == nil || p.closed {
		return nil
	}
	if g.refs++; g.gone != nil {
		g.gone.Stop()
		g.gone = nil
	}
	return g
}

// found adds a group whose modules are in dir, unless another was faster.
func (p *Pool) found(key, dir string, s Source) (*group, error) {
	if g := p.hold(key); g != nil {
		return g, os.RemoveAll(dir)
	}
	g := &group{key: key, dir: dir + string(filepath.Separator), env: s.Env, refs: 1}
	for _, m := range s.Modules {
		if !strings.HasPrefix(m.Path, "_deps/") {
			g.entries = append(g.entries, m.Path)
		}
	}
	slices.Sort(g.entries)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	p.groups[key] = g
	return g, nil
}

// write puts the modules into a new folder. Where they find their packages is a link.
func (p *Pool) write(s Source, packages string) (dir string, err error) {
	parent := filepath.Join(p.dir, modulesName)
	if err = os.MkdirAll(parent, 0o700); err == nil {
		dir, err = os.MkdirTemp(parent, "")
	}
	files := map[string]string{"package.json": `{"type":"module"}`}
	for _, m := range s.Modules {
		if !filepath.IsLocal(filepath.FromSlash(m.Path)) {
			return "", fmt.Errorf("node: module path %q leads out of its folder", m.Path)
		}
		files[m.Path] = m.Source
	}
	for path, text := range files {
		if err != nil {
			break
		}
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err = os.MkdirAll(filepath.Dir(full), 0o700); err == nil {
			err = os.WriteFile(full, []byte(text), 0o600)
		}
	}
	if err == nil && packages != "" {
		err = os.Symlink(packages, filepath.Join(dir, "node_modules"))
	}
	if err != nil {
		return "", fmt.Errorf("node: write modules: %w", err)
	}
	return dir, nil
}

// Release drops a reference. Actions that run go on.
func (p *Program) Release() {
	pool, g := p.pool, p.group
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if g.refs--; g.refs > 0 {
		return
	}
	if pool.closed {
		return
	}
	g.gone = time.AfterFunc(linger, func() { pool.drop(g) })
}

// drop ends the idle processes of a group that nobody refers to any more.
func (p *Pool) drop(g *group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.refs > 0 || p.closed || p.groups[g.key] != g {
		return
	}
	delete(p.groups, g.key)
	for _, pr := range g.idle {
		pr.kill(nil)
	}
	g.idle = nil
	if len(p.groups) == 0 && p.spare != nil {
		p.spare.kill(nil)
		p.spare = nil
	}
	dir := g.dir
	p.running.Add(1)
	go func() { // a last action may still import from it, and fails then as it would without its program
		defer p.running.Done()
		if err := os.RemoveAll(dir); err != nil {
			p.opt.Log.Warn("modules not removed", "dir", dir, "err", err)
		}
	}()
}

// head tells a process what it is for.
func (g *group) head() (*programHead, error) {
	h := &programHead{T: "program", Env: g.env, Dir: dirHead{URL: fileURL(g.dir), Path: g.dir}}
	var err error
	if h.Console, err = isolate.Shim("console.js"); err != nil {
		return nil, err
	}
	h.Inspect, err = isolate.Shim("inspect.js")
	return h, err
}

// fileURL is a path as Node.js writes it in stack traces.
func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// Run executes one action. What user code does wrong is in Result.Exception; the
// error is ours, the Host's or ctx's.
func (p *Program) Run(ctx context.Context, c isolate.Call) (isolate.Result, error) {
	leave, err := p.pool.enter(ctx)
	if err != nil {
		return isolate.Result{}, err
	}
	defer leave()
	limit := p.pool.opt.Timeout
	if c.Limits.TotalTime > 0 {
		limit = min(limit, c.Limits.TotalTime)
	}
	return p.run(ctx, &c, limit, &runHead{T: "run", Module: c.Module, Export: c.Export, Method: c.Method, Args: c.Args})
}

// inspectTime bounds the evaluation of modules at push. The other runtime's 4 s
// (convex-cli §2.6) are short for npm packages that are read from disk.
const inspectTime = 30 * time.Second

// Inspect evaluates the modules and enumerates what each exports. A failure of
// user code is in ModuleInfo.Error; the error is an *isolate.Exception when the
// modules as a whole took too long or broke the process.
func (p *Program) Inspect(ctx context.Context) ([]isolate.ModuleInfo, error) {
	leave, err := p.pool.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	c := isolate.Call{Kind: isolate.Action, Host: noHost{}}
	r, err := p.run(ctx, &c, inspectTime, &head{T: "inspect", Modules: p.group.entries})
	if err != nil {
		return nil, err
	}
	if r.Exception != nil {
		return nil, r.Exception
	}
	infos, err := p.maps.ModuleInfos([]byte(r.Value))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(infos, func(a, b isolate.ModuleInfo) int { return strings.Compare(a.Path, b.Path) })
	return infos, nil
}

// noHost is the host of the import phase: there is nothing to ask.
type noHost struct{}

// errImport refuses.
var errImport = &isolate.Throw{Message: "Can't use database at import time"}

// Syscall refuses.
func (noHost) Syscall(string, []byte) ([]byte, error) { return nil, errImport }

// AsyncSyscall refuses, too.
func (noHost) AsyncSyscall(context.Context, string, []byte) ([]byte, error) { return nil, errImport }

// Print drops what a module prints while it is inspected.
func (noHost) Print(level, line string) {}

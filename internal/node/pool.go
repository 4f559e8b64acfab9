package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Defaults of Options (runtime §3.10 and the vendor's published limits: 512 MB,
// 10 minutes, 16 at once).
const (
	DefaultMemory  = 512 << 20
	DefaultTimeout = 10 * time.Minute
	defaultWorkers = 16
	defaultQueue   = 1000
	defaultNested  = 64
	defaultIdle    = time.Minute
)

// Options are the settings of a Pool; zero fields take the defaults.
type Options struct {
	Dir     string        // folder for modules and packages; "" makes one for the life of the Pool
	Binary  string        // Node.js; "" looks for "node" on the PATH
	Project string        // folder of the project being developed, whose node_modules are used where they fit
	Workers int           // top-level actions at once (default 16)
	Queue   int           // actions that may wait for a place (default 1,000); beyond, Run answers Overloaded
	Nested  int           // actions at once that others of this pool have called (default 64); beyond, they are refused
	Memory  int64         // bytes of one process (default 512 MiB)
	Timeout time.Duration // of one action (default 10 min)
	Idle    time.Duration // how long an idle process is kept (default 1 min)
	Log     *slog.Logger
}

// Pool runs Node.js processes.
type Pool struct {
	opt     Options
	places  chan struct{} // one token for each top-level action under way
	waiting atomic.Int64
	nested  atomic.Int64
	plain   atomic.Bool // namespaces have failed us, although the system seemed to permit them
	nursery nursery
	runtime found // the Node.js that was found
	install installs
	running sync.WaitGroup // processes and what is done in the background

	mu       sync.Mutex
	closed   bool
	dir      string // set by the first Load
	temp     bool   // dir goes with the Pool
	child    string // path of the processes' own code
	groups   map[string]*group
	spare    *process // a process that has no program yet
	spawning bool
	alive    map[*process]struct{}
	watching bool
	sweeping bool
}

// Open checks the settings. Node.js is looked for when it is first needed.
func Open(opt Options) (*Pool, error) {
	if opt.Workers <= 0 {
		opt.Workers = defaultWorkers
	}
	if opt.Queue <= 0 {
		opt.Queue = defaultQueue
	}
	if opt.Nested <= 0 {
		opt.Nested = defaultNested
	}
	if opt.Memory <= 0 {
		opt.Memory = DefaultMemory
	}
	if opt.Timeout <= 0 {
		opt.Timeout = DefaultTimeout
	}
	if opt.Idle <= 0 {
		opt.Idle = defaultIdle
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Pool{opt: opt, places: make(chan struct{}, opt.Workers), groups: map[string]*group{}, alive: map[*process]struct{}{}}, nil
}

// errClosed is what calls get after Close.
var errClosed = errors.New("node: the pool is closed")

// Close ends all processes. Actions that still run fail.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	for pr := range p.alive {
		pr.kill(nil)
	}
	dir := p.dir
	if !p.temp {
		dir = ""
	}
	p.mu.Unlock()
	p.running.Wait()
	p.nursery.close()
	if dir != "" {
		return os.RemoveAll(dir)
	}
	return nil
}

// Stats are figures for operators.
type Stats struct {
	Processes, Idle int // alive; of these, waiting for work
	Running, Queued int // top-level actions
}

// Stats says how the pool stands.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Processes: len(p.alive), Running: len(p.places), Queued: int(p.waiting.Load())}
	for _, g := range p.groups {
		s.Idle += len(g.idle)
	}
	if p.spare != nil {
		s.Idle++
	}
	return s
}

// inside marks the context of host calls: what they run has a caller here.
type inside struct{}

// errBusy refuses what there is no room for.
var errBusy = apierr.New(apierr.Overloaded, "TooManyConcurrentRequests", "Too many actions are running in Node.js. Try again in a moment.")

// enter waits for a place; what it gives back leaves it.
func (p *Pool) enter(ctx context.Context) (leave func(), err error) {
	if ctx.Value(inside{}) != nil {
		if p.nested.Add(1) > int64(p.opt.Nested) {
			p.nested.Add(-1)
			return nil, errBusy
		}
		return func() { p.nested.Add(-1) }, nil
	}
	leave = func() { <-p.places }
	select {
	case p.places <- struct{}{}:
		return leave, nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > int64(p.opt.Queue) {
		return nil, errBusy
	}
	select {
	case p.places <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// prepare makes the folder. What an earlier house left of modules is removed; packages stay.
func (p *Pool) prepare() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return "", errClosed
	case p.dir != "":
		return p.dir, nil
	}
	dir := p.opt.Dir
	var err error
	if dir == "" {
		if dir, err = os.MkdirTemp("", "lentil-node-"); err != nil {
			return "", fmt.Errorf("node: %w", err)
		}
		p.temp = true
	}
	// Node.js reports places by the real path.
	if err = os.MkdirAll(dir, 0o700); err == nil {
		if dir, err = filepath.Abs(dir); err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(dir, modulesName))
	}
	if err == nil {
		err = sweepPackages(dir)
	}
	child := filepath.Join(dir, "child.mjs")
	if err == nil {
		err = os.WriteFile(child, childSource, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("node: prepare %s: %w", dir, err)
	}
	p.dir, p.child = dir, child
	return dir, nil
}

// take gives a process for a program: one that has served it, or a new one.
func (p *Pool) take(ctx context.Context, g *group) (*process, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	for n := len(g.idle); n > 0; n = len(g.idle) {
		pr := g.idle[n-1]
		g.idle = g.idle[:n-1]
		if !pr.dead() {
			p.mu.Unlock()
			return pr, nil
		}
	}
	pr := p.spare
	p.spare = nil
	p.mu.Unlock()
	if pr != nil && pr.dead() {
		pr = nil
	}
	if pr == nil {
		var err error
		if pr, err = p.spawn(ctx); err != nil {
			return nil, err
		}
	}
	p.prespawn()
	if err := pr.assign(g); err != nil {
		pr.kill(nil)
		return nil, fmt.Errorf("node: give a process its program: %w", err)
	}
	return pr, nil
}

// give takes a process back after use.
func (p *Pool) give(pr *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || pr.group.refs == 0 || pr.dead() {
		pr.kill(nil)
		return
	}
	pr.since = time.Now()
	pr.group.idle = append(pr.group.idle, pr)
	if !p.sweeping {
		p.sweeping = true
		time.AfterFunc(p.opt.Idle, p.sweep)
	}
}

// prespawn makes the process that the next new one will be, in the background.
func (p *Pool) prespawn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.spawning || p.spare != nil {
		return
	}
	p.spawning = true
	p.running.Add(1)
	go func() {
		defer p.running.Done()
		pr, err := p.spawn(context.Background())
		p.mu.Lock()
		defer p.mu.Unlock()
		p.spawning = false
		switch {
		case err != nil:
			p.opt.Log.Warn("spare Node.js process not started", "err", err)
		case p.closed || p.spare != nil || len(p.groups) == 0:
			pr.kill(nil)
		default:
			p.spare = pr
		}
	}()
}

// sweep ends processes that have been idle for long, and those that died while idle.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit, left := time.Now().Add(-p.opt.Idle), 0
	for _, g := range p.groups {
		kept := g.idle[:0]
		for _, pr := range g.idle {
			if pr.since.Before(limit) || pr.dead() {
				pr.kill(nil)
				continue
			}
			kept = append(kept, pr)
		}
		clear(g.idle[len(kept):])
		g.idle = kept
		left += len(kept)
	}
	p.sweeping = left > 0 && !p.closed
	if p.sweeping {
		time.AfterFunc(p.opt.Idle/2, p.sweep)
	}
}

package isolate

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Options are the settings of an Engine; zero fields take the defaults.
type Options struct {
	Workers     int   // invocations that execute JavaScript at once (default: number of CPUs)
	Queue       int   // callers that may wait for a worker (default 10,000); beyond, Run answers Overloaded
	HeapLimit   int64 // bytes of one invocation's heap (default 64 MiB)
	BufferLimit int64 // bytes of one invocation's array buffers (default 64 MiB)
	Isolates    int   // isolates kept alive while idle (default 2 × Workers)
	Client      *http.Client
	Log         *slog.Logger
}

// Engine runs JavaScript. One per process.
type Engine struct {
	opt Options
}

// Open prepares V8. Isolates are made when first needed.
func Open(opt Options) (*Engine, error) { return &Engine{opt: opt}, nil }

// Close frees idle isolates; running calls finish first.
func (e *Engine) Close() error { return nil }

// Stats are figures for operators.
type Stats struct {
	Isolates int // alive, idle and busy
	Idle     int
	Running  int // invocations holding a worker
	Queued   int
	Parked   int // threads lost to fatal engine errors; restart the process when they pile up
	Programs int
}

// Stats says how the engine stands.
func (e *Engine) Stats() Stats { return Stats{} }

// Module is one ES module as pushed. Imports between modules are relative.
type Module struct {
	Path      string // "messages.js", "_deps/X.js"
	Source    string
	SourceMap string // JSON, may be empty
}

// Import is the world in which modules are evaluated: no database, a frozen
// clock, seeded randomness, and the environment variables, which stay constant
// for the life of the Program.
type Import struct {
	Env  map[string]string
	Now  time.Time
	Seed [32]byte
}

// Program is the modules of a push, evaluated and ready to run. It is
// reference-counted: Load returns it with one reference.
type Program struct{ engine *Engine }

// Load evaluates modules into a Program. A module whose evaluation throws is
// remembered (see ImportError); the others work. The error is for what
// concerns the push as a whole: an *Exception when evaluation ran out of time or memory.
func (e *Engine) Load(ctx context.Context, modules []Module, world Import) (*Program, error) {
	return &Program{engine: e}, nil
}

// ImportError says why a module could not be evaluated, or nil.
func (p *Program) ImportError(path string) *Exception { return nil }

// Retain adds a reference.
func (p *Program) Retain() {}

// Release drops a reference. When the last is gone idle isolates are freed;
// running calls finish.
func (p *Program) Release() {}

// Run executes one call in a fresh context. What user code does wrong is in
// Result.Exception; the error is ours, the Host's or ctx's.
func (p *Program) Run(ctx context.Context, c Call) (Result, error) { return Result{}, nil }

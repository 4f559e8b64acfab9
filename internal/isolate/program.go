package isolate

// #include <stdlib.h>
// #include "binding.h"
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// importTime bounds the evaluation of a push's modules (convex-cli §2.6:
// analysis has 4 s of user time).
const importTime = 4 * time.Second

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
type Program struct {
	engine *Engine
	group  string        // see WithGroup
	acting *atomic.Int64 // top-level actions of the group
	world  Import
	paths  []string
	maps   SourceMaps
	failed map[string]*Exception
	blob   *blob

	// plain is set when the modules cannot live in a snapshot: the blob then
	// holds only the shims, and every context evaluates the modules anew.
	plain []byte
	env   []byte

	// Under Engine.mu. The blob lives until refs, heaps and pins are gone.
	refs  int
	heaps int
	idle  []*heap

	traces traces

	inspectOnce sync.Mutex
	inspected   []ModuleInfo
}

// Load evaluates modules into a Program. A module whose evaluation throws is
// remembered (see ImportError); the others work. The error is for what
// concerns the push as a whole: an *Exception when evaluation ran out of time
// or memory.
func (e *Engine) Load(ctx context.Context, modules []Module, world Import) (*Program, error) {
	return e.load(ctx, modules, world, rules{})
}

// isChunk tells code shared between modules from the modules themselves.
func isChunk(path string) bool { return strings.HasPrefix(path, "_deps/") }

// rules are what modules may not do while they are evaluated by themselves.
type rules struct {
	Subject Subject `json:"subject,omitempty"`
}

// environment is what the shims read when they are set up.
type environment struct {
	Env   map[string]string `json:"env"`
	Rules rules             `json:"rules"`
}

func (e *Engine) load(ctx context.Context, modules []Module, world Import, r rules) (*Program, error) {
	p := &Program{engine: e, group: groupOf(ctx), acting: e.actingOf(groupOf(ctx)), world: world, maps: NewSourceMaps(modules), failed: map[string]*Exception{}, refs: 1}
	if world.Env == nil {
		world.Env = map[string]string{}
	}
	env, err := json.Marshal(environment{world.Env, r})
	if err != nil {
		return nil, fmt.Errorf("isolate: encode the environment: %w", err)
	}
	p.env = env
	// Entries before chunks: a chunk is evaluated by the entry that needs it.
	order := slices.Clone(modules)
	slices.SortStableFunc(order, func(a, b Module) int {
		x, y := isChunk(a.Path), isChunk(b.Path)
		switch {
		case x == y:
			return strings.Compare(a.Path, b.Path)
		case y:
			return -1
		}
		return 1
	})
	var packed []byte
	for _, m := range order {
		packed = appendString(appendString(packed, m.Path), m.Source)
		p.paths = append(p.paths, m.Path)
	}
	if err := e.slots.acquire(ctx, p.group); err != nil {
		return nil, err
	}
	defer e.slots.release()
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, errClosed
	}
	e.programs++
	e.mu.Unlock()
	err = p.snapshot(ctx, packed)
	if err == nil {
		if p.needsPlain() {
			err = errNoBlob
		} else {
			err = p.probe(ctx)
		}
		if err != nil {
			p.blob = nil // a lost isolate may still read it
		}
	}
	if errors.Is(err, errLost) || errors.Is(err, errNoBlob) {
		// V8 could not serialise something the modules hold.
		e.opt.Log.Info("modules cannot be kept in a snapshot, evaluating them for each call", "err", err)
		clear(p.failed)
		if err = p.snapshot(ctx, nil); err == nil {
			p.plain = packed
			err = p.probe(ctx)
		}
	}
	if err != nil {
		p.Release()
		return nil, err
	}
	return p, nil
}

// needsPlain says whether a module failed only because it was evaluated for a
// snapshot: V8 has no WebAssembly then.
func (p *Program) needsPlain() bool {
	for _, x := range p.failed {
		if x.Message == "WebAssembly is not defined" {
			return true
		}
	}
	return false
}

// errLost and errNoBlob are the ways a snapshot can fail to come about.
var (
	errLost   = errors.New("isolate: the engine gave up while making the snapshot")
	errNoBlob = errors.New("isolate: the engine made no snapshot")
)

// snapshot evaluates shims and modules and keeps the blob.
func (p *Program) snapshot(ctx context.Context, packed []byte) error {
	e := p.engine
	shims, err := packedShims()
	if err != nil {
		return err
	}
	id, dead := mourn()
	type outcome struct{ b C.lentil_blob }
	done := make(chan outcome, 1)
	// C writes the isolate's address here while it runs, so it is C memory.
	watched := (**C.lentil_isolate)(C.calloc(1, C.size_t(unsafe.Sizeof(uintptr(0)))))
	world, limits, env := cWorld(0, ms(p.world.Now), &p.world.Seed), e.limits(), p.env
	go func() {
		s, sn := chars(shims)
		m, mn := chars(packed)
		v, vn := chars(env)
		done <- outcome{C.lentil_load(C.uint64_t(id), s, sn, m, mn, v, vn, world, limits, watched)}
	}()
	begun := time.Now()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	stop := ctx.Done()
	for {
		select {
		case o := <-done:
			forget(id)
			C.lentil_load_done(*watched)
			C.free(unsafe.Pointer(watched))
			return p.loaded(ctx, o.b)
		case <-dead:
			e.parked.Add(1)
			return errLost
		case <-stop:
			if i := loadPointer(watched); i != nil && C.lentil_stop(i, C.LENTIL_STOPPED) != 0 {
				stop = nil
			}
		case <-tick.C:
			if i := loadPointer(watched); i != nil {
				C.lentil_watch(i, C.int64_t(importTime))
				if time.Since(begun) > 4*importTime {
					C.lentil_stop(i, C.LENTIL_TIMEOUT)
				}
			}
		}
	}
}

// loaded takes over what lentil_load made.
func (p *Program) loaded(ctx context.Context, b C.lentil_blob) error {
	list := bytesOf(b.errors, b.errors_len)
	free(b.errors)
	if b.data != nil {
		p.blob = &blob{p: b.data, n: b.data_len}
	}
	if err := p.importFailures(list); err != nil {
		return err
	}
	if b.why == C.LENTIL_STOPPED && ctx.Err() != nil {
		return ctx.Err()
	}
	if b.why != C.LENTIL_RUNNING {
		return p.ended(int(b.why), p.engine.opt.HeapLimit, importTime)
	}
	if p.blob == nil {
		return errNoBlob
	}
	return nil
}

// importFailures reads the list of modules that threw.
func (p *Program) importFailures(list []byte) error {
	for len(list) > 0 {
		var path, text []byte
		path, list = takeString(list)
		text, list = takeString(list)
		if len(path) == 0 {
			return fmt.Errorf("isolate: %s", text)
		}
		p.failed[string(path)] = p.maps.Exception(text)
	}
	return nil
}

// probe makes the first isolate and context, which a later call will find
// ready: some things in a snapshot show only now that they cannot live there.
// For a plain program it evaluates the modules, to learn which throw.
func (p *Program) probe(ctx context.Context) error {
	h := p.take(false)
	v := p.guard(h)
	done := make(chan error, 1)
	of, plain := p.blob, p.plain // load changes them when the isolate is lost
	go func() {
		p.newHeapOf(h, of)
		p.engine.watch(v)
		realm := C.lentil_realm_new(h.c)
		if plain == nil {
			h.ready = realm
			done <- nil
			return
		}
		list, why := p.evaluate(realm)
		C.lentil_realm_free(realm)
		err := p.importFailures(list)
		if why != C.LENTIL_RUNNING {
			err = p.ended(why, p.engine.opt.HeapLimit, importTime)
		}
		done <- err
	}()
	defer p.engine.unwatch(v)
	select {
	case err := <-done:
		p.engine.unwatch(v)
		p.give(h, p.plain != nil)
		return err
	case <-h.dead:
		h.lost()
		return errLost
	}
}

// evaluate runs the modules of a plain program in a fresh context.
func (p *Program) evaluate(realm *C.lentil_realm) (failures []byte, why int) {
	m, mn := chars(p.plain)
	env, envn := chars(p.env)
	var b C.lentil_blob
	C.lentil_realm_import(realm, m, mn, env, envn, cWorld(0, ms(p.world.Now), &p.world.Seed), &b)
	failures = bytesOf(b.errors, b.errors_len)
	free(b.errors)
	return failures, int(b.why)
}

// ImportError says why a module could not be evaluated, or nil.
func (p *Program) ImportError(path string) *Exception { return p.failed[path] }

// Retain adds a reference.
func (p *Program) Retain() {
	p.engine.mu.Lock()
	p.refs++
	p.engine.mu.Unlock()
}

// Release drops a reference. When the last is gone idle isolates are freed;
// running calls finish.
func (p *Program) Release() {
	e := p.engine
	e.mu.Lock()
	p.refs--
	var idle []*heap
	if p.refs == 0 {
		e.programs--
		idle, p.idle = p.idle, nil
		for _, h := range idle {
			e.dropIdle(h)
		}
	}
	gone := p.refs == 0 && p.heaps == 0 && len(idle) == 0
	e.mu.Unlock()
	for _, h := range idle {
		h.dispose()
	}
	if gone && p.blob != nil {
		p.blob.free()
	}
}

// dropHeap counts an isolate down; with the last of a released program the
// blob goes.
func (p *Program) dropHeap() {
	p.engine.mu.Lock()
	p.heaps--
	gone := p.refs == 0 && p.heaps == 0
	p.engine.mu.Unlock()
	if gone && p.blob != nil {
		p.blob.free()
	}
}

// pin keeps the blob for good: an isolate that is lost still reads it.
func (p *Program) pin() {
	p.engine.mu.Lock()
	p.heaps++
	p.engine.mu.Unlock()
}

// ms gives a time as JavaScript counts it.
func ms(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()/1000) / 1000
}

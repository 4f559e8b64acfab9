package isolate

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
)

// Position is a place in the sources, 1-based lines and 0-based columns; the
// zero Position is unknown.
type Position struct {
	Path         string
	Line, Column int
}

// Function is one exported registered function.
type Function struct {
	Name     string
	Kind     Kind // 0 for an HTTP action
	HTTP     bool
	Public   bool // neither Public nor Internal is possible for HTTP actions
	Internal bool
	Args     string // exportArgs(): validator JSON; "" when the function has none
	Returns  string // exportReturns(): validator JSON or "null"
	Pos      Position
}

// Route is one entry of an HTTP router; prefix routes end with "*".
type Route struct {
	Path, Method string
	Pos          Position
}

// ModuleInfo is what a module offers.
type ModuleInfo struct {
	Path      string
	Functions []Function // in order of their names
	Router    bool       // default export is an HTTP router (isRouter)
	Routes    []Route
	Crons     string // default.export() of a cron table (isCrons), JSON; else ""
	Error     *Exception
}

// rawPosition is a place as hooks.inspect tells it: script, line, column.
type rawPosition []any

// rawModule is what hooks.inspect tells of a module.
type rawModule struct {
	Path      string
	Functions []struct {
		Name                   string
		Kind                   Kind
		HTTP, Public, Internal bool
		Args, Returns          string
		Pos                    rawPosition
	}
	Router bool
	Routes []struct {
		Path, Method string
		Pos          rawPosition
	}
	Crons string
	Error *string
}

// position maps a place to the sources.
func (s SourceMaps) position(raw rawPosition) Position {
	if len(raw) != 3 {
		return Position{}
	}
	path, _ := raw[0].(string)
	line, _ := raw[1].(float64)
	col, _ := raw[2].(float64)
	if file, l, c, ok := s.source(path, int(line)+1, int(col)+1); ok {
		return Position{file, l, c - 1}
	}
	return Position{path, int(line) + 1, int(col)}
}

// Inspect enumerates what each module exports, in the order of the modules'
// paths; chunks below _deps/ are left out, modules whose evaluation threw are
// listed with that Error. A failure of user code (exportArgs throws, two
// markers on one function, …) is in ModuleInfo.Error too.
func (p *Program) Inspect(ctx context.Context) ([]ModuleInfo, error) {
	p.inspectOnce.Lock()
	defer p.inspectOnce.Unlock()
	if p.inspected != nil {
		return p.inspected, nil
	}
	text, x, err := p.hook(ctx, "inspect")
	if err != nil {
		return nil, err
	}
	if x != nil {
		return nil, x
	}
	list, err := p.maps.ModuleInfos([]byte(text))
	if err != nil {
		return nil, err
	}
	found := map[string]*ModuleInfo{}
	for i := range list {
		found[list[i].Path] = &list[i]
	}
	infos := []ModuleInfo{}
	for _, path := range p.paths {
		m := found[path]
		switch {
		case m != nil:
			infos = append(infos, *m)
		case p.failed[path] != nil && !isChunk(path):
			infos = append(infos, ModuleInfo{Path: path, Error: p.failed[path]})
		}
	}
	p.inspected = infos
	return infos, nil
}

// ModuleInfos reads what runtime/inspect.js tells of modules.
func (s SourceMaps) ModuleInfos(text []byte) ([]ModuleInfo, error) {
	var raw []rawModule
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("isolate: read what modules export: %w", err)
	}
	infos := make([]ModuleInfo, 0, len(raw))
	for i := range raw {
		infos = append(infos, s.info(&raw[i]))
	}
	return infos, nil
}

// info gives the typed form of what was found in a module.
func (s SourceMaps) info(m *rawModule) ModuleInfo {
	info := ModuleInfo{Path: m.Path, Router: m.Router, Crons: m.Crons}
	for _, f := range m.Functions {
		info.Functions = append(info.Functions, Function{f.Name, f.Kind, f.HTTP, f.Public, f.Internal, f.Args, f.Returns, s.position(f.Pos)})
	}
	for _, r := range m.Routes {
		info.Routes = append(info.Routes, Route{r.Path, r.Method, s.position(r.Pos)})
	}
	if m.Error != nil {
		info.Error = s.Exception([]byte(*m.Error))
	}
	return info
}

// hook calls one of the shims' functions in a fresh context, under the rules
// of the import phase.
func (p *Program) hook(ctx context.Context, name string, args ...string) (string, *Exception, error) {
	r, err := p.Run(ctx, Call{Method: name, Args: args, Now: p.world.Now, Seed: p.world.Seed, Host: noHost{},
		Limits: Limits{UserTime: importTime, TotalTime: 4 * importTime}})
	return r.Value, r.Exception, err
}

// noHost refuses everything: the host of the import phase.
type noHost struct{}

// Syscall refuses: there is no transaction to ask.
func (noHost) Syscall(op string, args []byte) ([]byte, error) {
	return nil, &Throw{Message: "Can't use database at import time"}
}

// AsyncSyscall refuses, too.
func (noHost) AsyncSyscall(ctx context.Context, op string, args []byte) ([]byte, error) {
	return nil, &Throw{Message: "Can't use database at import time"}
}

// Print drops what a module prints while it is inspected.
func (noHost) Print(level, line string) {}

// Subject is a kind of module that a push evaluates by itself, under rules of
// its own (convex-cli §2.6, §3).
type Subject uint8

// The subjects of Evaluate.
const (
	AuthConfig Subject = iota + 1 // auth.config.js: JSON.stringify(default); unset environment variables are errors; no Date, random, crypto, timers
	Schema                        // schema.js: default.export(); no environment variables
	Definition                    // convex.config.js: default.export(); no Date, random, crypto, performance
)

// Evaluate evaluates the first of modules (the others are there to be
// imported) and returns the JSON text the subject exports. Failures of user
// code are an *Exception with Code set where the wire has one
// (AuthConfigMissingEnvironmentVariable, AuthConfigMissingExportError,
// NoEnvironmentVariablesInSchema, NoDateDuringDefinitionEvaluation, …).
func (e *Engine) Evaluate(ctx context.Context, s Subject, modules []Module, world Import) (string, *Exception, error) {
	if len(modules) == 0 {
		return "", nil, fmt.Errorf("isolate: nothing to evaluate")
	}
	p, err := e.load(ctx, modules, world, rules{Subject: s})
	if x, ok := err.(*Exception); ok {
		return "", x, nil
	}
	if err != nil {
		return "", nil, err
	}
	defer p.Release()
	path := modules[0].Path
	if x := p.failed[path]; x != nil {
		return "", x, nil
	}
	return p.hook(ctx, "evaluate", strconv.Itoa(int(s)), path)
}

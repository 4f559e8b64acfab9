package deploy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// inspection is what evaluating the pushed code told.
type inspection struct {
	inspected   // of the app
	providers   []token.Provider
	definitions map[string]*inspected // of components, by path
	instances   []udf.Component       // the app first, and parents before children
}

// inspected is what evaluating one definition told: the app's or a component's.
type inspected struct {
	pkg        udf.Package    // with sources
	schema     *schema.Schema // nil without schema.ts
	definition *Definition
	functions  map[string]*AnalyzedModule
	crons      []scheduler.CronSpec
}

// prefix begins the message of an error that the pushed code made (convex-cli §2.6).
const prefix = "Hit an error while pushing:\n"

// inspect evaluates all that a bundle contains, in the order of convex-cli §2.6.
func (s *Service) inspect(ctx context.Context, b *bundle) (*inspection, error) {
	app := &b.request.AppDefinition
	now := time.Now().UnixMilli()
	in := &inspection{definitions: map[string]*inspected{}}
	in.pkg.Config = udf.Config{ServerVersion: app.UDFServerVersion, ImportPhaseUnixTimestampMS: now}
	_, _ = rand.Read(in.pkg.Config.ImportPhaseRngSeed[:]) // never fails
	world := isolate.Import{Env: b.env, Now: time.UnixMilli(now), Seed: in.pkg.Config.ImportPhaseRngSeed}
	if err := s.analyze(ctx, b.modules, b, &in.inspected, world); err != nil {
		return nil, err
	}
	for _, m := range b.modules {
		if m.Path != authModule {
			continue
		}
		var err error
		if in.providers, err = s.evaluateAuth(ctx, m.Module, b.env); err != nil {
			return nil, err
		}
		if err := s.guard(ctx, b.env, namedBy(in.providers)); err != nil {
			return nil, err
		}
	}
	var err error
	if in.schema, err = s.evaluateSchema(ctx, app.Schema, world); err != nil {
		return nil, err
	}
	if err := s.inspectComponents(ctx, b, in, world); err != nil {
		return nil, err
	}
	return in, in.instantiate()
}

// analyze loads the modules of the app, whose bundle b is, or of a component, and lists
// their functions.
func (s *Service) analyze(ctx context.Context, all []moduleSource, b *bundle, in *inspected, world isolate.Import) error {
	var modules []isolate.Module
	for _, m := range all {
		if m.Path != authModule && m.Environment == environmentIsolate {
			modules = append(modules, m.forIsolate())
		}
	}
	p, err := s.Engine.Load(isolate.WithGroup(ctx, s.Runner.Deployment), modules, world)
	if err != nil {
		return loadFailure(err)
	}
	defer p.Release()
	infos, err := p.Inspect(ctx)
	if err != nil {
		return loadFailure(err)
	}
	for _, m := range modules {
		if x := p.ImportError(m.Path); x != nil {
			return cannotAnalyze(m.Path, x.Text)
		}
	}
	found := make(map[string]isolate.ModuleInfo, len(infos))
	for _, info := range infos {
		if info.Error != nil {
			return cannotAnalyze(info.Path, info.Error.Text)
		}
		found[info.Path] = info
	}
	for _, m := range modules {
		if _, ok := found[m.Path]; !ok && !strings.HasPrefix(m.Path, "_deps/") {
			return cannotAnalyze(m.Path, "The module did not finish loading: it took too long, or too much memory.")
		}
	}
	if b != nil {
		if err := s.analyzeNode(ctx, b, in, found); err != nil {
			return err
		}
	}
	in.functions = make(map[string]*AnalyzedModule, len(found))
	for _, m := range all {
		row := udf.ModuleRow{Path: m.Path, Environment: m.Environment, Hash: m.hash, Source: m.Source, SourceMap: m.SourceMap}
		if info, ok := found[m.Path]; ok && m.Path != authModule {
			analyzed, rows, err := analyzeModule(info)
			if err != nil {
				return err
			}
			if err := readRoutes(info, analyzed, &row); err != nil {
				return err
			}
			in.functions[m.Path], row.Functions = analyzed, rows
		}
		in.pkg.Modules = append(in.pkg.Modules, row)
	}
	if info, ok := found[cronsModule]; ok {
		return in.readCrons(info)
	}
	return nil
}

// loadFailure reports code that failed as a whole: it took too long, or too much memory.
func loadFailure(err error) error {
	var x *isolate.Exception
	if errors.As(err, &x) {
		return bad("InvalidModules", "%sLoading the pushed modules encountered the following\n    error:\n%s", prefix, x.Text)
	}
	return err
}

// forIsolate hands the module over for evaluation.
func (m *Module) forIsolate() isolate.Module {
	return isolate.Module{Path: m.Path, Source: m.Source, SourceMap: m.SourceMap}
}

// cannotAnalyze reports a module whose code failed.
func cannotAnalyze(path, text string) error {
	return bad("InvalidModules", "%sLoading the pushed modules encountered the following\n    error:\nFailed to analyze %s: %s", prefix, path, text)
}

// kinds translates between the rooms' names for a kind of function.
var kinds = map[isolate.Kind]udf.Kind{isolate.Query: udf.Query, isolate.Mutation: udf.Mutation, isolate.Action: udf.Action}

// analyzeModule gives the functions of a module in the form of the answer and of the registry.
func analyzeModule(info isolate.ModuleInfo) (*AnalyzedModule, []udf.FunctionRow, error) {
	out := &AnalyzedModule{Functions: []AnalyzedFunction{}}
	var rows []udf.FunctionRow
	for _, f := range info.Functions {
		kind, ok := kinds[f.Kind]
		if f.HTTP || !ok {
			continue // reached through the router of http.js only
		}
		row := udf.FunctionRow{Name: f.Name, Kind: kind, Public: f.Public}
		var err error
		if row.Args, err = schema.ParseArgs([]byte(f.Args)); err != nil {
			return nil, nil, cannotAnalyze(info.Path, "Invalid args validator of "+f.Name+": "+message(err))
		}
		if row.Returns, err = schema.ParseReturns([]byte(f.Returns)); err != nil {
			return nil, nil, cannotAnalyze(info.Path, "Invalid returns validator of "+f.Name+": "+message(err))
		}
		if f.Pos.Path != "" {
			row.Pos = &udf.Position{Path: f.Pos.Path, StartLine: f.Pos.Line, StartCol: f.Pos.Column}
		}
		args := string(row.Args.JSON())
		a := AnalyzedFunction{Name: f.Name, Pos: row.Pos, UDFType: kind.String(), Args: &args}
		if row.Returns != nil {
			returns := string(row.Returns.JSON())
			a.Returns = &returns
		}
		switch {
		case f.Public:
			a.Visibility = &Visibility{"public"}
		case f.Internal:
			a.Visibility = &Visibility{"internal"}
		}
		if row.Args.IsAny() {
			row.Args = nil
		}
		out.Functions = append(out.Functions, a)
		rows = append(rows, row)
	}
	return out, rows, nil
}

// evaluateAuth evaluates auth.config and reads its providers (convex-cli §3).
func (s *Service) evaluateAuth(ctx context.Context, m Module, env map[string]string) ([]token.Provider, error) {
	text, x, err := s.Engine.Evaluate(ctx, isolate.AuthConfig, []isolate.Module{m.forIsolate()}, isolate.Import{Env: env, Now: time.Now()})
	if err != nil {
		return nil, err
	}
	if x != nil {
		if x.Code != "" {
			return nil, bad(x.Code, "%s", x.Message)
		}
		return nil, bad("InvalidAuthConfig", "The pushed auth config is invalid: %s", x.Text)
	}
	return token.ParseProviders([]byte(text))
}

// evaluateSchema evaluates schema.js; nil if there is none.
func (s *Service) evaluateSchema(ctx context.Context, m *Module, world isolate.Import) (*schema.Schema, error) {
	if m == nil {
		return nil, nil
	}
	world.Env = nil
	text, err := s.evaluate(ctx, isolate.Schema, *m, world, "InvalidSchema")
	if err != nil {
		return nil, err
	}
	sc, err := schema.ParseSchema([]byte(text))
	if err != nil {
		return nil, prefixed(err)
	}
	return sc, nil
}

// evaluateDefinition evaluates a convex.config.js, which the client always sends:
// for an app without one it is an empty defineApp(). children are the modules that
// stand for the definitions it imports.
func (s *Service) evaluateDefinition(ctx context.Context, path string, m *Module, children []isolate.Module, world isolate.Import) (*Definition, error) {
	text, err := s.evaluate(ctx, isolate.Definition, *m, world, "InvalidDefinition", children...)
	if err != nil {
		return nil, err
	}
	d := &Definition{ChildComponents: []ChildComponent{}, HTTPMounts: map[string]string{}}
	if err := json.Unmarshal([]byte(text), d); err != nil {
		return nil, bad("InvalidDefinition", "%sThe definition in convex.config.ts%s cannot be read: %v", prefix, ofComponent(path), err)
	}
	d.Path = path
	return d, nil
}

// ofComponent says in a message which component is meant; nothing for the app.
func ofComponent(path string) string {
	if path == "" {
		return ""
	}
	return " of component " + clip(path)
}

// evaluate evaluates a module of configuration and makes a failure of its code a refusal.
func (s *Service) evaluate(ctx context.Context, subject isolate.Subject, m Module, world isolate.Import, code string, imports ...isolate.Module) (string, error) {
	text, x, err := s.Engine.Evaluate(ctx, subject, append([]isolate.Module{m.forIsolate()}, imports...), world)
	if err != nil {
		return "", err
	}
	if x != nil {
		if x.Code != "" {
			code = x.Code
		}
		return "", bad(code, "%s%s", prefix, x.Text)
	}
	return text, nil
}

// prefixed puts the prefix of push errors before a refusal.
func prefixed(err error) error {
	e, ok := apierr.As(err)
	if !ok {
		return err
	}
	return bad(e.Code, "%s%s", prefix, e.Message)
}

// message is what a caller may see of an error.
func message(err error) string {
	if e, ok := apierr.As(err); ok {
		return e.Message
	}
	return err.Error()
}

// udfConfig writes the configuration as clients know it.
func udfConfig(c udf.Config) UDFConfig {
	return UDFConfig{
		ServerVersion:            c.ServerVersion,
		ImportPhaseRngSeed:       value.JSON(value.Bytes(c.ImportPhaseRngSeed[:])),
		ImportPhaseUnixTimestamp: value.JSON(value.Int64(c.ImportPhaseUnixTimestampMS)),
	}
}

// requiredVariables are the names of variables that convex.config.ts declares
// and does not call optional.
func (d *Definition) requiredVariables() ([]string, error) {
	declared, err := d.variables()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, v := range declared {
		if !v.optional {
			names = append(names, v.name)
		}
	}
	return names, nil
}

// variable is an environment variable that a definition declares.
type variable struct {
	name      string
	validator *schema.Validator
	optional  bool
}

// variables are what the definition declares.
func (d *Definition) variables() ([]variable, error) {
	if len(d.EnvVars) == 0 || string(d.EnvVars) == "null" {
		return nil, nil
	}
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(d.EnvVars, &pairs); err != nil {
		return nil, bad("InvalidDefinition", "%sThe environment variables declared in convex.config.ts%s cannot be read: %v", prefix, ofComponent(d.Path), err)
	}
	var all []variable
	for _, pair := range pairs {
		var x variable
		var v struct {
			Value    string `json:"value"`
			Optional bool   `json:"optional"`
		}
		if json.Unmarshal(pair[0], &x.name) != nil || json.Unmarshal(pair[1], &v) != nil {
			return nil, bad("InvalidDefinition", "%sThe environment variables declared in convex.config.ts%s cannot be read.", prefix, ofComponent(d.Path))
		}
		var err error
		if x.validator, err = schema.ParseValidator([]byte(v.Value)); err != nil {
			return nil, bad("InvalidDefinition", "%sThe environment variable %s declared in convex.config.ts%s has an invalid validator: %s",
				prefix, clip(x.name), ofComponent(d.Path), message(err))
		}
		x.optional = v.Optional
		all = append(all, x)
	}
	return all, nil
}

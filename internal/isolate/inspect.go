package isolate

import "context"

// Position is a place in the sources, 1-based lines and 0-based columns, or
// zero when unknown.
type Position struct {
	Path         string
	Line, Column int
}

// Function is one exported registered function.
type Function struct {
	Name     string
	Kind     Kind // 0 for an HTTP action (isHttp)
	HTTP     bool
	Public   bool // isPublic; neither Public nor Internal is possible for HTTP actions
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

// Inspect enumerates what each module exports, in the order of the modules'
// paths; chunks below _deps/ are left out. A failure of user code
// (exportArgs throws, two markers on one function, …) is in ModuleInfo.Error.
func (p *Program) Inspect(ctx context.Context) ([]ModuleInfo, error) { return nil, nil }

// Subject is a kind of module that a push evaluates by itself, under rules of
// its own.
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
	return "", nil, nil
}

package udf

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/value"
)

// execution is one run of one function, and what its program may ask of the
// house: it implements isolate.Host. Nested calls of queries and mutations are
// executions of their own that share the run and its transaction.
//
// The engine makes one host call at a time for queries and mutations. In
// actions several run at once; they touch nothing here but run.logs, which
// locks itself.
type execution struct {
	run     *run
	live    *live // of the component whose function it is
	program javascript
	kind    Kind
	path    funcPath
	fn      *FunctionRow
	tx      *database.Tx // in the component's namespace; nil in actions
	depth   int          // 0 for the call that came from outside
	budget  budget       // what this call may still do in the transaction

	http       *httpExchange // of HTTP actions
	streams    map[int]*stream
	lastStream int
	paginated  bool
}

// run is what all executions of one request share.
type run struct {
	r      *Runner
	req    *Request
	now    time.Time
	logs   *logBuffer
	loaded []loaded // programs of all components that take part

	mutation     bool // whether a mutation was called from outside, and not a query
	usedCaller   bool
	observedTime bool
	journal      *string                      // end cursor of the page that the outermost function read
	schemas      map[value.Space]*heldSchemas // once they were read in the transaction
	audits       []auditTemplate              // entries of the audit log that a success writes
	before       counts                       // used of the transaction before the function began
	counts       counts                       // used since, of what the database does not count
}

// loaded is a program that a run holds on to.
type loaded struct {
	live    *live
	node    bool
	program javascript
	done    func()
}

// heldSchemas are the schemas that writes to a namespace are held against.
type heldSchemas struct {
	active  *schema.Schema
	pending *Pending // that a push waits for; nil for none
}

// load gives the program of a component, as of a snapshot.
func (u *run) load(ctx context.Context, l *live, snapshot persistence.Timestamp) (javascript, error) {
	for _, p := range u.loaded {
		if p.live == l && p.node == u.req.node {
			return p.program, nil
		}
	}
	acquire := u.r.acquire
	if u.req.node {
		acquire = u.r.acquireNode
	}
	program, done, err := acquire(ctx, l, func(ctx context.Context) (*database.Tx, error) { return u.r.DB.BeginAt(ctx, snapshot) })
	if err == nil {
		u.loaded = append(u.loaded, loaded{l, u.req.node, program, done})
	}
	return program, err
}

// leave lets go of the programs.
func (u *run) leave() {
	for _, p := range u.loaded {
		p.done()
	}
}

// space is the namespace that the function works in.
func (x *execution) space() value.Space { return x.live.component.Space }

// failed is a failure of the function that its caller is told about: user code
// threw, or broke a rule before or after it ran.
type failed struct {
	text string
	data []byte
}

// thrownBy is the failure of a function that threw. What a program claims to be a
// ConvexError may hold anything; data that is no value would break the answer.
func thrownBy(e *isolate.Exception) *failed {
	f := &failed{text: e.Text, data: e.Data}
	if _, err := value.Parse(e.Data); err != nil {
		f.data = nil
	}
	return f
}

// Error gives the text that clients see below the request id.
func (f *failed) Error() string { return f.text }

// Limits on the time of one execution (convex-runtime.md §5.5).
var timeLimits = map[Kind]isolate.Limits{
	Query:    {UserTime: time.Second, TotalTime: 15 * time.Second},
	Mutation: {UserTime: time.Second, TotalTime: 15 * time.Second},
	Action:   {UserTime: 10 * time.Minute, TotalTime: 10 * time.Minute},
}

// engineKinds are our kinds as the engine calls them.
var engineKinds = map[Kind]isolate.Kind{Query: isolate.Query, Mutation: isolate.Mutation, Action: isolate.Action}

// lookup finds the function of a request and tells in the words of the wire
// what is wrong if it cannot be run (convex-runtime.md §6.4).
func (l *live) lookup(path string, kind Kind, internal bool) (funcPath, *FunctionRow, error) {
	p, ok := parsePath(path)
	if !ok {
		return p, nil, notFound(path, internal)
	}
	fn := l.functions[p]
	switch {
	case fn == nil || !fn.Public && !internal:
		return p, nil, notFoundIn(p.Client(), l.component.Path, internal)
	case kind != fn.Kind:
		return p, nil, &failed{text: fmt.Sprintf("Trying to execute %s as %s, but it is defined as %s.", p, kind, fn.Kind)}
	}
	return p, fn, nil
}

// notFound says that there is no function of the app to call.
func notFound(path string, internal bool) error { return notFoundIn(path, "", internal) }

// notFoundIn says that there is no function of a component to call.
func notFoundIn(path, component string, internal bool) error {
	if len(path) > 256 {
		path = path[:256] + "…"
	}
	visibility := "public "
	if internal {
		visibility = ""
	}
	if component != "" {
		return &failed{text: fmt.Sprintf("Could not find %sfunction for '%s' in component '%s'.", visibility, strings.TrimSuffix(path, ":default"), clip([]byte(component)))}
	}
	return &failed{text: fmt.Sprintf("Could not find %sfunction for '%s'. Did you forget to run `npx convex dev` or `npx convex deploy`?", visibility, strings.TrimSuffix(path, ":default"))}
}

// parseArguments reads the arguments of a request: an object, or an array of at most one.
func parseArguments(raw []byte) (value.Object, error) { return parseArgumentsBy(value.Parse, raw) }

// parseArgumentsBy is parseArguments with the parser of the values.
func parseArgumentsBy(parse func([]byte) (value.Value, error), raw []byte) (value.Object, error) {
	if len(raw) == 0 {
		return value.Object{}, nil
	}
	v, err := parse(raw)
	if err != nil {
		return value.Object{}, &failed{text: "ArgumentValidationError: " + messageOf(err)}
	}
	if list, ok := v.(value.Array); ok {
		switch len(list) {
		case 0:
			return value.Object{}, nil
		case 1:
			v = list[0]
		}
	}
	o, ok := v.(value.Object)
	if !ok {
		return o, &failed{text: fmt.Sprintf("ArgumentValidationError: Expected to receive an object as the function's argument. Instead received: %s\n\n"+
			"Convex functions take a single object of named arguments, like {\"name\": value}.", clip(value.JSON(v)))}
	}
	return o, nil
}

// messageOf is the public text of an error.
func messageOf(err error) string {
	if e, ok := apierr.As(err); ok {
		return e.Message
	}
	return err.Error()
}

// clip shortens a text that is quoted in a message.
func clip(b []byte) string {
	if len(b) > 256 {
		return string(b[:256]) + "…"
	}
	return string(b)
}

// checkArguments holds arguments against the size limit and the validator of the function.
func checkArguments(fn *FunctionRow, path funcPath, args value.Object, tables schema.Tables) error {
	if n := value.Size(args); n > value.MaxArgumentsSize {
		return &failed{text: fmt.Sprintf("Arguments for %s are too large (actual: %s, limit: %s)", path, value.FormatSize(n), value.FormatSize(value.MaxArgumentsSize))}
	}
	if fn.Args == nil {
		return nil
	}
	if err := fn.Args.Check(args, tables); err != nil {
		return &failed{text: "ArgumentValidationError: " + err.Error()}
	}
	return nil
}

// checkResult holds a result against the size limit and the validator of the function.
// Within the transaction of a mutation it may be unresolved.
func checkResult(fn *FunctionRow, path funcPath, result string, tables schema.Tables, mutation bool) error {
	unresolved := value.MayBeUnresolved(result)
	if fn.Returns == nil && !unresolved && plain(result) {
		return nil
	}
	v, err := value.ParseUnresolved([]byte(result))
	if err != nil {
		return &failed{text: "ReturnsValidationError: " + messageOf(err)}
	}
	if unresolved && !mutation && value.Unresolved(v) {
		return &failed{text: "ReturnsValidationError: queries cannot return an unresolved commit timestamp. " +
			"Read the document after the mutation has committed to get its value."}
	}
	if n := value.Size(v); n > value.MaxResultSize {
		return &failed{text: fmt.Sprintf("Function %s return value is too large (actual: %s, limit: %s)", path, value.FormatSize(n), value.FormatSize(value.MaxResultSize))}
	}
	if fn.Returns != nil {
		if err := fn.Returns.Check(v, tables); err != nil {
			return &failed{text: "ReturnsValidationError: " + err.Error()}
		}
	}
	return nil
}

// plain tells cheaply that a text is JSON within all limits of values, so that
// results without a validator need not be parsed. What it does not vouch for may still be fine.
func plain(s string) bool {
	if len(s) > value.MaxResultSize/5 { // "0," is two bytes of JSON, and the worst: nine by value.Size
		return false
	}
	var commas [value.MaxDepth + 1]int
	var limits [value.MaxDepth + 1]int
	depth, inString := 0, false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++ // only strings have these, or else it is no JSON
		case '"':
			inString = !inString
		case '{', '[':
			if inString {
				continue
			}
			if depth++; depth > value.MaxDepth {
				return false
			}
			commas[depth], limits[depth] = 0, value.MaxArrayLength
			if s[i] == '{' {
				limits[depth] = value.MaxFields
			}
		case '}', ']':
			if !inString {
				depth = max(0, depth-1)
			}
		case ',':
			if !inString {
				if commas[depth]++; commas[depth] >= limits[depth] {
					return false
				}
			}
		}
	}
	return json.Valid([]byte(s))
}

// invoke runs the function in JavaScript and checks what it returns. What user
// code did wrong is a *failed; any other error is ours.
func (x *execution) invoke(ctx context.Context, args value.Object, tables schema.Tables) (string, error) {
	if err := checkArguments(x.fn, x.path, args, tables); err != nil {
		return "", err
	}
	text := value.AppendJSON([]byte{'['}, args)
	if x.live.node[x.path.Module] && len(text) > maxNodeArguments {
		return "", &failed{text: fmt.Sprintf("Arguments for %s are too large (actual: %s, limit of actions in Node.js: %s)", x.path, value.FormatSize(len(text)), value.FormatSize(maxNodeArguments))}
	}
	call := isolate.Call{
		Kind: engineKinds[x.kind], Module: x.path.Module, Export: x.path.Export,
		Method: "invoke" + x.kind.String(), Args: []string{string(append(text, ']'))},
		Now: x.run.now, Host: x, Limits: timeLimits[x.kind],
	}
	if x.live.node[x.path.Module] {
		call.Limits = isolate.Limits{} // the pool has a setting
	}
	rand.Read(call.Seed[:])
	if x.kind == Action {
		call.Args = []string{x.run.req.RequestID, call.Args[0]}
	}
	result, err := x.program.Run(ctx, call)
	x.closeStreams()
	if err != nil {
		return "", err
	}
	x.run.observedTime = x.run.observedTime || result.ObservedTime
	if n := len(result.Unawaited); n > 0 {
		plural := "s"
		if n == 1 {
			plural = ""
		}
		x.run.logs.system("", fmt.Sprintf("%d unawaited operation%s: [%s]. Async operations should be awaited or they might not run. "+
			"See https://docs.convex.dev/functions/actions#dangling-promises for more information.", n, plural, strings.Join(result.Unawaited, ", ")))
	}
	if limit := timeLimits[x.kind].UserTime; x.depth == 0 && x.kind != Action && float64(result.UserTime) > warnShare*float64(limit) {
		x.run.logs.system("UserTimeout", fmt.Sprintf("Function execution took a long time (actual: %v, maximum duration: %v).", result.UserTime.Round(time.Millisecond), limit))
	}
	if e := result.Exception; e != nil {
		return "", thrownBy(e)
	}
	if x.kind == Action && x.fn.Returns != nil {
		// The action may have made tables that were not there when it began.
		tx, err := x.run.r.DB.Begin(ctx)
		if err != nil {
			return "", fmt.Errorf("udf: check result of action: %w", err)
		}
		tables = tx.In(x.space())
	}
	return result.Value, checkResult(x.fn, x.path, result.Value, tables, x.run.mutation)
}

// closeStreams frees what the program left open.
func (x *execution) closeStreams() {
	for _, s := range x.streams {
		s.close()
	}
	x.streams = nil
}

// Print takes a line that the program logged.
func (x *execution) Print(level, line string) { x.run.logs.print(level, line) }

// Syscall answers the operations that must not wait.
func (x *execution) Syscall(op string, args []byte) ([]byte, error) {
	return x.dispatch(context.Background(), op, args, true)
}

// AsyncSyscall answers the operations that the program awaits.
func (x *execution) AsyncSyscall(ctx context.Context, op string, args []byte) ([]byte, error) {
	return x.dispatch(ctx, op, args, false)
}

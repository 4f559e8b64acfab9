package udf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/search"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// house is a runner over an in-memory database. Its functions are Go code that makes
// the same host calls as the library would, so that what surrounds JavaScript can be
// tested without it; runtime_test.go has the real engine.
type house struct {
	testing.TB
	*Runner
	functions map[string]goFunction // by "messages.js:list"; swap the map to push
	loads     atomic.Int32
	released  atomic.Int32
}

// goFunction stands for a user function: arguments in, result or thrown error out.
type goFunction func(h *hostCalls, args string) (string, error)

// hostCalls are the operations that a goFunction asks for.
type hostCalls struct {
	ctx      context.Context
	host     isolate.Host
	call     isolate.Call
	observed bool
}

// thrown is what a goFunction throws of itself.
type thrown struct{ message string }

func (t thrown) Error() string { return t.message }

// async makes an awaited host call.
func (h *hostCalls) async(op, args string) (string, error) {
	b, err := h.host.AsyncSyscall(h.ctx, op, []byte(args))
	return string(b), err
}

// sync makes a host call that does not wait.
func (h *hostCalls) sync(op, args string) (string, error) {
	b, err := h.host.Syscall(op, []byte(args))
	return string(b), err
}

// collect reads a whole query and gives the documents.
func (h *hostCalls) collect(query string) (docs []json.RawMessage, err error) {
	opened, err := h.sync("1.0/queryStream", `{"query":`+query+`}`)
	if err != nil {
		return nil, err
	}
	for {
		row, err := h.async("1.0/queryStreamNext", opened)
		if err != nil {
			return nil, err
		}
		var r struct {
			Value json.RawMessage
			Done  bool
		}
		if err := json.Unmarshal([]byte(row), &r); err != nil {
			return nil, err
		}
		if r.Done {
			return docs, nil
		}
		docs = append(docs, r.Value)
	}
}

// goProgram is a loaded "program" of Go functions.
type goProgram struct {
	h         *house
	functions map[string]goFunction
	gone      atomic.Bool
}

func (p *goProgram) Run(ctx context.Context, c isolate.Call) (isolate.Result, error) {
	if p.gone.Load() {
		return isolate.Result{}, errors.New("run in a released program")
	}
	h := &hostCalls{ctx: ctx, host: c.Host, call: c}
	out, err := p.functions[c.Module+":"+c.Export](h, c.Args[len(c.Args)-1])
	var throw *isolate.Throw
	var own thrown
	switch {
	case errors.As(err, &throw):
		return isolate.Result{Exception: &isolate.Exception{Text: "Uncaught Error: " + throw.Message, Message: throw.Message, Data: throw.Data}}, nil
	case errors.As(err, &own):
		return isolate.Result{Exception: &isolate.Exception{Text: "Uncaught Error: " + own.message, Message: own.message}}, nil
	case err != nil:
		return isolate.Result{}, err
	}
	return isolate.Result{Value: out, ObservedTime: h.observed}, nil
}

func (p *goProgram) Release() {
	p.gone.Store(true)
	p.h.released.Add(1)
}

// newHouse opens a runner whose modules are Go functions.
func newHouse(t testing.TB) *house {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	searcher := &search.Service{DB: db, Log: slog.New(slog.DiscardHandler)}
	if err := searcher.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- db.Run(ctx) }()
	go func() { done <- searcher.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		<-done
		db.Close()
	})
	h := &house{TB: t, functions: map[string]goFunction{}}
	h.Runner = &Runner{
		DB: db, Search: searcher, Engine: new(isolate.Engine), Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef")), Log: slog.New(slog.DiscardHandler),
		CloudURL: "http://cloud.test", SiteURL: "http://site.test", Deployment: "happy-soup-1", System: map[string]SystemFunction{},
	}
	if err := h.Runner.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Runner.loader = func(context.Context, []isolate.Module, isolate.Import) (javascript, error) {
		h.loads.Add(1)
		return &goProgram{h: h, functions: h.functions}, nil
	}
	return h
}

// push makes functions live: kind and visibility are told by the key, as "query messages.js:list" or
// "internal mutation messages.js:send". The marker tells versions of the code apart.
func (h *house) push(marker string, functions map[string]goFunction, rows ...FunctionRow) {
	h.Helper()
	next := map[string]goFunction{}
	modules := map[string]*ModuleRow{}
	var paths []string
	for name, f := range functions {
		var kind, path string
		public := true
		if n, _ := fmt.Sscanf(name, "internal %s %s", &kind, &path); n == 2 {
			public = false
		} else {
			fmt.Sscanf(name, "%s %s", &kind, &path)
		}
		p, ok := parsePath(path)
		if !ok {
			h.Fatalf("path %q", path)
		}
		m := modules[p.Module]
		if m == nil {
			m = &ModuleRow{Path: p.Module, Environment: "isolate", Source: "// " + marker + p.Module}
			m.Hash = HashModule(m.Source, "")
			modules[p.Module] = m
			paths = append(paths, p.Module)
		}
		row := FunctionRow{Name: p.Export, Public: public}
		row.Kind, _ = KindNamed(map[string]string{"query": "Query", "mutation": "Mutation", "action": "Action"}[kind])
		for _, r := range rows {
			if r.Name == p.Export {
				row.Args, row.Returns = r.Args, r.Returns
			}
		}
		m.Functions = append(m.Functions, row)
		next[p.String()] = f
	}
	var p Package
	p.Config.ServerVersion = "1.48.0"
	for _, path := range paths {
		p.Modules = append(p.Modules, *modules[path])
	}
	h.functions = next
	h.update(func(tx *database.Tx) error { return InstallModules(h.Context(), tx, p) })
}

// update commits what f writes.
func (h *house) update(f func(*database.Tx) error) persistence.Timestamp {
	h.Helper()
	ts, err := h.DB.Update(h.Context(), f)
	if err != nil {
		h.Fatal(err)
	}
	return ts
}

// mustQuery runs a query that has to succeed.
func (h *house) mustQuery(q Request) *Outcome {
	h.Helper()
	out, err := h.Query(h.Context(), q)
	return h.must(out, err)
}

// mustMutate runs a mutation that has to succeed.
func (h *house) mustMutate(q Request) *Outcome {
	h.Helper()
	out, err := h.Mutation(h.Context(), q)
	return h.must(out, err)
}

// must checks that a run succeeded.
func (h *house) must(out *Outcome, err error) *Outcome {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
	if out.Failure != nil {
		h.Fatalf("failed: %s", out.Failure.Message)
	}
	return out
}

// obj makes an object of names and values in turn.
func obj(pairs ...any) value.Object {
	var fields []value.Field
	for i := 0; i < len(pairs); i += 2 {
		f := value.Field{Name: pairs[i].(string)}
		switch v := pairs[i+1].(type) {
		case value.Value:
			f.Value = v
		case string:
			f.Value = value.String(v)
		case int:
			f.Value = value.Float64(v)
		default:
			panic(fmt.Sprintf("%T", v))
		}
		fields = append(fields, f)
	}
	return value.ObjectOf(fields...)
}

// scanQuery is the query JSON of a whole table.
func scanQuery(table, order string) string {
	return fmt.Sprintf(`{"source":{"type":"FullTableScan","tableName":%q,"order":%q},"operators":[]}`, table, order)
}

// listAll is a function that returns all documents of a table.
func listAll(table string) goFunction {
	return func(h *hostCalls, _ string) (string, error) {
		docs, err := h.collect(scanQuery(table, "asc"))
		if err != nil {
			return "", err
		}
		if docs == nil {
			docs = []json.RawMessage{}
		}
		b, err := json.Marshal(docs)
		return string(b), err
	}
}

// insertInto is a function that inserts its arguments into a table.
func insertInto(table string) goFunction {
	return func(h *hostCalls, args string) (string, error) {
		out, err := h.async("1.0/insert", fmt.Sprintf(`{"table":%q,"value":%s}`, table, args[1:len(args)-1]))
		return out, err
	}
}

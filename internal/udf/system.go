package udf

import (
	"context"
	"errors"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// systemPrefix begins the paths of system functions.
const systemPrefix = "_system/"

// SystemFunction is a function of the house itself, written in Go, that admins
// call like any other: it is cached and subscribed to in the same way.
type SystemFunction struct {
	Kind Kind // Query or Mutation
	// Run works within c.Tx. An *apierr.Error that the caller may see becomes the Failure of the outcome.
	// A query depends on what it reads through c.Tx and on nothing else.
	Run func(ctx context.Context, c *SystemCtx) (value.Value, error)
}

// SystemCtx is what a system function works with.
type SystemCtx struct {
	Tx     *database.Tx // in the namespace of the component that the caller named
	Args   value.Object
	Caller token.Caller
	Runner *Runner
}

// systemKey is a path as the map of system functions has it: without ".js", with the export.
func systemKey(path string) string {
	p, ok := parsePath(path)
	if !ok {
		return path
	}
	return p.Client()
}

// systemFunction finds the Go function of a request. Those who are no admins
// find none, as if there were none.
func (r *Runner) systemFunction(q *Request) (SystemFunction, bool) {
	if !strings.HasPrefix(q.Path, systemPrefix) || !q.Caller.IsAdmin() {
		return SystemFunction{}, false
	}
	f, ok := r.System[systemKey(q.Path)]
	return f, ok
}

// call runs a system function in a transaction.
func (f SystemFunction) call(ctx context.Context, r *Runner, q *Request, kind Kind, tx *database.Tx) ([]byte, error) {
	if f.Kind != kind {
		return nil, &failed{text: "Trying to execute " + q.Path + " as " + kind.String() + ", but it is defined as " + f.Kind.String() + "."}
	}
	args, err := parseArguments(q.Args)
	if err != nil {
		return nil, err
	}
	space, err := r.Space(ctx, tx, q.Component)
	if err != nil {
		return nil, err
	}
	v, err := f.Run(ctx, &SystemCtx{Tx: tx.In(space), Args: args, Caller: q.Caller, Runner: r})
	var thrown *isolate.Throw // by what user code would catch, such as a cursor of another query
	if errors.As(err, &thrown) {
		return nil, &failed{text: thrown.Message, data: thrown.Data}
	}
	if err != nil {
		return nil, err
	}
	return value.JSON(v), nil
}

// PageOptions are paginationOpts as clients send them.
type PageOptions struct {
	Cursor   *string // nil starts at the beginning
	NumItems int
}

// Page is one page of documents.
type Page struct {
	Documents      []*database.Document
	IsDone         bool
	ContinueCursor string
}

// ParsePageOptions reads {cursor, numItems} from the member "paginationOpts" of the arguments.
func (c *SystemCtx) ParsePageOptions() (o PageOptions, err error) {
	v, _ := c.Args.Get("paginationOpts")
	opts, ok := v.(value.Object)
	if !ok {
		return o, apierr.New(apierr.BadRequest, "InvalidArgument", "The argument `paginationOpts` must be an object with `cursor` and `numItems`.")
	}
	n, _ := opts.Get("numItems")
	f, ok := n.(value.Float64)
	if !ok || f < 1 || f > maxPageSize {
		return o, apierr.New(apierr.BadRequest, "InvalidArgument", "`paginationOpts.numItems` must be a number from 1 to %d.", maxPageSize)
	}
	o.NumItems = int(f)
	if cursor, _ := opts.Get("cursor"); cursor != nil {
		if s, ok := cursor.(value.String); ok {
			o.Cursor = (*string)(&s)
		}
	}
	return o, nil
}

// Page reads one page of a table in the order of an index, with cursors that
// are sealed like those of user queries. An empty index is by_creation_time.
func (c *SystemCtx) Page(ctx context.Context, table, index string, order database.Order, o PageOptions) (*Page, error) {
	if index == "" {
		index = byCreationTime
	}
	q := &query{table: table, index: index, order: order}
	direction := "asc"
	if order == database.Desc {
		direction = "desc"
	}
	q.fingerprint = fingerprint([]byte("system "+table+"."+index+" "+direction), nil)
	p, err := q.readPage(ctx, c.Tx, cursorSealer{c.Runner.Sealer}, pageOptions{cursor: o.Cursor, size: max(1, o.NumItems)})
	if err != nil {
		return nil, queryError(err)
	}
	return &Page{Documents: p.documents, IsDone: p.isDone, ContinueCursor: p.next}, nil
}

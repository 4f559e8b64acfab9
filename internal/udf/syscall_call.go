package udf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxCallDepth is how deep functions may call one another (convex-runtime.md §3.5).
const maxCallDepth = 8

// callArgs are the arguments of every operation that calls a function.
type callArgs struct {
	address
	Type   string             `json:"udfType"`
	Args   json.RawMessage    `json:"args"`
	Limits map[string]float64 `json:"transactionLimits"`
}

// runUDF runs a function within the transaction of its caller: ctx.runQuery and
// ctx.runMutation of queries and mutations.
func (x *execution) runUDF(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a callArgs
	if err := decode(args, "runUdf", &a); err != nil {
		return nil, err
	}
	child := &execution{run: x.run, depth: x.depth + 1}
	snapshot := false
	switch a.Type {
	case "query":
		child.kind = Query
	case "snapshotQuery":
		child.kind, snapshot = Query, true
	case "mutation":
		child.kind = Mutation
	default:
		return nil, invalidArgument("udfType", "runUdf", fmt.Sprintf("unknown type %q", a.Type))
	}
	if x.kind == Query && (snapshot || child.kind != Query) {
		return nil, invalid("InvalidFunctionCall", "A query can only call other queries, not a %s.", a.Type)
	}
	if child.depth > maxCallDepth {
		return nil, invalid("MaximumCallDepthExceeded", "Cross component call depth limit exceeded. Functions can call one another at most %d levels deep.", maxCallDepth)
	}
	t, err := x.run.r.resolve(ctx, x.tx, x.live, &a.address, "runUdf")
	if err != nil {
		return nil, err
	}
	if child.live, err = x.run.r.liveFor(ctx, x.tx, x.live, t); err != nil {
		return nil, err
	}
	if child.path, child.fn, err = child.live.lookup(t.path, child.kind, true); err != nil {
		return nil, nested(err)
	}
	if child.program, err = x.run.load(ctx, child.live, x.tx.Snapshot()); err != nil {
		return nil, err
	}
	child.tx = x.tx.In(child.space())
	parse := value.Parse
	if x.run.mutation { // in whose transaction there may be commit timestamps to come (convex-runtime.md §4.2)
		parse = value.ParseUnresolved
	}
	o, err := parseArgumentsBy(parse, a.Args)
	if err != nil {
		return nil, nested(err)
	}
	if snapshot {
		// What it reads is as of the beginning and not depended on (convex-runtime.md §3.5).
		tx, err := x.run.r.DB.BeginAt(ctx, x.tx.Snapshot())
		if err != nil {
			return nil, err
		}
		child.tx = tx.In(child.space())
		child.tx.SetUsage(x.tx.Usage()) // the caller pays for it
	}
	used := x.used()
	child.budget = x.budget.narrow(a.Limits, &used)
	child.budget.apply(child.tx)
	savepoint, audits := child.tx.Savepoint(), len(x.run.audits)
	result, err := child.invoke(ctx, o, child.tx)
	if snapshot {
		x.tx.SetUsage(child.tx.Usage())
	}
	x.budget.apply(x.tx)
	if err != nil {
		child.tx.Rollback(savepoint)
		x.run.audits = x.run.audits[:audits]
		return nil, nested(err)
	}
	return []byte(result), nil
}

// nested makes the failure of a called function an error that its caller can catch.
func nested(err error) error {
	var f *failed
	if errors.As(err, &f) {
		return &isolate.Throw{Message: f.text, Data: f.data}
	}
	return err
}

// callFromAction runs a function on behalf of an action, in a transaction of its own.
func (x *execution) callFromAction(ctx context.Context, args json.RawMessage, method string, run func(context.Context, Request) (*Outcome, error)) ([]byte, error) {
	var a callArgs
	if err := decode(args, method, &a); err != nil {
		return nil, err
	}
	req := Request{
		Args: a.Args, Caller: x.run.req.Caller, Internal: true, RequestID: x.run.req.RequestID,
		IP: x.run.req.IP, UserAgent: x.run.req.UserAgent, AuthToken: x.run.req.AuthToken, CallerName: "Action",
		badAuth: x.run.req.badAuth,
		parent:  x.run.logs.executionID, origin: x.run.req.origin,
	}
	err := x.run.r.DB.View(ctx, func(tx *database.Tx) error {
		t, err := x.run.r.resolve(ctx, tx, x.live, &a.address, method)
		req.Component, req.Path = t.component, t.path
		return err
	})
	if err != nil {
		return nil, err
	}
	if req.Component != x.live.component.Path && !req.Caller.IsAdmin() {
		req.Caller = token.Caller{} // who calls stays within the component (convex-runtime.md §7.2)
	}
	if strings.HasPrefix(req.Path, systemPrefix) {
		return nil, nested(notFound(req.Path, true))
	}
	out, err := run(ctx, req)
	if err != nil {
		return nil, err
	}
	if f := out.Failure; f != nil {
		return nil, &isolate.Throw{Message: f.Text, Data: f.Data}
	}
	return out.Value, nil
}

// actionQuery answers ctx.runQuery of actions.
func (x *execution) actionQuery(ctx context.Context, args json.RawMessage) ([]byte, error) {
	return x.callFromAction(ctx, args, "runQuery", x.run.r.Query)
}

// actionMutation answers ctx.runMutation of actions.
func (x *execution) actionMutation(ctx context.Context, args json.RawMessage) ([]byte, error) {
	return x.callFromAction(ctx, args, "runMutation", x.run.r.Mutation)
}

// actionAction answers ctx.runAction.
func (x *execution) actionAction(ctx context.Context, args json.RawMessage) ([]byte, error) {
	return x.callFromAction(ctx, args, "runAction", x.run.r.Action)
}

// createFunctionHandle gives the handle of a function; a handle stays as it is.
func (x *execution) createFunctionHandle(ctx context.Context, args json.RawMessage) (out []byte, err error) {
	var a callArgs
	if err := decode(args, "createFunctionHandle", &a); err != nil {
		return nil, err
	}
	if x.tx != nil {
		return x.run.r.handleOf(ctx, x.tx, x.live, &a.address)
	}
	err = x.run.r.DB.View(ctx, func(tx *database.Tx) (err error) {
		out, err = x.run.r.handleOf(ctx, tx, x.live, &a.address)
		return err
	})
	return out, err
}

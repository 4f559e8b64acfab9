package udf

import (
	"context"
	"encoding/json"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/isolate"
)

// where is a set of kinds of functions.
type where uint8

// Where an operation may be used: the columns of the table below.
const (
	inQuery where = 1 << iota
	inMutation
	inAction

	inTx  = inQuery | inMutation
	inAll = inTx | inAction
)

// style is how the library calls an operation.
type style uint8

// The styles. The engine passes those of js on as if they were sync_, without arguments.
const (
	async style = iota // Convex.asyncSyscall
	sync_              // Convex.syscall
	js                 // Convex.jsSyscall, which carries JavaScript values
)

// syscall is one operation that user code asks of the house through the library.
type syscall struct {
	op    string
	style style
	where where
	// run answers it. When it is nil the operation is known but not offered, and feature names
	// in an error what the program wanted.
	run     func(x *execution, ctx context.Context, args json.RawMessage) ([]byte, error)
	feature string
}

// Features that the library offers and this house does not yet.
const (
	featureStorage    = "File storage (ctx.storage)"
	featureComponents = "Components"
)

// syscalls is every operation of the library (convex-runtime.md §3.4).
var syscalls = []syscall{
	{op: "1.0/get", where: inTx, run: (*execution).get},
	{op: "1.0/queryStream", style: sync_, where: inTx, run: (*execution).queryStream},
	{op: "1.0/queryStreamNext", where: inTx, run: (*execution).queryStreamNext},
	{op: "1.0/queryCleanup", style: sync_, where: inTx, run: (*execution).queryCleanup},
	{op: "1.0/queryPage", where: inTx, run: (*execution).queryPage},
	{op: "1.0/count", where: inTx, run: (*execution).count},
	{op: "1.0/insert", where: inMutation, run: (*execution).insert},
	{op: "1.0/shallowMerge", where: inMutation, run: (*execution).shallowMerge},
	{op: "1.0/replace", where: inMutation, run: (*execution).replace},
	{op: "1.0/remove", where: inMutation, run: (*execution).remove},
	{op: "1.0/db/normalizeId", style: sync_, where: inTx, run: (*execution).normalizeID},

	{op: "1.0/getUserIdentity", where: inAll, run: (*execution).getUserIdentity},
	{op: "1.0/signJwt", where: inMutation, run: (*execution).signJWT},

	{op: "1.0/runUdf", where: inTx, run: (*execution).runUDF},
	{op: "1.0/actions/query", where: inAction, run: (*execution).actionQuery},
	{op: "1.0/actions/mutation", where: inAction, run: (*execution).actionMutation},
	{op: "1.0/actions/action", where: inAction, run: (*execution).actionAction},
	{op: "1.0/createFunctionHandle", where: inAll, run: (*execution).createFunctionHandle},

	{op: "1.0/getTransactionMetrics", where: inTx, run: (*execution).getTransactionMetrics},
	{op: "1.0/getFunctionMetadata", where: inAll, run: (*execution).getFunctionMetadata},
	{op: "1.0/getDeploymentMetadata", where: inAll, run: (*execution).getDeploymentMetadata},
	{op: "1.0/getRequestMetadata", where: inAll, run: (*execution).getRequestMetadata},
	{op: "1.0/getSnapshotTs", style: sync_, where: inTx, run: (*execution).getSnapshotTS},
	{op: "1.0/componentArgument", style: sync_, where: inAll, run: (*execution).componentArgument},

	{op: "1.0/schedule", where: inMutation, run: (*execution).schedule},
	{op: "1.0/cancel_job", where: inMutation, run: (*execution).cancelJob},
	{op: "1.0/actions/schedule", where: inAction, run: (*execution).scheduleFromAction},
	{op: "1.0/actions/cancel_job", where: inAction, run: (*execution).cancelJobFromAction},

	{op: "1.0/storageGetUrl", where: inAll, run: (*execution).storageGetURL},
	{op: "1.0/storageGetMetadata", where: inAll, run: (*execution).storageGetMetadata},
	{op: "1.0/storageGenerateUploadUrl", where: inMutation | inAction, run: (*execution).storageGenerateUploadURL},
	{op: "1.0/storageDelete", where: inMutation | inAction, run: (*execution).storageDelete},
	{op: "1.0/storageStore", where: inMutation, run: (*execution).storageStore},
	{op: "1.0/storageGet", where: inMutation, run: (*execution).storageGet},
	{op: "storage/storeBlob", style: js, where: inAction, run: (*execution).viaJavaScript},
	{op: "storage/getBlob", style: js, where: inAction, run: (*execution).viaJavaScript},

	{op: "1.0/actions/vectorSearch", where: inAction, run: (*execution).vectorSearch},
	{op: "1.0/auditLog", where: inAll, run: (*execution).auditLog},
	{op: "1.0/createServiceToken", where: inAction, run: (*execution).cloudService},
	{op: "1.0/getServiceUrl", where: inAction, run: (*execution).cloudService},
	{op: "requestFromConvexJson", style: js, where: inAction, run: (*execution).viaJavaScript},
	{op: "convexJsonFromResponse", style: js, where: inAction, run: (*execution).viaJavaScript},

	{op: "throwOcc", style: sync_, where: inTx, run: func(*execution, context.Context, json.RawMessage) ([]byte, error) {
		return nil, errTestConflict
	}},
	{op: "throwOverloaded", style: sync_, where: inTx, run: func(*execution, context.Context, json.RawMessage) ([]byte, error) {
		return nil, apierr.New(apierr.Overloaded, "Busy", "The deployment is busy. Try again later.")
	}},
}

// syscallNamed indexes the table by operation.
var syscallNamed = func() map[string]*syscall {
	m := make(map[string]*syscall, len(syscalls))
	for i := range syscalls {
		m[syscalls[i].op] = &syscalls[i]
	}
	return m
}()

// kindWhere is the column of a kind.
var kindWhere = [...]where{Query: inQuery, Mutation: inMutation, Action: inAction, HTTPAction: inAction}

// dispatch answers one operation. What the program may not do, or does wrong,
// becomes an Error that it can catch.
func (x *execution) dispatch(ctx context.Context, op string, args []byte, synchronous bool) ([]byte, error) {
	s := syscallNamed[op]
	switch {
	case s == nil || s.where&kindWhere[x.kind] == 0 || (s.style == async) == synchronous:
		// The library recognises this text (its meta_impl looks for "Unknown async operation").
		if synchronous {
			return nil, &isolate.Throw{Message: "Unknown operation " + op}
		}
		return nil, &isolate.Throw{Message: "Unknown async operation " + op}
	case s.run == nil:
		return nil, toJS(unsupported(s.feature))
	}
	out, err := s.run(x, ctx, args)
	if err != nil {
		return nil, toJS(err)
	}
	return out, nil
}

// viaJavaScript stands for operations that the engine's shims answer, through JSSyscall.
func (x *execution) viaJavaScript(context.Context, json.RawMessage) ([]byte, error) {
	return nil, invalid("InvalidOperation", "This operation is one of Convex.jsSyscall.")
}

// decode reads the arguments of an operation, which the library has written.
func decode(args json.RawMessage, method string, into any) error {
	if err := json.Unmarshal(args, into); err != nil {
		return invalid("InvalidArgument", "Invalid arguments for `%s`: %v", method, err)
	}
	return nil
}

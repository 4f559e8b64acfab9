package udf

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// getUserIdentity answers ctx.auth.getUserIdentity, which makes the result the caller's own.
func (x *execution) getUserIdentity(context.Context, json.RawMessage) ([]byte, error) {
	if x.kind != Action { // in actions several calls run at once, and nobody asks
		x.run.usedCaller = true
	}
	if x.http != nil && x.http.request.AuthError != nil {
		return nil, invalid("Unauthenticated", "%s", messageOf(x.http.request.AuthError))
	}
	return x.run.req.Caller.IdentityJSON(), nil
}

// metric is one figure of getTransactionMetrics.
type metric struct {
	Used      int `json:"used"`
	Remaining int `json:"remaining"`
}

// metricOf makes the figure of a counter and its limit.
func metricOf(used, limit int) metric { return metric{used, max(0, limit-used)} }

// Limits of what is scheduled in one execution (convex-runtime.md §5.5).
const (
	maxScheduled      = 1000
	maxScheduledBytes = 16 << 20
)

// getTransactionMetrics answers ctx.meta.getTransactionMetrics.
func (x *execution) getTransactionMetrics(context.Context, json.RawMessage) ([]byte, error) {
	u, l, before := x.tx.Usage(), x.limits, x.run.before.Intervals
	return json.Marshal(map[string]metric{
		"bytesRead": metricOf(u.BytesRead, l.BytesRead), "bytesWritten": metricOf(u.BytesWritten, l.BytesWritten),
		"databaseQueries": metricOf(u.Intervals-before, l.Intervals-before),
		"documentsRead":   metricOf(u.DocumentsRead, l.DocumentsRead), "documentsWritten": metricOf(u.DocumentsWritten, l.DocumentsWritten),
		"filesWritten": metricOf(x.run.filesWritten, maxTxFiles), "fileWriteBytes": metricOf(x.run.fileWriteBytes, maxTxFileBytes),
		"filesRead": metricOf(x.run.filesRead, maxTxFiles), "fileReadBytes": metricOf(x.run.fileReadBytes, maxTxFileBytes),
		"functionsScheduled": metricOf(x.run.scheduled, maxScheduled), "scheduledFunctionArgsBytes": metricOf(x.run.scheduledBytes, maxScheduledBytes),
	})
}

// getFunctionMetadata answers ctx.meta.getFunctionMetadata; the library adds the rest.
func (x *execution) getFunctionMetadata(context.Context, json.RawMessage) ([]byte, error) {
	return json.Marshal(map[string]string{"name": x.path.Client(), "componentPath": x.live.component.Path})
}

// deploymentClass is the size we claim to have: the smallest that the library knows.
const deploymentClass = "s16"

// getDeploymentMetadata answers ctx.meta.getDeploymentMetadata.
func (x *execution) getDeploymentMetadata(context.Context, json.RawMessage) ([]byte, error) {
	return json.Marshal(map[string]any{"name": x.run.r.Deployment, "region": nil, "class": deploymentClass})
}

// getRequestMetadata answers ctx.meta.getRequestMetadata, which queries do not have.
func (x *execution) getRequestMetadata(context.Context, json.RawMessage) ([]byte, error) {
	if x.kind == Query {
		return nil, invalid("RequestMetadataNotAllowed", "Request metadata is not available in queries, because their results are shared between requests.")
	}
	q := x.run.req
	var job any
	if q.origin != nil {
		job = q.origin.String()
	}
	return json.Marshal(map[string]any{
		"ip": orNull(q.IP), "userAgent": orNull(q.UserAgent), "requestId": q.RequestID,
		"scheduledFunctionId": job, "authToken": orNull(q.AuthToken),
	})
}

// orNull is a string, or nil when it is empty.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// getSnapshotTS answers ctx.meta.getSnapshotTs.
func (x *execution) getSnapshotTS(context.Context, json.RawMessage) ([]byte, error) {
	return value.JSON(value.Int64(x.tx.Snapshot())), nil
}

// componentArgument is for components only.
func (x *execution) componentArgument(_ context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Name string `json:"name"`
	}
	if err := decode(args, "componentArgument", &a); err != nil {
		return nil, err
	}
	if x.live.tree == nil {
		return nil, invalid("NoComponentArgs", "The app itself has no component arguments.")
	}
	if v, ok := x.live.component.Args[a.Name]; ok {
		return json.Marshal(map[string]json.RawMessage{"value": v})
	}
	return []byte("{}"), nil
}

// warnShare is the share of a limit above which an execution is warned (convex-runtime.md §3.8).
const warnShare = 0.8

// advice ends warnings about reading too much.
const advice = "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."

// warn adds the lines about limits that an execution came close to.
func (b *logBuffer) warn(u database.Usage, l database.Limits) {
	for _, w := range []struct {
		code, what  string
		used, limit int
		unit, hint  string
	}{
		{"TooManyDocumentsRead", "Many documents read", u.DocumentsRead, l.DocumentsRead, "", " " + advice},
		{"TooManyBytesRead", "Many bytes read", u.BytesRead, l.BytesRead, " bytes", " " + advice},
		{"TooManyReads", "Many reads", u.Intervals, l.Intervals, "", " " + advice},
		{"TooManyWrites", "Many documents written", u.DocumentsWritten, l.DocumentsWritten, "", ""},
		{"TooManyBytesWritten", "Many bytes written", u.BytesWritten, l.BytesWritten, " bytes", ""},
	} {
		if w.limit > 0 && float64(w.used) > warnShare*float64(w.limit) {
			b.system(w.code, fmt.Sprintf("%s in a single function execution (actual: %d%s, limit: %d%s).%s",
				w.what, w.used, w.unit, w.limit, w.unit, w.hint))
		}
	}
}

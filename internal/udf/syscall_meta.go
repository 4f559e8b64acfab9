package udf

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lentil-dev/lentil/internal/value"
)

// getUserIdentity answers ctx.auth.getUserIdentity, which makes the result the caller's own.
func (x *execution) getUserIdentity(context.Context, json.RawMessage) ([]byte, error) {
	if x.kind != Action { // in actions several calls run at once, and nobody asks
		x.run.usedCaller = true
	}
	if err := x.run.req.badAuth; err != nil {
		return nil, invalid("Unauthenticated", "%s", messageOf(err))
	}
	return x.run.req.Caller.IdentityJSON(), nil
}

// metric is one figure of getTransactionMetrics.
type metric struct {
	Used      int `json:"used"`
	Remaining int `json:"remaining"`
}

// getTransactionMetrics answers ctx.meta.getTransactionMetrics.
func (x *execution) getTransactionMetrics(context.Context, json.RawMessage) ([]byte, error) {
	used, out := x.used(), make(map[string]metric, meters)
	for m, name := range meterNames {
		out[name] = metric{used[m] - x.run.before[m], x.budget.left(meter(m), &used)}
	}
	return json.Marshal(out)
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
	x.run.observedTime = true // it differs at every run, and limits caching as the clock does (server/meta.ts)
	return value.JSON(value.Int64(x.tx.Snapshot())), nil
}

// cloudService answers getServiceToken and getServiceUrl, which lead to services that
// the vendor runs for its own deployments.
func (x *execution) cloudService(_ context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Service string `json:"service"`
	}
	if err := decode(args, "getServiceUrl", &a); err != nil {
		return nil, err
	}
	if a.Service != "ai-gateway" {
		return nil, invalidArgument("service", "getServiceUrl", fmt.Sprintf("unknown service %q", clip([]byte(a.Service))))
	}
	return nil, invalid("AiGatewayUnavailable", "AiGatewayUnavailable: The AI gateway is a service of Convex Cloud that a self-hosted deployment does not have. "+
		"Call the provider of the model with a key of your own from the environment variables instead.")
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

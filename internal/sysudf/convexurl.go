package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// cloudURL is the address that clients connect to; `function-spec` prints it.
func cloudURL(_ context.Context, c *udf.SystemCtx) (value.Value, error) {
	return value.String(c.Runner.CloudURL), nil
}

// siteURL is the address of HTTP actions.
func siteURL(_ context.Context, c *udf.SystemCtx) (value.Value, error) {
	return value.String(c.Runner.SiteURL), nil
}

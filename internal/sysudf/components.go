package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// components lists the mounted components; there are none yet.
func components(context.Context, *udf.SystemCtx) (value.Value, error) { return value.Array{}, nil }

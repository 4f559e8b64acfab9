package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// imports lists the snapshot imports: there never was one.
func imports(context.Context, *udf.SystemCtx) (value.Value, error) { return value.Array{}, nil }

// importState is the state of one import: null for one that does not exist.
func importState(context.Context, *udf.SystemCtx) (value.Value, error) { return value.Null{}, nil }

package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// stagedValidators tells of each staged validator whether the documents of its table match it.
func stagedValidators(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	list, err := udf.StagedValidators(ctx, c.Tx)
	if err != nil {
		return nil, err
	}
	out := make(value.Array, 0, len(list))
	for _, s := range list {
		o := object("table", value.String(s.Table), "state", value.String(s.State))
		if s.State == udf.StagedInvalid {
			o = o.With("error", value.String(s.Failure))
			if s.Document != "" {
				o = o.With("document", value.String(s.Document))
			}
		}
		out = append(out, o)
	}
	return out, nil
}

package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// components lists the instances of components, the app among them. An instance's
// path is its id.
func components(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	t, err := udf.Components(ctx, c.Tx)
	if err != nil {
		return nil, err
	}
	list := value.Array{}
	for i := range t.All {
		in := &t.All[i]
		state := "active"
		if !in.Mounted {
			state = "unmounted"
		}
		list = append(list, object(
			"id", value.String(in.Path), "path", value.String(in.Path), "name", value.String(in.Name()), "state", value.String(state)))
	}
	return list, nil
}

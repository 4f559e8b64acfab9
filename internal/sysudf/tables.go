package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// tables lists the user's tables as one page.
func tables(_ context.Context, c *udf.SystemCtx) (value.Value, error) {
	page := value.Array{}
	for _, t := range c.Tx.Tables() {
		if !t.System() {
			page = append(page, object("name", value.String(t.Name)))
		}
	}
	return object("page", page, "isDone", value.Bool(true), "continueCursor", value.String("end")), nil
}

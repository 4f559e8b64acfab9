package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// tableSize is how many documents a table has; `deploy` asks before it lets an
// index of a large table go.
func tableSize(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	table, err := userTable(c, "tableName")
	if err != nil {
		return nil, err
	}
	n, err := c.Tx.Count(ctx, table)
	if err != nil {
		return nil, err
	}
	return value.Float64(n), nil
}

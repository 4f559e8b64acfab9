package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// watchTable has a result that changes whenever the table does: `dev` watches it
// after documents did not match a schema. The result is no list of documents but
// their number and the snapshot, which is newer each time the query had to run.
func watchTable(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	table, err := userTable(c, "tableName")
	if err != nil {
		return nil, err
	}
	n, err := c.Tx.Count(ctx, table)
	if err != nil {
		return nil, err
	}
	return object("count", value.Float64(n), "snapshot", value.Int64(c.Tx.Snapshot())), nil
}

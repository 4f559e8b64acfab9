package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// schemas gives the text of the schema that writes are checked against, or null;
// the MCP server's tool "tables" reads it.
func schemas(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	text, err := udf.ActiveSchemaJSON(ctx, c.Tx)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return object("active", value.Null{}), nil
	}
	return object("active", value.String(text)), nil
}

package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// auditLogs is a page of what functions wrote with log.audit, newest first. The
// body of an entry is JSON text: it is no Convex value.
func auditLogs(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	opts, err := c.ParsePageOptions()
	if err != nil {
		return nil, err
	}
	p, err := c.Page(ctx, udf.AuditTable, "", database.Desc, opts)
	if err != nil {
		return nil, err
	}
	page := make(value.Array, 0, len(p.Documents))
	for _, d := range p.Documents {
		page = append(page, d.Object())
	}
	return object("page", page, "isDone", value.Bool(p.IsDone), "continueCursor", value.String(p.ContinueCursor)), nil
}

package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// tableData is a page of a table's documents in order of creation.
func tableData(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	table, err := text(c, "table")
	if err == nil && table != scheduler.FunctionTable && table != filestorage.FileTable { // which users may look at
		table, err = userTable(c, "table")
	}
	if err != nil {
		return nil, err
	}
	order := database.Asc
	switch o, _ := c.Args.Get("order"); o {
	case nil, value.Null{}, value.String("asc"):
	case value.String("desc"):
		order = database.Desc
	default:
		return nil, apierr.New(apierr.BadRequest, "InvalidArgument", "The argument `order` must be \"asc\" or \"desc\".")
	}
	opts, err := c.ParsePageOptions()
	if err != nil {
		return nil, err
	}
	p, err := c.Page(ctx, table, "", order, opts)
	if err != nil {
		return nil, err
	}
	page := make(value.Array, 0, len(p.Documents))
	for _, d := range p.Documents {
		if d.System() {
			page = append(page, scheduler.Public(d))
		} else {
			page = append(page, d.Object())
		}
	}
	return object("page", page, "isDone", value.Bool(p.IsDone), "continueCursor", value.String(p.ContinueCursor)), nil
}

package sysudf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// latestExport is the state of the newest snapshot export; null if there never was
// one. `export` watches it.
func latestExport(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	e, err := backup.LatestExport(ctx, c.Tx)
	if err != nil || e == nil {
		return value.Null{}, err
	}
	o := object("_id", value.String(e.ID.String()), "state", value.String(e.State))
	if e.Start != 0 {
		o = o.With("start_ts", value.Int64(e.Start))
	}
	if e.Complete != 0 {
		o = o.With("complete_ts", value.Int64(e.Complete)).With("expiration_ts", value.Int64(e.Expires.UnixNano()))
	}
	return o, nil
}

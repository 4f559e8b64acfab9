package deployment

import (
	"context"
	"time"
)

// Idle says whether nothing goes on beside requests that closing would break off or
// put off, and when the next scheduled function or cron job is due (zero: none).
func (d *Deployment) Idle(ctx context.Context) (idle bool, due time.Time, err error) {
	due, running, err := d.Jobs.Next(ctx)
	if err != nil {
		return false, due, err
	}
	checking, err := d.Deploy.Checking(ctx)
	if err != nil {
		return false, due, err
	}
	return !running && !checking && !d.DB.Unfinished() && !d.Backup.Busy(), due, nil
}

package filestorage

import (
	"context"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// When the bytes of keys are removed. An upload of a day is longer than any
// connection lasts; downloads of deleted files get a minute to open their bytes.
const (
	pendingTime = 24 * time.Hour
	goneTime    = time.Minute
	sweepEvery  = 5 * time.Minute
	sweepBatch  = 100
)

// Run removes bytes that no file has any more, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Log.Warn("bytes of deleted files not removed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep removes what is due to be removed at a time, unless it is paused.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	for {
		if s.paused() {
			return nil
		}
		n, err := s.sweepSome(ctx, now)
		if err != nil || n == 0 {
			return err
		}
	}
}

// doomed is a row of keyTable that has served its time.
type doomed struct {
	row   value.ID
	key   string
	bytes bool // that the bytes go with it
}

// sweepSome removes up to sweepBatch keys and tells how many.
func (s *Store) sweepSome(ctx context.Context, now time.Time) (int, error) {
	var list []doomed
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		for state, age := range map[string]time.Duration{pending: pendingTime, gone: goneTime} {
			prefix := value.AppendKey(nil, value.String(state))
			upper := value.AppendKey(append([]byte(nil), prefix...), value.Float64(now.Add(-age).UnixMilli()))
			c := tx.Scan(keyTable, byState, database.Interval{Lower: prefix, Upper: upper}, database.Asc)
			for len(list) < sweepBatch {
				doc, err := c.Next(ctx)
				if err != nil {
					c.Close()
					return err
				}
				if doc == nil {
					break
				}
				d := doomed{row: doc.ID, key: text(doc, "key"), bytes: true}
				err = eachKey(ctx, tx, byKey, d.key, func(other *database.Document) error {
					d.bytes = d.bytes && text(other, "state") != attached
					return nil
				})
				if err != nil {
					c.Close()
					return err
				}
				list = append(list, d)
			}
			c.Close()
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("filestorage: find what to sweep: %w", err)
	}
	for _, d := range list {
		if d.bytes {
			if err := s.Blobs.Delete(ctx, blobKey(d.key)); err != nil {
				return 0, fmt.Errorf("filestorage: sweep: %w", err)
			}
		}
	}
	_, err = s.DB.Update(ctx, func(tx *database.Tx) error {
		for _, d := range list {
			if doc, err := tx.Get(ctx, d.row); err != nil || doc == nil {
				if err != nil {
					return err
				}
				continue
			}
			if err := tx.Delete(ctx, d.row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("filestorage: sweep: %w", err)
	}
	return len(list), nil
}

package backup

import (
	"context"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// When things go.
const (
	uploadLife   = 24 * time.Hour      // an upload that does not become an import
	confirmLife  = 24 * time.Hour      // an import that nobody confirms
	rowLife      = 30 * 24 * time.Hour // the row of an export or import that is over
	sweepEvery   = 10 * time.Minute
	abandonedMsg = "The import was not confirmed within a day."
)

// sweepOn sweeps until ctx ends.
func (s *Service) sweepOn(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Log.Warn("old exports and uploads not removed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep removes what is due to be removed at a time: bytes of exports that have
// expired or came to nothing, uploads that became no import or whose import is over,
// imports that nobody confirmed, and rows that are old.
func (s *Service) Sweep(ctx context.Context, now time.Time) error {
	for _, f := range [...]func(context.Context, time.Time) (bool, error){s.sweepUpload, s.sweepExport, s.sweepImport} {
		for {
			more, err := f(ctx, now)
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
	}
	return nil
}

// find is the first row of a table, in order of creation, that matches.
func (s *Service) find(ctx context.Context, table string, match func(*database.Document) bool) (found *database.Document, err error) {
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		return each(ctx, tx, table, database.ByCreationTime, database.Asc, nil, func(row *database.Document) (bool, error) {
			if match(row) {
				found = row
			}
			return found == nil, nil
		})
	})
	return found, err
}

// remove deletes a row if it is there.
func (s *Service) remove(ctx context.Context, id value.ID) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		row, err := tx.Get(ctx, id)
		if err != nil || row == nil {
			return err
		}
		return tx.Delete(ctx, id)
	})
	return err
}

// older tells whether a time in milliseconds is so long ago.
func older(ms float64, now time.Time, life time.Duration) bool {
	return ms < float64(now.Add(-life).UnixMilli())
}

// sweepUpload removes an upload.
func (s *Service) sweepUpload(ctx context.Context, now time.Time) (bool, error) {
	row, err := s.find(ctx, uploadTable, func(row *database.Document) bool { return older(number(row.Object(), "time"), now, uploadLife) })
	if err != nil || row == nil {
		return false, err
	}
	if err := s.dropUpload(ctx, text(row.Object(), "token")); err != nil {
		return false, err
	}
	return true, s.remove(ctx, row.ID)
}

// sweepExport removes the bytes of an export, and then its row.
func (s *Service) sweepExport(ctx context.Context, now time.Time) (bool, error) {
	row, err := s.find(ctx, exportTable, func(row *database.Document) bool {
		o := row.Object()
		switch text(o, "state") {
		case requested, inProgress:
			return false
		case completed:
			return text(o, "blob") != "" && older(number(o, "expires"), now, 0) || older(row.CreationTime, now, rowLife)
		default:
			return older(row.CreationTime, now, rowLife)
		}
	})
	if err != nil || row == nil {
		return false, err
	}
	if key := text(row.Object(), "blob"); key != "" {
		if err := s.Blobs.Delete(ctx, key); err != nil {
			return false, err
		}
		return true, s.settle(ctx, row.ID, "blob", nil)
	}
	return true, s.remove(ctx, row.ID)
}

// sweepImport gives up an import that nobody confirmed, or removes the row of one
// that is over.
func (s *Service) sweepImport(ctx context.Context, now time.Time) (bool, error) {
	row, err := s.find(ctx, importTable, func(row *database.Document) bool {
		switch text(row.Object(), "state") {
		case waiting:
			return older(row.CreationTime, now, confirmLife)
		case completed, failed:
			return older(row.CreationTime, now, rowLife)
		}
		return false
	})
	if err != nil || row == nil {
		return false, err
	}
	if text(row.Object(), "state") == waiting {
		_, err := s.advance(ctx, row.ID, waiting, func(tx *database.Tx, row *database.Document) error {
			return s.over(ctx, tx, row, failed, "message", value.String(abandonedMsg))
		})
		return true, err
	}
	return true, s.remove(ctx, row.ID)
}

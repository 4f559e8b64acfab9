package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// States of an export, by the names that clients know (convex-cli.md §2.3), and
// one of ours.
const (
	requested  = "requested"
	inProgress = "in_progress"
	completed  = "completed"
	failed     = "failed"
	canceled   = "canceled"
)

// exportLife is how long a finished export can be downloaded, unless its owner
// says otherwise.
const exportLife = 7 * 24 * time.Hour

// RequestExport notes that an export is wanted; Run makes it. Only one can be
// under way.
func (s *Service) RequestExport(ctx context.Context, includeStorage bool) (id value.ID, err error) {
	_, err = s.DB.Update(ctx, func(tx *database.Tx) error {
		for _, state := range [...]string{requested, inProgress} {
			row, err := first(ctx, tx, exportTable, byState, database.Asc, value.String(state))
			if err != nil {
				return err
			}
			if row != nil {
				return apierr.New(apierr.Conflict, "ExportInProgress", "There is already an export requested or in progress. Wait for it, or cancel it, and try again.")
			}
		}
		id, err = tx.Insert(ctx, exportTable, fields("state", value.String(requested), "includeStorage", value.Bool(includeStorage)))
		return err
	})
	if err != nil {
		return id, fmt.Errorf("backup: request export: %w", err)
	}
	s.exporting.wake()
	return id, nil
}

// Export is what is known of an export.
type Export struct {
	ID             value.ID
	State          string
	IncludeStorage bool
	Start          persistence.Timestamp // the snapshot; 0 while it is only requested
	Complete       persistence.Timestamp // when it was complete; 0 before
	Expires        time.Time             // when its bytes go; zero before it is complete
	Size           int64
	key            string
}

// exportOf reads a row.
func exportOf(row *database.Document) *Export {
	o := row.Object()
	e := &Export{
		ID: row.ID, State: text(o, "state"), IncludeStorage: flag(o, "includeStorage"), Size: int64(number(o, "size")), key: text(o, "blob"),
		Start: persistence.Timestamp(integer(o, "start")), Complete: persistence.Timestamp(integer(o, "complete")),
	}
	if ms := number(o, "expires"); ms != 0 {
		e.Expires = time.UnixMilli(int64(ms))
	}
	return e
}

// LatestExport is the export that was requested last; nil if there was none.
func LatestExport(ctx context.Context, tx *database.Tx) (*Export, error) {
	row, err := first(ctx, tx, exportTable, database.ByCreationTime, database.Desc)
	if err != nil || row == nil {
		return nil, err
	}
	return exportOf(row), nil
}

// findExport finds an export's row by its id or the timestamp of its snapshot.
func findExport(ctx context.Context, tx *database.Tx, name string) (*database.Document, error) {
	if ts, err := strconv.ParseInt(name, 10, 64); err == nil {
		var found *database.Document
		err := each(ctx, tx, exportTable, database.ByCreationTime, database.Desc, nil, func(row *database.Document) (bool, error) {
			if integer(row.Object(), "start") == ts {
				found = row
			}
			return found == nil, nil
		})
		return found, err
	}
	return rowOf(ctx, tx, exportTable, name)
}

// errNoExport says that there is no such export.
func errNoExport(name string) error {
	return apierr.New(apierr.NotFound, "ExportNotFound", "There is no export %q. Exports are removed a week after they were made; run `npx convex export` for a new one.", clip(name))
}

// OpenExport opens the bytes of a finished export, named by its id or the
// timestamp of its snapshot, from an offset on.
func (s *Service) OpenExport(ctx context.Context, name string, offset int64) (*Export, io.ReadCloser, error) {
	var e *Export
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		row, err := findExport(ctx, tx, name)
		if err == nil && row != nil {
			e = exportOf(row)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("backup: open export: %w", err)
	case e == nil || e.State == completed && e.key == "":
		return nil, nil, errNoExport(name)
	case e.State != completed:
		return nil, nil, apierr.New(apierr.BadRequest, "ExportNotComplete", "The export is %s, so there is nothing to download.", e.State)
	}
	r, err := s.Blobs.Open(ctx, e.key, offset)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil, errNoExport(name)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("backup: open export: %w", err)
	}
	return e, r, nil
}

// CancelExport ends an export that is requested or in progress.
func (s *Service) CancelExport(ctx context.Context, name string) error {
	var id value.ID
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		row, err := findExport(ctx, tx, name)
		if err != nil {
			return err
		}
		if row == nil {
			return errNoExport(name)
		}
		if state := text(row.Object(), "state"); state != requested && state != inProgress {
			return apierr.New(apierr.BadRequest, "ExportNotInProgress", "The export is %s; there is nothing to cancel.", state)
		}
		id = row.ID
		return change(ctx, tx, row, "state", value.String(canceled))
	})
	if err != nil {
		return fmt.Errorf("backup: cancel export: %w", err)
	}
	s.exporting.stop(id)
	return nil
}

// ExpireExport says when the bytes of a finished export are to go.
func (s *Service) ExpireExport(ctx context.Context, name string, at time.Time) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		row, err := findExport(ctx, tx, name)
		if err != nil {
			return err
		}
		if row == nil || text(row.Object(), "state") != completed {
			return errNoExport(name)
		}
		return change(ctx, tx, row, "expires", value.Float64(at.UnixMilli()))
	})
	if err != nil {
		return fmt.Errorf("backup: set expiration: %w", err)
	}
	return nil
}

// nextExport makes the export that is wanted. One that a crash interrupted begins
// anew, of a newer snapshot.
func (s *Service) nextExport(ctx context.Context) (bool, error) {
	var row *database.Document
	err := s.DB.View(ctx, func(tx *database.Tx) (err error) {
		for _, state := range [...]string{inProgress, requested} {
			if row, err = first(ctx, tx, exportTable, byState, database.Asc, value.String(state)); err != nil || row != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || row == nil {
		return false, err
	}
	work := s.exporting.begin(ctx, row.ID)
	defer s.exporting.end()
	err = s.export(work, row.ID, flag(row.Object(), "includeStorage"))
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(context.Cause(work), errCanceled):
		return true, nil
	}
	s.Log.Error("export failed", "export", row.ID.String(), "err", err)
	return true, s.settle(ctx, row.ID, "state", value.String(failed))
}

// settle changes a row unless it was canceled meanwhile.
func (s *Service) settle(ctx context.Context, id value.ID, pairs ...any) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		row, err := tx.Get(ctx, id)
		if err != nil || row == nil || text(row.Object(), "state") == canceled {
			return err
		}
		return change(ctx, tx, row, pairs...)
	})
	return err
}

// export writes one.
func (s *Service) export(ctx context.Context, id value.ID, includeStorage bool) error {
	tx, release, err := s.DB.BeginHeld(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer s.Files.Pause()()
	start := tx.Snapshot()
	key := "exports/" + id.String() + ".zip"
	if err := s.settle(ctx, id, "state", value.String(inProgress), "start", value.Int64(start)); err != nil {
		return err
	}
	s.Log.Info("export began", "export", id.String(), "snapshot", int64(start))
	r, w := io.Pipe()
	go func() { w.CloseWithError(s.writeZip(ctx, w, tx, includeStorage)) }()
	size, _, err := s.Blobs.Put(ctx, key, r)
	r.CloseWithError(err) // so that the writer ends
	if err != nil {
		return err
	}
	now := time.Now()
	err = s.settle(ctx, id, "state", value.String(completed), "blob", value.String(key), "size", value.Float64(size),
		"complete", value.Int64(now.UnixNano()), "expires", value.Float64(now.Add(exportLife).UnixMilli()))
	if err == nil {
		s.Log.Info("export completed", "export", id.String(), "bytes", size)
	}
	return err
}

// clip shortens foreign text for a message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

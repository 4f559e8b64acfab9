package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// States of an import, besides inProgress, completed and failed
// (convex-cli.md §2.3).
const (
	uploaded = "uploaded"
	waiting  = "waiting_for_confirmation"
)

// Mode says what becomes of the data that is there.
type Mode string

// The modes, by the names that clients use.
const (
	RequireEmpty Mode = "requireEmpty" // there must be none in the tables of the import
	Append       Mode = "append"       // it stays
	Replace      Mode = "replace"      // it goes from the tables of the import
	ReplaceAll   Mode = "replaceAll"   // it goes from all tables
)

// Formats of imports, by the names that clients use.
const (
	formatCSV       = "csv"
	formatJSONLines = "jsonLines"
	formatJSONArray = "jsonArray"
	formatZip       = "zip"
)

// ImportOptions say how to read an upload and what to do with it.
type ImportOptions struct {
	Table     string // "" for zip
	Component string // path of a component; "" for the app
	Mode      Mode
	Format    string
}

// check refuses what cannot be done.
func (o *ImportOptions) check() error {
	switch o.Mode {
	case RequireEmpty, Append, Replace, ReplaceAll:
	default:
		return apierr.New(apierr.BadRequest, "InvalidImportMode", "The import mode %q is none of requireEmpty, append, replace and replaceAll.", clip(string(o.Mode)))
	}
	switch o.Format {
	case formatZip:
		if o.Table != "" {
			return apierr.New(apierr.BadRequest, "InvalidImportFormat", "A ZIP file names its tables itself; leave the table name out.")
		}
	case formatCSV, formatJSONLines, formatJSONArray:
		if err := value.CheckIdentifier("table name", o.Table); err != nil {
			return err
		}
		if o.Table[0] == '_' {
			return apierr.New(apierr.BadRequest, "InvalidTableName", "The table %q cannot be imported into: names that begin with an underscore are the system's.", o.Table)
		}
	default:
		return apierr.New(apierr.BadRequest, "InvalidImportFormat", "The import format %q is none of csv, jsonLines, jsonArray and zip.", clip(o.Format))
	}
	return nil
}

// row is that of a new import.
func (o *ImportOptions) row(token string, size float64) value.Object {
	return fields("state", value.String(uploaded), "token", value.String(token), "size", value.Float64(size), "table", value.String(o.Table),
		"component", value.String(o.Component), "mode", value.String(o.Mode), "format", value.String(o.Format))
}

// Import is what is known of an import.
type Import struct {
	ID          value.ID
	Created     float64
	Options     ImportOptions
	Size        int64
	State       string
	Message     string // what there is to confirm, how it goes on, or what failed
	Manual      bool   // whether a person has to confirm
	Checkpoints []string
	Rows        int64 // documents written
	token       string
	begun       bool // it was under way before, and interrupted by a crash
}

// importOf reads a row.
func importOf(row *database.Document) *Import {
	o := row.Object()
	i := &Import{
		ID: row.ID, Created: row.CreationTime, State: text(o, "state"), Message: text(o, "message"), Manual: flag(o, "manual"), Size: int64(number(o, "size")),
		Rows: integer(o, "rows"), begun: flag(o, "begun"), token: text(o, "token"),
		Options: ImportOptions{Table: text(o, "table"), Component: text(o, "component"), Mode: Mode(text(o, "mode")), Format: text(o, "format")},
	}
	list, _ := o.Get("checkpoints")
	marks, _ := list.(value.Array)
	for _, m := range marks {
		s, _ := m.(value.String)
		i.Checkpoints = append(i.Checkpoints, string(s))
	}
	return i
}

// FindImport finds an import by its id; nil if there is none.
func FindImport(ctx context.Context, tx *database.Tx, id string) (*Import, error) {
	row, err := rowOf(ctx, tx, importTable, id)
	if err != nil || row == nil {
		return nil, err
	}
	return importOf(row), nil
}

// maxListed is how many imports Imports lists.
const maxListed = 100

// Imports lists the newest imports, newest first.
func Imports(ctx context.Context, tx *database.Tx) (list []*Import, err error) {
	err = each(ctx, tx, importTable, database.ByCreationTime, database.Desc, nil, func(row *database.Document) (bool, error) {
		list = append(list, importOf(row))
		return len(list) < maxListed, nil
	})
	return list, err
}

// errNoImport says that there is no such import.
func errNoImport(id string) error {
	return apierr.New(apierr.NotFound, "ImportNotFound", "There is no import %q.", clip(id))
}

// Perform confirms an import that waits for it; Run does it next. Confirmed again,
// nothing happens.
func (s *Service) Perform(ctx context.Context, id string) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		row, err := rowOf(ctx, tx, importTable, id)
		if err != nil {
			return err
		}
		if row == nil {
			return errNoImport(id)
		}
		switch state := text(row.Object(), "state"); state {
		case waiting:
			return change(ctx, tx, row, "state", value.String(inProgress), "message", value.String("Importing"))
		case inProgress, completed:
			return nil
		case failed:
			return apierr.New(apierr.BadRequest, "ImportAlreadyFailed", "The import has failed: %s", text(row.Object(), "message"))
		default:
			return apierr.New(apierr.BadRequest, "ImportNotReady", "The import is %s; it can be performed once it waits for confirmation.", state)
		}
	})
	if err != nil {
		return fmt.Errorf("backup: perform import: %w", err)
	}
	s.importing.wake()
	return nil
}

// canceledText is what a canceled import failed with.
const canceledText = "Import canceled"

// CancelImport ends an import that is not over. What it had written goes.
func (s *Service) CancelImport(ctx context.Context, id string) error {
	var row *database.Document
	_, err := s.DB.Update(ctx, func(tx *database.Tx) (err error) {
		if row, err = rowOf(ctx, tx, importTable, id); err != nil {
			return err
		}
		if row == nil {
			return errNoImport(id)
		}
		switch state := text(row.Object(), "state"); state {
		case completed, failed:
			return apierr.New(apierr.BadRequest, "ImportOver", "The import is %s; there is nothing to cancel.", state)
		}
		return s.over(ctx, tx, row, failed, "message", value.String(canceledText))
	})
	if err != nil {
		return fmt.Errorf("backup: cancel import: %w", err)
	}
	s.importing.stop(row.ID)
	s.importing.wake()
	return nil
}

// over puts an import into its last state. Its upload goes back among those that
// are not finished, as one that is old, for the sweep to remove.
func (s *Service) over(ctx context.Context, tx *database.Tx, row *database.Document, state string, pairs ...any) error {
	token := text(row.Object(), "token")
	if err := change(ctx, tx, row, append([]any{"state", value.String(state), "token", nil}, pairs...)...); err != nil {
		return err
	}
	if token == "" {
		return nil
	}
	_, err := tx.Insert(ctx, uploadTable, fields("token", value.String(token), "time", value.Float64(0)))
	return err
}

// advance changes the row of an import that is still in a state; it tells whether
// it was.
func (s *Service) advance(ctx context.Context, id value.ID, from string, f func(tx *database.Tx, row *database.Document) error) (is bool, err error) {
	_, err = s.DB.Update(ctx, func(tx *database.Tx) error {
		row, err := tx.Get(ctx, id)
		if err != nil {
			return err
		}
		if is = row != nil && text(row.Object(), "state") == from; !is {
			return nil
		}
		return f(tx, row)
	})
	return is, err
}

// nextImport goes on with an import: reads through what was uploaded, or does what
// was confirmed.
func (s *Service) nextImport(ctx context.Context) (bool, error) {
	var row *database.Document
	err := s.DB.View(ctx, func(tx *database.Tx) (err error) {
		for _, state := range [...]string{inProgress, uploaded} {
			if row, err = first(ctx, tx, importTable, byState, database.Asc, value.String(state)); err != nil || row != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || row == nil {
		return false, err
	}
	i := importOf(row)
	work := s.importing.begin(ctx, i.ID)
	defer s.importing.end()
	step := s.survey
	if i.State == inProgress {
		step = s.perform
	}
	err = step(work, i)
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, errCanceled), errors.Is(context.Cause(work), errCanceled):
		return true, nil
	}
	message := "Something went wrong in the server. Its log says more; try again."
	if e, ok := apierr.As(err); ok && e.Kind != apierr.Internal {
		message = e.Message
		s.Log.Info("import refused", "import", i.ID.String(), "err", err)
	} else {
		s.Log.Error("import failed", "import", i.ID.String(), "err", err)
	}
	_, err = s.advance(ctx, i.ID, i.State, func(tx *database.Tx, row *database.Document) error {
		return s.over(ctx, tx, row, failed, "message", value.String(message))
	})
	return true, err
}

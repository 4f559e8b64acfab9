package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/value"
)

// Tables of the room.
const (
	exportTable = "_exports"
	importTable = "_imports"
	uploadTable = "_uploads"      // an upload for an import that was begun and not finished
	partTable   = "_upload_parts" // of uploads, and of the imports that they became
)

// Indexes of those tables.
const (
	byState = "by_state"
	byToken = "by_token"
)

// tables are what Open makes sure of.
var tables = []database.TableDef{
	{Name: exportTable, Indexes: []database.IndexDef{{Name: byState, Fields: []string{"state"}}}},
	{Name: importTable, Indexes: []database.IndexDef{{Name: byState, Fields: []string{"state"}}}},
	{Name: uploadTable, Indexes: []database.IndexDef{{Name: byToken, Fields: []string{"token"}}}},
	{Name: partTable, Indexes: []database.IndexDef{{Name: byToken, Fields: []string{"token", "part"}}}},
}

// Service exports and imports the data of one deployment. Fill the fields, call
// Open, and keep Run going.
type Service struct {
	Name  string // the deployment's, for names of files
	DB    *database.DB
	Blobs blob.Store
	Files *filestorage.Store
	Log   *slog.Logger

	exporting, importing worker
}

// worker wakes a loop when there may be something to do, and lets what it is
// doing be broken off.
type worker struct {
	kick chan struct{} // holds at most one wake-up

	mu     sync.Mutex // a leaf
	row    value.ID   // what is being worked on
	cancel context.CancelCauseFunc
}

// wake makes the loop look for work.
func (w *worker) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// stop breaks off the work on a row, if that is what is going on.
func (w *worker) stop(row value.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil && w.row == row {
		w.cancel(errCanceled)
	}
}

// begin says what is being worked on; the context ends with stop.
func (w *worker) begin(ctx context.Context, row value.ID) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.row = row
	return ctx
}

// end says that nothing is.
func (w *worker) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel(nil)
	w.cancel = nil
}

// working says whether anything is being worked on, or waits for it.
func (w *worker) working() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cancel != nil || len(w.kick) > 0
}

// Busy says whether an export or import is going on.
func (s *Service) Busy() bool { return s.exporting.working() || s.importing.working() }

// errCanceled ends what a caller asked to end.
var errCanceled = errors.New("backup: canceled")

// Open makes sure of the tables.
func (s *Service) Open(ctx context.Context) error {
	if s.DB == nil || s.Blobs == nil || s.Files == nil || s.Log == nil {
		return errors.New("backup: Service needs DB, Blobs, Files and Log")
	}
	s.exporting.kick, s.importing.kick = make(chan struct{}, 1), make(chan struct{}, 1)
	if err := s.DB.EnsureTables(ctx, tables); err != nil {
		return fmt.Errorf("backup: open: %w", err)
	}
	return nil
}

// Run works on exports and imports, one of each at a time, and removes old ones,
// until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	g, each := errgroup.WithContext(ctx)
	g.Go(func() error { return s.loop(each, &s.exporting, "export", s.nextExport) })
	g.Go(func() error { return s.loop(each, &s.importing, "import", s.nextImport) })
	g.Go(func() error { return s.sweepOn(each) })
	return g.Wait()
}

// retryAfter is how long a loop rests after a fault of ours.
const retryAfter = 10 * time.Second

// loop calls next until it finds nothing, and again when there may be something.
func (s *Service) loop(ctx context.Context, w *worker, what string, next func(context.Context) (bool, error)) error {
	for {
		found, err := next(ctx)
		rest := (<-chan time.Time)(nil)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, database.ErrClosed):
			return nil
		case err != nil:
			s.Log.Error(what+" did not go on", "err", err)
			rest = time.After(retryAfter)
		case found:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rest:
		case <-w.kick:
		}
	}
}

package backup

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// performing is an import that is being done.
//
// What comes is written to tables that nobody sees; the last transaction lets them
// take the place of those that are there. Documents that are added to a table with
// others go into that transaction too, as long as they fit; more of them are written
// ahead of it, under ids that are found again, so that what a failure leaves can be
// taken back and what a crash leaves can be gone on with.
type performing struct {
	*Service
	i     *Import
	a     *archive
	p     *plan
	check func(*target) checker

	staged map[*target]database.StagedTable
	added  map[*target][]incoming // to tables with others, in the last transaction
	ahead  map[*target]int        // how many were written ahead, to tables with others
	room   int                    // bytes that the last transaction can still take
	files  []storedFile
	rows   int64
	clock  float64
	told   time.Time // when progress was last told
}

// storedFile is a file whose bytes are stored. Its row is written in the last
// transaction; rows are small.
type storedFile struct {
	t     *target
	in    incoming
	bytes filestorage.Bytes
}

// Bounds of one transaction of an import, which others wait for.
const (
	batchDocuments = 500
	batchBytes     = 1 << 20
	lastDocuments  = 4000
	lastBytes      = 8 << 20
)

// perform does what was confirmed.
func (s *Service) perform(ctx context.Context, i *Import) (err error) {
	f, err := s.openParts(ctx, i.token)
	if err != nil {
		return err
	}
	defer f.Close()
	w := &performing{Service: s, i: i, staged: map[*target]database.StagedTable{}, added: map[*target][]incoming{}, ahead: map[*target]int{}, room: lastBytes, clock: float64(time.Now().UnixMilli())}
	if w.a, err = openArchive(&i.Options, f); err != nil {
		return err
	}
	if err := s.dropStaged(ctx); err != nil { // of one that a crash interrupted
		return err
	}
	if _, err := s.advance(ctx, i.ID, inProgress, func(tx *database.Tx, row *database.Document) error {
		return change(ctx, tx, row, "begun", value.Bool(true), "checkpoints", nil)
	}); err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() != nil && context.Cause(ctx) != errCanceled {
			return // shutting down: it begins again with the next start
		}
		if err != nil {
			w.takeBack(context.WithoutCancel(ctx), f)
		}
	}()
	if err := s.DB.View(ctx, func(tx *database.Tx) error {
		if w.p, err = s.makePlan(ctx, tx, i.Options, w.a); err != nil {
			return err
		}
		w.check, err = w.p.checkers(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	for _, t := range w.p.tables {
		if err := w.table(ctx, t); err != nil {
			return err
		}
	}
	if err := w.finish(ctx); err != nil {
		return err
	}
	s.Log.Info("import completed", "import", i.ID.String(), "documents", w.rows)
	return nil
}

// dropStaged takes tables away that were being filled.
func (s *Service) dropStaged(ctx context.Context) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		for _, st := range tx.StagedTables() {
			if err := tx.Abandon(ctx, st); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// takeBack undoes what an import that failed has written.
func (w *performing) takeBack(ctx context.Context, f *partsFile) {
	err := w.dropStaged(ctx)
	for _, file := range w.files {
		w.Files.Discard(ctx, file.bytes)
	}
	f.ctx = ctx // that of the import has ended
	for t, n := range w.ahead {
		if e := w.remove(ctx, t, n); e != nil {
			err = e
		}
	}
	if err != nil {
		w.Log.Error("what a failed import had written was not taken back", "import", w.i.ID.String(), "err", err)
	}
}

// tell says how it goes on, not too often; a mark stays.
func (w *performing) tell(ctx context.Context, mark bool, format string, args ...any) error {
	if !mark && time.Since(w.told) < time.Second {
		return nil
	}
	w.told = time.Now()
	text := fmt.Sprintf(format, args...)
	is, err := w.advance(ctx, w.i.ID, inProgress, func(tx *database.Tx, row *database.Document) error {
		if !mark {
			return change(ctx, tx, row, "message", value.String(text))
		}
		list, _ := row.Object().Get("checkpoints")
		marks, _ := list.(value.Array)
		if len(marks) >= 1000 {
			return nil
		}
		return change(ctx, tx, row, "checkpoints", append(append(value.Array{}, marks...), value.String(text)))
	})
	if err == nil && !is {
		err = errCanceled
	}
	return err
}

// table writes what comes for a table.
func (w *performing) table(ctx context.Context, t *target) (err error) {
	t.count = 0
	if t.name == filestorage.FileTable {
		err = w.storeFiles(ctx, t)
	} else {
		if !w.p.direct(t) {
			if _, err := w.DB.Update(ctx, func(tx *database.Tx) error {
				w.staged[t], err = tx.In(t.space).StageTable(ctx, t.name, t.number)
				return err
			}); err != nil {
				return t.at(err)
			}
		}
		err = w.documents(ctx, t)
	}
	if err != nil {
		return err
	}
	w.rows += int64(t.count)
	return w.tell(ctx, true, "Imported %q (%d documents)", t.label(), t.count)
}

// storeFiles stores the bytes of files.
func (w *performing) storeFiles(ctx context.Context, t *target) error {
	return eachFile(ctx, t, w.a.files[t.folder], func(in incoming, entry *zip.File) error {
		b, err := w.putFile(ctx, t, in, entry)
		if err != nil {
			return err
		}
		t.count++
		if in.created == 0 {
			in.created = w.tick()
		}
		w.files = append(w.files, storedFile{t, in, b})
		return w.tell(ctx, false, "Importing %q (%d files)", t.label(), t.count)
	})
}

// tick hands out a creation time.
func (w *performing) tick() float64 {
	w.clock = math.Nextafter(w.clock, math.Inf(1))
	return w.clock
}

// documents writes the documents of a table.
func (w *performing) documents(ctx context.Context, t *target) error {
	c := w.check(t)
	st, staged := w.staged[t]
	var batch []incoming
	size := 0
	write := func() error {
		if len(batch) == 0 {
			return nil
		}
		_, err := w.DB.Update(ctx, func(tx *database.Tx) error {
			for _, in := range batch {
				var err error
				if staged {
					err = tx.AddStaged(ctx, st, in.id.Internal, in.created, in.fields)
				} else {
					err = w.add(ctx, tx.In(t.space), t, in)
				}
				if err != nil {
					return t.at(under(fmt.Sprintf("line %d", in.line), err))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !staged {
			w.ahead[t] += len(batch)
		}
		batch, size = batch[:0], 0
		return w.tell(ctx, false, "Importing %q (%d documents)", t.label(), t.count)
	}
	ahead := staged
	err := t.read(ctx, func(in incoming) error {
		if err := c.check(in); err != nil {
			return err
		}
		t.count++
		if in.created == 0 {
			in.created = w.tick()
		}
		if in.id.Table == 0 && !staged {
			in.id = w.madeID(t, in.line)
		}
		batch = append(batch, in)
		size += value.Size(in.fields)
		switch {
		case ahead && (len(batch) >= batchDocuments || size >= batchBytes):
			return write()
		case !ahead && (len(batch) >= lastDocuments || size >= w.room):
			ahead = true
			return write()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !ahead {
		w.added[t] = batch
		w.room -= size
		return nil
	}
	return write()
}

// madeID is the id of a document that came without one, and always the same.
func (w *performing) madeID(t *target, line int) value.ID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d", w.i.ID, t.label(), line))
	id := value.NewInternalID(bytes.NewReader(sum[:]), time.UnixMilli(int64(w.i.Created)))
	return value.ID{Table: t.is, Internal: id, Space: t.space}
}

// add adds a document to a table with others. One that is there and equal was added
// before a crash.
func (w *performing) add(ctx context.Context, tx *database.Tx, t *target, in incoming) error {
	have, err := tx.Get(ctx, in.id)
	if err != nil {
		return err
	}
	if have != nil && value.Equal(have.Object().Without("_id").Without("_creationTime"), in.fields) && w.i.begun {
		return nil
	}
	return tx.Restore(ctx, in.id, in.created, in.fields)
}

// remove deletes the first documents of an import from a table with others.
func (w *performing) remove(ctx context.Context, t *target, left int) error {
	var ids []value.ID
	flush := func() error {
		_, err := w.DB.Update(ctx, func(tx *database.Tx) error {
			for _, id := range ids {
				in := tx.In(t.space)
				if d, err := in.Get(ctx, id); err != nil {
					return err
				} else if d != nil {
					if err := in.Delete(ctx, id); err != nil {
						return err
					}
				}
			}
			return nil
		})
		ids = ids[:0]
		return err
	}
	err := t.read(ctx, func(in incoming) error {
		if left--; left < 0 {
			return errCanceled
		}
		if in.id.Table == 0 {
			in.id = w.madeID(t, in.line)
		}
		if ids = append(ids, in.id); len(ids) == batchDocuments {
			return flush()
		}
		return nil
	})
	if err != nil && left >= 0 {
		return err
	}
	return flush()
}

// fitEvery is how often one looks whether the indexes of what is to take over are
// built; most are from the beginning.
const fitEvery = 50 * time.Millisecond

// errNotFit says that an index is still being built.
var errNotFit = fmt.Errorf("backup: an index is being built")

// finish lets everything take effect.
func (w *performing) finish(ctx context.Context) error {
	for {
		is, err := w.advance(ctx, w.i.ID, inProgress, func(tx *database.Tx, row *database.Document) error {
			if err := w.last(ctx, tx); err != nil {
				return err
			}
			return w.over(ctx, tx, row, completed, "rows", value.Int64(w.rows), "message", nil)
		})
		switch {
		case err == nil && !is:
			return errCanceled
		case err != errNotFit:
			return err
		}
		if err := w.fit(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(fitEvery):
		}
	}
}

// fit declares the indexes that are missing.
func (w *performing) fit(ctx context.Context) error {
	_, err := w.DB.Update(ctx, func(tx *database.Tx) error {
		for _, st := range w.staged {
			if _, err := tx.FitIndexes(ctx, st); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// last is the transaction that everybody sees.
func (w *performing) last(ctx context.Context, tx *database.Tx) error {
	for space, text := range w.p.schemas {
		now, err := udf.ActiveSchemaJSON(ctx, tx.In(space))
		if err != nil {
			return err
		}
		if !bytes.Equal(now, text) {
			return fault("The schema was changed while the import ran. Import again.")
		}
		// A push that waits for its schema has not seen these documents; it begins again.
		if err := udf.SetPendingSchema(ctx, tx.In(space), "", nil); err != nil {
			return err
		}
	}
	if err := w.checkUnchanged(ctx, tx); err != nil {
		return err
	}
	for _, st := range w.staged {
		if ready, err := tx.FitIndexes(ctx, st); err != nil {
			return err
		} else if !ready {
			return errNotFit
		}
	}
	for _, t := range w.p.tables {
		if t.name == filestorage.FileTable && w.p.replaces() {
			if err := w.clearFiles(ctx, tx, t); err != nil {
				return err
			}
		}
	}
	if err := w.takeOver(ctx, tx); err != nil {
		return err
	}
	for t, list := range w.added {
		for _, in := range list {
			if err := tx.In(t.space).Restore(ctx, in.id, in.created, in.fields); err != nil {
				return t.at(under(fmt.Sprintf("line %d", in.line), err))
			}
		}
	}
	for _, f := range w.files {
		if err := w.restoreFile(ctx, tx.In(f.t.space), f.in, f.bytes); err != nil {
			return f.t.at(err)
		}
	}
	return nil
}

// checkUnchanged refuses to lose documents that came into tables which were empty
// when the import began.
func (w *performing) checkUnchanged(ctx context.Context, tx *database.Tx) error {
	for _, t := range append(append([]*target{}, w.p.tables...), w.p.moves...) {
		if w.p.direct(t) || w.p.replaces() && !contains(w.p.moves, t) || t.has > 0 {
			continue
		}
		c := tx.In(t.space).Scan(t.name, database.ByCreationTime, database.Interval{}, database.Asc)
		d, err := c.Next(ctx)
		if err != nil {
			return err
		}
		if d != nil {
			return apierr.New(apierr.Conflict, "ImportFailed", "Table %q got documents while the import ran. Import again, with --append or --replace.", t.label())
		}
	}
	return nil
}

// contains tells whether a target is in a list.
func contains(list []*target, t *target) bool {
	for _, o := range list {
		if o == t {
			return true
		}
	}
	return false
}

// clearFiles deletes the stored files of a namespace.
func (w *performing) clearFiles(ctx context.Context, tx *database.Tx, t *target) error {
	var ids []value.ID
	in := tx.In(t.space)
	if err := documents(ctx, in, t.name, func(d *database.Document) error {
		ids = append(ids, d.ID)
		return nil
	}); err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := w.Files.Delete(ctx, in, id); err != nil {
			return err
		}
	}
	return nil
}

// takeOver puts the new tables into the places of the old ones: first those go that
// have numbers which are needed.
func (w *performing) takeOver(ctx context.Context, tx *database.Tx) error {
	var empty []*target // tables that go on without documents, with a number or a new one
	for _, t := range w.p.tables {
		if _, ok := w.staged[t]; ok {
			if err := tx.In(t.space).RetireTable(ctx, t.name); err != nil {
				return err
			}
		} else if t.name == filestorage.FileTable && t.number != 0 && t.number != t.is {
			empty = append(empty, t)
		}
	}
	for _, t := range w.p.others {
		if t.keep {
			empty = append(empty, &target{bringing: t.bringing, space: t.space, number: t.is})
		} else if err := tx.In(t.space).RetireTable(ctx, t.name); err != nil {
			return err
		}
	}
	for _, t := range w.p.moves {
		empty = append(empty, &target{bringing: t.bringing, space: t.space})
	}
	needed := map[value.Space]map[value.TableNumber]bool{}
	for t, st := range w.staged {
		if needed[t.space] == nil {
			needed[t.space] = map[value.TableNumber]bool{}
		}
		needed[t.space][st.Number] = true
	}
	var next []database.StagedTable
	for _, t := range empty {
		if needed[t.space][t.number] {
			t.number = 0
		}
		st, err := tx.In(t.space).StageEmpty(ctx, t.name, t.number)
		if err != nil {
			return err
		}
		if err := tx.In(t.space).RetireTable(ctx, t.name); err != nil {
			return err
		}
		next = append(next, st)
	}
	for _, st := range w.staged {
		next = append(next, st)
	}
	for _, st := range next {
		if err := tx.Activate(ctx, st); err != nil {
			return err
		}
	}
	return nil
}

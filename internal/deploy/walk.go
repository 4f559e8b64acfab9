package deploy

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/schema"
)

// walkBatch is how many documents are checked in one transaction.
const walkBatch = 500

// walk is the checking of the documents of a push. It is kept in memory only:
// after a restart the documents are checked from the beginning.
//
// Each batch reads the newest snapshot. That misses nothing: a document that was
// there when the push became pending either still has its place in the order of
// creation or is gone, and all that was written since was checked when written.
type walk struct {
	mu     sync.Mutex // held for a batch; never together with Service.mu
	tables []spot     // still to be checked, the first one from key on
	key    []byte     // of the last document checked; nil at the start of a table
}

// spot is a table of a component.
type spot struct{ component, table string }

// walkOf finds or begins the walk of a push.
func (s *Service) walkOf(id string, tables []spot) *walk {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.walks[id]
	if w == nil {
		clear(s.walks) // only one push is pending at a time
		w = &walk{tables: tables}
		s.walks[id] = w
	}
	return w
}

// forgetWalk drops the walk of a push.
func (s *Service) forgetWalk(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.walks, id)
}

// done reports whether every document was checked.
func (w *walk) done() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.tables) == 0
}

// walkOn checks the next batch of documents.
func (s *Service) walkOn(ctx context.Context, id string, w *walk) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.tables) == 0 {
		return nil
	}
	at := w.tables[0]
	var wrong *failure
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		p, err := load(ctx, tx, id)
		if err != nil || p == nil || p.state != pending {
			return err
		}
		seats, _, err := p.seat(ctx, tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(seats, func(s seated) bool { return s.Path == at.component })
		var table *schema.Table
		ok := i >= 0
		if ok {
			tx = seats[i].tx
			table, ok = seats[i].schema.Table(at.table)
		}
		if !ok {
			w.tables = w.tables[1:]
			return nil
		}
		c := tx.Scan(at.table, database.ByCreationTime, keyAfter(w.key), database.Asc)
		defer c.Close()
		for range walkBatch {
			d, err := c.Next(ctx)
			if err != nil {
				return err
			}
			if d == nil {
				w.tables, w.key = w.tables[1:], nil
				return nil
			}
			if err := table.CheckDocument(d.Object(), tx); err != nil {
				text, ok := mismatchText(d, at.table, err)
				if !ok {
					return err
				}
				wrong = &failure{text, at.table, at.component}
				return nil
			}
			w.key = bytes.Clone(c.Key())
		}
		return nil
	})
	if err != nil || wrong == nil {
		return err
	}
	return s.noteMismatch(ctx, id, *wrong)
}

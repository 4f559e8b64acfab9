package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Revision is what a commit made of a document.
type Revision struct {
	TS    persistence.Timestamp
	Table Table
	ID    value.ID
	Doc   *Document // nil: it was deleted
}

// ErrReplaced says that a table was replaced as a whole, or taken away, in the time
// that Changes was asked about: what happened cannot be told one by one.
var ErrReplaced = errors.New("database: a table was replaced")

// Changes gives add the revisions of users' tables in the commits after a timestamp, in
// order. Between two commits, which are never cut, it asks whether there are to be more.
// It returns the timestamp through which all was given, and whether that is the newest.
func (db *DB) Changes(ctx context.Context, after persistence.Timestamp, add func(Revision), more func() bool) (through persistence.Timestamp, done bool, err error) {
	s := db.visible.Load()
	if after < persistence.Timestamp(db.horizon.Load()) {
		return 0, false, ErrTooOld
	}
	through = after
	for r, err := range db.store.Log(ctx, after, s.ts, Asc) {
		if err != nil {
			return 0, false, fmt.Errorf("database: changes: %w", err)
		}
		if r.TS != through {
			if !more() {
				return through, false, db.retained(after)
			}
			through = r.TS
		}
		if r.Doc.Table == tablesTable && r.Body != nil {
			d, err := decodeDocument(r.Doc, r.TS, r.Body)
			if err != nil {
				return 0, false, err
			}
			t, err := decodeTable(d)
			if err != nil {
				return 0, false, err
			}
			if t.state == retired || t.state == active && t.place != t.logical() {
				return 0, false, ErrReplaced
			}
		}
		t := s.cat.byPlace[place(r.Doc.Table)]
		if t == nil || t.state != active || t.System() || t.Name == "" {
			continue
		}
		out := Revision{TS: r.TS, Table: t.Table, ID: value.ID{Table: t.Number, Internal: r.Doc.Internal, Space: t.Space}}
		if r.Body != nil {
			if out.Doc, err = decodeDocument(r.Doc, r.TS, r.Body); err != nil {
				return 0, false, err
			}
		}
		add(out)
	}
	return s.ts, true, db.retained(after)
}

package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// A data sync is streaming export with one route and one cursor: first the pages of a
// snapshot, then what has changed, for as long as the reader asks (convex-cli.md §6.6,
// which gives the shapes; that all selected tables are to be emptied at the beginning,
// and what the states mean, is inferred). Nothing of it is kept here: all is in the cursor.

// TableOf names a table of a component; "" is the app.
type TableOf struct {
	Component string `json:"component"`
	Table     string `json:"table"`
}

// SyncStatus says how far a reader is.
type SyncStatus struct {
	Type     string                `json:"type"` // snapshotting, stale (there is more to read now) or upToDate
	Snapshot persistence.Timestamp `json:"snapshotTs"`
}

// SyncPage is a page of a data sync.
type SyncPage struct {
	Status    SyncStatus
	Truncates []TableOf // to be emptied before the values are written
	Values    []json.RawMessage
	ID        string // of the sync
	Cursor    string
}

// syncCursor is a place in a data sync.
type syncCursor struct {
	ID       string                `json:"i"`
	Snapshot persistence.Timestamp `json:"s,omitempty"` // being walked; 0 when it has been
	Page     string                `json:"p,omitempty"` // within it
	After    persistence.Timestamp `json:"a,omitempty"` // up to where changes were read
	Selected string                `json:"h"`           // digest of the selection
}

// text is the cursor as readers carry it.
func (c syncCursor) text() string {
	b, _ := json.Marshal(c) // cannot fail: texts and numbers
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseSyncCursor reads what text wrote, for a selection.
func parseSyncCursor(s string, sel *Selection) (c syncCursor, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.ID == "" || c.Snapshot < 0 || c.After < 0 {
		return c, apierr.New(apierr.BadRequest, "InvalidCursor", "The cursor is none that this deployment gave out. Start again without one.")
	}
	if c.Selected != sel.digest() {
		return c, apierr.New(apierr.BadRequest, "SelectionChanged", "The cursor belongs to another selection. Start again without one, or go on with the selection that it was given out for.")
	}
	return c, nil
}

// digest tells selections apart.
func (s *Selection) digest() string {
	b, _ := json.Marshal(s) // cannot fail: texts
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// newSyncCursor begins a sync with changes after a timestamp.
func newSyncCursor(after persistence.Timestamp, sel *Selection) syncCursor {
	return syncCursor{ID: rand.Text(), After: after, Selected: sel.digest()}
}

// SyncCursor is where a data sync goes on that a reader of Deltas has begun.
func (s *Service) SyncCursor(after persistence.Timestamp, sel *Selection) (string, error) {
	if after < 0 || after > s.DB.Latest() {
		return "", apierr.New(apierr.BadRequest, "InvalidCursor", "The cursor is none that this deployment gave out.")
	}
	return newSyncCursor(after, sel).text(), nil
}

// Sync gives a page of a data sync; an empty cursor begins one.
func (s *Service) Sync(ctx context.Context, cursor string, sel *Selection) (*SyncPage, error) {
	f := StreamFilter{Selection: sel, wrapped: true}
	out := &SyncPage{Truncates: []TableOf{}}
	var c syncCursor
	var page *StreamPage
	var err error
	if cursor == "" {
		c = newSyncCursor(0, sel)
		tx, err := s.DB.Begin(ctx)
		if err != nil {
			return nil, err
		}
		c.Snapshot = tx.Snapshot()
		if out.Truncates, err = selected(ctx, tx, &f); err != nil {
			return nil, err
		}
	} else if c, err = parseSyncCursor(cursor, sel); err != nil {
		return nil, err
	}
	if c.Snapshot > 0 {
		page, err = s.ListSnapshot(ctx, c.Snapshot, c.Page, f)
	} else {
		page, err = s.Deltas(ctx, c.After, f)
	}
	if e, ok := apierr.As(err); ok && (e.Code == "SnapshotTooOld" || e.Code == "DeltaCursorTooOld" || e.Code == "TableReplaced") {
		return nil, apierr.New(apierr.BadRequest, "SyncCursorExpired", "The sync cannot go on from there: the history was not kept so long, or a table was replaced by an import or taken away. Start again without a cursor, with empty tables.").Wrap(err)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case c.Snapshot == 0:
		out.Status = SyncStatus{"upToDate", page.Through}
		if page.HasMore {
			out.Status.Type = "stale"
		}
		c.After = page.Through
	default:
		out.Status = SyncStatus{"snapshotting", c.Snapshot}
		if c.Page = page.Cursor; !page.HasMore {
			c.After, c.Snapshot = c.Snapshot, 0
		}
	}
	out.Values, out.ID, out.Cursor = page.Values, c.ID, c.text()
	return out, nil
}

// selected are the tables that a filter wants.
func selected(ctx context.Context, tx *database.Tx, f *StreamFilter) ([]TableOf, error) {
	all, err := instances(ctx, tx)
	if err != nil {
		return nil, err
	}
	list := []TableOf{}
	for _, c := range all {
		for _, t := range tx.In(c.Space).Tables() {
			if !t.System() && f.wants(c.Path, t.Name) {
				list = append(list, TableOf{c.Path, t.Name})
			}
		}
	}
	return list, nil
}

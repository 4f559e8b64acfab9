package convexhttp

import (
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/wire"
)

// needSelection refuses a data sync that does not say of what.
func needSelection(s *backup.Selection) error {
	if s == nil {
		return apierr.New(apierr.BadRequest, "InvalidSelection", "The selection is required; {\"_other\":\"included\"} is everything.")
	}
	return nil
}

// dataSync answers POST /api/v1/data/sync.
func (s *Server) dataSync(q *request) error {
	var b struct {
		Cursor    *string           `json:"cursor"`
		Selection *backup.Selection `json:"selection"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	if err := needSelection(b.Selection); err != nil {
		return err
	}
	cursor := ""
	if b.Cursor != nil {
		cursor = *b.Cursor
	}
	p, err := s.Backup.Sync(q.Context(), cursor, b.Selection)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]any{
		"status": p.Status, "truncates": p.Truncates, "values": p.Values, "syncId": p.ID,
		// There is always more to ask for: what changes later.
		"pagination": map[string]any{"hasMore": true, "nextCursor": p.Cursor},
	})
}

// dataSyncCursor answers POST /api/data_sync_cursor_from_deltas, with which a reader
// of /api/document_deltas goes on with data syncs.
func (s *Server) dataSyncCursor(q *request) error {
	var b struct {
		Cursor    *int64            `json:"cursor"`
		Selection *backup.Selection `json:"selection"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	if err := needSelection(b.Selection); err != nil {
		return err
	}
	if b.Cursor == nil {
		return apierr.New(apierr.BadRequest, "DocumentDeltasCursorRequired", "The cursor is required: that of an answer of /api/document_deltas.")
	}
	cursor, err := s.Backup.SyncCursor(persistence.Timestamp(*b.Cursor), b.Selection)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]string{"cursor": cursor})
}

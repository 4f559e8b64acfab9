package convexhttp

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/wire"
)

// streamArgs are the arguments of streaming export, in the query of a GET and in the
// body of a POST. The cursor is a text in a snapshot and a number in changes.
type streamArgs struct {
	Snapshot  *int64            `json:"snapshot"`
	Cursor    json.RawMessage   `json:"cursor"`
	TableName string            `json:"tableName"`
	Component *string           `json:"component"`
	Format    string            `json:"format"`
	Selection *backup.Selection `json:"selection"`
}

// streamArguments reads them.
func (s *Server) streamArguments(q *request) (a streamArgs, f backup.StreamFilter, err error) {
	if q.Method == http.MethodPost {
		if err := s.body(q, maxSmallBody, &a); err != nil {
			return a, f, err
		}
	} else {
		p := q.URL.Query()
		a.TableName, a.Format = p.Get("tableName"), p.Get("format")
		if p.Has("component") {
			c := p.Get("component")
			a.Component = &c
		}
		if p.Has("selection") {
			a.Selection = new(backup.Selection)
			if err := wire.Decode([]byte(p.Get("selection")), a.Selection); err != nil {
				return a, f, err
			}
		}
		if p.Has("cursor") {
			a.Cursor = quote(p.Get("cursor"))
		}
		if t := p.Get("snapshot"); t != "" {
			n, err := strconv.ParseInt(t, 10, 64)
			if err != nil {
				return a, f, apierr.New(apierr.BadRequest, "InvalidSnapshot", "The query parameter `snapshot` must be an integer.")
			}
			a.Snapshot = &n
		}
	}
	if a.Selection != nil && (a.TableName != "" || a.Component != nil) {
		return a, f, apierr.New(apierr.BadRequest, "InvalidSelection", "A selection names its tables and components itself; leave tableName and component out.")
	}
	f = backup.StreamFilter{Table: a.TableName, Component: a.Component, Selection: a.Selection}
	switch a.Format {
	case "", "json", "convex_clean_json":
	case "convex_encoded_json":
		f.Encoded = true
	default:
		return a, f, apierr.New(apierr.BadRequest, "InvalidFormat", "The format must be json, convex_clean_json or convex_encoded_json.")
	}
	return a, f, nil
}

// listSnapshot answers GET and POST /api/list_snapshot.
func (s *Server) listSnapshot(q *request) error {
	a, f, err := s.streamArguments(q)
	if err != nil {
		return err
	}
	cursor, at := "", persistence.Timestamp(0)
	if len(a.Cursor) > 0 && json.Unmarshal(a.Cursor, &cursor) != nil {
		return apierr.New(apierr.BadRequest, "InvalidCursor", "The cursor must be a string.")
	}
	if a.Snapshot != nil {
		at = persistence.Timestamp(*a.Snapshot)
	}
	if cursor != "" && at == 0 {
		return apierr.New(apierr.BadRequest, "InvalidCursor", "A cursor needs the snapshot that it belongs to.")
	}
	p, err := s.Backup.ListSnapshot(q.Context(), at, cursor, f)
	if err != nil {
		return err
	}
	out := map[string]any{"values": p.Values, "snapshot": int64(p.Snapshot), "cursor": nil, "hasMore": p.HasMore}
	if p.Cursor != "" {
		out["cursor"] = p.Cursor
	}
	return wire.WriteJSON(q.w, out)
}

// documentDeltas answers GET and POST /api/document_deltas.
func (s *Server) documentDeltas(q *request) error {
	a, f, err := s.streamArguments(q)
	if err != nil {
		return err
	}
	if len(a.Cursor) == 0 || string(a.Cursor) == "null" {
		return apierr.New(apierr.BadRequest, "DocumentDeltasCursorRequired", "The cursor is required: the snapshot of a walk of /api/list_snapshot that is complete, or the cursor of an earlier answer.")
	}
	text := string(a.Cursor)
	_ = json.Unmarshal(a.Cursor, &text) // of a query it is a text
	after, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return apierr.New(apierr.BadRequest, "InvalidCursor", "The cursor must be an integer.")
	}
	p, err := s.Backup.Deltas(q.Context(), persistence.Timestamp(after), f)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]any{"values": p.Values, "cursor": int64(p.Through), "hasMore": p.HasMore})
}

// jsonSchemas answers GET /api/json_schemas.
func (s *Server) jsonSchemas(q *request) error {
	deltas, err := boolParam(q, "deltaSchema")
	if err != nil {
		return err
	}
	schemas, err := s.Backup.JSONSchemas(q.Context(), deltas, q.URL.Query().Get("format") == "convex_encoded_json")
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, schemas)
}

// testStreamingExport answers GET /api/test_streaming_export_connection: the key is
// good, and that is all there is to test.
func (s *Server) testStreamingExport(q *request) error { return wire.WriteRawJSON(q.w, []byte("{}")) }

package backup

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// Streaming export: connectors walk a snapshot page by page, and then ask again and
// again for what has changed (convex-cli.md §6.6).

// Sizes of pages. A page of changes ends with the commit that goes beyond.
const (
	snapshotPage = 128
	deltaPage    = 1024
)

// StreamFilter says what of the data is wanted. Empty texts stand for everything; a
// component of nil too, "" for the app alone.
type StreamFilter struct {
	Table     string
	Component *string
	Selection *Selection // nil for everything
	Encoded   bool       // values in Convex-JSON rather than clean JSON
	wrapped   bool       // in the form of data syncs
}

// wants tells whether a table is asked for.
func (f *StreamFilter) wants(component, table string) bool {
	return (f.Table == "" || f.Table == table) && (f.Component == nil || *f.Component == component) &&
		f.Selection.at(component).at(table).some()
}

// StreamPage is a page of a snapshot or of changes: each value is a JSON text.
type StreamPage struct {
	Values   []json.RawMessage
	Snapshot persistence.Timestamp
	Cursor   string // of a snapshot: where the next page begins; "" at the end
	Through  persistence.Timestamp
	HasMore  bool
}

// streamCursor is a place within a snapshot: the tables before it were given, and of
// it the documents up to the key.
type streamCursor struct {
	Component string `json:"c"`
	Table     string `json:"t"`
	Key       []byte `json:"k"`
}

// text is the cursor as clients carry it.
func (c *streamCursor) text() string {
	b, _ := json.Marshal(c) // cannot fail: texts and bytes
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseStreamCursor reads what text wrote.
func parseStreamCursor(s string) (*streamCursor, error) {
	c := new(streamCursor)
	if s == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil {
		return nil, apierr.New(apierr.BadRequest, "InvalidCursor", "The cursor is none that this deployment gave out. Start again without one.")
	}
	return c, nil
}

// member adds a member to the front of the text of an object.
func member(dst []byte, name string, v []byte) []byte {
	dst = append(value.AppendQuoted(dst, name), ':')
	return append(append(dst, v...), ',')
}

// streamed is a document as connectors get it.
func (f *StreamFilter) streamed(component, table string, ts persistence.Timestamp, deleted *bool, id value.ID, d *database.Document) json.RawMessage {
	if f.wrapped {
		b := member([]byte{'{'}, "component", value.AppendQuoted(nil, component))
		b = member(b, "deleted", fmt.Append(nil, d == nil))
		b = member(b, "table", value.AppendQuoted(nil, table))
		b = member(b, "ts", fmt.Append(nil, int64(ts)))
		b = append(b, `"value":{`...)
		return append(f.appendMembers(b, component, table, id, d), '}')
	}
	b := member([]byte{'{'}, "_component", value.AppendQuoted(nil, component))
	if deleted != nil {
		b = member(b, "_deleted", fmt.Append(nil, *deleted))
	}
	b = member(b, "_table", value.AppendQuoted(nil, table))
	b = member(b, "_ts", fmt.Append(nil, int64(ts)))
	return f.appendMembers(b, component, table, id, d)
}

// appendMembers appends the members of a document that are wanted, and the end of the
// object; of one that is deleted the id.
func (f *StreamFilter) appendMembers(b []byte, component, table string, id value.ID, d *database.Document) []byte {
	if d == nil {
		return append(append(b, `"_id":`...), append(value.AppendQuoted(nil, id.String()), '}')...)
	}
	if f.Encoded && f.Selection == nil {
		return append(b, d.JSON()[1:]...)
	}
	o := f.Selection.at(component).at(table).narrow(d.Object())
	if f.Encoded {
		return append(b, value.JSON(o)[1:]...)
	}
	return append(b, value.CleanJSON(o)[1:]...)
}

// tooOld says that retention has passed a snapshot.
func tooOld(code string) error {
	return apierr.New(apierr.BadRequest, code, "The snapshot is older than the history that the deployment keeps. Start again with /api/list_snapshot; a longer history is kept with a longer retention.")
}

// beginAt begins at a snapshot; 0 stands for the newest.
func (s *Service) beginAt(ctx context.Context, at persistence.Timestamp) (*database.Tx, error) {
	if at == 0 {
		return s.DB.Begin(ctx)
	}
	if at < 0 || at > s.DB.Latest() {
		return nil, apierr.New(apierr.BadRequest, "InvalidSnapshot", "The snapshot is none that this deployment gave out: it is in the future.")
	}
	tx, err := s.DB.BeginAt(ctx, at)
	if errors.Is(err, database.ErrTooOld) {
		return nil, tooOld("SnapshotTooOld")
	}
	return tx, err
}

// instances are the app and all components, by path.
func instances(ctx context.Context, tx *database.Tx) ([]udf.Component, error) {
	tree, err := udf.Components(ctx, tx)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Clone(tree.All), func(c udf.Component) bool { return c.Path == "" })
	all = append(all, udf.Component{Mounted: true})
	slices.SortFunc(all, func(a, b udf.Component) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// ListSnapshot gives a page of a snapshot; at 0 begins a new one.
func (s *Service) ListSnapshot(ctx context.Context, at persistence.Timestamp, cursor string, f StreamFilter) (*StreamPage, error) {
	from, err := parseStreamCursor(cursor)
	if err != nil {
		return nil, err
	}
	tx, err := s.beginAt(ctx, at)
	if err != nil {
		return nil, err
	}
	p := &StreamPage{Values: []json.RawMessage{}, Snapshot: tx.Snapshot()}
	all, err := instances(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		for _, t := range tx.In(c.Space).Tables() {
			order := strings.Compare(c.Path, from.Component)
			if order == 0 {
				order = strings.Compare(t.Name, from.Table)
			}
			if order < 0 || t.System() || !f.wants(c.Path, t.Name) {
				continue
			}
			var in database.Interval
			if order == 0 && from.Key != nil {
				in.Lower = append(bytes.Clone(from.Key), 0)
			}
			cur := tx.In(c.Space).Scan(t.Name, database.ByID, in, database.Asc)
			for {
				d, err := cur.Next(ctx)
				if errors.Is(err, database.ErrTooOld) {
					return nil, tooOld("SnapshotTooOld")
				}
				if err != nil {
					return nil, fmt.Errorf("backup: list snapshot: %w", err)
				}
				if d == nil {
					break
				}
				p.Values = append(p.Values, f.streamed(c.Path, t.Name, d.TS, nil, d.ID, d))
				if len(p.Values) == snapshotPage {
					p.HasMore, p.Cursor = true, (&streamCursor{c.Path, t.Name, cur.Key()}).text()
					return p, nil
				}
			}
		}
	}
	return p, nil
}

// Deltas gives what has changed since a timestamp: that of a snapshot that was walked,
// or of an earlier page.
func (s *Service) Deltas(ctx context.Context, after persistence.Timestamp, f StreamFilter) (*StreamPage, error) {
	if after < 0 || after > s.DB.Latest() {
		return nil, apierr.New(apierr.BadRequest, "InvalidCursor", "The cursor is none that this deployment gave out: it is in the future.")
	}
	tx, err := s.DB.Begin(ctx)
	if err != nil {
		return nil, err
	}
	all, err := instances(ctx, tx)
	if err != nil {
		return nil, err
	}
	paths := map[value.Space]string{}
	for _, c := range all {
		paths[c.Space] = c.Path
	}
	p := &StreamPage{Values: []json.RawMessage{}}
	through, done, err := s.DB.Changes(ctx, after, func(r database.Revision) {
		if path, ok := paths[r.Table.Space]; ok && f.wants(path, r.Table.Name) {
			deleted := r.Doc == nil
			p.Values = append(p.Values, f.streamed(path, r.Table.Name, r.TS, &deleted, r.ID, r.Doc))
		}
	}, func() bool { return len(p.Values) < deltaPage })
	switch {
	case errors.Is(err, database.ErrTooOld):
		return nil, tooOld("DeltaCursorTooOld")
	case errors.Is(err, database.ErrReplaced):
		return nil, apierr.New(apierr.BadRequest, "TableReplaced", "A table was replaced by an import or taken away, so its changes cannot be told one by one. Start again with /api/list_snapshot.")
	case err != nil:
		return nil, fmt.Errorf("backup: document deltas: %w", err)
	}
	p.Through, p.HasMore = through, !done
	return p, nil
}

package filestorage

import (
	"context"
	"encoding/base64"
	"sync"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// fields are the members of a file's row.
func (b *Bytes) fields(contentType string) value.Object {
	fields := []value.Field{
		{Name: "sha256", Value: value.String(base64.StdEncoding.EncodeToString(b.SHA256[:]))},
		{Name: "size", Value: value.Float64(b.Size)},
	}
	if contentType != "" {
		fields = append(fields, value.Field{Name: "contentType", Value: value.String(contentType)})
	}
	return value.ObjectOf(fields...)
}

// Restore is Attach for a file that has an id and a creation time already.
func (s *Store) Restore(ctx context.Context, tx *database.Tx, id value.ID, created float64, b Bytes, contentType string) error {
	if err := tx.Restore(ctx, id, created, b.fields(contentType)); err != nil {
		return err
	}
	id.Space = tx.Space()
	_, err := tx.In(0).Insert(ctx, keyTable, keyRow(b.Key, fileName(id), attached))
	return err
}

// pauses counts who reads files of the past.
type pauses struct {
	mu sync.Mutex // a leaf
	n  int
}

// Pause keeps the bytes of files that are deleted from now on, until it is ended:
// whoever reads the files of a snapshot finds them.
func (s *Store) Pause() (end func()) {
	s.pauses.mu.Lock()
	defer s.pauses.mu.Unlock()
	s.pauses.n++
	return sync.OnceFunc(func() {
		s.pauses.mu.Lock()
		defer s.pauses.mu.Unlock()
		s.pauses.n--
	})
}

// paused tells whether anybody wants the bytes of deleted files.
func (s *Store) paused() bool {
	s.pauses.mu.Lock()
	defer s.pauses.mu.Unlock()
	return s.pauses.n > 0
}

package backup

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// Bounds of an upload. The official CLI sends parts of 5 MiB, or larger ones so that
// fewer than ten thousand are enough.
const (
	maxParts    = 10_000
	maxPartSize = 4 << 30
)

// StartUpload begins an upload and names it.
func (s *Service) StartUpload(ctx context.Context) (token string, err error) {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	token = hex.EncodeToString(b[:])
	if _, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Insert(ctx, uploadTable, fields("token", value.String(token), "time", value.Float64(time.Now().UnixMilli())))
		return err
	}); err != nil {
		return "", fmt.Errorf("backup: start upload: %w", err)
	}
	return token, nil
}

// errNoUpload says that a token names no upload.
var errNoUpload = apierr.New(apierr.BadRequest, "UploadNotFound", "There is no such upload, or it was begun over a day ago. Start the import again.")

// partKey is where a part's bytes are.
func partKey(token string, part int) string { return fmt.Sprintf("imports/%s-%d", token, part) }

// upload finds the row of an upload that is not finished.
func upload(ctx context.Context, tx *database.Tx, token string) (*database.Document, error) {
	row, err := first(ctx, tx, uploadTable, byToken, database.Asc, value.String(token))
	if err == nil && row == nil {
		err = errNoUpload
	}
	return row, err
}

// UploadPart takes in a part; numbers begin at 1. Sent again, it takes the place of
// what was sent before. It gives the token that FinishUpload wants for it.
func (s *Service) UploadPart(ctx context.Context, token string, part int, body io.Reader) (string, error) {
	if part < 1 || part > maxParts {
		return "", apierr.New(apierr.BadRequest, "InvalidPartNumber", "Parts are numbered from 1 to %d.", maxParts)
	}
	// The row is there before the bytes, so that the sweep finds them whatever
	// becomes of the request; without a sum it is of no part that is complete.
	if err := s.notePart(ctx, token, part, 0, ""); err != nil {
		return "", fmt.Errorf("backup: upload part: %w", err)
	}
	src := &sourceReader{r: io.LimitReader(body, maxPartSize+1)}
	size, sum, err := s.Blobs.Put(ctx, partKey(token, part), src)
	switch {
	case src.err != nil:
		return "", apierr.New(apierr.BadRequest, "UploadBrokenOff", "The upload broke off before all bytes had come.").Wrap(src.err)
	case err != nil:
		return "", fmt.Errorf("backup: upload part: %w", err)
	case size > maxPartSize:
		return "", apierr.New(apierr.TooLarge, "PartTooLarge", "A part may have at most %d bytes.", maxPartSize)
	}
	name := base64.RawURLEncoding.EncodeToString(sum[:])
	if err := s.notePart(ctx, token, part, size, name); err != nil {
		if errors.Is(err, errNoUpload) { // swept meanwhile
			err = errors.Join(err, s.Blobs.Delete(ctx, partKey(token, part)))
		}
		return "", fmt.Errorf("backup: upload part: %w", err)
	}
	return name, nil
}

// notePart writes the row of a part of an upload that is not finished.
func (s *Service) notePart(ctx context.Context, token string, part int, size int64, sum string) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		if _, err := upload(ctx, tx, token); err != nil {
			return err
		}
		old, err := first(ctx, tx, partTable, byToken, database.Asc, value.String(token), value.Float64(part))
		if err != nil {
			return err
		}
		o := fields("token", value.String(token), "part", value.Float64(part), "size", value.Float64(size), "sum", value.String(sum))
		if old != nil {
			return tx.Replace(ctx, old.ID, o)
		}
		_, err = tx.Insert(ctx, partTable, o)
		return err
	})
	return err
}

// sourceReader remembers whether it was the sender's side of a copy that failed.
type sourceReader struct {
	r   io.Reader
	err error
}

// Read reads from the sender.
func (u *sourceReader) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

// FinishUpload makes an import of an upload, whose parts must be those named. Run
// reads it through next.
func (s *Service) FinishUpload(ctx context.Context, token string, parts []string, how ImportOptions) (id value.ID, err error) {
	if err := how.check(); err != nil {
		return id, err
	}
	_, err = s.DB.Update(ctx, func(tx *database.Tx) error {
		row, err := upload(ctx, tx, token)
		if err != nil {
			return err
		}
		n, size := 0, 0.0
		err = each(ctx, tx, partTable, byToken, database.Asc, []value.Value{value.String(token)}, func(doc *database.Document) (bool, error) {
			o := doc.Object()
			if n >= len(parts) || int(number(o, "part")) != n+1 || text(o, "sum") != parts[n] {
				return false, apierr.New(apierr.BadRequest, "UploadIncomplete", "Part %d is missing or is not what its token says. Start the import again.", n+1)
			}
			n++
			size += number(o, "size")
			return true, nil
		})
		if err != nil {
			return err
		}
		if n != len(parts) {
			return apierr.New(apierr.BadRequest, "UploadIncomplete", "Part %d was not uploaded. Start the import again.", n+1)
		}
		if err := tx.Delete(ctx, row.ID); err != nil {
			return err
		}
		id, err = tx.Insert(ctx, importTable, how.row(token, size))
		return err
	})
	if err != nil {
		return id, fmt.Errorf("backup: finish upload: %w", err)
	}
	s.importing.wake()
	return id, nil
}

// dropUpload removes the parts of an upload: the bytes, and then their rows.
func (s *Service) dropUpload(ctx context.Context, token string) error {
	for {
		var rows []*database.Document
		err := s.DB.View(ctx, func(tx *database.Tx) error {
			return each(ctx, tx, partTable, byToken, database.Asc, []value.Value{value.String(token)}, func(doc *database.Document) (bool, error) {
				rows = append(rows, doc)
				return len(rows) < 500, nil
			})
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := s.Blobs.Delete(ctx, partKey(token, int(number(row.Object(), "part")))); err != nil {
				return err
			}
		}
		_, err = s.DB.Update(ctx, func(tx *database.Tx) error {
			for _, row := range rows {
				if now, err := tx.Get(ctx, row.ID); err != nil || now == nil {
					if err != nil {
						return err
					}
					continue
				}
				if err := tx.Delete(ctx, row.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

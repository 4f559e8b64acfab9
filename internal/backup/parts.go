package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// partsFile is the parts of an upload read as one file. It is used by one goroutine at a time.
type partsFile struct {
	ctx   context.Context // that of the import which reads; the life of this object
	blobs blob.Store
	token string
	ends  []int64 // where each part ends within the whole

	// An open part and the position within the whole that its next byte has. Readers
	// go forward nearly always, so one is kept.
	open io.ReadCloser
	buf  *bufio.Reader
	at   int64
	end  int64 // of the open part within the whole
}

// openParts finds the parts of an upload.
func (s *Service) openParts(ctx context.Context, token string) (*partsFile, error) {
	f := &partsFile{ctx: ctx, blobs: s.Blobs, token: token, buf: bufio.NewReaderSize(nil, 256<<10)}
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		return each(ctx, tx, partTable, byToken, database.Asc, []value.Value{value.String(token)}, func(doc *database.Document) (bool, error) {
			f.ends = append(f.ends, f.size()+int64(number(doc.Object(), "size")))
			return true, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("backup: find upload: %w", err)
	}
	return f, nil
}

// size is that of the whole.
func (f *partsFile) size() int64 {
	if len(f.ends) == 0 {
		return 0
	}
	return f.ends[len(f.ends)-1]
}

// ReadAt implements io.ReaderAt, for which it may be called in any order.
func (f *partsFile) ReadAt(b []byte, at int64) (int, error) {
	n := 0
	for n < len(b) {
		if at+int64(n) >= f.size() {
			return n, io.EOF
		}
		if f.open == nil || f.at != at+int64(n) {
			if err := f.seek(at + int64(n)); err != nil {
				return n, err
			}
		}
		m, err := f.buf.Read(b[n:])
		n += m
		f.at += int64(m)
		if errors.Is(err, io.EOF) {
			if f.at < f.end {
				return n, &readFault{errors.New("backup: read upload: a part is cut off")}
			}
			if err := f.Close(); err != nil { // the next part is due
				return n, err
			}
			err = nil
		}
		if err != nil {
			return n, &readFault{fmt.Errorf("backup: read upload: %w", err)}
		}
	}
	return n, nil
}

// readFault is a fault of ours in reading an upload, as opposed to one of the
// sender's file.
type readFault struct{ error }

// Unwrap is what went wrong.
func (e *readFault) Unwrap() error { return e.error }

// seek opens the part that has a position, from there on.
func (f *partsFile) seek(at int64) error {
	if err := f.Close(); err != nil {
		return err
	}
	i := sort.Search(len(f.ends), func(i int) bool { return f.ends[i] > at })
	begin := int64(0)
	if i > 0 {
		begin = f.ends[i-1]
	}
	r, err := f.blobs.Open(f.ctx, partKey(f.token, i+1), at-begin)
	if err != nil {
		return &readFault{fmt.Errorf("backup: read upload: %w", err)}
	}
	f.open, f.at, f.end = r, at, f.ends[i]
	f.buf.Reset(r)
	return nil
}

// Close lets go of the open part.
func (f *partsFile) Close() error {
	if f.open == nil {
		return nil
	}
	err := f.open.Close()
	f.open = nil
	return err
}

// reader reads the whole from the start.
func (f *partsFile) reader() io.Reader { return io.NewSectionReader(f, 0, f.size()) }

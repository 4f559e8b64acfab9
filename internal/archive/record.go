package archive

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// The content of bases' lists, chunks and segments is a stream of records: a byte that
// says which kind, and fields. Numbers are uvarints, bytes and strings have their
// length before them.
//
// 1 (November 2026): the kinds below.
const (
	headRecord   = 'h' // JSON of a head; first in every stream
	storeRecord  = 's' // name: what follows is of that store
	commitRecord = 'c' // timestamp, number of revisions; each: table, 16 bytes of id, how far back the previous lies (0: none), 0 for a deletion or 1 and the body
	docRecord    = 'd' // timestamp, table, 16 bytes of id, body
	chunkRecord  = 'k' // name of a chunk, documents in it
	blobRecord   = 'b' // key, size
	gapRecord    = 'x' // key of a blob that is no more, and since when at the latest
	fileRecord   = 'f' // name, time of change in nanoseconds, content
	goneRecord   = 'g' // name of a store that is no more, and since when at the latest
	endRecord    = 'e' // number of records before it
)

// Bounds of what a reader believes.
const (
	maxText = 1 << 10
	maxBody = 64 << 20
)

// head begins a stream.
type head struct {
	Format int    `json:"format"`
	House  string `json:"house"`
	// After and Through are the moments between which a segment holds commits; a base
	// is as of Through.
	After   persistence.Timestamp `json:"after,omitempty"`
	Through persistence.Timestamp `json:"through,omitempty"`
}

// recordFormat is the version that this code writes, and the newest that it reads.
const recordFormat = 1

// recordWriter writes records.
type recordWriter struct {
	w   *bufio.Writer
	n   uint64
	b   []byte
	err error
}

// newRecords begins a stream.
func newRecords(w io.Writer, h head) *recordWriter {
	r := &recordWriter{w: bufio.NewWriterSize(w, 64<<10)}
	h.Format = recordFormat
	text, err := json.Marshal(h)
	r.err = err
	r.kind(headRecord)
	r.bytes(text)
	return r
}

// kind begins a record.
func (r *recordWriter) kind(k byte) {
	r.n++
	r.write([]byte{k})
}

// write keeps the first error.
func (r *recordWriter) write(p []byte) {
	if r.err == nil {
		_, r.err = r.w.Write(p)
	}
}

// number writes one.
func (r *recordWriter) number(n uint64) {
	r.b = binary.AppendUvarint(r.b[:0], n)
	r.write(r.b)
}

// bytes writes some, with their length.
func (r *recordWriter) bytes(p []byte) {
	r.number(uint64(len(p)))
	r.write(p)
}

// text writes a string.
func (r *recordWriter) text(s string) { r.bytes([]byte(s)) }

// id writes the name of a document.
func (r *recordWriter) id(d persistence.DocID) {
	r.number(uint64(d.Table))
	r.write(d.Internal[:])
}

// commit writes the revisions of one commit.
func (r *recordWriter) commit(ts persistence.Timestamp, revs []persistence.Revision) {
	r.kind(commitRecord)
	r.number(uint64(ts))
	r.number(uint64(len(revs)))
	for _, rev := range revs {
		r.id(rev.Doc)
		back := uint64(0)
		if rev.Prev != 0 {
			back = uint64(ts - rev.Prev)
		}
		r.number(back)
		if rev.Body == nil {
			r.write([]byte{0})
			continue
		}
		r.write([]byte{1})
		r.bytes(rev.Body)
	}
}

// close writes the end.
func (r *recordWriter) close() error {
	n := r.n
	r.kind(endRecord)
	r.number(n)
	if r.err == nil {
		r.err = r.w.Flush()
	}
	return r.err
}

// record is one that was read. Which fields count depends on the kind.
type record struct {
	kind byte
	name string                 // of a store, chunk, blob or file
	n    uint64                 // documents of a chunk, bytes of a blob, time of a file or of what is gone
	ts   persistence.Timestamp  // of a commit
	revs []persistence.Revision // of a commit; of a document one
	body []byte                 // of a file
}

// recordReader reads records.
type recordReader struct {
	r    *bufio.Reader
	name string // of the object
	n    uint64
	head head
}

// errRecord is what is read where no record is.
var errRecord = errors.New("malformed record")

// readRecords begins to read a stream.
func readRecords(r io.Reader, name string) (*recordReader, error) {
	rr := &recordReader{r: bufio.NewReaderSize(r, 64<<10), name: name}
	k, err := rr.r.ReadByte()
	if err != nil {
		return nil, rr.fail(err)
	}
	if k != headRecord {
		return nil, rr.fail(errRecord)
	}
	text, err := rr.bytes(1 << 16)
	if err == nil {
		err = json.Unmarshal(text, &rr.head)
	}
	if err != nil {
		return nil, rr.fail(err)
	}
	if rr.head.Format != recordFormat {
		return nil, fmt.Errorf("%s was written by another version of Lentil (format %d): restore with that one", name, rr.head.Format)
	}
	rr.n = 1
	return rr, nil
}

// fail names the object, unless what was read from says what is wrong.
func (r *recordReader) fail(err error) error {
	switch {
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrSealed):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errRecord):
		return damaged(r.name, "its records are not whole")
	}
	return fmt.Errorf("%s: %w", r.name, err)
}

// number reads one.
func (r *recordReader) number() (uint64, error) { return binary.ReadUvarint(r.r) }

// bytes reads some, of a number that is no larger than most.
func (r *recordReader) bytes(most uint64) ([]byte, error) {
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, errRecord
	}
	// What a length claims is not believed before the bytes come.
	b := make([]byte, 0, min(n, 64<<10))
	for uint64(len(b)) < n {
		k := min(n-uint64(len(b)), 64<<10)
		at := len(b)
		b = append(b, make([]byte, k)...)
		if _, err := io.ReadFull(r.r, b[at:]); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return b, nil
}

// id reads the name of a document.
func (r *recordReader) id() (d persistence.DocID, err error) {
	table, err := r.number()
	if err == nil && table > 1<<32-1 {
		err = errRecord
	}
	if err == nil {
		d.Table = uint32(table)
		_, err = io.ReadFull(r.r, d.Internal[:])
	}
	return d, err
}

// time reads a timestamp.
func (r *recordReader) time() (persistence.Timestamp, error) {
	n, err := r.number()
	if err == nil && n > uint64(persistence.Max) {
		err = errRecord
	}
	return persistence.Timestamp(n), err
}

// next reads a record; io.EOF follows the end record of a whole stream.
func (r *recordReader) next() (record, error) {
	rec, err := r.read()
	if err == io.EOF && rec.kind == endRecord {
		return rec, io.EOF
	}
	if err != nil {
		return rec, r.fail(err)
	}
	r.n++
	return rec, nil
}

// read reads a record of any kind.
func (r *recordReader) read() (rec record, err error) {
	k, err := r.r.ReadByte()
	if err != nil {
		return record{}, io.ErrUnexpectedEOF
	}
	rec.kind = k
	switch k {
	case storeRecord:
		rec.name, err = r.text()
	case chunkRecord, blobRecord, gapRecord, goneRecord:
		if rec.name, err = r.text(); err == nil {
			rec.n, err = r.number()
		}
	case fileRecord:
		if rec.name, err = r.text(); err == nil {
			rec.n, err = r.number()
		}
		if err == nil {
			rec.body, err = r.bytes(maxBody)
		}
	case docRecord:
		rec.revs = make([]persistence.Revision, 1)
		d := &rec.revs[0]
		if d.TS, err = r.time(); err == nil {
			d.Doc, err = r.id()
		}
		if err == nil {
			d.Body, err = r.bytes(maxBody)
		}
	case commitRecord:
		err = r.commit(&rec)
	case endRecord:
		n, bad := r.number()
		if bad == io.EOF || bad == nil && n != r.n {
			bad = errRecord
		}
		if err = bad; err == nil { // what is read from may have an error yet, a checksum that is another
			if _, err = r.r.ReadByte(); err == nil {
				err = errRecord
			}
		}
	default:
		err = errRecord
	}
	return rec, err
}

// text reads a name.
func (r *recordReader) text() (string, error) {
	b, err := r.bytes(maxText)
	return string(b), err
}

// commit reads the revisions of a commit.
func (r *recordReader) commit(rec *record) (err error) {
	if rec.ts, err = r.time(); err != nil {
		return err
	}
	n, err := r.number()
	if err != nil {
		return err
	}
	rec.revs = make([]persistence.Revision, 0, min(n, 1000))
	for range n {
		rev := persistence.Revision{TS: rec.ts}
		if rev.Doc, err = r.id(); err != nil {
			return err
		}
		back, err := r.time()
		if err != nil {
			return err
		}
		if back > rec.ts {
			return errRecord
		}
		if back != 0 {
			rev.Prev = rec.ts - back
		}
		kept, err := r.r.ReadByte()
		if err != nil || kept > 1 {
			return errors.Join(err, errRecord)
		}
		if kept == 1 {
			if rev.Body, err = r.bytes(maxBody); err != nil {
				return err
			}
		}
		rec.revs = append(rec.revs, rev)
	}
	return nil
}

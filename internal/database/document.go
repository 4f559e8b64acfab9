package database

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Document is one revision of a document: immutable, shared between
// transactions, caches and readers.
type Document struct {
	ID           value.ID
	CreationTime float64               // milliseconds, as users see it
	Size         int                   // by value.Size, system fields included
	TS           persistence.Timestamp // of the commit that wrote it; 0 while it is a transaction's own write

	place  place  // of its table
	stored []byte // header and JSON as persisted
	json   []byte // the JSON within stored
	obj    atomic.Pointer[value.Object]

	unresolved bool // holds value.CommitTS: of a transaction's own writes only
}

// JSON is the canonical Convex-JSON of the whole document including _id and
// _creationTime: the very bytes that are stored. Callers must not modify it.
func (d *Document) JSON() []byte { return d.json }

// Object is the document as a value, parsed on first use and kept.
func (d *Document) Object() value.Object {
	if o := d.obj.Load(); o != nil {
		return *o
	}
	o, err := value.ParseObject(d.json)
	if err != nil {
		// The bytes were produced by value.JSON and checked on reading; nothing
		// but a broken invariant can make them unreadable now.
		panic(fmt.Sprintf("database: stored document %s is not a value: %v", d.ID, err))
	}
	d.obj.Store(&o)
	return o
}

// System tells whether the document is in one of the house's own tables.
func (d *Document) System() bool { return d.ID.Table < firstUserTable }

// docID is the document's name in persistence.
func (d *Document) docID() persistence.DocID {
	return persistence.DocID{Table: uint32(d.place), Internal: d.ID.Internal}
}

// documentFormat is the first byte of every stored body.
//
// 1 (November 2026): format byte, creation time as 8 bytes big-endian IEEE 754,
// size as uvarint, then canonical Convex-JSON.
// 2 (November 2026): as 1, with the namespace as uvarint after the size; written
// where the table's place does not tell it.
const documentFormat = 2

// newDocument gives fields the system fields and encodes the whole.
func newDocument(id value.ID, at place, creation float64, fields value.Object) *Document {
	return encodeDocument(id, at, creation, fields.With("_creationTime", value.Float64(creation)).With("_id", value.String(id.String())))
}

// resolved is d with the timestamp of its commit in the place of every value.CommitTS.
func (d *Document) resolved(ts persistence.Timestamp) *Document {
	return encodeDocument(d.ID, d.place, d.CreationTime, value.Resolve(d.Object(), int64(ts)).(value.Object))
}

// encodeDocument makes the document of an object that has its system fields.
func encodeDocument(id value.ID, at place, creation float64, obj value.Object) *Document {
	d := &Document{ID: id, place: at, CreationTime: creation, Size: value.Size(obj), unresolved: value.Unresolved(obj)}
	b := make([]byte, 0, 16+d.Size+d.Size/4)
	format := byte(1)
	if at.space() != id.Space {
		format = 2
	}
	b = append(b, format)
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(creation))
	b = binary.AppendUvarint(b, uint64(d.Size))
	if format == 2 {
		b = binary.AppendUvarint(b, uint64(id.Space))
	}
	n := len(b)
	d.stored = value.AppendJSON(b, obj)
	d.json = d.stored[n:]
	d.obj.Store(&obj)
	return d
}

// errBody is what a stored body that is not one decodes to.
var errBody = errors.New("stored document is damaged")

// decodeDocument reads a stored body, which it keeps. The JSON is parsed only
// when somebody asks for the object.
func decodeDocument(id persistence.DocID, ts persistence.Timestamp, body []byte) (*Document, error) {
	if len(body) < 10 {
		return nil, fmt.Errorf("database: document %s: %w", id, errBody)
	}
	if body[0] > documentFormat {
		return nil, fmt.Errorf("database: document %s: %w", id, persistence.ErrNewerFormat)
	}
	size, n := binary.Uvarint(body[9:])
	if body[0] == 0 || n <= 0 || size > math.MaxInt32 || len(body) <= 9+n {
		return nil, fmt.Errorf("database: document %s: %w", id, errBody)
	}
	p := place(id.Table)
	json, space := body[9+n:], uint64(p.space())
	if body[0] == 2 {
		if space, n = binary.Uvarint(json); n <= 0 || space > math.MaxUint32 || len(json) <= n {
			return nil, fmt.Errorf("database: document %s: %w", id, errBody)
		}
		json = json[n:]
	}
	if json[0] != '{' || json[len(json)-1] != '}' {
		return nil, fmt.Errorf("database: document %s: %w", id, errBody)
	}
	return &Document{
		ID: value.ID{Table: p.number(), Internal: id.Internal, Space: value.Space(space)}, place: p, TS: ts, Size: int(size), stored: body, json: json,
		CreationTime: math.Float64frombits(binary.BigEndian.Uint64(body[1:9])),
	}, nil
}

// cost is roughly what keeping d in memory takes: bytes, header, and for some
// the parsed object.
func (d *Document) cost() int { return len(d.stored) + d.Size + 300 }

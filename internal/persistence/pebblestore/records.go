package pebblestore

import (
	"encoding/binary"
	"errors"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// errRecord is what a value that is not one decodes to.
var errRecord = errors.New("stored record is damaged")

// The values of index entries begin with one of these.
//
// 1 (November 2026): nothing follows a deletion. A table as uvarint follows an
// entry whose document's internal id are the last 16 bytes of the key; for any
// other, the id follows the table.
const (
	entryDeleted = 0
	entryTail    = 1
	entryFull    = 2
)

// appendEntry encodes the value of an entry.
func appendEntry(v []byte, e *persistence.IndexWrite) []byte {
	if e.Deleted {
		return append(v, entryDeleted)
	}
	if n := len(e.Key) - 16; n >= 0 && [16]byte(e.Key[n:]) == e.Doc.Internal {
		return binary.AppendUvarint(append(v, entryTail), uint64(e.Doc.Table))
	}
	v = binary.AppendUvarint(append(v, entryFull), uint64(e.Doc.Table))
	return append(v, e.Doc.Internal[:]...)
}

// decodeEntry reads the value of an entry.
func decodeEntry(key, v []byte) (doc persistence.DocID, deleted bool, err error) {
	if len(v) == 0 {
		return doc, false, errRecord
	}
	if v[0] == entryDeleted && len(v) == 1 {
		return doc, true, nil
	}
	table, n := binary.Uvarint(v[1:])
	if n <= 0 || table > 1<<32-1 {
		return doc, false, errRecord
	}
	doc.Table = uint32(table)
	rest := v[1+n:]
	switch {
	case v[0] == entryTail && len(rest) == 0 && len(key) >= 16:
		doc.Internal = [16]byte(key[len(key)-16:])
	case v[0] == entryFull && len(rest) == 16:
		doc.Internal = [16]byte(rest)
	default:
		return doc, false, errRecord
	}
	return doc, false, nil
}

// record is a commit in the log: which documents it wrote, and which index
// entries it removed. That is what Log and Prune need: an entry that was added
// can only have replaced one that an earlier commit removed.
type record struct {
	revisions []persistence.Revision // without bodies; deleted ones are in gone
	gone      []bool
	removed   []persistence.IndexWrite
}

// appendRecord encodes a commit: uvarint counts before lists; of a revision the
// table, 16 bytes, a flag for deletion, and how far back the previous one
// lies, 0 for none; of a removed entry the index, and the key with its length.
func appendRecord(v []byte, c *persistence.Commit) []byte {
	v = binary.AppendUvarint(v, uint64(len(c.Revisions)))
	for i := range c.Revisions {
		r := &c.Revisions[i]
		v = append(binary.AppendUvarint(v, uint64(r.Doc.Table)), r.Doc.Internal[:]...)
		flag, back := byte(0), uint64(0)
		if r.Body == nil {
			flag = 1
		}
		if r.Prev != 0 {
			back = uint64(c.TS - r.Prev)
		}
		v = binary.AppendUvarint(append(v, flag), back)
	}
	n := 0
	for i := range c.Entries {
		if c.Entries[i].Deleted {
			n++
		}
	}
	v = binary.AppendUvarint(v, uint64(n))
	for i := range c.Entries {
		if e := &c.Entries[i]; e.Deleted {
			v = binary.AppendUvarint(v, uint64(e.Index))
			v = append(binary.AppendUvarint(v, uint64(len(e.Key))), e.Key...)
		}
	}
	return v
}

// decodeRecord reads a commit at a timestamp. It keeps nothing of v.
func decodeRecord(ts persistence.Timestamp, v []byte) (rec record, err error) {
	d := decoder{b: v}
	n := d.count(19)
	rec.revisions, rec.gone = make([]persistence.Revision, 0, n), make([]bool, 0, n)
	for range n {
		r := persistence.Revision{TS: ts}
		table := d.uvarint()
		if table > 1<<32-1 {
			d.bad = true
		}
		r.Doc.Table = uint32(table)
		copy(r.Doc.Internal[:], d.bytes(16))
		flag := d.bytes(1)
		if back := d.uvarint(); back > uint64(ts) {
			d.bad = true
		} else if back != 0 {
			r.Prev = ts - persistence.Timestamp(back)
		}
		if d.bad || flag[0] > 1 {
			return record{}, errRecord
		}
		rec.revisions, rec.gone = append(rec.revisions, r), append(rec.gone, flag[0] == 1)
	}
	n = d.count(2)
	rec.removed = make([]persistence.IndexWrite, 0, n)
	for range n {
		e := persistence.IndexWrite{Index: persistence.IndexID(d.uvarint()), Deleted: true}
		e.Key = append([]byte{}, d.bytes(int(min(d.uvarint(), 1<<31)))...)
		if d.bad {
			return record{}, errRecord
		}
		rec.removed = append(rec.removed, e)
	}
	if d.bad || len(d.b) != 0 {
		return record{}, errRecord
	}
	return rec, nil
}

// decoder takes bytes apart; once bad, it only hands out zeros.
type decoder struct {
	b   []byte
	bad bool
}

// uvarint takes a number.
func (d *decoder) uvarint() uint64 {
	u, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return u
}

// count takes the length of a list whose elements have at least size bytes.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.bad = true
		return 0
	}
	return int(n)
}

// bytes takes n bytes.
func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return make([]byte, min(max(n, 0), 16))
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

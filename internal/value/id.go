package value

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// TableNumber identifies a table within its namespace; zero is no table.
type TableNumber uint32

// Space is a namespace of tables. The app's own is zero; each component instance
// has another.
type Space uint32

// InternalID identifies a document within its table.
type InternalID [16]byte

// ID identifies a document. Its text form carries a checksum, so that a typing
// error is not mistaken for another document.
//
// The text does not tell of Space: whoever reads an id from text knows in which
// namespace it is meant.
type ID struct {
	Table    TableNumber
	Internal InternalID
	Space    Space
}

// alphabet is lower-case Crockford base32: no i, l, o, u.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// digits is the inverse of alphabet; 0xFF for bytes outside of it.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = 0xFF
	}
	for i := range len(alphabet) {
		d[alphabet[i]] = byte(i)
	}
	return d
}()

// Lengths of ids as text: the table number takes one to five bytes.
const (
	minIDText = 31
	maxIDText = 37
)

// NewInternalID makes an id of 14 bytes read from r and the number of days since
// 1970 (convex-runtime §4.6). It panics if r fails, as crypto/rand never does.
func NewInternalID(r io.Reader, now time.Time) InternalID {
	var id InternalID
	if _, err := io.ReadFull(r, id[:14]); err != nil {
		panic(fmt.Sprintf("value: no randomness: %v", err))
	}
	binary.BigEndian.PutUint16(id[14:], uint16(now.Unix()/86400))
	return id
}

// String is the text form: base32 over table number, internal id and checksum.
func (id ID) String() string {
	return string(id.Append(make([]byte, 0, maxIDText)))
}

// Append appends the text form.
func (id ID) Append(dst []byte) []byte {
	var raw [23]byte
	b := binary.AppendUvarint(raw[:0], uint64(id.Table))
	b = append(b, id.Internal[:]...)
	b = binary.LittleEndian.AppendUint16(b, fletcher16(b))
	var acc uint32
	var bits uint
	for _, c := range b {
		acc = acc<<8 | uint32(c)
		bits += 8
		for bits >= 5 {
			bits -= 5
			dst = append(dst, alphabet[acc>>bits&31])
		}
	}
	if bits > 0 {
		dst = append(dst, alphabet[acc<<(5-bits)&31])
	}
	return dst
}

// ParseID reads the text form, accepting only what ID.String can produce.
func ParseID(s string) (ID, error) {
	if len(s) < minIDText || len(s) > maxIDText {
		return ID{}, badID(s)
	}
	var raw [24]byte
	b := raw[:0]
	var acc uint32
	var bits uint
	for i := range len(s) {
		d := digits[s[i]]
		if d == 0xFF {
			return ID{}, badID(s)
		}
		acc = acc<<5 | uint32(d)
		bits += 5
		if bits >= 8 {
			bits -= 8
			b = append(b, byte(acc>>bits))
		}
	}
	if bits >= 5 || acc&(1<<bits-1) != 0 { // more text than bytes, or stray bits at the end
		return ID{}, badID(s)
	}
	table, n := binary.Uvarint(b)
	if n <= 0 || len(b) != n+18 || table == 0 || table > 1<<32-1 || n > 1 && b[n-1] == 0 {
		return ID{}, badID(s)
	}
	if binary.LittleEndian.Uint16(b[n+16:]) != fletcher16(b[:n+16]) {
		return ID{}, badID(s)
	}
	return ID{Table: TableNumber(table), Internal: InternalID(b[n : n+16])}, nil
}

// badID is the refusal of a text that is no id; long texts are cut.
func badID(s string) error {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return apierr.New(apierr.BadRequest, "InvalidId", "Invalid document ID %q: expected the ID of a document, as found in its _id field.", s)
}

// fletcher16 is the id checksum: two sums modulo 256, not 255, low byte first.
func fletcher16(b []byte) uint16 {
	var c0, c1 uint8
	for _, x := range b {
		c0 += x
		c1 += c0
	}
	return uint16(c1)<<8 | uint16(c0)
}

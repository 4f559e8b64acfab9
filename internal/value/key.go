package value

import (
	"encoding/binary"
	"strings"
)

// Tag bytes of sort keys: in the order of kinds, none of them zero, so that a
// zero byte can end a list (convex-runtime §4.3).
const (
	tagUndefined = 0x01
	tagNull      = 0x03
	tagIntZero   = 0x08                                   // 0x04 to 0x07 and 0x09 to 0x0C: sign and width of the payload
	tagCommitTS  = "\x0C\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF" // above the widest integer
	tagFloat     = 0x0D
	tagFalse     = 0x0E
	tagTrue      = 0x0F
	tagString    = 0x10
	tagBytes     = 0x11
	tagArray     = 0x12
	tagObject    = 0x15
)

// AppendKey appends the sort key of v. Keys compare bytewise as values do under
// Compare, also when several are appended one after the other. No key is a
// prefix of another, so the keys that begin with AppendKey(nil, v) are exactly
// those of tuples that begin with v.
func AppendKey(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case Undefined:
		return append(dst, tagUndefined)
	case Null:
		return append(dst, tagNull)
	case Int64:
		return appendIntKey(dst, int64(v))
	case CommitTS:
		return append(dst, tagCommitTS...)
	case Float64:
		return binary.BigEndian.AppendUint64(append(dst, tagFloat), floatKey(v))
	case Bool:
		if v {
			return append(dst, tagTrue)
		}
		return append(dst, tagFalse)
	case String:
		return appendTextKey(append(dst, tagString), string(v))
	case Bytes:
		return appendTextKey(append(dst, tagBytes), v)
	case Array:
		dst = append(dst, tagArray)
		for _, e := range v {
			dst = AppendKey(dst, e)
		}
		return append(dst, 0)
	case Object:
		dst = append(dst, tagObject)
		for _, f := range v.fields {
			dst = appendTextKey(append(dst, tagString), f.Name)
			dst = AppendKey(dst, f.Value)
		}
		return append(dst, 0)
	}
	panic("value: unknown kind")
}

// appendIntKey writes sign and width into the tag: a longer payload is further
// from zero. The payload is the low bytes of the two's complement, big-endian,
// which ascend with the number on both sides of zero.
func appendIntKey(dst []byte, n int64) []byte {
	u := uint64(n)
	if n < 0 {
		switch {
		case n >= -1<<8:
			return append(dst, 0x07, byte(u))
		case n >= -1<<16:
			return binary.BigEndian.AppendUint16(append(dst, 0x06), uint16(u))
		case n >= -1<<32:
			return binary.BigEndian.AppendUint32(append(dst, 0x05), uint32(u))
		}
		return binary.BigEndian.AppendUint64(append(dst, 0x04), u)
	}
	switch {
	case u == 0:
		return append(dst, tagIntZero)
	case u < 1<<8:
		return append(dst, 0x09, byte(u))
	case u < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 0x0A), uint16(u))
	case u < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, 0x0B), uint32(u))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0x0C), u)
}

// appendTextKey writes s with each zero byte as 00 FF, and 00 01 at the end. The
// end mark is below every continuation, and unlike a lone zero it keeps the key
// of "a" from being a prefix of the key of "a\x00".
func appendTextKey[T string | Bytes](dst []byte, s T) []byte {
	for i := range len(s) {
		if s[i] == 0 {
			return appendZeroTextKey(dst, string(s))
		}
	}
	dst = append(dst, s...)
	return append(dst, 0, 1)
}

// appendZeroTextKey is appendTextKey for the rare text with zero bytes in it.
func appendZeroTextKey(dst []byte, s string) []byte {
	for {
		head, tail, found := strings.Cut(s, "\x00")
		dst = append(dst, head...)
		if !found {
			return append(dst, 0, 1)
		}
		dst = append(dst, 0, 0xFF)
		s = tail
	}
}

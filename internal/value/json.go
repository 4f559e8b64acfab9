package value

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// JSON is the canonical Convex-JSON text of v: no spaces, object keys sorted,
// numbers as JavaScript's JSON.stringify prints them.
func JSON(v Value) []byte { return AppendJSON(nil, v) }

// AppendJSON appends the canonical Convex-JSON text of v. Undefined becomes
// {"$undefined":null}, CommitTS {"$commitTs":null}.
func AppendJSON(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case Undefined:
		return append(dst, `{"$undefined":null}`...)
	case Null:
		return append(dst, "null"...)
	case Int64:
		return append(append64(append(dst, `{"$integer":"`...), uint64(v)), `"}`...)
	case CommitTS:
		return append(dst, commitTSForm...)
	case Float64:
		if special(float64(v)) {
			return append(append64(append(dst, `{"$float":"`...), math.Float64bits(float64(v))), `"}`...)
		}
		return appendNumber(dst, float64(v))
	case Bool:
		return strconv.AppendBool(dst, bool(v))
	case String:
		return AppendQuoted(dst, string(v))
	case Bytes:
		dst = append(dst, `{"$bytes":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, v)
		return append(dst, `"}`...)
	case Array:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, e)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, f := range v.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendQuoted(dst, f.Name), ':')
			dst = AppendJSON(dst, f.Value)
		}
		return append(dst, '}')
	}
	panic("value: unknown kind")
}

// CleanJSON is the text of v in the HTTP API's format "json", which gives up
// telling kinds apart: integers become decimal strings, bytes base64 strings,
// infinities and NaN their names. Undefined becomes null.
func CleanJSON(v Value) []byte { return appendClean(nil, v) }

// appendClean is CleanJSON with a destination.
func appendClean(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case Undefined:
		return append(dst, "null"...)
	case Int64:
		dst = strconv.AppendInt(append(dst, '"'), int64(v), 10)
		return append(dst, '"')
	case Float64:
		switch f := float64(v); {
		case math.IsNaN(f):
			return append(dst, `"NaN"`...)
		case math.IsInf(f, 1):
			return append(dst, `"Infinity"`...)
		case math.IsInf(f, -1):
			return append(dst, `"-Infinity"`...)
		case f == 0 && math.Signbit(f):
			return append(dst, "-0.0"...)
		default:
			return appendNumber(dst, f)
		}
	case Bytes:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), v)
		return append(dst, '"')
	case Array:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendClean(dst, e)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, f := range v.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendQuoted(dst, f.Name), ':')
			dst = appendClean(dst, f.Value)
		}
		return append(dst, '}')
	}
	return AppendJSON(dst, v) // null, booleans and strings are themselves
}

// special reports whether a float has no JSON number of its own: NaN, the
// infinities and negative zero.
func special(f float64) bool {
	return math.IsNaN(f) || math.IsInf(f, 0) || f == 0 && math.Signbit(f)
}

// append64 appends the eight little-endian bytes of u in base64.
func append64(dst []byte, u uint64) []byte {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], u)
	return base64.StdEncoding.AppendEncode(dst, b[:])
}

// appendNumber prints a finite number as JavaScript does: the shortest digits
// that read back the same, with an exponent from 1e21 up and below 1e-6.
func appendNumber(dst []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' { // e-07 is e-7 in JavaScript
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// plain marks the bytes that stand for themselves within a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendQuoted appends s as a JSON string the way JSON.stringify writes it.
// Bytes that are no UTF-8 become the replacement character.
func AppendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

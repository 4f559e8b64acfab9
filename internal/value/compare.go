package value

import (
	"bytes"
	"cmp"
	"math"
	"strings"
)

// Compare orders values as indexes, filters and range bounds see them
// (convex-runtime §4.3): by kind, then within the kind. Integers and floats are
// different kinds and never equal. Floats are in IEEE total order: -0 before
// +0, NaN after +Infinity, negative NaN before -Infinity.
func Compare(a, b Value) int {
	ka, kb := a.Kind(), b.Kind()
	if ka != kb {
		return cmp.Compare(ka, kb)
	}
	switch a := a.(type) {
	case Undefined, Null, CommitTS:
		return 0
	case Int64:
		return cmp.Compare(a, b.(Int64))
	case Float64:
		return cmp.Compare(floatKey(a), floatKey(b.(Float64)))
	case Bool:
		return cmp.Compare(boolRank(a), boolRank(b.(Bool)))
	case String:
		return strings.Compare(string(a), string(b.(String)))
	case Bytes:
		return bytes.Compare(a, b.(Bytes))
	case Array:
		b := b.(Array)
		for i := range min(len(a), len(b)) {
			if c := Compare(a[i], b[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(a), len(b))
	case Object:
		b := b.(Object)
		for i := range min(len(a.fields), len(b.fields)) {
			if c := strings.Compare(a.fields[i].Name, b.fields[i].Name); c != 0 {
				return c
			}
			if c := Compare(a.fields[i].Value, b.fields[i].Value); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(a.fields), len(b.fields))
	}
	panic("value: unknown kind")
}

// Equal reports whether a and b are the same value, bit for bit.
func Equal(a, b Value) bool { return Compare(a, b) == 0 }

// floatKey maps a float to an unsigned integer in the same total order: the
// sign bit flipped for positive numbers, all bits for negative ones.
func floatKey(f Float64) uint64 {
	bits := math.Float64bits(float64(f))
	if bits>>63 == 1 {
		return ^bits
	}
	return bits | 1<<63
}

// boolRank puts false before true.
func boolRank(b Bool) int {
	if b {
		return 1
	}
	return 0
}

package value

// Size is the number of bytes a value counts towards every limit
// (convex-runtime §4.4). It is not the length of any encoding.
func Size(v Value) int {
	switch v := v.(type) {
	case Undefined:
		return 0
	case Null, Bool:
		return 1
	case Int64, CommitTS, Float64:
		return 9
	case String:
		return 2 + len(v)
	case Bytes:
		return 2 + len(v)
	case Array:
		n := 2
		for _, e := range v {
			n += Size(e)
		}
		return n
	case Object:
		n := 2
		for _, f := range v.fields {
			n += len(f.Name) + 1 + Size(f.Value)
		}
		return n
	}
	panic("value: unknown kind")
}

// Depth is how deeply arrays and objects are nested in v: 0 for a scalar, 1 for
// an array of scalars.
func Depth(v Value) int {
	deepest := 0
	switch v := v.(type) {
	case Array:
		for _, e := range v {
			deepest = max(deepest, Depth(e))
		}
		return deepest + 1
	case Object:
		for _, f := range v.fields {
			deepest = max(deepest, Depth(f.Value))
		}
		return deepest + 1
	}
	return 0
}

package value

import "strings"

// commitTSForm is how CommitTS is written.
const commitTSForm = `{"$commitTs":null}`

// Unresolved reports whether v holds a CommitTS.
func Unresolved(v Value) bool {
	switch v := v.(type) {
	case CommitTS:
		return true
	case Array:
		for _, e := range v {
			if Unresolved(e) {
				return true
			}
		}
	case Object:
		for _, f := range v.fields {
			if Unresolved(f.Value) {
				return true
			}
		}
	}
	return false
}

// Resolve gives v with ts in the place of every CommitTS. What holds none is shared.
func Resolve(v Value, ts int64) Value {
	switch v := v.(type) {
	case CommitTS:
		return Int64(ts)
	case Array:
		if !Unresolved(v) {
			return v
		}
		out := make(Array, len(v))
		for i, e := range v {
			out[i] = Resolve(e, ts)
		}
		return out
	case Object:
		if !Unresolved(v) {
			return v
		}
		out := Object{fields: make([]Field, len(v.fields))}
		for i, f := range v.fields {
			out.fields[i] = Field{f.Name, Resolve(f.Value, ts)}
		}
		return out
	}
	return v
}

// MayBeUnresolved tells cheaply whether a text of Convex-JSON can hold CommitTS;
// a string in it that looks like one is enough.
func MayBeUnresolved(json string) bool { return strings.Contains(json, `"$commitTs"`) }

// ResolveJSON is Resolve for a text of Convex-JSON. A text that holds none is
// given back as it is.
func ResolveJSON(json string, ts int64) ([]byte, error) {
	if !MayBeUnresolved(json) {
		return []byte(json), nil
	}
	v, err := ParseUnresolved([]byte(json))
	if err != nil {
		return nil, err
	}
	return JSON(Resolve(v, ts)), nil
}

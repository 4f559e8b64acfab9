package convex

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// Int64 is a bigint, v.int64() in schemas. Plain Go integers are sent as numbers,
// which functions see as JavaScript numbers.
type Int64 int64

// Bytes is an ArrayBuffer, v.bytes() in schemas. (A plain []byte becomes base64
// text, as encoding/json has it.)
type Bytes []byte

// Float64 is a number that may be NaN, infinite or negative zero.
type Float64 float64

// The members by which the protocol's JSON marks values that JSON lacks
// (convex-runtime.md, "Convex JSON").
const (
	memberInteger = "$integer"
	memberBytes   = "$bytes"
	memberFloat   = "$float"
)

// mark writes eight bytes, little-endian, under a member.
func mark(member string, u uint64) []byte {
	return fmt.Appendf(nil, `{"%s":"%s"}`, member, base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, u)))
}

// marked reads the text under the one member of an object; ok is false if it has
// other members.
func marked(b []byte, member string) (text string, ok bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil || len(m) != 1 {
		return "", false
	}
	raw, has := m[member]
	return text, has && json.Unmarshal(raw, &text) == nil
}

// eight decodes eight little-endian bytes of base64.
func eight(text string) (uint64, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 8 {
		return 0, fmt.Errorf("convex: %q is not eight bytes of base64", text)
	}
	return binary.LittleEndian.Uint64(b), nil
}

// MarshalJSON is part of json.Marshaler.
func (n Int64) MarshalJSON() ([]byte, error) { return mark(memberInteger, uint64(n)), nil }

// UnmarshalJSON is part of json.Unmarshaler. A number without a fraction is taken,
// too.
func (n *Int64) UnmarshalJSON(b []byte) error {
	if text, ok := marked(b, memberInteger); ok {
		u, err := eight(text)
		*n = Int64(u)
		return err
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("convex: %s is not a bigint", clip(b))
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return fmt.Errorf("convex: the number %v is not an exact integer", f)
	}
	*n = Int64(f)
	return nil
}

// MarshalJSON is part of json.Marshaler.
func (b Bytes) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"%s":"%s"}`, memberBytes, base64.StdEncoding.EncodeToString(b)), nil
}

// UnmarshalJSON is part of json.Unmarshaler.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	s, ok := marked(text, memberBytes)
	if !ok {
		return fmt.Errorf("convex: %s is not bytes", clip(text))
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return fmt.Errorf("convex: bytes: %w", err)
	}
	*b = raw
	return nil
}

// MarshalJSON is part of json.Marshaler.
func (f Float64) MarshalJSON() ([]byte, error) {
	v := float64(f)
	if math.IsNaN(v) || math.IsInf(v, 0) || v == 0 && math.Signbit(v) {
		return mark(memberFloat, math.Float64bits(v)), nil
	}
	return json.Marshal(v)
}

// UnmarshalJSON is part of json.Unmarshaler.
func (f *Float64) UnmarshalJSON(b []byte) error {
	if text, ok := marked(b, memberFloat); ok {
		u, err := eight(text)
		*f = Float64(math.Float64frombits(u))
		return err
	}
	var v float64
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("convex: %s is not a number", clip(b))
	}
	*f = Float64(v)
	return nil
}

// encodeArgs makes the arguments object of a call.
func encodeArgs(args any) (json.RawMessage, error) {
	if args == nil {
		return json.RawMessage("{}"), nil
	}
	b, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("convex: arguments: %w", err)
	}
	if string(b) == "null" {
		return json.RawMessage("{}"), nil
	}
	if b[0] != '{' {
		return nil, fmt.Errorf("convex: arguments must be an object such as a struct or a map, not %s", clip(b))
	}
	return b, nil
}

// decodeResult reads a result into out, which may be nil.
func decodeResult(raw json.RawMessage, out any) error {
	if out == nil {
		return nil
	}
	if len(raw) == 0 {
		raw = json.RawMessage("null")
	}
	if p, ok := out.(*any); ok {
		v, err := plain(raw)
		*p = v
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("convex: result into %T: %w", out, err)
	}
	return nil
}

// plain decodes into maps, slices and scalars.
func plain(raw json.RawMessage) (any, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("convex: result: %w", err)
	}
	return unmark(v)
}

// unmark replaces objects that stand for values which JSON lacks.
func unmark(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			e, err := unmark(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = e
		}
	case map[string]any:
		if len(v) == 1 {
			for name, e := range v {
				if text, ok := e.(string); ok && strings.HasPrefix(name, "$") {
					return special(name, text)
				}
			}
		}
		for name := range v {
			e, err := unmark(v[name])
			if err != nil {
				return nil, err
			}
			v[name] = e
		}
	}
	return v, nil
}

// special reads one marked value.
func special(member, text string) (any, error) {
	switch member {
	case memberInteger:
		u, err := eight(text)
		return int64(u), err
	case memberFloat:
		u, err := eight(text)
		return math.Float64frombits(u), err
	case memberBytes:
		return base64.StdEncoding.DecodeString(text)
	}
	return nil, fmt.Errorf("convex: values marked %s are not known to this version", member)
}

// clip shortens text for an error.
func clip(b []byte) string {
	if len(b) > 60 {
		return string(b[:60]) + "…"
	}
	return string(b)
}

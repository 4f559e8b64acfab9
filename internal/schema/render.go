package schema

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/value"
)

// maxRendered bounds the text of a value or validator within a message, so that
// one wrong field does not send megabytes back to the caller.
const maxRendered = 8 << 10

// writer renders values and validators for people, up to a limit.
type writer struct {
	strings.Builder
	limit int
}

// put writes s, or the end mark once the limit is reached.
func (w *writer) put(s string) {
	room := w.limit - w.Len()
	switch {
	case room <= 0:
	case len(s) > room:
		w.WriteString(strings.ToValidUTF8(s[:room], ""))
		w.WriteString(" (truncated)")
		w.limit = 0
	default:
		w.WriteString(s)
	}
}

// full reports that nothing more will be written.
func (w *writer) full() bool { return w.limit == 0 }

// renderValue renders a value as messages show it: fields without quotes,
// floats always with a point ({numItems: 10.0}), integers with JavaScript's n.
func renderValue(v value.Value) string {
	w := writer{limit: maxRendered}
	w.value(v)
	return w.String()
}

// value renders one value.
func (w *writer) value(v value.Value) {
	if w.full() {
		return
	}
	switch v := v.(type) {
	case value.Undefined:
		w.put("undefined")
	case value.Null:
		w.put("null")
	case value.Int64:
		w.put(strconv.FormatInt(int64(v), 10) + "n")
	case value.CommitTS:
		w.put("[unresolved commit timestamp]")
	case value.Float64:
		w.put(renderFloat(float64(v)))
	case value.Bool:
		w.put(strconv.FormatBool(bool(v)))
	case value.String:
		if len(v) > w.limit {
			v = v[:w.limit]
		}
		w.put(string(value.AppendQuoted(nil, string(v))))
	case value.Bytes:
		if len(v) > w.limit {
			v = v[:w.limit]
		}
		w.put("bytes(" + base64.StdEncoding.EncodeToString(v) + ")")
	case value.Array:
		w.put("[")
		for i, e := range v {
			if i > 0 {
				w.put(", ")
			}
			w.value(e)
		}
		w.put("]")
	case value.Object:
		w.put("{")
		first := true
		for name, e := range v.All() {
			if !first {
				w.put(", ")
			}
			first = false
			w.put(renderName(name) + ": ")
			w.value(e)
		}
		w.put("}")
	}
}

// renderFloat prints a float so that it is not mistaken for an integer.
func renderFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == math.Trunc(f) && math.Abs(f) < 1e16:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// renderName prints a field name, quoted unless it is an identifier.
func renderName(name string) string {
	if value.CheckIdentifier("field name", name) == nil {
		return name
	}
	return string(value.AppendQuoted(nil, name))
}

// validator renders one validator.
func (w *writer) validator(v *Validator) {
	if w.full() {
		return
	}
	switch v.kind {
	case kindFloat64:
		w.put("v.float64()")
	case kindInt64:
		w.put("v.int64()")
	case kindLiteral:
		w.put("v.literal(")
		w.value(v.literal)
		w.put(")")
	case kindID:
		w.put("v.id(" + strconv.Quote(v.table) + ")")
	case kindArray:
		w.put("v.array(")
		w.validator(v.elem)
		w.put(")")
	case kindRecord:
		w.put("v.record(")
		w.validator(v.keys)
		w.put(", ")
		w.validator(v.elem)
		w.put(")")
	case kindObject:
		w.put("v.object({")
		for i, f := range v.fields {
			if i > 0 {
				w.put(", ")
			}
			w.put(renderName(f.name) + ": ")
			if f.optional {
				w.put("v.optional(")
			}
			w.validator(f.v)
			if f.optional {
				w.put(")")
			}
		}
		w.put("})")
	case kindUnion:
		w.put("v.union(")
		for i, m := range v.members {
			if i > 0 {
				w.put(", ")
			}
			w.validator(m)
		}
		w.put(")")
	default:
		w.put("v." + typeNames[v.kind] + "()")
	}
}

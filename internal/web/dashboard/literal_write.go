package dashboard

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/value"
)

// writeLiteral writes a value as people would; readLiteral reads it back. Objects and
// arrays that are longer than a line are broken up.
func writeLiteral(v value.Value) string { return literal(v, "") }

// lineWidth is the length above which objects and arrays are broken up.
const lineWidth = 72

func literal(v value.Value, indent string) string {
	switch v := v.(type) {
	case value.Null:
		return "null"
	case value.Bool:
		return strconv.FormatBool(bool(v))
	case value.Int64:
		return strconv.FormatInt(int64(v), 10) + "n"
	case value.Float64:
		return floatLiteral(float64(v))
	case value.String:
		return string(value.AppendQuoted(nil, string(v)))
	case value.Bytes:
		return `{ "$bytes": "` + base64.StdEncoding.EncodeToString([]byte(v)) + `" }`
	case value.Array:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = literal(e, indent+"  ")
		}
		return brackets("[", "]", parts, indent)
	case value.Object:
		parts := make([]string, 0, v.Len())
		for name, e := range v.All() {
			parts = append(parts, fieldName(name)+": "+literal(e, indent+"  "))
		}
		return brackets("{", "}", parts, indent)
	}
	return string(value.JSON(v))
}

func brackets(open, end string, parts []string, indent string) string {
	if len(parts) == 0 {
		return open + end
	}
	pad := " "
	if open == "[" {
		pad = ""
	}
	line := open + pad + strings.Join(parts, ", ") + pad + end
	if len(line)+len(indent) <= lineWidth && !strings.Contains(line, "\n") {
		return line
	}
	sep := "\n" + indent + "  "
	return open + sep + strings.Join(parts, ","+sep) + ",\n" + indent + end
}

// floatLiteral writes a number as JavaScript does.
func floatLiteral(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0 && math.Signbit(f):
		return "-0"
	}
	if a := math.Abs(f); a >= 1e21 || a != 0 && a < 1e-6 {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// fieldName writes the name of a field, in quotes where JavaScript asks for them.
func fieldName(name string) string {
	r := literalReader{text: name}
	if name != "" && r.word() == name {
		return name
	}
	return string(value.AppendQuoted(nil, name))
}

// Cell is a value as a table shows it.
type Cell struct {
	Text string // on one line, clipped
	Kind string // for its colour
	Link string // where an id leads
	Full string // the whole value, if Text is not
}

// cellWidth is how many characters of a value a table shows.
const cellWidth = 90

// cell makes the cell of a value.
func cell(v value.Value) Cell {
	if v == nil {
		return Cell{Kind: "unset"}
	}
	c := Cell{Kind: strings.ToLower(v.Kind().String())}
	text := literal(v, "")
	if s, ok := v.(value.String); ok && s != "" && strings.TrimSpace(string(s)) == string(s) {
		text = string(s) // in quotes only where nobody would see it
	}
	c.Text = clipText(strings.Join(strings.Fields(clipText(text, 4*cellWidth)), " "), cellWidth)
	if c.Text != text {
		c.Full = clipText(text, 2000)
	}
	return c
}

package identity

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/value"
)

// Record reads the fields of a row. A field that is missing or of another kind
// reads as the zero value: rows are only ever written by Row, so that happens
// exactly for fields that an older version did not know.
type Record struct{ Fields value.Object }

// Text is a string field.
func (r Record) Text(name string) string {
	v, _ := r.Fields.Get(name)
	s, _ := v.(value.String)
	return string(s)
}

// Bytes is a bytes field; it must not be changed.
func (r Record) Bytes(name string) []byte {
	v, _ := r.Fields.Get(name)
	b, _ := v.(value.Bytes)
	return b
}

// Number is a numeric field.
func (r Record) Number(name string) float64 {
	v, _ := r.Fields.Get(name)
	n, _ := v.(value.Float64)
	return float64(n)
}

// Flag is a boolean field.
func (r Record) Flag(name string) bool {
	v, _ := r.Fields.Get(name)
	b, _ := v.(value.Bool)
	return bool(b)
}

// Time is a timestamp field; zero if it was.
func (r Record) Time(name string) time.Time {
	if ms := r.Number(name); ms != 0 {
		return time.UnixMilli(int64(ms)).UTC()
	}
	return time.Time{}
}

// Duration is a field of milliseconds.
func (r Record) Duration(name string) time.Duration {
	return time.Duration(r.Number(name)) * time.Millisecond
}

// Texts is a list of strings.
func (r Record) Texts(name string) []string {
	v, _ := r.Fields.Get(name)
	a, _ := v.(value.Array)
	var out []string
	for _, e := range a {
		if s, ok := e.(value.String); ok {
			out = append(out, string(s))
		}
	}
	return out
}

// Numbers is a list of numbers.
func (r Record) Numbers(name string) []float64 {
	v, _ := r.Fields.Get(name)
	a, _ := v.(value.Array)
	var out []float64
	for _, e := range a {
		if n, ok := e.(value.Float64); ok {
			out = append(out, float64(n))
		}
	}
	return out
}

// Map is a map of strings, as written by Map.
func (r Record) Map(name string) map[string]string {
	flat := r.Texts(name)
	if len(flat) == 0 {
		return nil
	}
	out := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		out[flat[i]] = flat[i+1]
	}
	return out
}

// Row collects the fields of a row to be written.
type Row []value.Field

// Object is the row as the database takes it.
func (r Row) Object() value.Object { return value.ObjectOf(r...) }

// Text adds a string; what is not UTF-8 is replaced, since no row can hold it.
func Text[T ~string](name string, s T) value.Field {
	return value.Field{Name: name, Value: value.String(strings.ToValidUTF8(string(s), "\uFFFD"))}
}

// Bytes adds bytes as they are.
func Bytes(name string, b []byte) value.Field {
	return value.Field{Name: name, Value: value.Bytes(b)}
}

// Number adds a number.
func Number[T ~int | ~int64 | ~uint32 | ~float64](name string, n T) value.Field {
	return value.Field{Name: name, Value: value.Float64(n)}
}

// Flag adds a boolean.
func Flag(name string, b bool) value.Field {
	return value.Field{Name: name, Value: value.Bool(b)}
}

// Time adds a timestamp in milliseconds; 0 stands for the zero time.
func Time(name string, t time.Time) value.Field {
	return value.Field{Name: name, Value: millis(t)}
}

// millis is a timestamp as a stored number.
func millis(t time.Time) value.Float64 {
	if t.IsZero() {
		return 0
	}
	return value.Float64(t.UnixMilli())
}

// Duration adds a length of time in milliseconds.
func Duration(name string, d time.Duration) value.Field {
	return value.Field{Name: name, Value: value.Float64(d.Milliseconds())}
}

// Texts adds a list of strings.
func Texts(name string, list []string) value.Field {
	a := make(value.Array, len(list))
	for i, s := range list {
		a[i] = value.String(strings.ToValidUTF8(s, "\uFFFD"))
	}
	return value.Field{Name: name, Value: a}
}

// Numbers adds a list of numbers.
func Numbers(name string, list []float64) value.Field {
	a := make(value.Array, len(list))
	for i, n := range list {
		a[i] = value.Float64(n)
	}
	return value.Field{Name: name, Value: a}
}

// Map adds a map of strings, as a list of keys each followed by its value: keys
// may be anything, while the names of an object's fields may not.
func Map(name string, m map[string]string) value.Field {
	flat := make([]string, 0, 2*len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		flat = append(flat, k, m[k])
	}
	return Texts(name, flat)
}

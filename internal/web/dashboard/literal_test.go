package dashboard

import (
	"math"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/value"
)

func TestReadLiteral(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{name: 'Ada', "n": 12n, list: [1, 2.5, -3,], nested: {a: null, 'b-c': true,},}`: `{"list":[1.0,2.5,-3.0],"n":{"$integer":"DAAAAAAAAAA="},"name":"Ada","nested":{"a":null,"b-c":true}}`,
		`"a\u00e9\x41\n\u{1f600}\ud83d\ude00"`:                                           `"aéA\n😀😀"`,
		"`two\nlines`":                                                                   `"two\nlines"`,
		`-Infinity`:                                                                      `{"$float":"AAAAAAAA8P8="}`,
		`NaN`:                                                                            `{"$float":"AAAAAAAA+H8="}`,
		`-0`:                                                                             `{"$float":"AAAAAAAAAIA="}`,
		`0x10`:                                                                           `16.0`,
		`1_000.5e-1`:                                                                     `100.05`,
		`-9223372036854775808n`:                                                          `{"$integer":"AAAAAAAAAIA="}`,
		`{"$integer":"AQAAAAAAAAA="}`:                                                    `{"$integer":"AQAAAAAAAAA="}`,
		`{"$bytes":"AQI="}`:                                                              `{"$bytes":"AQI="}`,
		"// why\n[ /* none */ ]":                                                         `[]`,
		`.5`:                                                                             `0.5`,
		`{1: "one"}`:                                                                     `{"1":"one"}`,
	} {
		v, err := readLiteral(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := string(value.JSON(v)); got != want && got != strings.ReplaceAll(want, ".0", "") {
			t.Errorf("%s = %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		``: "a value is missing", `{`: `is missing`, `{a 1}`: "a colon is expected", `[1 2]`: "a comma", `{a: b}`: "b is a name", `'abc`: "does not end",
		"'a\nb'": "does not end on its line", `undefined`: "leave the field out", `1 2`: "too much", `12abc`: "is no number", `9223372036854775808n`: "64 bits",
		`new Date()`: "new is a name", "{\n  a: 1,\n  b: @\n}": "Line 3, column 6", `"\ud800"`: "half of a character", `"\uZZZZ"`: "hexadecimal", `{$a: 1}`: "$", "`${x}`": "template",
		strings.Repeat("[", 500): "nested",
	} {
		if _, err := readLiteral(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestWriteLiteralIsReadBack(t *testing.T) {
	t.Parallel()
	v := value.ObjectOf(
		value.Field{Name: "a", Value: value.Array{value.Float64(1), value.Float64(math.Inf(-1)), value.Float64(math.Copysign(0, -1)), value.Float64(1e300), value.Float64(1e-9), value.Null{}}},
		value.Field{Name: "b-c", Value: value.Int64(math.MinInt64)}, value.Field{Name: "d", Value: value.Bytes("\x00\x01")},
		value.Field{Name: "e", Value: value.String("'\"`\n</script>")}, value.Field{Name: "f", Value: value.ObjectOf()}, value.Field{Name: "g", Value: value.Array{}},
		value.Field{Name: "long", Value: value.Array{value.String(strings.Repeat("x", 60)), value.ObjectOf(value.Field{Name: "y", Value: value.String(strings.Repeat("z", 60))})}})
	text := writeLiteral(v)
	back, err := readLiteral(text)
	if err != nil || value.Compare(v, back) != 0 {
		t.Errorf("%s\nis read as %s, %v", text, back, err)
	}
	if !strings.Contains(text, "\n  d: {") || strings.Contains(writeLiteral(value.Array{value.Float64(1), value.Float64(2)}), "\n") {
		t.Errorf("layout: %s", text)
	}
}

func FuzzReadLiteral(f *testing.F) {
	for _, s := range []string{`{a: 'b', n: 1n, "c": [1, -Infinity, 0x1f]}`, "`x`", `"\u{1f600}"`, `{"$bytes":"AQI="}`, `// c`, `/*`, `-`, `1e+`, `0x`, `'\`, "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := readLiteral(text)
		if err != nil {
			return
		}
		out := writeLiteral(v)
		back, err := readLiteral(out)
		if err != nil || value.Compare(v, back) != 0 {
			t.Fatalf("%q is written as %q, which is read as %v, %v", text, out, back, err)
		}
	})
}

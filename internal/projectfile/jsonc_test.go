package projectfile

import (
	"encoding/json"
	"testing"
)

func TestPlainJSONBlanksCommentsAndTrailingCommas(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`{"a": 1, // one` + "\n" + `"b": [1, 2,], /* two */ }`: `{"a":1,"b":[1,2]}`,
		`{"url": "http://x/*y*/", "q": "\"//\\"}`:              `{"q":"\"//\\","url":"http://x/*y*/"}`,
		"\ufeff{\"a\": [ , ]}":                                 `{"a":[]}`,
		`[1,2]`:                                                `[1,2]`,
	}
	for src, want := range tests {
		out := PlainJSON([]byte(src))
		if len(out) != len(src) {
			t.Errorf("%q: offsets moved", src)
		}
		var v any
		if err := json.Unmarshal(out, &v); err != nil {
			t.Errorf("%q became %q: %v", src, out, err)
			continue
		}
		if got, _ := json.Marshal(v); string(got) != want {
			t.Errorf("%q = %s, want %s", src, got, want)
		}
	}
}

func FuzzPlainJSON(f *testing.F) {
	for _, s := range []string{`{"a":1,}`, `// x`, `/*`, `"\`, `[,]`, `{"a":"//"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out := PlainJSON(src)
		if len(out) != len(src) {
			t.Fatalf("%q: offsets moved", src)
		}
		if json.Valid(src) && string(out) != string(src) {
			t.Fatalf("valid JSON was changed: %q to %q", src, out)
		}
	})
}

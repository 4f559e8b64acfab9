package udf

import (
	"encoding/json"
	"testing"
)

func TestFillAudit(t *testing.T) {
	t.Parallel()
	get := func(name string) any { return "<" + name + ">" }
	for in, want := range map[string]string{
		`{"a":{"$var":"ip"},"b":[{"$var":"now"},12345678901234567890,{"c":null}]}`: `{"a":"\u003cip\u003e","b":["\u003cnow\u003e",12345678901234567890,{"c":null}]}`,
		`{"a":{"$var":"ip","x":1}}`: `{"a":{"$var":"ip","x":1}}`,
		`{"a":{"$var":"other"}}`:    "",
		`[1]`:                       "", `"x"`: "", `{`: "",
	} {
		got, err := fillAudit(json.RawMessage(in), get)
		if (err != nil) != (want == "") || err == nil && string(got) != want {
			t.Errorf("%s became %s, %v", in, got, err)
		}
	}
}

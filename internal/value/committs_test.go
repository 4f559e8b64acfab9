package value

import (
	"strings"
	"testing"
)

func TestCommitTSIsAllowedWhereDocumentsAreWritten(t *testing.T) {
	t.Parallel()
	const form = `{"$commitTs":null}`
	if _, err := ParseObject([]byte(`{"a":` + form + `}`)); err == nil || !strings.Contains(err.Error(), "unresolved commit timestamp") {
		t.Errorf("ParseObject: %v", err)
	}
	text := `{"a":` + form + `,"b":[{"$integer":"AQAAAAAAAAA="},{"c":` + form + `}],"d":"$commitTs"}`
	for name, parse := range map[string]func([]byte) (Object, error){"written": ParseWritten, "patch": ParsePatch} {
		o, err := parse([]byte(text))
		if err != nil || string(JSON(o)) != text || !Unresolved(o) {
			t.Errorf("%s: %s, %v", name, JSON(o), err)
		}
	}
	if v, err := ParseOperand([]byte(form)); err != nil || v.Kind() != KindCommitTS {
		t.Errorf("operand: %v, %v", v, err)
	}
	for _, bad := range []string{`{"$commitTs":1}`, `{"$commitTs":{}}`} {
		if _, err := ParseWritten([]byte(`{"a":` + bad + `}`)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	o, err := ParseWritten([]byte(`{"a":{"$commitTs":null},"b":[1,{"c":{"$commitTs":null}}],"d":{"e":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r := Resolve(o, 1)
	const want = `{"a":{"$integer":"AQAAAAAAAAA="},"b":[1,{"c":{"$integer":"AQAAAAAAAAA="}}],"d":{"e":"x"}}`
	if string(JSON(r)) != want || Unresolved(r) || !Unresolved(o) || Size(r) != Size(o) {
		t.Errorf("resolved %s, size %d of %d", JSON(r), Size(r), Size(o))
	}
	for in, out := range map[string]string{string(JSON(o)): want, `{"a":"\"$commitTs\""}`: `{"a":"\"$commitTs\""}`, `["x",  1]`: `["x",  1]`} {
		if got, err := ResolveJSON(in, 1); err != nil || string(got) != out {
			t.Errorf("ResolveJSON(%s) = %s, %v", in, got, err)
		}
	}
}

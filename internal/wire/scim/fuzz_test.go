package scim

import (
	"encoding/json"
	"testing"

	"github.com/lentil-dev/lentil/internal/directory"
)

// FuzzFilter reads filters and holds objects against what was read.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{`userName eq "a"`, `emails[type eq "work" and value co "@"] and not (a pr)`, `a.b gt 1 or c le "2011-05-13T04:42:34Z"`, `active eq True`, `a eq null`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value sw "x"`, `a eq "\ud800"`, `not`, `a eq "`, `[`} {
		f.Add(s, `{"userName":"a","emails":[{"type":"work","value":"a@b"}],"active":true}`)
	}
	f.Fuzz(func(t *testing.T, s, object string) {
		e, err := parseFilter(s)
		if err != nil {
			return
		}
		var o map[string]any
		if json.Unmarshal([]byte(object), &o) != nil {
			return
		}
		if e.holds(o) == (neither{e}).holds(o) {
			t.Errorf("%q and its negation agree about %s", s, object)
		}
		key, value, rest := indexed(e, userKeys)
		if key != directory.Every && value == "" {
			t.Errorf("%q is found by an empty %s", s, key)
		}
		if rest == nil && key == directory.Every {
			t.Errorf("%q asks for nothing", s)
		}
	})
}

// FuzzPatch applies patches to a user. What is left must be a user or be refused, and
// what is left must not change by being normalised again.
func FuzzPatch(f *testing.F) {
	for _, s := range []string{
		`{"Operations":[{"op":"replace","value":{"active":false,"name.givenName":"x"}}]}`,
		`{"Operations":[{"op":"Add","path":"emails[type eq \"work\"].value","value":"a"},{"op":"remove","path":"emails"}]}`,
		`{"Operations":[{"op":"add","path":"emails","value":[{"value":"x","primary":"True"},{"value":"y","primary":true}]}]}`,
		`{"Operations":[{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"},{"op":"add","path":"members","value":"c"}]}`,
		`{"Operations":[{"op":"add","path":"urn:a:b:User","value":{"c":{"d":[1]}}},{"op":"replace","path":"urn:a:b:User:c.d","value":2}]}`,
		`{"Operations":[{"op":"add","path":"name","value":3},{"op":"add","path":"name.givenName","value":"x"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ops, err := readPatch(b)
		if err != nil {
			return
		}
		if _, err := memberChange(ops); err != nil {
			return
		}
		a := map[string]any{"userName": "a", "name": map[string]any{"givenName": "b"}, "emails": []any{map[string]any{"type": "work", "value": "c"}}}
		for _, o := range ops {
			if o.apply(a) != nil {
				return
			}
		}
		once, err := directory.Normalize(a)
		if err != nil {
			return
		}
		first, err := json.Marshal(once)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := directory.Normalize(once)
		if err != nil {
			t.Fatalf("refused the second time: %v", err)
		}
		second, err := json.Marshal(twice)
		if err != nil || string(first) != string(second) {
			t.Errorf("%s became %s", first, second)
		}
	})
}

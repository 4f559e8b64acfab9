package schema

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// tables is a Tables of a few names.
type tables map[string]value.TableNumber

func (t tables) TableNumber(name string) (value.TableNumber, bool) { n, ok := t[name]; return n, ok }

func (t tables) TableName(n value.TableNumber) (string, bool) {
	for name, m := range t {
		if m == n {
			return name, true
		}
	}
	return "", false
}

// town is the deployment the tests know.
var town = tables{"users": 10001, "posts": 10002}

// userID and strangeID are ids of a known and of an unknown table.
var (
	userID    = value.ID{Table: 10001, Internal: value.InternalID{1}}.String()
	strangeID = value.ID{Table: 10999, Internal: value.InternalID{1}}.String()
)

// object writes the JSON of an object validator: "a" is required, "a?" optional.
func object(fields ...string) string {
	var parts []string
	for i := 0; i < len(fields); i += 2 {
		name, optional := strings.CutSuffix(fields[i], "?")
		opt := "false"
		if optional {
			opt = "true"
		}
		parts = append(parts, `"`+name+`":{"fieldType":`+fields[i+1]+`,"optional":`+opt+`}`)
	}
	return `{"type":"object","value":{` + strings.Join(parts, ",") + `}}`
}

// Shorthands of simple validators.
const (
	str  = `{"type":"string"}`
	num  = `{"type":"number"}`
	null = `{"type":"null"}`
	anyv = `{"type":"any"}`
	user = `{"type":"id","tableName":"users"}`
	post = `{"type":"id","tableName":"posts"}`
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, validator, value, want string }{
		{"any", anyv, `[1,null,{}]`, ``},
		{"number", num, `1`, ``},
		{"special number", num, `{"$float":"AAAAAAAA+H8="}`, ``},
		{"number not bigint", num, `{"$integer":"AQAAAAAAAAA="}`, "Value does not match validator.\n\nValue: 1n\nValidator: v.float64()\n"},
		{"bigint not number", `{"type":"bigint"}`, `1`, "Value does not match validator.\n\nValue: 1.0\nValidator: v.int64()\n"},
		{"null", null, `null`, ``},
		{"bytes", `{"type":"bytes"}`, `{"$bytes":"AAEC"}`, ``},
		{"literal", `{"type":"literal","value":"x"}`, `"x"`, ``},
		{"literal zero", `{"type":"literal","value":0}`, `-0`, ``},
		{"other literal", `{"type":"literal","value":"x"}`, `"y"`, "`\"y\"` does not match literal validator `v.literal(\"x\")`.\n\nValue: \"y\"\nValidator: v.literal(\"x\")\n"},
		{"id", user, `"` + userID + `"`, ``},
		{"no id", object("jobId", user), `{"jobId":"test-manual-001"}`, "Value does not match validator.\nPath: .jobId\nValue: \"test-manual-001\"\nValidator: v.id(\"users\")\n"},
		{"id of another table", object("id", post), `{"id":"` + userID + `"}`, "Found ID \"" + userID + "\" from table `users`, which does not match the table name in validator `v.id(\"posts\")`.\nPath: .id\nValue: \"" + userID + "\"\nValidator: v.id(\"posts\")\n"},
		{"id of no table", user, `"` + strangeID + `"`, "Value does not match validator.\n\nValue: \"" + strangeID + "\"\nValidator: v.id(\"users\")\n"},
		{"array", `{"type":"array","value":` + num + `}`, `[1,2]`, ``},
		{"array element", object("a", `{"type":"array","value":`+object("b", str)+`}`), `{"a":[{"b":"x"},{"b":1}]}`, "Value does not match validator.\nPath: .a[1].b\nValue: 1.0\nValidator: v.string()\n"},
		{"record", `{"type":"record","keys":` + str + `,"values":{"fieldType":` + num + `,"optional":false}}`, `{"a":1,"b c":2}`, ``},
		{"record value", `{"type":"record","keys":` + str + `,"values":{"fieldType":` + num + `,"optional":false}}`, `{"b c":"x"}`, "Value does not match validator.\nPath: [\"b c\"]\nValue: \"x\"\nValidator: v.float64()\n"},
		{"record key", `{"type":"record","keys":` + user + `,"values":{"fieldType":` + num + `,"optional":false}}`, `{"x":1}`, "Value does not match validator.\n\nValue: \"x\"\nValidator: v.id(\"users\")\n"},
		{"object", object("a", str, "b?", num), `{"a":"x"}`, ``},
		{"no fields", object(), `{}`, ``},
		{"missing", object("a", str, "b", num), `{"a":"x"}`, "Object is missing the required field `b`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n\nObject: {a: \"x\"}\nValidator: v.object({a: v.string(), b: v.float64()})\n"},
		{"undefined is missing", object("a", str), `{"a":{"$undefined":null}}`, "Object is missing the required field `a`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n\nObject: {a: undefined}\nValidator: v.object({a: v.string()})\n"},
		{"undefined optional", object("a?", str), `{"a":{"$undefined":null},"b":{"$undefined":null}}`, ``},
		{"extra", object("a?", str), `{"a":"x","b":10}`, "Object contains extra field `b` that is not in the validator.\n\nObject: {a: \"x\", b: 10.0}\nValidator: v.object({a: v.optional(v.string())})\n"},
		{"extra first", object("b", str), `{"a":true,"b":"x"}`, "Object contains extra field `a` that is not in the validator.\n\nObject: {a: true, b: \"x\"}\nValidator: v.object({b: v.string()})\n"},
		{"no object", object("b", str), `null`, "Value does not match validator.\n\nValue: null\nValidator: v.object({b: v.string()})\n"},
		{"union", `{"type":"union","value":[` + str + `,` + null + `]}`, `null`, ``},
		{"no member", `{"type":"union","value":[` + str + `,` + null + `]}`, `1.5`, "Value does not match validator.\n\nValue: 1.5\nValidator: v.union(v.string(), v.null())\n"},
		{"empty union", `{"type":"union","value":[]}`, `1`, "Value does not match validator.\n\nValue: 1.0\nValidator: v.union()\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := ParseValidator([]byte(c.validator))
			if err != nil {
				t.Fatal(err)
			}
			val, err := value.ParsePatch([]byte(`{"v":` + c.value + `}`))
			x, _ := val.Get("v")
			if err != nil { // members of objects may be undefined one level further in
				x, err = value.ParsePatch([]byte(c.value))
			}
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := v.Check(x, town); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestMismatchIsBounded(t *testing.T) {
	t.Parallel()
	v, err := ParseValidator([]byte(num))
	if err != nil {
		t.Fatal(err)
	}
	for _, val := range []value.Value{value.String(strings.Repeat("é", 1<<20)), value.Bytes(make([]byte, 1<<20)), make(value.Array, 0, 1)} {
		if a, ok := val.(value.Array); ok {
			for range 8000 {
				a = append(a, value.String(strings.Repeat("x", 100)))
			}
			val = a
		}
		if n := len(v.Check(val, nil).Error()); n > maxRendered+256 {
			t.Errorf("message of %d bytes", n)
		}
	}
}

func TestParseValidatorRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{``, "must be an object"}, {`[]`, "must be an object"}, {`{}`, "type"}, {`{"type":"strin"}`, "Unrecognized validator type \"strin\""},
		{`{"type":"literal"}`, "value"}, {`{"type":"literal","value":[]}`, "v.literal()"}, {`{"type":"id"}`, "tableName"}, {`{"type":"id","tableName":"a b"}`, "table name"},
		{`{"type":"array"}`, "must be an object"}, {`{"type":"object"}`, "needs a value"}, {`{"type":"object","value":{"a":{}}}`, "must be an object"}, {`{"type":"object","value":{"a b":{"fieldType":` + str + `}}}`, "field name"},
		{`{"type":"object","value":{"$a":{"fieldType":` + str + `}}}`, "field name"}, {`{"type":"union","value":{}}`, "array"}, {`{"type":"union"}`, "array"},
		{`{"type":"record","keys":` + num + `,"values":{"fieldType":` + num + `}}`, "must be strings"}, {`{"type":"record","keys":{"type":"literal","value":"a"},"values":{"fieldType":` + num + `}}`, "must be strings"},
		{`{"type":"record","keys":` + str + `,"values":{"fieldType":` + num + `,"optional":true}}`, "optional"}, {`{"type":"record","keys":` + str + `}`, "needs values"},
		{strings.Repeat(`{"type":"array","value":`, 200) + str + strings.Repeat(`}`, 200), "nested"},
	} {
		v, err := ParseValidator([]byte(c.in))
		if err == nil {
			t.Errorf("%.60s = %s, want an error", c.in, v)
		} else if apierr.KindOf(err) != apierr.BadRequest || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v, want %q", c.in, err, c.want)
		}
	}
	if _, err := ParseArgs([]byte(str)); err == nil || !strings.Contains(err.Error(), "args validator must be an object validator or v.any()") {
		t.Errorf("args of a string: %v", err)
	}
	if v, err := ParseArgs([]byte("null")); err != nil || !v.IsAny() {
		t.Errorf("args of null: %v, %v", v, err)
	}
	if v, err := ParseReturns([]byte("null")); err != nil || v != nil {
		t.Errorf("returns of null: %v, %v", v, err)
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	lit := func(s string) string { return `{"type":"literal","value":` + s + `}` }
	union := func(vs ...string) string { return `{"type":"union","value":[` + strings.Join(vs, ",") + `]}` }
	for _, c := range []struct {
		v, w string
		want bool
	}{
		{anyv, str, true}, {str, anyv, false}, {str, str, true}, {str, num, false}, {str, lit(`"a"`), true}, {str, user, true}, {user, str, false}, {user, post, false}, {num, lit(`"a"`), false},
		{union(str, num), num, true}, {num, union(num, lit("1")), true}, {num, union(num, null), false}, {union(lit("1"), lit("2")), lit("2"), true}, {lit("1"), lit("2"), false},
		{object("a", str), object("a", str), true}, {object("a", str, "b?", num), object("a", str), true}, {object("a", str, "b", num), object("a", str), false}, {object("a?", str), object("a", str), true},
		{object("a", str), object("a?", str), false}, {object("a", str), object("a", str, "b?", num), false}, {object("b?", str), object("a", str), false}, {object("a", union(str, num)), object("a", num), true},
		{object("a?", str), object(), true}, {object("a", str), str, false},
	} {
		v, err := ParseValidator([]byte(c.v))
		w, err2 := ParseValidator([]byte(c.w))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if got := v.Covers(w); got != c.want {
			t.Errorf("%s covers %s: %v, want %v", v, w, got, c.want)
		}
	}
}

func FuzzParseValidator(f *testing.F) {
	f.Add([]byte(object("a", str, "b?", `{"type":"array","value":`+user+`}`)))
	f.Add([]byte(`{"type":"union","value":[{"type":"literal","value":{"$integer":"AQAAAAAAAAA="}},` + null + `]}`))
	f.Add([]byte(`{"type":"record","keys":` + str + `,"values":{"fieldType":` + anyv + `,"optional":false}}`))
	f.Add([]byte(`{"type":"commitTs"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := ParseValidator(in)
		if err != nil {
			if apierr.KindOf(err) != apierr.BadRequest {
				t.Fatalf("%v is not for callers", err)
			}
			return
		}
		again, err := ParseValidator(v.JSON())
		if err != nil || !bytes.Equal(again.JSON(), v.JSON()) || again.String() != v.String() {
			t.Fatalf("%q became %q: %v", in, v.JSON(), err)
		}
		_ = v.Check(value.Null{}, nil)
		_ = v.Covers(again)
	})
}

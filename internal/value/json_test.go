package value

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
)

func TestParseAndJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{ // an empty want means the same text
		{`null`, ``}, {`true`, ``}, {`false`, ``}, {` [ ] `, `[]`}, {"\t{\r\n}", `{}`},
		{`0`, ``}, {`1`, ``}, {`-1`, ``}, {`1.0`, `1`}, {`1e3`, `1000`}, {`0.1`, ``}, {`123456789012345`, ``}, {`1234567890123456`, ``},
		{`9007199254740993`, `9007199254740992`}, {`1e21`, `1e+21`}, {`100000000000000000000`, ``}, {`1e-7`, ``}, {`0.000001`, ``},
		{`1.5E-10`, `1.5e-10`}, {`1.7976931348623157e+308`, ``}, {`5e-324`, ``}, {`-0`, `{"$float":"AAAAAAAAAIA="}`},
		{`{"$float":"AAAAAAAA8H8="}`, ``}, {`{"$float":"AAAAAAAA+H8="}`, ``}, {`{"$integer":"//////////8="}`, ``}, {`{"$integer": "AQAAAAAAAAA="}`, `{"$integer":"AQAAAAAAAAA="}`},
		{`{"$bytes":""}`, ``}, {`{"$bytes":"AAEC"}`, ``}, {`{"b":1,"a":2}`, `{"a":2,"b":1}`}, {`{"a":1,"a":2}`, `{"a":2}`}, {`{"":1}`, ``},
		{`"a\u0041\/\b\f\n\r\t\"\\"`, `"aA/\b\f\n\r\t\"\\"`}, {`"\u0000\u001F\u007f"`, "\"\\u0000\\u001f\x7f\""}, {`"\ud83d\ude00"`, `"😀"`},
		{"\"\u2028é\"", ``}, {`[1,[2,{"a":[]}]]`, ``},
	} {
		v, err := Parse([]byte(c.in))
		if err != nil {
			t.Errorf("Parse(%s): %v", c.in, err)
			continue
		}
		want := c.want
		if want == "" {
			want = c.in
		}
		if got := string(JSON(v)); got != want {
			t.Errorf("JSON(Parse(%s)) = %s, want %s", c.in, got, want)
		}
	}
}

func TestParseRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{``, "unexpected end"}, {`{`, "unexpected end"}, {`[1,]`, "unexpected character"}, {`[1 2]`, "expected ','"}, {`{"a" 1}`, "expected ':'"}, {`{a:1}`, "field name"},
		{`{"a":1,}`, "field name"}, {`nul`, "expected null"}, {`1 2`, "after the value"}, {`01`, "malformed number"}, {`1.`, "unexpected end"}, {`-`, "unexpected end"},
		{`+1`, "unexpected character"}, {`1e`, "unexpected end"}, {`1e999`, "out of range"}, {`NaN`, "unexpected character"}, {"\"\n\"", "control character"}, {`"abc`, "unexpected end"},
		{`"\x"`, "unknown escape"}, {`"\u12"`, "unexpected end"}, {`"\u12zz"`, "malformed"}, {`"\ud800"`, "surrogate"}, {`"\udc00"`, "surrogate"}, {`"\ud800\ud800"`, "surrogate"}, {`"\ud800A"`, "surrogate"},
		{"\"\xff\"", "UTF-8"},
		{`{"$float":"AAAAAAAA8D8="}`, "Float 1 should be encoded as a number"}, {`{"$float":1}`, "$float"}, {`{"$integer":"AQ=="}`, "$integer"}, {`{"$integer":1}`, "$integer"},
		{`{"$bytes":"A"}`, "$bytes"}, {`{"$bytes":"AB=="}`, "$bytes"}, {`{"$bytes":null}`, "$bytes"}, {`{"$integer":"AQAAAAAAAAA=","a":1}`, "reserved"}, {`{"$integer":"AQAAAAAAAAA=","$integer":"AQAAAAAAAAA="}`, "reserved"},
		{`{"$undefined":null}`, "undefined is not a valid value"}, {`{"$commitTs":null}`, "unresolved commit timestamp"}, {`{"$map":[]}`, "not supported"}, {`{"$x":1}`, "reserved"}, {`{"é":1}`, "ASCII"}, {`{"\n":1}`, "ASCII"},
		{`{"` + strings.Repeat("a", 1025) + `":1}`, "maximum field name length"},
		{`[` + strings.Repeat("1,", 8192) + `1]`, "8192"},
		{strings.Repeat("[", 65) + strings.Repeat("]", 65), "too nested"}, {strings.Repeat("[", 1<<20), "too nested"},
	} {
		v, err := Parse([]byte(c.in))
		if err == nil {
			t.Errorf("Parse(%.60s) = %.60s, want an error", c.in, JSON(v))
			continue
		}
		if apierr.KindOf(err) != apierr.BadRequest || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%.60s): %v, want %q", c.in, err, c.want)
		}
	}
	if _, err := Parse([]byte(strings.Repeat("[", 64) + strings.Repeat("]", 64))); err != nil {
		t.Errorf("64 levels: %v", err)
	}
	if _, err := ParseObject([]byte(`[]`)); err == nil || !strings.Contains(err.Error(), "Expected an object") {
		t.Errorf("ParseObject([]): %v", err)
	}
	var many []string
	for i := range 1025 {
		many = append(many, `"`+strings.Repeat("a", i%1000+1)+string(rune('b'+i/1000))+`":1`)
	}
	if _, err := Parse([]byte(`{` + strings.Join(many, ",") + `}`)); err == nil || !strings.Contains(err.Error(), "1024") {
		t.Errorf("1025 fields: %v", err)
	}
}

func TestParseUndefined(t *testing.T) {
	t.Parallel()
	if v, err := ParseOperand([]byte(`{"$undefined":null}`)); err != nil || v.Kind() != KindUndefined {
		t.Errorf("operand: %v, %v", v, err)
	}
	if _, err := ParseOperand([]byte(`[{"$undefined":null}]`)); err == nil {
		t.Error("undefined within an operand was taken")
	}
	o, err := ParsePatch([]byte(`{"a":{"$undefined":null},"b":1}`))
	if v, ok := o.Get("a"); err != nil || !ok || v.Kind() != KindUndefined {
		t.Errorf("patch: %v, %v", o, err)
	}
	for _, in := range []string{`{"$undefined":null}`, `{"a":[{"$undefined":null}]}`, `{"a":{"b":{"$undefined":null}}}`} {
		if _, err := ParsePatch([]byte(in)); err == nil {
			t.Errorf("patch %s was taken", in)
		}
	}
}

func TestCleanJSON(t *testing.T) {
	t.Parallel()
	v, err := Parse([]byte(`[{"$integer":"AQAAAAAAAAA="},{"$bytes":"AAEC"},{"$float":"AAAAAAAA8H8="},{"$float":"AAAAAAAA8P8="},{"$float":"AAAAAAAA+H8="},-0,1.5,"x",null,true,{"a":{}}]`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `["1","AAEC","Infinity","-Infinity","NaN",-0.0,1.5,"x",null,true,{"a":{}}]`
	if got := string(CleanJSON(v)); got != want {
		t.Errorf("CleanJSON = %s, want %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`null`, `{"a":[1,-0,1e300,"\ud83d\ude00"],"b":{"$integer":"AQAAAAAAAAA="}}`, `{"$bytes":"AAEC"}`, `{"$float":"AAAAAAAA8H8="}`, `[[[]]]`, `1e-7`, `"\u0000"`, `{"$undefined":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := Parse(in)
		if err != nil {
			if apierr.KindOf(err) != apierr.BadRequest {
				t.Fatalf("%v is not for callers", err)
			}
			return
		}
		if !json.Valid(in) {
			t.Fatalf("took %q, which is no JSON", in)
		}
		out := JSON(v)
		again, err := Parse(out)
		if err != nil || !Equal(v, again) || !bytes.Equal(out, JSON(again)) {
			t.Fatalf("%q became %q: %v", in, out, err)
		}
		if !utf8.Valid(CleanJSON(v)) || !json.Valid(CleanJSON(v)) {
			t.Fatalf("clean form of %q is %q", in, CleanJSON(v))
		}
	})
}

func FuzzKeyOrder(f *testing.F) {
	f.Add([]byte(`"a\u0000"`), []byte(`"a"`))
	f.Add([]byte(`[1,"x"]`), []byte(`[1]`))
	f.Add([]byte(`{"a":1}`), []byte(`{"$integer":"AQAAAAAAAAA="}`))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, errA := Parse(x)
		b, errB := Parse(y)
		if errA != nil || errB != nil {
			return
		}
		ka, kb := AppendKey(nil, a), AppendKey(nil, b)
		if bytes.Compare(ka, kb) != Compare(a, b) || Compare(a, b) != -Compare(b, a) {
			t.Fatalf("%s and %s: keys %x and %x, compared %d", x, y, ka, kb, Compare(a, b))
		}
		if Compare(a, b) != 0 && bytes.HasPrefix(ka, kb) {
			t.Fatalf("key of %s is a prefix of that of %s", y, x)
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("j57000820c20a1g7104gm2rc1m70ynr8")
	f.Add("07zzzzzzzzzzzzzzzzzzzzzzzzzz328")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != s {
			t.Fatalf("%q is %v, which is written %q", s, id, id.String())
		}
	})
}

func FuzzID(f *testing.F) {
	f.Add(uint32(10001), []byte("0123456789abcdef"))
	f.Add(uint32(1<<32-1), bytes.Repeat([]byte{255}, 16))
	f.Fuzz(func(t *testing.T, table uint32, b []byte) {
		if len(b) != 16 || table == 0 {
			return
		}
		id := ID{Table: TableNumber(table), Internal: InternalID(b)}
		if got, err := ParseID(id.String()); err != nil || got != id {
			t.Fatalf("%v is written %q and read as %v: %v", id, id.String(), got, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"_creationTime":1795446369013.25,"_id":"j57000820c20a1g7104gm2rc1m70ynr8","author":"ada","body":"hello, world","likes":12,"tags":["a","b"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

package webhook

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

// nasty are texts on which printers of JSON differ.
var nasty = []string{
	`{}`, `[]`, `""`, ` { "a" : [ 1 , 2 ] , "b" : null } `, `true`, `[false,null,true]`,
	`{"html":"<b>&amp;</b>","slash":"a/b","escaped":"a\/b"}`,
	"{\"separators\":\"a\u2028b\u2029c\"}", `{"separators":"a\u2028b\u2029c"}`,
	`{"controls":"\u0000\u0001\b\t\n\u000b\f\r\u001f\u007f\u0080"}`, "{\"delete\":\"\x7f\"}",
	`{"quotes":"\"\\\u0022\u005c"}`,
	`{"pair":"\ud83d\ude00","raw":"😀","upper":"\uD83D\uDE00"}`,
	`{"alone":"\ud800","low":"\udc00","turned":"\udc00\ud800","high high low":"\ud800\ud83d\ude00","then text":"\ud800x","then escape":"\ud800\n","then plain":"\ud800\u0041"}`,
	`{"\ud800":1,"\ud800":2}`,
	"{\"replacement\":\"\ufffd\",\"bom\":\"\ufeff\",\"max\":\"\U0010ffff\",\"private\":\"\ue000\ud7ff\"}",
	`{"b":1,"a":2,"10":3,"9":4,"01":5,"-1":6,"1.5":7,"4294967294":8,"4294967295":9,"4294967296":10,"0":11,"":12,"99999999999":13}`,
	`{"a":1,"b":2,"a":3}`, `{"1":1,"a":2,"1":3}`, `{"__proto__":{"x":1},"constructor":2,"toString":3,"__proto__":4}`,
	`[0,-0,0.0,-0.0,1,1.0,1e0,100,1e2,1.50,0.1,1e21,1e20,123456789012345678901,123456789012345680000,1e-6,1e-7,1.5e-7,5e-324,1.7976931348623157e308,1e999,-1e999,1e-999,9007199254740993,0.30000000000000004,1E+2,1e-0,123e-20]`,
	`[[[[[["deep"]]]]]]`, `{"é":"ü","日本":"語","ı":"İ"}`,
}

// javascript prints texts as V8 does.
func javascript(t *testing.T, texts []string) []string {
	t.Helper()
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "-e",
		`const all = JSON.parse(require("fs").readFileSync(0, "utf8")); for (const s of all) console.log(JSON.stringify(JSON.stringify(JSON.parse(s))));`)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var want []string
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var s string
		if err := json.Unmarshal(sc.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		want = append(want, s)
	}
	if len(want) != len(texts) {
		t.Fatalf("%d answers to %d texts", len(want), len(texts))
	}
	return want
}

// random makes a JSON text, escaped and spaced at will.
func random(r *rand.Rand, depth int) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	text := func() string {
		var b strings.Builder
		b.WriteByte('"')
		for range r.IntN(6) {
			switch r.IntN(4) {
			case 0:
				fmt.Fprintf(&b, `\u%04x`, r.IntN(0x10000))
			case 1:
				b.WriteString(pick(`\n`, `\/`, `\\`, `\"`, `\b`, "\u2028", "é", "😀", "<", "\x7f"))
			case 2:
				fmt.Fprintf(&b, `\ud8%02x\udc%02x`, r.IntN(256), r.IntN(256))
			default:
				b.WriteString(pick("a", "1", "10", "_", "$", " "))
			}
		}
		b.WriteByte('"')
		return b.String()
	}
	switch n := r.IntN(8); {
	case n < 2 && depth < 5:
		var parts []string
		for range r.IntN(5) {
			parts = append(parts, pick(text(), fmt.Sprintf(`"%d"`, r.IntN(30)), fmt.Sprintf(`"%d"`, r.Uint64()>>r.IntN(64)))+pick(":", " : ")+random(r, depth+1))
		}
		return "{" + strings.Join(parts, pick(",", " ,\n")) + "}"
	case n < 3 && depth < 5:
		var parts []string
		for range r.IntN(4) {
			parts = append(parts, random(r, depth+1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case n < 5:
		return text()
	case n < 7:
		return fmt.Sprintf("%d%s%s", r.Int64()>>r.IntN(64), pick("", ".5", fmt.Sprintf(".%d", r.Uint32())), pick("", "e5", fmt.Sprintf("e%d", r.IntN(700)-350)))
	}
	return pick("true", "false", "null")
}

func TestCanonicalIsWhatJavaScriptPrints(t *testing.T) {
	t.Parallel()
	texts := append([]string(nil), nasty...)
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		texts = append(texts, random(r, 0))
	}
	for i, want := range javascript(t, texts) {
		got, err := canonical([]byte(texts[i]))
		if err != nil || string(got) != want {
			t.Errorf("%q:\n got %q, %v\nwant %q", texts[i], got, err, want)
		}
	}
}

func TestCanonicalRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", " ", "{", "[", `"`, `"\x"`, `"\u12"`, `"\u12G4"`, `"\u+123"`, "\"\n\"", "{a:1}", `{"a"}`, `{"a":}`, `{"a":1,}`, "[1,]", "[,1]",
		"01", "-", "+1", "1.", ".5", "1e", "1e+", "nul", "True", "NaN", "1 2", "{}x", "\ufeff{}", "'a'", strings.Repeat("[", 1000)} {
		if out, err := canonical([]byte(s)); err == nil {
			t.Errorf("%.40q became %q", s, out)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range nasty {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := canonical(b)
		valid := json.Valid(b)
		if (err == nil) != valid && len(b) < maxDepth { // deeper ones are refused
			t.Fatalf("%q: %v, but valid is %v", b, err, valid)
		}
		if err != nil {
			return
		}
		if !json.Valid(out) || !utf8.Valid(out) {
			t.Fatalf("%q became %q", b, out)
		}
		again, err := canonical(out)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%q, then %q: %v", out, again, err)
		}
	})
}

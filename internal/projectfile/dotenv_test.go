package projectfile

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDotenvReadsWhatDotenvReads(t *testing.T) {
	t.Parallel()
	src := "\ufeff# a comment\r\n" +
		"PLAIN=value # told\r\n" +
		"  export SPACED = two words  \n" +
		"EMPTY=\n" +
		"SINGLE='a # b'\n" +
		"DOUBLE=\"line one\nNOT_A_NAME=inside\" # after\n" +
		"ESCAPED=\"a\\nb\"\n" +
		"BROKEN=\"no end\n" +
		"YAML: style\n" +
		"not an assignment\n" +
		"TWICE=first\nTWICE=second\n" +
		"LAST=no newline"
	d := ParseDotenv([]byte(src))
	if got := string(d.Bytes()); got != src {
		t.Fatalf("the file changed by being read:\n%s", cmp.Diff(src, got))
	}
	want := map[string]string{
		"PLAIN": "value", "SPACED": "two words", "EMPTY": "", "SINGLE": "a # b",
		"DOUBLE": "line one\nNOT_A_NAME=inside", "ESCAPED": "a\nb", "BROKEN": `"no end`, "YAML": "style", "TWICE": "second", "LAST": "no newline",
	}
	for name, v := range want {
		if got, ok := d.Get(name); !ok || got != v {
			t.Errorf("%s = %q, %v; want %q", name, got, ok, v)
		}
	}
	if _, ok := d.Get("NOT_A_NAME"); ok {
		t.Error("a line within a quoted value was taken for an assignment")
	}
}

func TestDotenvSetTouchesNoOtherLine(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, variable, value, want string }{
		{"new file", "", "A", "1", "A=1\n"},
		{"append", "B=2\n", "A", "1", "B=2\nA=1\n"},
		{"append without newline", "B=2", "A", "1", "B=2\nA=1\n"},
		{"append with CRLF", "B=2\r\n# x\r\n", "A", "1", "B=2\r\n# x\r\nA=1\r\n"},
		{"keep comment", "A=0 # why\nB=2\n", "A", "1", "A=1 # why\nB=2\n"},
		{"keep export and CRLF", "export A='0'\r\nB=2", "A", "1", "export A=1\r\nB=2"},
		{"every assignment", "A=0\nB=2\nA=3\n", "A", "1", "A=1\nB=2\nA=1\n"},
		{"fill an empty one", "A=\nB=2\n", "A", "1", "A=1\nB=2\n"},
		{"quote", "", "A", "name|abc", "A=\"name|abc\"\n"},
		{"not in a comment", "# A=0\n", "A", "1", "# A=0\nA=1\n"},
		{"multi-line", "A=\"x\ny\" # z\nB=2\n", "A", "1", "A=1 # z\nB=2\n"},
		{"byte order mark", "\ufeff", "A", "1", "\ufeffA=1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := ParseDotenv([]byte(tt.src))
			d.Set(tt.variable, tt.value)
			if diff := cmp.Diff(tt.want, string(d.Bytes())); diff != "" {
				t.Error(diff)
			}
			if got, _ := ParseDotenv(d.Bytes()).Get(tt.variable); got != tt.value {
				t.Errorf("read back: %q", got)
			}
		})
	}
}

// plainName matches the names that we write.
var plainName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

func TestDotenvRenamesAndNumbersLines(t *testing.T) {
	t.Parallel()
	d := ParseDotenv([]byte("# x\nA=1 # one\nB=\"two\nlines\"\nexport A = 3\n"))
	want := []Assignment{{"A", "1", 2}, {"B", "two\nlines", 3}, {"A", "3", 5}}
	if diff := cmp.Diff(want, d.Assignments()); diff != "" {
		t.Error(diff)
	}
	d.Rename("A", "LONGER")
	d.Set("LONGER", "4")
	if got := string(d.Bytes()); got != "# x\nLONGER=4 # one\nB=\"two\nlines\"\nexport LONGER = 4\n" {
		t.Errorf("%q", got)
	}
}

func FuzzDotenv(f *testing.F) {
	for _, s := range []string{"", "A=1\n", "A='x\ny'\r\nB=`2`", "export A: \"\\\"", "\ufeffA=#", "A=\"1\"2\n=\n A.b-c=d"} {
		f.Add(s, "A")
	}
	f.Fuzz(func(t *testing.T, src, name string) {
		d := ParseDotenv([]byte(src))
		if string(d.Bytes()) != src {
			t.Fatalf("reading changed the file: %q to %q", src, d.Bytes())
		}
		if !plainName.MatchString(name) {
			return
		}
		others := map[string]string{}
		for _, p := range d.pieces {
			if p.name != "" && p.name != name {
				others[p.name], _ = d.Get(p.name)
			}
		}
		d.Set(name, "http://127.0.0.1:3210")
		back := ParseDotenv(d.Bytes())
		if got, _ := back.Get(name); got != "http://127.0.0.1:3210" {
			t.Fatalf("set %q in %q gives %q, read back as %q", name, src, d.Bytes(), got)
		}
		for n, v := range others {
			if got, _ := back.Get(n); got != v {
				t.Fatalf("set %q in %q changed %q from %q to %q", name, src, n, v, got)
			}
		}
	})
}

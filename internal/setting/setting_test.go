package setting_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/setting"
)

// things is something to be set.
type things struct {
	host, smtp string
	names      []string
	sockets    int
	fast       bool
	delay      time.Duration
}

// rows are its settings.
func (s *things) rows() []*setting.Row {
	return []*setting.Row{
		{Key: "data", Flag: "data", Variable: "X_DATA", Into: new(string), Default: "here"},
		{Key: "listen.host", Flag: "host", Variable: "X_HOST", Into: &s.host},
		{Key: "listen.names", Variable: "X_NAMES", Into: &s.names},
		{Key: "limits.max-sockets", Flag: "max-sockets", Variable: "X_MAX_SOCKETS", Into: &s.sockets, Default: "20,000"},
		{Key: "limits.fast", Variable: "X_FAST", Into: &s.fast},
		{Key: "limits.delay", Variable: "X_DELAY", Into: &s.delay},
		{Key: "mail.smtp", Variable: "X_SMTP", Secret: true, Into: &s.smtp},
	}
}

// none is an environment without variables.
func none(string) string { return "" }

// no says that no flag was given.
func no(string) bool { return false }

func TestFileIsRead(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "smtp")
	if err := os.WriteFile(secret, []byte("smtp://u:p@mail.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"WHERE": "10.0.0.1", "X_DELAY": "9s", "DIR": filepath.Dir(secret)}
	var s things
	rows := s.rows()
	file, problems := setting.Read("house.yaml", []byte(`
# the house
listen:
  host: ${WHERE}
  names: [a.example, b.example]
limits:
  max-sockets: 7
  fast: yes
  delay: 3m
mail:
  smtp: file:${DIR}/smtp
data: costs $${5}
`), rows, func(k string) string { return env[k] })
	if problems != nil {
		t.Fatal(problems)
	}
	all, err := setting.Resolve(rows, no, func(k string) string { return env[k] }, file)
	if err != nil {
		t.Fatal(err)
	}
	want := things{"10.0.0.1", "smtp://u:p@mail.example", []string{"a.example", "b.example"}, 7, true, 9 * time.Second}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(things{})); diff != "" {
		t.Error(diff)
	}
	var out strings.Builder
	if err := setting.Write(&out, all); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`data: "costs $${5}"             # house.yaml:12
listen:
  host: 10.0.0.1                # house.yaml:4
  names: "a.example,b.example"  # house.yaml:5
limits:
  max-sockets: 7                # house.yaml:7
  fast: yes                     # house.yaml:8
  delay: 9s                     # X_DELAY
mail:
  smtp: "********"              # house.yaml:11
`, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestStrongerSourcesWin(t *testing.T) {
	t.Parallel()
	env := func(k string) string { return map[string]string{"X_HOST": "variable", "X_MAX_SOCKETS": "2"}[k] }
	var s things
	rows := s.rows()
	file, problems := setting.Read("f", []byte("listen: {host: file}\nlimits: {max-sockets: 3}\ndata: file\n"), rows, env)
	if problems != nil {
		t.Fatal(problems)
	}
	if err := rows[1].Set("flag"); err != nil {
		t.Fatal(err)
	}
	all, err := setting.Resolve(rows, func(f string) bool { return f == "host" }, env, file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, e.Key+"="+e.Value+" "+e.Source)
	}
	if diff := cmp.Diff([]string{
		"data=file f:3", "listen.host=flag --host", "listen.names= default", "limits.max-sockets=2 X_MAX_SOCKETS",
		"limits.fast= default", "limits.delay= default", "mail.smtp= default",
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesAreAllTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "limits:\n  max-socket: 3\n", "f:2: there is no setting limits.max-socket; do you mean limits.max-sockets?"},
		{"underscores", "limits:\n  max_sockets: 3\n", "do you mean limits.max-sockets?"},
		{"camel case", "limits:\n  maxSockets: 3\n", "do you mean limits.max-sockets?"},
		{"no section", "max-sockets: 3\n", "f:1: there is no setting max-sockets; do you mean limits.max-sockets?"},
		{"wrong section", "listen:\n  smtp: x\n", "do you mean mail.smtp?"},
		{"section misspelt", "limts:\n  fast: yes\n", "do you mean limits?"},
		{"nothing like it", "zzzzzzzzzzzz: 1\n", "f:1: there is no setting zzzzzzzzzzzz"},
		{"twice", "data: a\ndata: b\n", "f:2: data was said before, in line 1"},
		{"section for a value", "data:\n  dir: x\n", "f:2: data is a plain value, not a section"},
		{"value for a section", "limits: 7\n", "f:1: limits must hold keys with values"},
		{"list of the file", "- a\n", "f:1: the file must hold keys with values"},
		{"no value", "data:\n", "f:1: data has no value"},
		{"nested list", "listen:\n  names: [[a]]\n", "f:2: listen.names is a list of plain values"},
		{"variable", "data: ${NOWHERE}\n", `f:1: data: the variable "NOWHERE" is not set`},
		{"open brace", "data: ${NOWHERE\n", "${ has no closing }"},
		{"not yaml", "data: [a\n", "f: line"},
		{"tab", "limits:\n\tfast: yes\n", "f: line 2"},
		{"two documents", "data: a\n---\ndata: b\n", "second document"},
		{"alias", "listen: &x {host: a}\nlimits: *x\n", "aliases"},
		{"number", "limits: {max-sockets: many}\n", `f:1: limits.max-sockets: "many" is not a whole number`},
		{"duration", "limits: {delay: soon}\n", `f:1: limits.delay: "soon" is not a duration`},
		{"truth", "limits: {fast: maybe}\n", `"maybe" is neither true nor false`},
		{"missing secret", "mail: {smtp: file:/nowhere/at/all}\n", "no such file"},
		{"all at once", "a: 1\nlimits: {fast: maybe, x: 2}\n", "f:2: there is no setting limits.x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s things
			rows := s.rows()
			file, problems := setting.Read("f", []byte(tt.text), rows, none)
			var err error = problems
			if problems == nil {
				_, err = setting.Resolve(rows, no, none, file)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
}

// FuzzRead holds that no file breaks the reader, and that what is written can be
// read again.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"", "a: b", "limits: {max-sockets: 7}", "listen: {names: [a, b]}", "data: ${X}", "&a [*a]", "data: !!binary aGk=", "? {a: b}\n: c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s things
		rows := s.rows()
		file, problems := setting.Read("f", []byte(text), rows, none)
		if problems != nil {
			return
		}
		all, err := setting.Resolve(rows, no, none, file)
		if err != nil || strings.Contains(text, "$") {
			return
		}
		var out strings.Builder
		if err := setting.Write(&out, all); err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if strings.ContainsFunc(e.Value, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r > '~' }) || strings.HasPrefix(e.Value, "file:") {
				return
			}
		}
		again, problems := setting.Read("f", []byte(out.String()), rows, none)
		if problems != nil {
			t.Fatalf("%v\n%s", problems, out.String())
		}
		second, err := setting.Resolve(rows, no, none, again)
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if all[i].Value != second[i].Value {
				t.Errorf("%s: %q became %q", all[i].Key, all[i].Value, second[i].Value)
			}
		}
	})
}

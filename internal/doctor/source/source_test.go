package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show writes nodes in a short form.
func show(nodes []Node) string {
	var parts []string
	for _, n := range nodes {
		switch n.Kind {
		case String:
			parts = append(parts, fmt.Sprintf("%q", n.Text))
		case Group:
			parts = append(parts, n.Text+show(n.Nodes)+string(closers[n.Text[0]]))
		case Template:
			parts = append(parts, "`"+show(n.Nodes)+"`")
		case Element:
			var attrs string
			for _, a := range n.Attrs {
				attrs += " " + a.Name
				if a.Value != nil {
					attrs += "=" + show([]Node{*a.Value})
				}
			}
			parts = append(parts, "<"+n.Text+attrs+">"+show(n.Nodes)+"</>")
		case Prose:
			parts = append(parts, "'"+n.Text+"'")
		default:
			parts = append(parts, n.Text)
		}
	}
	return strings.Join(parts, " ")
}

func TestParseTellsThingsApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, path, src, want string }{
		{"comments", "a.ts", "a // b\n/* c ' */ d", "a d"},
		{"strings", "a.ts", `a = 'it\'s' + "x\n"`, `a = "it's" + "x\n"`},
		{"a template", "a.ts", "`a${b + `c${d}`}e`", "`\"a\" {b + `\"c\" {d}`} \"e\"`"},
		{"a division", "a.ts", "a / b / c", "a / b / c"},
		{"a regular expression", "a.ts", "x = /[/'\"]+/g.test(y)", "x = /[/'\"]+/g . test (y)"},
		{"a regular expression after if", "a.ts", "if (x) /'/.test(y)", "if (x) /'/ . test (y)"},
		{"a division after brackets", "a.ts", "(a) / 2; b[0] / 3", "(a) / 2 ; b [0] / 3"},
		{"an element", "a.tsx", `return <A b="c" {...d} e={f}>it's {g}<H/></A>;`, `return <A b="c" ={... d} e={f}>'it's' {g} <H></></> ;`},
		{"a fragment", "a.tsx", `x = <><A.B/>text</>`, `x = <><A.B></> 'text'</>`},
		{"a comparison", "a.tsx", `a < b && c > d`, `a < b && c > d`},
		{"type arguments", "a.tsx", `useState<string | null>(null)`, `useState < string | null > (null)`},
		{"a generic arrow function", "a.tsx", `const f = <T,>(x: T) => x; g("h")`, `const f = < T , > (x : T) => x ; g ("h")`},
		{"a generic arrow function that extends", "a.tsx", `const f = <T extends A>(x: T) => <B/>`, `const f = < T extends A > (x : T) => <B></>`},
		{"a cast", "a.ts", `const x = <Foo>bar`, `const x = < Foo > bar`},
		{"an arrow in an attribute", "a.tsx", `<A b={() => c > 1 && <D/>} />`, `<A b={() => c > 1 && <D></>}></>`},
		{"type arguments of an element", "a.tsx", `x = <A<B> c="d"/>`, `x = <A c="d"></>`},
		{"not null", "a.tsx", `a! / 2; b = !/x/.test(c)`, `a ! / 2 ; b = ! /x/ . test (c)`},
		{"private names and decorators", "a.ts", `@d class A { #b = 1 }`, `@d class A {#b = 1}`},
		{"a name that is a keyword elsewhere", "a.ts", `a.return / 2 / 3`, `a . return / 2 / 3`},
		{"one bracket too many", "a.ts", `a ) b`, `a b`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse(c.path, []byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			if got := show(f.Nodes); got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestParseRefusesWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"(", "'a", "`a", "`${", "{ [ }", "\"\n\""} {
		if f, err := Parse("a.ts", []byte(src)); err == nil {
			t.Errorf("%q gave %s", src, show(f.Nodes))
		}
	}
	if _, err := Parse("a.tsx", []byte(strings.Repeat("(", 100_000))); err == nil {
		t.Error("deep nesting was read")
	}
	// Every one of these is a failed element within a failed element.
	Parse("a.tsx", []byte(strings.Repeat("x = <a>", 5_000)))
}

func TestImports(t *testing.T) {
	t.Parallel()
	f, err := Parse("a.tsx", []byte(`import React, { useState as s, type FC } from "react";
import * as all from 'all'
import type { T } from "types";
import "./style.css";
import { useAuth } from "@workos-inc/authkit-react"
const x = await import("later");`))
	if err != nil {
		t.Fatal(err)
	}
	type short struct {
		Module string
		Names  map[string]string
		Type   bool
	}
	var got []short
	for _, im := range f.Imports() {
		got = append(got, short{im.Module, im.Names, im.Type})
	}
	want := []short{
		{"react", map[string]string{"React": "default", "s": "useState"}, false},
		{"all", map[string]string{"all": "*"}, false},
		{"types", map[string]string{"T": "T"}, true},
		{"./style.css", map[string]string{}, false},
		{"@workos-inc/authkit-react", map[string]string{"useAuth": "useAuth"}, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultEvaluates(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) { return "<" + name + ">", true }
	for _, c := range []struct{ name, src, want string }{
		{"the guide's", "const clientId = process.env.WORKOS_CLIENT_ID;\nexport default { x: `https://a/${clientId}` };", "https://a/<WORKOS_CLIENT_ID>"},
		{"no semicolons", "const a = process.env.A\nconst b = 'b' + a\nexport default { x: b } satisfies AuthConfig", "b<A>"},
		{"not null and a type", "const a: string = process.env.A!;\nexport default { x: `${a}/y` } as const", "<A>/y"},
		{"brackets", "export default { 'x': (process.env['A'] as string) }", "<A>"},
		{"a default", "export default { x: process.env.A ?? '' }", "<A>"},
		{"a constant object", "const c = { x: 'y' }; export default c", "y"},
		{"a spread", "const c = { x: 'y' }; export default { ...c, z: 1 }", "y"},
		{"shorthand", "const x = 'y'; export default { x }", "y"},
		{"computed", "export default { x: f(1).y }", ""},
		{"a choice", "export default { x: a ? 'b' : 'c' }", ""},
		{"itself", "const x = x; export default { x }", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse("auth.config.ts", []byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			v, ok := f.Default()
			if !ok {
				t.Fatal("no default export")
			}
			if got, _ := v.Object["x"].Fill(env); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPositionCountsCharacters(t *testing.T) {
	t.Parallel()
	f := &File{Source: []byte("a\n\u00e9b")}
	if line, column := f.Position(4); line != 2 || column != 2 {
		t.Errorf("got %d:%d", line, column)
	}
}

// TestParseReadsTheTree reads the repository's own apps, which the language's tools
// accept.
func TestParseReadsTheTree(t *testing.T) {
	t.Parallel()
	n := 0
	for _, dir := range []string{"../../../examples", "../../../conformance/apps"} {
		filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() && d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			switch filepath.Ext(path) {
			case ".ts", ".tsx", ".js", ".mjs":
				src, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				n++
				if _, err := Parse(path, src); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
	}
	if n < 50 {
		t.Errorf("only %d files were found", n)
	}
}

// FuzzParse looks for panics, endless work and nodes outside their parents.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"import a, {b as c} from 'd'; export default {x: `${a}`}", "<A b={c}>{d}<E/></A>", "x = /[/]/; y / z", "const f = <T,>(x) => <B>{`${<C/>}`}</B>"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, src string, jsx bool) {
		path := "a.ts"
		if jsx {
			path = "a.tsx"
		}
		file, err := Parse(path, []byte(src))
		if err != nil {
			return
		}
		file.Imports()
		file.Default()
		Walk(file.Nodes, func(seq []Node, within []*Node) {
			end := 0
			if len(within) > 0 {
				end = within[len(within)-1].From
			}
			for _, n := range seq {
				if n.From < end || n.To < n.From || n.To > len(src) {
					t.Fatalf("%q: a node at %d to %d after %d", src, n.From, n.To, end)
				}
				end = n.From
			}
		})
	})
}

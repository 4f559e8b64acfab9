package udf

import "testing"

func TestParsePath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, canonical, client string }{
		{"messages:list", "messages.js:list", "messages:list"},
		{"messages.js:list", "messages.js:list", "messages:list"},
		{"messages", "messages.js:default", "messages:default"},
		{"dir/mod:fn", "dir/mod.js:fn", "dir/mod:fn"},
		{"_system/cli/tables", "_system/cli/tables.js:default", "_system/cli/tables:default"},
		{"auth.config:default", "auth.config.js:default", "auth.config:default"},
		{"a:$b_1", "a.js:$b_1", "a:$b_1"},
		{"", "", ""}, {":", "", ""}, {":list", "", ""}, {"messages:", "", ""}, {"a:b:c", "", ""}, {"a//b:c", "", ""},
		{"../a:b", "", ""}, {"a/./b:c", "", ""}, {"/a:b", "", ""}, {"a/:b", "", ""}, {"a:1b", "", ""}, {"a b:c", "", ""}, {"ä:b", "", ""}, {".js:b", "", ""},
	} {
		p, ok := parsePath(c.in)
		if ok != (c.canonical != "") {
			t.Errorf("parsePath(%q) ok = %v", c.in, ok)
		}
		if ok && (p.String() != c.canonical || p.Client() != c.client) {
			t.Errorf("parsePath(%q) = %q, %q", c.in, p.String(), p.Client())
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"messages:list", "dir/mod.js:fn", "mod", "a:b:c", "../x", "_system/cli/tables:default"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parsePath(s)
		if !ok {
			return
		}
		for _, form := range []string{p.String(), p.Client()} {
			if again, ok := parsePath(form); !ok || again != p {
				t.Errorf("%q became %+v, whose form %q is %+v, %v", s, p, form, again, ok)
			}
		}
	})
}

func TestSessionRequestID(t *testing.T) {
	t.Parallel()
	if a, b := SessionRequestID("s", 1), SessionRequestID("s", 2); a == b || len(a) != 16 {
		t.Errorf("%q, %q", a, b)
	}
	if len(NewRequestID()) != 16 {
		t.Error("random request ids are 16 digits")
	}
}

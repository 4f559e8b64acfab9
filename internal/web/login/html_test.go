package login

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// doc is a parsed page with the few selectors that the tests need.
type doc struct {
	t    *testing.T
	root *html.Node
}

// parse parses the body of an answer.
func parse(t *testing.T, res *http.Response) doc {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	n, err := html.Parse(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return doc{t, n}
}

// all finds the elements that match a selector: a tag or *, then any of .class,
// #id, [attr] and [attr=value].
func (d doc) all(selector string) []*html.Node {
	d.t.Helper()
	tag, tests := compile(selector)
	var found []*html.Node
	for n := range d.root.Descendants() {
		if n.Type != html.ElementNode || (tag != "*" && n.Data != tag) {
			continue
		}
		ok := true
		for _, test := range tests {
			ok = ok && test(n)
		}
		if ok {
			found = append(found, n)
		}
	}
	return found
}

// compile reads a selector.
func compile(s string) (tag string, tests []func(*html.Node) bool) {
	end := strings.IndexAny(s, ".#[")
	if end < 0 {
		return s, nil
	}
	tag, s = s[:end], s[end:]
	if tag == "" {
		tag = "*"
	}
	for s != "" {
		kind := s[0]
		s = s[1:]
		var part string
		if kind == '[' {
			part, s, _ = strings.Cut(s, "]")
		} else if next := strings.IndexAny(s, ".#["); next >= 0 {
			part, s = s[:next], s[next:]
		} else {
			part, s = s, ""
		}
		switch kind {
		case '.':
			tests = append(tests, func(n *html.Node) bool { return slices.Contains(strings.Fields(attr(n, "class")), part) })
		case '#':
			tests = append(tests, func(n *html.Node) bool { return attr(n, "id") == part })
		default:
			name, value, valued := strings.Cut(part, "=")
			tests = append(tests, func(n *html.Node) bool {
				return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name && (!valued || a.Val == value) })
			})
		}
	}
	return tag, tests
}

// one finds the only element that matches.
func (d doc) one(selector string) *html.Node {
	d.t.Helper()
	found := d.all(selector)
	if len(found) != 1 {
		d.t.Fatalf("%d elements match %s, want one", len(found), selector)
	}
	return found[0]
}

// text is the text of the only element that matches.
func (d doc) text(selector string) string {
	d.t.Helper()
	return textOf(d.one(selector))
}

// labelled finds the one input with exactly this label.
func (d doc) labelled(label string) *html.Node {
	d.t.Helper()
	for _, n := range d.all("label") {
		if textOf(n) == label {
			return d.one("input#" + attr(n, "for"))
		}
	}
	d.t.Fatalf("no label %q", label)
	return nil
}

// link is the address of the one link with exactly this text.
func (d doc) link(text string) string {
	d.t.Helper()
	for _, n := range d.all("a") {
		if textOf(n) == text {
			return attr(n, "href")
		}
	}
	d.t.Fatalf("no link %q", text)
	return ""
}

// attr is an attribute of n, or "".
func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// textOf is the text within n with runs of space collapsed.
func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

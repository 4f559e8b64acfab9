package source

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind says what a node is.
type Kind uint8

// The kinds of nodes.
const (
	Ident    Kind = iota // a name or keyword; Text is it
	Number               // Text is it
	String               // Text is its value
	Regexp               // Text is it
	Sign                 // an operator or separator; Text is it
	Group                // brackets; Text is the opening one, Nodes the content
	Template             // Nodes are String and Group, in turns as written
	Element              // JSX; Text is its name ("" for a fragment), Nodes its children
	Prose                // text between elements
)

// Node is one piece of a file. From and To are offsets in it.
type Node struct {
	Kind     Kind
	Text     string
	From, To int
	Nodes    []Node
	Attrs    []Attr // of an Element
}

// Attr is an attribute of an element. Value is nil when none is written; a
// spread has no name.
type Attr struct {
	Name     string
	From, To int
	Value    *Node
}

// Is reports whether n is that word or sign.
func (n *Node) Is(text string) bool {
	return n != nil && (n.Kind == Ident || n.Kind == Sign) && n.Text == text
}

// File is a file that was read.
type File struct {
	Path   string
	Source []byte
	Nodes  []Node
}

// MaxSize is the size in bytes above which a file is not read; what is longer is
// generated.
const MaxSize = 1 << 20

// maxDepth bounds nesting, and with it our stack.
const maxDepth = 250

// ErrTooMuch is a file that is too long, too deep or too ambiguous to read.
var ErrTooMuch = errors.New("too long or too deeply nested")

// Parse reads a file; its name's ending says whether there may be JSX in it.
func Parse(path string, src []byte) (*File, error) {
	if len(src) > MaxSize {
		return nil, ErrTooMuch
	}
	p := &parser{src: src, jsx: filepath.Ext(path) != ".ts" && filepath.Ext(path) != ".mts" && filepath.Ext(path) != ".cts", budget: 40*len(src) + 10_000}
	if bytes.HasPrefix(src, []byte("#!")) {
		p.line()
	}
	nodes, err := p.sequence(0, 0)
	if err != nil {
		line, column := position(src, p.at)
		return nil, fmt.Errorf("%s:%d:%d: %w", path, line, column, err)
	}
	return &File{Path: path, Source: src, Nodes: nodes}, nil
}

// Position is the line and column, from 1, of an offset; columns count characters.
func (f *File) Position(offset int) (line, column int) { return position(f.Source, offset) }

// position is Position of a text.
func position(src []byte, offset int) (line, column int) {
	before := src[:min(max(offset, 0), len(src))]
	line = 1 + bytes.Count(before, []byte("\n"))
	return line, 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// parser reads src from at on. When reading an element fails the parser goes back
// and reads on without it; failed remembers where, because the elements within
// would be tried again each time.
type parser struct {
	src    []byte
	at     int
	jsx    bool
	budget int // steps left: readings that go back cost again
	failed map[int]bool
}

// errNotClosed is a bracket, a string or an element without an end.
var errNotClosed = errors.New("something that begins here, or before, has no end")

// spend takes steps off the budget.
func (p *parser) spend(n int) error {
	if p.budget -= n; p.budget < 0 {
		return ErrTooMuch
	}
	return nil
}

// peek is the byte at an offset from here, 0 at the end.
func (p *parser) peek(n int) byte {
	if p.at+n < len(p.src) {
		return p.src[p.at+n]
	}
	return 0
}

// line passes to the end of the line.
func (p *parser) line() {
	for p.at < len(p.src) && p.src[p.at] != '\n' {
		p.at++
	}
}

// blanks passes over spaces and comments.
func (p *parser) blanks() {
	for p.at < len(p.src) {
		c := p.src[p.at]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			p.at++
		case c == '/' && p.peek(1) == '/':
			p.line()
		case c == '/' && p.peek(1) == '*':
			end := bytes.Index(p.src[p.at+2:], []byte("*/"))
			if end < 0 {
				p.at = len(p.src)
				return
			}
			p.at += end + 4
		case c == 0xef && bytes.HasPrefix(p.src[p.at:], []byte("\ufeff")):
			p.at += 3
		default:
			return
		}
	}
}

// closers are the closing brackets.
var closers = map[byte]byte{'(': ')', '[': ']', '{': '}'}

// sequence reads nodes up to a closing bracket, or to the end if close is 0. The
// bracket is passed over.
func (p *parser) sequence(close byte, depth int) ([]Node, error) {
	if depth > maxDepth {
		return nil, ErrTooMuch
	}
	var nodes []Node
	for {
		p.blanks()
		if p.at >= len(p.src) {
			if close != 0 {
				return nil, errNotClosed
			}
			return nodes, nil
		}
		if c := p.src[p.at]; c == ')' || c == ']' || c == '}' {
			if c != close {
				if close != 0 {
					return nil, errNotClosed
				}
				p.at++ // one too many; the compiler will say so
				continue
			}
			p.at++
			return nodes, nil
		}
		n, err := p.node(nodes, depth)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
}

// node reads one node; before are those before it between the same brackets.
func (p *parser) node(before []Node, depth int) (Node, error) {
	from := p.at
	if err := p.spend(1); err != nil {
		return Node{}, err
	}
	c := p.src[p.at]
	switch {
	case c == '(' || c == '[' || c == '{':
		p.at++
		nodes, err := p.sequence(closers[c], depth+1)
		return Node{Kind: Group, Text: string(c), From: from, To: p.at, Nodes: nodes}, err
	case c == '"' || c == '\'':
		return p.str(c)
	case c == '`':
		return p.template(depth)
	case c >= '0' && c <= '9' || c == '.' && p.peek(1) >= '0' && p.peek(1) <= '9':
		for p.at < len(p.src) && (wordByte(p.src[p.at]) || p.src[p.at] == '.') {
			p.at++
		}
		return Node{Kind: Number, Text: string(p.src[from:p.at]), From: from, To: p.at}, nil
	case wordByte(c) || c == '#' || c == '@':
		return p.word(), nil
	case c == '/' && startsExpression(before):
		if n, ok := p.regexp(); ok {
			return n, p.spend(n.To - n.From)
		}
	case c == '<' && p.jsx && startsExpression(before) && (p.peek(1) == '>' || wordByte(p.peek(1))) && !p.failed[from]:
		n, err := p.element(depth)
		if err == nil || errors.Is(err, ErrTooMuch) {
			return n, err
		}
		if p.failed == nil {
			p.failed = map[int]bool{}
		}
		p.failed[from] = true
		p.at = from
	}
	return p.sign(), nil
}

// wordByte reports whether c belongs to a name; what is beyond ASCII does.
func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

// word reads a name. It takes at least one byte.
func (p *parser) word() Node {
	from := p.at
	p.at++
	for p.at < len(p.src) && wordByte(p.src[p.at]) {
		if r, n := utf8.DecodeRune(p.src[p.at:]); r >= utf8.RuneSelf && unicode.IsSpace(r) {
			break
		} else {
			p.at += n
		}
	}
	return Node{Kind: Ident, Text: string(p.src[from:p.at]), From: from, To: p.at}
}

// signs are the operators of more than one character that anybody asks for.
var signs = []string{"...", "===", "!==", "=>", "?.", "??", "&&", "||", "==", "!=", "<=", "++", "--"}

// sign reads an operator. ">=" and ">>" stay apart: they may close type arguments.
func (p *parser) sign() Node {
	from := p.at
	n := 1
	for _, s := range signs {
		if bytes.HasPrefix(p.src[p.at:], []byte(s)) {
			n = len(s)
			break
		}
	}
	p.at += n
	return Node{Kind: Sign, Text: string(p.src[from:p.at]), From: from, To: p.at}
}

// beginners are keywords after which an expression begins.
var beginners = map[string]bool{
	"return": true, "typeof": true, "case": true, "in": true, "of": true, "delete": true, "void": true, "throw": true, "new": true,
	"else": true, "do": true, "await": true, "yield": true, "default": true, "instanceof": true,
}

// startsExpression says whether what follows these nodes begins an expression, so
// that "/" begins a regular expression and "<" an element.
func startsExpression(before []Node) bool {
	if len(before) == 0 {
		return true
	}
	last := &before[len(before)-1]
	var prior *Node
	if len(before) > 1 {
		prior = &before[len(before)-2]
	}
	switch last.Kind {
	case Ident:
		return beginners[last.Text] && !prior.Is(".") && !prior.Is("?.")
	case Sign:
		switch last.Text {
		case "++", "--":
			return false
		case "!": // after an operand it says "not null"
			return prior == nil || startsExpression(before[:len(before)-1])
		case ">": // `useState<string>(…)` needs no answer; `x > /re/` hardly occurs
			return false
		}
		return true
	case Group:
		switch last.Text {
		case "{":
			return true // a block far more often than an object that is divided
		case "(":
			return prior.Is("if") || prior.Is("while") || prior.Is("for")
		}
		return false
	default:
		return false
	}
}

// str reads a string. It ends with its line at the latest, as the language has it.
func (p *parser) str(quote byte) (Node, error) {
	from := p.at
	p.at++
	for p.at < len(p.src) {
		switch c := p.src[p.at]; c {
		case '\\':
			p.at++
			if p.at < len(p.src) {
				p.at++
			}
		case '\n':
			return Node{}, errNotClosed
		case quote:
			p.at++
			return Node{Kind: String, Text: unescape(p.src[from+1 : p.at-1]), From: from, To: p.at}, p.spend(p.at - from)
		default:
			p.at++
		}
	}
	return Node{}, errNotClosed
}

// template reads a template with the expressions in it.
func (p *parser) template(depth int) (Node, error) {
	t := Node{Kind: Template, From: p.at}
	p.at++
	from := p.at
	chunk := func(end int) {
		if end > from {
			t.Nodes = append(t.Nodes, Node{Kind: String, Text: unescape(p.src[from:end]), From: from, To: end})
		}
	}
	for p.at < len(p.src) {
		if err := p.spend(1); err != nil {
			return t, err
		}
		switch c := p.src[p.at]; {
		case c == '\\':
			p.at = min(p.at+2, len(p.src))
		case c == '`':
			chunk(p.at)
			p.at++
			t.To = p.at
			return t, nil
		case c == '$' && p.peek(1) == '{':
			chunk(p.at)
			open := p.at
			p.at += 2
			nodes, err := p.sequence('}', depth+1)
			if err != nil {
				return t, err
			}
			t.Nodes = append(t.Nodes, Node{Kind: Group, Text: "{", From: open, To: p.at, Nodes: nodes})
			from = p.at
		default:
			p.at++
		}
	}
	return t, errNotClosed
}

// unescape resolves the escapes that occur in settings; others lose their backslash.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	var s strings.Builder
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			s.WriteByte(b[i])
			continue
		}
		i++
		switch b[i] {
		case 'n':
			s.WriteByte('\n')
		case 't':
			s.WriteByte('\t')
		case 'r':
			s.WriteByte('\r')
		case '\n':
		default:
			s.WriteByte(b[i])
		}
	}
	return s.String()
}

// regexp reads a regular expression, which ends on its line; otherwise the slash
// was a division after all.
func (p *parser) regexp() (Node, bool) {
	class := false
	for i := p.at + 1; i < len(p.src) && p.src[i] != '\n'; i++ {
		switch c := p.src[i]; {
		case c == '\\':
			i++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			n := Node{Kind: Regexp, From: p.at}
			for i++; i < len(p.src) && p.src[i] >= 'a' && p.src[i] <= 'z'; i++ {
			}
			p.at = i
			n.Text, n.To = string(p.src[n.From:i]), i
			return n, true
		}
	}
	return Node{}, false
}

package source

import (
	"bytes"
	"errors"
)

// errNotElement is a "<" that turned out to be no element: a comparison, or the
// type parameters of an arrow function.
var errNotElement = errors.New("not an element")

// element reads an element, from its "<" to the end of its closing tag.
func (p *parser) element(depth int) (Node, error) {
	if depth > maxDepth {
		return Node{}, ErrTooMuch
	}
	e := Node{Kind: Element, From: p.at}
	p.at++
	e.Text = p.elementName()
	if err := p.typeArguments(); err != nil {
		return e, err
	}
	for {
		p.blanks()
		if err := p.spend(1); err != nil {
			return e, err
		}
		switch c := p.peek(0); {
		case c == '/' && p.peek(1) == '>':
			p.at += 2
			e.To = p.at
			return e, nil
		case c == '>':
			p.at++
			return e, p.children(&e, depth)
		case c == '{':
			from := p.at
			n, err := p.node(nil, depth+1)
			if err != nil {
				return e, err
			}
			e.Attrs = append(e.Attrs, Attr{From: from, To: p.at, Value: &n})
		case wordByte(c):
			if err := p.attribute(&e, depth); err != nil {
				return e, err
			}
		default:
			return e, errNotElement
		}
	}
}

// elementName reads a tag's name, with dots, dashes and colons; "" for a fragment.
func (p *parser) elementName() string {
	from := p.at
	for c := p.peek(0); wordByte(c) || c == '.' || c == '-' || c == ':'; c = p.peek(0) {
		p.at++
	}
	return string(p.src[from:p.at])
}

// typeArguments passes over `<…>` after a component's name.
func (p *parser) typeArguments() error {
	if p.peek(0) != '<' {
		return nil
	}
	open := 0
	for ; p.at < len(p.src); p.at++ {
		if err := p.spend(1); err != nil {
			return err
		}
		switch p.src[p.at] {
		case '<':
			open++
		case '>':
			if open--; open == 0 {
				p.at++
				return nil
			}
		case '(', ';':
			return errNotElement
		}
	}
	return errNotClosed
}

// attribute reads one attribute.
func (p *parser) attribute(e *Node, depth int) error {
	a := Attr{From: p.at}
	a.Name = p.elementName()
	a.To = p.at
	p.blanks()
	if p.peek(0) == '=' && p.peek(1) != '>' {
		p.at++
		p.blanks()
		from := p.at
		switch c := p.peek(0); c {
		case '"', '\'': // without escapes, and over several lines if need be
			end := bytes.IndexByte(p.src[p.at+1:], c)
			if end < 0 {
				return errNotClosed
			}
			p.at += end + 2
			a.Value = &Node{Kind: String, Text: string(p.src[from+1 : p.at-1]), From: from, To: p.at}
			if err := p.spend(p.at - from); err != nil {
				return err
			}
		case '{', '<':
			n, err := p.node(nil, depth+1)
			if err != nil {
				return err
			}
			a.Value = &n
		default:
			return errNotElement
		}
		a.To = p.at
	}
	e.Attrs = append(e.Attrs, a)
	return nil
}

// children reads what stands between an element's tags, and its closing tag.
func (p *parser) children(e *Node, depth int) error {
	for {
		from := p.at
		for p.at < len(p.src) && p.src[p.at] != '<' && p.src[p.at] != '{' {
			p.at++
		}
		if err := p.spend(p.at - from + 1); err != nil {
			return err
		}
		if text := bytes.TrimSpace(p.src[from:p.at]); len(text) > 0 {
			e.Nodes = append(e.Nodes, Node{Kind: Prose, Text: string(text), From: from, To: p.at})
		}
		if p.at >= len(p.src) {
			return errNotClosed
		}
		if p.src[p.at] == '<' && p.peek(1) == '/' {
			p.at += 2
			p.blanks()
			if p.elementName() != e.Text {
				return errNotClosed
			}
			p.blanks()
			if p.peek(0) != '>' {
				return errNotClosed
			}
			p.at++
			e.To = p.at
			return nil
		}
		var n Node
		var err error
		if p.src[p.at] == '<' {
			n, err = p.element(depth + 1)
		} else {
			n, err = p.node(nil, depth+1)
		}
		if err != nil {
			return err
		}
		e.Nodes = append(e.Nodes, n)
	}
}

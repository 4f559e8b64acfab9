package source

import "strings"

// Import is one import declaration.
type Import struct {
	Module   string
	From, To int
	// Names are what it binds: the name here, and the name there ("default", "*").
	Names map[string]string
	Type  bool // import type …
}

// Imports are the file's import declarations.
func (f *File) Imports() []Import {
	var list []Import
	for i := 0; i < len(f.Nodes); i++ {
		if !f.Nodes[i].Is("import") {
			continue
		}
		im := Import{From: f.Nodes[i].From, Names: map[string]string{}}
		j := i + 1
		if j < len(f.Nodes) && f.Nodes[j].Is("type") && j+1 < len(f.Nodes) && !f.Nodes[j+1].Is("from") {
			im.Type = true
			j++
		}
		for ; j < len(f.Nodes); j++ {
			n := &f.Nodes[j]
			switch {
			case n.Kind == String:
				im.Module, im.To = n.Text, n.To
			case n.Kind == Group && n.Text == "{":
				bindings(n.Nodes, "as", im.Names)
				continue
			case n.Is("*") && j+2 < len(f.Nodes) && f.Nodes[j+1].Is("as"):
				im.Names[f.Nodes[j+2].Text] = "*"
				j += 2
				continue
			case n.Is("from"), n.Is(","):
				continue
			case n.Kind == Ident:
				im.Names[n.Text] = "default"
				continue
			}
			break
		}
		if im.Module != "" {
			list = append(list, im)
			i = j
		}
	}
	return list
}

// bindings reads `a, b as c, type d` (of imports) or `a, b: c = 1` (of patterns).
func bindings(nodes []Node, as string, into map[string]string) {
	for _, part := range Split(nodes, ",") {
		if len(part) > 1 && part[0].Is("type") && part[1].Kind == Ident {
			continue // a type is nothing that runs
		}
		switch {
		case len(part) >= 3 && part[0].Kind == Ident && part[1].Is(as) && part[2].Kind == Ident:
			into[part[2].Text] = part[0].Text
		case len(part) >= 1 && part[0].Kind == Ident && (len(part) == 1 || part[1].Is("=")):
			into[part[0].Text] = part[0].Text
		}
	}
}

// Pattern reads what `const {…} = x` binds: the name here, and the member's.
func Pattern(group *Node) map[string]string {
	names := map[string]string{}
	bindings(group.Nodes, ":", names)
	return names
}

// Split cuts nodes at a sign.
func Split(nodes []Node, sign string) [][]Node {
	var parts [][]Node
	from := 0
	for i := range nodes {
		if nodes[i].Is(sign) {
			parts = append(parts, nodes[from:i])
			from = i + 1
		}
	}
	if from < len(nodes) {
		parts = append(parts, nodes[from:])
	}
	return parts
}

// Imported is the name under which the file knows name of a module whose path
// fits; "" if it does not import it.
func (f *File) Imported(fits func(module string) bool, name string) string {
	for _, im := range f.Imports() {
		if im.Type || !fits(im.Module) {
			continue
		}
		for local, there := range im.Names {
			if there == name {
				return local
			}
		}
	}
	return ""
}

// ImportsAny reports whether the file imports a module whose path fits.
func (f *File) ImportsAny(fits func(module string) bool) bool {
	for _, im := range f.Imports() {
		if !im.Type && fits(im.Module) {
			return true
		}
	}
	return false
}

// Walk calls visit for every sequence of nodes with the nodes that enclose it,
// outermost first. Attributes' values are sequences of one.
func Walk(nodes []Node, visit func(seq []Node, within []*Node)) {
	var walk func(seq []Node, within []*Node)
	walk = func(seq []Node, within []*Node) {
		visit(seq, within)
		for i := range seq {
			n := &seq[i]
			inner := append(within[:len(within):len(within)], n)
			for _, a := range n.Attrs {
				if a.Value != nil {
					walk([]Node{*a.Value}, inner)
				}
			}
			if len(n.Nodes) > 0 {
				walk(n.Nodes, inner)
			}
		}
	}
	walk(nodes, nil)
}

// Elements calls visit for every element, with what encloses it.
func (f *File) Elements(visit func(e *Node, within []*Node)) {
	Walk(f.Nodes, func(seq []Node, within []*Node) {
		for i := range seq {
			if seq[i].Kind == Element {
				visit(&seq[i], within)
			}
		}
	})
}

// Calls calls visit for every call of a plain name: `name(…)` or `name<…>(…)`, not
// `x.name(…)`. i is the name's place in seq, args the bracket.
func (f *File) Calls(name string, visit func(seq []Node, i int, args *Node, within []*Node)) {
	Walk(f.Nodes, func(seq []Node, within []*Node) {
		for i := range seq {
			if !seq[i].Is(name) || seq[i].Kind != Ident || i > 0 && (seq[i-1].Is(".") || seq[i-1].Is("?.") || seq[i-1].Is("function")) {
				continue
			}
			j := i + 1
			if j < len(seq) && seq[j].Is("<") {
				for open := 0; j < len(seq); j++ {
					if seq[j].Is("<") {
						open++
					} else if seq[j].Is(">") {
						if open--; open == 0 {
							j++
							break
						}
					}
				}
			}
			if j < len(seq) && seq[j].Kind == Group && seq[j].Text == "(" {
				visit(seq, i, &seq[j], within)
			}
		}
	})
}

// Mentions reports whether any of the names occurs as a value among nodes: not as
// a member (x.name) and not as a key (name: …).
func Mentions(nodes []Node, names map[string]bool) *Node {
	var found *Node
	Walk(nodes, func(seq []Node, _ []*Node) {
		for i := range seq {
			n := &seq[i]
			if found != nil || n.Kind != Ident || !names[n.Text] || i > 0 && (seq[i-1].Is(".") || seq[i-1].Is("?.")) {
				continue
			}
			if i+1 < len(seq) && seq[i+1].Is(":") && (i == 0 || seq[i-1].Is(",")) {
				continue
			}
			found = n
		}
	})
	return found
}

// Strings calls visit for every string and every fixed part of a template.
func (f *File) Strings(visit func(n *Node)) {
	Walk(f.Nodes, func(seq []Node, _ []*Node) {
		for i := range seq {
			if seq[i].Kind == String {
				visit(&seq[i])
			}
		}
	})
}

// Line is the line at an offset, without blanks around it.
func (f *File) Line(offset int) string {
	from := strings.LastIndexByte(string(f.Source[:offset]), '\n') + 1
	to := strings.IndexByte(string(f.Source[offset:]), '\n')
	if to < 0 {
		return strings.TrimSpace(string(f.Source[from:]))
	}
	return strings.TrimSpace(string(f.Source[from : offset+to]))
}

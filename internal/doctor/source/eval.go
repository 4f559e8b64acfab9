package source

import "strings"

// Value is what an expression of a configuration file amounts to without running
// it. Exactly one of the fields is set; none means that it cannot be told.
type Value struct {
	Text   []Part           // a string: pieces one after the other
	Object map[string]Value // an object
	List   []Value
	isList bool
	// Call is the name of a function that gives the value, as getAuthConfigProviders.
	Call     string
	From, To int
}

// Part is a piece of a string: literal text, or an environment variable.
type Part struct {
	Literal string
	Env     string
}

// Known reports whether the value could be told.
func (v Value) Known() bool { return v.Text != nil || v.Object != nil || v.isList || v.Call != "" }

// IsList reports whether the value is a list, be it an empty one.
func (v Value) IsList() bool { return v.isList }

// Fill is the string with variables put in; missing names those without a value.
func (v Value) Fill(env func(name string) (string, bool)) (text string, missing []string) {
	var b strings.Builder
	for _, p := range v.Text {
		if p.Env == "" {
			b.WriteString(p.Literal)
			continue
		}
		s, ok := env(p.Env)
		if !ok || s == "" {
			missing = append(missing, p.Env)
		}
		b.WriteString(s)
	}
	return b.String(), missing
}

// evaluator knows the constants of a file.
type evaluator struct {
	constants map[string][]Node // name: what follows "="
	depth     int
}

// Default evaluates the file's default export.
func (f *File) Default() (Value, bool) {
	for i := range f.Nodes {
		if f.Nodes[i].Is("export") && i+2 < len(f.Nodes) && f.Nodes[i+1].Is("default") {
			v, _ := f.evaluator().expression(f.Nodes[i+2:])
			return v, true
		}
	}
	return Value{}, false
}

// Constant evaluates a constant of the file's top level.
func (f *File) Constant(name string) (Value, bool) {
	e := f.evaluator()
	nodes, ok := e.constants[name]
	if !ok {
		return Value{}, false
	}
	v, _ := e.expression(nodes)
	return v, true
}

// evaluator collects the file's constants.
func (f *File) evaluator() *evaluator {
	e := &evaluator{constants: map[string][]Node{}}
	for i := range f.Nodes {
		n := f.Nodes[i:]
		if !n[0].Is("const") && !n[0].Is("let") && !n[0].Is("var") || len(n) < 4 || n[1].Kind != Ident {
			continue
		}
		for j := 2; j < len(n) && !n[j].Is(";"); j++ { // over a type
			if n[j].Is("=") {
				e.constants[n[1].Text] = n[j+1:]
				break
			}
		}
	}
	return e
}

// expression evaluates the expression that nodes begin with, and says how many of
// them it takes.
func (e *evaluator) expression(nodes []Node) (Value, int) {
	if e.depth++; e.depth > 60 {
		return Value{}, len(nodes)
	}
	defer func() { e.depth-- }()
	v, n := e.primary(nodes)
	for n < len(nodes) {
		switch {
		case nodes[n].Is("!"):
			n++
		case nodes[n].Is("as"), nodes[n].Is("satisfies"): // a type; it ends before what may follow an expression
			for n++; n < len(nodes) && !nodes[n].Is(",") && !nodes[n].Is(";") && !nodes[n].Is("+") && !nodes[n].Is("??"); n++ {
			}
		case nodes[n].Is("+"):
			w, m := e.expression(nodes[n+1:])
			n += 1 + m
			if v.Text == nil || w.Text == nil {
				v = Value{From: v.From, To: w.To}
			} else {
				v.Text, v.To = append(v.Text[:len(v.Text):len(v.Text)], w.Text...), w.To
			}
		case nodes[n].Is("??"), nodes[n].Is("||"): // a default for what a deployment has to have anyway
			_, m := e.expression(nodes[n+1:])
			n += 1 + m
		default:
			return v, n
		}
	}
	return v, n
}

// primary evaluates an operand.
func (e *evaluator) primary(nodes []Node) (Value, int) {
	if len(nodes) == 0 {
		return Value{}, 0
	}
	n := &nodes[0]
	v := Value{From: n.From, To: n.To}
	switch n.Kind {
	case String:
		v.Text = []Part{{Literal: n.Text}}
		return v, 1
	case Template:
		v.Text = []Part{}
		for i := range n.Nodes {
			if n.Nodes[i].Kind == String {
				v.Text = append(v.Text, Part{Literal: n.Nodes[i].Text})
				continue
			}
			w, took := e.expression(n.Nodes[i].Nodes)
			if w.Text == nil || took != len(n.Nodes[i].Nodes) {
				return Value{From: n.From, To: n.To}, 1
			}
			v.Text = append(v.Text, w.Text...)
		}
		return v, 1
	case Group:
		switch n.Text {
		case "(":
			w, took := e.expression(n.Nodes)
			if took != len(n.Nodes) {
				w = Value{From: n.From, To: n.To}
			}
			return w, 1
		case "[":
			v.isList = true
			for _, item := range Split(n.Nodes, ",") {
				if len(item) > 0 && item[0].Is("...") {
					w, _ := e.expression(item[1:])
					if w.isList {
						v.List = append(v.List, w.List...)
						continue
					}
					v.List = append(v.List, w)
					continue
				}
				w, _ := e.expression(item)
				v.List = append(v.List, w)
			}
			return v, 1
		default:
			v.Object = map[string]Value{}
			for _, member := range Split(n.Nodes, ",") {
				e.member(v.Object, member)
			}
			return v, 1
		}
	case Ident:
		return e.name(nodes)
	default:
		return v, 1
	}
}

// member adds one member of an object literal.
func (e *evaluator) member(into map[string]Value, nodes []Node) {
	switch {
	case len(nodes) == 0:
	case nodes[0].Is("...") && len(nodes) > 1:
		w, _ := e.expression(nodes[1:])
		for name, v := range w.Object {
			into[name] = v
		}
	case len(nodes) == 1 && nodes[0].Kind == Ident: // shorthand
		into[nodes[0].Text], _ = e.name(nodes)
	case len(nodes) > 2 && nodes[1].Is(":") && (nodes[0].Kind == Ident || nodes[0].Kind == String):
		v, _ := e.expression(nodes[2:])
		into[nodes[0].Text] = v
	}
}

// name evaluates what begins with a name: a constant, process.env.X, a call.
func (e *evaluator) name(nodes []Node) (Value, int) {
	path := []string{nodes[0].Text}
	n := 1
	for n+1 < len(nodes) && (nodes[n].Is(".") || nodes[n].Is("?.")) && nodes[n+1].Kind == Ident {
		path = append(path, nodes[n+1].Text)
		n += 2
	}
	if n < len(nodes) && nodes[n].Kind == Group && nodes[n].Text == "[" && len(nodes[n].Nodes) == 1 && nodes[n].Nodes[0].Kind == String {
		path = append(path, nodes[n].Nodes[0].Text)
		n++
	}
	v := Value{From: nodes[0].From, To: nodes[n-1].To}
	if n < len(nodes) && nodes[n].Kind == Group && nodes[n].Text == "(" {
		v.Call, v.To = path[len(path)-1], nodes[n].To
		return v, n + 1
	}
	switch {
	case len(path) == 3 && path[0] == "process" && path[1] == "env":
		v.Text = []Part{{Env: path[2]}}
	case len(path) == 1 && e.constants[path[0]] != nil:
		w, _ := e.expression(e.constants[path[0]])
		if w.Text != nil { // a string is where it is used, a list where it is written
			w.From, w.To = v.From, v.To
		}
		return w, n
	}
	return v, n
}

package token

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// templateParser reads a template from left to right.
type templateParser struct {
	text string
	at   int
}

// space skips white space.
func (p *templateParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// next reports whether s comes, and skips it.
func (p *templateParser) next(s string) bool {
	if !strings.HasPrefix(p.text[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

// value reads a JSON value or a hole.
func (p *templateParser) value(depth int) (templateNode, error) {
	if depth > templateDepth {
		return nil, badTemplate(p.at, "it is nested more than %d deep", templateDepth)
	}
	p.space()
	switch {
	case p.at == len(p.text):
		return nil, badTemplate(p.at, "it ends too early")
	case strings.HasPrefix(p.text[p.at:], "{%"):
		return nil, badTemplate(p.at, "tags such as {%% if %%} are not supported; use {{ … || … }}")
	case p.next("{{"):
		return p.hole()
	case p.next("{"):
		return p.object(depth)
	case p.next("["):
		return p.array(depth)
	case p.text[p.at] == '"':
		return p.str()
	}
	return p.scalar()
}

// scalar reads a number, true, false or null.
func (p *templateParser) scalar() (templateNode, error) {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n,]}", p.text[p.at]) < 0 {
		p.at++
	}
	word := p.text[start:p.at]
	if !json.Valid([]byte(word)) {
		return nil, badTemplate(start, "%q is no JSON value", clip(word))
	}
	return json.RawMessage(word), nil
}

// object reads an object after its brace.
func (p *templateParser) object(depth int) (templateNode, error) {
	o := &templateObject{}
	if p.space(); p.next("}") {
		return o, nil
	}
	for {
		p.space()
		start := p.at
		if p.at == len(p.text) || p.text[p.at] != '"' {
			return nil, badTemplate(p.at, "a key in double quotes is expected")
		}
		s, err := p.str()
		if err != nil {
			return nil, err
		}
		raw, ok := s.(json.RawMessage)
		if !ok {
			return nil, badTemplate(start, "a key cannot hold {{ … }}")
		}
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return nil, badTemplate(start, "the key is no JSON string")
		}
		if slices.Contains(o.names, name) {
			return nil, badTemplate(start, "the key %q is given twice", clip(name))
		}
		if p.space(); !p.next(":") {
			return nil, badTemplate(p.at, "a colon is expected")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.names, o.values = append(o.names, name), append(o.values, v)
		switch p.space(); {
		case p.next(","):
		case p.next("}"):
			return o, nil
		default:
			return nil, badTemplate(p.at, "a comma or } is expected")
		}
	}
}

// array reads a list after its bracket.
func (p *templateParser) array(depth int) (templateNode, error) {
	a := templateArray{}
	if p.space(); p.next("]") {
		return a, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		switch p.space(); {
		case p.next(","):
		case p.next("]"):
			return a, nil
		default:
			return nil, badTemplate(p.at, "a comma or ] is expected")
		}
	}
}

// str reads a string: raw JSON if it has no holes.
func (p *templateParser) str() (templateNode, error) {
	start := p.at
	p.at++
	var parts templateString
	text := p.at
	// flush decodes the text since the last hole.
	flush := func() error {
		if p.at == text {
			return nil
		}
		var s string
		if err := json.Unmarshal([]byte(`"`+p.text[text:p.at]+`"`), &s); err != nil {
			return badTemplate(text, "the string is no JSON string")
		}
		parts = append(parts, templatePart{text: s})
		return nil
	}
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '\\':
			p.at = min(p.at+2, len(p.text))
		case c == '"':
			if err := flush(); err != nil {
				return nil, err
			}
			p.at++
			if !slices.ContainsFunc(parts, func(t templatePart) bool { return t.hole != nil }) {
				return json.RawMessage(p.text[start:p.at]), nil
			}
			return parts, nil
		case strings.HasPrefix(p.text[p.at:], "{{"):
			if err := flush(); err != nil {
				return nil, err
			}
			at := p.at
			p.at += 2
			e, err := p.hole()
			if err != nil {
				return nil, err
			}
			if name := wholeOf(e); name != "" {
				return nil, badTemplate(at, "%s is an object or a list, which cannot stand within a string", name)
			}
			parts = append(parts, templatePart{hole: e})
			text = p.at
		default:
			p.at++
		}
	}
	return nil, badTemplate(start, "the string does not end")
}

// structured are the paths that are known to lead to objects or lists.
var structured = []string{"user", "user.metadata", "organization", "organization.metadata", "organization.domains",
	"organization_membership", "organization_membership.custom_attributes", "organization_membership.role", "organization_membership.roles"}

// wholeOf names an alternative that is known to be an object or a list.
func wholeOf(e templateExpr) string {
	for _, t := range e {
		if name := strings.Join(t.path, "."); len(t.filters) == 0 && slices.Contains(structured, name) {
			return name
		}
	}
	return ""
}

// hole reads an expression after its braces.
func (p *templateParser) hole() (templateExpr, error) {
	var e templateExpr
	for {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		e = append(e, t)
		switch p.space(); {
		case p.next("||"):
		case p.next("}}"):
			return e, nil
		default:
			return nil, badTemplate(p.at, "|| or }} is expected")
		}
	}
}

// roots are what a path may begin with.
var roots = []string{"user", "organization", "organization_membership"}

// term reads one alternative with its filters.
func (p *templateParser) term() (t templateTerm, err error) {
	p.space()
	start := p.at
	switch {
	case p.at == len(p.text):
		return t, badTemplate(p.at, "the expression does not end")
	case p.text[p.at] == '\'' || p.text[p.at] == '"':
		if t.value, err = p.quoted(); err != nil {
			return t, err
		}
	default:
		word := p.word()
		switch word {
		case "":
			return t, badTemplate(p.at, "a path such as user.email, or a value in quotes, is expected")
		case "true", "false":
			t.value = word == "true"
		case "null", "nil":
		default:
			if n, err := strconv.ParseFloat(word, 64); err == nil && json.Valid([]byte(word)) {
				t.value = n
				break
			}
			if t.path, err = p.path(start, word); err != nil {
				return t, err
			}
		}
	}
	return t, p.filters(&t)
}

// path reads on after the first word of a path.
func (p *templateParser) path(start int, word string) ([]string, error) {
	path := strings.Split(word, ".")
	for p.next("[") {
		p.space()
		var step string
		if p.at < len(p.text) && (p.text[p.at] == '\'' || p.text[p.at] == '"') {
			s, err := p.quoted()
			if err != nil {
				return nil, err
			}
			step = s
		} else if step = p.word(); step == "" {
			return nil, badTemplate(p.at, "a name in quotes or a number is expected")
		}
		if p.space(); !p.next("]") {
			return nil, badTemplate(p.at, "] is expected")
		}
		path = append(path, step)
		if rest := p.word(); rest != "" { // a["b"].c
			path = append(path, strings.Split(strings.TrimPrefix(rest, "."), ".")...)
		}
	}
	if slices.Contains(path, "") {
		return nil, badTemplate(start, "the path %q has an empty step", clip(word))
	}
	if !slices.Contains(roots, path[0]) {
		return nil, badTemplate(start, "there is no %q; a path begins with %s", clip(path[0]), strings.Join(roots, ", "))
	}
	return path, nil
}

// word reads letters, digits and the signs of paths and numbers.
func (p *templateParser) word() string {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c < 0x80 && c != '_' && c != '.' && c != '-' && c != '+' && c != ':' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		p.at++
	}
	return p.text[start:p.at]
}

// quoted reads a string in single or double quotes; a backslash takes the next
// character as it is.
func (p *templateParser) quoted() (string, error) {
	start, mark := p.at, p.text[p.at]
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == mark:
			return b.String(), nil
		case c == '\\' && p.at < len(p.text):
			b.WriteByte(p.text[p.at])
			p.at++
		default:
			b.WriteByte(c)
		}
	}
	return "", badTemplate(start, "the quotes are not closed")
}

// filters reads what follows an alternative: | name or | name: 'argument'.
func (p *templateParser) filters(t *templateTerm) error {
	for {
		p.space()
		if strings.HasPrefix(p.text[p.at:], "||") || !p.next("|") {
			return nil
		}
		p.space()
		start := p.at
		name := strings.TrimSuffix(p.word(), ":")
		colon := p.at > start && p.text[p.at-1] == ':'
		f, ok := templateFilters[name]
		if !ok {
			return badTemplate(start, "there is no filter %q", clip(name))
		}
		var arg string
		if f.needsArg {
			p.space()
			if !colon && p.next(":") {
				colon = true
				p.space()
			}
			if !colon || p.at == len(p.text) || p.text[p.at] != '\'' && p.text[p.at] != '"' {
				return badTemplate(p.at, "the filter %s needs a value in quotes after a colon", name)
			}
			s, err := p.quoted()
			if err != nil {
				return err
			}
			arg = s
		}
		t.filters = append(t.filters, templateFilter{name, arg})
	}
}

package scim

import (
	"encoding/json"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/directory"
)

// Bounds of a filter.
const (
	maxFilter = 4096 // bytes
	maxDepth  = 16   // brackets within brackets
)

// invalidFilter refuses a filter.
func invalidFilter(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalidFilter", format, args...)
}

// expr is a filter (RFC 7644 §3.4.2.2).
type expr interface{ holds(o map[string]any) bool }

// The kinds of filter.
type (
	both    struct{ left, right expr } // and
	either  struct{ left, right expr } // or
	neither struct{ of expr }          // not
	// within holds if an element of a list matches: emails[type eq "work"].
	within struct {
		at path
		of expr
	}
	// compare holds an attribute against a value; op is in lower case.
	compare struct {
		at    path
		op    string
		value any // nil for pr and null
	}
)

// path names an attribute: its schema if it is an extension's, its name and that
// of a part of it.
type path struct{ schema, name, sub string }

// parsePath reads "emails.value" or "urn:…:User:manager.value". Names get our
// spelling. A schema alone names the whole extension.
func parsePath(s string) (path, bool) {
	var p path
	if len(s) > 512 {
		return p, false
	}
	if lower := strings.ToLower(s); strings.HasPrefix(lower, "urn:") {
		for _, known := range []string{directory.UserSchema, directory.GroupSchema, directory.EnterpriseSchema} {
			rest, ok := strings.CutPrefix(lower, strings.ToLower(known))
			if !ok || rest != "" && rest[0] != ':' {
				continue
			}
			p.schema, s = known, strings.TrimPrefix(s[len(known):], ":")
			break
		}
		if p.schema == "" { // an extension that we do not know ends in ":User" or before its last part
			i := strings.LastIndexByte(s, ':')
			if last := s[i+1:]; strings.EqualFold(last, "User") || strings.EqualFold(last, "Group") {
				p.schema, s = s, ""
			} else {
				p.schema, s = s[:i], last
			}
		}
		if p.schema == directory.UserSchema || p.schema == directory.GroupSchema {
			p.schema = ""
		} else if s == "" {
			return p, true
		}
	}
	name, sub, dotted := strings.Cut(s, ".")
	if !attributeName(name) || dotted && !attributeName(sub) {
		return p, false
	}
	p.name = directory.Canonical(name)
	if dotted {
		p.sub = directory.Canonical(sub)
	}
	return p, true
}

// attributeName reports whether s is one (RFC 7643 §2.1, and what directories use
// besides).
func attributeName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '$' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// parser reads a filter from left to right.
type parser struct {
	rest  string
	depth int
}

// parseFilter reads a filter whole.
func parseFilter(s string) (expr, error) {
	if len(s) > maxFilter {
		return nil, invalidFilter("The filter is longer than %d bytes.", maxFilter)
	}
	p := &parser{rest: s}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.rest != "" {
		return nil, invalidFilter("The filter does not end where it should: %.40q.", p.rest)
	}
	return e, nil
}

// space skips blanks.
func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// word takes a keyword, whatever its case, if it comes next.
func (p *parser) word(w string) bool {
	p.space()
	if len(p.rest) < len(w) || !strings.EqualFold(p.rest[:len(w)], w) {
		return false
	}
	after := p.rest[len(w):]
	if after != "" && !strings.ContainsRune(" \t(", rune(after[0])) {
		return false
	}
	p.rest = after
	return true
}

// mark takes one character if it comes next.
func (p *parser) mark(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// or reads terms joined by "or", which binds least.
func (p *parser) or() (expr, error) {
	left, err := p.and()
	for err == nil && p.word("or") {
		var right expr
		right, err = p.and()
		left = either{left, right}
	}
	return left, err
}

// and reads factors joined by "and".
func (p *parser) and() (expr, error) {
	left, err := p.factor()
	for err == nil && p.word("and") {
		var right expr
		right, err = p.factor()
		left = both{left, right}
	}
	return left, err
}

// factor reads a comparison, or something in brackets.
func (p *parser) factor() (expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, invalidFilter("The filter nests deeper than %d levels.", maxDepth)
	}
	defer func() { p.depth-- }()
	saved := p.rest
	if p.word("not") {
		if p.mark('(') {
			e, err := p.closed(')')
			return neither{e}, err
		}
		p.rest = saved // an attribute could have this name
	}
	if p.mark('(') {
		return p.closed(')')
	}
	return p.comparison()
}

// closed reads a filter up to the bracket that ends it.
func (p *parser) closed(end byte) (expr, error) {
	e, err := p.or()
	if err == nil && !p.mark(end) {
		err = invalidFilter("A %q is missing in the filter.", end)
	}
	return e, err
}

// comparison reads "path op value", "path pr" or "path[filter]".
func (p *parser) comparison() (expr, error) {
	p.space()
	n := strings.IndexAny(p.rest, " \t[()]")
	if n < 0 {
		n = len(p.rest)
	}
	at, ok := parsePath(p.rest[:n])
	if !ok {
		return nil, invalidFilter("The filter names no attribute at %.40q.", p.rest)
	}
	p.rest = p.rest[n:]
	if strings.HasPrefix(p.rest, "[") {
		p.rest = p.rest[1:]
		e, err := p.closed(']')
		return within{at, e}, err
	}
	p.space()
	n = strings.IndexAny(p.rest, " \t)]")
	if n < 0 {
		n = len(p.rest)
	}
	op := strings.ToLower(p.rest[:n])
	p.rest = p.rest[n:]
	switch op {
	case "pr":
		return compare{at: at, op: op}, nil
	case "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le":
	default:
		return nil, invalidFilter("The filter has no operator at %.40q.", op)
	}
	v, err := p.literal()
	return compare{at, op, v}, err
}

// literal reads a JSON string, number, boolean or null. Entra ID's older clients
// write True, which is none.
func (p *parser) literal() (any, error) {
	p.space()
	if strings.HasPrefix(p.rest, `"`) {
		d := json.NewDecoder(strings.NewReader(p.rest))
		var s string
		if err := d.Decode(&s); err != nil {
			return nil, invalidFilter("The filter compares with a text that does not end: %.40q.", p.rest)
		}
		p.rest = p.rest[d.InputOffset():]
		return s, nil
	}
	n := strings.IndexAny(p.rest, " \t)]")
	if n < 0 {
		n = len(p.rest)
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	if b, ok := directory.Boolean(word); ok {
		return b, nil
	}
	var v any
	if err := json.Unmarshal([]byte(word), &v); err == nil {
		switch v.(type) {
		case nil, float64:
			return v, nil
		}
	}
	return nil, invalidFilter("The filter compares with something that is no value: %.40q.", word)
}

package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// A Template makes the claims that an environment wants in its tokens beyond the
// usual ones: a JSON object in which {{ … }} stands for a value, or for a part of a
// string (https://workos.com/docs/authkit/jwt-templates):
//
//	{"name": "{{ user.first_name || 'Someone' }}", "tier": {{ organization.metadata.tier }}}
//
// An expression is a chain of alternatives, of which the first that is not null
// counts; each is a path, a quoted string, a number, true, false or null, and may be
// followed by filters (| upcase). It is parsed once, so that a rendered claim can
// never change the shape of the object around it.
type Template struct{ root *templateObject }

// Bounds of a template; only MaxRendered is the imitated service's.
const (
	MaxTemplate   = 16 << 10
	MaxRendered   = 3072 // bytes of the rendered object
	templateDepth = 16
)

// reservedClaims may not stand at the top of a template.
var reservedClaims = []string{"iss", "sub", "exp", "iat", "nbf", "jti"}

// ErrTokenTooBig is a template that renders to more than MaxRendered bytes.
var ErrTokenTooBig = apierr.New(apierr.BadRequest, "token_too_big",
	"The claims of the JWT template take more than %d bytes for this user. Shorten the template, or the metadata it uses.", MaxRendered)

// templateNode is a JSON value with holes. It is one of *templateObject,
// templateArray, templateString, templateValue and json.RawMessage.
type templateNode interface{}

type (
	// templateObject is an object; its members keep their order.
	templateObject struct {
		names  []string
		values []templateNode
	}
	// templateArray is a list.
	templateArray []templateNode
	// templateString is a string with holes: text and expressions in turn.
	templateString []templatePart
	// templatePart is text, or an expression if hole is not nil.
	templatePart struct {
		text string
		hole templateExpr
	}
	// templateExpr is a chain of alternatives that stands for a whole value.
	templateExpr []templateTerm
)

// templateTerm is one alternative.
type templateTerm struct {
	path    []string // nil for a constant
	value   any      // the constant
	filters []templateFilter
}

// templateFilter is a filter and its argument.
type templateFilter struct {
	name string
	arg  string
}

// badTemplate refuses a template.
func badTemplate(at int, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalid_jwt_template", "The template is not valid: %s (at byte %d).", fmt.Sprintf(format, args...), at)
}

// ParseTemplate reads a template.
func ParseTemplate(text string) (*Template, error) {
	switch {
	case len(text) > MaxTemplate:
		return nil, badTemplate(MaxTemplate, "it is longer than %d bytes", MaxTemplate)
	case !utf8.ValidString(text):
		return nil, badTemplate(0, "it is not UTF-8")
	}
	p := &templateParser{text: text}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	root, ok := v.(*templateObject)
	if !ok {
		return nil, badTemplate(0, "it must be a JSON object")
	}
	if p.space(); p.at < len(text) {
		return nil, badTemplate(p.at, "there is text after the object")
	}
	for _, name := range root.names {
		if slices.Contains(reservedClaims, name) {
			return nil, badTemplate(0, "the key %q is reserved; these are: %s", name, strings.Join(reservedClaims, ", "))
		}
	}
	return &Template{root}, nil
}

// Claim is a rendered claim.
type Claim struct {
	Name  string
	Value json.RawMessage
}

// Render fills the holes from context, which holds what JSON decodes to: maps, lists,
// strings, float64, bool and nil. Claims that are null are left out. An object or a
// list within a string is written as nothing; strays counts those.
func (t *Template) Render(context map[string]any) (claims []Claim, strays int, err error) {
	r := templateRenderer{context: context}
	size := 2
	for i, name := range t.root.names {
		v, err := r.node(t.root.values[i])
		if err != nil {
			return nil, 0, err
		}
		if string(v) == "null" {
			continue
		}
		claims = append(claims, Claim{name, v})
		size += len(quoteJSON(name)) + 1 + len(v)
	}
	if size += max(0, len(claims)-1); size > MaxRendered {
		return nil, 0, ErrTokenTooBig
	}
	return claims, r.strays, nil
}

// templateRenderer is one rendering.
type templateRenderer struct {
	context map[string]any
	strays  int
}

// node writes a value as JSON.
func (r *templateRenderer) node(n templateNode) (json.RawMessage, error) {
	switch n := n.(type) {
	case json.RawMessage:
		return n, nil
	case templateExpr:
		return marshalJSON(r.eval(n))
	case templateString:
		var b strings.Builder
		for _, p := range n {
			if p.hole == nil {
				b.WriteString(p.text)
				continue
			}
			v := r.eval(p.hole)
			switch v.(type) {
			case map[string]any, []any:
				r.strays++
				continue
			}
			b.WriteString(plainText(v))
		}
		return quoteJSON(b.String()), nil
	case templateArray:
		out := []byte{'['}
		for i, e := range n {
			v, err := r.node(e)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, v...)
		}
		return append(out, ']'), nil
	case *templateObject:
		out := []byte{'{'}
		for i, e := range n.values {
			v, err := r.node(e)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(append(append(out, quoteJSON(n.names[i])...), ':'), v...)
		}
		return append(out, '}'), nil
	}
	return nil, fmt.Errorf("token: template node %T", n)
}

// eval is the first alternative that is not null.
func (r *templateRenderer) eval(e templateExpr) any {
	for _, t := range e {
		v := t.value
		if t.path != nil {
			v = lookPath(r.context, t.path)
		}
		for _, f := range t.filters {
			v = templateFilters[f.name].apply(v, f.arg)
		}
		if v != nil {
			return v
		}
	}
	return nil
}

// lookPath walks into the context; nil if there is nothing.
func lookPath(context map[string]any, path []string) any {
	var v any = context
	for _, step := range path {
		switch c := v.(type) {
		case map[string]any:
			v = c[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(c) {
				return nil
			}
			v = c[i]
		default:
			return nil
		}
	}
	return v
}

// plainText is a scalar as text; null is nothing.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// templateFilters are the filters, by name: a few of Liquid's
// (https://shopify.github.io/liquid/), for single values.
var templateFilters = map[string]struct {
	needsArg bool
	apply    func(v any, arg string) any
}{
	"upcase":   {false, func(v any, _ string) any { return onText(v, strings.ToUpper) }},
	"downcase": {false, func(v any, _ string) any { return onText(v, strings.ToLower) }},
	"strip":    {false, func(v any, _ string) any { return onText(v, strings.TrimSpace) }},
	"capitalize": {false, func(v any, _ string) any {
		return onText(v, func(s string) string {
			if s == "" {
				return s
			}
			_, n := utf8.DecodeRuneInString(s)
			return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
		})
	}},
	"append":  {true, func(v any, arg string) any { return onText(v, func(s string) string { return s + arg }) }},
	"prepend": {true, func(v any, arg string) any { return onText(v, func(s string) string { return arg + s }) }},
	"default": {true, func(v any, arg string) any {
		if v == nil || v == "" || v == false {
			return arg
		}
		return v
	}},
	"first": {false, func(v any, _ string) any {
		if l, ok := v.([]any); ok && len(l) > 0 {
			return l[0]
		}
		return nil
	}},
	"last": {false, func(v any, _ string) any {
		if l, ok := v.([]any); ok && len(l) > 0 {
			return l[len(l)-1]
		}
		return nil
	}},
	"size": {false, func(v any, _ string) any {
		switch v := v.(type) {
		case string:
			return float64(utf8.RuneCountInString(v))
		case []any:
			return float64(len(v))
		case map[string]any:
			return float64(len(v))
		}
		return nil
	}},
	"join": {true, func(v any, arg string) any {
		l, ok := v.([]any)
		if !ok {
			return v
		}
		texts := make([]string, len(l))
		for i, e := range l {
			texts[i] = plainText(e)
		}
		return strings.Join(texts, arg)
	}},
	"split": {true, func(v any, arg string) any {
		s, ok := v.(string)
		if !ok {
			return v
		}
		out := []any{}
		for _, e := range strings.Split(s, arg) {
			out = append(out, e)
		}
		return out
	}},
}

// onText applies f to a string and leaves the rest as it is.
func onText(v any, f func(string) string) any {
	if s, ok := v.(string); ok {
		return f(s)
	}
	return v
}

// marshalJSON encodes v without escaping for HTML: tokens are not pages.
func marshalJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("token: render template: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// quoteJSON is s as a JSON string.
func quoteJSON(s string) json.RawMessage {
	b, _ := marshalJSON(s) // a string always encodes
	return b
}

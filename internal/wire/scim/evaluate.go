package scim

import (
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/directory"
)

// holds is the conjunction.
func (e both) holds(o map[string]any) bool { return e.left.holds(o) && e.right.holds(o) }

// holds is the disjunction.
func (e either) holds(o map[string]any) bool { return e.left.holds(o) || e.right.holds(o) }

// holds is the negation.
func (e neither) holds(o map[string]any) bool { return !e.of.holds(o) }

// holds looks for an element that matches.
func (e within) holds(o map[string]any) bool {
	for _, v := range e.at.values(o, false) {
		if element, ok := v.(map[string]any); ok && e.of.holds(element) {
			return true
		}
	}
	return false
}

// holds compares any of the attribute's values.
func (e compare) holds(o map[string]any) bool {
	list := e.at.values(o, true)
	switch {
	case e.op == "pr":
		return len(list) > 0
	case e.op == "ne":
		return !compare{e.at, "eq", e.value}.holds(o)
	case e.value == nil: // null and no value are the same
		return e.op == "eq" && len(list) == 0
	}
	for _, v := range list {
		if meets(v, e.op, e.value, e.at.exact()) {
			return true
		}
	}
	return false
}

// exact reports whether the case of the attribute's values counts (RFC 7643 §3.1).
func (p path) exact() bool { return p.name == "id" || p.name == "externalId" }

// values are the values that the path leads to, those of lists one by one. Where a
// list holds objects and the path names no part of them, leaf takes their "value".
func (p path) values(o map[string]any, leaf bool) []any {
	if p.schema != "" {
		if p.name == "" {
			return present(o[p.schema])
		}
		o, _ = o[p.schema].(map[string]any)
	}
	var out []any
	for _, v := range present(o[p.name]) {
		element, object := v.(map[string]any)
		switch {
		case p.sub != "" && object:
			out = append(out, present(element[p.sub])...)
		case p.sub == "" && object && leaf:
			if inner := present(element["value"]); len(inner) > 0 {
				out = append(out, inner...)
			} else if len(element) > 0 {
				out = append(out, element)
			}
		case p.sub == "":
			out = append(out, v)
		}
	}
	return out
}

// present is a value as a list, empty if there is none (RFC 7644 §3.4.2.2: an empty
// string or list is no value).
func present(v any) []any {
	switch t := v.(type) {
	case nil:
		return nil
	case []any:
		return t
	case string:
		if t == "" {
			return nil
		}
	}
	return []any{v}
}

// meets compares two values.
func meets(v any, op string, with any, exact bool) bool {
	switch b := with.(type) {
	case bool:
		a, ok := directory.Boolean(v)
		return ok && op == "eq" && a == b
	case float64:
		a, ok := v.(float64)
		return ok && ordered(op, cmp(a, b))
	case string:
		if a, ok := v.(bool); ok { // "active eq "True"" of older clients
			w, ok := directory.Boolean(b)
			return ok && op == "eq" && a == w
		}
		a, ok := v.(string)
		if !ok {
			return false
		}
		if x, err := time.Parse(time.RFC3339, a); err == nil && op != "co" && op != "sw" && op != "ew" {
			if y, err := time.Parse(time.RFC3339, b); err == nil {
				return ordered(op, x.Compare(y))
			}
		}
		if !exact {
			a, b = strings.ToLower(a), strings.ToLower(b)
		}
		switch op {
		case "co":
			return strings.Contains(a, b)
		case "sw":
			return strings.HasPrefix(a, b)
		case "ew":
			return strings.HasSuffix(a, b)
		}
		return ordered(op, strings.Compare(a, b))
	}
	return false
}

// cmp orders two numbers.
func cmp(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ordered tells whether an order satisfies an operator.
func ordered(op string, order int) bool {
	switch op {
	case "eq":
		return order == 0
	case "gt":
		return order > 0
	case "ge":
		return order >= 0
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	}
	return false
}

// indexed finds in a filter, or in a conjunction's parts, a comparison that an index
// answers. rest is what is still to be checked; nil if nothing.
func indexed(e expr, keys map[path]directory.Key) (key directory.Key, value string, rest expr) {
	switch t := e.(type) {
	case compare:
		if s, ok := t.value.(string); ok && t.op == "eq" && s != "" {
			if k, ok := keys[t.at]; ok {
				return k, s, nil
			}
		}
	case within: // emails[value eq "…"] and members[value eq "…"]
		if c, ok := t.of.(compare); ok && t.at.sub == "" {
			c.at = path{t.at.schema, t.at.name, c.at.name}
			if k, v, _ := indexed(c, keys); k != directory.Every {
				return k, v, nil
			}
		}
	case both:
		if k, v, r := indexed(t.left, keys); k != directory.Every {
			if r == nil {
				return k, v, t.right
			}
			return k, v, both{r, t.right}
		}
		if k, v, r := indexed(t.right, keys); k != directory.Every {
			if r == nil {
				return k, v, t.left
			}
			return k, v, both{t.left, r}
		}
	}
	return directory.Every, "", e
}

// names reports whether the filter names an attribute anywhere.
func names(e expr, name string) bool {
	switch t := e.(type) {
	case both:
		return names(t.left, name) || names(t.right, name)
	case either:
		return names(t.left, name) || names(t.right, name)
	case neither:
		return names(t.of, name)
	case within:
		return t.at.name == name
	case compare:
		return t.at.name == name
	}
	return false
}

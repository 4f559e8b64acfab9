package udf

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/lentil-dev/lentil/internal/value"
)

// expr is a filter expression of the query language (convex-runtime.md §5.4),
// evaluated over one document.
type expr interface {
	eval(doc value.Object) (value.Value, error)
}

// maxFilterDepth bounds the nesting of filter expressions, so that neither
// parsing nor evaluating them can exhaust the stack.
const maxFilterDepth = 256

// The kinds of expression.
type (
	literalExpr struct{ v value.Value }
	fieldExpr   struct{ path string }
	compareExpr struct {
		a, b expr
		test func(order int) bool
	}
	arithmeticExpr struct {
		op   arithmetic
		a, b expr
	}
	negExpr struct{ a expr }
	notExpr struct{ a expr }
	// junctionExpr is $and, or $or if until is true: it ends at the first operand that equals until.
	junctionExpr struct {
		name  string
		until bool
		parts []expr
	}
)

// arithmetic is one of the five arithmetic operators, for both number kinds.
type arithmetic struct {
	verb  string // as in "Cannot <verb> x and y"
	ints  func(a, b int64) (int64, bool)
	float func(a, b float64) float64
}

// comparisons are the operators that compare by the total order of values.
var comparisons = map[string]func(order int) bool{
	"$eq":  func(o int) bool { return o == 0 },
	"$neq": func(o int) bool { return o != 0 },
	"$lt":  func(o int) bool { return o < 0 },
	"$lte": func(o int) bool { return o <= 0 },
	"$gt":  func(o int) bool { return o > 0 },
	"$gte": func(o int) bool { return o >= 0 },
}

// arithmetics are the operators on two numbers of one kind. The integer forms
// report false on overflow and on division by zero.
var arithmetics = map[string]arithmetic{
	"$add": {"add", func(a, b int64) (int64, bool) { c := a + b; return c, (c > a) == (b > 0) }, func(a, b float64) float64 { return a + b }},
	"$sub": {"subtract", func(a, b int64) (int64, bool) { c := a - b; return c, (c < a) == (b > 0) }, func(a, b float64) float64 { return a - b }},
	"$mul": {"multiply", mulInt, func(a, b float64) float64 { return a * b }},
	"$div": {"divide", func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a / b, true
	}, func(a, b float64) float64 { return a / b }},
	"$mod": {"take the remainder of", func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a % b, true
	}, math.Mod},
}

// mulInt multiplies unless the product overflows.
func mulInt(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	c := a * b
	if (c < 0) != ((a < 0) != (b < 0)) || c/b != a {
		return 0, false
	}
	return c, true
}

// parseExpr reads an expression: an object with exactly one member, the operator.
func parseExpr(raw json.RawMessage, depth int) (expr, error) {
	if depth > maxFilterDepth {
		return nil, badQuery("Filter expressions may be nested at most %d levels deep.", maxFilterDepth)
	}
	op, arg, err := singleMember(raw)
	if err != nil {
		return nil, badQuery("A filter expression must be an object with one operator.")
	}
	switch op {
	case "$literal":
		v, err := parseQueryValue(arg)
		if err != nil {
			return nil, err
		}
		return literalExpr{v}, nil
	case "$field":
		var path string
		if err := json.Unmarshal(arg, &path); err != nil {
			return nil, badQuery("The operand of $field must be a string.")
		}
		return fieldExpr{path}, nil
	case "$neg", "$not":
		a, err := parseExpr(arg, depth+1)
		if err != nil {
			return nil, err
		}
		if op == "$neg" {
			return negExpr{a}, nil
		}
		return notExpr{a}, nil
	}
	parts, err := parseOperands(op, arg, depth)
	if err != nil {
		return nil, err
	}
	switch {
	case op == "$and" || op == "$or":
		return junctionExpr{name: op[1:], until: op == "$or", parts: parts}, nil
	case len(parts) != 2:
		return nil, badQuery("The filter operator %q takes two operands.", op)
	case comparisons[op] != nil:
		return compareExpr{parts[0], parts[1], comparisons[op]}, nil
	}
	return arithmeticExpr{arithmetics[op], parts[0], parts[1]}, nil
}

// parseOperands reads the array of operands of an operator that is known.
func parseOperands(op string, arg json.RawMessage, depth int) ([]expr, error) {
	_, known := arithmetics[op]
	if !known && comparisons[op] == nil && op != "$and" && op != "$or" {
		return nil, badQuery("Unknown filter operator %q.", op)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(arg, &list); err != nil {
		return nil, badQuery("The operands of the filter operator %q must be an array.", op)
	}
	parts := make([]expr, len(list))
	for i, raw := range list {
		e, err := parseExpr(raw, depth+1)
		if err != nil {
			return nil, err
		}
		parts[i] = e
	}
	return parts, nil
}

// singleMember splits an object that has exactly one member.
func singleMember(raw json.RawMessage) (name string, arg json.RawMessage, err error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", nil, err
	}
	if len(m) != 1 {
		return "", nil, fmt.Errorf("object of %d members", len(m))
	}
	for name, arg = range m {
	}
	return name, arg, nil
}

// parseQueryValue reads a value of a query, where undefined is allowed; an
// absent member is undefined too.
func parseQueryValue(raw json.RawMessage) (value.Value, error) {
	if len(raw) == 0 {
		return value.Undefined{}, nil
	}
	return value.ParseOperand(raw)
}

func (e literalExpr) eval(value.Object) (value.Value, error) { return e.v, nil }

func (e fieldExpr) eval(doc value.Object) (value.Value, error) { return value.Path(doc, e.path), nil }

func (e compareExpr) eval(doc value.Object) (value.Value, error) {
	a, err := e.a.eval(doc)
	if err != nil {
		return nil, err
	}
	b, err := e.b.eval(doc)
	if err != nil {
		return nil, err
	}
	return value.Bool(e.test(value.Compare(a, b))), nil
}

func (e arithmeticExpr) eval(doc value.Object) (value.Value, error) {
	a, err := e.a.eval(doc)
	if err != nil {
		return nil, err
	}
	b, err := e.b.eval(doc)
	if err != nil {
		return nil, err
	}
	switch x := a.(type) {
	case value.Int64:
		if y, ok := b.(value.Int64); ok {
			z, ok := e.op.ints(int64(x), int64(y))
			if !ok {
				return nil, evalError("Cannot %s %d and %d: integer overflow or division by zero.", e.op.verb, int64(x), int64(y))
			}
			return value.Int64(z), nil
		}
	case value.Float64:
		if y, ok := b.(value.Float64); ok {
			return value.Float64(e.op.float(float64(x), float64(y))), nil
		}
	}
	return nil, evalError("Cannot %s %s (type %s) and %s (type %s)", e.op.verb, value.JSON(a), a.Kind(), value.JSON(b), b.Kind())
}

func (e negExpr) eval(doc value.Object) (value.Value, error) {
	a, err := e.a.eval(doc)
	if err != nil {
		return nil, err
	}
	switch x := a.(type) {
	case value.Int64:
		if x == math.MinInt64 {
			return nil, evalError("Cannot negate %d: integer overflow.", int64(x))
		}
		return -x, nil
	case value.Float64:
		return -x, nil
	}
	return nil, evalError("Cannot negate %s (type %s)", value.JSON(a), a.Kind())
}

func (e notExpr) eval(doc value.Object) (value.Value, error) {
	b, err := evalBool(e.a, doc, "not")
	return value.Bool(!b), err
}

func (e junctionExpr) eval(doc value.Object) (value.Value, error) {
	for _, part := range e.parts {
		b, err := evalBool(part, doc, e.name)
		if err != nil {
			return nil, err
		}
		if b == e.until {
			return value.Bool(e.until), nil
		}
	}
	return value.Bool(!e.until), nil
}

// evalBool evaluates an operand that must be a boolean; where names who needs it.
func evalBool(e expr, doc value.Object, where string) (bool, error) {
	v, err := e.eval(doc)
	if err != nil {
		return false, err
	}
	b, ok := v.(value.Bool)
	if !ok {
		return false, evalError("Expected a boolean in %s, found %s (type %s)", where, value.JSON(v), v.Kind())
	}
	return bool(b), nil
}

package udf

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// rangeSpec is one comparison of an index range on the wire.
type rangeSpec struct {
	Type  string          `json:"type"` // Eq, Gt, Gte, Lt, Lte
	Field string          `json:"fieldPath"`
	Value json.RawMessage `json:"value"`
}

// bound is one end of an index range.
type bound struct {
	spec  rangeSpec
	value value.Value
}

// rangeBounds are the comparisons of a range after its rules were checked: equal
// values for a prefix of the index fields, then bounds on the next one.
type rangeBounds struct {
	equal        []value.Value
	lower, upper *bound
}

// sortRange checks the rules of index ranges (convex-runtime.md §5.4): equality on
// a prefix of the fields, in whatever order it was written, then at most one lower
// and one upper bound on the next field.
func sortRange(index string, fields []string, specs []rangeSpec) (rangeBounds, error) {
	var r rangeBounds
	equal := make(map[string]value.Value, len(specs))
	for _, s := range specs {
		v, err := parseQueryValue(s.Value)
		if err != nil {
			return r, err
		}
		b := &bound{s, v}
		switch s.Type {
		case "Eq":
			if _, twice := equal[s.Field]; twice {
				return r, invalid("AlreadyDefinedBound", "Already defined an equality bound on `%s` in the range of index `%s`.", s.Field, index)
			}
			equal[s.Field] = v
		case "Gt", "Gte":
			if r.lower != nil {
				return r, alreadyBound("lower", index, r.lower, b)
			}
			r.lower = b
		case "Lt", "Lte":
			if r.upper != nil {
				return r, alreadyBound("upper", index, r.upper, b)
			}
			r.upper = b
		default:
			return r, badQuery("Unknown index range comparison %q.", s.Type)
		}
		if !slices.Contains(fields, s.Field) {
			return r, invalid("FieldNotInIndex", "The index range included a comparison with `%s`, but `%s` with fields %s doesn't index this field.\n\n"+
				"For more information see https://docs.convex.dev/database/reading-data/indexes/.", s.Field, index, fieldList(fields))
		}
	}
	if r.lower != nil && r.upper != nil && r.lower.spec.Field != r.upper.spec.Field {
		return r, invalid("BoundsOnMultipleFields", "Upper and lower bounds in an index range can only be applied to a single index field. "+
			"This query against index `%s` attempted to set a range bound on both `%s` and `%s`. Consider using `filter` instead.\n\n"+
			"For more information see https://docs.convex.dev/database/reading-data/indexes/.", index, r.lower.spec.Field, r.upper.spec.Field)
	}
	return r, r.order(index, fields, equal, specs)
}

// order puts the equal values into the order of the index fields and checks that
// they and the bounds leave no field out.
func (r *rangeBounds) order(index string, fields []string, equal map[string]value.Value, specs []rangeSpec) error {
	n := 0
	for n < len(fields) {
		v, ok := equal[fields[n]]
		if !ok {
			break
		}
		r.equal = append(r.equal, v)
		n++
	}
	wrong := ""
	if n < len(equal) {
		for _, s := range specs {
			if s.Type == "Eq" && !slices.Contains(fields[:n], s.Field) {
				wrong = s.Field
				break
			}
		}
	}
	if b := r.lower; wrong == "" && b != nil && (n >= len(fields) || b.spec.Field != fields[n]) {
		wrong = b.spec.Field
	}
	if b := r.upper; wrong == "" && b != nil && (n >= len(fields) || b.spec.Field != fields[n]) {
		wrong = b.spec.Field
	}
	if wrong == "" {
		return nil
	}
	used := make([]string, len(specs))
	for i, s := range specs {
		used[i] = s.Field
	}
	return invalid("InvalidIndexRange", "Tried to query index `%s` but the query didn't use the index fields in order.\n\n"+
		"Index fields: %s\nQuery fields: %s\nFirst incorrect field: `%s`\n\n"+
		"For more information see https://docs.convex.dev/database/reading-data/indexes/.", index, fieldList(fields), fieldList(used), wrong)
}

// alreadyBound says that a range has two bounds on one side.
func alreadyBound(side, index string, first, second *bound) error {
	return invalid("AlreadyDefinedBound", "Already defined %s bound in the range of index `%s`. Can't add .%s(\"%s\", %s) to .%s(\"%s\", %s).", side, index,
		strings.ToLower(second.spec.Type), second.spec.Field, value.JSON(second.value), strings.ToLower(first.spec.Type), first.spec.Field, value.JSON(first.value))
}

// fieldList writes field names as ["a", "b"].
func fieldList(fields []string) string {
	q := make([]string, len(fields))
	for i, f := range fields {
		q[i] = fmt.Sprintf("%q", f)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

// keyRange turns the comparisons into a half-open range of index keys; nil is unbounded.
func (r rangeBounds) keyRange() (lower, upper []byte) {
	var prefix []byte
	for _, v := range r.equal {
		prefix = value.AppendKey(prefix, v)
	}
	if len(prefix) > 0 {
		lower, upper = prefix, database.After(prefix)
	}
	if r.lower != nil {
		lower = value.AppendKey(slices.Clip(prefix), r.lower.value)
		if r.lower.spec.Type == "Gt" {
			lower = database.After(lower)
		}
	}
	if r.upper != nil {
		upper = value.AppendKey(slices.Clip(prefix), r.upper.value)
		if r.upper.spec.Type == "Lte" {
			upper = database.After(upper)
		}
	}
	return lower, upper
}

package udf

import (
	"bytes"
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

	// Where keys end in ids, which is in every index but by_id: the table whose ids they are, and how many fields
	// stand before. Zero for no such index.
	ids  value.TableNumber
	last int
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
				"For more information see https://docs.convex.dev/database/reading-data/indexes/.", s.Field, index, fieldList(shown(fields)))
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
		"For more information see https://docs.convex.dev/database/reading-data/indexes/.", index, fieldList(shown(fields)), fieldList(used), wrong)
}

// alreadyBound says that a range has two bounds on one side.
func alreadyBound(side, index string, first, second *bound) error {
	return invalid("AlreadyDefinedBound", "Already defined %s bound in the range of index `%s`. Can't add .%s(\"%s\", %s) to .%s(\"%s\", %s).", side, index,
		strings.ToLower(second.spec.Type), second.spec.Field, value.JSON(second.value), strings.ToLower(first.spec.Type), first.spec.Field, value.JSON(first.value))
}

// shown leaves out the id at the end of an index, which its author did not write down.
func shown(fields []string) []string {
	if n := len(fields) - 1; n > 0 && fields[n] == "_id" {
		return fields[:n]
	}
	return fields
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
	for i, v := range r.equal {
		from, to := r.place(prefix, v, r.ids != 0 && i == r.last)
		prefix, lower, upper = from, from, to
	}
	if b := r.lower; b != nil {
		from, to := r.place(prefix, b.value, r.ids != 0 && b.spec.Field == "_id")
		if lower = from; b.spec.Type == "Gt" {
			lower = to
		}
	}
	if b := r.upper; b != nil {
		from, to := r.place(prefix, b.value, r.ids != 0 && b.spec.Field == "_id")
		if upper = from; b.spec.Type == "Lte" {
			upper = to
		}
	}
	return lower, upper
}

// place gives the keys behind a prefix that stand for a value: from the first up
// to the one behind the last. Where the index ends in ids there is one key, or
// none, and then both are the place where it would be.
func (r rangeBounds) place(prefix []byte, v value.Value, id bool) (from, to []byte) {
	prefix = slices.Clip(prefix)
	if !id {
		key := value.AppendKey(prefix, v)
		return key, database.After(key)
	}
	text, ok := v.(value.String)
	if !ok {
		at := prefix // before all ids, which are strings
		if bytes.Compare(value.AppendKey(nil, v), value.AppendKey(nil, value.String(""))) > 0 {
			at = database.After(prefix)
		}
		return at, at
	}
	if parsed, err := value.ParseID(string(text)); err == nil && parsed.Table == r.ids {
		key := append(prefix, parsed.Internal[:]...)
		return key, database.After(key)
	}
	// Ids of a table are ordered as their texts are: find the greatest that is not above this text, bit by bit.
	greatest := value.ID{Table: r.ids}
	if greatest.String() > string(text) {
		return prefix, prefix
	}
	for i := range 8 * len(greatest.Internal) {
		next := greatest
		if next.Internal[i/8] |= 0x80 >> (i % 8); next.String() <= string(text) {
			greatest = next
		}
	}
	at := database.After(append(prefix, greatest.Internal[:]...))
	return at, at
}

package dashboard

import (
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// filter is a condition on a field.
type filter struct {
	Field, Op, Text string
	Drop            string // address without it
	value           value.Value
}

// operators are the conditions, with how people call them.
var operators = []struct{ Op, Name string }{
	{"eq", "is"}, {"neq", "is not"}, {"lt", "<"}, {"lte", "≤"}, {"gt", ">"}, {"gte", "≥"}, {"contains", "contains"}, {"set", "is set"}, {"unset", "is not set"}, {"type", "has the type"},
}

// Operators lists them for the form.
func (dataView) Operators() any { return operators }

// Name is how people call the condition.
func (f filter) Name() string {
	for _, o := range operators {
		if o.Op == f.Op {
			return o.Name
		}
	}
	return f.Op
}

// ByAge says whether the order is that of age.
func (v *dataView) ByAge() bool { return v.Index == byCreation || v.Index == "by_id" }

// maxFilters bounds the conditions of a page.
const maxFilters = 8

// readFilters reads the conditions of the address. What is not written as a value is
// taken as text, so that people need no quotes.
func (v *dataView) readFilters() error {
	q := v.URL.Query()
	fields, ops, values := q["f"], q["o"], q["v"]
	for i, field := range fields {
		f := filter{Field: strings.TrimSpace(field)}
		if f.Field == "" {
			continue
		}
		if i < len(ops) {
			f.Op = ops[i]
		}
		if i < len(values) {
			f.Text = values[i]
		}
		if !slices.ContainsFunc(operators, func(o struct{ Op, Name string }) bool { return o.Op == f.Op }) {
			return apierr.New(apierr.BadRequest, "BadFilter", "There is no condition %q.", f.Op)
		}
		val, err := readLiteral(f.Text)
		if err != nil {
			if t := strings.TrimSpace(f.Text); t != "" && strings.ContainsAny(t[:1], "{[\"'`") {
				return err // meant as a value, and none
			}
			val = value.String(f.Text)
		}
		f.value = val
		rest := v.URL.Query()
		rest["f"], rest["o"], rest["v"] = without(fields, i), without(ops, i), without(values, i)
		for _, gone := range []string{"after", "before", liveParam} {
			rest.Del(gone)
		}
		f.Drop = address(v.URL.Path, rest)
		v.Filters = append(v.Filters, f)
		if len(v.Filters) > maxFilters {
			return apierr.New(apierr.BadRequest, "BadFilter", "A page has at most %d conditions.", maxFilters)
		}
	}
	return nil
}

// without is a list without one of its items.
func without(list []string, i int) []string {
	if i >= len(list) {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}

// passes says whether a document meets all conditions.
func (v *dataView) passes(o value.Object) bool {
	for i := range v.Filters {
		if !v.Filters[i].meets(o) {
			return false
		}
	}
	return true
}

// meets says whether a document meets the condition. A field that is not set is less
// than all values, as in queries.
func (f *filter) meets(o value.Object) bool {
	got := value.Path(o, f.Field)
	_, unset := got.(value.Undefined)
	switch f.Op {
	case "set":
		return !unset && got != nil
	case "unset":
		return unset || got == nil
	case "type":
		return got != nil && strings.EqualFold(got.Kind().String(), strings.TrimSpace(f.Text))
	case "contains":
		return contains(got, f.value)
	}
	if got == nil {
		got = value.Undefined{}
	}
	c := value.Compare(got, f.value)
	switch f.Op {
	case "eq":
		return c == 0
	case "neq":
		return c != 0
	case "lt":
		return c < 0
	case "lte":
		return c <= 0
	case "gt":
		return c > 0
	}
	return c >= 0
}

// contains says whether a text has another in it, or an array an item, whatever the case.
func contains(in, what value.Value) bool {
	switch in := in.(type) {
	case value.String:
		text, ok := what.(value.String)
		if !ok {
			text = value.String(literal(what, ""))
		}
		return strings.Contains(strings.ToLower(string(in)), strings.ToLower(string(text)))
	case value.Array:
		return slices.ContainsFunc(in, func(e value.Value) bool { return value.Equal(e, what) })
	}
	return false
}

// narrow is the part of the index that conditions on its first fields leave: the
// rest of them is looked at document by document.
func (v *dataView) narrow() database.Interval {
	var fields []string
	for _, ix := range v.Indexes {
		if ix.Here {
			fields = ix.Fields
		}
	}
	if len(v.Filters) > 0 && v.Filters[0].Field == "_id" && v.Filters[0].Op == "eq" {
		if s, ok := v.Filters[0].value.(value.String); ok && v.Index == byCreation {
			v.Index = "by_id"
			return database.Prefix(value.AppendKey(nil, s))
		}
	}
	if v.Index == byCreation {
		return database.Interval{}
	}
	var key []byte
	for _, field := range fields {
		i := slices.IndexFunc(v.Filters, func(f filter) bool { return f.Field == field && f.Op == "eq" })
		if i < 0 {
			break
		}
		key = value.AppendKey(key, v.Filters[i].value)
	}
	return database.Prefix(key)
}

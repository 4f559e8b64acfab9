package schema

import (
	"strconv"

	"github.com/lentil-dev/lentil/internal/value"
)

// Mismatch says why a value is not what a validator asks for, and where. Its
// text is the part that follows "ArgumentValidationError: " and the like.
type Mismatch struct {
	Detail    string      // first line
	Path      string      // ".a[0].b"; empty for the value as a whole
	Value     value.Value // what was found there
	Validator *Validator  // what was expected there
}

// Error is the whole text: the detail, then lines for path, value and validator.
// A mismatch of the value as a whole has an empty line in place of the path, and
// the text ends with a line break, as deployments of the vendor show it
// (github.com/get-convex/convex-js/issues/106, convex agent issue 91).
func (m *Mismatch) Error() string {
	s := m.Detail + "\n"
	if m.Path != "" {
		s += "Path: " + m.Path
	}
	what := "Value"
	if m.Validator.kind == kindObject && m.Value.Kind() == value.KindObject {
		what = "Object"
	}
	return s + "\n" + what + ": " + renderValue(m.Value) + "\nValidator: " + m.Validator.String() + "\n"
}

// Check returns nil if val is what the validator asks for and a *Mismatch if it
// is not. Undefined members of objects count as absent. Without tables, ids are
// only checked for their form.
func (v *Validator) Check(val value.Value, t Tables) error {
	if m := v.check(val, t, false); m != nil {
		return m
	}
	return nil
}

// check is Check; document says that val is a whole document, whose system
// fields are not looked at. Paths of mismatches are built on the way out, so
// that values that match cost nothing.
func (v *Validator) check(val value.Value, t Tables, document bool) *Mismatch {
	switch v.kind {
	case kindAny:
		if val.Kind() != value.KindUndefined {
			return nil
		}
	case kindNull:
		if val.Kind() == value.KindNull {
			return nil
		}
	case kindFloat64:
		if val.Kind() == value.KindFloat64 {
			return nil
		}
	case kindInt64, kindCommitTs: // a commit timestamp is checked as the integer that it will be
		if k := val.Kind(); k == value.KindInt64 || k == value.KindCommitTS {
			return nil
		}
	case kindBoolean:
		if val.Kind() == value.KindBool {
			return nil
		}
	case kindString:
		if val.Kind() == value.KindString {
			return nil
		}
	case kindBytes:
		if val.Kind() == value.KindBytes {
			return nil
		}
	case kindLiteral:
		if v.literalMatches(val) {
			return nil
		}
		return v.mismatch(val, "`"+renderValue(val)+"` does not match literal validator `"+v.String()+"`.")
	case kindID:
		return v.checkID(val, t)
	case kindArray:
		if a, ok := val.(value.Array); ok {
			return v.checkArray(a, t)
		}
	case kindRecord:
		if o, ok := val.(value.Object); ok {
			return v.checkRecord(o, t)
		}
	case kindObject:
		if o, ok := val.(value.Object); ok {
			return v.checkObject(o, t, document)
		}
	case kindUnion:
		for _, m := range v.members {
			if m.check(val, t, document) == nil {
				return nil
			}
		}
	}
	return v.mismatch(val, "Value does not match validator.")
}

// mismatch makes a Mismatch at this place.
func (v *Validator) mismatch(val value.Value, detail string) *Mismatch {
	return &Mismatch{Detail: detail, Value: val, Validator: v}
}

// under puts a step before the path of a mismatch further in.
func (m *Mismatch) under(step string) *Mismatch {
	m.Path = step + m.Path
	return m
}

// literalMatches compares as JavaScript's === does where the total order does
// not: zero has two signs, but they are one literal.
func (v *Validator) literalMatches(val value.Value) bool {
	if a, ok := v.literal.(value.Float64); ok {
		b, ok := val.(value.Float64)
		return ok && a == b
	}
	return value.Equal(v.literal, val)
}

// checkID wants the id of a document in the validator's table.
func (v *Validator) checkID(val value.Value, t Tables) *Mismatch {
	s, ok := val.(value.String)
	if !ok {
		return v.mismatch(val, "Value does not match validator.")
	}
	id, err := value.ParseID(string(s))
	if err != nil {
		return v.mismatch(val, "Value does not match validator.")
	}
	if t == nil {
		return nil
	}
	if n, ok := t.TableNumber(v.table); ok && n == id.Table {
		return nil
	}
	name, ok := t.TableName(id.Table)
	if !ok {
		return v.mismatch(val, "Value does not match validator.")
	}
	return v.mismatch(val, "Found ID \""+string(s)+"\" from table `"+name+
		"`, which does not match the table name in validator `"+v.String()+"`.")
}

// checkArray checks the elements one by one.
func (v *Validator) checkArray(a value.Array, t Tables) *Mismatch {
	for i, e := range a {
		if m := v.elem.check(e, t, false); m != nil {
			return m.under("[" + strconv.Itoa(i) + "]")
		}
	}
	return nil
}

// checkRecord checks names and values one by one.
func (v *Validator) checkRecord(o value.Object, t Tables) *Mismatch {
	for name, e := range o.All() {
		if m := v.keys.check(value.String(name), t, false); m != nil {
			return m
		}
		if e.Kind() == value.KindUndefined {
			continue
		}
		if m := v.elem.check(e, t, false); m != nil {
			return m.under(step(name))
		}
	}
	return nil
}

// checkObject walks over value and validator together; both are sorted by name.
// The first thing wrong in the order of names is reported.
func (v *Validator) checkObject(o value.Object, t Tables, document bool) *Mismatch {
	i, n := 0, o.Len()
	for _, f := range v.fields {
		if document && isSystem(f.name) {
			continue
		}
		for i < n && o.At(i).Name < f.name {
			if m := v.extra(o, o.At(i), document); m != nil {
				return m
			}
			i++
		}
		if i == n || o.At(i).Name != f.name || o.At(i).Value.Kind() == value.KindUndefined {
			if i < n && o.At(i).Name == f.name {
				i++
			}
			if f.optional {
				continue
			}
			return v.mismatch(o, "Object is missing the required field `"+f.name+
				"`. Consider wrapping the field validator in `v.optional(...)` if this is expected.")
		}
		if m := f.v.check(o.At(i).Value, t, false); m != nil {
			return m.under(step(f.name))
		}
		i++
	}
	for ; i < n; i++ {
		if m := v.extra(o, o.At(i), document); m != nil {
			return m
		}
	}
	return nil
}

// extra refuses a field that the validator does not have.
func (v *Validator) extra(o value.Object, f value.Field, document bool) *Mismatch {
	if f.Value.Kind() == value.KindUndefined || document && isSystem(f.Name) {
		return nil
	}
	return v.mismatch(o, "Object contains extra field `"+f.Name+"` that is not in the validator.")
}

// isSystem reports whether the house itself writes the field of every document.
func isSystem(name string) bool { return name == "_id" || name == "_creationTime" }

// step is how a path names a field.
func step(name string) string {
	if value.CheckIdentifier("field name", name) == nil {
		return "." + name
	}
	return "[" + strconv.Quote(name) + "]"
}

package value

import (
	"iter"
	"slices"
	"strings"
)

// Field is one named member of an object.
type Field struct {
	Name  string
	Value Value
}

// Object is an immutable set of named values. Its fields are kept sorted by
// name, each name once. The zero Object is empty.
type Object struct {
	fields []Field
}

// NewObject makes an object of the map's entries.
func NewObject(m map[string]Value) Object {
	fields := make([]Field, 0, len(m))
	for k, v := range m {
		fields = append(fields, Field{k, v})
	}
	return sorted(fields)
}

// ObjectOf makes an object of fields in any order; of two with the same name the
// later one counts, as in JavaScript.
func ObjectOf(fields ...Field) Object {
	return sorted(slices.Clone(fields))
}

// sorted takes over fields, in any order and possibly with repeated names.
func sorted(fields []Field) Object {
	if len(fields) == 0 {
		return Object{}
	}
	inOrder := true
	for i := 1; i < len(fields); i++ {
		if fields[i-1].Name >= fields[i].Name {
			inOrder = false
			break
		}
	}
	if inOrder {
		return Object{fields}
	}
	slices.SortStableFunc(fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	out := fields[:1]
	for _, f := range fields[1:] {
		if last := &out[len(out)-1]; last.Name == f.Name {
			*last = f
		} else {
			out = append(out, f)
		}
	}
	return Object{out}
}

// search finds the place of name, and whether it is there.
func (o Object) search(name string) (int, bool) {
	return slices.BinarySearchFunc(o.fields, name, func(f Field, n string) int { return strings.Compare(f.Name, n) })
}

// Get returns the field called name.
func (o Object) Get(name string) (Value, bool) {
	if i, ok := o.search(name); ok {
		return o.fields[i].Value, true
	}
	return nil, false
}

// With returns a copy of o in which name has the value v.
func (o Object) With(name string, v Value) Object {
	i, found := o.search(name)
	if found {
		fields := slices.Clone(o.fields)
		fields[i].Value = v
		return Object{fields}
	}
	fields := make([]Field, 0, len(o.fields)+1)
	fields = append(fields, o.fields[:i]...)
	fields = append(fields, Field{name, v})
	return Object{append(fields, o.fields[i:]...)}
}

// Without returns a copy of o that lacks name; o itself if it lacks it already.
func (o Object) Without(name string) Object {
	i, found := o.search(name)
	if !found {
		return o
	}
	fields := make([]Field, 0, len(o.fields)-1)
	fields = append(fields, o.fields[:i]...)
	return Object{append(fields, o.fields[i+1:]...)}
}

// Len is the number of fields.
func (o Object) Len() int { return len(o.fields) }

// At returns the i-th field in order of names.
func (o Object) At(i int) Field { return o.fields[i] }

// All ranges over the fields in order of names.
func (o Object) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, f := range o.fields {
			if !yield(f.Name, f.Value) {
				return
			}
		}
	}
}

// Merge returns o with the fields of patch set, and those that are Undefined in
// patch removed: what ctx.db.patch does.
func (o Object) Merge(patch Object) Object {
	out := make([]Field, 0, len(o.fields)+len(patch.fields))
	i, j := 0, 0
	for i < len(o.fields) || j < len(patch.fields) {
		var f Field
		switch {
		case j == len(patch.fields) || i < len(o.fields) && o.fields[i].Name < patch.fields[j].Name:
			f = o.fields[i]
			i++
		default:
			f = patch.fields[j]
			if i < len(o.fields) && o.fields[i].Name == f.Name {
				i++
			}
			j++
			if f.Value.Kind() == KindUndefined {
				continue
			}
		}
		out = append(out, f)
	}
	return Object{out}
}

// Path follows a dotted path of field names into v; Undefined when it leads nowhere.
func Path(v Value, path string) Value {
	for {
		o, ok := v.(Object)
		if !ok {
			return Undefined{}
		}
		name, rest, more := strings.Cut(path, ".")
		if v, ok = o.Get(name); !ok {
			return Undefined{}
		}
		if !more {
			return v
		}
		path = rest
	}
}

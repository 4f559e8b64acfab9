package schema

import (
	"bytes"

	"github.com/lentil-dev/lentil/internal/value"
)

// kind tells the forms of validators apart.
type kind uint8

// The forms, named as in v.null(), v.float64()…
const (
	kindAny kind = iota
	kindNull
	kindFloat64
	kindInt64
	kindBoolean
	kindString
	kindBytes
	kindCommitTs
	kindLiteral
	kindID
	kindArray
	kindRecord
	kindObject
	kindUnion
)

// typeNames are the "type" members of the JSON form (convex-runtime §5.1).
var typeNames = [...]string{
	kindAny: "any", kindNull: "null", kindFloat64: "number", kindInt64: "bigint", kindBoolean: "boolean",
	kindString: "string", kindBytes: "bytes", kindCommitTs: "commitTs", kindLiteral: "literal", kindID: "id",
	kindArray: "array", kindRecord: "record", kindObject: "object", kindUnion: "union",
}

// Validator says which values are allowed: the v.… tree that a developer wrote.
type Validator struct {
	kind    kind
	literal value.Value  // of kindLiteral
	table   string       // of kindID
	elem    *Validator   // element of an array, value of a record
	keys    *Validator   // of a record
	fields  []field      // of an object, sorted by name
	members []*Validator // of a union
}

// field is one member of an object validator.
type field struct {
	name     string
	v        *Validator
	optional bool
}

// Tables tells which table an id belongs to. *database.Tx is one.
type Tables interface {
	TableNumber(name string) (value.TableNumber, bool)
	TableName(value.TableNumber) (string, bool)
}

// Any accepts every value.
func Any() *Validator { return &Validator{kind: kindAny} }

// IsAny reports whether v accepts every value.
func (v *Validator) IsAny() bool { return v.kind == kindAny }

// IsObject reports whether v is an object validator, as functions' arguments must be unless they are any.
func (v *Validator) IsObject() bool { return v.kind == kindObject }

// JSON is the canonical JSON form.
func (v *Validator) JSON() []byte { return v.appendJSON(nil) }

// Equal reports whether two validators are written the same.
func (v *Validator) Equal(w *Validator) bool {
	if v == nil || w == nil {
		return v == w
	}
	return bytes.Equal(v.JSON(), w.JSON())
}

// appendJSON appends the JSON form; members are in the order of the reference.
func (v *Validator) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, typeNames[v.kind]...)
	dst = append(dst, '"')
	switch v.kind {
	case kindLiteral:
		dst = value.AppendJSON(append(dst, `,"value":`...), v.literal)
	case kindID:
		dst = value.AppendQuoted(append(dst, `,"tableName":`...), v.table)
	case kindArray:
		dst = v.elem.appendJSON(append(dst, `,"value":`...))
	case kindRecord:
		dst = v.keys.appendJSON(append(dst, `,"keys":`...))
		dst = v.elem.appendJSON(append(dst, `,"values":{"fieldType":`...))
		dst = append(dst, `,"optional":false}`...)
	case kindObject:
		dst = append(dst, `,"value":{`...)
		for i, f := range v.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(value.AppendQuoted(dst, f.name), `:{"fieldType":`...)
			dst = append(f.v.appendJSON(dst), `,"optional":`...)
			if f.optional {
				dst = append(dst, "true}"...)
			} else {
				dst = append(dst, "false}"...)
			}
		}
		dst = append(dst, '}')
	case kindUnion:
		dst = append(dst, `,"value":[`...)
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = m.appendJSON(dst)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// String writes the validator as the developer did: v.object({a: v.string()}).
func (v *Validator) String() string {
	w := writer{limit: maxRendered}
	w.validator(v)
	return w.String()
}

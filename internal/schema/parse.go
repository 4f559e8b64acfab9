package schema

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxValidatorDepth bounds the nesting of validators to that of values; each
// level of a validator may be wrapped in a union that adds none to the value.
const maxValidatorDepth = 2 * value.MaxDepth

// maxMembers bounds the number of members of a union.
const maxMembers = value.MaxArrayLength

// bad makes the refusal of a validator or schema.
func bad(code, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, code, format, args...)
}

// validatorJSON is any validator; which members count depends on the type.
type validatorJSON struct {
	Type      *string         `json:"type"`
	Value     json.RawMessage `json:"value"`
	TableName *string         `json:"tableName"`
	Keys      json.RawMessage `json:"keys"`
	Values    json.RawMessage `json:"values"`
}

// fieldJSON is a member of an object validator, or the values of a record.
type fieldJSON struct {
	FieldType json.RawMessage `json:"fieldType"`
	Optional  bool            `json:"optional"`
}

// ParseValidator reads the JSON form of a validator. The error is an
// *apierr.Error that says what is wrong.
func ParseValidator(text []byte) (*Validator, error) { return parseValidator(text, 0) }

// parseValidator is ParseValidator at a depth of nesting.
func parseValidator(text []byte, depth int) (*Validator, error) {
	if depth > maxValidatorDepth {
		return nil, bad("InvalidValidator", "The validator is nested more than %d levels deep.", maxValidatorDepth)
	}
	var j validatorJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, bad("InvalidValidator", "A validator must be an object like {\"type\":\"string\"}: %v.", err)
	}
	if j.Type == nil {
		return nil, bad("InvalidValidator", "A validator must be an object with a member \"type\".")
	}
	switch *j.Type {
	case "map", "set": // of versions that had such values; they accept anything
		return Any(), nil
	case "literal":
		return parseLiteral(j)
	case "id":
		if j.TableName == nil {
			return nil, bad("InvalidValidator", "A validator of type \"id\" needs a tableName.")
		}
		if err := value.CheckIdentifier("table name in v.id()", *j.TableName); err != nil {
			return nil, err
		}
		return &Validator{kind: kindID, table: *j.TableName}, nil
	case "array":
		elem, err := parseValidator(j.Value, depth+1)
		if err != nil {
			return nil, err
		}
		return &Validator{kind: kindArray, elem: elem}, nil
	case "record":
		return parseRecord(j, depth)
	case "object":
		return parseObject(j, depth)
	case "union":
		return parseUnion(j, depth)
	}
	for k, name := range typeNames {
		if name == *j.Type {
			return &Validator{kind: kind(k)}, nil
		}
	}
	return nil, bad("InvalidValidator", "Unrecognized validator type %q.", clip(*j.Type))
}

// parseLiteral reads a literal, which is a string, number, bigint or boolean.
func parseLiteral(j validatorJSON) (*Validator, error) {
	if j.Value == nil {
		return nil, bad("InvalidValidator", "A validator of type \"literal\" needs a value.")
	}
	v, err := value.Parse(j.Value)
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case value.KindString, value.KindFloat64, value.KindInt64, value.KindBool, value.KindNull:
		return &Validator{kind: kindLiteral, literal: v}, nil
	}
	return nil, bad("InvalidValidator", "v.literal() takes a string, a number, a bigint or a boolean, not a value of type %s.", v.Kind())
}

// parseRecord reads a record, whose keys are strings of any text or ids.
func parseRecord(j validatorJSON, depth int) (*Validator, error) {
	keys, err := parseValidator(j.Keys, depth+1)
	if err != nil {
		return nil, err
	}
	if !keys.isRecordKey() {
		return nil, bad("InvalidValidator", "The keys of a v.record() must be strings (v.string(), v.id() or a union of these), not %s.", keys)
	}
	var f fieldJSON
	if err := json.Unmarshal(j.Values, &f); err != nil {
		return nil, bad("InvalidValidator", "A validator of type \"record\" needs values like {\"fieldType\":{…},\"optional\":false}: %v.", err)
	}
	if f.Optional {
		return nil, bad("InvalidValidator", "The values of a v.record() cannot be optional.")
	}
	elem, err := parseValidator(f.FieldType, depth+1)
	if err != nil {
		return nil, err
	}
	return &Validator{kind: kindRecord, keys: keys, elem: elem}, nil
}

// isRecordKey reports whether v accepts strings only, without naming single ones.
func (v *Validator) isRecordKey() bool {
	switch v.kind {
	case kindString, kindID:
		return true
	case kindUnion:
		return !slices.ContainsFunc(v.members, func(m *Validator) bool { return !m.isRecordKey() })
	}
	return false
}

// parseObject reads an object with its fields.
func parseObject(j validatorJSON, depth int) (*Validator, error) {
	var m map[string]fieldJSON
	if err := json.Unmarshal(j.Value, &m); err != nil || m == nil {
		return nil, bad("InvalidValidator", "A validator of type \"object\" needs a value like {\"field\":{\"fieldType\":{…},\"optional\":false}}.")
	}
	if len(m) > value.MaxFields {
		return nil, bad("InvalidValidator", "A v.object() has %d fields, more than the maximum of %d.", len(m), value.MaxFields)
	}
	v := &Validator{kind: kindObject, fields: make([]field, 0, len(m))}
	for name, f := range m {
		if err := value.CheckIdentifier("field name in v.object()", name); err != nil {
			return nil, err
		}
		fv, err := parseValidator(f.FieldType, depth+1)
		if err != nil {
			return nil, err
		}
		v.fields = append(v.fields, field{name, fv, f.Optional})
	}
	slices.SortFunc(v.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return v, nil
}

// parseUnion reads a union; one without members accepts nothing.
func parseUnion(j validatorJSON, depth int) (*Validator, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(j.Value, &list); err != nil || list == nil {
		return nil, bad("InvalidValidator", "A validator of type \"union\" needs a value that is an array of validators.")
	}
	if len(list) > maxMembers {
		return nil, bad("InvalidValidator", "A v.union() has %d members, more than the maximum of %d.", len(list), maxMembers)
	}
	v := &Validator{kind: kindUnion, members: make([]*Validator, 0, len(list))}
	for _, text := range list {
		m, err := parseValidator(text, depth+1)
		if err != nil {
			return nil, err
		}
		v.members = append(v.members, m)
	}
	return v, nil
}

// ParseArgs reads what exportArgs() of a function returns: an object validator
// or any. An empty text or null is any.
func ParseArgs(text []byte) (*Validator, error) {
	if t := bytes.TrimSpace(text); len(t) == 0 || string(t) == "null" {
		return Any(), nil
	}
	v, err := ParseValidator(text)
	if err != nil {
		return nil, err
	}
	if !v.IsAny() && !v.IsObject() {
		return nil, bad("InvalidValidator", "args validator must be an object validator or v.any(), not %s.", v)
	}
	return v, nil
}

// ParseReturns reads what exportReturns() of a function returns; nil if the
// function declares nothing.
func ParseReturns(text []byte) (*Validator, error) {
	if t := bytes.TrimSpace(text); len(t) == 0 || string(t) == "null" {
		return nil, nil
	}
	return ParseValidator(text)
}

// clip cuts a text that a message quotes.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

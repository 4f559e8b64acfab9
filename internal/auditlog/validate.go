package auditlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// shape is the part of JSON Schema that metadata may be described with.
type shape struct {
	Type        any               `json:"type,omitempty"` // a name or a list of names
	Properties  map[string]*shape `json:"properties,omitempty"`
	Required    []string          `json:"required,omitempty"`
	Additional  *bool             `json:"additionalProperties,omitempty"`
	Enum        []any             `json:"enum,omitempty"`
	Const       any               `json:"const,omitempty"`
	Items       *shape            `json:"items,omitempty"`
	MinLength   *int              `json:"minLength,omitempty"`
	MaxLength   *int              `json:"maxLength,omitempty"`
	Minimum     *float64          `json:"minimum,omitempty"`
	Maximum     *float64          `json:"maximum,omitempty"`
	Pattern     string            `json:"pattern,omitempty"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Nullable    bool              `json:"nullable,omitempty"`
	SchemaURI   string            `json:"$schema,omitempty"`
}

// maxShapeDepth bounds the nesting of a schema.
const maxShapeDepth = 8

// parseShape reads a JSON Schema; nil for none. A keyword it does not know is an
// error, because what it demands could not be enforced.
func parseShape(raw json.RawMessage) (*shape, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var sh shape
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&sh); err != nil {
		return nil, err
	}
	return &sh, nil
}

// check refuses what cannot be meant.
func (s *shape) check(depth int) error {
	if depth > maxShapeDepth {
		return fmt.Errorf("it is nested more than %d deep", maxShapeDepth)
	}
	for _, t := range s.types() {
		switch t {
		case "string", "number", "integer", "boolean", "object", "array", "null":
		default:
			return fmt.Errorf("there is no type %q", t)
		}
	}
	if s.Type != nil && s.types() == nil {
		return fmt.Errorf("type must be a name or a list of names")
	}
	if s.Pattern != "" {
		if _, err := regexp.Compile(s.Pattern); err != nil {
			return fmt.Errorf("the pattern %q is no regular expression", s.Pattern)
		}
	}
	for _, p := range s.Properties {
		if p == nil {
			return fmt.Errorf("a property has no schema")
		}
		if err := p.check(depth + 1); err != nil {
			return err
		}
	}
	if s.Items != nil {
		return s.Items.check(depth + 1)
	}
	return nil
}

// types are the types that a value may have; nil for any.
func (s *shape) types() []string {
	switch t := s.Type.(type) {
	case string:
		return []string{t}
	case []any:
		var out []string
		for _, e := range t {
			n, ok := e.(string)
			if !ok {
				return nil
			}
			out = append(out, n)
		}
		return out
	}
	return nil
}

// typeOf names the JSON type of v.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// Fault is one place where an event does not fit its schema, in the words of the
// protocol's schema validator.
type Fault struct {
	InstancePath string `json:"instancePath"`
	Keyword      string `json:"keyword"`
	Message      string `json:"message"`
}

// maxFaults bounds what is told about one event.
const maxFaults = 20

// faults collects Faults.
type faults []Fault

// add notes a fault.
func (f *faults) add(path, keyword, format string, args ...any) {
	if len(*f) < maxFaults {
		*f = append(*f, Fault{path, keyword, fmt.Sprintf(format, args...)})
	}
}

// pointer appends a member's name to a JSON pointer (RFC 6901 §3).
func pointer(path, name string) string {
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// fit notes where v does not fit the schema.
func (s *shape) fit(path string, v any, f *faults) {
	t := typeOf(v)
	if v == nil && s.Nullable {
		return
	}
	if want := s.types(); want != nil && !slices.Contains(want, t) && !(t == "integer" && slices.Contains(want, "number")) {
		f.add(path, "type", "must be %s", strings.Join(want, " or "))
		return
	}
	if s.Enum != nil && !slices.ContainsFunc(s.Enum, func(e any) bool { return reflect.DeepEqual(e, v) }) {
		f.add(path, "enum", "must be equal to one of the allowed values")
	}
	if s.Const != nil && !reflect.DeepEqual(s.Const, v) {
		f.add(path, "const", "must be equal to constant")
	}
	switch v := v.(type) {
	case string:
		n := utf8.RuneCountInString(v)
		if s.MinLength != nil && n < *s.MinLength {
			f.add(path, "minLength", "must have at least %d characters", *s.MinLength)
		}
		if s.MaxLength != nil && n > *s.MaxLength {
			f.add(path, "maxLength", "must have at most %d characters", *s.MaxLength)
		}
		if s.Pattern != "" {
			if re, err := regexp.Compile(s.Pattern); err != nil || !re.MatchString(v) {
				f.add(path, "pattern", "must match pattern %q", s.Pattern)
			}
		}
	case float64:
		if s.Minimum != nil && v < *s.Minimum {
			f.add(path, "minimum", "must be >= %v", *s.Minimum)
		}
		if s.Maximum != nil && v > *s.Maximum {
			f.add(path, "maximum", "must be <= %v", *s.Maximum)
		}
	case []any:
		if s.Items != nil {
			for i, e := range v {
				s.Items.fit(pointer(path, fmt.Sprint(i)), e, f)
			}
		}
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				f.add(path, "required", "must have required property '%s'", name)
			}
		}
		for name, e := range v {
			if p := s.Properties[name]; p != nil {
				p.fit(pointer(path, name), e, f)
			} else if s.Additional != nil && !*s.Additional {
				f.add(path, "additionalProperties", "must NOT have additional properties")
			}
		}
	}
}

// Bounds of a metadata object (workos.com/docs/audit-logs/metadata-schema).
const (
	maxMetadata      = 50
	maxMetadataKey   = 40
	maxMetadataValue = 500
)

// checkMetadata notes where a metadata object is too large or not flat.
func checkMetadata(path string, m map[string]any, f *faults) {
	if len(m) > maxMetadata {
		f.add(path, "maxProperties", "must NOT have more than %d properties", maxMetadata)
	}
	for name, v := range m {
		at := pointer(path, name)
		if utf8.RuneCountInString(name) > maxMetadataKey {
			f.add(at, "maxLength", "must have a name of at most %d characters", maxMetadataKey)
		}
		switch v := v.(type) {
		case string:
			if utf8.RuneCountInString(v) > maxMetadataValue {
				f.add(at, "maxLength", "must have at most %d characters", maxMetadataValue)
			}
		case bool, float64, nil:
		default:
			f.add(at, "type", "must be string, number or boolean")
		}
	}
}

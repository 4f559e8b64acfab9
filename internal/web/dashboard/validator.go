package dashboard

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/schema"
)

// validatorJSON is a validator as it is stored, as far as pages show it.
type validatorJSON struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
	Table string          `json:"tableName"`
	Keys  json.RawMessage `json:"keys"`
	Of    json.RawMessage `json:"values"` // of a record
}

// fieldJSON is a field of an object's validator.
type fieldJSON struct {
	FieldType json.RawMessage `json:"fieldType"`
	Optional  bool            `json:"optional"`
}

// describeFields lists the fields of an object's validator, each with its type as a
// developer writes it. Those that may be left out end in "?".
func describeFields(v *schema.Validator) []fieldInfo {
	if v == nil {
		return nil
	}
	return fieldsOf(v.JSON())
}

func fieldsOf(text json.RawMessage) (list []fieldInfo) {
	var j validatorJSON
	if json.Unmarshal(text, &j) != nil || j.Type != "object" {
		return nil
	}
	var fields map[string]fieldJSON
	if json.Unmarshal(j.Value, &fields) != nil {
		return nil
	}
	for name, f := range fields {
		if f.Optional {
			name += "?"
		}
		list = append(list, fieldInfo{name, describe(f.FieldType, 0)})
	}
	slices.SortFunc(list, func(a, b fieldInfo) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// describe writes a validator as a type of TypeScript.
func describe(text json.RawMessage, depth int) string {
	var j validatorJSON
	if json.Unmarshal(text, &j) != nil || depth > 20 {
		return "any"
	}
	switch j.Type {
	case "literal":
		return strings.TrimSpace(string(j.Value))
	case "id":
		return `Id<"` + j.Table + `">`
	case "array":
		inner := describe(j.Value, depth+1)
		if strings.Contains(inner, " | ") {
			inner = "(" + inner + ")"
		}
		return inner + "[]"
	case "record":
		var val fieldJSON
		if json.Unmarshal(j.Of, &val) != nil || val.FieldType == nil {
			val.FieldType = j.Of
		}
		return "Record<" + describe(j.Keys, depth+1) + ", " + describe(val.FieldType, depth+1) + ">"
	case "union":
		var members []json.RawMessage
		if json.Unmarshal(j.Value, &members) != nil {
			return "any"
		}
		parts := make([]string, len(members))
		for i, m := range members {
			parts[i] = describe(m, depth+1)
		}
		return strings.Join(parts, " | ")
	case "object":
		var parts []string
		for _, f := range fieldsOf(text) {
			parts = append(parts, f.Name+": "+f.Type)
		}
		if len(parts) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(parts, "; ") + " }"
	case "bigint":
		return "bigint"
	}
	return j.Type
}

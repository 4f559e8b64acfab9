package backup

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
)

// jsonType is a JSON Schema.
type jsonType = map[string]any

// JSONSchemas describes how the documents of each table are encoded, as far as the
// schema of the app tells; with deltas also the members that streaming export adds.
// Tables of components are named path/table.
func (s *Service) JSONSchemas(ctx context.Context, deltas, encoded bool) (map[string]any, error) {
	out := map[string]any{}
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		all, err := instances(ctx, tx)
		if err != nil {
			return err
		}
		for _, c := range all {
			in := tx.In(c.Space)
			active, err := udf.ActiveSchema(ctx, in)
			if err != nil {
				return err
			}
			for _, t := range in.Tables() {
				if t.System() {
					continue
				}
				description := jsonType{"type": "object", "properties": jsonType{}, "required": []string{}, "additionalProperties": true}
				if active != nil {
					if table, ok := active.Table(t.Name); ok && table.Document != nil {
						var v validator
						if err := json.Unmarshal(table.Document.JSON(), &v); err != nil {
							return fmt.Errorf("backup: read schema of %s: %w", t.Name, err)
						}
						if described := v.describe(encoded); described["type"] == "object" && described["properties"] != nil {
							description = described
						}
					}
				}
				props := description["properties"].(jsonType)
				required, _ := description["required"].([]string)
				props["_id"] = jsonType{"type": "string", "$description": "Id(" + t.Name + ")"}
				props["_creationTime"] = jsonType{"type": "number"}
				required = append(required, "_id", "_creationTime")
				if deltas {
					props["_ts"], props["_deleted"] = jsonType{"type": "integer"}, jsonType{"type": "boolean"}
					props["_table"], props["_component"] = jsonType{"type": "string"}, jsonType{"type": "string"}
				}
				description["required"] = required
				description["$schema"] = "http://json-schema.org/draft-07/schema#"
				name := t.Name
				if c.Path != "" {
					name = c.Path + "/" + name
				}
				out[name] = description
			}
		}
		return nil
	})
	return out, err
}

// validator is a validator's JSON (convex-cli.md §2.6).
type validator struct {
	Type      string          `json:"type"`
	TableName string          `json:"tableName"`
	Value     json.RawMessage `json:"value"`
	Values    *field          `json:"values"`
}

// field is a member of an object's validator.
type field struct {
	FieldType validator `json:"fieldType"`
	Optional  bool      `json:"optional"`
}

// describe is the JSON Schema of the values that a validator lets pass, in clean JSON
// or encoded. What cannot be said is any.
func (v *validator) describe(encoded bool) jsonType {
	form := func(name, what string) jsonType {
		if encoded {
			return jsonType{"type": "object", "properties": jsonType{name: jsonType{"type": "string"}}, "required": []string{name}}
		}
		return jsonType{"type": "string", "$description": what}
	}
	switch v.Type {
	case "null", "boolean", "string":
		return jsonType{"type": v.Type}
	case "id":
		return jsonType{"type": "string", "$description": "Id(" + v.TableName + ")"}
	case "number":
		return jsonType{"type": "number"}
	case "bigint", "commitTs":
		return form("$integer", "Integer as a decimal string")
	case "bytes":
		return form("$bytes", "Bytes in base64")
	case "literal":
		return jsonType{"enum": []json.RawMessage{v.Value}}
	case "array":
		var of validator
		if json.Unmarshal(v.Value, &of) == nil {
			return jsonType{"type": "array", "items": of.describe(encoded)}
		}
	case "record":
		if v.Values != nil {
			return jsonType{"type": "object", "additionalProperties": v.Values.FieldType.describe(encoded)}
		}
	case "union":
		var list []validator
		if json.Unmarshal(v.Value, &list) == nil {
			any := []jsonType{}
			for i := range list {
				any = append(any, list[i].describe(encoded))
			}
			return jsonType{"anyOf": any}
		}
	case "object":
		var fields map[string]field
		if json.Unmarshal(v.Value, &fields) == nil {
			props, required := jsonType{}, []string{}
			for name, f := range fields {
				props[name] = f.FieldType.describe(encoded)
				if !f.Optional {
					required = append(required, name)
				}
			}
			return jsonType{"type": "object", "properties": props, "required": required, "additionalProperties": false}
		}
	}
	return jsonType{}
}

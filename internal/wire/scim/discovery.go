package scim

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/lentil-dev/lentil/internal/directory"
)

// schemasJSON describes the attributes that we know (RFC 7643 §7); facts of the RFC,
// narrowed to what is read.
//
//go:embed schemas.json
var schemasJSON []byte

// serviceProviderConfig is GET /ServiceProviderConfig (RFC 7643 §5).
func (a *API) serviceProviderConfig(w http.ResponseWriter, r *request) error {
	off := map[string]any{"supported": false}
	write(w, http.StatusOK, map[string]any{
		"schemas":        []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":          map[string]any{"supported": true},
		"bulk":           map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":         map[string]any{"supported": true, "maxResults": maxCount},
		"changePassword": off,
		"sort":           off,
		"etag":           map[string]any{"supported": true},
		"authenticationSchemes": []any{map[string]any{"type": "oauthbearertoken", "name": "Bearer token", "primary": true,
			"description": "The directory's token in the Authorization header."}},
		"meta": map[string]any{"resourceType": "ServiceProviderConfig", "location": r.base + "/ServiceProviderConfig"},
	})
	return nil
}

// resourceTypeList are the two kinds of resource (RFC 7643 §6).
func (r *request) resourceTypeList() []any {
	one := func(name, endpoint, schema string, extensions ...any) map[string]any {
		return map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}, "id": name, "name": name, "endpoint": endpoint,
			"schema": schema, "schemaExtensions": append([]any{}, extensions...),
			"meta": map[string]any{"resourceType": "ResourceType", "location": r.base + "/ResourceTypes/" + name}}
	}
	return []any{
		one("User", "/Users", directory.UserSchema, map[string]any{"schema": directory.EnterpriseSchema, "required": false}),
		one("Group", "/Groups", directory.GroupSchema),
	}
}

// resourceTypes is GET /ResourceTypes.
func (a *API) resourceTypes(w http.ResponseWriter, r *request) error {
	list := r.resourceTypeList()
	writeList(w, len(list), 1, list)
	return nil
}

// resourceType is GET /ResourceTypes/{id}.
func (a *API) resourceType(w http.ResponseWriter, r *request) error {
	return one(w, "ResourceType", r.PathValue("id"), r.resourceTypeList())
}

// schemaList are the schemas with their places.
func (r *request) schemaList() ([]any, error) {
	var list []any
	if err := json.Unmarshal(schemasJSON, &list); err != nil {
		return nil, err
	}
	for _, s := range list {
		o := s.(map[string]any)
		o["schemas"] = []string{"urn:ietf:params:scim:schemas:core:2.0:Schema"}
		o["meta"] = map[string]any{"resourceType": "Schema", "location": r.base + "/Schemas/" + o["id"].(string)}
	}
	return list, nil
}

// schemas is GET /Schemas.
func (a *API) schemas(w http.ResponseWriter, r *request) error {
	list, err := r.schemaList()
	if err != nil {
		return err
	}
	writeList(w, len(list), 1, list)
	return nil
}

// schema is GET /Schemas/{id}.
func (a *API) schema(w http.ResponseWriter, r *request) error {
	list, err := r.schemaList()
	if err != nil {
		return err
	}
	return one(w, "Schema", r.PathValue("id"), list)
}

// one writes the resource of a list that has the id.
func one(w http.ResponseWriter, kind, id string, list []any) error {
	for _, v := range list {
		if v.(map[string]any)["id"] == id {
			write(w, http.StatusOK, v)
			return nil
		}
	}
	return notFound(kind, id)
}

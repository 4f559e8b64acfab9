package sysudf

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// apiSpec lists every live function with its validators, for `function-spec` and
// for the hint of `run` when a function is not found.
func apiSpec(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	modules, err := udf.LiveModules(ctx, c.Tx)
	if err != nil {
		return nil, err
	}
	list := value.Array{}
	for _, m := range modules {
		for _, f := range m.Functions {
			visibility := "internal"
			if f.Public {
				visibility = "public"
			}
			list = append(list, object(
				"identifier", value.String(m.Path+":"+f.Name),
				"functionType", value.String(f.Kind.String()),
				"visibility", object("kind", value.String(visibility)),
				"args", validator(f.Args),
				"returns", validator(f.Returns),
			))
		}
		if list, err = appendRoutes(list, m); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// appendRoutes adds the HTTP actions of a module, which a push has stored beside it.
func appendRoutes(list value.Array, m udf.ModuleRow) (value.Array, error) {
	if len(m.Analysis) == 0 {
		return list, nil
	}
	var a struct {
		Routes []struct {
			Route struct{ Path, Method string } `json:"route"`
		} `json:"httpRoutes"`
	}
	if err := json.Unmarshal(m.Analysis, &a); err != nil {
		return nil, fmt.Errorf("sysudf: read routes of %s: %w", m.Path, err)
	}
	for _, r := range a.Routes {
		list = append(list, object("functionType", value.String("HttpAction"), "method", value.String(r.Route.Method), "path", value.String(r.Route.Path)))
	}
	return list, nil
}

// validator is a validator as a value. What is not declared is any; so is a
// validator whose JSON is nested more deeply than values may be.
func validator(v *schema.Validator) value.Value {
	if v != nil {
		if parsed, err := value.Parse(v.JSON()); err == nil {
			return parsed
		}
	}
	return object("type", value.String("any"))
}

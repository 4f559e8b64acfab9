package sysudf

import (
	"context"

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

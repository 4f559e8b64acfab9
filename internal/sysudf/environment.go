package sysudf

import (
	"context"
	"maps"
	"slices"

	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// environmentVariables lists the owner's variables by name. Long-running `dev`
// watches it to push again when a missing variable was set.
func environmentVariables(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	env, err := udf.Environment(ctx, c.Tx)
	if err != nil {
		return nil, err
	}
	list := value.Array{}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, object("name", value.String(name), "value", value.String(env[name])))
	}
	return list, nil
}

// environmentVariable is one variable, those of the house included; null if it is not set.
func environmentVariable(ctx context.Context, c *udf.SystemCtx) (value.Value, error) {
	name, err := text(c, "name")
	if err != nil {
		return nil, err
	}
	env, err := c.Runner.Environment(ctx, c.Tx)
	if err != nil {
		return nil, err
	}
	v, ok := env[name]
	if !ok {
		return value.Null{}, nil
	}
	return object("name", value.String(name), "value", value.String(v)), nil
}

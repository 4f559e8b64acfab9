package udf

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// Limits of environment variables (convex-cli.md §6.7).
const (
	maxVariableName  = 256
	maxVariableValue = 8 << 10
	maxVariables     = 512
	maxVariableBytes = 512 << 10
)

// Names of the variables that the house sets itself.
const (
	cloudURLVariable = "CONVEX_CLOUD_URL"
	siteURLVariable  = "CONVEX_SITE_URL"
)

// EnvChange sets an environment variable, or removes it when Value is nil.
type EnvChange struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

// Environment holds the variables that the owner of the deployment has set, without
// CONVEX_CLOUD_URL and CONVEX_SITE_URL (see Runner.Environment). The map is the caller's.
func Environment(ctx context.Context, tx *database.Tx) (map[string]string, error) {
	doc, err := single(ctx, tx, environmentTable)
	if err != nil || doc == nil {
		return map[string]string{}, err
	}
	return environmentOf(doc), nil
}

// environmentOf reads the row of variables. They are one row because every
// function reads them all; the names are not fields because those are fewer.
func environmentOf(doc *database.Document) map[string]string {
	env := map[string]string{}
	v, _ := doc.Object().Get("variables")
	list, _ := v.(value.Array)
	for _, e := range list {
		if o, ok := e.(value.Object); ok {
			env[text(o, "name")] = text(o, "value")
		}
	}
	return env
}

// Environment holds everything that user code sees in process.env: the variables
// set by the owner, and the deployment's own addresses.
func (r *Runner) Environment(ctx context.Context, tx *database.Tx) (map[string]string, error) {
	env, err := Environment(ctx, tx)
	if err != nil {
		return nil, err
	}
	r.addAddresses(env)
	return env, nil
}

// addAddresses sets the variables that are always present.
func (r *Runner) addAddresses(env map[string]string) {
	env[cloudURLVariable], env[siteURLVariable] = r.CloudURL, r.SiteURL
}

// SetEnvironment applies changes in order. It refuses invalid names and values
// past the limits with the codes of the platform's API, and changes nothing then.
func SetEnvironment(ctx context.Context, tx *database.Tx, changes []EnvChange) error {
	env, err := Environment(ctx, tx)
	if err != nil {
		return err
	}
	before := maps.Clone(env)
	for _, c := range changes {
		if err := checkVariable(c); err != nil {
			return err
		}
		if c.Value == nil {
			delete(env, c.Name)
		} else {
			env[c.Name] = *c.Value
		}
	}
	if maps.Equal(before, env) {
		return nil
	}
	size := 0
	var list value.Array
	for _, name := range sortedKeys(env) {
		size += len(name) + len(env[name])
		list = append(list, value.ObjectOf(value.Field{Name: "name", Value: value.String(name)}, value.Field{Name: "value", Value: value.String(env[name])}))
	}
	if len(list) > maxVariables {
		return invalid("EnvVarLimitMet", "A deployment can have at most %d environment variables; this would make %d.", maxVariables, len(list))
	}
	if size > maxVariableBytes {
		return invalid("EnvVarLimitMet", "The environment variables of a deployment can take at most %d bytes together; this would make %d.", maxVariableBytes, size)
	}
	return setSingle(ctx, tx, environmentTable, value.ObjectOf(value.Field{Name: "variables", Value: list}))
}

// checkVariable holds one change against the rules of names and values.
func checkVariable(c EnvChange) error {
	if len(c.Name) > maxVariableName {
		return invalid("EnvironmentVariableNameTooLong", "The environment variable name %s… is longer than %d characters.", c.Name[:32], maxVariableName)
	}
	if !validVariable(c.Name) {
		return invalid("EnvironmentVariableNameInvalid", "The environment variable name %q is invalid: it must start with a letter or an underscore "+
			"and contain only letters, digits and underscores.", c.Name)
	}
	if c.Name == cloudURLVariable || c.Name == siteURLVariable {
		return apierr.New(apierr.Forbidden, "EnvironmentVariableNameForbidden", "The environment variable %s is set by the deployment itself and cannot be changed.", c.Name)
	}
	if c.Value != nil && len(*c.Value) > maxVariableValue {
		return invalid("EnvironmentVariableValueTooLarge", "The value of the environment variable %s is too large: %d bytes > %d bytes.", c.Name, len(*c.Value), maxVariableValue)
	}
	return nil
}

// validVariable tells whether name matches ^[a-zA-Z_]+[a-zA-Z0-9_]*$.
func validVariable(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isWordByte(c) || i == 0 && c >= '0' && c <= '9' {
			return false
		}
	}
	return name != ""
}

// AuthProviders are the providers whose tokens the deployment accepts.
func AuthProviders(ctx context.Context, tx *database.Tx) ([]token.Provider, error) {
	doc, err := single(ctx, tx, authTable)
	if err != nil || doc == nil {
		return nil, err
	}
	var list []token.Provider
	if err := json.Unmarshal([]byte(text(doc.Object(), "providers")), &list); err != nil {
		return nil, fmt.Errorf("udf: read auth providers: %w", err)
	}
	return list, nil
}

// SetAuthProviders replaces the accepted providers when the transaction commits.
func SetAuthProviders(ctx context.Context, tx *database.Tx, providers []token.Provider) error {
	if providers == nil {
		providers = []token.Provider{}
	}
	b, err := json.Marshal(providers)
	if err != nil {
		return fmt.Errorf("udf: store auth providers: %w", err)
	}
	if doc, err := single(ctx, tx, authTable); err != nil || doc != nil && text(doc.Object(), "providers") == string(b) {
		return err
	}
	return setSingle(ctx, tx, authTable, value.ObjectOf(value.Field{Name: "providers", Value: value.String(b)}))
}

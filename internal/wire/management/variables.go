package management

import (
	"regexp"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// The limits of variables are those of deployments (convex-cli.md §6.7), to which
// these go.
const (
	maxVariableName  = 256
	maxVariableValue = 8 << 10
	maxChanges       = 2 * 512 // at once
)

// variableForm is what may name a variable.
var variableForm = regexp.MustCompile(`^[a-zA-Z_]+[a-zA-Z0-9_]*$`)

// variableShape describes a default variable.
func variableShape(v *platform.Variable) object {
	return object{"name": v.Name, "value": v.Value, "deploymentTypes": v.Kinds}
}

// listVariables lists a project's default variables: all, those of a kind of
// deployment, or the one of a name. Values are secrets: a viewer does not see them.
func listVariables(a *API, q *request) (any, error) {
	p, err := a.projectByID(q, q.PathValue("project"), platform.Developer)
	if err != nil {
		return nil, err
	}
	list, err := a.Platform.DefaultVariables(q.Context(), p.ID)
	query := q.URL.Query()
	kind, name := platform.Kind(query.Get("deploymentType")), query.Get("name")
	list = slices.DeleteFunc(list, func(v platform.Variable) bool {
		return kind != "" && !slices.Contains(v.Kinds, kind) || name != "" && v.Name != name
	})
	return page(shapes(list, variableShape)), err
}

// updateVariables sets and removes default variables for a kind of deployment each.
func updateVariables(a *API, q *request) (any, error) {
	var in struct {
		Changes []struct {
			Name           string        `json:"name"`
			DeploymentType platform.Kind `json:"deploymentType"`
			Value          *string       `json:"value"`
		} `json:"changes"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	p, err := a.projectByID(q, q.PathValue("project"), platform.Administrator)
	if err != nil {
		return nil, err
	}
	if len(in.Changes) > maxChanges {
		return nil, apierr.New(apierr.BadRequest, "EnvVarLimitMet", "At most %d changes of variables are made at once.", maxChanges)
	}
	for _, c := range in.Changes {
		switch {
		case len(c.Name) > maxVariableName || !variableForm.MatchString(c.Name):
			return nil, apierr.New(apierr.BadRequest, "EnvironmentVariableNameInvalid",
				"%q cannot name a variable: use letters, digits and underscores, and at most %d of them.", clip(c.Name), maxVariableName)
		case c.Value != nil && len(*c.Value) > maxVariableValue:
			return nil, apierr.New(apierr.BadRequest, "EnvironmentVariableValueTooLarge", "The value of %s is longer than %d bytes.", c.Name, maxVariableValue)
		case !slices.Contains([]platform.Kind{platform.Dev, platform.Prod, platform.Preview, platform.CustomKind}, c.DeploymentType):
			return nil, apierr.New(apierr.BadRequest, "InvalidDeploymentType", "deploymentType is dev, preview, prod or custom, not %q.", clip(string(c.DeploymentType)))
		}
	}
	changes := make([]platform.VariableChange, len(in.Changes))
	for i, c := range in.Changes {
		changes[i] = platform.VariableChange{Name: c.Name, Value: c.Value, Kinds: []platform.Kind{c.DeploymentType}}
	}
	return object{}, a.Platform.ChangeDefaultVariables(q.Context(), p.ID, changes)
}

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
	maxVariables     = 512
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
	now, err := a.Platform.DefaultVariables(q.Context(), p.ID)
	if err != nil {
		return nil, err
	}
	if len(now)+len(in.Changes) > maxVariables {
		return nil, apierr.New(apierr.BadRequest, "EnvVarLimitMet", "A project has at most %d default variables.", maxVariables)
	}
	for _, c := range in.Changes {
		if err := a.Platform.SetDefaultVariable(q.Context(), p.ID, c.Name, c.Value, []platform.Kind{c.DeploymentType}); err != nil {
			return nil, err
		}
	}
	return object{}, nil
}

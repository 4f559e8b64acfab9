package dashboard

import (
	"maps"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deploy"
	"github.com/lentil-dev/lentil/internal/projectfile"
	"github.com/lentil-dev/lentil/internal/udf"
)

// variablesView lists environment variables.
type variablesView struct {
	*Visit
	Rows      []variableRow
	MayReveal bool
	Edit      *variableRow // the one that is edited
}

// variableRow is a variable; Value is empty unless it was asked for.
type variableRow struct {
	Name, Value string
	Shown       bool
	Length      int
}

func (variablesView) template() string { return "variables" }
func (variablesView) heading() string  { return "Environment variables" }

// showVariables lists them. A value leaves the house only for whoever may change it,
// and only when it is asked for.
func (s *Site) showVariables(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &variablesView{Visit: v}
	if out.MayReveal, err = v.May("set"); err != nil {
		return nil, err
	}
	err = d.DB.View(v.Context(), func(tx *database.Tx) error {
		out.Rows, out.Edit = nil, nil
		env, err := udf.Environment(v.Context(), tx)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(env)) {
			r := variableRow{Name: name, Length: len(env[name])}
			if out.MayReveal && (v.Q("reveal") == name || v.Q("edit") == name) {
				r.Value, r.Shown = env[name], true
			}
			if out.MayReveal && v.Q("edit") == name {
				edit := r
				out.Edit = &edit
			}
			out.Rows = append(out.Rows, r)
		}
		return nil
	})
	return out, err
}

// change sets and removes variables.
func (v *Visit) changeVariables(changes []udf.EnvChange) error {
	d, err := v.Open()
	if err != nil {
		return err
	}
	return d.Deploy.UpdateEnvironment(v.Context(), &deploy.UpdateEnvironmentRequest{Changes: changes})
}

// setVariable sets one variable.
func (s *Site) setVariable(v *Visit) (string, error) {
	name, val := strings.TrimSpace(v.PostForm.Get("name")), v.PostForm.Get("value")
	if err := v.changeVariables([]udf.EnvChange{{Name: name, Value: &val}}); err != nil {
		return "", err
	}
	v.Say("%s is set. Functions that run from now on see it.", name)
	return v.With("edit", "", "reveal", ""), nil
}

// deleteVariable removes one.
func (s *Site) deleteVariable(v *Visit) (string, error) {
	name := v.PostForm.Get("name")
	if err := v.changeVariables([]udf.EnvChange{{Name: name}}); err != nil {
		return "", err
	}
	v.Say("%s is gone.", name)
	return v.With("edit", "", "reveal", ""), nil
}

// pasteVariables sets all variables of a .env file.
func (s *Site) pasteVariables(v *Visit) (string, error) {
	vars := projectfile.ParseDotenv([]byte(v.PostForm.Get("text"))).Values()
	if len(vars) == 0 {
		return "", apierr.New(apierr.BadRequest, "NothingPasted", "There is no line like NAME=value in what was pasted.")
	}
	var changes []udf.EnvChange
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		val := vars[name]
		changes = append(changes, udf.EnvChange{Name: name, Value: &val})
	}
	if err := v.changeVariables(changes); err != nil {
		return "", err
	}
	v.Say("%s set.", plural(len(changes), "variable"))
	return "", nil
}

package platform

import (
	"context"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Variable is an environment variable that new deployments of a project begin with.
// One name may have a value for each kind of deployment; those that are equal are one
// Variable.
type Variable struct {
	Name, Value string
	Kinds       []Kind // of deployments that get it
}

// sealVariable is the purpose under which values of variables are sealed.
const sealVariable = "platform: value of a default variable"

// readVariable opens a row. One that cannot be opened has an empty value.
func (s *Service) readVariable(r identity.Record) Variable {
	v := Variable{Name: r.Text("name")}
	for _, k := range r.Texts("kinds") {
		v.Kinds = append(v.Kinds, Kind(k))
	}
	if plain, err := s.Sealer.Open(sealVariable, r.Text("sealed")); err == nil {
		v.Value = string(plain)
	}
	return v
}

// DefaultVariables lists a project's by name.
func (s *Service) DefaultVariables(ctx context.Context, project int64) (list []Variable, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list, err = each(tx, tableVariables, "on_project", numberKey(project), s.readVariable)
		return err
	})
	return list, err
}

// Bounds of default variables: those of deployments (convex-cli.md §6.7), to which
// they go.
const (
	maxVariables     = 512
	maxVariableValue = 8 << 10
)

// SetDefaultVariable sets one for some kinds of deployments and leaves the others; a
// nil value removes it from them.
func (s *Service) SetDefaultVariable(ctx context.Context, project int64, name string, val *string, kinds []Kind) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := projectRow(tx, project); err != nil {
			return err
		}
		list, err := each(tx, tableVariables, "on_project", numberKey(project, name), s.readVariable)
		if err != nil {
			return err
		}
		if val != nil {
			if len(*val) > maxVariableValue {
				return apierr.New(apierr.BadRequest, "EnvironmentVariableValueTooLarge", "The value of %s is longer than %d bytes.", name, maxVariableValue)
			}
			all, err := each(tx, tableVariables, "on_project", numberKey(project), func(identity.Record) struct{} { return struct{}{} })
			if err != nil {
				return err
			}
			if len(all) >= maxVariables {
				return apierr.New(apierr.BadRequest, "EnvVarLimitMet", "A project has at most %d default variables.", maxVariables)
			}
		}
		for i := range list {
			list[i].Kinds = slices.DeleteFunc(list[i].Kinds, func(k Kind) bool { return slices.Contains(kinds, k) })
		}
		if val != nil {
			i := slices.IndexFunc(list, func(v Variable) bool { return v.Value == *val })
			if i < 0 {
				list, i = append(list, Variable{Name: name, Value: *val}), len(list)
			}
			list[i].Kinds = append(list[i].Kinds, kinds...)
		}
		return s.putVariables(tx, project, name, list)
	})
}

// putVariables replaces all rows of a name.
func (s *Service) putVariables(tx *identity.Tx, project int64, name string, list []Variable) error {
	for {
		old, err := first(tx, tableVariables, "on_project", numberKey(project, name))
		if err != nil {
			return err
		}
		if old == nil {
			break
		}
		if err := tx.Remove(old); err != nil {
			return err
		}
	}
	for _, v := range list {
		if len(v.Kinds) == 0 {
			continue
		}
		var kinds []string
		for _, k := range v.Kinds {
			kinds = append(kinds, string(k))
		}
		err := tx.Add(tableVariables, identity.Row{identity.Number("project", project), identity.Text("name", name),
			identity.Text("sealed", s.Sealer.Seal(sealVariable, []byte(v.Value))), identity.Texts("kinds", kinds)})
		if err != nil {
			return err
		}
	}
	return nil
}

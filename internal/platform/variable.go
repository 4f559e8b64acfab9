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

// VariableChange sets a default variable for some kinds of deployments and leaves the
// others; a nil Value removes it from them. No Kinds means all.
type VariableChange struct {
	Name  string
	Value *string
	Kinds []Kind
}

// SetDefaultVariable makes one change.
func (s *Service) SetDefaultVariable(ctx context.Context, project int64, name string, val *string, kinds []Kind) error {
	return s.ChangeDefaultVariables(ctx, project, []VariableChange{{name, val, kinds}})
}

// ChangeDefaultVariables makes all changes or none.
func (s *Service) ChangeDefaultVariables(ctx context.Context, project int64, changes []VariableChange) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := projectRow(tx, project); err != nil {
			return err
		}
		grown := false
		for _, c := range changes {
			if c.Value != nil {
				grown = true
				if len(*c.Value) > maxVariableValue {
					return apierr.New(apierr.BadRequest, "EnvironmentVariableValueTooLarge", "The value of %s is longer than %d bytes.", c.Name, maxVariableValue)
				}
			}
			if err := s.changeVariable(tx, project, c); err != nil {
				return err
			}
		}
		if !grown {
			return nil
		}
		all, err := each(tx, tableVariables, "on_project", numberKey(project), func(identity.Record) struct{} { return struct{}{} })
		if err == nil && len(all) > maxVariables {
			err = apierr.New(apierr.BadRequest, "EnvVarLimitMet", "A project has at most %d default variables.", maxVariables)
		}
		return err
	})
}

// changeVariable makes one of them.
func (s *Service) changeVariable(tx *identity.Tx, project int64, c VariableChange) error {
	list, err := each(tx, tableVariables, "on_project", numberKey(project, c.Name), s.readVariable)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Kinds = slices.DeleteFunc(list[i].Kinds, func(k Kind) bool { return len(c.Kinds) == 0 || slices.Contains(c.Kinds, k) })
	}
	if c.Value != nil {
		i := slices.IndexFunc(list, func(v Variable) bool { return v.Value == *c.Value })
		if i < 0 {
			list, i = append(list, Variable{Name: c.Name, Value: *c.Value}), len(list)
		}
		list[i].Kinds = append(list[i].Kinds, c.Kinds...)
	}
	return s.putVariables(tx, project, c.Name, list)
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

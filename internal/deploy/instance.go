package deploy

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// instantiate makes the tree of component instances that the definitions describe.
func (in *inspection) instantiate() error {
	defs := map[string]*Definition{"": in.definition}
	for path, d := range in.definitions {
		defs[path] = d.definition
	}
	var err error
	in.instances, err = instancesOf(defs)
	return err
}

// instancesOf makes the tree of instances below the app's definition, parents first.
func instancesOf(defs map[string]*Definition) ([]udf.Component, error) {
	var all []udf.Component
	var mount func(c udf.Component, depth int) error
	mount = func(c udf.Component, depth int) error {
		d := defs[c.Definition]
		if len(all) >= maxInstances || depth > maxNesting {
			return bad("TooManyComponents", "%sThe app mounts more than %d components, or more than %d within one another.", prefix, maxInstances, maxNesting)
		}
		c.Mounted, c.HTTPPrefix = true, d.HTTPPrefix
		var err error
		if c.Mounts, err = d.mounts(); err != nil {
			return err
		}
		all = append(all, c)
		names := map[string]bool{}
		for _, child := range d.ChildComponents {
			if err := value.CheckIdentifier("component name", child.Name); err != nil {
				return prefixed(err)
			}
			if names[child.Name] {
				return bad("InvalidDefinition", "%sThe component name %q is used twice in convex.config.ts%s. Give one of them another with the option `name` of use().",
					prefix, child.Name, ofComponent(d.Path))
			}
			names[child.Name] = true
			path := child.Name
			if c.Path != "" {
				path = c.Path + "/" + path
			}
			next := udf.Component{Path: path, Definition: child.Path}
			if defs[child.Path] == nil {
				return bad("InvalidDefinition", "%sThe push lacks the definition %s of component %q.", prefix, clip(child.Path), path)
			}
			if next.Args, err = child.arguments(); err != nil {
				return err
			}
			if next.Env, err = child.environment(d, defs[child.Path]); err != nil {
				return err
			}
			if err := mount(next, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return all, mount(udf.Component{}, 0)
}

// mounts are the names of children by HTTP prefix.
func (d *Definition) mounts() (map[string]string, error) {
	if len(d.HTTPMounts) == 0 {
		return nil, nil
	}
	mounts := map[string]string{}
	for path, reference := range d.HTTPMounts {
		name, ok := strings.CutPrefix(reference, childReference)
		known := slices.ContainsFunc(d.ChildComponents, func(c ChildComponent) bool { return c.Name == name })
		if !ok || !known || !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") {
			return nil, bad("InvalidDefinition", "%sThe HTTP prefix %q in convex.config.ts%s cannot be mounted: it must begin with \"/\" and belong to a component.",
				prefix, clip(path), ofComponent(d.Path))
		}
		if path == "/.files/" {
			return nil, bad("InvalidDefinition", "%sThe HTTP prefix %q is reserved.", prefix, path)
		}
		mounts[path] = name
	}
	return mounts, nil
}

// arguments are those that old libraries give to a component, as JSON.
func (c *ChildComponent) arguments() (map[string]json.RawMessage, error) {
	args := map[string]json.RawMessage{}
	for _, pair := range c.Args {
		name, v, err := c.pair(pair)
		if err != nil {
			return nil, err
		}
		if _, err := value.Parse([]byte(v.Value)); err != nil || v.Type != "value" {
			return nil, bad("InvalidDefinition", "%sThe argument %q of component %q is not a value.", prefix, clip(name), c.Name)
		}
		args[name] = json.RawMessage(v.Value)
	}
	if len(args) == 0 {
		return nil, nil
	}
	return args, nil
}

// pair reads a named value.
func (c *ChildComponent) pair(pair [2]json.RawMessage) (name string, v boundValue, err error) {
	if json.Unmarshal(pair[0], &name) != nil || json.Unmarshal(pair[1], &v) != nil {
		err = bad("InvalidDefinition", "%sThe arguments of component %q cannot be read.", prefix, c.Name)
	}
	return name, v, err
}

// environment binds the variables that a component declares, as its parent says.
func (c *ChildComponent) environment(of, d *Definition) (map[string]udf.Binding, error) {
	refuse := func(format string, args ...any) error {
		return bad("InvalidDefinition", "%sThe environment of component %q in convex.config.ts%s is wrong: "+format, append([]any{prefix, c.Name, ofComponent(of.Path)}, args...)...)
	}
	declared, err := d.variables()
	if err != nil {
		return nil, err
	}
	above, err := of.variables()
	if err != nil {
		return nil, err
	}
	env := map[string]udf.Binding{}
	for _, bind := range c.Env {
		name, v, err := c.pair(bind)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(declared, func(d variable) bool { return d.name == name })
		if i < 0 {
			return nil, refuse("the component declares no variable %q.", clip(name))
		}
		switch v.Type {
		case "value":
			if err := declared[i].validator.Check(value.String(v.Value), noTables{}); err != nil {
				return nil, refuse("the value of %q does not match its validator: %s", name, message(err))
			}
			env[name] = udf.Binding{Value: v.Value}
		case "envVar":
			if !slices.ContainsFunc(above, func(a variable) bool { return a.name == v.Name }) {
				return nil, refuse("%q is bound to the variable %q, which is not declared there.", name, clip(v.Name))
			}
			env[name] = udf.Binding{Variable: v.Name}
		default:
			return nil, refuse("the binding of %q has the unknown type %q.", name, clip(v.Type))
		}
	}
	for _, v := range declared {
		if _, ok := env[v.name]; !ok && !v.optional {
			return nil, refuse("the component needs the variable %q. Bind it with `use(…, { env: { %s: … } })`.", v.name, v.name)
		}
	}
	if len(env) == 0 {
		return nil, nil
	}
	return env, nil
}

// noTables is what validators of variables know of tables: nothing.
type noTables struct{}

// TableNumber finds none.
func (noTables) TableNumber(string) (value.TableNumber, bool) { return 0, false }

// TableName finds none.
func (noTables) TableName(value.TableNumber) (string, bool) { return "", false }

// What the checks of validators ask.
var _ schema.Tables = noTables{}

// asRefusal finds what a caller may see of an error; nil if nothing.
func asRefusal(err error) *apierr.Error {
	e, _ := apierr.As(err)
	return e
}

// seated is a part of a push with the namespace that it has, or will have.
type seated struct {
	*part
	udf.Component
	tx  *database.Tx   // in that namespace
	was *udf.Component // what is there now; nil for a new instance
}

// seat finds the namespaces of the parts of a push. It gives the tree as it will be,
// too, with the instances that will not be mounted any more.
func (p *push) seat(ctx context.Context, tx *database.Tx) (seats []seated, tree []udf.Component, err error) {
	now, err := udf.Components(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	free := value.Space(1) // spaces are for good, so the next one is beyond all others
	for i := range now.All {
		free = max(free, now.All[i].Space+1)
	}
	for _, part := range p.parts {
		s := seated{part: part, Component: part.stored.Instance}
		if s.was = now.At(s.Path); s.was != nil {
			s.Space = s.was.Space
		} else {
			s.Space = free
			free++
		}
		s.tx = tx.In(s.Space)
		seats, tree = append(seats, s), append(tree, s.Component)
	}
	for _, c := range now.All {
		if !slices.ContainsFunc(tree, func(o udf.Component) bool { return o.Path == c.Path }) {
			c.Mounted = false
			tree = append(tree, c)
		}
	}
	return seats, tree, nil
}

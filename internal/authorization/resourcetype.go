package authorization

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Bounds of types and resources; those of names are the imitated service's.
const (
	maxName        = 48
	maxDescription = 150
	maxTypes       = 500
	// MaxDepth is how many resources lie on the way from one to its organisation,
	// both included.
	MaxDepth = 10
)

// typeRow writes a type.
func typeRow(t *Type) identity.Row {
	return identity.Row{identity.Text("environment", t.Environment), identity.Text("slug", t.Slug), identity.Text("name", t.Name), identity.Text("description", t.Description),
		identity.Texts("parents", t.Parents), identity.Time("created", t.Created), identity.Time("updated", t.Updated)}
}

// readType is the reverse of typeRow.
func readType(r identity.Record) *Type {
	return &Type{Environment: identity.EnvironmentID(r.Text("environment")), Slug: r.Text("slug"), Name: r.Text("name"), Description: r.Text("description"),
		Parents: r.Texts("parents"), Created: r.Time("created"), Updated: r.Time("updated")}
}

// allTypes are the environment's types by slug.
func allTypes(tx *identity.Tx, env identity.EnvironmentID) (map[string]*Type, error) {
	rows, err := tx.All(tableTypes, "on_slug", string(env))
	if err != nil {
		return nil, err
	}
	out := make(map[string]*Type, len(rows))
	for _, f := range rows {
		t := readType(f.Record)
		out[t.Slug] = t
	}
	return out, nil
}

// typeOf finds a type of the environment.
func typeOf(tx *identity.Tx, env identity.EnvironmentID, slug string) (*identity.Found, *Type, error) {
	f, err := tx.First(tableTypes, "on_slug", string(env), slug)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, identity.NotFound("Resource type", slug)
	}
	return f, readType(f.Record), nil
}

// covers is identity's question whether a role of type parent may hold permissions
// of type child. Everything lies below an organisation.
func covers(tx *identity.Tx, env identity.EnvironmentID, parent, child string) (bool, error) {
	types, err := allTypes(tx, env)
	if err != nil {
		return false, err
	}
	return below(types, parent, child), nil
}

// below reports whether child is parent or can lie below it.
func below(types map[string]*Type, parent, child string) bool {
	seen := map[string]bool{}
	var up func(string) bool
	up = func(slug string) bool {
		if slug == parent {
			return true
		}
		t := types[slug]
		if t == nil || seen[slug] {
			return false
		}
		seen[slug] = true
		return slices.ContainsFunc(t.Parents, up)
	}
	return up(child)
}

// deepest is the number of resources on the longest way from one of a type to its
// organisation.
func deepest(types map[string]*Type, slug string) int {
	known := map[string]int{identity.OrganizationResource: 1}
	var depth func(string) int
	depth = func(slug string) int {
		d, ok := known[slug]
		if !ok {
			if t := types[slug]; t != nil {
				for _, p := range t.Parents {
					d = max(d, depth(p))
				}
			}
			d++
			known[slug] = d
		}
		return d
	}
	return depth(slug)
}

// validSlug reports whether s can name a type.
func validSlug(s string) bool {
	return s != "" && len(s) <= maxName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == "" && s != identity.OrganizationResource
}

// checkTexts refuses a name or description that is too long.
func checkTexts(name, description string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return identity.InvalidField("name", "name_required", "The member name is missing.")
	case utf8.RuneCountInString(name) > maxName:
		return identity.InvalidField("name", "name_too_long", "name is longer than %d characters.", maxName)
	case utf8.RuneCountInString(description) > maxDescription:
		return identity.InvalidField("description", "description_too_long", "description is longer than %d characters.", maxDescription)
	}
	return nil
}

// CreateType makes a type. Without parents its resources lie directly below their
// organisation. Parents must exist already, which keeps types from forming a cycle.
func (s *Service) CreateType(ctx context.Context, env identity.EnvironmentID, n Type) (t *Type, err error) {
	if !validSlug(n.Slug) {
		return nil, identity.InvalidField("slug", "slug_invalid", "A slug has 1 to %d characters a–z, 0–9, - and _, and is not %q.", maxName, identity.OrganizationResource)
	}
	if n.Name == "" {
		n.Name = n.Slug
	}
	if len(n.Parents) == 0 {
		n.Parents = []string{identity.OrganizationResource}
	}
	slices.Sort(n.Parents)
	n.Parents = slices.Compact(n.Parents)
	if err := checkTexts(n.Name, n.Description); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Environment(env); err != nil {
			return err
		}
		types, err := allTypes(tx, env)
		if err != nil {
			return err
		}
		if types[n.Slug] != nil {
			return apierr.New(apierr.Conflict, "resource_type_slug_conflict", "There is a resource type with the slug %s already.", n.Slug)
		}
		if len(types) >= maxTypes {
			return apierr.New(apierr.BadRequest, "bad_request", "There are %d resource types already, which is the most.", maxTypes)
		}
		for _, p := range n.Parents {
			if p != identity.OrganizationResource && types[p] == nil {
				return identity.InvalidField("parent_type_slugs", "parent_type_not_found", "There is no resource type %.60q; make the parent first.", p)
			}
			if deepest(types, p) >= MaxDepth {
				return identity.InvalidField("parent_type_slugs", "too_deep", "Resources lie at most %d deep, their organization included.", MaxDepth)
			}
		}
		t = &Type{Environment: env, Slug: n.Slug, Name: n.Name, Description: n.Description, Parents: n.Parents, Created: tx.Now(), Updated: tx.Now()}
		return tx.Add(tableTypes, typeRow(t))
	})
	return t, err
}

// RenameType changes how people see a type. What may lie below what is fixed.
func (s *Service) RenameType(ctx context.Context, env identity.EnvironmentID, slug string, name, description *string) (t *Type, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, t, err = typeOf(tx, env, slug); err != nil {
			return err
		}
		if name != nil {
			t.Name = *name
		}
		if description != nil {
			t.Description = *description
		}
		if err := checkTexts(t.Name, t.Description); err != nil {
			return err
		}
		t.Updated = tx.Now()
		return tx.Put(f.Doc, typeRow(t))
	})
	return t, err
}

// DeleteType removes a type that nothing is of and nothing can lie below.
func (s *Service) DeleteType(ctx context.Context, env identity.EnvironmentID, slug string) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, _, err := typeOf(tx, env, slug)
		if err != nil {
			return err
		}
		r, err := tx.First(tableResources, "on_type", string(env), slug)
		if err != nil {
			return err
		}
		types, err := allTypes(tx, env)
		if err != nil {
			return err
		}
		used := r != nil
		for _, t := range types {
			used = used || slices.Contains(t.Parents, slug)
		}
		if used {
			return apierr.New(apierr.Conflict, "resource_type_in_use", "There are resources of the type %s, or types below it; delete them first.", slug)
		}
		return tx.Remove(f)
	})
}

// Types lists the environment's types by slug.
func (s *Service) Types(ctx context.Context, env identity.EnvironmentID) (list []Type, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list = nil
		return tx.Each(tableTypes, "on_slug", database.Prefix(identity.Key(string(env))), database.Asc, func(f identity.Found) (bool, error) {
			list = append(list, *readType(f.Record))
			return true, nil
		})
	})
	return list, err
}

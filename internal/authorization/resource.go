package authorization

import (
	"context"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// maxExternalID bounds external ids (workos-operations.md, CreateAuthorizationResourceDto).
const maxExternalID = 128

// resourceRow writes a resource.
func resourceRow(r *Resource) identity.Row {
	return identity.Row{identity.Text("id", r.ID), identity.Text("environment", r.Environment), identity.Text("organization", r.Organization), identity.Text("type", r.Type),
		identity.Text("external_id", r.ExternalID), identity.Text("name", r.Name), identity.Text("description", r.Description), identity.Text("parent", r.Parent),
		identity.Time("created", r.Created), identity.Time("updated", r.Updated)}
}

// readResource is the reverse of resourceRow.
func readResource(r identity.Record) *Resource {
	return &Resource{ID: ResourceID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Organization: identity.OrganizationID(r.Text("organization")),
		Type: r.Text("type"), ExternalID: r.Text("external_id"), Name: r.Text("name"), Description: r.Text("description"), Parent: ResourceID(r.Text("parent")),
		Created: r.Time("created"), Updated: r.Time("updated")}
}

// rootID is the id of an organisation's own resource, which has no row.
func rootID(org identity.OrganizationID) ResourceID {
	return ResourceID(resourcePrefix + strings.TrimPrefix(string(org), organizationPart))
}

// root is an organisation's own resource, the top of its tree.
func root(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID) (*Resource, error) {
	o, err := tx.Organization(env, org)
	if err != nil {
		return nil, err
	}
	return &Resource{ID: rootID(org), Environment: env, Organization: org, Type: identity.OrganizationResource, ExternalID: string(org), Name: o.Name,
		Created: o.Created, Updated: o.Updated}, nil
}

// byID finds a resource of the environment; f is nil for an organisation's own.
func byID(tx *identity.Tx, env identity.EnvironmentID, id ResourceID) (f *identity.Found, r *Resource, err error) {
	if f, err = tx.First(tableResources, "on_environment", string(env), string(id)); err != nil {
		return nil, nil, err
	}
	if f != nil {
		return f, readResource(f.Record), nil
	}
	if ulid, ok := strings.CutPrefix(string(id), resourcePrefix); ok {
		r, err = root(tx, env, identity.OrganizationID(organizationPart+ulid))
		if apierr.KindOf(err) != apierr.NotFound {
			return nil, r, err
		}
	}
	return nil, nil, identity.NotFound("Authorization resource", string(id))
}

// byRef finds the resource of an organisation that a Ref names; those of other
// organisations are not there.
func byRef(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID, ref Ref) (f *identity.Found, r *Resource, err error) {
	switch {
	case ref.ID != "" && (ref.ExternalID != "" || ref.Type != ""):
		return nil, nil, identity.InvalidField("resource_id", "ambiguous_resource", "Name the resource by its id, or by external id and type, not both.")
	case ref.ID != "":
		if f, r, err = byID(tx, env, ref.ID); err == nil && r.Organization != org {
			return nil, nil, identity.NotFound("Authorization resource", string(ref.ID))
		}
		return f, r, err
	case ref.ExternalID == "" || ref.Type == "":
		return nil, nil, identity.InvalidField("resource_id", "resource_required", "Name the resource by its id, or by external id and type.")
	case ref.Type == identity.OrganizationResource:
		if ref.ExternalID != string(org) {
			return nil, nil, identity.NotFound("Authorization resource", ref.ExternalID)
		}
		r, err = root(tx, env, org)
		return nil, r, err
	}
	if f, err = tx.First(tableResources, "on_external_id", string(env), string(org), ref.Type, ref.ExternalID); err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, identity.NotFound("Authorization resource", ref.ExternalID)
	}
	return f, readResource(f.Record), nil
}

// chain are a resource and those above it, its organisation's own last.
func chain(tx *identity.Tx, r *Resource) ([]*Resource, error) {
	out := []*Resource{r}
	for r.Parent != "" && len(out) <= MaxDepth {
		_, p, err := byID(tx, r.Environment, r.Parent)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
		r = p
	}
	return out, nil
}

// NewResource is what is said of a resource to be made. Without a parent it lies
// directly below its organisation.
type NewResource struct {
	Organization identity.OrganizationID
	Type         string
	ExternalID   string
	Name         string
	Description  string
	Parent       Ref
}

// checkExternalID refuses what cannot be an external id.
func checkExternalID(id string) error {
	if id == "" || len(id) > maxExternalID || strings.IndexFunc(id, func(c rune) bool { return c > 0x7f }) >= 0 {
		return identity.InvalidField("external_id", "external_id_invalid", "external_id has 1 to %d ASCII characters.", maxExternalID)
	}
	return nil
}

// place checks that resources of a type may lie below a parent and gives the
// parent's id.
func place(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID, t *Type, parent Ref) (ResourceID, error) {
	top, kind := rootID(org), identity.OrganizationResource
	if !parent.IsZero() {
		_, p, err := byRef(tx, env, org, parent)
		if err != nil {
			return "", err
		}
		top, kind = p.ID, p.Type
	}
	if !slices.Contains(t.Parents, kind) {
		return "", identity.InvalidField("parent_resource_id", "invalid_parent_type", "A resource of the type %s lies below one of: %s; not below one of the type %s.",
			t.Slug, strings.Join(t.Parents, ", "), kind)
	}
	return top, nil
}

// CreateResource makes a resource.
func (s *Service) CreateResource(ctx context.Context, env identity.EnvironmentID, n NewResource) (r *Resource, err error) {
	if err := checkTexts(n.Name, n.Description); err != nil {
		return nil, err
	}
	if err := checkExternalID(n.ExternalID); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, n.Organization); err != nil {
			return err
		}
		if n.Type == identity.OrganizationResource {
			return apierr.New(apierr.BadRequest, "bad_request", "Every organization has its own resource already; give the slug of another type.")
		}
		_, t, err := typeOf(tx, env, n.Type)
		if err != nil {
			return err
		}
		parent, err := place(tx, env, n.Organization, t, n.Parent)
		if err != nil {
			return err
		}
		taken, err := tx.First(tableResources, "on_external_id", string(env), string(n.Organization), n.Type, n.ExternalID)
		if err != nil {
			return err
		}
		if taken != nil {
			return apierr.New(apierr.Conflict, "authorization_resource_external_id_conflict", "There is a resource of the type %s with this external_id in the organization already.", n.Type)
		}
		r = &Resource{ID: ResourceID(tx.NewID(resourcePrefix)), Environment: env, Organization: n.Organization, Type: n.Type, ExternalID: n.ExternalID, Name: n.Name,
			Description: n.Description, Parent: parent, Created: tx.Now(), Updated: tx.Now()}
		return tx.Add(tableResources, resourceRow(r))
	})
	return r, err
}

// At names a resource for one of the calls by id or by external id.
type At struct {
	ID           ResourceID
	Organization identity.OrganizationID // with ExternalID and Type
	ExternalID   string
	Type         string
}

// at finds the resource that At names.
func at(tx *identity.Tx, env identity.EnvironmentID, a At) (*identity.Found, *Resource, error) {
	if a.ID != "" {
		return byID(tx, env, a.ID)
	}
	if _, err := tx.Organization(env, a.Organization); err != nil {
		return nil, nil, err
	}
	return byRef(tx, env, a.Organization, Ref{ExternalID: a.ExternalID, Type: a.Type})
}

// Resource finds a resource.
func (s *Service) Resource(ctx context.Context, env identity.EnvironmentID, a At) (r *Resource, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, r, err = at(tx, env, a)
		return err
	})
	return r, err
}

// Change names what of a resource is to change; nil fields stay.
type Change struct {
	Name        *string
	Description *string
	Parent      Ref // moves the resource, with all below it
}

// errOwn refuses to change an organisation's own resource.
var errOwn = apierr.New(apierr.BadRequest, "bad_request", "The resource of an organization itself is as the organization is; change that.")

// UpdateResource changes a resource.
func (s *Service) UpdateResource(ctx context.Context, env identity.EnvironmentID, a At, c Change) (r *Resource, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, r, err = at(tx, env, a); err != nil {
			return err
		}
		if f == nil {
			return errOwn
		}
		if c.Name != nil {
			r.Name = *c.Name
		}
		if c.Description != nil {
			r.Description = *c.Description
		}
		if err := checkTexts(r.Name, r.Description); err != nil {
			return err
		}
		if !c.Parent.IsZero() {
			if err := move(tx, r, c.Parent); err != nil {
				return err
			}
		}
		r.Updated = tx.Now()
		return tx.Put(f.Doc, resourceRow(r))
	})
	return r, err
}

// move gives a resource another parent. A resource cannot come to lie below itself:
// what lies below it is of other types, and those of its parents are above.
func move(tx *identity.Tx, r *Resource, to Ref) error {
	_, t, err := typeOf(tx, r.Environment, r.Type)
	if err != nil {
		return err
	}
	parent, err := place(tx, r.Environment, r.Organization, t, to)
	if err != nil || parent == r.Parent {
		return err
	}
	r.Parent = parent
	rows, err := tx.All(tableAssignments, "on_resource", string(r.ID))
	if err != nil {
		return err
	}
	for _, f := range rows {
		if err := tx.Patch(&f, identity.Row{identity.Text("parent", parent)}); err != nil {
			return err
		}
	}
	return nil
}

// DeleteResource removes a resource; with cascade also all below it, and the roles
// on any of these.
func (s *Service) DeleteResource(ctx context.Context, env identity.EnvironmentID, a At, cascade bool) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, r, err := at(tx, env, a)
		if err != nil {
			return err
		}
		if f == nil {
			return errOwn
		}
		if !cascade {
			child, err := tx.First(tableResources, "on_parent", string(r.ID))
			if err != nil {
				return err
			}
			role, err := tx.First(tableAssignments, "on_resource", string(r.ID))
			if err != nil {
				return err
			}
			if child != nil || role != nil {
				return apierr.New(apierr.Conflict, "resource_has_dependents", "The resource has resources below it, or roles on it; delete them first, or set cascade_delete.")
			}
		}
		return remove(tx, f)
	})
}

// remove deletes a resource with what depends on it.
func remove(tx *identity.Tx, f *identity.Found) error {
	id := f.Text("id")
	children, err := tx.All(tableResources, "on_parent", id)
	if err != nil {
		return err
	}
	for i := range children {
		if err := remove(tx, &children[i]); err != nil {
			return err
		}
	}
	if err := removeAll(tx, tableAssignments, "on_resource", id); err != nil {
		return err
	}
	return tx.Remove(f)
}

// removeAll deletes the rows of an index.
func removeAll(tx *identity.Tx, table, index string, values ...string) error {
	return tx.Each(table, index, database.Prefix(identity.Key(values...)), database.Asc, func(f identity.Found) (bool, error) {
		return true, tx.Remove(&f)
	})
}

// gone removes what belongs to an organisation, a member or a group that is about
// to be deleted.
func gone(tx *identity.Tx, what identity.Gone) error {
	switch {
	case what.Group != "":
		return removeAll(tx, tableAssignments, "on_subject", string(what.Group))
	case what.Membership != "":
		return removeAll(tx, tableAssignments, "on_subject", string(what.Membership))
	case what.Organization != "":
		if err := removeAll(tx, tableAssignments, "on_organization", string(what.Environment), string(what.Organization)); err != nil {
			return err
		}
		return removeAll(tx, tableResources, "on_organization", string(what.Environment), string(what.Organization))
	}
	return nil
}

// roleUsed says that a role which somebody has on a resource cannot be deleted.
func roleUsed(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID, slug string) (string, error) {
	values := []string{string(env), slug}
	if org != "" {
		values = append(values, string(org))
	}
	f, err := tx.First(tableAssignments, "on_role", values...)
	if err != nil || f == nil {
		return "", err
	}
	return "role_has_assignments", nil
}

// Query narrows a list of resources.
type Query struct {
	identity.Page
	Organization identity.OrganizationID
	Type         string
	ExternalID   string
	Search       string // part of the name, whatever its case
	Parent       Ref
}

// Resources lists resources.
func (s *Service) Resources(ctx context.Context, env identity.EnvironmentID, q Query) (l *identity.List[Resource], err error) {
	needs := apierr.New(apierr.BadRequest, "missing_organization_id_or_resource_type_slug", "An external id means something only with organization_id and the type of the resource.")
	if q.ExternalID != "" && (q.Organization == "" || q.Type == "") || q.Parent.ExternalID != "" && (q.Organization == "" || q.Parent.Type == "") {
		return nil, needs
	}
	search := strings.ToLower(q.Search)
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		index, prefix := "on_environment", []string{string(env)}
		switch {
		case !q.Parent.IsZero():
			var p *Resource
			if q.Parent.ID != "" {
				_, p, err = byID(tx, env, q.Parent.ID)
			} else {
				_, p, err = byRef(tx, env, q.Organization, q.Parent)
			}
			if err != nil {
				return err
			}
			if index, prefix = "on_parent", []string{string(p.ID)}; q.Type != "" {
				index, prefix = "on_parent_type", append(prefix, q.Type)
			}
		case q.Organization != "" && q.Type != "":
			index, prefix = "on_organization_type", append(prefix, string(q.Organization), q.Type)
		case q.Organization != "":
			index, prefix = "on_organization", append(prefix, string(q.Organization))
		case q.Type != "":
			index, prefix = "on_type", append(prefix, q.Type)
		}
		if q.ExternalID != "" && q.Parent.IsZero() {
			index, prefix = "on_external_id", []string{string(env), string(q.Organization), q.Type, q.ExternalID}
		}
		l, err = identity.PageOf(tx, tableResources, index, prefix, q.Page, func(rec identity.Record) (Resource, string, bool) {
			r := readResource(rec)
			ok := (q.Organization == "" || r.Organization == q.Organization) && (q.ExternalID == "" || r.ExternalID == q.ExternalID) && strings.Contains(strings.ToLower(r.Name), search)
			return *r, string(r.ID), ok
		})
		return err
	})
	return l, err
}

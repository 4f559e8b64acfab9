package authorization_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lentil-dev/lentil/internal/authorization"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// check fails the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// house is the room over a real identity service on the in-memory store.
type house struct {
	*authorization.Service
	t   testing.TB
	ctx context.Context
	env identity.EnvironmentID
}

// newHouse makes a house with one environment.
func newHouse(t testing.TB) *house {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	check(t, err)
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; db.Close() })
	id := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("a master key of thirty-two bytes"))}
	check(t, id.Open(ctx))
	h := &house{Service: &authorization.Service{Identity: id}, t: t, ctx: ctx}
	check(t, h.Open(ctx))
	e, err := id.CreateEnvironment(ctx, identity.NewEnvironment{Name: "soup", Kind: identity.Development})
	check(t, err)
	h.env = e.ID
	return h
}

// organization makes an organisation.
func (h *house) organization() identity.OrganizationID {
	h.t.Helper()
	o, err := h.Identity.CreateOrganization(h.ctx, h.env, identity.NewOrganization{Name: "Acme"})
	check(h.t, err)
	return o.ID
}

// member makes a user and a membership.
func (h *house) member(org identity.OrganizationID, roles ...string) identity.MembershipID {
	h.t.Helper()
	u, err := h.Identity.CreateUser(h.ctx, h.env, identity.NewUser{Email: identity.NewULID() + "@example.com"})
	check(h.t, err)
	m, err := h.Identity.AddMembership(h.ctx, h.env, identity.NewMembership{User: u.ID, Organization: org, Roles: roles})
	check(h.t, err)
	return m.ID
}

// role makes a role of the environment with permissions.
func (h *house) role(slug, kind string, permissions ...string) {
	h.t.Helper()
	check(h.t, h.Identity.Update(h.ctx, func(tx *identity.Tx) error {
		_, err := tx.CreateRole(h.env, "", identity.NewRole{Slug: slug, Name: slug, ResourceType: kind, Permissions: permissions})
		return err
	}))
}

// kinds are the types of the worlds: the way up from each to the organisation.
var kinds = []struct {
	slug    string
	parents []string
}{{"workspace", nil}, {"project", []string{"workspace"}}, {"app", []string{"project", "workspace"}}, {"note", []string{"organization", "app"}}}

// belows are the types that a role of a type may hold permissions of.
var belows = map[string][]string{"organization": {"organization", "workspace", "project", "app", "note"}, "workspace": {"workspace", "project", "app", "note"},
	"project": {"project", "app", "note"}, "app": {"app", "note"}, "note": {"note"}}

// types makes the types, and for each a permission to view and to edit.
func (h *house) types() {
	h.t.Helper()
	for _, k := range kinds {
		_, err := h.CreateType(h.ctx, h.env, authorization.Type{Slug: k.slug, Parents: k.parents})
		check(h.t, err)
	}
	check(h.t, h.Identity.Update(h.ctx, func(tx *identity.Tx) error {
		for kind := range belows {
			for _, verb := range []string{"view", "edit"} {
				if _, err := tx.CreatePermission(h.env, identity.NewPermission{Slug: kind + ":" + verb, Name: verb, ResourceType: kind}); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// all reads every page of a list, three at a time, in both directions.
func all[T any](t testing.TB, read func(identity.Page) (*identity.List[T], error), id func(*T) string) []string {
	t.Helper()
	var both [2][]string
	for i, o := range []identity.Order{identity.OldestFirst, identity.NewestFirst} {
		for p := (identity.Page{Limit: 3, Order: o}); ; {
			l, err := read(p)
			check(t, err)
			for j := range l.Data {
				both[i] = append(both[i], id(&l.Data[j]))
			}
			if l.After == "" {
				break
			}
			p.After = l.After
		}
	}
	slices.Reverse(both[1])
	if !slices.Equal(both[0], both[1]) {
		t.Fatalf("up %v, down %v", both[0], both[1])
	}
	return both[0]
}

// TestAgainstOracle makes random organisations and holds every answer against one
// that is computed by walking everything.
func TestAgainstOracle(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			world(t, rand.New(rand.NewPCG(seed, 7)))
		})
	}
}

// world is one random organisation with its oracle.
func world(t *testing.T, r *rand.Rand) {
	h := newHouse(t)
	h.types()
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	permissionsOf := map[string][]string{"member": nil}
	rolesOf := map[string][]string{}
	for kind, under := range belows {
		for n := range 3 {
			slug := fmt.Sprintf("%s-%d", kind, n)
			var p []string
			for _, k := range under {
				for _, verb := range []string{"view", "edit"} {
					if r.IntN(4) == 0 {
						p = append(p, k+":"+verb)
					}
				}
			}
			h.role(slug, kind, p...)
			permissionsOf[slug] = p
			rolesOf[kind] = append(rolesOf[kind], slug)
		}
	}
	org, other := h.organization(), h.organization()
	root, err := h.Resource(h.ctx, h.env, authorization.At{Organization: org, ExternalID: string(org), Type: "organization"})
	check(t, err)
	resources := []*authorization.Resource{root}
	parent := map[authorization.ResourceID]authorization.ResourceID{}
	for n := range 25 {
		kind := kinds[r.IntN(len(kinds))]
		var fit []*authorization.Resource
		for _, p := range resources {
			if slices.Contains(kind.parents, p.Type) || kind.parents == nil && p.Type == "organization" {
				fit = append(fit, p)
			}
		}
		if len(fit) == 0 {
			continue
		}
		p := fit[r.IntN(len(fit))]
		made, err := h.CreateResource(h.ctx, h.env, authorization.NewResource{Organization: org, Type: kind.slug, ExternalID: fmt.Sprint(n), Name: "r", Parent: authorization.Ref{ID: p.ID}})
		check(t, err)
		resources = append(resources, made)
		parent[made.ID] = p.ID
	}
	// Some move to another parent of a right type.
	for range 4 {
		moving, to := resources[r.IntN(len(resources))], resources[r.IntN(len(resources))]
		for _, k := range kinds {
			if k.slug == moving.Type && slices.Contains(k.parents, to.Type) {
				moving, err = h.UpdateResource(h.ctx, h.env, authorization.At{ID: moving.ID}, authorization.Change{Parent: authorization.Ref{ExternalID: to.ExternalID, Type: to.Type}})
				check(t, err)
				parent[moving.ID] = to.ID
			}
		}
	}
	type grant struct {
		subject, role string
		on            authorization.ResourceID
	}
	var grants []grant
	subjectsOf := map[identity.MembershipID][]string{}
	inactive := map[identity.MembershipID]bool{}
	var members []identity.MembershipID
	for n := range 7 {
		m := h.member(org)
		members = append(members, m)
		subjectsOf[m] = []string{string(m)}
		grants = append(grants, grant{string(m), "member", root.ID})
		if n == 6 {
			_, err := h.Identity.SetMembershipActive(h.ctx, h.env, m, false)
			check(t, err)
			inactive[m] = true
		}
	}
	stranger := h.member(other)
	var groups []identity.GroupID
	for range 3 {
		var g *identity.Group
		check(t, h.Identity.Update(h.ctx, func(tx *identity.Tx) error {
			if g, err = tx.CreateGroup(h.env, org, "g", ""); err != nil {
				return err
			}
			for _, m := range members {
				if r.IntN(3) == 0 {
					if _, err := tx.AddGroupMember(h.env, org, g.ID, m); err != nil {
						return err
					}
				}
			}
			return nil
		}))
		groups = append(groups, g.ID)
	}
	for _, m := range members {
		for _, g := range groups {
			l, err := h.Identity.GroupsOf(h.ctx, h.env, m, identity.Page{Limit: 100})
			check(t, err)
			if slices.ContainsFunc(l.Data, func(in identity.Group) bool { return in.ID == g }) {
				subjectsOf[m] = append(subjectsOf[m], string(g))
			}
		}
	}
	for range 25 {
		on := resources[r.IntN(len(resources))]
		if on == root && r.IntN(3) > 0 {
			continue
		}
		g := grant{role: pick(rolesOf[on.Type]), on: on.ID}
		if r.IntN(3) == 0 {
			group := groups[r.IntN(len(groups))]
			g.subject = string(group)
			if slices.Contains(grants, g) {
				continue
			}
			_, err = h.AssignGroup(h.ctx, h.env, group, authorization.Grant{Role: g.role, On: authorization.Ref{ID: on.ID}})
		} else {
			m := members[r.IntN(len(members))]
			g.subject = string(m)
			_, err = h.Assign(h.ctx, h.env, m, g.role, authorization.Ref{ID: on.ID})
		}
		check(t, err)
		if !slices.Contains(grants, g) {
			grants = append(grants, g)
		}
	}
	// Some are taken away again.
	for range 6 {
		i := r.IntN(len(grants))
		g := grants[i]
		if g.role == "member" {
			continue
		}
		if identity.ValidID("om_", g.subject) {
			check(t, h.Unassign(h.ctx, h.env, identity.MembershipID(g.subject), g.role, authorization.Ref{ID: g.on}))
		} else {
			check(t, h.UnassignGroup(h.ctx, h.env, identity.GroupID(g.subject), authorization.Grant{Role: g.role, On: authorization.Ref{ID: g.on}}))
		}
		grants = slices.Delete(grants, i, i+1)
	}

	// The oracle.
	may := func(m identity.MembershipID, permission string, id authorization.ResourceID, from []authorization.ResourceID) bool {
		for _, g := range grants {
			if slices.Contains(subjectsOf[m], g.subject) && slices.Contains(permissionsOf[g.role], permission) && slices.Contains(from, g.on) && !inactive[m] {
				return true
			}
		}
		return false
	}
	above := func(id authorization.ResourceID) (way []authorization.ResourceID) {
		for ; id != ""; id = parent[id] {
			way = append(way, id)
		}
		return way
	}
	for _, on := range resources {
		for _, verb := range []string{"view", "edit"} {
			permission := on.Type + ":" + verb
			var direct, indirect []string
			for _, m := range members {
				want := may(m, permission, on.ID, above(on.ID))
				got, err := h.Check(h.ctx, h.env, m, permission, authorization.Ref{ID: on.ID})
				check(t, err)
				if got != want {
					t.Errorf("check %s %s on %s: %v, wanted %v", m, permission, on.ID, got, want)
				}
				if got, err = h.Check(h.ctx, h.env, m, permission, authorization.Ref{ExternalID: on.ExternalID, Type: on.Type}); err != nil || got != want {
					t.Errorf("check by external id: %v, %v", got, err)
				}
				if want {
					indirect = append(indirect, string(m))
				}
				if may(m, permission, on.ID, []authorization.ResourceID{on.ID}) {
					direct = append(direct, string(m))
				}
			}
			for _, mode := range []struct {
				inherited bool
				want      []string
			}{{false, direct}, {true, indirect}} {
				got := all(t, func(p identity.Page) (*identity.List[identity.Member], error) {
					return h.Who(h.ctx, h.env, authorization.At{ID: on.ID}, permission, mode.inherited, p)
				}, func(m *identity.Member) string { return string(m.ID) })
				slices.Sort(mode.want)
				if on != root && !slices.Equal(got, mode.want) || on == root && !slices.Equal(got, indirect) {
					t.Errorf("who may %s on %s (inherited %v): %v, wanted %v", permission, on.ID, mode.inherited, got, mode.want)
				}
			}
			if ok, err := h.Check(h.ctx, h.env, stranger, permission, authorization.Ref{ID: on.ID}); err == nil || ok {
				t.Errorf("a stranger may %s: %v, %v", permission, ok, err)
			}
		}
		for _, m := range members {
			var want []string
			for _, verb := range []string{"edit", "view"} {
				if may(m, on.Type+":"+verb, on.ID, above(on.ID)) {
					want = append(want, on.Type+":"+verb)
				}
			}
			got := all(t, func(p identity.Page) (*identity.List[identity.Permission], error) {
				return h.Effective(h.ctx, h.env, m, authorization.Ref{ID: on.ID}, p)
			}, func(p *identity.Permission) string { return p.Slug })
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("effective for %s on %s: %v, wanted %v", m, on.ID, got, want)
			}
			for kind := range belows {
				var want []string
				for _, child := range resources {
					if parent[child.ID] == on.ID && child.Type == kind && may(m, kind+":view", child.ID, above(child.ID)) {
						want = append(want, string(child.ID))
					}
				}
				slices.Sort(want)
				got := all(t, func(p identity.Page) (*identity.List[authorization.Resource], error) {
					return h.Below(h.ctx, h.env, m, kind+":view", authorization.Ref{ID: on.ID}, p)
				}, func(r *authorization.Resource) string { return string(r.ID) })
				if !slices.Equal(got, want) {
					t.Errorf("below %s for %s, %s:view: %v, wanted %v", on.ID, m, kind, got, want)
				}
			}
		}
		// Who has which role there.
		var want []string
		for _, g := range grants {
			for _, m := range members {
				if g.on == on.ID && slices.Contains(subjectsOf[m], g.subject) && (on != root || g.subject == string(m) && !inactive[m]) {
					want = append(want, string(m)+" "+g.role)
				}
			}
		}
		got := all(t, func(p identity.Page) (*identity.List[authorization.Assignment], error) {
			return h.OnResource(h.ctx, h.env, authorization.At{ID: on.ID}, "", p)
		}, func(a *authorization.Assignment) string { return a.Subject + " " + a.Role })
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("on %s (%s): %v, wanted %v", on.ID, on.Type, got, want)
		}
	}
	for _, m := range members {
		var want []string
		for _, g := range grants {
			if slices.Contains(subjectsOf[m], g.subject) {
				want = append(want, string(g.on)+" "+g.role)
			}
		}
		got := all(t, func(p identity.Page) (*identity.List[authorization.Assignment], error) {
			return h.OfMember(h.ctx, h.env, m, authorization.Ref{}, p)
		}, func(a *authorization.Assignment) string { return string(a.Resource.ID) + " " + a.Role })
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("of %s: %v, wanted %v", m, got, want)
		}
	}
	// Nothing is left of a deleted organisation.
	check(t, h.Identity.DeleteOrganization(h.ctx, h.env, org))
	l, err := h.Resources(h.ctx, h.env, authorization.Query{})
	check(t, err)
	if len(l.Data) != 0 {
		t.Errorf("left of a deleted organisation: %v", l.Data)
	}
}

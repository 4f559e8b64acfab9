package identity_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// organization makes an organization with verified domains.
func organization(t *testing.T, s *identity.Service, e *identity.Environment, name string, domains ...string) *identity.Organization {
	t.Helper()
	n := identity.NewOrganization{Name: name}
	for _, d := range domains {
		n.Domains = append(n.Domains, identity.NewDomain{Name: d, State: identity.DomainVerified})
	}
	o, err := s.CreateOrganization(t.Context(), e.ID, n)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// join makes a user a member.
func join(t *testing.T, s *identity.Service, e *identity.Environment, u identity.UserID, o identity.OrganizationID, roles ...string) *identity.Member {
	t.Helper()
	m, err := s.AddMembership(t.Context(), e.ID, identity.NewMembership{User: u, Organization: o, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// history is the names of all events, oldest first, from the one numbered from on.
func history(t *testing.T, s *identity.Service, e *identity.Environment, from int) []string {
	t.Helper()
	var names []string
	p := identity.Page{Limit: 100}
	for {
		l, err := s.Events(t.Context(), e.ID, nil, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range l.Data {
			if !json.Valid(ev.Data) {
				t.Errorf("event %s: %s", ev.Name, ev.Data)
			}
			names = append(names, ev.Name)
		}
		if l.After == "" {
			return names[min(from, len(names)):]
		}
		p.After = l.After
	}
}

func TestOrganizationDomains(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	o := organization(t, s, e, " Foo Corp ", "Foo-Corp.com")
	if o.Name != "Foo Corp" || len(o.Domains) != 1 || o.Domains[0].Name != "foo-corp.com" || o.Domains[0].State != identity.DomainVerified {
		t.Fatalf("%+v", o)
	}
	find := func(domain string) identity.OrganizationID {
		var id identity.OrganizationID
		if err := s.View(t.Context(), func(tx *identity.Tx) error {
			got, err := tx.OrganizationByDomain(e.ID, domain)
			if got != nil {
				id = got.ID
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	if find("FOO-corp.com") != o.ID || find("bar.com") != "" {
		t.Error("by domain")
	}
	for domain, want := range map[string]string{"gmail.com": "invalid_request_parameters", "localhost": "invalid_request_parameters", "a b.com": "invalid_request_parameters", "foo-corp.com": "domain_already_exists"} {
		if _, err := s.CreateOrganization(t.Context(), e.ID, identity.NewOrganization{Name: "x", Domains: []identity.NewDomain{{Name: domain}}}); code(err) != want {
			t.Errorf("%s: %v", domain, err)
		}
	}
	// A domain that is only pending may be claimed by several; it leads nowhere.
	pending := organization(t, s, e, "Pending")
	d, err := s.CreateDomain(t.Context(), e.ID, pending.ID, identity.NewDomain{Name: "open.com"})
	if err != nil || d.State != identity.DomainPending || d.Token == "" || d.Prefix == "" {
		t.Fatalf("%+v %v", d, err)
	}
	if find("open.com") != "" {
		t.Error("a pending domain leads to its organization")
	}
	if _, err := s.CreateDomain(t.Context(), e.ID, pending.ID, identity.NewDomain{Name: "open.com"}); code(err) != "domain_already_exists" {
		t.Errorf("twice: %v", err)
	}
	from := len(history(t, s, e, 0))
	domains := []identity.NewDomain{{Name: "new.com"}, {Name: "open.com", State: identity.DomainVerified}}
	changed, err := s.UpdateOrganization(t.Context(), e.ID, pending.ID, identity.OrganizationChange{Domains: &domains})
	if err != nil || len(changed.Domains) != 2 || find("open.com") != pending.ID || changed.Domains[0].ID != d.ID {
		t.Fatalf("%+v %v", changed, err)
	}
	if !changed.Updated.After(pending.Updated) {
		t.Error("updated did not grow")
	}
	want := []string{"organization.updated", "organization_domain.updated", "organization_domain.verified", "organization_domain.created"}
	if diff := cmp.Diff(want, history(t, s, e, from)); diff != "" {
		t.Error(diff)
	}
	domains = domains[:1]
	if changed, err = s.UpdateOrganization(t.Context(), e.ID, pending.ID, identity.OrganizationChange{Domains: &domains}); err != nil || len(changed.Domains) != 1 || find("open.com") != "" {
		t.Errorf("%+v %v", changed, err)
	}
	if err := s.DeleteDomain(t.Context(), e.ID, changed.Domains[0].ID); err != nil {
		t.Error(err)
	}
	if _, err := s.Domain(t.Context(), e.ID, changed.Domains[0].ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("deleted: %v", err)
	}
}

func TestOrganizationFields(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	o, err := s.CreateOrganization(t.Context(), e.ID, identity.NewOrganization{Name: "A", ExternalID: "ext", StripeCustomerID: "cus_1", Metadata: map[string]string{"a": "1", "b": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	for want, n := range map[string]identity.NewOrganization{
		"external_id_already_used":        {Name: "B", ExternalID: "ext"},
		"stripe_customer_id_already_used": {Name: "B", StripeCustomerID: "cus_1"},
		"invalid_metadata":                {Name: "B", Metadata: map[string]string{strings.Repeat("k", 41): "v"}},
		"invalid_request_parameters":      {Name: "  "},
	} {
		if _, err := s.CreateOrganization(t.Context(), e.ID, n); code(err) != want {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := s.CreateOrganization(t.Context(), e.ID, identity.NewOrganization{Name: "B", ExternalID: "é"}); code(err) != "invalid_request_parameters" {
		t.Errorf("external id of other letters: %v", err)
	}
	name, none := "AA", ""
	o, err = s.UpdateOrganization(t.Context(), e.ID, o.ID, identity.OrganizationChange{Name: &name, ExternalID: &none, Metadata: map[string]string{"a": "", "c": "3"}})
	if err != nil || o.Name != "AA" || o.ExternalID != "" || !cmp.Equal(o.Metadata, map[string]string{"b": "2", "c": "3"}) {
		t.Errorf("%+v %v", o, err)
	}
	if _, err := s.OrganizationByExternalID(t.Context(), e.ID, "ext"); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("external id given back: %v", err)
	}
	if _, err := s.CreateOrganization(t.Context(), e.ID, identity.NewOrganization{Name: "B", ExternalID: "ext"}); err != nil {
		t.Error(err)
	}
	if got, err := s.OrganizationByExternalID(t.Context(), e.ID, "ext"); err != nil || got.Name != "B" {
		t.Errorf("%+v %v", got, err)
	}
	other, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Organization(t.Context(), other.ID, o.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("through another environment: %v", err)
	}
}

func TestOrganizationList(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	var ids []string
	for i := range 25 {
		o, err := s.CreateOrganization(t.Context(), e.ID, identity.NewOrganization{ID: identity.OrganizationID(fmt.Sprintf("org_%02d", i)), Name: fmt.Sprintf("Company %02d", i),
			Domains: []identity.NewDomain{{Name: fmt.Sprintf("c%d.com", i%5)}}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(o.ID))
	}
	// walk collects a list page by page, there and back.
	walk := func(q identity.OrganizationQuery) []string {
		var there, back []string
		q.Limit, q.Order = 4, identity.OldestFirst
		for {
			l, err := s.Organizations(t.Context(), e.ID, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range l.Data {
				there = append(there, string(o.ID))
			}
			if l.After == "" {
				break
			}
			q.After = l.After
		}
		q.After = ""
		if len(there) > 0 {
			q.Before = there[len(there)-1]
			back = []string{q.Before}
			for q.Before != "" {
				l, err := s.Organizations(t.Context(), e.ID, q)
				if err != nil {
					t.Fatal(err)
				}
				for i := range l.Data {
					back = append(back, string(l.Data[len(l.Data)-1-i].ID))
				}
				q.Before = l.Before
			}
			slices.Reverse(back)
		}
		if !cmp.Equal(there, back) {
			t.Errorf("there %v, back %v", there, back)
		}
		return there
	}
	if got := walk(identity.OrganizationQuery{}); !cmp.Equal(got, ids) {
		t.Errorf("all: %v", got)
	}
	if got := walk(identity.OrganizationQuery{Domains: []string{"C1.com", "c3.com"}}); len(got) != 10 || got[0] != ids[1] || got[1] != ids[3] {
		t.Errorf("by domain: %v", got)
	}
	if got := walk(identity.OrganizationQuery{Search: "company 1"}); len(got) != 10 || got[0] != ids[10] {
		t.Errorf("by name: %v", got)
	}
}

func TestMembershipLife(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	o, u := organization(t, s, e, "Foo", "foo.com"), user(t, s, e, "a@foo.com")
	from := len(history(t, s, e, 0))
	m := join(t, s, e, u.ID, o.ID)
	if m.Status != identity.MembershipActive || !cmp.Equal(m.Roles, []string{"member"}) || m.OrganizationName != "Foo" || m.UserData.ID != u.ID {
		t.Fatalf("%+v", m)
	}
	if _, err := s.AddMembership(t.Context(), e.ID, identity.NewMembership{User: u.ID, Organization: o.ID}); code(err) != "organization_membership_already_exists" {
		t.Errorf("twice: %v", err)
	}
	if _, err := s.UpdateMembership(t.Context(), e.ID, m.ID, identity.MembershipChange{Roles: []string{"nobody"}}); code(err) != "invalid_role" {
		t.Errorf("unknown role: %v", err)
	}
	if m, err := s.UpdateMembership(t.Context(), e.ID, m.ID, identity.MembershipChange{Roles: []string{"member", "admin"}}); err != nil || !cmp.Equal(m.Roles, []string{"admin", "member"}) {
		t.Errorf("two roles: %+v %v", m, err)
	}
	var session *identity.Session
	var browser string
	if err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
		var b *identity.BrowserSession
		if b, browser, err = tx.StartBrowser(e, identity.BrowserSession{User: u.ID, Method: identity.MethodPassword}); err != nil {
			return err
		}
		session, _, err = tx.StartSession(e, identity.NewSession{User: u.ID, Organization: o.ID, Method: identity.MethodPassword, Browser: b.ID})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time is no change
		if m, err := s.SetMembershipActive(t.Context(), e.ID, m.ID, false); err != nil || m.Status != identity.MembershipInactive {
			t.Errorf("%+v %v", m, err)
		}
	}
	if got, err := s.Session(t.Context(), e.ID, session.ID); err != nil || got.Ended.IsZero() {
		t.Errorf("still signed in: %+v %v", got, err)
	}
	if err := s.View(t.Context(), func(tx *identity.Tx) error {
		_, who, err := tx.Browser(e, browser)
		if who == nil || who.ID != u.ID {
			t.Error("signed out on the pages' host, where there may be other organizations")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	lists := func(want int, statuses ...identity.MembershipStatus) {
		t.Helper()
		for _, q := range []identity.MembershipQuery{{User: u.ID}, {Organization: o.ID}, {User: u.ID, Organization: o.ID}} {
			q.Statuses = statuses
			if l, err := s.Members(t.Context(), e.ID, q); err != nil || len(l.Data) != want {
				t.Errorf("%+v: %+v %v", q, l, err)
			}
		}
	}
	lists(0)
	lists(1, identity.MembershipInactive, identity.MembershipActive)
	again := join(t, s, e, u.ID, o.ID, "member")
	if again.ID != m.ID || again.Status != identity.MembershipActive || !cmp.Equal(again.Roles, []string{"member"}) {
		t.Errorf("back: %+v", again)
	}
	lists(1)
	want := []string{"organization_membership.created", "organization_membership.updated", "session.created", "session.revoked", "organization_membership.updated", "organization_membership.updated"}
	if diff := cmp.Diff(want, history(t, s, e, from)); diff != "" {
		t.Error(diff)
	}
	if err := s.RemoveMembership(t.Context(), e.ID, m.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Member(t.Context(), e.ID, m.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("removed: %v", err)
	}
	if _, err := s.Members(t.Context(), e.ID, identity.MembershipQuery{}); code(err) != "missing_user_id_or_organization_id" {
		t.Errorf("of nobody: %v", err)
	}
}

// TestMembershipListMerged pages over several statuses as one list.
func TestMembershipListMerged(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	o := organization(t, s, e, "Foo")
	want := map[identity.MembershipID]bool{}
	for i := range 30 {
		m := join(t, s, e, user(t, s, e, fmt.Sprintf("u%d@foo.com", i)).ID, o.ID)
		if i%3 == 0 {
			if _, err := s.SetMembershipActive(t.Context(), e.ID, m.ID, false); err != nil {
				t.Fatal(err)
			}
		}
		want[m.ID] = true
	}
	for _, order := range []identity.Order{identity.OldestFirst, identity.NewestFirst} {
		q := identity.MembershipQuery{Organization: o.ID, Statuses: []identity.MembershipStatus{"active", "inactive"}, Page: identity.Page{Limit: 7, Order: order}}
		var got []string
		for {
			l, err := s.Members(t.Context(), e.ID, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range l.Data {
				got = append(got, string(m.ID))
			}
			if l.After == "" {
				break
			}
			q.After = l.After
		}
		if order == identity.NewestFirst {
			slices.Reverse(got)
		}
		if len(got) != len(want) || !slices.IsSorted(got) || len(slices.Compact(got)) != len(want) {
			t.Errorf("%s: %d %v", order, len(got), got)
		}
	}
}

func TestRolesOfMember(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	o, u := organization(t, s, e, "Foo"), user(t, s, e, "a@foo.com")
	var slugs, permissions []string
	err := s.Update(t.Context(), func(tx *identity.Tx) error {
		for _, p := range []string{"docs:read", "docs:write", "billing"} {
			if _, err := tx.CreatePermission(e.ID, identity.NewPermission{Slug: p, Name: p}); err != nil {
				return err
			}
		}
		if _, err := tx.UpdateRole(e.ID, "", "member", func(r *identity.Role) { r.Permissions = []string{"docs:read"} }); err != nil {
			return err
		}
		own, err := tx.CreateRole(e.ID, o.ID, identity.NewRole{Name: "Billing Admin!", Permissions: []string{"billing", "docs:read"}})
		if err != nil {
			return err
		}
		if !strings.HasPrefix(own.Slug, "org-billing-admin-") {
			t.Errorf("slug %q", own.Slug)
		}
		m, err := tx.AddMembership(e.ID, identity.NewMembership{User: u.ID, Organization: o.ID})
		if err != nil {
			return err
		}
		g, err := tx.CreateGroup(e.ID, o.ID, "Team", "")
		if err != nil {
			return err
		}
		if _, err := tx.AddGroupMember(e.ID, o.ID, g.ID, m.ID); err != nil {
			return err
		}
		if err := tx.SetGroupRoles(e.ID, g.ID, []string{own.Slug, "member"}); err != nil {
			return err
		}
		if err := tx.DeleteRole(e.ID, o.ID, own.Slug); code(err) != "role_has_group_role_mappings" {
			t.Errorf("delete role of a group: %v", err)
		}
		slugs, permissions, err = tx.RolesOf(m)
		if err == nil && (len(slugs) != 2 || slugs[0] != "member" || slugs[1] != own.Slug) {
			t.Errorf("slugs %v", slugs)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"billing", "docs:read"}, permissions); diff != "" {
		t.Error(diff)
	}
	if err := s.Update(t.Context(), func(tx *identity.Tx) error { return tx.DeletePermission(e.ID, "docs:read") }); err != nil {
		t.Fatal(err)
	}
	_ = s.View(t.Context(), func(tx *identity.Tx) error {
		m, _ := tx.Membership(e.ID, u.ID, o.ID)
		if _, permissions, _ = tx.RolesOf(m); !cmp.Equal(permissions, []string{"billing"}) {
			t.Errorf("after the permission's end: %v", permissions)
		}
		return nil
	})
	for want, try := range map[string]func(*identity.Tx) error{
		"environment_role": func(tx *identity.Tx) error {
			_, err := tx.UpdateRole(e.ID, o.ID, "member", func(*identity.Role) {})
			return err
		},
		"role_slug_conflict": func(tx *identity.Tx) error {
			_, err := tx.CreateRole(e.ID, "", identity.NewRole{Slug: "admin", Name: "x"})
			return err
		},
		"permission_slug_conflict": func(tx *identity.Tx) error {
			_, err := tx.CreatePermission(e.ID, identity.NewPermission{Slug: "billing", Name: "x"})
			return err
		},
		"role_has_assignments": func(tx *identity.Tx) error { return tx.DeleteRole(e.ID, "", "member") },
		"sub_resource_scoped_role_not_allowed": func(tx *identity.Tx) error {
			if _, err := tx.CreateRole(e.ID, "", identity.NewRole{Slug: "viewer", Name: "Viewer", ResourceType: "project"}); err != nil {
				return err
			}
			_, err := tx.AddMembership(e.ID, identity.NewMembership{User: u.ID, Organization: organizationIn(tx, e).ID, Roles: []string{"viewer"}})
			return err
		},
		"entity_not_found": func(tx *identity.Tx) error {
			_, err := tx.UpdateRole(e.ID, "", "admin", func(r *identity.Role) { r.Permissions = []string{"nothing"} })
			return err
		},
	} {
		if err := s.Update(t.Context(), try); code(err) != want {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// organizationIn makes an organization within a transaction.
func organizationIn(tx *identity.Tx, e *identity.Environment) *identity.Organization {
	o, err := tx.CreateOrganization(e.ID, identity.NewOrganization{Name: "Bar"})
	if err != nil {
		panic(err)
	}
	return o
}

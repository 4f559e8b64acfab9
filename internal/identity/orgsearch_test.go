package identity_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/identity"
)

// found is what a search finds, page by page.
func found(t *testing.T, s *identity.Service, e *identity.Environment, search string) (names []string) {
	t.Helper()
	q := identity.OrganizationQuery{Search: search, Page: identity.Page{Limit: 100, Order: identity.OldestFirst}}
	for {
		l, err := s.Organizations(t.Context(), e.ID, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range l.Data {
			names = append(names, o.Name)
		}
		if q.After = l.After; q.After == "" {
			return names
		}
	}
}

func TestOrganizationSearch(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	other, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	organization(t, s, other, "Foo Elsewhere")
	foo := organization(t, s, e, "Foo & Söhne GmbH", "foo-corp.com")
	bar := organization(t, s, e, "Bar Foods")
	for search, want := range map[string][]string{
		"FOO": {"Foo & Söhne GmbH", "Bar Foods"}, "foo corp": {"Foo & Söhne GmbH"}, "söh": {"Foo & Söhne GmbH"}, "foo-corp.com": {"Foo & Söhne GmbH"},
		"foods bar": {"Bar Foods"}, "oo": nil, "foo x": nil, "&": nil, "elsewhere": nil,
	} {
		if diff := cmp.Diff(want, found(t, s, e, search)); diff != "" {
			t.Errorf("%s: %s", search, diff)
		}
	}
	name, domains := "Quux", []identity.NewDomain{{Name: "quux.com"}}
	if _, err := s.UpdateOrganization(t.Context(), e.ID, foo.ID, identity.OrganizationChange{Name: &name, Domains: &domains}); err != nil {
		t.Fatal(err)
	}
	if got := append(found(t, s, e, "corp"), found(t, s, e, "quux.com")...); !cmp.Equal(got, []string{"Quux"}) {
		t.Errorf("renamed: %v", got)
	}
	if err := s.DeleteOrganization(t.Context(), e.ID, bar.ID); err != nil {
		t.Fatal(err)
	}
	if got := found(t, s, e, "foo"); got != nil {
		t.Errorf("deleted: %v", got)
	}
	// So many that they are not put in order beforehand.
	for i := 0; i < 2100; i += 300 {
		if err := s.Update(t.Context(), func(tx *identity.Tx) error {
			for n := i; n < i+300; n++ {
				if _, err := tx.CreateOrganization(e.ID, identity.NewOrganization{Name: fmt.Sprintf("Common %d %d", n%7, n)}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := found(t, s, e, "common"); len(got) != 2100 || got[0] != "Common 0 0" || got[2099] != "Common 6 2099" {
		t.Errorf("%d of 2100", len(got))
	}
	if got := found(t, s, e, "common 2099"); !cmp.Equal(got, []string{"Common 6 2099"}) {
		t.Errorf("%v", got)
	}
}

package identity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// TestOpenOlderStore opens a house whose store was written before there were
// organizations.
func TestOpenOlderStore(t *testing.T) {
	t.Parallel()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// What an environment, a user and a session of then looked like.
	if err := db.EnsureTables(t.Context(), []database.TableDef{
		{Name: "environments", Indexes: []database.IndexDef{{Name: "on_id", Fields: []string{"id"}}, {Name: "on_client", Fields: []string{"client_id"}}}},
		{Name: "users", Indexes: []database.IndexDef{{Name: "on_environment", Fields: []string{"environment", "id"}}, {Name: "on_email", Fields: []string{"environment", "email_key"}}, {Name: "on_external_id", Fields: []string{"environment", "external_id"}}}},
		{Name: "sessions", Indexes: []database.IndexDef{{Name: "on_id", Fields: []string{"id"}}, {Name: "on_user", Fields: []string{"user", "id"}}, {Name: "on_forget", Fields: []string{"forget"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, old := range []struct {
		table string
		row   identity.Row
	}{
		{"environments", identity.Row{identity.Text("id", "environment_old"), identity.Text("client_id", "client_old"), identity.Text("name", "old"), identity.Text("kind", "development")}},
		{"users", identity.Row{identity.Text("id", "user_old"), identity.Text("environment", "environment_old"), identity.Text("email", "o@foo.com"), identity.Text("email_key", "o@foo.com"), identity.Number("created", 1.0), identity.Number("updated", 1.0)}},
		{"sessions", identity.Row{identity.Text("id", "session_old"), identity.Text("environment", "environment_old"), identity.Text("user", "user_old"), identity.Text("organization", ""), identity.Number("expires", 9e12)}},
	} {
		if _, err := db.Update(t.Context(), func(tx *database.Tx) error {
			_, err := tx.Insert(t.Context(), old.table, old.row.Object())
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time changes nothing
		s := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		var roles []identity.Role
		if err := s.View(t.Context(), func(tx *identity.Tx) (err error) {
			roles, err = tx.Roles("environment_old", "")
			return err
		}); err != nil || len(roles) != 2 || roles[0].Slug != "admin" || roles[1].Slug != "member" {
			t.Fatalf("%+v %v", roles, err)
		}
	}
	s := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	e, err := s.Environment(t.Context(), "environment_old")
	if err != nil {
		t.Fatal(err)
	}
	o := organization(t, s, e, "Foo")
	if m := join(t, s, e, "user_old", o.ID); !cmp.Equal(m.Roles, []string{"member"}) {
		t.Errorf("%+v", m)
	}
	if err := s.DeleteUser(t.Context(), e.ID, "user_old"); err != nil {
		t.Error(err)
	}
}

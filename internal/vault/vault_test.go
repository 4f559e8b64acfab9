package vault_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
	"github.com/lentil-dev/lentil/internal/vault"
)

// open makes a vault over the in-memory store and an environment for it.
func open(t *testing.T) (*vault.Service, *identity.Environment) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; db.Close() })
	id := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("a master key of thirty-two bytes"))}
	if err := id.Open(ctx); err != nil {
		t.Fatal(err)
	}
	s := &vault.Service{Identity: id}
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	e, err := id.CreateEnvironment(ctx, identity.NewEnvironment{Name: "soup"})
	if err != nil {
		t.Fatal(err)
	}
	return s, e
}

var robot = vault.Actor{ID: "api_key_1", Name: "robot"}

// rows calls f for every row of a table of the house.
func rows(t *testing.T, s *vault.Service, table string, f func(identity.Found)) {
	t.Helper()
	err := s.Identity.View(t.Context(), func(tx *identity.Tx) error {
		return tx.Each(table, "by_creation_time", database.Interval{}, database.Asc, func(r identity.Found) (bool, error) {
			f(r)
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsStoredInTheClear(t *testing.T) {
	t.Parallel()
	s, e := open(t)
	const secret = "the recipe of the soup"
	if _, err := s.Create(t.Context(), e.ID, "recipe", vault.Context{"org": "org_1"}, secret, robot); err != nil {
		t.Fatal(err)
	}
	d, err := s.CreateDataKey(t.Context(), e.ID, vault.Context{"org": "org_1"}, robot)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, table := range []string{"vault_keys", "vault_objects", "vault_versions", "vault_values", "events"} {
		rows(t, s, table, func(f identity.Found) {
			n++
			text := value.JSON(f.Fields)
			if bytes.Contains(text, []byte(secret)) || strings.Contains(string(text), d.Key) || bytes.Contains(f.Bytes("value"), []byte("recipe of")) {
				t.Errorf("a row of %s shows a secret: %s", table, text)
			}
		})
	}
	if n < 7 {
		t.Errorf("looked at %d rows only", n)
	}
}

func TestValuesOfRowsCannotBeExchanged(t *testing.T) {
	t.Parallel()
	s, e := open(t)
	a, err := s.Create(t.Context(), e.ID, "a", nil, "value of a", robot)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), e.ID, "b", nil, "value of b", robot); err != nil {
		t.Fatal(err)
	}
	var values []identity.Found
	rows(t, s, "vault_values", func(f identity.Found) { values = append(values, f) })
	err = s.Identity.Update(t.Context(), func(tx *identity.Tx) error {
		from := values[1]
		return tx.Patch(&values[0], identity.Row{identity.Bytes("value", from.Bytes("value")), identity.Bytes("data_key", from.Bytes("data_key"))})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := s.Read(t.Context(), e.ID, a.ID, robot); err == nil {
		t.Errorf("object a reads as %q", got)
	}
}

func TestContextsHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	s, e := open(t)
	keys := map[string]string{}
	for _, c := range []vault.Context{{"org": "1", "user": "2"}, {"user": "2", "org": "1"}, {"org": "2"}, {}, nil} {
		o, err := s.Create(t.Context(), e.ID, identity.NewULID(), c, "v", robot)
		if err != nil {
			t.Fatal(err)
		}
		keys[o.KeyID] = ""
	}
	if len(keys) != 3 {
		t.Errorf("%d keys for three contexts", len(keys))
	}
}

func TestOldVersionsGo(t *testing.T) {
	t.Parallel()
	s, e := open(t)
	o, err := s.Create(t.Context(), e.ID, "busy", nil, "0", robot)
	if err != nil {
		t.Fatal(err)
	}
	for range 105 {
		if _, err := s.Write(t.Context(), e.ID, o.ID, "again", "", robot); err != nil {
			t.Fatal(err)
		}
	}
	list, present, err := s.Versions(t.Context(), e.ID, o.ID, robot)
	if err != nil || len(list) != 100 || list[0].ID != present {
		t.Errorf("%d versions, %v", len(list), err)
	}
	n := 0
	rows(t, s, "vault_values", func(identity.Found) { n++ })
	if n != 100 {
		t.Errorf("%d values are kept", n)
	}
	if _, err := s.Delete(t.Context(), e.ID, o.ID, present, robot); err != nil {
		t.Fatal(err)
	}
	rows(t, s, "vault_values", func(identity.Found) { t.Error("a value outlived its object") })
}

// FuzzDecryptDataKey: whatever is sent as encrypted keys is refused, not crashed on.
func FuzzDecryptDataKey(f *testing.F) {
	f.Add("")
	f.Add("eyJ2IjoxLCJrIjoieCIsImQiOiJ5IiwicyI6IiJ9")
	f.Fuzz(func(t *testing.T, keys string) {
		s, e := open(t)
		if _, err := s.DecryptDataKey(t.Context(), e.ID, keys, robot); err == nil {
			t.Errorf("%q opened", keys)
		}
	})
}

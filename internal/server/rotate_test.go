package server_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/server"
	"github.com/lentil-dev/lentil/internal/value"
)

// sealedStrings are all sealed strings in the house of a directory, by their
// version and key id.
func sealedStrings(t *testing.T, dir string) map[string]int {
	t.Helper()
	store, err := pebblestore.Open(filepath.Join(dir, "house"), pebblestore.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Options{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found := map[string]int{}
	err = db.View(t.Context(), func(tx *database.Tx) error {
		for _, table := range tx.Tables() {
			c := tx.Scan(table.Name, database.ByCreationTime, database.Interval{}, database.Asc)
			for {
				d, err := c.Next(t.Context())
				if err != nil {
					return err
				}
				if d == nil {
					break
				}
				for name, v := range d.Object().All() {
					s, ok := v.(value.String)
					if b, err := base64.RawURLEncoding.DecodeString(string(s)); ok && err == nil && len(b) > 22 && b[0] == 2 && strings.Contains(string(b), " ") {
						found[string(b[1:5])]++
						_ = name
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRotateSealsEverythingAnewAndSignsNobodyOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here := func(c *server.Config) { c.Data = dir }
	s, stop := start(t, here)
	before := s.Addresses()
	// Every deployment is covered: its row is sealed in the house's store, and what its
	// own store seals is under a key that follows from the root.
	prod := create(t, s, platform.NewDeployment{Kind: platform.Prod, Default: true})
	env, err := s.Platform().ProvisionEnvironment(t.Context(), prod.Name)
	if err != nil {
		t.Fatal(err)
	}
	asAdmin := admin(t, s, prod.Name)
	stillProd := func() {
		t.Helper()
		// After a restart it may answer elsewhere, if another program has taken its ports.
		url, _, err := s.Platform().Fleet.Addresses(t.Context(), prod.Name)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := fetch(t, "GET", url+"/api/v1/list_environment_variables", "", asAdmin); status != 200 || !strings.Contains(body, env.APIKey) {
			t.Errorf("the other deployment: %d %s", status, body)
		}
		if row, err := s.Platform().Deployment(t.Context(), prod.Name); err != nil || row.APIKey != env.APIKey {
			t.Errorf("its row: %+v, %v", row, err)
		}
	}
	stillProd()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	sealed := sealedStrings(t, dir)
	if len(sealed) != 1 {
		t.Fatalf("sealed by %d keys before", len(sealed))
	}
	keys, err := server.Keys(dir, nil)
	if err != nil || len(keys) != 2 || !keys[0].Seals || keys[1].ID != "root" {
		t.Fatalf("keys %+v, %v", keys, err)
	}
	files := map[string][]byte{}
	for _, name := range []string{"secret.key", "keyring"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := server.Rotation{Data: dir}.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := sealedStrings(t, dir)
	n := 0
	for id, m := range after {
		if sealed[id] != 0 {
			t.Error("something is still sealed by the old key")
		}
		n += m
	}
	if len(after) != 1 || n == 0 || out.Sealed == 0 || len(out.Keys) != 2 || out.Keys[0].ID == keys[0].ID {
		t.Errorf("rotated %+v, sealed by %d keys", out, len(after))
	}
	for name, b := range files {
		if now, err := os.ReadFile(filepath.Join(dir, name)); err != nil || bytes.Equal(now, b) {
			t.Errorf("%s was not renewed (%v)", name, err)
		}
	}
	s, stop = start(t, here)
	if got := s.Addresses(); got.APIKey != before.APIKey || got.AdminKey != before.AdminKey || got.ClientID != before.ClientID {
		t.Errorf("after the rotation %+v, before %+v", got, before)
	}
	stillProd()
	if _, err := (server.Rotation{Data: dir}).Rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "already open") {
		t.Errorf("rotating a house that runs: %v", err)
	}
	stop()
}

func TestRotateTheMasterKeyAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, stop := start(t, func(c *server.Config) { c.Data = dir }); stop() != nil {
		t.Fatal("the house does not stop")
	}
	one := bytes.Repeat([]byte{1}, 32)
	out, err := server.Rotation{Data: dir, MasterKeys: [][]byte{one}, MasterOnly: true}.Rotate(t.Context())
	if err != nil || out.Sealed != 0 || len(out.Keys) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "secret.key")); err == nil {
		t.Error("the key inside is still there")
	}
	if _, err := server.Keys(dir, nil); err == nil {
		t.Error("the ring opens without the master key")
	}
	if keys, err := server.Keys(dir, [][]byte{one}); err != nil || len(keys) != 2 {
		t.Errorf("%+v, %v", keys, err)
	}
}

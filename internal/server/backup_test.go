package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/server"
)

// askForBackup asks a house as lentil backup does; the answer is its last line.
func askForBackup(t *testing.T, s *server.Server, dir, to string) server.BackupAnswer {
	t.Helper()
	token, err := server.HouseToken(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, body := fetch(t, "POST", s.Addresses().LocalControlURL+server.BackupPath, fmt.Sprintf(`{"to":%q}`, to), map[string]string{"Authorization": "Bearer " + token})
	lines := strings.Split(strings.TrimSpace(body), "\n")
	var last server.BackupAnswer
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	return last
}

// colour sets a variable of a deployment, or tells which one there is.
func colour(t *testing.T, s *server.Server, name, url, to string) string {
	t.Helper()
	if to != "" {
		status, body := fetch(t, "POST", url+"/api/v1/update_environment_variables", fmt.Sprintf(`{"changes":[{"name":"COLOUR","value":%q}]}`, to), admin(t, s, name))
		if status != http.StatusOK {
			t.Fatalf("set: %d %s", status, body)
		}
		return to
	}
	status, body := fetch(t, "GET", url+"/api/v1/list_environment_variables", "", admin(t, s, name))
	var list struct{ EnvironmentVariables map[string]string }
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK {
		t.Fatalf("list: %d %s", status, body)
	}
	return list.EnvironmentVariables["COLOUR"]
}

// TestBackupOfAFleet backs a house up whose deployments open and close, and restores
// all of them at one moment.
func TestBackupOfAFleet(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir, place := filepath.Join(root, "data"), filepath.Join(root, "backup")
	in := func(c *server.Config) {
		c.Data, c.DeploymentIdle = dir, 100*time.Millisecond
		c.Backup = server.Backup{To: place, Every: 20 * time.Millisecond}
	}
	s, stop := start(t, in)
	a := s.Addresses()
	prod := create(t, s, platform.NewDeployment{Kind: platform.Prod, Default: true})
	never := create(t, s, platform.NewDeployment{Kind: platform.Preview, Reference: "never-opened"})
	url, _, err := s.Platform().Fleet.Addresses(t.Context(), prod.Name)
	if err != nil {
		t.Fatal(err)
	}
	if got := askForBackup(t, s, dir, place); got.Done == nil {
		t.Fatalf("%+v", got)
	}
	colour(t, s, prod.Name, url, "blue")
	colour(t, s, a.Deployment, a.URL, "blue")
	moment := time.Now()
	// What happened is in the backup before it closes; else the next one would have to open it again.
	if got := askForBackup(t, s, dir, place); got.Done == nil || got.Done.Through.Before(moment) {
		t.Fatalf("%+v", got)
	}
	// It closes by itself, though it is backed up all the time, and stays closed.
	await(t, "closed", func() bool { return !isOpen(s, prod.Name) })
	if got := askForBackup(t, s, dir, place); got.Done == nil || got.Done.Through.Before(moment) {
		t.Fatalf("%+v", got)
	}
	if isOpen(s, prod.Name) {
		t.Error("a backup opened a deployment in which nothing had happened")
	}
	colour(t, s, prod.Name, url, "red")
	colour(t, s, a.Deployment, a.URL, "red")
	other := filepath.Join(root, "other")
	if got := askForBackup(t, s, dir, other); got.Done == nil || !got.Done.First || got.Done.Base.Stores != 3 {
		t.Errorf("to another place: %+v", got)
	}
	if got := askForBackup(t, s, dir, filepath.Join(dir, "lock", "x")); !strings.Contains(got.Error, "not a directory") {
		t.Errorf("to a place that cannot be: %+v", got)
	}
	if st := s.Status(); st.Backup == nil || st.Backup.Through.Before(moment) || !st.Backup.Failing.IsZero() {
		t.Errorf("status: %+v", st.Backup)
	}
	for _, key := range []string{"", "Bearer " + a.AdminKey, "Convex " + a.AdminKey, "Bearer " + a.APIKey} {
		status, body := fetch(t, "POST", a.LocalControlURL+server.BackupPath, `{"to":"/tmp"}`, map[string]string{"Authorization": key})
		if status != http.StatusUnauthorized {
			t.Errorf("with %.20q: %d %s", key, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(root, "secret.key")
	b, err := os.ReadFile(filepath.Join(dir, server.SecretFile))
	if err == nil {
		err = os.WriteFile(secret, b, 0o600)
	}
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from, colour string
		at           time.Time
	}{{place, "blue", moment}, {place, "red", time.Time{}}, {other, "red", time.Time{}}} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		r := server.Restoration{From: tt.from, To: dir, At: tt.at, SecretFile: secret, Getenv: func(string) string { return "" }}
		h, err := r.Restore(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Deployments) != 2 {
			t.Errorf("restored %+v", h)
		}
		s, stop := start(t, func(c *server.Config) { in(c); c.Backup = server.Backup{} })
		url, _, err := s.Platform().Fleet.Addresses(t.Context(), prod.Name)
		if err != nil {
			t.Fatal(err)
		}
		if one, two := colour(t, s, a.Deployment, s.Addresses().URL, ""), colour(t, s, prod.Name, url, ""); one != tt.colour || two != tt.colour {
			t.Errorf("from %s at %v: %s and %s, want %s", tt.from, tt.at, one, two, tt.colour)
		}
		if _, err := s.Platform().Deployment(t.Context(), never.Name); err != nil {
			t.Errorf("the one that was never opened: %v", err)
		}
		if got := s.Addresses(); got.AdminKey != a.AdminKey || got.APIKey != a.APIKey || got.ClientID != a.ClientID {
			t.Error("keys changed")
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupOfAHouseWithABrokenStore backs all the others up, says which one it is, and has
// it as soon as it can be opened.
func TestBackupOfAHouseWithABrokenStore(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir, place, other := filepath.Join(root, "data"), filepath.Join(root, "backup"), filepath.Join(root, "other")
	s, stop := start(t, func(c *server.Config) { c.Data = dir })
	prod := create(t, s, platform.NewDeployment{Kind: platform.Prod, Default: true})
	url, _, err := s.Platform().Fleet.Addresses(t.Context(), prod.Name)
	if err != nil {
		t.Fatal(err)
	}
	colour(t, s, prod.Name, url, "blue")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	whole := map[string][]byte{}
	manifests, err := filepath.Glob(filepath.Join(dir, "deployments", prod.Name, "store", "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatal(manifests, err)
	}
	for _, m := range manifests {
		if whole[m], err = os.ReadFile(m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(m, []byte("not a manifest"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(c *server.Config) {
		c.Data, c.Backup = dir, server.Backup{To: place, Every: 20 * time.Millisecond}
	}
	s, stop = start(t, in)
	a := s.Addresses()
	restored := filepath.Join(root, "restored")
	restore := func(from string) *server.RestoredHouse {
		t.Helper()
		r := server.Restoration{From: from, To: restored, SecretFile: filepath.Join(dir, server.SecretFile), Getenv: func(string) string { return "" }}
		h, err := r.Restore(t.Context())
		if err == nil {
			err = os.RemoveAll(restored)
		}
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, to := range []string{place, other} {
		if got := askForBackup(t, s, dir, to); !strings.Contains(got.Error, "all but this is backed up: ") || !strings.Contains(got.Error, prod.Name) {
			t.Errorf("%+v", got)
		}
		if h := restore(to); len(h.Deployments) != 1 || h.Deployments[0].Name != a.Deployment || !slices.Equal(h.Without, []string{prod.Name}) {
			t.Errorf("restored %+v", h)
		}
	}
	await(t, "told", func() bool {
		b := s.Status().Backup
		return !b.Failing.IsZero() && !b.Through.IsZero() && strings.Contains(b.Problem, prod.Name)
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for m, b := range whole {
		if err := os.WriteFile(m, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, stop = start(t, in)
	for _, to := range []string{place, other} {
		if got := askForBackup(t, s, dir, to); got.Done == nil || got.Done.Base != nil {
			t.Errorf("%+v", got)
		}
		if h := restore(to); len(h.Deployments) != 2 || len(h.Without) > 0 {
			t.Errorf("restored %+v", h)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestBackupSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		backup server.Backup
		memory bool
		says   string
	}{
		{server.Backup{To: "s3://"}, false, "s3://bucket/prefix"},
		{server.Backup{To: "x", Keep: "forever"}, false, "7d,30d,12w"},
		{server.Backup{To: "x"}, true, "in memory"},
	} {
		cfg := server.Config{Backup: tt.backup, Log: slog.New(slog.DiscardHandler), Port: server.Port{Fixed: true}, SitePort: server.Port{Fixed: true}, AuthKitPort: server.Port{Fixed: true}, ControlPort: server.Port{Fixed: true}, Workers: 1}
		if cfg.Backup.To == "x" {
			cfg.Backup.To = t.TempDir()
		}
		if !tt.memory {
			cfg.Data = t.TempDir()
		}
		s, err := server.Open(t.Context(), cfg)
		if err == nil || s != nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.backup, err)
		}
	}
}

// TestWhatABackupTakesForClosedCommitsAfterIt: a segment that ends at a moment has copied
// all up to there of what it found closed, so that whatever opens must commit later, also
// by a clock that was set back; and what is being opened may have committed already.
func TestWhatABackupTakesForClosedCommitsAfterIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data, c.DeploymentIdle = dir, 50*time.Millisecond })
	d := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	within(t, s, d.Name, func(context.Context, *database.DB) {})
	await(t, "closed", func() bool { return !isOpen(s, d.Name) })
	stand := func(after persistence.Timestamp) archive.Store {
		t.Helper()
		list, err := s.Stores(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(st archive.Store) bool { return st.Name == "deployments/"+d.Name })
		if i < 0 {
			t.Fatal("it has no store")
		}
		return list[i]
	}
	ahead := persistence.Timestamp(time.Now().Add(time.Hour).UnixNano()) // as of before the clock was set back
	closed := stand(ahead)
	if closed.Open || closed.Newest == 0 {
		t.Fatalf("closed: %+v", closed)
	}
	s.Opening(d.Name, func() {
		if now := stand(0); !now.Open || now.Newest != 0 || now.Opened == closed.Opened {
			t.Errorf("while it is opened: %+v, before: %+v", now, closed)
		}
	})
	schedule(t, s, d.Name, time.Hour)
	within(t, s, d.Name, func(_ context.Context, db *database.DB) {
		if db.Latest() <= ahead {
			t.Errorf("committed at %v, when all up to %v was taken for copied", db.Latest().Time(), ahead.Time())
		}
	})
}

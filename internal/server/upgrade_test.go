package server_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/server"
)

// unpack lays out a data directory from testdata.
func unpack(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(at, 0o700)
		} else {
			var content []byte
			if content, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(at, content, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDirectoryOfTheVersionBeforeOpens takes over a data directory that the version
// before formats had numbers has written: a project with a push, documents, a user.
func TestDirectoryOfTheVersionBeforeOpens(t *testing.T) {
	t.Parallel()
	dir := unpack(t, "format-1.tar.gz")
	var expected struct{ Deployment, AdminKey, ClientID, APIKey, User string }
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is a directory of this version
		s, stop := start(t, func(c *server.Config) { c.Data = dir })
		a := s.Addresses()
		if a.Deployment != expected.Deployment || a.AdminKey != expected.AdminKey || a.ClientID != expected.ClientID || a.APIKey != expected.APIKey {
			t.Errorf("%+v\nwant %+v", a, expected)
		}
		asServer := map[string]string{"Authorization": "Bearer " + expected.APIKey, "Content-Type": "application/json"}
		code, body := fetch(t, http.MethodPost, a.AuthKitURL+"/user_management/authenticate",
			fmt.Sprintf(`{"grant_type":"password","client_id":%q,"client_secret":%q,"email":"ada@example.com","password":"correct horse battery staple"}`, expected.ClientID, expected.APIKey), asServer)
		if code != 200 || !strings.Contains(body, expected.User) {
			t.Errorf("sign-in: %d %s", code, body)
		}
		code, body = fetch(t, http.MethodPost, a.URL+"/api/query", `{"path":"bank:balance","args":{"name":"account-1"},"format":"json"}`,
			map[string]string{"Authorization": "Convex " + expected.AdminKey, "Content-Type": "application/json"})
		if code != 200 || !strings.Contains(body, `"balance":5`) && !strings.Contains(body, `"value":5`) {
			t.Errorf("query: %d %s", code, body)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "format")); err != nil || string(b) != "2\n" {
			t.Errorf("format: %q, %v", b, err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Open(t.Context(), server.Config{Data: dir, Log: quiet()}); err == nil || !strings.Contains(err.Error(), "was written by a newer version of Lentil; start that version, its data is untouched") {
		t.Errorf("err = %v", err)
	}
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

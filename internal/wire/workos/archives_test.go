package workos_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/transfer"
)

// export takes an archive.
func (h *house) export(query string) []byte {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), "GET", "/_lentil/v1/export"+query, nil)
	r.Header.Set("Authorization", "Bearer "+h.key)
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	if w.Code != 200 {
		h.t.Fatalf("export: %d %s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// restore sends an archive.
func (h *house) restore(archive []byte, query string) (int, map[string]any) {
	h.t.Helper()
	res := h.deliver("/_lentil/v1/imports/archive"+query, string(archive), "Authorization", "Bearer "+h.key)
	var m map[string]any
	check(h.t, json.NewDecoder(res.Body).Decode(&m))
	return res.StatusCode, m
}

// moves are what two houses must show alike.
var moves = []string{"/user_management/users?limit=100", "/organizations?limit=100", "/authorization/roles", "/authorization/permissions?limit=100",
	"/user_management/invitations?limit=100", "/user_management/redirect_uris", "/user_management/cors_origins", "/connections?limit=100", "/directories?limit=100",
	"/feature-flags?limit=100", "/webhook_endpoints?limit=100", "/connect/applications?limit=100", "/events?events=user.created&limit=100",
	"/user_management/organization_memberships?user_id=user_01PINNEDADA", "/_lentil/v1/settings", "/_lentil/v1/branding"}

// TestMoveBetweenHouses takes everything out of one house and into another, which then
// shows the same and lets the same people in.
func TestMoveBetweenHouses(t *testing.T) {
	t.Parallel()
	from, to := open(t), open(t)
	from.want(200, from.key, "POST", "/_lentil/v1/seed", seedFile)
	from.want(200, from.key, "PATCH", "/_lentil/v1/settings", `{"mfa_policy":"optional","default_role":"member"}`)
	from.ask("", "DELETE", "/_emulate/hooks", "")
	var secret string
	var user *identity.User
	check(t, from.identity.Update(t.Context(), func(tx *identity.Tx) (err error) {
		if user, err = tx.CreateUser(from.env.ID, identity.NewUser{Email: "move@example.com", EmailVerified: true,
			PasswordHash: "$2b$04$" + "cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm"}); err != nil {
			return err
		}
		_, secret, err = tx.EnrollFactor(from.env.ID, identity.NewFactor{User: user.ID, Type: identity.FactorTOTP})
		return err
	}))
	archive := from.export("?secrets=true")
	status, m := to.restore(archive, "")
	if status != 200 {
		t.Fatalf("%d %v", status, m)
	}
	for _, path := range append(moves, "/user_management/users/"+string(user.ID)+"/auth_factors") {
		a, b := from.want(200, from.key, "GET", path, ""), to.want(200, to.key, "GET", path, "")
		for _, m := range []map[string]any{a, b} {
			delete(m, "client_id") // of settings
			delete(m, "environment_id")
			delete(m, "updated_at")
		}
		if x, y := strings.ReplaceAll(fmt.Sprint(a), from.url, ""), strings.ReplaceAll(fmt.Sprint(b), to.url, ""); x != y {
			t.Errorf("%s:\n%s\n%s", path, x, y)
		}
		if l, ok := a["data"].([]any); ok && len(l) == 0 && !strings.HasPrefix(path, "/directories") {
			t.Errorf("%s is empty: nothing was compared", path)
		}
	}
	if status, g := to.ask("", "POST", "/user_management/authenticate", `{"grant_type":"password","email":"ada@acme.example","password":"test123","client_id":"`+string(to.env.ClientID)+`","client_secret":"`+to.key+`"}`); status != 200 || g["user"].(map[string]any)["id"] != "user_01PINNEDADA" {
		t.Errorf("signing in: %d %v", status, g)
	}
	check(t, to.identity.Update(t.Context(), func(tx *identity.Tx) error {
		ok, err := tx.VerifyAnyFactor(to.env.ID, user.ID, identity.TOTPCode(secret, time.Now()))
		if err == nil && !ok {
			t.Error("the factor's secret did not move")
		}
		hash, err2 := tx.Password(user.ID)
		if err2 == nil && !strings.HasPrefix(hash, "$2b$04$") {
			t.Errorf("hash %q", hash)
		}
		return err
	}))
	if status, m := to.restore(archive, ""); status != 409 || m["code"] != "environment_not_empty" {
		t.Errorf("again: %d %v", status, m)
	}
	if status, m := to.restore(archive, "?resume=true"); status != 200 || m["kept"].(map[string]any)["users"] == nil {
		t.Errorf("resumed: %d %v", status, m)
	}
	if status, m := from.restore(archive, "?resume=true"); status != 200 {
		t.Errorf("into itself: %d %v", status, m)
	}
	other := to.want(201, to.key, "POST", "/_lentil/v1/environments", `{"name":"other"}`)
	to.key = fmt.Sprint(other["api_key"])
	if status, m := to.restore(archive, ""); status != 400 || !strings.Contains(fmt.Sprint(m["message"]), "another environment") {
		t.Errorf("beside itself: %d %v", status, m)
	}
}

// TestArchiveWithoutSecretsHasNone looks for them.
func TestArchiveWithoutSecretsHasNone(t *testing.T) {
	t.Parallel()
	from, to := open(t), open(t)
	from.want(200, from.key, "POST", "/_lentil/v1/seed", seedFile)
	archive := from.export("")
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	check(t, err)
	for _, f := range z.File {
		r, err := f.Open()
		check(t, err)
		b, err := io.ReadAll(r)
		check(t, err)
		for _, bad := range []string{"$argon2", `"hash":`, `"purpose"`, `"token_hash"`} {
			if bytes.Contains(b, []byte(bad)) {
				t.Errorf("%s holds %s: %.300s", f.Name, bad, b)
			}
		}
	}
	status, m := to.restore(archive, "")
	left, _ := m["left_out"].(map[string]any)
	if status != 200 || left["passwords"] == nil || left["webhook_endpoints"] == nil {
		t.Errorf("%d %v", status, m)
	}
	if l := from.want(200, from.key, "GET", "/user_management/users", ""); fmt.Sprint(l) != fmt.Sprint(to.want(200, to.key, "GET", "/user_management/users", "")) {
		t.Error("users differ")
	}
	// Users alone go through the other door.
	third := open(t)
	third.want(201, third.key, "POST", "/authorization/roles", `{"slug":"editor","name":"Editor"}`)
	csv := from.export("/users?format=csv&secrets=true")
	res := third.deliver("/_lentil/v1/imports", string(csv), "Authorization", "Bearer "+third.key)
	check(t, json.NewDecoder(res.Body).Decode(&m))
	if m["created"] != 2.0 || m["passwords"] == 0.0 || m["failed"] != 0.0 {
		t.Errorf("%v", m)
	}
}

// TestArchiveDamaged changes an archive everywhere.
func TestArchiveDamaged(t *testing.T) {
	t.Parallel()
	from, to := open(t), open(t)
	from.want(200, from.key, "POST", "/_lentil/v1/seed", seedFile)
	archive := from.export("?secrets=true")
	for _, b := range [][]byte{nil, []byte("no"), archive[:len(archive)/2], archive[:len(archive)-30]} {
		if status, m := to.restore(b, ""); status != 400 || m["code"] != "invalid_archive" {
			t.Errorf("%d bytes: %d %v", len(b), status, m)
		}
	}
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	check(t, err)
	// again writes the archive with one file changed.
	again := func(name string, change func([]byte) []byte) []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for _, f := range z.File {
			r, err := f.Open()
			check(t, err)
			b, err := io.ReadAll(r)
			check(t, err)
			if f.Name == name {
				if b = change(b); b == nil {
					continue
				}
			}
			o, err := w.Create(f.Name)
			check(t, err)
			o.Write(b)
		}
		check(t, w.Close())
		return out.Bytes()
	}
	for name, change := range map[string]func([]byte) []byte{
		"rows/users.jsonl":     func(b []byte) []byte { return bytes.Replace(b, []byte("ada"), []byte("eve"), 1) },
		"rows/passwords.jsonl": func([]byte) []byte { return nil },
		"manifest.json":        func(b []byte) []byte { return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 2`), 1) },
	} {
		if status, m := to.restore(again(name, change), ""); status != 400 || m["code"] != "invalid_archive" {
			t.Errorf("%s: %d %v", name, status, m)
		}
	}
	if l := to.want(200, to.key, "GET", "/user_management/users", "")["data"].([]any); len(l) != 0 {
		t.Errorf("something came in: %v", l)
	}
}

// TestEveryTableMovesOrStays asks of each table of a house which it does.
func TestEveryTableMovesOrStays(t *testing.T) {
	t.Parallel()
	h := open(t)
	moving, staying := transfer.Tables()
	there := map[string]bool{}
	check(t, h.identity.DB.View(t.Context(), func(tx *database.Tx) error {
		for _, table := range tx.Tables() {
			if table.System() {
				continue
			}
			there[table.Name] = true
			_, stays := staying[table.Name]
			if moves := slices.Contains(moving, table.Name); moves == stays {
				t.Errorf("table %s: say in transfer/archive.go whether it moves or stays", table.Name)
			}
		}
		return nil
	}))
	for _, name := range moving {
		if !there[name] && name != "passkeys" { // whose room these houses do not open
			t.Errorf("table %s moves, but there is none", name)
		}
	}
}

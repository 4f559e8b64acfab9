package workos_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// deliver posts a file.
func (h *house) deliver(target, body string, headers ...string) *http.Response {
	r := httptest.NewRequestWithContext(h.t.Context(), "POST", target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	return w.Result()
}

// TestImportUsers reads what each service writes.
func TestImportUsers(t *testing.T) {
	t.Parallel()
	const bcrypt = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
	for _, c := range []struct{ name, file, source, format, email, external string }{
		{"csv", "Email,First Name,email_verified,password_hash,Organization Name,role,shoe size\nada@example.com,Ada,yes," + bcrypt + ",Acme,admin,42\n", "generic", "csv", "ada@example.com", ""},
		{"semicolons", "\xef\xbb\xbfemail;external_id\nada@example.com;7\n", "generic", "csv", "ada@example.com", "7"},
		{"workos", `{"object":"list","data":[{"object":"user","id":"user_01PINNED","email":"ada@example.com","email_verified":true,"first_name":"Ada"}],"list_metadata":{"after":null}}`, "workos", "json", "ada@example.com", ""},
		{"auth0", `{"user_id":"auth0|1","email":"ada@example.com","email_verified":true,"given_name":"Ada"}` + "\n", "auth0", "jsonl", "ada@example.com", "auth0|1"},
		{"auth0 hashes", `{"_id":{"$oid":"60425da9"},"email":"ada@example.com","email_verified":true,"passwordHash":"` + bcrypt + `","password_set_date":{"$date":"2021-03-05"},"tenant":"t","connection":"c"}`, "auth0", "jsonl", "ada@example.com", "auth0|60425da9"},
		{"firebase", `{"users": [{"localId": "L1", "email": "ada@example.com", "emailVerified": true, "passwordHash": "` + strings.Repeat("A", 86) + `==", "salt": "42xEC+ixf3L2lw==", "displayName": "Ada Lovelace"}]}`, "firebase", "json", "ada@example.com", "L1"},
		{"firebase csv", "L1,ada@example.com,true," + strings.Repeat("A", 86) + "==,42xEC+ixf3L2lw==,Ada Lovelace" + strings.Repeat(",", 22) + "\n", "firebase", "csv", "ada@example.com", "L1"},
		{"clerk", "id,first_name,primary_email_address,verified_email_addresses,password_digest,password_hasher\nuser_2abc,Ada,ada@example.com,ada@example.com," + bcrypt + ",bcrypt\n", "clerk", "csv", "ada@example.com", "user_2abc"},
		{"clerk json", `[{"id":"user_2abc","email_addresses":[{"id":"e1","email_address":"ada@example.com","verification":{"status":"verified"}}],"primary_email_address_id":"e1"}]`, "clerk", "json", "ada@example.com", "user_2abc"},
		{"supabase", `[{"id":"6d3c","email":"ada@example.com","encrypted_password":"` + bcrypt + `","email_confirmed_at":"2023-01-01T00:00:00Z","raw_user_meta_data":{"full_name":"Ada Lovelace"}}]`, "supabase", "json", "ada@example.com", "6d3c"},
		{"cognito", `{"Users":[{"Username":"u1","Attributes":[{"Name":"sub","Value":"s1"},{"Name":"email","Value":"ada@example.com"},{"Name":"email_verified","Value":"true"},{"Name":"given_name","Value":"Ada"}],"UserStatus":"CONFIRMED"}]}`, "cognito", "json", "ada@example.com", "s1"},
		{"cognito csv", "cognito:username,name,email,email_verified\nu1,Ada Lovelace,ada@example.com,true\n", "cognito", "csv", "ada@example.com", "u1"},
		{"pretty", "[\n  {\n    \"email\": \"ada@example.com\",\n \"metadata\": {\"n\": 3}\n  }\n]\n", "generic", "json", "ada@example.com", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			headers := []string{"Authorization", "Bearer " + h.key, "Content-Type", "application/octet-stream",
				"Lentil-Firebase-Hash", `hash_config { algorithm: SCRYPT, base64_signer_key: ` + strings.Repeat("B", 86) + `==, base64_salt_separator: Bw==, rounds: 8, mem_cost: 14 }`}
			send := func(query string) map[string]any {
				t.Helper()
				res := h.deliver("/_lentil/v1/imports"+query, c.file, headers...)
				var m map[string]any
				check(t, json.NewDecoder(res.Body).Decode(&m))
				if res.StatusCode != 200 {
					t.Fatalf("%s: %d %v", query, res.StatusCode, m)
				}
				return m
			}
			dry := send("?dry_run=true")
			if dry["created"] != 1.0 || dry["source"] != c.source || dry["format"] != c.format || dry["failed"] != 0.0 {
				t.Fatalf("dry run: %v", dry)
			}
			if l := h.want(200, h.key, "GET", "/user_management/users?email="+c.email, ""); len(l["data"].([]any)) != 0 {
				t.Fatalf("a dry run made %v", l)
			}
			if m := send(""); m["created"] != 1.0 || m["complete"] != true {
				t.Fatalf("%v", m)
			}
			u := h.want(200, h.key, "GET", "/user_management/users?email="+c.email, "")["data"].([]any)[0].(map[string]any)
			if c.external != "" && u["external_id"] != c.external || c.name == "workos" && u["id"] != "user_01PINNED" {
				t.Errorf("%v", u)
			}
			if m := send(""); m["skipped"] != 1.0 || m["created"] != 0.0 {
				t.Errorf("again: %v", m)
			}
			if m := send("?on_conflict=update"); m["updated"] != 1.0 || m["failed"] != 0.0 {
				t.Errorf("again: %v", m)
			}
			if m := send("?on_conflict=fail"); m["failed"] != 1.0 {
				t.Errorf("again: %v", m)
			}
			if c.name == "csv" {
				l := h.want(200, h.key, "GET", "/user_management/organization_memberships?user_id="+fmt.Sprint(u["id"]), "")["data"].([]any)
				if len(l) != 1 || l[0].(map[string]any)["organization_name"] != "Acme" {
					t.Errorf("memberships: %v", l)
				}
				if dry["ignored_columns"].([]any)[0] != "shoe size" {
					t.Errorf("%v", dry)
				}
			}
		})
	}
}

// TestImportSaysWhatIsWrong names lines, and imports what is right.
func TestImportSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := open(t)
	for file, want := range map[string]string{
		"":                         "it is empty",
		"a,b\n1,2\n":               "no column email",
		"PK\x03\x04....":           "zip archive",
		"email\n":                  "has no users",
		"email,Email\na,b\n":       "twice",
		"{\"a\":":                  "",
		"email\n\"ada@example.com": "quote",
		`{"users":[{"localId":"1","email":"a@b.co","passwordHash":"QUFB"}]}`: "signer key",
	} {
		res := h.deliver("/_lentil/v1/imports", file, "Authorization", "Bearer "+h.key)
		var m map[string]any
		check(t, json.NewDecoder(res.Body).Decode(&m))
		if res.StatusCode != 400 && !(res.StatusCode == 200 && m["failed"] == 1.0) || !strings.Contains(fmt.Sprint(m["message"]), strings.TrimPrefix(want, "it is ")) {
			t.Errorf("%q: %d %v, want %s", file, res.StatusCode, m, want)
		}
	}
	var file strings.Builder
	file.WriteString("email,email_verified,password_hash,external_id,role,organization_id\n")
	for i := range 450 {
		fmt.Fprintf(&file, "u%d@example.com,true,,e%d,,\n", i, i)
	}
	file.WriteString("nobody,true,,,,\nx@example.com,perhaps,,,,\ny@example.com,true,$1$md5,,,\nu1@example.com,true,,,,\nz@example.com,true,,e1,,\nw@example.com,true,,,,org_none\n,true,,,,\n")
	res := h.deliver("/_lentil/v1/imports?on_conflict=fail", file.String(), "Authorization", "Bearer "+h.key)
	var m struct {
		Created, Failed int
		Complete        bool
		Errors          []struct {
			Line                 int
			Field, Code, Message string
		}
	}
	check(t, json.NewDecoder(res.Body).Decode(&m))
	if m.Created != 450 || m.Failed != 7 || !m.Complete {
		t.Fatalf("%d %+v", res.StatusCode, m)
	}
	at := map[int]string{}
	for _, e := range m.Errors {
		at[e.Line] = e.Field
	}
	for line, field := range map[int]string{452: "email", 453: "email_verified", 454: "password_hash_type", 455: "email", 456: "email", 457: "organization_id", 458: "email"} {
		if at[line] != field {
			t.Errorf("line %d: %q, want %q (%+v)", line, at[line], field, m.Errors)
		}
	}
	broken := h.deliver("/_lentil/v1/imports", "[{\"email\":\"one@example.com\"},\n{\"email\":\"two@example.com\"},\n{\"email\"", "Authorization", "Bearer "+h.key)
	var b map[string]any
	check(t, json.NewDecoder(broken.Body).Decode(&b))
	if b["created"] != 2.0 || b["complete"] != false || b["stopped"].(map[string]any)["line"] != 3.0 {
		t.Errorf("%v", b)
	}
}

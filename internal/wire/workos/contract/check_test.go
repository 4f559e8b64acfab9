package contract_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/wire/workos"
	"github.com/lentil-dev/lentil/internal/wire/workos/contract"
)

// TestContractHasTheInventory holds the two lists of operations against each other.
func TestContractHasTheInventory(t *testing.T) {
	t.Parallel()
	c := contract.Load()
	if len(c.Operations) != len(workos.Inventory()) {
		t.Errorf("%d operations, the inventory has %d", len(c.Operations), len(workos.Inventory()))
	}
	for _, op := range workos.Inventory() {
		o := c.Operations[op.Name]
		if o == nil || o.Method != op.Method || o.Path != op.Path {
			t.Errorf("%s is %+v, in the inventory %s %s", op.Name, o, op.Method, op.Path)
		} else if len(o.Answers) == 0 {
			t.Errorf("%s has no answers", op.Name)
		}
		var required []string
		for _, m := range c.Required(o.Body) {
			required = append(required, m.Name)
		}
		if !slices.Equal(required, op.Required) {
			t.Errorf("%s requires %v, in the inventory %v", op.Name, required, op.Required)
		}
	}
	if len(c.Events) < 90 {
		t.Errorf("only %d events", len(c.Events))
	}
}

// user is a right user.
const user = `{"object":"user","id":"user_01","first_name":null,"last_name":"B","profile_picture_url":null,` +
	`"email":"a@b.c","email_verified":true,"external_id":null,"metadata":{"k":"v"},"last_sign_in_at":null,` +
	`"created_at":"2026-01-15T12:00:00.000Z","updated_at":"2026-01-15T12:00:00.000Z"}`

// key is a right API key of a user.
const key = `{"object":"api_key","id":"api_key_01","owner":{"type":"user","id":"user_01","organization_id":"org_01"},` +
	`"name":"n","obfuscated_value":"sk_…","last_used_at":null,"expires_at":null,"permissions":[],` +
	`"created_at":"2026-01-15T12:00:00.000Z","updated_at":"2026-01-15T12:00:00.000Z"}`

// event is a right event.
const event = `{"object":"event","id":"event_01","event":"user.created","created_at":"2026-01-15T12:00:00.000Z","data":` + user + `}`

func TestCheck(t *testing.T) {
	t.Parallel()
	list := func(item string) string {
		return `{"object":"list","data":[` + item + `],"list_metadata":{"before":null,"after":null}}`
	}
	swap := func(s, old, with string) string {
		if !strings.Contains(s, old) {
			panic(old)
		}
		return strings.Replace(s, old, with, 1)
	}
	for _, c := range []struct {
		name, op string
		status   int
		body     string
		want     []string
	}{
		{"right", "getUser", 200, user, nil},
		{"right in a list", "listUsers", 200, list(user), nil},
		{"absent", "getUser", 200, swap(user, `"id":"user_01",`, ""), []string{"lacks the member id"}},
		{"wrong kind", "getUser", 200, swap(user, "true", `"yes"`), []string{`email_verified: is "yes", not of the kind bool`}},
		{"null", "getUser", 200, swap(user, `"a@b.c"`, "null"), []string{`email: is null, not of the kind str`}},
		{"constant", "getUser", 200, swap(user, `"user"`, `"usr"`), []string{`object: is "usr", not "user"`}},
		{"map", "getUser", 200, swap(user, `"v"`, "1"), []string{"metadata.k: is 1, not a text"}},
		{"time without milliseconds", "listUsers", 200, list(swap(user, "00.000Z", "00Z")),
			[]string{`data[0].created_at: is "2026-01-15T12:00:00Z", not of the kind ts`}},
		{"time that never was", "getUser", 200, swap(user, "01-15", "13-15"),
			[]string{`created_at: is "2026-13-15T12:00:00.000Z", not of the kind ts`}},
		{"extra", "listUsers", 200, list(swap(user, `"id"`, `"nick":"x","id"`)),
			[]string{"warning: data[0]: has a member nick that the description does not"}},
		{"part of a whole", "createUser", 201, swap(user, `"id"`, `"radar_auth_attempt_id":"x","id"`), nil},
		{"status", "getUser", 201, user, []string{"answers 201, listed are 200, 404"}},
		{"no JSON", "getUser", 200, "<p>", []string{`"<p>" is not JSON: invalid character '<' looking for beginning of value`}},
		{"two bodies", "getUser", 200, user + user, []string{"something follows the JSON"}},
		{"alternative", "createValidation", 200, `{"api_key":` + key + `}`, nil},
		{"alternative null", "createValidation", 200, `{"api_key":null}`, nil},
		{"wrong in the nearest alternative", "createValidation", 200, `{"api_key":` + swap(key, `,"organization_id":"org_01"`, "") + `}`,
			[]string{"api_key.owner: lacks the member organization_id"}},
		{"enumeration", "listFeatureFlags", 200, `{"object":"list","data":7,"list_metadata":{"before":null,"after":null}}`,
			[]string{"data: is 7, not a list"}},
		{"done", "deleteUser", 204, "", nil},
		{"done with a body", "deleteApiKey", 204, "{}", []string{"has a body where the description has none"}},
		{"error", "getUser", 404, `{"message":"No.","code":"entity_not_found"}`, nil},
		{"error without a message", "getUser", 404, `{"code":"entity_not_found"}`,
			[]string{`answers 404 without message or error: {"code":"entity_not_found"}`}},
		{"error of its own", "createUser", 400, `{"message":"No.","code":"too_blue"}`,
			[]string{`warning: code: is "too_blue", not "invalid_password_hash"`}},
		{"vault's error", "readObject", 404, `{"message":"No."}`, []string{"lacks the member error"}},
		{"key", "getUser", 401, `{"message":"No.","code":"unauthorized"}`, nil},
		{"broken", "getUser", 500, `{"message":"Oh."}`, []string{`answers 500 {"message":"Oh."}`}},
		{"not offered", "getUser", 501, `{"message":"Oh.","code":"unsupported_operation.getUser"}`, nil},
		{"event", "listEvents", 200, `{"object":"list","data":[` + event + `],"list_metadata":{"after":null}}`, nil},
		{"event of another kind", "listEvents", 200, `{"object":"list","data":[` + swap(event, "user.created", "user.born") + `],"list_metadata":{"after":null}}`,
			[]string{`data[0].event: is "user.born", which is no event`}},
		{"data of another event", "listEvents", 200, `{"object":"list","data":[` + swap(event, `"email":"a@b.c",`, "") + `],"list_metadata":{"after":null}}`,
			[]string{"data[0].data: lacks the member email"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range contract.Check(c.op, c.status, []byte(c.body)) {
				got = append(got, v.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	c := contract.Load()
	for op, want := range map[string]string{
		"createUser": "[email]", "checkAuthorization": "[permission_slug]", "authenticate": "[client_id grant_type]", "getUser": "[]",
	} {
		o := c.Operations[op]
		if o == nil {
			t.Errorf("no operation %s", op)
			continue
		}
		names := []string{}
		for _, m := range c.Required(o.Body) {
			names = append(names, m.Name)
		}
		if got := fmt.Sprint(names); got != want {
			t.Errorf("%s requires %s, want %s", op, got, want)
		}
	}
}

// FuzzCheck makes sure that no answer stops the judge.
func FuzzCheck(f *testing.F) {
	f.Add("getUser", 200, []byte(user))
	f.Add("createValidation", 200, []byte(`{"api_key":`+key+`}`))
	f.Add("listEvents", 200, []byte(`{"object":"list","data":[`+event+`]}`))
	f.Add("getUser", 404, []byte(`[1]`))
	f.Fuzz(func(_ *testing.T, op string, status int, body []byte) { contract.Check(op, status, body) })
}

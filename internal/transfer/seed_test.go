package transfer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/transfer"
)

func TestParseTakesYAMLAndJSON(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"yaml":      "users:\n  - email: a@example.com\n    email_verified: true\n    password: test123\n",
		"json":      `{"users":[{"email":"a@example.com","email_verified":true,"password":"test123"}]}`,
		"unknown":   "users:\n  - email: a@example.com\n    email_verified: true\n    password: test123\n    shoe_size: 42\n",
		"key map":   "users:\n  - {email: a@example.com, email_verified: true, password: test123}\napiKeys:\n  sk_test_one: {environment: test}\n",
		"template":  "users:\n  - {email: a@example.com, email_verified: true, password: test123}\njwtTemplate: '{\"a\": \"b\"}'\n",
		"template2": "users:\n  - {email: a@example.com, email_verified: true, password: test123}\njwtTemplate:\n  content: '{\"a\": \"b\"}'\n",
	} {
		s, problems := transfer.Parse([]byte(text))
		if len(problems) != 0 || len(s.Users) != 1 || s.Users[0].Email != "a@example.com" || !s.Users[0].EmailVerified || s.Users[0].Password != "test123" {
			t.Errorf("%s: %+v %v", name, s, problems)
		}
	}
	if s, problems := transfer.Parse(nil); len(problems) != 0 || s == nil {
		t.Errorf("an empty file: %v", problems)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"users: [", "[: line 1: did not find expected node content]"},
		{"- a", "[: a seed is an object"},
		{"user: []", "[user: there is no member"},
		{"users: 7", "[users: cannot unmarshal number"},
		{"users:\n  - email: a@example.com\n    totp: yes please", "[users: cannot unmarshal string"},
		{"users:\n  - email: somebody", "[users[0].email: must be an e-mail address]"},
		{"users:\n  - email: A@example.com\n  - email: a@example.com", "[users[1].email: is there twice: a@example.com]"},
		{"users:\n  - {email: a@example.com, id: a/b}", "[users[0].id: must consist of"},
		{"organizations:\n  - name: A\n    memberships:\n      - email: a@example.com", "[organizations[0].memberships[0].email: must be the address of a user"},
		{"organizations:\n  - name: A\n    domains:\n      - {domain: a.example, state: owned}", "[organizations[0].domains[0].state: must be verified, pending]"},
		{"organizations:\n  - name: A\n    groups:\n      - {name: G, members: [a@example.com]}", "[organizations[0].groups[0].members[0]: must be the address of a member"},
		{"organizations: [{name: A}, {name: A}]", "[organizations[1].name: is there twice: A]"},
		{"permissions: [{slug: a}]", "[permissions[0].name: is required]"},
		{"roles: [{slug: a, name: A, organization: B}]", "[roles[0].organization: must name an organization"},
		{"connections: [{name: C}]", "[connections[0].organization: must name an organization"},
		{"apiKeys: [{name: K, organization: A, value: x}]\norganizations: [{name: A}]", "[apiKeys[0].value: must begin with sk_]"},
		{"connectApplications: [{name: M}]", "[connectApplications[0].organization: must name"},
		{"webhookEndpoints: [{url: here}]", "[webhookEndpoints[0].endpoint_url: must be an address"},
		{"? [a]\n: b", "a"},
	} {
		_, problems := transfer.Parse([]byte(c.text))
		if got := fmt.Sprint(problems); len(problems) == 0 || !strings.HasPrefix(strings.ReplaceAll(got, "[: ", "[: "), c.want) && c.want != "a" && !strings.HasPrefix(strings.Replace(got, "[", "[: ", 1), c.want) {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// TestApplyStopsAtARefusal names the place in the file at which the API said no.
func TestApplyStopsAtARefusal(t *testing.T) {
	t.Parallel()
	s, problems := transfer.Parse([]byte("users:\n  - email: a@example.com\n  - email: b@example.com\n"))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	posts := 0
	report, err := s.Apply(t.Context(), func(_ context.Context, method, _ string, body any) (int, map[string]any, error) {
		if method == "GET" {
			return 200, map[string]any{"data": []any{}}, nil
		}
		if posts++; posts == 2 {
			return 400, map[string]any{"message": "No.", "errors": []any{"email_not_available"}}, nil
		}
		return 201, map[string]any{"id": "user_1"}, nil
	})
	if err == nil || !strings.Contains(err.Error(), "users[1]") || !strings.Contains(err.Error(), "No.") || report.Made["users"] != 1 {
		t.Errorf("%v %+v", err, report)
	}
}

// FuzzParse makes sure that no file stops the house, and that a seed without
// problems can be written down.
func FuzzParse(f *testing.F) {
	f.Add([]byte("users:\n  - email: a@example.com\norganizations:\n  - name: A\n    memberships: [{email: a@example.com}]\n"))
	f.Add([]byte(`{"apiKeys":{"sk_test_a":{}},"jwtTemplate":{"content":"{}"},"webhookEndpoints":[{"url":"http://localhost"}]}`))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("a: &a [b,b]\nc: &c [*a,*a]\nusers: [*c,*c]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, problems := transfer.Parse(b); len(problems) == 0 {
			if _, err := json.Marshal(s.Users); err != nil {
				t.Fatal(err)
			}
		}
	})
}

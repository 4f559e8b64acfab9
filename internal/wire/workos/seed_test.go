package workos_test

import (
	"fmt"
	"strings"
	"testing"
)

// seedFile names something of everything that a seed can hold.
const seedFile = `
users:
  - id: user_01PINNEDADA
    email: Ada@acme.example
    first_name: Ada
    password: test123
    email_verified: true
    metadata: {team: soup}
  - email: bob@acme.example
    password: test123
    totp: true
organizations:
  - id: org_01PINNEDACME
    name: Acme
    entitlements: [audit-logs]
    domains:
      - {domain: acme.example, state: verified}
    memberships:
      - {email: ada@acme.example, role: editor}
      - {email: bob@acme.example, status: inactive}
    groups:
      - {name: Cooks, members: [ADA@acme.example]}
permissions:
  - {slug: "posts:read", name: Read posts}
  - {slug: "posts:write", name: Write posts}
roles:
  - {slug: editor, name: Editor, permissions: ["posts:read", "posts:write"]}
  - {slug: admin, name: Admin, permissions: ["posts:read"]}
invitations:
  - {email: guest@elsewhere.example, organization: Acme}
apiKeys:
  - {name: CI, organization: Acme, value: sk_test_ci_key_of_the_seed, permissions: ["posts:read"]}
connectApplications:
  - {name: Backend, organization: Acme, scopes: ["posts:read"], client_id: client_local_backend, client_secret: secret_local_backend}
webhookEndpoints:
  - {endpoint_url: "http://localhost:9/hook", events: [], secret: whsec_of_sixteen_and_more}
jwtTemplate: '{"team": "{{ user.metadata.team }}"}'
connections:
  - {name: Acme SSO, organization: Acme, connection_type: OktaSAML}
featureFlags:
  - {slug: beta, name: Beta}
redirectUris: ["http://localhost:3000/callback"]
corsOrigins: ["http://localhost:3000"]
settings: {fixed_code: "424242"}
errorHooks:
  - {method: GET, path: /directories, status: 503}
`

func TestSeed(t *testing.T) {
	t.Parallel()
	h := open(t)
	if m := h.want(200, h.key, "POST", "/_lentil/v1/seed?validate=true", seedFile); m["made"] != nil {
		t.Errorf("checking made something: %v", m)
	}
	first := h.want(200, h.key, "POST", "/_lentil/v1/seed", seedFile)
	for kind, n := range map[string]float64{"users": 2, "organizations": 1, "memberships": 2, "groups": 1, "permissions": 2, "roles": 1, "invitations": 1,
		"connectApplications": 1, "webhookEndpoints": 1, "jwtTemplate": 1, "connections": 1, "featureFlags": 1, "redirectUris": 1, "errorHooks": 1} {
		if at(first, "made", kind) != n {
			t.Errorf("made %v of %s, want %v", at(first, "made", kind), kind, n)
		}
	}
	ada := h.want(200, h.key, "GET", "/user_management/users/user_01PINNEDADA", "")
	if ada["email"] != "Ada@acme.example" || at(ada, "metadata", "team") != "soup" {
		t.Errorf("%v", ada)
	}
	if o := h.want(200, h.key, "GET", "/organizations/org_01PINNEDACME", ""); at(o, "domains", "state") != "verified" {
		t.Errorf("%v", o)
	}
	m := h.want(200, "sk_test_ci_key_of_the_seed", "GET", "/user_management/organization_memberships?user_id=user_01PINNEDADA", "")
	if at(m, "data", "role", "slug") != "editor" || at(m, "data", "status") != "active" {
		t.Errorf("%v", m)
	}
	h.want(503, h.key, "GET", "/directories", "")
	machine := h.want(200, "", "POST", "/oauth2/token", `{"grant_type":"client_credentials","client_id":"client_local_backend","client_secret":"secret_local_backend"}`)
	if machine["scope"] != "posts:read" || claims(t, machine["access_token"])["sub"] != "client_local_backend" {
		t.Errorf("a machine's token: %v", machine)
	}
	signedIn := h.want(200, "", "POST", "/user_management/authenticate", `{"grant_type":"password","client_id":"`+string(h.env.ClientID)+
		`","client_secret":"`+h.key+`","email":"ada@acme.example","password":"test123"}`)
	c := claims(t, signedIn["access_token"])
	if c["team"] != "soup" || c["sub"] != "user_01PINNEDADA" || fmt.Sprint(c["entitlements"]) != "[audit-logs]" {
		t.Errorf("claims: %v", c)
	}

	// Again: nothing is made twice.
	again := h.want(200, h.key, "POST", "/_lentil/v1/seed", seedFile)
	for kind, n := range again["made"].(map[string]any) {
		if kind != "settings" && kind != "jwtTemplate" {
			t.Errorf("the second time, %v of %s were made", n, kind)
		}
	}
	app := h.want(201, h.key, "POST", "/connect/applications", `{"name":"Mine","application_type":"m2m","organization_id":"org_01PINNEDACME","client_id":"client_mine"}`)
	if app["client_id"] == "client_mine" {
		t.Error("a caller chose a client id")
	}
	// Another environment cannot have the same user's id.
	other := h.want(201, h.key, "POST", "/_lentil/v1/environments", `{}`)
	taken := h.want(400, fmt.Sprint(other["api_key"]), "POST", "/_lentil/v1/seed", "users:\n  - {id: user_01PINNEDADA, email: eve@example.com}\n")
	if !strings.Contains(fmt.Sprint(taken["message"]), "users[0]") {
		t.Errorf("%v", taken)
	}
}

func TestSeedIsRefusedByPlace(t *testing.T) {
	t.Parallel()
	h := open(t)
	bad := h.want(400, h.key, "POST", "/_lentil/v1/seed", "users:\n  - email: nobody\n")
	if at(bad, "errors", "field") != "users[0].email" {
		t.Errorf("%v", bad)
	}
	refused := h.want(400, h.key, "POST", "/_lentil/v1/seed", "featureFlags:\n  - {slug: \"no good\"}\n")
	if at(refused, "errors", "field") != "featureFlags[0]" {
		t.Errorf("%v", refused)
	}
	// Ids and weak passwords are for seeds alone.
	u := h.want(201, h.key, "POST", "/user_management/users", `{"id":"user_01MINE","email":"a@example.com"}`)
	if u["id"] == "user_01MINE" {
		t.Error("a caller chose an id")
	}
	h.want(400, h.key, "POST", "/user_management/users", `{"email":"b@example.com","password":"test123"}`)
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/projectfile"
	"github.com/lentil-dev/lentil/internal/server"
)

// house are the addresses of a house in these tests.
var house = server.Addresses{
	URL: "http://127.0.0.1:3210", SiteURL: "http://127.0.0.1:3211", AuthKitURL: "http://localhost:4100",
	Deployment: "happy-otter-123", AdminKey: "happy-otter-123|01ab", EnvironmentID: "environment_1", ClientID: "client_1", APIKey: "sk_test_1",
}

// noEnv is an empty environment.
func noEnv(string) string { return "" }

// edit brings a project's .env.local up to date as dev does.
func edit(t *testing.T, dir string, a server.Addresses) (foreign []variable) {
	t.Helper()
	p, err := readProject(dir)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, stateName)
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	e, err := openEnvLocal(dir, state)
	if err != nil {
		t.Fatal(err)
	}
	p.adopt(e)
	vars, _ := wantedVariables(p, a, noEnv)
	foreign = e.apply(vars)
	if _, err := e.save(); err != nil {
		t.Fatal(err)
	}
	return foreign
}

// readEnvLocal is the file as it is.
func readEnvLocal(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, ".env.local"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEnvLocalOfEachFramework(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, pkg, convex, want string }{
		{"Vite", `{"dependencies":{"vite":"8"}}`, `{"authKit":{"dev":{"localEnvVars":{"VITE_WORKOS_CLIENT_ID":"${authEnv.WORKOS_CLIENT_ID}"}}}}`,
			`CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210
CONVEX_SELF_HOSTED_ADMIN_KEY="happy-otter-123|01ab"
VITE_CONVEX_URL=http://127.0.0.1:3210
VITE_WORKOS_CLIENT_ID=client_1
VITE_WORKOS_REDIRECT_URI=http://localhost:5173/callback
VITE_WORKOS_API_HOSTNAME=localhost
VITE_WORKOS_API_PORT=4100
VITE_WORKOS_API_HTTPS=false
`},
		{"Next.js", `{"dependencies":{"next":"16"}}`, `{}`,
			`CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210
CONVEX_SELF_HOSTED_ADMIN_KEY="happy-otter-123|01ab"
NEXT_PUBLIC_CONVEX_URL=http://127.0.0.1:3210
WORKOS_CLIENT_ID=client_1
WORKOS_API_KEY=sk_test_1
NEXT_PUBLIC_WORKOS_REDIRECT_URI=http://localhost:3000/callback
WORKOS_COOKIE_PASSWORD=$PASSWORD
WORKOS_API_HOSTNAME=localhost
WORKOS_API_PORT=4100
WORKOS_API_HTTPS=false
`},
		{"none", `{}`, `{}`,
			`CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210
CONVEX_SELF_HOSTED_ADMIN_KEY="happy-otter-123|01ab"
CONVEX_URL=http://127.0.0.1:3210
`},
		{"switched off", `{"dependencies":{"vite":"8"}}`, `{"authKit":{"dev":{"localEnvVars":false}}}`,
			`CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210
CONVEX_SELF_HOSTED_ADMIN_KEY="happy-otter-123|01ab"
VITE_CONVEX_URL=http://127.0.0.1:3210
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := writeProject(t, map[string]string{"package.json": tt.pkg, "convex.json": tt.convex})
			edit(t, dir, house)
			got := readEnvLocal(t, dir)
			if password, ok := projectfile.ParseDotenv([]byte(got)).Get("WORKOS_COOKIE_PASSWORD"); ok {
				if len(password) < 32 {
					t.Errorf("the cookie password has %d characters", len(password))
				}
				got = strings.Replace(got, password, "$PASSWORD", 1)
			}
			if diff := cmp.Diff("# "+envHeader+"\n"+tt.want, got); diff != "" {
				t.Error(diff)
			}
			before := readEnvLocal(t, dir)
			if foreign := edit(t, dir, house); len(foreign) > 0 || readEnvLocal(t, dir) != before {
				t.Errorf("a second run changed the file, or found strange values: %v", foreign)
			}
			if st, err := os.Stat(filepath.Join(dir, ".env.local")); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("mode = %v, %v", st.Mode(), err)
			}
		})
	}
}

func TestEnvLocalFindsAShortCookiePassword(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		password string
		found    bool
	}{{"too short", true}, {strings.Repeat("x", 31), true}, {strings.Repeat("x", 32), false}} {
		line := "WORKOS_COOKIE_PASSWORD=\"" + tt.password + "\"\n"
		dir := writeProject(t, map[string]string{"package.json": `{"dependencies":{"next":"16"}}`, ".env.local": line})
		foreign := edit(t, dir, house)
		if (len(foreign) == 1) != tt.found || tt.found && (foreign[0].name != "WORKOS_COOKIE_PASSWORD" || !foreign[0].secret) {
			t.Errorf("%q: foreign = %v", tt.password, foreign)
		}
		if got := readEnvLocal(t, dir); !strings.HasPrefix(got, line) {
			t.Errorf("%q: the line was changed: %s", tt.password, got)
		}
	}
}

func TestEnvLocalRenewsItsOwnValuesOnly(t *testing.T) {
	t.Parallel()
	for _, record := range []string{"kept", "lost"} {
		t.Run("record "+record, func(t *testing.T) {
			t.Parallel()
			dir := writeProject(t, map[string]string{
				"package.json": `{"dependencies":{"vite":"8"}}`,
				".env.local":   "# mine\r\nSECRET='x'\r\nVITE_WORKOS_CLIENT_ID=client_real # production's\r\n",
			})
			foreign := edit(t, dir, house)
			if len(foreign) != 1 || foreign[0].name != "VITE_WORKOS_CLIENT_ID" || foreign[0].value != "client_real" {
				t.Errorf("foreign = %v", foreign)
			}
			if record == "lost" {
				if err := os.RemoveAll(filepath.Join(dir, stateName)); err != nil {
					t.Fatal(err)
				}
			}
			moved := house
			moved.URL, moved.AdminKey = "http://127.0.0.1:3220", "calm-wren-777|01cd"
			edit(t, dir, moved)
			want := strings.ReplaceAll("# mine\nSECRET='x'\nVITE_WORKOS_CLIENT_ID=client_real # production's\n\n# "+envHeader+`
CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3220
CONVEX_SELF_HOSTED_ADMIN_KEY="calm-wren-777|01cd"
VITE_CONVEX_URL=http://127.0.0.1:3220
VITE_WORKOS_REDIRECT_URI=http://localhost:5173/callback
VITE_WORKOS_API_HOSTNAME=localhost
VITE_WORKOS_API_PORT=4100
VITE_WORKOS_API_HTTPS=false
`, "\n", "\r\n")
			if diff := cmp.Diff(want, readEnvLocal(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEnvLocalKeepsASymbolicLink(t *testing.T) {
	t.Parallel()
	dir := writeProject(t, map[string]string{"shared.env": "A=1\n"})
	if err := os.Symlink("shared.env", filepath.Join(dir, ".env.local")); err != nil {
		t.Fatal(err)
	}
	edit(t, dir, house)
	if target, err := os.Readlink(filepath.Join(dir, ".env.local")); err != nil || target != "shared.env" {
		t.Errorf("link to %q, %v", target, err)
	}
	if got := readEnvLocal(t, dir); !strings.HasPrefix(got, "A=1\n") || !strings.Contains(got, "CONVEX_SELF_HOSTED_URL=") {
		t.Errorf("file = %q", got)
	}
}

func TestCloudSettingsFindsWhatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	dir := writeProject(t, map[string]string{".env": "CONVEX_DEPLOYMENT=dev:calm-owl-1 # team\n", ".env.local": "CONVEX_DEPLOYMENT=\n"})
	got := cloudSettings(dir, func(name string) string { return map[string]string{"CONVEX_DEPLOY_KEY": "k"}[name] })
	want := []string{".env sets CONVEX_DEPLOYMENT", "the environment sets CONVEX_DEPLOY_KEY"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

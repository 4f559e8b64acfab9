package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeProject makes a folder with the given files.
func writeProject(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadProjectFindsFrameworkAndRegistrations(t *testing.T) {
	t.Parallel()
	vite := &configure{[]string{"http://localhost:5173/callback"}, "http://localhost:5173", []string{"http://localhost:5173"}}
	next := &configure{[]string{"http://localhost:3000/callback"}, "http://localhost:3000", []string{"http://localhost:3000"}}
	tests := []struct {
		name, pkg, convex, framework string
		configure                    *configure
	}{
		{"empty folder", "", "", "none", vite},
		{"vite", `{"devDependencies":{"vite":"8.0.0"}}`, "", "Vite", vite},
		{"next beats vite", `{"dependencies":{"next":"16"},"devDependencies":{"vite":"8"}}`, "{}", "Next.js", next},
		{"tanstack", `{"dependencies":{"@tanstack/react-start":"1"}}`, `{"authKit":{"dev":{}}}`, "TanStack Start", next},
		{"named", `{"dependencies":{"vite":"8"}}`,
			`{"authKit":{"dev":{"configure":{"redirectUris":["http://x/cb"],"corsOrigins":["http://x",],}}}} // mine`,
			"Vite", &configure{RedirectURIs: []string{"http://x/cb"}, CORSOrigins: []string{"http://x"}}},
		{"switched off", `{"dependencies":{"vite":"8"}}`, `{"authKit":{"dev":{"configure":false}}}`, "Vite", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			if tt.pkg != "" {
				files["package.json"] = tt.pkg
			}
			if tt.convex != "" {
				files["convex.json"] = tt.convex
			}
			p, err := readProject(writeProject(t, files))
			if err != nil {
				t.Fatal(err)
			}
			if p.framework.name != tt.framework {
				t.Errorf("framework = %s", p.framework.name)
			}
			if diff := cmp.Diff(tt.configure, p.configure); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadProjectSaysWhereAFileIsWrong(t *testing.T) {
	t.Parallel()
	_, err := readProject(writeProject(t, map[string]string{"convex.json": "{\n  // fine\n  \"authKit\": oops\n}"}))
	if err == nil || !strings.Contains(err.Error(), "convex.json, line 3") {
		t.Errorf("err = %v", err)
	}
}

func TestExpandNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	env := map[string]string{"WORKOS_CLIENT_ID": "client_1"}
	build := func(name string) string { return map[string]string{"HOST": "h"}[name] }
	tests := []struct{ template, text, missing string }{
		{"${authEnv.WORKOS_CLIENT_ID}", "client_1", ""},
		{"https://${buildEnv.HOST}/cb", "https://h/cb", ""},
		{"https://${buildEnv.NO}/cb", "https:///cb", "buildEnv.NO"},
		{"plain ${other}", "plain ${other}", ""},
	}
	for _, tt := range tests {
		if text, missing := expand(tt.template, env, build); text != tt.text || missing != tt.missing {
			t.Errorf("expand(%q) = %q, %q", tt.template, text, missing)
		}
	}
}

func TestReadProjectNamesTheMemberThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := readProject(writeProject(t, map[string]string{"convex.json": `{"authKit": {"dev": {"configure": {"redirectUris": "http://x"}}}}`}))
	if err == nil || !strings.Contains(err.Error(), "redirectUris cannot be a JSON string") || strings.Contains(err.Error(), "Go ") {
		t.Errorf("err = %v", err)
	}
	if _, err = readProject(writeProject(t, map[string]string{"convex.json": "[]"})); err == nil || !strings.Contains(err.Error(), "cannot be a JSON array") || strings.Contains(err.Error(), "Go ") {
		t.Errorf("err = %v", err)
	}
}

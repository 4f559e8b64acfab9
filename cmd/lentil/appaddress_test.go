package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAdoptsWhatAPersonWrote: an app that moved says so in .env.local, once, and stays
// there however often the house starts.
func TestAdoptsWhatAPersonWrote(t *testing.T) {
	t.Parallel()
	moved := &configure{[]string{"http://localhost:5174/auth"}, "http://localhost:5174", []string{"http://localhost:5174"}}
	for _, tt := range []struct {
		name, convex, uri string
		want              *configure
	}{
		{"nothing in convex.json", ``, "http://localhost:5174/auth", moved},
		{"beside convex.json", `{"authKit":{"dev":{"configure":{"redirectUris":["http://localhost:5173/callback"],"appHomepageUrl":"http://localhost:5173","corsOrigins":["http://localhost:5173"]},
			"localEnvVars":{"VITE_WORKOS_REDIRECT_URI":"http://localhost:5173/callback"}}}}`, "http://localhost:5174/auth",
			&configure{[]string{"http://localhost:5174/auth", "http://localhost:5173/callback"}, "http://localhost:5173", []string{"http://localhost:5173", "http://localhost:5174"}}},
		{"switched off", `{"authKit":{"dev":{"configure":false}}}`, "http://localhost:5174/auth", nil},
		{"of another machine", ``, "https://evil.example/callback",
			&configure{[]string{"http://localhost:5173/callback"}, "http://localhost:5173", []string{"http://localhost:5173"}}},
		{"as usual", ``, "http://localhost:5173/callback",
			&configure{[]string{"http://localhost:5173/callback"}, "http://localhost:5173", []string{"http://localhost:5173"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"package.json": `{"dependencies":{"vite":"8"}}`}
			if tt.convex != "" {
				files["convex.json"] = tt.convex
			}
			dir := writeProject(t, files)
			edit(t, dir, house) // the house has been there before
			text := strings.ReplaceAll(readEnvLocal(t, dir), "http://localhost:5173/callback", tt.uri)
			if !strings.Contains(text, "VITE_WORKOS_REDIRECT_URI=") {
				t.Fatalf("no redirect URI in\n%s", text)
			}
			if err := os.WriteFile(filepath.Join(dir, ".env.local"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				p, err := readProject(dir)
				if err != nil {
					t.Fatal(err)
				}
				f, err := openEnvLocal(dir, filepath.Join(dir, stateName))
				if err != nil {
					t.Fatal(err)
				}
				p.adopt(f)
				if diff := cmp.Diff(tt.want, p.configure); diff != "" {
					t.Error(diff)
				}
				foreign := edit(t, dir, house)
				if got := readEnvLocal(t, dir); got != text {
					t.Errorf("the file is now\n%s", got)
				}
				if theirs := tt.want == nil || tt.uri == "https://evil.example/callback"; theirs != (len(foreign) > 0) {
					t.Errorf("complained about %v", foreign)
				}
			}
		})
	}
}

// TestPlaceholdersAreFilledIn: the guide's .env.local, copied as it is printed.
func TestPlaceholdersAreFilledIn(t *testing.T) {
	t.Parallel()
	dir := writeProject(t, map[string]string{"package.json": `{"dependencies":{"next":"16"}}`, ".env.local": `# mine
WORKOS_CLIENT_ID=client_01...
WORKOS_API_KEY=sk_test_...
WORKOS_COOKIE_PASSWORD=your_32_char_minimum_password_here
NEXT_PUBLIC_WORKOS_REDIRECT_URI=http://localhost:3000/callback
`})
	if foreign := edit(t, dir, house); len(foreign) > 0 {
		t.Errorf("complained about %v", foreign)
	}
	got := readEnvLocal(t, dir)
	for _, line := range []string{"# mine\nWORKOS_CLIENT_ID=client_1\nWORKOS_API_KEY=sk_test_1\nWORKOS_COOKIE_PASSWORD="} {
		if !strings.HasPrefix(got, line) {
			t.Errorf("got\n%s", got)
		}
	}
	if strings.Contains(got, "your_32_char") {
		t.Errorf("anybody knows this password:\n%s", got)
	}
	edit(t, dir, house)
	if again := readEnvLocal(t, dir); again != got {
		t.Errorf("changed again to\n%s", again)
	}
}

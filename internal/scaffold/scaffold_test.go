package scaffold_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lentil-dev/lentil/examples"
	"github.com/lentil-dev/lentil/internal/scaffold"
)

func TestTemplatesAreTheExamples(t *testing.T) {
	t.Parallel()
	for _, tmpl := range examples.Templates {
		t.Run(tmpl.Name, func(t *testing.T) {
			t.Parallel()
			files, err := tmpl.Files()
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "my-app")
			paths, err := scaffold.Write(files, dir)
			if err != nil {
				t.Fatal(err)
			}
			// Whatever an example has at its top, but for what people and tools put there, is written.
			list, err := os.ReadDir(filepath.Join("..", "..", "examples", tmpl.Name))
			if err != nil {
				t.Fatal(err)
			}
			own := []string{"node_modules", "dist", ".next", ".output", ".tanstack", ".gitignore", ".lentil", ".convex", ".env.local", "next-env.d.ts"}
			for _, e := range list {
				if slices.Contains(own, e.Name()) || strings.HasSuffix(e.Name(), ".tsbuildinfo") {
					continue
				}
				if _, err := os.Stat(filepath.Join(dir, e.Name())); err != nil {
					t.Errorf("%s of the example is not in the template: %v", e.Name(), err)
				}
			}
			for _, want := range []string{"convex/auth.config.ts", "convex/_generated/server.js", "convex.json", ".gitignore"} {
				if !slices.Contains(paths, want) {
					t.Errorf("no %s in %v", want, paths)
				}
			}
			for _, file := range []string{"package.json", "package-lock.json"} {
				var p struct {
					Name     string
					Packages map[string]struct{ Name string }
				}
				text, err := os.ReadFile(filepath.Join(dir, file))
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(text, &p); err != nil || p.Name != "my-app" || p.Packages != nil && p.Packages[""].Name != "my-app" {
					t.Errorf("%s names %q, %q, %v", file, p.Name, p.Packages[""].Name, err)
				}
			}
			text, err := os.ReadFile(filepath.Join(dir, "README.md"))
			if err != nil || strings.Contains(string(text), "](../") {
				t.Errorf("the README leads out of the project: %v", err)
			}
		})
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	app := fstest.MapFS{"package.json": {Data: []byte(`{ "name": "x" }`)}, "src/a.ts": {Data: []byte("a")}}
	base := t.TempDir()
	full := filepath.Join(base, "full")
	if err := os.MkdirAll(full, 0o755); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(full, "notes.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"full": scaffold.ErrNotEmpty, "full/notes.txt": scaffold.ErrNotFolder, "Not A Name": scaffold.ErrName} {
		if paths, err := scaffold.Write(app, filepath.Join(base, name)); !errors.Is(err, want) || len(paths) > 0 {
			t.Errorf("%s: %v, %v", name, paths, err)
		}
	}
	if b, err := os.ReadFile(mine); err != nil || string(b) != "mine" {
		t.Errorf("my file: %q, %v", b, err)
	}
	fresh := filepath.Join(base, "fresh")
	if err := os.MkdirAll(filepath.Join(fresh, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := scaffold.Write(app, fresh); err != nil {
		t.Errorf("a folder with a repository alone: %v", err)
	}
	// What cannot be finished leaves nothing.
	if _, err := scaffold.Write(fstest.MapFS{"a.txt": {}, "package.json": {Data: []byte("{")}}, filepath.Join(base, "torn")); err == nil {
		t.Error("a torn template passes")
	}
	if _, err := os.Stat(filepath.Join(base, "torn")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the torn project is there: %v", err)
	}
}

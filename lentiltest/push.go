package lentiltest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// module is a piece of code as a push has it (convex-cli.md §2.6).
type module struct {
	Path        string `json:"path"`
	Source      string `json:"source"`
	SourceMap   string `json:"sourceMap,omitempty"`
	Environment string `json:"environment"`
}

// emptyApp stands for convex.config.ts in an app that has none.
const emptyApp = `export default { export: () => JSON.stringify({ definitionType: { type: "app" }, childComponents: [], httpMounts: {}, exports: { type: "branch", branch: [] } }) };`

// Push makes the functions in a folder live, as "npx convex deploy" does, but
// without Node.js. The packages that they import, convex first of all, must be installed
// beside them. Apps with convex.config.ts are pushed with the official command, for
// which URL and AdminKey are enough.
func (h *House) Push(t testing.TB, dir string) {
	t.Helper()
	modules, schema, err := bundle(dir)
	if err != nil {
		t.Fatalf("lentiltest: push %s: %v", dir, err)
	}
	var start json.RawMessage
	h.deployment(t, "/api/deploy2/start_push", map[string]any{
		"adminKey": h.AdminKey, "functions": "convex/", "componentDefinitions": []any{}, "nodeDependencies": []any{},
		"appDefinition": map[string]any{
			"definition":   module{Path: "convex.config.js", Source: emptyApp, Environment: "isolate"},
			"dependencies": []any{}, "schema": schema, "changedModules": modules, "unchangedModuleHashes": []any{}, "udfServerVersion": "1.48.0",
		},
	}, &start)
	var pending struct {
		SchemaChange json.RawMessage `json:"schemaChange"`
	}
	if err := json.Unmarshal(start, &pending); err != nil {
		t.Fatalf("lentiltest: push %s: %v", dir, err)
	}
	for {
		var state struct{ Type, Error string }
		h.deployment(t, "/api/deploy2/wait_for_schema", map[string]any{"adminKey": h.AdminKey, "schemaChange": pending.SchemaChange, "timeoutMs": 10000}, &state)
		if state.Type == "complete" {
			break
		}
		if state.Type != "inProgress" {
			t.Fatalf("lentiltest: push %s: %s %s", dir, state.Type, state.Error)
		}
	}
	h.deployment(t, "/api/deploy2/finish_push", map[string]any{"adminKey": h.AdminKey, "startPush": start}, nil)
}

// source says which files hold functions.
var source = regexp.MustCompile(`\.(ts|tsx|js|jsx|mjs|mts)$`)

// useNode finds the directive of modules that run in Node.js.
var useNode = regexp.MustCompile(`(?m)\A(\s*(//[^\n]*|/\*[\s\S]*?\*/))*\s*["']use node["']`)

// bundle reads a folder of functions.
func bundle(dir string) (modules []module, schema *module, err error) {
	var isolate, node []string
	var auth string
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != dir && (name == "_generated" || name == "node_modules" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		switch {
		case !source.MatchString(name), strings.HasSuffix(strings.TrimSuffix(name, filepath.Ext(name)), ".d"), strings.Contains(name, ".test."), strings.HasPrefix(name, "."):
			return nil
		case p == filepath.Join(dir, "convex.config.ts"), p == filepath.Join(dir, "convex.config.js"):
			return fmt.Errorf("it has a %s: push it with npx convex deploy --url … --admin-key …", name)
		case filepath.Dir(p) == filepath.Clean(dir) && strings.HasPrefix(name, "schema."):
			one, err := build([]string{p}, dir, api.PlatformBrowser, false)
			if err == nil {
				schema = &one[0]
			}
			return err
		case filepath.Dir(p) == filepath.Clean(dir) && strings.HasPrefix(name, "auth.config."):
			auth = p
			return nil
		}
		text, err := os.ReadFile(p)
		if useNode.Match(text) {
			node = append(node, p)
		} else {
			isolate = append(isolate, p)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, b := range []struct {
		files []string
		to    api.Platform
		split bool
	}{{isolate, api.PlatformBrowser, true}, {node, api.PlatformNode, true}, {slices.DeleteFunc([]string{auth}, func(s string) bool { return s == "" }), api.PlatformBrowser, false}} {
		if len(b.files) == 0 {
			continue
		}
		list, err := build(b.files, dir, b.to, b.split)
		if err != nil {
			return nil, nil, err
		}
		modules = append(modules, list...)
	}
	return modules, schema, nil
}

// build bundles entry points as the official command does.
func build(files []string, dir string, to api.Platform, split bool) ([]module, error) {
	base, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	chunks, environment := "_deps/[hash]", "isolate"
	if to == api.PlatformNode {
		chunks, environment = "_deps/node/[hash]", "node"
	}
	out := filepath.Join(base, "out")
	r := api.Build(api.BuildOptions{
		EntryPoints: files, Bundle: true, Platform: to, Format: api.FormatESModule, Target: api.ESNext, JSX: api.JSXAutomatic,
		Outdir: out, Outbase: base, Conditions: []string{"convex", "module"}, Splitting: split, ChunkNames: chunks, KeepNames: true,
		MinifySyntax: true, MinifyIdentifiers: true, Sourcemap: api.SourceMapLinked, SourcesContent: api.SourcesContentExclude,
		Define: map[string]string{"process.env.NODE_ENV": `"production"`}, TreeShaking: api.TreeShakingTrue, LogLevel: api.LogLevelSilent,
	})
	if len(r.Errors) > 0 {
		texts := api.FormatMessages(r.Errors, api.FormatMessagesOptions{})
		return nil, fmt.Errorf("%s(are the packages installed that the functions import? npm install convex)", strings.Join(texts, ""))
	}
	maps := map[string]string{}
	var list []module
	for _, f := range r.OutputFiles {
		rel, err := filepath.Rel(out, f.Path)
		if err != nil {
			return nil, err
		}
		rel = filepath.ToSlash(rel)
		if m, ok := strings.CutSuffix(rel, ".map"); ok {
			maps[m] = string(f.Contents)
			continue
		}
		list = append(list, module{Path: rel, Source: string(f.Contents), Environment: environment})
	}
	for i := range list {
		list[i].SourceMap = maps[list[i].Path]
	}
	return list, nil
}

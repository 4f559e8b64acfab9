package doctor

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/projectfile"
)

// typesByName is the first TypeScript that takes only those packages of @types into
// account that tsconfig.json names (https://www.typescriptlang.org/tsconfig/#types).
const typesByName = 6

// compilerOptions is where options begin in a tsconfig.json.
var compilerOptions = regexp.MustCompile(`"compilerOptions"\s*:\s*\{`)

// checkNodeTypes looks whether the compiler of a push knows `process`, which the
// guide's auth.config.ts reads. The official CLI writes a tsconfig.json without.
func checkNodeTypes(_ context.Context, p *Patient, f *finding) {
	ts := p.installedPackage("typescript")
	name := p.functionsDir() + "/tsconfig.json"
	text := p.read(name)
	if ts == nil || text == nil || p.Auth == nil || p.Auth.File == nil || !strings.Contains(string(p.Auth.File.Source), "process.env") {
		return
	}
	v, _, ok := parseVersion(ts.Version)
	if !ok || v.n[0] < typesByName {
		f.say(OK, "TypeScript %s takes all of @types", ts.Version)
		return
	}
	var c struct {
		Extends         any
		CompilerOptions struct{ Types []string }
	}
	switch err := json.Unmarshal(projectfile.PlainJSON(text), &c); {
	case err != nil:
		f.say(Skipped, "%s cannot be read: %v", name, err)
		return
	case slices.Contains(c.CompilerOptions.Types, "node"), slices.Contains(c.CompilerOptions.Types, "*"):
		f.say(OK, "%s names node", name)
		return
	case c.CompilerOptions.Types == nil && c.Extends != nil:
		f.say(Skipped, "%s extends another file", name)
		return
	}
	f.say(Problem, "TypeScript %s does not know `process` in %s, so a push fails: %s does not name the types of node", ts.Version, p.Auth.File.Path, name)
	install := ""
	if p.installedPackage("@types/node") == nil {
		install = "npm install --save-dev @types/node\n"
	}
	f.fix("Name them in the compilerOptions of %s:\n%s\"types\": [\"node\"],", name, install)
	if at := compilerOptions.FindIndex(text); at != nil && c.CompilerOptions.Types == nil {
		f.repair(name, text, slices.Concat(text[:at[1]], []byte("\n    \"types\": [\"node\"],"), text[at[1]:]))
	}
}

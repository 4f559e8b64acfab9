package lentil_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the module path that prefixes every import of ours.
const module = "github.com/lentil-dev/lentil"

// plan is the plan of the house. "a < b" lets b import a and whatever lies
// below a; "a !< b" must never become true. Rooms are paths below internal/;
// a leading slash names a public package. docs: ARCHITECTURE.md.
const plan = `
# words
NONE < apierr < value < schema;
NONE < diagnosis; # why something was refused, in one voice
# tools: each handles one foreign thing; none knows documents, users or protocols
NONE < persistence, blob, depot, isolate, mail, webcrypto;
NONE < projectfile; # .env and JSON files of JavaScript projects
webcrypto < isolate;
apierr < sideprocess;
NONE < setting, systemd; # flags, variables, one file; the manager that started us
isolate < node; # a second engine for the same calls: decision 30
persistence < persistence/persistencetest, persistence/pebblestore, persistence/postgres;
apierr < isolate, blob;
apierr < outbound; # the one client for addresses that others chose
apierr, diagnosis < token;
outbound, token < connector;
NONE < forward; # in place of the vendors' hosts, for programs on this machine
# engine
apierr, schema, persistence < database < search;
database, token < certificate; # files, ACME
NONE < certificate/certificatetest; # an ACME authority; tests alone use it
# west wing
database < scheduler;
blob, database, token < filestorage;
isolate, node, filestorage, scheduler, search < udf < deploy < backup < sysudf;
udf < logstream < sysudf;
sysudf, persistence/pebblestore, persistence/postgres < deployment;
blob, database, depot < archive < server; # copies of a house elsewhere, of both wings
# east wing
database, outbound, token < identity;
identity < webhook, passkey, directory, authorization, agent, vault, auditlog, featureflag, application, integration, radar;
connector, identity < sso;
application, authorization, directory, featureflag, mail, passkey, radar, sideprocess, sso, webhook < authflow;
identity < transfer; # users in and out, seeds
# control
deployment, identity < platform;
# fronts
apierr < wire;
NONE < wire/workos/contract; # what the public description promises; tests alone use it
NONE < passkey/passkeytest; # an authenticator; tests alone use it
udf, wire < wire/convexsync;
sysudf, wire < wire/convexhttp;
agent, auditlog, authflow, integration, transfer, vault, wire < wire/workos;
authflow < account; # what people see and change of their own
account, authflow, wire < web/login;
directory, wire < wire/scim;
authflow, wire < web/portal, web/testidp;
platform, wire < wire/management;
authflow, platform, projectfile, wire < web/dashboard;
# roof and door
certificate, setting, systemd < server; # what serve alone needs
forward, web/dashboard, web/login, web/portal, web/testidp, wire/convexhttp, wire/convexsync, wire/management, wire/scim, wire/workos < server < cmd/lentil;
NONE < doctor/source; # reads TypeScript
projectfile, doctor/source, token < doctor < cmd/lentil; # asks a house over its own address, as anybody could
NONE < scaffold < cmd/lentil; # new projects, from the examples
# public
value < /convex;
token < /authkit;
server < /lentiltest;
# never, however convenient
identity !< udf;  authflow !< deploy;  identity !< wire/convexsync;  identity !< wire/convexhttp;
udf !< identity;  udf !< authflow;  isolate !< wire/workos;  udf !< web/login;
database !< isolate;  database !< token;  persistence/pebblestore !< database;  server !< web/dashboard;
`

// owners lists every third-party module and the rooms that may import it.
// Each has a line in docs/decisions/0005-modules.md.
var owners = map[string][]string{
	"github.com/andybalholm/brotli":       {"internal/wire"},
	"github.com/boombuler/barcode":        {"internal/identity"},
	"github.com/cockroachdb/pebble/v2":    {"internal/persistence/pebblestore"},
	"github.com/coder/websocket":          {"internal/wire/convexsync", "convex"},
	"github.com/crewjam/saml":             {"internal/connector"},
	"github.com/evanw/esbuild":            {"lentiltest"},
	"github.com/go-jose/go-jose/v4":       {"internal/token"},
	"github.com/go-sourcemap/sourcemap":   {"internal/isolate"},
	"github.com/go-webauthn/webauthn":     {"internal/passkey"},
	"github.com/klauspost/compress":       {"internal/archive"},
	"github.com/minio/minio-go/v7":        {"internal/depot"},
	"github.com/oklog/ulid/v2":            {"internal/identity", "internal/authflow"},
	"github.com/robfig/cron/v3":           {"internal/scheduler"},
	"github.com/russellhaering/goxmldsig": {"internal/connector"},
	"github.com/spf13/cobra":              {"cmd/lentil"},
	"github.com/spf13/pflag":              {"cmd/lentil"},
	"github.com/tommie/v8go":              {"internal/isolate"},
	"github.com/wneessen/go-mail":         {"internal/mail"},
	"gopkg.in/yaml.v3":                    {"internal/transfer", "internal/setting"},
	"golang.org/x/crypto":                 {"internal/authflow", "internal/certificate", "internal/token", "internal/identity"},
	"golang.org/x/net":                    {"lentiltest"},
	"golang.org/x/sync":                   {"internal", "cmd"},
	"golang.org/x/sys":                    {"internal", "cmd"},
}

// testOwners are modules that only tests may import, anywhere.
var testOwners = []string{
	"github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "golang.org/x/net", "github.com/coder/websocket", "github.com/andybalholm/brotli", "github.com/beevik/etree", "github.com/johannesboyne/gofakes3",
	"github.com/letsencrypt/pebble/v2", "github.com/miekg/dns", // an ACME authority, and the names it asks for
}

// maxLines is the length above which a hand-written Go file fails; tables and
// generated files are exempt (conventions: aim at 100–300).
const maxLines = 600

// goFile is one parsed source file of the tree.
type goFile struct {
	path    string // slash-separated, relative to the root
	dir     string
	test    bool
	file    *ast.File
	lines   int
	fset    *token.FileSet
	imports []string
}

// tree parses every Go file of the repository.
func tree(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			n := d.Name()
			if n == "node_modules" || n == "testdata" || (strings.HasPrefix(n, ".") && n != ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(p) != ".go" {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, src, parser.ParseComments)
		if err != nil {
			return err
		}
		p = filepath.ToSlash(p)
		g := goFile{path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go"), file: f, fset: fset, lines: strings.Count(string(src), "\n")}
		for _, im := range f.Imports {
			s, _ := strconv.Unquote(im.Path.Value)
			g.imports = append(g.imports, s)
		}
		files = append(files, g)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// house is the parsed plan: allowed[b] holds everything b may import.
type house struct {
	allowed map[string]map[string]bool
	never   [][2]string
}

// parsePlan reads the plan's little language. A room may stand on the right of
// several statements; what it may import adds up.
func parsePlan(text string) (house, error) {
	h := house{allowed: map[string]map[string]bool{}}
	var clean strings.Builder
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		clean.WriteString(line + " ")
	}
	direct := map[string][]string{}
	list := func(s string) []string {
		var out []string
		for _, n := range strings.Split(s, ",") {
			if n = strings.TrimSpace(n); n != "" {
				out = append(out, n)
			}
		}
		return out
	}
	for _, st := range strings.Split(clean.String(), ";") {
		if strings.TrimSpace(st) == "" {
			continue
		}
		if a, b, ok := strings.Cut(st, "!<"); ok {
			h.never = append(h.never, [2]string{strings.TrimSpace(a), strings.TrimSpace(b)})
			continue
		}
		parts := strings.Split(st, "<")
		if len(parts) < 2 {
			return h, fmt.Errorf("cannot read %q", st)
		}
		for i := 1; i < len(parts); i++ {
			for _, b := range list(parts[i]) {
				if _, ok := direct[b]; !ok {
					direct[b] = nil
				}
				for _, a := range list(parts[i-1]) {
					if a == "NONE" {
						continue
					}
					if _, ok := direct[a]; !ok {
						return h, fmt.Errorf("%q is used before it stands on a right side", a)
					}
					direct[b] = append(direct[b], a)
				}
			}
		}
	}
	for b := range direct {
		all := map[string]bool{}
		var add func(string)
		add = func(n string) {
			for _, a := range direct[n] {
				if !all[a] {
					all[a] = true
					add(a)
				}
			}
		}
		add(b)
		h.allowed[b] = all
	}
	return h, nil
}

// room turns a directory into the plan's name for it; ok is false where the
// plan says nothing (the root, bench, tools).
func room(dir string) (name string, ok bool) {
	switch {
	case strings.HasPrefix(dir, "internal/"):
		return strings.TrimPrefix(dir, "internal/"), true
	case dir == "convex", dir == "authkit", dir == "lentiltest":
		return "/" + dir, true
	case strings.HasPrefix(dir, "cmd/"):
		return dir, true
	}
	return "", false
}

func TestPlanIsFollowed(t *testing.T) {
	h, err := parsePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range h.never {
		if h.allowed[n[1]][n[0]] {
			t.Errorf("the plan lets %s import %s, which must never be", n[1], n[0])
		}
	}
	for _, f := range tree(t) {
		b, ok := room(f.dir)
		if !ok || f.test {
			continue // tests may reach across the house
		}
		if _, ok := h.allowed[b]; !ok {
			t.Errorf("%s: room %q is not in the plan", f.path, b)
			continue
		}
		for _, im := range f.imports {
			if !strings.HasPrefix(im, module+"/") {
				continue
			}
			a, ok := room(strings.TrimPrefix(im, module+"/"))
			if ok && a != b && !h.allowed[b][a] {
				t.Errorf("%s: %s may not import %s", f.path, b, a)
			}
		}
	}
}

func TestModulesHaveOwners(t *testing.T) {
	for _, f := range tree(t) {
		for _, im := range f.imports {
			if strings.HasPrefix(im, module) || !strings.Contains(strings.SplitN(im, "/", 2)[0], ".") {
				continue
			}
			var dirs []string
			for m, d := range owners {
				if im == m || strings.HasPrefix(im, m+"/") {
					dirs = d
				}
			}
			ok := slices.ContainsFunc(dirs, func(d string) bool { return f.dir == d || strings.HasPrefix(f.dir, d+"/") })
			if !ok && (f.test || strings.HasSuffix(f.dir, "test")) {
				ok = slices.ContainsFunc(testOwners, func(m string) bool { return im == m || strings.HasPrefix(im, m+"/") })
			}
			if !ok && f.dir == "bench" {
				ok = true // load programs are clients, they may use any module that the tree has
			}
			if !ok {
				t.Errorf("%s imports %s, which has no owner there; owners are listed in layout_test.go", f.path, im)
			}
		}
	}
}

func TestPackagesAreDocumentedOnce(t *testing.T) {
	docs := map[string]int{}
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		if _, seen := docs[f.dir]; !seen {
			docs[f.dir] = 0
		}
		if f.file.Doc != nil {
			docs[f.dir]++
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package comments; it needs exactly one, in doc.go", dir, n)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, f := range tree(t) {
		if f.lines > maxLines && !ast.IsGenerated(f.file) {
			t.Errorf("%s has %d lines; split it by noun or verb (limit %d)", f.path, f.lines, maxLines)
		}
	}
}

func TestDeclarationsAreDocumented(t *testing.T) {
	for _, f := range tree(t) {
		if f.test || ast.IsGenerated(f.file) {
			continue
		}
		for _, d := range f.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() {
					t.Errorf("%s: %s has no comment", f.fset.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && d.Doc == nil && ts.Doc == nil && ts.Comment == nil {
						t.Errorf("%s: type %s has no comment", f.fset.Position(ts.Pos()), ts.Name.Name)
					}
				}
			}
		}
	}
}

// TestTreeSpeaksOfTheProduct keeps machine paths out of tracked text.
func TestTreeSpeaksOfTheProduct(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if cwd == "/" {
		return
	}
	for _, f := range tree(t) {
		src, err := os.ReadFile(filepath.FromSlash(f.path))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(src), cwd) {
			t.Errorf("%s names a path of this machine", f.path)
		}
	}
}

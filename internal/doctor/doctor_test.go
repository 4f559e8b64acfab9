package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lentil-dev/lentil/internal/diagnosis"
)

var update = flag.Bool("update", false, "rewrite what the cases expect, and docs/DOCTOR.md")

// client is the client id of the environment in the tests.
const client = "client_01TESTTESTTESTTESTTESTTEST"

// defaultFacts are of a house at which all is well for the guide's project.
func defaultFacts(vite bool) *diagnosis.Facts {
	origin := "http://localhost:3000"
	if vite {
		origin = "http://localhost:5173"
	}
	providers := fmt.Sprintf(`[{"type":"customJwt","applicationID":%q,"issuer":"https://api.workos.com/","jwks":"https://api.workos.com/sso/jwks/%s","algorithm":"RS256"},
		{"type":"customJwt","applicationID":null,"issuer":"https://api.workos.com/user_management/%s","jwks":"https://api.workos.com/sso/jwks/%s","algorithm":"RS256"}]`, client, client, client, client)
	return &diagnosis.Facts{
		Version: "1.2.3", Deployment: "happy-otter-1", Kind: "dev", AuthKitURL: "http://localhost:4100", Providers: json.RawMessage(providers), Functions: 3,
		Environment: &diagnosis.Environment{ID: "environment_1", ClientID: client, Kind: "development", Issuer: "https://api.workos.com/user_management/" + client,
			RedirectURIs: []string{origin + "/callback"}, CORSOrigins: []string{origin}, Homepage: origin},
		Siblings:  []diagnosis.Sibling{{Name: "calm-fox-2", Kind: "prod", ClientID: "client_01PRODPRODPRODPRODPRODPROD"}},
		Workspace: diagnosis.Workspace{Linked: true, Authorized: true, Name: "Ada's team"},
	}
}

// fakeHouse answers as a house would. Files of a case named house/facts.json and
// house/variables.json change what it says; calls that change something are kept.
type fakeHouse struct {
	*httptest.Server
	facts     *diagnosis.Facts
	variables map[string]string
	skew      time.Duration
	foreign   bool
	calls     []string
}

func newFakeHouse(t *testing.T, vite bool, facts, variables []byte) *fakeHouse {
	t.Helper()
	h := &fakeHouse{facts: defaultFacts(vite), variables: map[string]string{"WORKOS_CLIENT_ID": client, "WORKOS_API_KEY": "sk_test_0123456789", "WORKOS_ENVIRONMENT_ID": "environment_1"}}
	if facts != nil {
		var extra struct {
			Skew    int
			Foreign bool
		}
		for _, into := range []any{h.facts, &extra} {
			if err := json.Unmarshal(facts, into); err != nil {
				t.Fatalf("house/facts.json: %v", err)
			}
		}
		h.skew, h.foreign = time.Duration(extra.Skew)*time.Second, extra.Foreign
	}
	if variables != nil {
		var changed map[string]*string
		if err := json.Unmarshal(variables, &changed); err != nil {
			t.Fatalf("house/variables.json: %v", err)
		}
		for name, v := range changed {
			if v == nil {
				delete(h.variables, name)
			} else {
				h.variables[name] = *v
			}
		}
	}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	h.facts.URL, h.facts.SiteURL = h.URL, h.URL
	if h.facts.AuthKitURL == "http://localhost:4100" {
		h.facts.AuthKitURL = h.URL
	}
	t.Cleanup(h.Close)
	return h
}

func (h *fakeHouse) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == diagnosis.FactsPath && !h.foreign:
		if r.Header.Get("Authorization") != "Convex happy-otter-1|key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f := *h.facts
		f.Now = time.Now().Add(h.skew)
		json.NewEncoder(w).Encode(f)
	case r.URL.Path == "/api/v1/list_environment_variables":
		json.NewEncoder(w).Encode(map[string]any{"environmentVariables": h.variables})
	case r.URL.Path == "/api/query":
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code":"NoAuthProvider","message":"No auth provider found matching the given token (iss=x, aud=). The configured providers are: CustomJWT(issuer=https://api.workos.com/, app_id=`+client+`), CustomJWT(issuer=https://api.workos.com/user_management/`+client+`, app_id=none)"}`)
	case r.Method == http.MethodGet:
		w.WriteHeader(http.StatusNotFound)
	default:
		h.calls = append(h.calls, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, bytes.TrimSpace(body)))
		h.apply(r.URL.Path, body)
		io.WriteString(w, "{}")
	}
}

// apply does what a house would do on a call.
func (h *fakeHouse) apply(path string, body []byte) {
	var m struct {
		URI, Origin, Audience string
		Changes               []struct{ Name, Value string }
	}
	json.Unmarshal(body, &m)
	e := h.facts.Environment
	switch {
	case strings.HasSuffix(path, "redirect_uris"):
		e.RedirectURIs = append(e.RedirectURIs, m.URI)
	case strings.HasSuffix(path, "cors_origins"):
		e.CORSOrigins = append(e.CORSOrigins, m.Origin)
	case strings.HasSuffix(path, "settings"):
		e.Audience = e.ClientID
	}
	for _, c := range m.Changes {
		h.variables[c.Name] = c.Value
	}
}

// kase is a project with one thing broken: a file of testdata on top of a base.
type kase struct {
	dir   string
	house *fakeHouse
	opts  Options
}

// lay puts files into a folder; a name with the suffix " (gone)" removes one.
func lay(t *testing.T, dir string, files []txtar.File) {
	t.Helper()
	for _, f := range files {
		name, gone := strings.CutSuffix(f.Name, " (gone)")
		path := filepath.Join(dir, filepath.FromSlash(name))
		if gone {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// open lays a case out. Its comment says on which base it stands and whether a
// house runs.
func open(t *testing.T, a *txtar.Archive) *kase {
	t.Helper()
	words := strings.Fields(string(a.Comment))
	vite := slices.Contains(words, "vite")
	base := "next"
	if vite {
		base = "vite"
	}
	b, err := txtar.ParseFile(filepath.Join("testdata", "base", base+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	k := &kase{dir: t.TempDir()}
	lay(t, k.dir, b.Files)
	own := map[string][]byte{}
	var files []txtar.File
	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, "house/") || f.Name == "expected" {
			own[f.Name] = f.Data
		} else {
			files = append(files, f)
		}
	}
	lay(t, k.dir, files)
	k.opts = Options{Dir: k.dir, Version: "1.2.3",
		NodeVersion: func(context.Context) (string, error) {
			if v := string(own["house/node"]); v != "" {
				return v, nil
			}
			return "v22.20.0\n", nil
		},
		Free: func(port int) bool { return !slices.Contains(words, fmt.Sprint(port)) },
	}
	if slices.Contains(words, "house") {
		k.house = newFakeHouse(t, vite, own["house/facts.json"], own["house/variables.json"])
		k.opts.Houses = []Address{{URL: k.house.URL, AdminKey: "happy-otter-1|key", From: "the test"}}
	}
	return k
}

// tell writes what is wrong with a case and what its repairs do, without what
// differs from run to run.
func (k *kase) tell(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	done := map[string]bool{}
	for round := 0; ; round++ {
		p, err := Look(t.Context(), k.opts)
		if err != nil {
			t.Fatal(err)
		}
		list, err := p.Examine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		var next *Repair
		for i := range list {
			f := &list[i]
			if f.Status == Skipped && len(f.Detail) > 0 && strings.Contains(f.Detail[0], "check itself failed") {
				t.Fatalf("%s: %s", f.ID, f.Detail[0])
			}
			if f.Status != Warning && f.Status != Problem {
				continue
			}
			wrong++
			fmt.Fprintf(&b, "%s %s\n  %s\n", f.Status, f.ID, strings.Join(f.Detail, "\n  "))
			if round == 0 {
				fmt.Fprintf(&b, "  fix: %s\n", strings.ReplaceAll(strings.TrimSpace(f.Fix), "\n", "\n  | "))
			}
			for j := range f.Repairs {
				r := &f.Repairs[j]
				if key := f.ID + r.Path + r.Call + strings.Join(f.Detail, "\n"); next == nil && !done[key] {
					next, done[key] = r, true
				}
			}
		}
		if wrong == 0 {
			b.WriteString("nothing is wrong\n")
		}
		if next == nil || round > 10 {
			break
		}
		fmt.Fprintf(&b, "\n-> %s\n  %s\n", firstOf(next.Path, "a call"), strings.Join(next.Diff(), "\n  "))
		if err := next.Apply(t.Context(), k.dir); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n")
	}
	out := b.String()
	if k.house != nil {
		out = strings.ReplaceAll(out, k.house.URL, "http://house")
	}
	out = regexp.MustCompile(`last \S+ ago`).ReplaceAllLiteralString(out, "last $AGO ago")
	out = regexp.MustCompile(`differ by [0-9.]+m?s`).ReplaceAllLiteralString(out, "differ by $SKEW")
	lines := strings.Split(out, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// TestCases examines projects with one thing broken each, repairs them as --fix
// does, and examines them again. `go test -update` rewrites what they expect.
func TestCases(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := open(t, a).tell(t)
			at := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "expected" })
			if *update {
				if at < 0 {
					a.Files = append(a.Files, txtar.File{Name: "expected"})
					at = len(a.Files) - 1
				}
				a.Files[at].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want := ""
			if at >= 0 {
				want = string(a.Files[at].Data)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEveryCheckIsProvoked wants a case for each line of the table.
func TestEveryCheckIsProvoked(t *testing.T) {
	t.Parallel()
	names, _ := filepath.Glob("testdata/*.txtar")
	provoked := map[string]bool{}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name != "expected" {
				continue
			}
			for line := range strings.Lines(string(f.Data)) {
				if s, id, ok := strings.Cut(strings.TrimSpace(line), " "); ok && (s == string(Problem) || s == string(Warning)) {
					provoked[id] = true
				}
			}
		}
	}
	for i := range Checks {
		if !provoked[Checks[i].ID] {
			t.Errorf("no case provokes %s", Checks[i].ID)
		}
	}
}

// TestGuidePasses examines the document's own projects: nothing may be wrong with
// them, with a house and without.
func TestGuidePasses(t *testing.T) {
	t.Parallel()
	for _, comment := range []string{"vite", "vite house", "next", "next house"} {
		t.Run(comment, func(t *testing.T) {
			t.Parallel()
			if got := open(t, &txtar.Archive{Comment: []byte(comment)}).tell(t); got != "nothing is wrong\n" {
				t.Error(got)
			}
		})
	}
}

func TestSkippedChecksSayWhy(t *testing.T) {
	t.Parallel()
	p, err := Look(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	list, err := p.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Status == Skipped && (len(f.Detail) == 0 || f.Detail[0] == "") {
			t.Errorf("%s is skipped without a word", f.ID)
		}
		if f.Status == Problem || f.Status == Warning {
			t.Errorf("an empty folder has %s: %v", f.ID, f.Detail)
		}
	}
	if _, err := p.Examine(t.Context(), "nonsense"); err == nil {
		t.Error("a check that does not exist was made")
	}
}

func TestForeignDeploymentTellsItsProvidersByRefusing(t *testing.T) {
	t.Parallel()
	k := open(t, &txtar.Archive{Comment: []byte("vite house"), Files: []txtar.File{{Name: "house/facts.json", Data: []byte(`{"foreign": true}`)}}})
	p, err := Look(t.Context(), k.opts)
	if err != nil {
		t.Fatal(err)
	}
	if p.House == nil || p.House.Facts != nil || len(p.House.Providers) != 2 || p.House.Providers[0].ApplicationID != client {
		t.Fatalf("%+v %s", p.House, p.HouseWhy)
	}
	list, err := p.Examine(t.Context(), "config-pushed", "client-id-matches", "cors-origin")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Status{}
	for _, f := range list {
		got[f.ID] = f.Status
	}
	if diff := cmp.Diff(map[string]Status{"config-pushed": OK, "client-id-matches": OK, "cors-origin": Skipped}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRepairRefusesAChangedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, ".env.local")
	if err := os.WriteFile(path, []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Repair{Path: ".env.local", Old: []byte("A=0\n"), New: []byte("A=2\n")}
	if err := r.Apply(t.Context(), dir); err == nil {
		t.Error("a changed file was overwritten")
	}
	r.Old = []byte("A=1\n")
	if err := r.Apply(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "A=2\n" {
		t.Errorf("%q", b)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was left: %v", entries)
	}
}

func TestDiffMasksSecrets(t *testing.T) {
	t.Parallel()
	r := Repair{Path: ".env.local", Old: []byte("A=1\n"), New: []byte("A=1\nWORKOS_API_KEY=sk_test_secret\n")}
	if got := strings.Join(r.Diff(), "\n"); strings.Contains(got, "secret") || !strings.Contains(got, "+WORKOS_API_KEY=•") {
		t.Error(got)
	}
}

func TestSatisfies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		have, want  string
		fits, known bool
	}{
		{"10.14.0", "^9.0.0 || ^10.0.0", true, true},
		{"11.0.0", "^9.0.0 || ^10.0.0", false, true},
		{"16.4.6", "^13.5.9 || ^14.2.26 || ^15.2.3 || ^16", true, true},
		{"0.20.3", "^0.20.1", true, true},
		{"0.21.0", "^0.20.1", false, true},
		{"0.0.4", "^0.0.3", false, true},
		{"1.2.9", "~1.2.3", true, true},
		{"1.3.0", "~1.2.3", false, true},
		{"19.3.1", ">=17", true, true},
		{"20.20.2", ">=22.11.0", false, true},
		{"22.11.0", ">= 22.11.0 < 25", true, true},
		{"1.5.0", "1.x", true, true},
		{"2.0.0", "1.2 - 1.9", false, true},
		{"1.9.9", "1.2 - 1.9", true, true},
		{"2.0.0-rc.1", "^1.0.0", false, true},
		{"1.0.0", "*", true, true},
		{"1.0.0", "github:a/b", false, false},
		{"1.0.0", "latest", false, false},
		{"dev", "^1", false, false},
	} {
		if fits, known := satisfies(c.have, c.want); fits != c.fits || known != c.known {
			t.Errorf("satisfies(%q, %q) = %v, %v", c.have, c.want, fits, known)
		}
	}
}

func TestMatcherCovers(t *testing.T) {
	t.Parallel()
	const guide = `/((?!.*\..*|_next).*)`
	for _, c := range []struct {
		pattern, at   string
		covers, known bool
	}{
		{guide, "/callback", true, true},
		{guide, "/favicon.ico", false, true},
		{guide, "/_next/data", false, true},
		{"/(api|trpc)(.*)", "/api/x", true, true},
		{"/(api|trpc)(.*)", "/app", false, true},
		{"/", "/", true, true},
		{"/", "/a", false, true},
		{"/dashboard/:path*", "/dashboard", true, true},
		{"/dashboard/:path*", "/dashboard/a/b", true, true},
		{"/dashboard/:path+", "/dashboard", false, true},
		{"/u/:id", "/u/7", true, true},
		{"/u/:id", "/u/7/x", false, true},
		{"/a(?=b)", "/ab", false, false},
	} {
		if covers, known := matches(c.pattern, c.at); covers != c.covers || known != c.known {
			t.Errorf("%s over %s: %v, %v", c.pattern, c.at, covers, known)
		}
	}
}

// FuzzLook examines projects whose files are arbitrary: nothing may panic, and no
// check may fail by its own fault.
func FuzzLook(f *testing.F) {
	f.Add("const c = process.env.WORKOS_CLIENT_ID;\nexport default { providers: [ { type: 'customJwt', issuer: `https://api.workos.com/user_management/${c}` } ] };",
		"WORKOS_CLIENT_ID='a b'\nVITE_WORKOS_API_KEY=sk_live_x\n", `{"authKit": {"dev": {"configure": {"redirectUris": ["${x}"]}}}}`,
		"import { useAuth } from '@workos-inc/authkit-react'; import { useQuery } from 'convex/react'; function A() { const { user } = useAuth(); const q = useQuery(x, user ? {} : 'skip'); return user && <B/>; }")
	f.Fuzz(func(t *testing.T, config, env, convex, page string) {
		files := fstest.MapFS{"package.json": {Data: []byte(`{"dependencies": {"next": "16.0.0", "@workos-inc/authkit-nextjs": "4.3.2"}}`)}}
		for name, text := range map[string]string{"convex/auth.config.ts": config, ".env.local": env, "convex.json": convex, "app/page.tsx": page, "proxy.ts": page} {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		p := &Patient{opts: Options{Getenv: func(string) string { return "" }}, files: files, paths: map[string]bool{}}
		if err := p.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := p.Examine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range list {
			if g.Status == Skipped && strings.Contains(strings.Join(g.Detail, ""), "check itself failed") {
				t.Fatalf("%s: %v", g.ID, g.Detail)
			}
			for i := range g.Repairs {
				g.Repairs[i].Diff()
			}
		}
		p.Print(io.Discard, list, true, func(_, s string) string { return s })
	})
}

// names are the ids of all checks, for tests of the documentation.
func names() []string {
	m := map[string]bool{}
	for i := range Checks {
		m[Checks[i].ID] = true
	}
	return slices.Sorted(maps.Keys(m))
}

// docPath is the page with the table of checks.
const docPath = "../../docs/DOCTOR.md"

// TestDocumentationIsUpToDate compares the table in docs/DOCTOR.md with the code's;
// -update rewrites it.
func TestDocumentationIsUpToDate(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- checks: generated by go test ./internal/doctor -update -->\n", "<!-- end of checks -->\n"
	b, err := os.ReadFile(docPath)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", docPath)
	}
	want := head + begin + Markdown() + end + tail
	if *update {
		if err := os.WriteFile(docPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(b) {
		t.Errorf("%s is out of date; run: go test ./internal/doctor -run TestDocumentation -update", docPath)
	}
	for _, id := range names() {
		if strings.Count(want, "| `"+id+"` |") != 1 {
			t.Errorf("%s is not once in the table", id)
		}
	}
}

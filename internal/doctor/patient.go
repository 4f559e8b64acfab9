package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/doctor/source"
	"github.com/lentil-dev/lentil/internal/projectfile"
)

// SignIn is where a project's sign-in client runs.
type SignIn uint8

// The places.
const (
	Nowhere SignIn = iota
	Browser        // authkit-react: public variables
	Server         // authkit-nextjs and relatives: secret ones
)

// Framework is what builds the project's pages, in the order in which the
// official CLI recognises it.
type Framework struct {
	Name     string
	packages []string
	Origin   string // where its development server usually answers
	Prefix   string // of variables that its pages may see
	Redirect string // variable of the redirect URI
	SignIn   SignIn
}

// frameworks are those that the guide and the templates know.
var frameworks = []Framework{
	{"Next.js", []string{"next"}, "http://localhost:3000", "NEXT_PUBLIC_", "NEXT_PUBLIC_WORKOS_REDIRECT_URI", Server},
	{"TanStack Start", []string{"@tanstack/react-start", "@tanstack/solid-start"}, "http://localhost:3000", "VITE_", "WORKOS_REDIRECT_URI", Server},
	{"Vite", []string{"vite", "@workos-inc/authkit-react"}, "http://localhost:5173", "VITE_", "VITE_WORKOS_REDIRECT_URI", Browser},
}

// Package is the part of a package.json that matters.
type Package struct {
	Name             string            `json:"name"`
	Version          string            `json:"version"`
	Dependencies     map[string]string `json:"dependencies"`
	DevDependencies  map[string]string `json:"devDependencies"`
	PeerDependencies map[string]string `json:"peerDependencies"`
	PeerMeta         map[string]struct {
		Optional bool `json:"optional"`
	} `json:"peerDependenciesMeta"`
	Engines map[string]string `json:"engines"`
}

// wants is the range in which the project asks for a package; "" if it does not.
func (p *Package) wants(name string) string {
	if v := p.Dependencies[name]; v != "" {
		return v
	}
	return p.DevDependencies[name]
}

// Options say whom to look at.
type Options struct {
	Dir    string
	Getenv func(string) string
	// Houses are the addresses to try, the first that answers counts.
	Houses []Address
	// Version is our own.
	Version string
	// Client asks houses; nil means one with deadlines.
	Client *http.Client
	// NodeVersion asks for the version of Node.js on the PATH; nil asks nobody.
	NodeVersion func(context.Context) (string, error)
	// Free says whether a port of this machine is free; nil asks nobody.
	Free func(port int) bool
	// Now is the time; nil is the clock's.
	Now func() time.Time
}

// Patient is a project, read once.
type Patient struct {
	opts      Options
	files     fs.FS
	Package   Package
	Framework Framework
	Env       []EnvFile // .env.local first
	Convex    []byte    // convex.json; nil without one
	Auth      *AuthConfig
	AuthWhy   string // why Auth is nil
	House     *House
	HouseWhy  string // why House is nil
	Sources   []*source.File
	paths     map[string]bool // of every file of the project that was seen
	unread    []string        // sources that could not be read
}

// EnvFile is a .env file.
type EnvFile struct {
	Name string
	Text []byte
	*projectfile.Dotenv
}

// The bounds of what is read of a project.
const (
	maxFiles = 20_000
	maxFile  = 1 << 20
)

// passedOver are folders in which nobody writes by hand.
var passedOver = []string{"node_modules", "dist", "build", "out", "coverage", "_generated", "vendor"}

// Look reads a project and asks the houses.
func Look(ctx context.Context, o Options) (*Patient, error) {
	if st, err := os.Stat(o.Dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no directory %s", o.Dir)
		}
		return nil, err
	} else if !st.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", o.Dir)
	}
	p := &Patient{opts: o, files: os.DirFS(o.Dir), paths: map[string]bool{}}
	return p, p.look(ctx)
}

// look reads the project's files and asks the houses.
func (p *Patient) look(ctx context.Context) error {
	if p.opts.Getenv == nil {
		p.opts.Getenv = func(string) string { return "" }
	}
	if p.opts.Now == nil {
		p.opts.Now = time.Now
	}
	if b := p.read("package.json"); b != nil {
		if err := json.Unmarshal(projectfile.PlainJSON(b), &p.Package); err != nil {
			return fmt.Errorf("package.json: %w", err)
		}
	}
	p.Framework = Framework{Name: "none"}
	for _, f := range frameworks {
		if slices.ContainsFunc(f.packages, func(name string) bool { return p.Package.wants(name) != "" }) {
			p.Framework = f
			break
		}
	}
	for _, name := range []string{".env.local", ".env"} {
		text := p.read(name)
		p.Env = append(p.Env, EnvFile{name, text, projectfile.ParseDotenv(text)})
	}
	p.Convex = p.read("convex.json")
	p.walk(ctx)
	p.readAuthConfig()
	p.ask(ctx)
	return ctx.Err()
}

// read gives a file of the project, nil if it is not there, too long, or not a file.
func (p *Patient) read(name string) []byte {
	st, err := fs.Stat(p.files, name)
	if err != nil || !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil
	}
	b, err := fs.ReadFile(p.files, name)
	if err != nil {
		return nil
	}
	if b == nil {
		b = []byte{}
	}
	return b
}

// walk reads the project's sources.
func (p *Patient) walk(ctx context.Context) {
	n := 0
	fs.WalkDir(p.files, ".", func(rel string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be read is not looked at
		}
		if n++; n > maxFiles || ctx.Err() != nil {
			return fs.SkipAll
		}
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains(passedOver, d.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		p.paths[rel] = true
		switch path.Ext(rel) {
		case ".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs":
		default:
			return nil
		}
		if strings.HasSuffix(rel, ".d.ts") || strings.Contains(rel, ".test.") || strings.Contains(rel, ".spec.") {
			return nil
		}
		src := p.read(rel)
		if src == nil {
			return nil
		}
		f, err := source.Parse(rel, src)
		if err != nil {
			p.unread = append(p.unread, err.Error())
			return nil
		}
		p.Sources = append(p.Sources, f)
		return nil
	})
}

// source finds a source by its path.
func (p *Patient) source(path string) *source.File {
	for _, f := range p.Sources {
		if f.Path == path {
			return f
		}
	}
	return nil
}

// place is a position in a source.
func place(f *source.File, offset int) Place {
	line, column := f.Position(offset)
	return Place{f.Path, line, column}
}

// usesAuthKit reports whether the project has an AuthKit client, by its packages.
func (p *Patient) usesAuthKit() bool {
	for _, list := range []map[string]string{p.Package.Dependencies, p.Package.DevDependencies} {
		for name := range list {
			if strings.HasPrefix(name, "@workos-inc/authkit") || strings.HasPrefix(name, "@workos/authkit") || name == "@convex-dev/workos" {
				return true
			}
		}
	}
	return false
}

// installed reports whether the project's packages are there.
func (p *Patient) installed() bool {
	st, err := fs.Stat(p.files, "node_modules")
	return err == nil && st.IsDir()
}

// env is a variable as the project's tools see it: of the process, .env.local, .env.
// from says where it stands.
func (p *Patient) env(name string) (value, from string) {
	if v := p.opts.Getenv(name); v != "" {
		return v, "the environment"
	}
	for _, f := range p.Env {
		if v, ok := f.Get(name); ok && v != "" {
			return v, f.Name
		}
	}
	return "", ""
}

// clientIDNames are the variables in which apps keep their client id.
func (p *Patient) clientIDNames() []string {
	if p.Framework.SignIn == Browser {
		return []string{p.Framework.Prefix + "WORKOS_CLIENT_ID"}
	}
	return []string{"WORKOS_CLIENT_ID"}
}

// clientID is the app's client id and where it stands.
func (p *Patient) clientID() (id, from string) {
	for _, name := range p.clientIDNames() {
		if v, where := p.env(name); v != "" && !projectfile.Placeholder(v) {
			return v, name + " in " + where
		}
	}
	return "", ""
}

// redirectURI is the app's redirect URI and where it stands.
func (p *Patient) redirectURI() (uri, from string) {
	for _, name := range []string{p.Framework.Redirect, "WORKOS_REDIRECT_URI"} {
		if name == "" {
			continue
		}
		if v, where := p.env(name); v != "" {
			return v, name + " in " + where
		}
	}
	return "", ""
}

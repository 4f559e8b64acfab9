package doctor

import (
	"fmt"
	"strings"

	"github.com/lentil-dev/lentil/internal/doctor/source"
)

// AuthConfig is convex/auth.config.ts, read without running it.
type AuthConfig struct {
	File      *source.File
	Providers []Entry
	// List is where the list of providers stands, -1 when a function makes it.
	ListFrom, ListTo int
	// Helper is the function that makes the providers, such as
	// getAuthConfigProviders of the Convex component for AuthKit.
	Helper string
}

// Entry is one provider as it is written.
type Entry struct {
	From, To int
	Members  map[string]source.Value
}

// authConfigNames are the files in which the official CLI looks.
var authConfigNames = []string{"convex/auth.config.ts", "convex/auth.config.js"}

// functionsDir is the folder of the Convex functions: convex.json may name another.
func (p *Patient) functionsDir() string {
	var c struct {
		Functions string `json:"functions"`
	}
	if p.decodeConvex(&c) == nil && c.Functions != "" {
		return strings.Trim(strings.TrimPrefix(c.Functions, "./"), "/")
	}
	return "convex"
}

// readAuthConfig reads the file.
func (p *Patient) readAuthConfig() {
	for _, name := range authConfigNames {
		name = p.functionsDir() + strings.TrimPrefix(name, "convex")
		f := p.source(name)
		if f == nil {
			if p.paths[name] {
				p.AuthWhy = name + " cannot be read as TypeScript"
				return
			}
			continue
		}
		v, ok := f.Default()
		if !ok {
			p.AuthWhy = name + " has no default export"
			return
		}
		providers, ok := v.Object["providers"]
		if providers.Call != "" {
			p.Auth = &AuthConfig{File: f, Helper: providers.Call, ListFrom: -1}
			return
		}
		if !ok || !providers.IsList() {
			p.AuthWhy = name + " computes its providers in a way that cannot be followed without running it"
			return
		}
		a := &AuthConfig{File: f, ListFrom: providers.From, ListTo: providers.To}
		for _, e := range providers.List {
			if e.Call != "" {
				a.Helper = e.Call
				continue
			}
			if e.Object == nil {
				p.AuthWhy = fmt.Sprintf("%s: a provider is computed in a way that cannot be followed without running it", place(f, e.From))
				return
			}
			a.Providers = append(a.Providers, Entry{From: e.From, To: e.To, Members: e.Object})
		}
		p.Auth = a
		return
	}
	p.AuthWhy = "there is no " + p.functionsDir() + "/auth.config.ts"
}

// plain shows a value with its variables as ${NAME}.
func plain(v source.Value) string {
	s, _ := v.Fill(func(name string) (string, bool) { return "${" + name + "}", true })
	return s
}

// The issuers of WorkOS, without what follows.
const (
	vendor         = "https://api.workos.com"
	userManagement = vendor + "/user_management/"
	jwksPrefix     = vendor + "/sso/jwks/"
)

// issuer is an entry's issuer, without slashes at the end.
func (e *Entry) issuer() string { return strings.TrimRight(plain(e.Members["issuer"]), "/") }

// shared reports whether the entry is for the issuer that all customers share.
func (e *Entry) shared() bool { return e.issuer() == vendor }

// named reports whether the entry is for the issuer that names its client.
func (e *Entry) named() bool { return strings.HasPrefix(e.issuer(), userManagement) }

// workOS reports whether the entry is one of WorkOS.
func (e *Entry) workOS() bool { return e.shared() || strings.HasPrefix(e.issuer(), vendor+"/") }

// has reports whether a provider of a kind is there.
func (a *AuthConfig) has(kind func(*Entry) bool) bool {
	for i := range a.Providers {
		if kind(&a.Providers[i]) {
			return true
		}
	}
	return false
}

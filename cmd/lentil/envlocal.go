package main

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/projectfile"
	"github.com/lentil-dev/lentil/internal/server"
)

// envHeader stands above the lines that we add. When the record of what we wrote
// is lost, the lines below it are how we know our own.
const envHeader = "Written by lentil dev. Change a value and Lentil leaves it alone."

// variable is one line wanted in .env.local.
type variable struct {
	name, value string
	secret      bool // not to be shown on a screen
	once        bool // any present value will do…
	least       int  // …that has this many bytes
	theirs      bool // a value of theirs, which stays theirs though it is as wanted
}

// leastCookiePassword is what authkit-nextjs and its relatives refuse to do without.
const leastCookiePassword = 32

// wantedVariables are the lines that the project needs to reach the house at a.
// Variables whose template cannot be filled are named in the second result.
func wantedVariables(p *project, a server.Addresses, getenv func(string) string) ([]variable, []string) {
	vars := []variable{
		{name: "CONVEX_SELF_HOSTED_URL", value: a.URL},
		{name: "CONVEX_SELF_HOSTED_ADMIN_KEY", value: a.AdminKey, secret: true},
		{name: p.framework.convex, value: a.URL},
	}
	if p.noLocalEnv || p.framework.signIn == noSignIn && p.localEnvVars == nil {
		return vars, nil
	}
	redirect := p.framework.origin + "/callback"
	if p.configure != nil && len(p.configure.RedirectURIs) > 0 {
		redirect = p.configure.RedirectURIs[0]
	}
	authEnv := map[string]string{
		"WORKOS_CLIENT_ID": a.ClientID, "WORKOS_API_KEY": a.APIKey, "WORKOS_ENVIRONMENT_ID": a.EnvironmentID,
	}
	var unfilled []string
	for _, name := range slices.Sorted(maps.Keys(p.localEnvVars)) {
		if p.adopted && name == p.framework.redirectVariable() {
			continue
		}
		text, missing := expand(p.localEnvVars[name], authEnv, getenv)
		if missing != "" {
			unfilled = append(unfilled, fmt.Sprintf("%s (%s has no value)", name, missing))
			continue
		}
		vars = append(vars, variable{name: name, value: text, secret: strings.Contains(p.localEnvVars[name], "API_KEY")})
	}
	host := hostSettings(a.AuthKitURL)
	switch p.framework.signIn {
	case browserSignIn:
		vars = append(vars,
			variable{name: "VITE_WORKOS_CLIENT_ID", value: a.ClientID},
			variable{name: p.framework.redirectVariable(), value: redirect, theirs: p.adopted})
		for _, h := range host {
			vars = append(vars, variable{name: "VITE_" + h.name, value: h.value})
		}
	case serverSignIn:
		password := make([]byte, 32)
		rand.Read(password)
		vars = append(vars,
			variable{name: "WORKOS_CLIENT_ID", value: a.ClientID},
			variable{name: "WORKOS_API_KEY", value: a.APIKey, secret: true},
			variable{name: p.framework.redirectVariable(), value: redirect, theirs: p.adopted},
			variable{name: "WORKOS_COOKIE_PASSWORD", value: base64.RawURLEncoding.EncodeToString(password), secret: true, once: true, least: leastCookiePassword})
		vars = append(vars, host...)
	case noSignIn:
	}
	seen := map[string]bool{} // convex.json's own lines come first and win
	return slices.DeleteFunc(vars, func(v variable) bool {
		dup := seen[v.name]
		seen[v.name] = true
		return dup
	}), unfilled
}

// hostSettings point the official sign-in clients at the house.
func hostSettings(authKitURL string) []variable {
	u, err := url.Parse(authKitURL)
	if err != nil {
		return nil
	}
	https := u.Scheme == "https"
	port := "80"
	if https {
		port = "443"
	}
	return []variable{
		{name: "WORKOS_API_HOSTNAME", value: u.Hostname()},
		{name: "WORKOS_API_PORT", value: cmp.Or(u.Port(), port)},
		{name: "WORKOS_API_HTTPS", value: fmt.Sprint(https)},
	}
}

// envLocal edits a project's .env.local.
type envLocal struct {
	path   string
	record string // JSON file with the values that we wrote last
	file   *projectfile.Dotenv
	old    []byte
	wrote  map[string]string
}

// openEnvLocal reads dir/.env.local and the record of what we wrote there.
func openEnvLocal(dir, stateDir string) (*envLocal, error) {
	e := &envLocal{path: filepath.Join(dir, ".env.local"), record: filepath.Join(stateDir, "env-local.json")}
	var err error
	if e.old, err = os.ReadFile(e.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, server.Explain(e.path, err)
	}
	e.file = projectfile.ParseDotenv(e.old)
	b, err := os.ReadFile(e.record)
	switch {
	case err == nil && json.Unmarshal(b, &e.wrote) == nil && e.wrote != nil:
	case err == nil, errors.Is(err, fs.ErrNotExist):
		e.wrote = e.file.Below(envHeader)
	default:
		return nil, err
	}
	return e, nil
}

// apply adds the variables that are missing and renews those that hold what we
// wrote earlier. It returns those that somebody else set to another value.
func (e *envLocal) apply(vars []variable) (foreign []variable) {
	var missing []variable
	for _, v := range vars {
		now, ok := e.file.Get(v.name)
		switch {
		case !ok || now == "", projectfile.Placeholder(now) && now != e.wrote[v.name]:
			missing = append(missing, v)
		case now == v.value && v.theirs:
		case now == v.value || v.once && len(now) >= v.least:
			e.wrote[v.name] = now
		case now == e.wrote[v.name]:
			e.file.Set(v.name, v.value)
			e.wrote[v.name] = v.value
		default:
			v.value = now
			foreign = append(foreign, v)
		}
	}
	headed := false
	for _, v := range missing {
		if _, there := e.file.Get(v.name); !there && !headed {
			e.file.Comment(envHeader)
			headed = true
		}
		e.file.Set(v.name, v.value)
		e.wrote[v.name] = v.value
	}
	return foreign
}

// save writes the file, if it changed, and the record, each in one step and
// readable by the owner only: the file holds keys.
func (e *envLocal) save() (changed bool, err error) {
	now := e.file.Bytes()
	if changed = string(now) != string(e.old); changed {
		if err := writeFile(e.path, now); err != nil {
			return false, err
		}
	} else if st, err := os.Stat(e.path); err == nil && st.Mode().Perm()&0o077 != 0 {
		os.Chmod(e.path, 0o600) // a courtesy: an older file is no worse than before
	}
	b, err := json.MarshalIndent(e.wrote, "", "  ")
	if err != nil {
		return changed, err
	}
	return changed, writeFile(e.record, append(b, '\n'))
}

// writeFile replaces path in one step with mode 0600. A symbolic link stays one:
// the file that it names is replaced.
func writeFile(path string, b []byte) error { return replaceFile(path, b, (*os.File).Sync) }

// replaceFile is writeFile; settle sees the file before it takes the other's place.
func replaceFile(path string, b []byte, settle func(*os.File) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(0o600)
	}
	if err == nil {
		err = settle(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// cloudSettings finds variables that make the official CLI ignore, or refuse to
// run with, a self-hosted address. They may stand in the environment or in .env files.
func cloudSettings(dir string, getenv func(string) string) []string {
	return whereSet(dir, getenv, "CONVEX_DEPLOYMENT", "CONVEX_DEPLOY_KEY", "CONVEX_DEPLOYMENT_TOKEN")
}

// whereSet says where variables have values, of which the official CLI reads the
// environment first, then .env.local, then .env.
func whereSet(dir string, getenv func(string) string, names ...string) []string {
	files := []struct {
		name string
		env  *projectfile.Dotenv
	}{{".env.local", nil}, {".env", nil}}
	for i, f := range files {
		b, _ := os.ReadFile(filepath.Join(dir, f.name))
		files[i].env = projectfile.ParseDotenv(b)
	}
	var found []string
	for _, name := range names {
		if v := getenv(name); v != "" {
			found = append(found, "the environment sets "+name)
			continue
		}
		for _, f := range files {
			if v, ok := f.env.Get(name); ok && v != "" {
				found = append(found, f.name+" sets "+name)
				break
			}
		}
	}
	return found
}

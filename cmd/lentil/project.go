package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/projectfile"
)

// framework is what builds the project's pages; it decides the usual port and the
// names of the variables in .env.local.
type framework struct {
	name     string
	packages []string // any of these in package.json means this framework
	origin   string   // where its development server usually answers
	convex   string   // variable for the deployment's address
	signIn   signIn
}

// signIn is where the project's sign-in client runs.
type signIn uint8

// The kinds of sign-in client.
const (
	noSignIn      signIn = iota
	browserSignIn        // authkit-react: public variables, host settings as props
	serverSignIn         // authkit-nextjs and relatives: secret variables, host settings by name
)

// frameworks in the order of recognition, which is the official CLI's.
var frameworks = []framework{
	{"Next.js", []string{"next"}, "http://localhost:3000", "NEXT_PUBLIC_CONVEX_URL", serverSignIn},
	{"TanStack Start", []string{"@tanstack/react-start", "@tanstack/solid-start"}, "http://localhost:3000", "VITE_CONVEX_URL", serverSignIn},
	{"Vite", []string{"vite", "@workos-inc/authkit-react"}, "http://localhost:5173", "VITE_CONVEX_URL", browserSignIn},
}

// plainFramework is for a project without any of the frameworks.
var plainFramework = framework{name: "none", origin: "http://localhost:5173", convex: "CONVEX_URL"}

// project is what a folder says about itself.
type project struct {
	dir       string
	framework framework
	// What is to be registered with the sign-in service; nil when convex.json
	// says "configure": false.
	configure *configure
	// Variables for .env.local with their templates; nil when convex.json gives
	// none and the framework's defaults hold.
	localEnvVars map[string]string
	noLocalEnv   bool // "localEnvVars": false
	configured   bool // convex.json says itself what is to be registered
	adopted      bool // the first redirect URI is .env.local's
	component    bool // it uses the Convex component for AuthKit
}

// configure is the part of convex.json that the sign-in service is told.
type configure struct {
	RedirectURIs   []string `json:"redirectUris"`
	AppHomepageURL string   `json:"appHomepageUrl"`
	CORSOrigins    []string `json:"corsOrigins"`
}

// orFalse decodes a member that is either false or an object.
type orFalse[T any] struct {
	set, off bool
	value    T
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *orFalse[T]) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false":
		o.set, o.off = true, true
		return nil
	case "null":
		return nil
	}
	o.set = true
	return json.Unmarshal(b, &o.value)
}

// authKitComponent is the package of the Convex component for AuthKit, which wants a
// webhook and two secrets.
const authKitComponent = "@convex-dev/workos-authkit"

// readProject reads package.json and convex.json in dir; both may be missing.
func readProject(dir string) (*project, error) {
	p := &project{dir: dir, framework: plainFramework}
	var pkg struct {
		Dependencies    map[string]any `json:"dependencies"`
		DevDependencies map[string]any `json:"devDependencies"`
	}
	if err := readJSON(filepath.Join(dir, "package.json"), &pkg); err != nil {
		return nil, err
	}
	p.component = pkg.Dependencies[authKitComponent] != nil || pkg.DevDependencies[authKitComponent] != nil
	for _, f := range frameworks {
		if slices.ContainsFunc(f.packages, func(name string) bool {
			return pkg.Dependencies[name] != nil || pkg.DevDependencies[name] != nil
		}) {
			p.framework = f
			break
		}
	}
	var convex struct {
		AuthKit struct {
			Dev struct {
				Configure    orFalse[configure]         `json:"configure"`
				LocalEnvVars orFalse[map[string]string] `json:"localEnvVars"`
			} `json:"dev"`
		} `json:"authKit"`
	}
	if err := readJSON(filepath.Join(dir, "convex.json"), &convex); err != nil {
		return nil, err
	}
	dev := convex.AuthKit.Dev
	p.noLocalEnv = dev.LocalEnvVars.off
	if dev.LocalEnvVars.set && !dev.LocalEnvVars.off {
		p.localEnvVars = dev.LocalEnvVars.value
	}
	if dev.Configure.off {
		return p, nil
	}
	c := dev.Configure.value
	p.configured = dev.Configure.set
	if !dev.Configure.set {
		c = configure{
			RedirectURIs:   []string{p.framework.origin + "/callback"},
			AppHomepageURL: p.framework.origin,
			CORSOrigins:    []string{p.framework.origin},
		}
	}
	p.configure = &c
	return p, nil
}

// readJSON decodes a file that a person writes; a missing file leaves v as it is.
func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(projectfile.PlainJSON(b), v); err != nil {
		at := ""
		if syn := (*json.SyntaxError)(nil); errors.As(err, &syn) {
			at = fmt.Sprintf(", line %d", 1+strings.Count(string(b[:min(int(syn.Offset), len(b))]), "\n"))
		}
		// A person knows the names in the file, not those of our types.
		if typ := (*json.UnmarshalTypeError)(nil); errors.As(err, &typ) {
			where := "the file"
			if typ.Field != "" {
				where = typ.Field
			}
			return fmt.Errorf("%s: %s cannot be a JSON %s", path, where, typ.Value)
		}
		return fmt.Errorf("%s%s: %w", path, at, err)
	}
	return nil
}

// placeholder is one ${authEnv.X} or ${buildEnv.X} of a convex.json template.
var placeholder = regexp.MustCompile(`\$\{(authEnv|buildEnv)\.(\w+)\}`)

// expand fills a template; missing names the first variable that has no value.
func expand(template string, authEnv map[string]string, buildEnv func(string) string) (text, missing string) {
	text = placeholder.ReplaceAllStringFunc(template, func(s string) string {
		m := placeholder.FindStringSubmatch(s)
		v := authEnv[m[2]]
		if m[1] == "buildEnv" {
			v = buildEnv(m[2])
		}
		if v == "" && missing == "" {
			missing = m[1] + "." + m[2]
		}
		return v
	})
	return text, missing
}

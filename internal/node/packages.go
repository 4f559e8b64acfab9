package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Package is an npm package in an exact version.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Bounds of external packages.
const (
	maxPackages = 500
	installTime = 3 * time.Minute
)

// packagesName is the folder of installed packages.
const packagesName = "packages"

// Names and versions that npm accepts; anything else might be an option or an address.
var (
	packageName    = regexp.MustCompile(`^(@[a-z0-9~][a-z0-9._~-]*/)?[a-zA-Z0-9~][a-zA-Z0-9._~-]*$`)
	packageVersion = regexp.MustCompile(`^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$`)
)

// installs lets one installation at a time run.
type installs struct{ mu sync.Mutex }

// packages gives the node_modules folder that holds the given packages: the
// project's own if it has just these versions, else one of ours, which npm fills
// once. "" for no packages.
func (p *Pool) packages(ctx context.Context, list []Package) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	if len(list) > maxPackages {
		return "", refuse("TooManyPackages", "The push names %d external packages, more than the maximum of %d.", len(list), maxPackages)
	}
	for _, d := range list {
		if len(d.Name) > 214 || !packageName.MatchString(d.Name) || len(d.Version) > 100 || !packageVersion.MatchString(d.Version) {
			return "", refuse("InvalidPackage", "The external package %.100q in version %.100q cannot be installed: names and versions must be those of npm packages.", d.Name, d.Version)
		}
	}
	if p.opt.Project != "" {
		if dir, err := filepath.Abs(filepath.Join(p.opt.Project, "node_modules")); err == nil && holds(dir, list) {
			return dir, nil
		}
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Package) int { return strings.Compare(a.Name+"@"+a.Version, b.Name+"@"+b.Version) })
	text, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("node: %w", err)
	}
	sum := sha256.Sum256(text)
	dir := filepath.Join(p.dir, packagesName, hex.EncodeToString(sum[:16]))
	p.install.mu.Lock()
	defer p.install.mu.Unlock()
	modules := filepath.Join(dir, "node_modules")
	if holds(modules, list) {
		now := time.Now()
		_ = os.Chtimes(dir, now, now) // so that it is not taken for unused
		return modules, nil
	}
	if err := p.npm(ctx, dir, list); err != nil {
		return "", err
	}
	return modules, nil
}

// keepPackages is how long packages stay that no program wanted.
const keepPackages = 30 * 24 * time.Hour

// sweepPackages removes packages that have not been used for long, and what an
// interrupted installation left. No program may be loaded yet.
func sweepPackages(dir string) error {
	list, err := os.ReadDir(filepath.Join(dir, packagesName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		st, serr := e.Info()
		if serr == nil && (strings.HasPrefix(e.Name(), "new-") || time.Since(st.ModTime()) > keepPackages) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, packagesName, e.Name())))
		}
	}
	return err
}

// holds tells whether a node_modules folder has all packages in their versions.
func holds(dir string, list []Package) bool {
	for _, d := range list {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(d.Name), "package.json"))
		var has struct {
			Version string `json:"version"`
		}
		if err != nil || json.Unmarshal(b, &has) != nil || has.Version != d.Version {
			return false
		}
	}
	return true
}

// npm installs packages into dir, which appears when they are complete. Their
// scripts do not run.
func (p *Pool) npm(ctx context.Context, dir string, list []Package) (err error) {
	names := make([]string, len(list))
	manifest := struct {
		Private      bool              `json:"private"`
		Dependencies map[string]string `json:"dependencies"`
	}{true, map[string]string{}}
	for i, d := range list {
		names[i] = d.Name + "@" + d.Version
		manifest.Dependencies[d.Name] = d.Version
	}
	v, err := p.Version(ctx)
	if err != nil {
		return err
	}
	npm := filepath.Join(filepath.Dir(v.binary), "npm")
	if _, err := os.Stat(npm); err != nil {
		if npm, err = exec.LookPath("npm"); err != nil {
			return refuse("NpmNotInstalled", "The external packages %s are to be installed, but npm was not found. Install npm, and push again.", strings.Join(names, ", "))
		}
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	work, err := os.MkdirTemp(parent, "new-")
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	text, err := json.Marshal(manifest)
	if err == nil {
		err = os.WriteFile(filepath.Join(work, "package.json"), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	said := &tail{}
	cmd := exec.CommandContext(ctx, npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--omit=dev", "--loglevel=error",
		"--prefer-offline", "--fetch-retries=2", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=3000")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = work, npmEnvironment(filepath.Dir(v.binary)), said, said
	cmd.WaitDelay = time.Second
	began := time.Now()
	if err := cmd.Run(); err != nil {
		why := said.String()
		if ctx.Err() != nil {
			why = fmt.Sprintf("it took longer than %v", installTime)
		}
		return refuse("ExternalPackagesFailed", "npm could not install the external packages %s (node.externalPackages in convex.json): %s", strings.Join(names, ", "), why)
	}
	p.opt.Log.Info("external packages installed", "packages", names, "took", time.Since(began))
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if err := os.Rename(work, dir); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}

// npmEnvironment is what npm needs to find Node.js, its settings and its registry;
// none of the house's own settings.
func npmEnvironment(nodeDir string) []string {
	env := []string{"NO_UPDATE_NOTIFIER=1", "NO_COLOR=1"}
	for _, v := range os.Environ() {
		name, text, _ := strings.Cut(v, "=")
		switch upper := strings.ToUpper(name); {
		case name == "PATH":
			env = append(env, "PATH="+nodeDir+string(filepath.ListSeparator)+text)
		case name == "HOME", name == "NODE_EXTRA_CA_CERTS", strings.HasPrefix(upper, "NPM_CONFIG_"),
			upper == "HTTP_PROXY", upper == "HTTPS_PROXY", upper == "NO_PROXY":
			env = append(env, v)
		}
	}
	return env
}

package doctor

import (
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// installedPackage reads the package.json of an installed package; nil if it is not
// there.
func (p *Patient) installedPackage(name string) *Package {
	b := p.read("node_modules/" + name + "/package.json")
	var q Package
	if b == nil || json.Unmarshal(b, &q) != nil {
		return nil
	}
	return &q
}

// watchedPackages are those whose wishes have to be met for sign-in to work.
var watchedPackages = []string{
	"convex", "@workos-inc/authkit-react", "@workos-inc/authkit-js", "@workos-inc/authkit-nextjs", "@workos-inc/node", "@workos/authkit-session",
	"@workos/authkit-tanstack-react-start", "@convex-dev/workos", "@convex-dev/workos-authkit", "next", "react",
}

// checkPackageVersions holds what is installed against what the packages of sign-in
// ask for.
func checkPackageVersions(_ context.Context, p *Patient, f *finding) {
	n := 0
	for _, name := range watchedPackages {
		q := p.installedPackage(name)
		if q == nil {
			if want := p.Package.wants(name); want != "" {
				f.say(Problem, "%s %s is in package.json and not installed", name, want)
				f.fix("npm install")
			}
			continue
		}
		n++
		if want := p.Package.wants(name); want != "" {
			if fits, known := satisfies(q.Version, want); known && !fits {
				f.say(Warning, "%s %s is installed, package.json asks for %s", name, q.Version, want)
				f.fix("npm install")
			}
		}
		if !strings.HasPrefix(name, "@workos") && !strings.HasPrefix(name, "@convex-dev") {
			continue
		}
		for _, peer := range slices.Sorted(maps.Keys(q.PeerDependencies)) {
			want := q.PeerDependencies[peer]
			have := p.installedPackage(peer)
			if have == nil {
				if !q.PeerMeta[peer].Optional && slices.Contains(watchedPackages, peer) {
					f.say(Problem, "%s %s needs %s %s, which is not installed", name, q.Version, peer, want)
					f.fix("npm install %s@\"%s\"", peer, lastOf(want))
				}
				continue
			}
			if fits, known := satisfies(have.Version, want); known && !fits {
				f.say(Problem, "%s %s needs %s %s, and %s is installed", name, q.Version, peer, want, have.Version)
				f.fix("npm install %s@\"%s\"", peer, lastOf(want))
			}
		}
	}
	if len(f.Detail) == 0 && n > 0 {
		f.say(OK, "%d packages fit each other", n)
	}
}

// lastOf is the last alternative of a range, the newest by custom.
func lastOf(r string) string {
	parts := strings.Split(r, "||")
	return strings.TrimSpace(parts[len(parts)-1])
}

// checkConvexCopies looks for more than one copy of the Convex client: contexts and
// identity of one are not those of the other.
func checkConvexCopies(_ context.Context, p *Patient, f *finding) {
	copies := []string{}
	const root = "node_modules"
	look := func(dir string) {
		at := path.Join(dir, root, "convex")
		var q Package
		if b := p.read(at + "/package.json"); b != nil && json.Unmarshal(b, &q) == nil && q.Name == "convex" {
			copies = append(copies, at+" "+q.Version)
		}
	}
	look(".")
	entries, _ := fs.ReadDir(p.files, root)
	for i, e := range entries {
		if i > 5000 {
			break
		}
		if strings.HasPrefix(e.Name(), "@") {
			inner, _ := fs.ReadDir(p.files, path.Join(root, e.Name()))
			for _, s := range inner {
				look(path.Join(root, e.Name(), s.Name()))
			}
			continue
		}
		look(path.Join(root, e.Name()))
	}
	switch len(copies) {
	case 0:
		return
	case 1:
		f.say(OK, "%s", copies[0])
	default:
		f.say(Problem, "convex is installed %d times: %s; providers and hooks of one copy do not see the other", len(copies), strings.Join(copies, ", "))
		f.fix("Make one of them:\nnpm dedupe convex")
	}
}

// checkNode holds Node.js against what the packages ask for.
func checkNode(ctx context.Context, p *Patient, f *finding) {
	if p.opts.NodeVersion == nil {
		f.say(Skipped, "nobody was asked")
		return
	}
	v, err := p.opts.NodeVersion(ctx)
	if err != nil {
		f.say(Warning, "Node.js is not on the PATH, and npx convex needs it: %v", err)
		f.fix("Install Node.js 22 or newer: https://nodejs.org")
		return
	}
	v = strings.TrimPrefix(strings.TrimSpace(v), "v")
	if fits, known := satisfies(v, ">=20"); known && !fits {
		f.say(Problem, "Node.js %s: npx convex needs 20 or newer", v)
		f.fix("Install Node.js 22 or newer: https://nodejs.org")
		return
	}
	for _, name := range watchedPackages {
		q := p.installedPackage(name)
		if q == nil || q.Engines["node"] == "" {
			continue
		}
		if fits, known := satisfies(v, q.Engines["node"]); known && !fits {
			f.say(Warning, "Node.js %s: %s %s asks for %s", v, name, q.Version, q.Engines["node"])
			f.fix("Install Node.js 22 or newer: https://nodejs.org")
		}
	}
	if len(f.Detail) == 0 {
		f.say(OK, "Node.js %s", v)
	}
}

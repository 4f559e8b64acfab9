package doctor

import (
	"context"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/doctor/source"
)

// authKitNext reports whether a module is the package for Next.js.
func authKitNext(module string) bool {
	return module == "@workos-inc/authkit-nextjs" || strings.HasPrefix(module, "@workos-inc/authkit-nextjs/")
}

// appDir is the folder of Next.js's app router: "app" or "src/app"; "" without one.
func (p *Patient) appDir() string {
	for _, dir := range []string{"src/app", "app"} {
		for name := range p.paths {
			if strings.HasPrefix(name, dir+"/") {
				return dir
			}
		}
	}
	return ""
}

// routes are the addresses of the app router with their files. Kind is "route" or
// "page".
func (p *Patient) routes(kind string) map[string]string {
	dir := p.appDir()
	found := map[string]string{}
	for name := range p.paths {
		rest, ok := strings.CutPrefix(name, dir+"/")
		if dir == "" || !ok {
			continue
		}
		file := path.Base(rest)
		if base := strings.TrimSuffix(file, path.Ext(file)); base != kind || !slices.Contains([]string{".ts", ".tsx", ".js", ".jsx", ".mjs"}, path.Ext(file)) {
			continue
		}
		at := ""
		if d := path.Dir(rest); d != "." {
			for _, segment := range strings.Split(d, "/") {
				if strings.HasPrefix(segment, "(") || strings.HasPrefix(segment, "@") {
					continue // groups and slots are not in the address
				}
				at += "/" + segment
			}
		}
		found[firstOf(at, "/")] = name
	}
	return found
}

// callbackPath is the path of the app's redirect URI.
func (p *Patient) callbackPath() string {
	uri, _ := p.redirectURI()
	if u, err := url.Parse(uri); err == nil && u.Path != "" && u.Path != "/" {
		return strings.TrimSuffix(u.Path, "/")
	}
	return "/callback"
}

// The guide's files, word for word.
const (
	guideCallback = `import { handleAuth } from '@workos-inc/authkit-nextjs';
export const GET = handleAuth();
`
	guideSignIn = `import { redirect } from 'next/navigation';
import { getSignInUrl } from '@workos-inc/authkit-nextjs';
export async function GET() {
  return redirect(await getSignInUrl());
}
`
	guideSignUp = `import { redirect } from 'next/navigation';
import { getSignUpUrl } from '@workos-inc/authkit-nextjs';
export async function GET() {
  return redirect(await getSignUpUrl());
}
`
	guideMiddleware = `import { authkitMiddleware } from '@workos-inc/authkit-nextjs';

export default authkitMiddleware({
  middlewareAuth: {
    enabled: true,
    unauthenticatedPaths: ['/', '/sign-in', '/sign-up']
  }
});

export const config = {
  matcher: ['/((?!.*\\..*|_next).*)', '/', '/(api|trpc)(.*)']
};
`
)

// checkCallbackRoute looks for the route to which codes come.
func checkCallbackRoute(_ context.Context, p *Patient, f *finding) {
	p.checkRoute(f, p.callbackPath(), guideCallback, "the address in "+p.Framework.Redirect)
	if f.Status != OK {
		return
	}
	file := p.source(p.routes("route")[p.callbackPath()])
	if file == nil {
		return
	}
	if file.Imported(authKitNext, "handleAuth") == "" && file.Imported(authKitNext, "saveSession") == "" {
		f.at(Problem, Place{Path: file.Path}, "the route does not use handleAuth, so no session comes of a sign-in")
		f.fix("Put this into %s:\n%s", file.Path, guideCallback)
		return
	}
	if !strings.Contains(string(file.Source), "GET") {
		f.at(Problem, Place{Path: file.Path}, "the route exports no GET, and codes come by GET")
		f.fix("Export it from %s:\nexport const GET = handleAuth();", file.Path)
	}
}

// checkSignInRoute and checkSignUpRoute look for the guide's other two routes.
func checkSignInRoute(_ context.Context, p *Patient, f *finding) {
	p.checkStartRoute(f, "/sign-in", "getSignInUrl", guideSignIn)
}

func checkSignUpRoute(_ context.Context, p *Patient, f *finding) {
	p.checkStartRoute(f, "/sign-up", "getSignUpUrl", guideSignUp)
}

// checkStartRoute looks for a route, or anything else that uses the function which
// the route would use.
func (p *Patient) checkStartRoute(f *finding, at, function, guide string) {
	for _, file := range p.Sources {
		if file.Imported(authKitNext, function) != "" {
			f.say(OK, "%s uses %s", file.Path, function)
			return
		}
	}
	if p.linksTo(at) {
		p.checkRoute(f, at, guide, "links lead there")
		return
	}
	f.say(Warning, "there is no %s, and nothing else uses %s", at, function)
	f.fix("Put this into %s%s/route.ts:\n%s", firstOf(p.appDir(), "app"), at, guide)
	f.repair(firstOf(p.appDir(), "app")+at+"/route.ts", nil, []byte(guide))
}

// linksTo reports whether a source has a link to a path.
func (p *Patient) linksTo(at string) bool {
	found := false
	for _, file := range p.Sources {
		file.Elements(func(e *source.Node, _ []*source.Node) {
			for _, a := range e.Attrs {
				found = found || a.Name == "href" && a.Value != nil && a.Value.Kind == source.String && a.Value.Text == at
			}
		})
	}
	return found
}

// checkRoute looks for a route of the app router.
func (p *Patient) checkRoute(f *finding, at, guide, why string) {
	routes := p.routes("route")
	if name := routes[at]; name != "" {
		f.say(OK, "%s answers %s", name, at)
		return
	}
	if name := p.routes("page")[at]; name != "" {
		f.say(Problem, "%s is a page, and has to be a route: a redirect with a session's cookie is no page", name)
	} else {
		for _, known := range slices.Sorted(maps.Keys(routes)) {
			if strings.Contains(known, "[...") && strings.HasPrefix(at, known[:strings.Index(known, "[")]) {
				f.say(OK, "%s answers %s", routes[known], at)
				return
			}
		}
		f.say(Problem, "there is no route at %s (%s)", at, why)
	}
	name := firstOf(p.appDir(), "app") + at + "/route.ts"
	f.fix("Put this into %s:\n%s", name, guide)
	if p.paths[name] || strings.ContainsAny(at, "[*?#%\\") || strings.Contains(at, "..") {
		return
	}
	f.repair(name, nil, []byte(guide))
}

// nextMajor is the major version of Next.js: of the installed one, else of the range
// in package.json; 0 if it cannot be told.
func (p *Patient) nextMajor() int {
	v := p.Package.wants("next")
	if q := p.installedPackage("next"); q != nil {
		v = q.Version
	}
	digits := regexp.MustCompile(`\d+`).FindString(v)
	n, _ := strconv.Atoi(digits)
	return n
}

// middlewareFile is the file of the middleware; "" without one.
func (p *Patient) middlewareFiles() []string {
	var found []string
	base := ""
	if strings.HasPrefix(p.appDir(), "src/") {
		base = "src/"
	}
	for _, name := range []string{"proxy", "middleware"} {
		for _, ext := range []string{".ts", ".tsx", ".js", ".mjs"} {
			if p.paths[base+name+ext] {
				found = append(found, base+name+ext)
			}
		}
	}
	return found
}

// checkMiddleware looks for the middleware, under the name that this Next.js reads.
func checkMiddleware(_ context.Context, p *Patient, f *finding) {
	major := p.nextMajor()
	want := "middleware.ts"
	if major >= 16 {
		want = "proxy.ts"
	}
	if strings.HasPrefix(p.appDir(), "src/") {
		want = "src/" + want
	}
	files := p.middlewareFiles()
	if len(files) == 0 {
		misplaced := ""
		for _, name := range []string{"proxy.ts", "middleware.ts", "src/proxy.ts", "src/middleware.ts", "app/middleware.ts", "app/proxy.ts", "src/app/middleware.ts", "src/app/proxy.ts"} {
			if p.paths[name] {
				misplaced = name
			}
		}
		if misplaced != "" {
			f.say(Problem, "%s is not read: it has to be %s, beside the app folder", misplaced, want)
			f.fix("Move it:\nmv %s %s", misplaced, want)
			return
		}
		f.say(Problem, "there is no %s, so no page knows who is signed in", want)
		f.fix("Put this into %s:\n%s", want, guideMiddleware)
		f.repair(want, nil, []byte(guideMiddleware))
		return
	}
	name := files[0]
	isProxy := strings.HasPrefix(path.Base(name), "proxy.")
	switch {
	case len(files) > 1:
		f.say(Problem, "%s and %s are both there, and Next.js takes one", files[0], files[1])
		f.fix("Remove the one that is not yours; Next.js %d reads %s.", major, want)
	case isProxy && major > 0 && major < 16:
		f.say(Problem, "Next.js %d does not read %s; expected %s", major, name, want)
		f.fix("Rename it:\nmv %s %s", name, want)
	case !isProxy && major >= 16:
		f.say(Warning, "Next.js %d calls this file %s; %s is read for now", major, want, name)
		f.fix("Rename it:\nmv %s %s", name, want)
	default:
		f.say(OK, "%s is there", name)
	}
	file := p.source(name)
	if file == nil {
		return
	}
	if !slices.ContainsFunc([]string{"authkitMiddleware", "authkitProxy", "authkit", "authkitProxyHandler"}, func(n string) bool { return file.Imported(authKitNext, n) != "" }) &&
		!file.ImportsAny(authKitNext) {
		f.at(Problem, Place{Path: name}, "it does not use authkitMiddleware, so no page knows who is signed in")
		f.fix("Export it from %s:\n%s", name, guideMiddleware)
	}
}

// matches tells whether a pattern of a matcher covers a path; known is false for
// patterns beyond those that the guide and Next.js's pages use.
func matches(pattern, at string) (covers, known bool) {
	if m := regexp.MustCompile(`^/\(\(\?!(.*)\)\.\*\)$`).FindStringSubmatch(pattern); m != nil {
		re, err := regexp.Compile("^(?:" + m[1] + ")")
		if err != nil {
			return false, false
		}
		return !re.MatchString(strings.TrimPrefix(at, "/")), true
	}
	if strings.Contains(pattern, "(?") {
		return false, false
	}
	var b strings.Builder
	b.WriteString("^")
	for i := 0; i < len(pattern); {
		switch rest := pattern[i:]; {
		case strings.HasPrefix(rest, "/:"):
			m := regexp.MustCompile(`^/:\w+(\([^)]*\))?([*+?]?)`).FindStringSubmatch(rest)
			if m == nil {
				return false, false
			}
			segment := firstOf(m[1], "[^/]+")
			switch m[2] {
			case "*":
				b.WriteString("(?:/.*)?")
			case "+":
				b.WriteString("/.+")
			case "?":
				b.WriteString("(?:/" + segment + ")?")
			default:
				b.WriteString("/" + segment)
			}
			i += len(m[0])
		case rest[0] == '(':
			end := strings.IndexByte(rest, ')')
			if end < 0 {
				return false, false
			}
			b.WriteString(rest[:end+1])
			i += end + 1
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
			i++
		}
	}
	re, err := regexp.Compile(b.String() + "/?$")
	if err != nil {
		return false, false
	}
	return re.MatchString(at), true
}

// matcherOf are the patterns of a middleware's matcher; matcher is nil if it has
// none, known false if they cannot be told.
func matcherOf(file *source.File) (patterns []string, matcher *source.Value, known bool) {
	config, ok := file.Constant("config")
	m, has := config.Object["matcher"]
	if !ok || !has {
		return nil, nil, true
	}
	list := m.List
	if !m.IsList() {
		list = append(list, m)
	}
	for _, v := range list {
		if v.Object != nil {
			v = v.Object["source"]
		}
		text, missing := v.Fill(func(string) (string, bool) { return "", false })
		if !v.Known() || len(missing) > 0 {
			return nil, &m, false
		}
		patterns = append(patterns, text)
	}
	return patterns, &m, true
}

// covers reports whether a pattern covers a path, or may: what is not known is no
// fault.
func covers(patterns []string, at string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		yes, known := matches(pattern, at)
		return yes || !known
	})
}

// checkMatcher looks for pages that ask who is signed in where no middleware ran.
func checkMatcher(_ context.Context, p *Patient, f *finding) {
	files := p.middlewareFiles()
	if len(files) == 0 {
		f.say(Skipped, "there is no middleware")
		return
	}
	file := p.source(files[0])
	if file == nil {
		f.say(Skipped, "%s cannot be read", files[0])
		return
	}
	patterns, matcher, known := matcherOf(file)
	switch {
	case matcher == nil:
		f.say(OK, "%s has no matcher, so it covers everything", file.Path)
		return
	case !known:
		f.say(Skipped, "%s: the matcher is computed in a way that cannot be followed", place(file, matcher.From))
		return
	}
	n := 0
	pages := p.routes("page")
	for _, at := range slices.Sorted(maps.Keys(pages)) {
		name := pages[at]
		page := p.source(name)
		if page == nil || strings.Contains(at, "[") || page.Imported(authKitNext, "withAuth") == "" {
			continue
		}
		n++
		if !covers(patterns, at) {
			f.at(Problem, place(file, matcher.From), "the matcher does not cover %s, and %s calls withAuth there, which then throws", at, name)
			f.fix("Take the guide's matcher in %s:\n  matcher: ['/((?!.*\\\\..*|_next).*)', '/', '/(api|trpc)(.*)']", file.Path)
		}
	}
	for _, at := range []string{"/_next/static/chunks/main.js", "/favicon.ico"} {
		yes := false
		for _, pattern := range patterns {
			c, known := matches(pattern, at)
			yes = yes || c && known
		}
		if yes {
			f.at(Warning, place(file, matcher.From), "the matcher covers %s: every file that a page loads may refresh the session", at)
			f.fix("Take the guide's matcher in %s:\n  matcher: ['/((?!.*\\\\..*|_next).*)', '/', '/(api|trpc)(.*)']", file.Path)
			break
		}
	}
	if len(f.Detail) == 0 {
		f.say(OK, "%s covers the %d pages that call withAuth", file.Path, n)
	}
}

// checkOpenPaths looks for sign-in routes that the middleware closes.
func checkOpenPaths(_ context.Context, p *Patient, f *finding) {
	files := p.middlewareFiles()
	if len(files) == 0 || p.source(files[0]) == nil {
		f.say(Skipped, "there is no middleware that could be read")
		return
	}
	file := p.source(files[0])
	var open []string
	enabled, seen := false, false
	source.Walk(file.Nodes, func(seq []source.Node, _ []*source.Node) {
		for i := range seq {
			if i+2 >= len(seq) || !seq[i+1].Is(":") {
				continue
			}
			switch {
			case seq[i].Is("enabled") && seq[i+2].Is("true"):
				enabled = true
			case seq[i].Is("unauthenticatedPaths") && seq[i+2].Kind == source.Group:
				seen = true
				for _, n := range seq[i+2].Nodes {
					if n.Kind == source.String {
						open = append(open, n.Text)
					}
				}
			}
		}
	})
	if !enabled {
		f.say(OK, "the middleware closes no page by itself")
		return
	}
	if !seen {
		f.say(OK, "the middleware closes every page but the callback")
	}
	routes := p.routes("route")
	for _, at := range []string{"/sign-in", "/sign-up"} {
		if routes[at] == "" {
			continue
		}
		if slices.ContainsFunc(open, func(o string) bool { yes, known := matches(o, at); return yes || !known }) {
			f.say(OK, "%s is open", at)
			continue
		}
		if patterns, matcher, known := matcherOf(file); matcher != nil && (!known || !covers(patterns, at)) {
			f.say(OK, "the middleware does not see %s", at)
			continue
		}
		f.at(Warning, Place{Path: file.Path}, "%s is not among unauthenticatedPaths, so the middleware answers in its place", at)
		f.fix("Add it in %s:\n    unauthenticatedPaths: ['/', '/sign-in', '/sign-up']", file.Path)
	}
}

// checkLinkPrefetch looks for links that fetch the sign-in before anybody clicks.
func checkLinkPrefetch(_ context.Context, p *Patient, f *finding) {
	routes := p.routes("route")
	n := 0
	for _, file := range p.Sources {
		link := file.Imported(func(m string) bool { return m == "next/link" }, "default")
		if link == "" {
			continue
		}
		file.Elements(func(e *source.Node, _ []*source.Node) {
			if e.Text != link {
				return
			}
			n++
			to, off := "", false
			for _, a := range e.Attrs {
				switch {
				case a.Name == "href" && a.Value != nil && a.Value.Kind == source.String:
					to = a.Value.Text
				case a.Name == "prefetch" && a.Value != nil && a.Value.Kind == source.Group && len(a.Value.Nodes) == 1 && a.Value.Nodes[0].Is("false"):
					off = true
				}
			}
			name := routes[to]
			target := p.source(name)
			if off || name == "" || target == nil || !target.ImportsAny(authKitNext) {
				return
			}
			f.at(Warning, place(file, e.From), "<%s href=%q> fetches the route in advance, which redirects to the sign-in service: a CORS error in the console, and a sign-in begun by nobody", link, to)
			f.fix("Use a plain link:\n<a href=%q>", to)
		})
	}
	if len(f.Detail) == 0 {
		f.say(OK, "none of %d links leads to a route of AuthKit", n)
	}
}

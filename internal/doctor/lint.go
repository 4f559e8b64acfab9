package doctor

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/lentil-dev/lentil/internal/doctor/source"
)

// authKitHooks reports whether a module has AuthKit's useAuth.
func authKitHooks(module string) bool {
	return module == "@workos-inc/authkit-react" || module == "@workos-inc/authkit-nextjs/components" || module == "@workos-inc/authkit-nextjs" ||
		strings.HasPrefix(module, "@workos/authkit-tanstack-react-start")
}

// convexReact reports whether a module is Convex's client for React.
func convexReact(module string) bool { return module == "convex/react" }

// queryHooks are the hooks that need the deployment to know the user.
var queryHooks = []string{"useQuery", "usePaginatedQuery"}

// checkConvexProvider looks for the provider that hands tokens to Convex.
func checkConvexProvider(_ context.Context, p *Patient, f *finding) {
	type use struct {
		file *source.File
		e    *source.Node
	}
	var bare []use
	with := ""
	clients := false
	for _, file := range p.Sources {
		clients = clients || file.ImportsAny(convexReact)
		for _, im := range file.Imports() {
			for _, there := range im.Names {
				if there == "ConvexProviderWithAuthKit" || there == "ConvexProviderWithAuth" {
					with = file.Path
				}
			}
		}
		plain := file.Imported(convexReact, "ConvexProvider")
		if plain == "" {
			continue
		}
		file.Elements(func(e *source.Node, _ []*source.Node) {
			if e.Text == plain {
				bare = append(bare, use{file, e})
			}
		})
	}
	if !clients {
		f.say(Skipped, "no source uses convex/react")
		return
	}
	fix := "Put <ConvexProviderWithAuthKit> in its place:\nimport { ConvexProviderWithAuthKit } from \"@convex-dev/workos\";\n" +
		"<ConvexProviderWithAuthKit client={convex} useAuth={useAuth}>"
	if p.Framework.SignIn == Server {
		fix = "Put <ConvexProviderWithAuth> in its place, with the guide's hook useAuthFromAuthKit:\nimport { ConvexProviderWithAuth } from \"convex/react\";\n" +
			"<ConvexProviderWithAuth client={convex} useAuth={useAuthFromAuthKit}>"
	}
	switch {
	case with != "" && len(bare) == 0:
		f.say(OK, "%s hands tokens to Convex", with)
	case with != "":
		for _, u := range bare {
			f.at(Warning, place(u.file, u.e.From), "<%s> hands no token to Convex: within it nobody is signed in (%s has the right one)", u.e.Text, with)
		}
		f.fix("%s", fix)
	case len(bare) > 0:
		for _, u := range bare {
			f.at(Problem, place(u.file, u.e.From), "<%s> hands no token to Convex: ctx.auth.getUserIdentity() is always null", u.e.Text)
		}
		f.fix("%s", fix)
	default:
		f.say(Problem, "no source uses ConvexProviderWithAuthKit or ConvexProviderWithAuth, so Convex never gets a token")
		f.fix("%s", fix)
	}
}

// checkAuthKitProvider looks for AuthKit's provider, around Convex's.
func checkAuthKitProvider(_ context.Context, p *Patient, f *finding) {
	uses := false // of the hooks that need it
	for _, file := range p.Sources {
		for _, im := range file.Imports() {
			uses = uses || authKitHooks(im.Module) && (slices.ContainsFunc(values(im.Names), func(n string) bool { return n == "useAuth" || n == "useAccessToken" }))
		}
		file.Elements(func(e *source.Node, within []*source.Node) {
			switch e.Text {
			case "AuthKitProvider":
				f.say(OK, "%s", place(file, e.From))
				if slices.ContainsFunc(within, func(w *source.Node) bool {
					return w.Kind == source.Element && (w.Text == "ConvexProviderWithAuth" || w.Text == "ConvexProviderWithAuthKit")
				}) {
					f.at(Problem, place(file, e.From), "<AuthKitProvider> stands within Convex's provider; it has to be around it, for Convex asks it for tokens")
					f.fix("Swap the two:\n<AuthKitProvider …>\n  <ConvexProviderWithAuthKit client={convex} useAuth={useAuth}>")
				}
			}
		})
	}
	if len(f.Detail) == 0 && uses {
		f.say(Problem, "no source has <AuthKitProvider>, and useAuth() throws without it")
		f.fix("Put it around the app:\n<AuthKitProvider clientId={import.meta.env.VITE_WORKOS_CLIENT_ID} redirectUri={import.meta.env.VITE_WORKOS_REDIRECT_URI}>")
	}
}

// values are a map's values.
func values(m map[string]string) []string {
	var list []string
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

// checkAuthState looks for Convex queries that wait for AuthKit's state in place of
// Convex's.
func checkAuthState(_ context.Context, p *Patient, f *finding) {
	l := &lint{f: f, asking: map[string]bool{}}
	for _, file := range p.Sources {
		l.collect(file)
	}
	n := 0
	for _, file := range p.Sources {
		hook := file.Imported(authKitHooks, "useAuth")
		if hook == "" {
			continue
		}
		n++
		file.Calls(hook, func(seq []source.Node, i int, _ *source.Node, _ []*source.Node) {
			if names := bound(seq, i); len(names) > 0 {
				l.scope(file, seq[i:], names)
			}
		})
	}
	if len(f.Detail) == 0 {
		f.say(OK, "none of the %d files with useAuth() makes a query wait for it", n)
	}
	f.fix("Ask Convex whether it knows the user; AuthKit knows earlier than the deployment does:\nimport { Authenticated, useConvexAuth } from \"convex/react\";\n" +
		"const { isLoading, isAuthenticated } = useConvexAuth();\nuseQuery(api.messages.list, isAuthenticated ? {} : \"skip\");\n// or, in place of a condition:\n<Authenticated><Content /></Authenticated>")
}

// lint is one run over the sources.
type lint struct {
	f      *finding
	asking map[string]bool // components that ask queries without looking whether they may
}

// stateMembers are the members of AuthKit's state that people make conditions of.
var stateMembers = []string{"user", "isLoading", "loading", "isAuthenticated", "accessToken", "sessionId"}

// bound is what a call of useAuth at seq[i] binds: the names that hold its state.
func bound(seq []source.Node, i int) map[string]bool {
	if i < 2 || !seq[i-1].Is("=") {
		return nil
	}
	names := map[string]bool{}
	if g := &seq[i-2]; g.Kind == source.Group && g.Text == "{" {
		for local, there := range source.Pattern(g) {
			if slices.Contains(stateMembers, there) {
				names[local] = true
			}
		}
	} else if seq[i-2].Kind == source.Ident {
		names[seq[i-2].Text] = true
	}
	return names
}

// component is a definition `function Name` or `const Name =` at seq[i]; its body is
// what follows up to the next statement that begins a definition.
func component(seq []source.Node, i int) (name string, body []source.Node) {
	if i+1 >= len(seq) || seq[i+1].Kind != source.Ident || !(seq[i].Is("function") || seq[i].Is("const")) {
		return "", nil
	}
	name = seq[i+1].Text
	if !unicode.IsUpper([]rune(name)[0]) {
		return "", nil
	}
	j := i + 2
	for ; j < len(seq); j++ {
		if seq[j].Is("function") && !seq[j-1].Is("=") && !seq[j-1].Is("(") || seq[j].Is("const") || seq[j].Is("export") || seq[j].Is("let") || seq[j].Is("class") {
			break
		}
	}
	return name, seq[i+2 : j]
}

// collect notes the components of a file that ask queries unconditionally.
func (l *lint) collect(file *source.File) {
	var hooks []string
	for _, h := range queryHooks {
		if local := file.Imported(convexReact, h); local != "" {
			hooks = append(hooks, local)
		}
	}
	if hooks == nil {
		return
	}
	for i := range file.Nodes {
		name, body := component(file.Nodes, i)
		if name == "" {
			continue
		}
		inner := &source.File{Path: file.Path, Source: file.Source, Nodes: body}
		for _, hook := range hooks {
			inner.Calls(hook, func(_ []source.Node, _ int, args *source.Node, _ []*source.Node) {
				if !skips(args.Nodes) {
					l.asking[name] = true
				}
			})
		}
	}
}

// skips reports whether "skip" stands among nodes.
func skips(nodes []source.Node) bool {
	found := false
	source.Walk(nodes, func(seq []source.Node, _ []*source.Node) {
		for i := range seq {
			found = found || seq[i].Kind == source.String && seq[i].Text == "skip"
		}
	})
	return found
}

// scope looks at what follows a call of useAuth within its block.
func (l *lint) scope(file *source.File, nodes []source.Node, names map[string]bool) {
	inner := &source.File{Path: file.Path, Source: file.Source, Nodes: nodes}
	for _, h := range queryHooks {
		hook := file.Imported(convexReact, h)
		if hook == "" {
			continue
		}
		inner.Calls(hook, func(seq []source.Node, i int, args *source.Node, _ []*source.Node) {
			parts := source.Split(args.Nodes, ",")
			if len(parts) < 2 {
				return
			}
			choice := source.Split(parts[1], "?")
			if len(choice) < 2 || !skips(parts[1]) {
				return
			}
			if who := source.Mentions(choice[0], names); who != nil {
				l.f.at(Warning, place(file, seq[i].From), "%s(…) waits for %s of AuthKit's useAuth(): %s", h, who.Text, file.Line(seq[i].From))
			}
		})
	}
	shown := l.shownBy(file)
	source.Walk(nodes, func(seq []source.Node, within []*source.Node) {
		if guarded(within) {
			return
		}
		for i := range seq {
			switch {
			case (seq[i].Is("&&") || seq[i].Is("?")) && i > 0:
				cond := condition(seq, i)
				who := source.Mentions(cond, names)
				if who == nil || i+1 >= len(seq) {
					continue
				}
				if name := l.asks(seq[i+1:min(i+2, len(seq))], shown); name != "" {
					l.f.at(Warning, place(file, who.From), "<%s>, which asks queries, is shown by %s of AuthKit's useAuth()", name, who.Text)
				}
			case seq[i].Is("if") && i+2 < len(seq) && leaves(&seq[i+2]):
				who := source.Mentions(seq[i+1].Nodes, names)
				if who == nil || !negated(seq[i+1].Nodes, who) {
					continue
				}
				for j := i + 3; j+1 < len(seq); j++ {
					if !seq[j].Is("return") {
						continue
					}
					if name := l.asks(seq[j+1:j+2], shown); name != "" && !afterReturn(seq, i, j) {
						l.f.at(Warning, place(file, who.From), "<%s>, which asks queries, is shown once %s of AuthKit's useAuth() is there", name, who.Text)
					}
				}
			}
		}
	})
}

// condition is the operand before seq[i]: back to a sign that ends it.
func condition(seq []source.Node, i int) []source.Node {
	from := i
	for from > 0 {
		n := &seq[from-1]
		if n.Is(",") || n.Is(";") || n.Is(":") || n.Is("?") || n.Is("return") || n.Is("=>") || n.Is("=") {
			break
		}
		from--
	}
	return seq[from:i]
}

// leaves reports whether what follows an if leaves the function.
func leaves(n *source.Node) bool {
	if n.Is("return") {
		return true
	}
	return n.Kind == source.Group && n.Text == "{" && slices.ContainsFunc(n.Nodes, func(m source.Node) bool { return m.Is("return") })
}

// negated reports whether the mention stands behind a "!", so that the branch is
// for people who are not signed in.
func negated(nodes []source.Node, who *source.Node) bool {
	for i := range nodes {
		if nodes[i].From == who.From {
			return i > 0 && nodes[i-1].Is("!")
		}
	}
	return false
}

// afterReturn reports whether the return at seq[j] is the one of the if at seq[i].
func afterReturn(seq []source.Node, i, j int) bool { return j == i+2 }

// guarded reports whether nodes stand within <Authenticated>.
func guarded(within []*source.Node) bool {
	return slices.ContainsFunc(within, func(n *source.Node) bool { return n.Kind == source.Element && n.Text == "Authenticated" })
}

// shownBy are the asking components that a file knows: its own, or imported from
// another file of the project.
func (l *lint) shownBy(file *source.File) map[string]bool {
	known := map[string]bool{}
	for _, im := range file.Imports() {
		if strings.HasPrefix(im.Module, ".") || strings.HasPrefix(im.Module, "@/") || strings.HasPrefix(im.Module, "~/") {
			for local, there := range im.Names {
				if l.asking[there] || there == "default" && l.asking[local] {
					known[local] = true
				}
			}
		}
	}
	for i := range file.Nodes {
		if name, _ := component(file.Nodes, i); name != "" && l.asking[name] {
			known[name] = true
		}
	}
	return known
}

// asks finds an asking component among nodes that is not within <Authenticated>.
func (l *lint) asks(nodes []source.Node, known map[string]bool) (name string) {
	source.Walk(nodes, func(seq []source.Node, within []*source.Node) {
		if guarded(within) {
			return
		}
		for i := range seq {
			if seq[i].Kind == source.Element && known[seq[i].Text] {
				name = seq[i].Text
			}
		}
	})
	return name
}

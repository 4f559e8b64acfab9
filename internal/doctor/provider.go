package doctor

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/doctor/source"
	"github.com/lentil-dev/lentil/internal/token"
)

// checkSecondProvider looks for the entry of the issuer that names its client.
func checkSecondProvider(_ context.Context, p *Patient, f *finding) {
	p.checkProvider(f, (*Entry).named, userManagement+"${clientId}", diagnosis.SecondProvider)
}

// checkFirstProvider looks for the entry of the issuer that all customers share.
func checkFirstProvider(_ context.Context, p *Patient, f *finding) {
	p.checkProvider(f, (*Entry).shared, vendor+"/", diagnosis.FirstProvider)
}

// checkProvider looks for one of the guide's two entries. A project that trusts
// somebody else altogether needs neither.
func (p *Patient) checkProvider(f *finding, kind func(*Entry) bool, issuer, snippet string) {
	a := p.Auth
	switch {
	case a.has(kind):
		f.say(OK, "%s has the issuer %s", a.File.Path, issuer)
	case a.Helper != "":
		f.say(OK, "%s takes its providers from %s()", a.File.Path, a.Helper)
	case !a.has((*Entry).workOS) && !p.usesAuthKit():
		f.say(Skipped, "the project does not use WorkOS")
	default:
		var got []string
		for i := range a.Providers {
			got = append(got, a.Providers[i].issuer())
		}
		if len(got) == 0 {
			got = []string{"none"}
		}
		f.at(Problem, place(a.File, max(a.ListFrom, 0)), "`providers` lacks the issuer %s; there is %s", issuer, strings.Join(got, ", "))
		f.fix("Add this entry to `providers`, then push with npx convex dev:\n%s", p.withClient(snippet))
		p.repairProviders(f, snippet)
	}
}

// clientExpression is how the file names the client id: the constant of the guide,
// or whatever it has.
func (a *AuthConfig) clientExpression() string {
	if m := regexp.MustCompile(`(?m)^\s*(?:const|let|var)\s+(\w+)\s*(?::[^=]+)?=\s*process\.env\.WORKOS_CLIENT_ID\b`).FindSubmatch(a.File.Source); m != nil {
		return string(m[1])
	}
	return "process.env.WORKOS_CLIENT_ID"
}

// withClient puts the file's own name of the client id into a snippet.
func (p *Patient) withClient(snippet string) string {
	name := p.Auth.clientExpression()
	return strings.NewReplacer("${clientId}", "${"+name+"}", "applicationID: clientId", "applicationID: "+name).Replace(snippet)
}

// repairProviders adds an entry at the end of the list.
func (p *Patient) repairProviders(f *finding, snippet string) {
	a := p.Auth
	if a.ListFrom < 0 || a.ListTo-1 <= a.ListFrom || a.File.Source[a.ListTo-1] != ']' {
		return
	}
	src := a.File.Source
	head := bytes.TrimRight(src[:a.ListTo-1], " \t\r\n")
	tail := src[len(head):]
	comma := ","
	if c := head[len(head)-1]; c == '[' || c == ',' || len(a.Providers) == 0 {
		comma = ""
	}
	if !bytes.Contains(tail[:len(tail)-(len(src)-a.ListTo)], []byte("\n")) {
		tail = append([]byte("\n  "), bytes.TrimLeft(tail, " \t")...)
	}
	// A comment after the last entry would swallow the comma.
	if n := len(a.Providers); n > 0 && bytes.Contains(src[min(a.Providers[n-1].To, len(head)):len(head)], []byte("/")) {
		return
	}
	f.repair(a.File.Path, src, []byte(string(head)+comma+"\n"+p.withClient(snippet)+string(tail)))
}

// checkApplicationID looks for an audience where anybody's tokens would do.
func checkApplicationID(_ context.Context, p *Patient, f *finding) {
	for i := range p.Auth.Providers {
		e := &p.Auth.Providers[i]
		if !e.shared() {
			continue
		}
		if plain(e.Members["applicationID"]) != "" {
			f.say(OK, "the provider with issuer %s has applicationID %s", vendor, plain(e.Members["applicationID"]))
			continue
		}
		if _, written := e.Members["applicationID"]; written {
			f.say(Skipped, "%s: applicationID is computed in a way that cannot be followed", place(p.Auth.File, e.From))
			continue
		}
		line := "applicationID: " + p.Auth.clientExpression() + ","
		f.at(Problem, place(p.Auth.File, e.From), "the provider with issuer %s has no applicationID, so tokens of every WorkOS customer would be accepted; a push is refused", vendor)
		f.fix("Add to this provider:\n      %s", line)
		v := e.Members["issuer"]
		src := p.Auth.File.Source
		if v.To > 0 && v.To < len(src) && src[v.To] == ',' {
			indent := src[bytes.LastIndexByte(src[:v.From], '\n')+1 : v.From]
			pad := string(indent[:len(indent)-len(bytes.TrimLeft(indent, " \t"))])
			f.repair(p.Auth.File.Path, src, []byte(string(src[:v.To+1])+"\n"+pad+line+string(src[v.To+1:])))
		}
	}
}

// providerMembers are what an entry may have, by its type.
var providerMembers = map[string]string{
	token.TypeCustomJWT: "type issuer jwks algorithm applicationID",
	token.TypeOIDC:      "type domain applicationID",
}

// checkProviderShape looks for entries that a push refuses or that match nothing.
func checkProviderShape(_ context.Context, p *Patient, f *finding) {
	a := p.Auth
	if a.Helper != "" && len(a.Providers) == 0 {
		f.say(OK, "%s() makes the providers", a.Helper)
		return
	}
	for i := range a.Providers {
		e := &a.Providers[i]
		typ := plain(e.Members["type"])
		if typ == "" {
			typ = token.TypeOIDC
		}
		at := place(a.File, e.From)
		known, ok := providerMembers[typ]
		if !ok {
			f.at(Problem, at, "type is %q; the types are customJwt and oidc", typ)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(e.Members)) {
			v := e.Members[name]
			if !strings.Contains(" "+known+" ", " "+name+" ") {
				hint := ""
				if strings.EqualFold(name, "applicationID") {
					hint = "; write applicationID, with a capital D"
				}
				f.at(Problem, place(a.File, v.From), "a provider of type %s has no member %s%s", typ, name, hint)
			}
		}
		for name := range strings.FieldsSeq(known) {
			if _, there := e.Members[name]; !there && name != "type" && !(typ == token.TypeCustomJWT && name == "applicationID") {
				f.at(Problem, at, "a provider of type %s needs %s", typ, name)
			}
		}
		if alg := plain(e.Members["algorithm"]); alg != "" && e.workOS() && alg != token.AlgRS256 {
			f.at(Problem, at, "algorithm is %s, and WorkOS signs with RS256", alg)
		}
		if e.workOS() && !e.shared() && !e.named() {
			f.at(Problem, at, "issuer: expected %s/ or %s<client id>, got %s", vendor, userManagement, e.issuer())
		}
	}
	if len(f.Detail) == 0 {
		f.say(OK, "%d providers are well formed", len(a.Providers))
	}
	f.fix("Correct convex/auth.config.ts; as the guide has it:\n%s\n%s", diagnosis.FirstProvider, diagnosis.SecondProvider)
}

// checkJWKS compares the keys' address with the issuer.
func checkJWKS(ctx context.Context, p *Patient, f *finding) {
	for i := range p.Auth.Providers {
		e := &p.Auth.Providers[i]
		if !e.workOS() {
			continue
		}
		jwks, ok := e.Members["jwks"]
		if !ok {
			continue // the shape's business
		}
		got, at := plain(jwks), place(p.Auth.File, jwks.From)
		if !jwks.Known() {
			f.say(Skipped, "%s: jwks is computed in a way that cannot be followed", at)
			continue
		}
		client := strings.TrimPrefix(e.issuer(), userManagement)
		if !e.named() {
			client = plain(e.Members["applicationID"])
		}
		if client == "" {
			client = "${WORKOS_CLIENT_ID}"
		}
		// Written by hand or by variable, both mean the same if the values are.
		if want := jwksPrefix + client; got != want && p.filled(got) != p.filled(want) {
			s := Problem
			if strings.Contains(p.filled(got)+p.filled(want), "${") {
				s = Warning // the variable may hold just that
			}
			f.at(s, at, "jwks: expected %s, got %s", want, got)
			f.fix("Take the keys of the client id that the tokens are for:\n      jwks: `%s${%s}`,", jwksPrefix, p.Auth.clientExpression())
			if src := p.Auth.File.Source; jwks.To <= len(src) {
				f.repair(p.Auth.File.Path, src, []byte(string(src[:jwks.From])+fmt.Sprintf("`%s${%s}`", jwksPrefix, p.Auth.clientExpression())+string(src[jwks.To:])))
			}
			continue
		}
		f.say(OK, "%s for %s", got, e.issuer())
	}
}

// filled puts the deployment's variables, as far as they are known, into ${NAME}.
func (p *Patient) filled(text string) string {
	return regexp.MustCompile(`\$\{(\w+)\}`).ReplaceAllStringFunc(text, func(m string) string {
		if p.House != nil && p.House.Variables[m[2:len(m)-1]] != "" {
			return p.House.Variables[m[2:len(m)-1]]
		}
		return m
	})
}

// clientPattern is a client id as WorkOS and Lentil make them: a prefix and a ULID.
var clientPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\bclient_[0-9A-HJKMNP-TV-Z]{26}\b`) })

// checkHardCoded looks for client ids in sources.
func checkHardCoded(_ context.Context, p *Patient, f *finding) {
	for _, file := range p.Sources {
		config := p.Auth != nil && file == p.Auth.File
		file.Strings(func(n *source.Node) {
			m := clientPattern().FindString(n.Text)
			if m == "" {
				return
			}
			f.at(Warning, place(file, n.From), "the client id %s is written into the source", m)
			if !config {
				return
			}
			// In a string of its own, with its quotation marks, or within a template.
			src := file.Source
			switch text := string(src[n.From:n.To]); {
			case len(text) > 2 && text[1:len(text)-1] == m:
				f.repair(file.Path, src, []byte(string(src[:n.From])+"process.env.WORKOS_CLIENT_ID"+string(src[n.To:])))
			case text[0] != '"' && text[0] != '\'':
				f.repair(file.Path, src, []byte(string(src[:n.From])+strings.Replace(text, m, "${process.env.WORKOS_CLIENT_ID}", 1)+string(src[n.To:])))
			default:
				f.repair(file.Path, src, []byte(string(src[:n.From])+"`"+strings.Replace(text[1:len(text)-1], m, "${process.env.WORKOS_CLIENT_ID}", 1)+"`"+string(src[n.To:])))
			}
		})
	}
	if len(f.Detail) == 0 {
		f.say(OK, "no client id stands in a source")
	}
	f.fix("Take it from the environment: process.env.WORKOS_CLIENT_ID in convex/auth.config.ts, and import.meta.env.VITE_WORKOS_CLIENT_ID in a Vite app.\n" +
		"const clientId = process.env.WORKOS_CLIENT_ID;")
}

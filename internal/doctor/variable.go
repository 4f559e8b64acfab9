package doctor

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/projectfile"
)

// envLocal is .env.local.
func (p *Patient) envLocal() *EnvFile { return &p.Env[0] }

// editEnv repairs an env file with what edit does to it.
func (f *finding) editEnv(e *EnvFile, edit func(*projectfile.Dotenv)) {
	d := projectfile.ParseDotenv(e.Text)
	edit(d)
	f.repair(e.Name, e.Text, d.Bytes())
}

// wantedVariables are those that the guide puts into .env.local.
func (p *Patient) wantedVariables() []string {
	switch p.Framework.SignIn {
	case Browser:
		return []string{"VITE_WORKOS_CLIENT_ID", "VITE_WORKOS_REDIRECT_URI"}
	case Server:
		return []string{"WORKOS_CLIENT_ID", "WORKOS_API_KEY", "WORKOS_COOKIE_PASSWORD", p.Framework.Redirect}
	}
	return nil
}

// knownValue is what a missing variable should be, as far as it can be told.
func (p *Patient) knownValue(name string) string {
	of := func(variable string) string {
		if p.House == nil {
			return ""
		}
		return p.House.Variables[variable]
	}
	switch {
	case strings.HasSuffix(name, "WORKOS_CLIENT_ID"):
		return of("WORKOS_CLIENT_ID")
	case name == "WORKOS_API_KEY":
		return of("WORKOS_API_KEY")
	case name == "WORKOS_COOKIE_PASSWORD":
		return newPassword()
	case strings.HasSuffix(name, "REDIRECT_URI"):
		if c := p.configured(); len(c.RedirectURIs) > 0 && !strings.Contains(c.RedirectURIs[0], "${") {
			return c.RedirectURIs[0]
		}
		return p.Framework.Origin + "/callback"
	}
	return ""
}

// newPassword makes a cookie password as the official CLI does: 32 random bytes.
func newPassword() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// placeholders are what the guide writes where a value belongs.
var placeholders = map[string]string{
	"CLIENT_ID": "client_01...", "API_KEY": "sk_test_...", "COOKIE_PASSWORD": "<32 characters or more: openssl rand -base64 32>",
}

// checkEnvLocal looks for the variables that the guide names.
func checkEnvLocal(_ context.Context, p *Patient, f *finding) {
	wanted := p.wantedVariables()
	if wanted == nil {
		f.say(Skipped, "the framework is not one that the guide knows")
		return
	}
	var missing, lines []string
	values := map[string]string{}
	for _, name := range wanted {
		v, from := p.env(name)
		switch unfilled := projectfile.Placeholder(v) && name != "WORKOS_COOKIE_PASSWORD"; { // that has a check of its own
		case unfilled:
			f.say(Problem, "%s in %s is still the guide's placeholder", name, from)
		case v != "":
			f.say(OK, "%s is in %s", name, from)
			continue
		}
		if e, a := p.misnamed(name); e != nil {
			f.say(OK, "%s is called %s: see env-prefix", name, a.Name)
			continue
		}
		missing = append(missing, name)
		v = p.knownValue(name)
		if v != "" {
			values[name] = v
		}
		if v == "" || secretName(name) {
			for end, shown := range placeholders {
				if strings.HasSuffix(name, end) {
					v = shown
				}
			}
		}
		lines = append(lines, name+"="+v)
	}
	if len(missing) == 0 {
		return
	}
	f.say(Problem, "missing for %s: %s", p.Framework.Name, strings.Join(missing, ", "))
	f.fix("Add to .env.local, then start the app again:\n%s", strings.Join(lines, "\n"))
	if len(values) > 0 {
		f.editEnv(p.envLocal(), func(d *projectfile.Dotenv) {
			for _, name := range missing {
				if values[name] != "" {
					d.Set(name, values[name])
				}
			}
		})
	}
}

// offerEnvironment says how the deployment comes by an environment of this house.
// id is the client id that the app has, "" for none.
func (p *Patient) offerEnvironment(id string, f *finding) {
	stays := ""
	if id != "" {
		stays = fmt.Sprintf(" (or, if sign-in shall stay where %s is known, npx convex env set WORKOS_CLIENT_ID %s)", id, id)
	}
	text := p.authKitSection()
	if strings.Contains(string(p.Convex), `"authKit"`) {
		f.fix("convex.json asks for an environment%s; the CLI makes it when it starts:\nlentil exec -- npx convex dev", stays)
		return
	}
	if text == "" || p.Convex != nil {
		f.fix("Have an environment made%s, then put its client id into .env.local:\nlentil exec -- npx convex integration workos provision-environment\nlentil doctor --fix", stays)
		return
	}
	f.fix("Let the CLI make an environment%s: write this convex.json, then lentil exec -- npx convex dev, then lentil doctor --fix:\n%s", stays, strings.TrimSpace(text))
	f.repair("convex.json", nil, []byte(text))
}

// authKitSection is a convex.json by which the official CLI provisions an environment
// for the project's framework, as the guide's templates have it.
func (p *Patient) authKitSection() string {
	vars := `        "WORKOS_CLIENT_ID": "${authEnv.WORKOS_CLIENT_ID}",
        "WORKOS_API_KEY": "${authEnv.WORKOS_API_KEY}",
`
	switch p.Framework.SignIn {
	case Browser:
		vars = `        "` + p.Framework.Prefix + `WORKOS_CLIENT_ID": "${authEnv.WORKOS_CLIENT_ID}",
`
	case Server:
	default:
		return ""
	}
	origin := p.Framework.Origin
	if uri, _ := p.redirectURI(); originOf(uri) != "" {
		origin = originOf(uri)
	}
	return fmt.Sprintf(`{
  "authKit": {
    "dev": {
      "configure": {
        "redirectUris": ["%[1]s/callback"],
        "appHomepageUrl": "%[1]s",
        "corsOrigins": ["%[1]s"]
      },
      "localEnvVars": {
%[2]s        "%[3]s": "%[1]s/callback"
      }
    }
  }
}
`, origin, vars, p.Framework.Redirect)
}

// secretName reports whether a variable's value must not be shown.
func secretName(name string) bool {
	return strings.Contains(name, "API_KEY") || strings.Contains(name, "PASSWORD") || strings.Contains(name, "SECRET") || strings.Contains(name, "ADMIN_KEY") || strings.Contains(name, "DEPLOY_KEY")
}

// checkEnvValues looks for values that are not what they seem.
func checkEnvValues(_ context.Context, p *Patient, f *finding) {
	n := 0
	for i := range p.Env {
		e := &p.Env[i]
		for _, a := range e.Assignments() {
			if !strings.Contains(a.Name, "WORKOS_") && !strings.Contains(a.Name, "CONVEX_") || a.Name == "WORKOS_COOKIE_PASSWORD" {
				continue
			}
			n++
			clean := cleaned(a.Value)
			if clean != a.Value {
				f.at(Problem, Place{e.Name, a.Line, 1}, "the value of %s has quotation marks, spaces or a comma that are taken literally", a.Name)
				f.fix("Write the value alone, without quotation marks and spaces:\n%s=%s", a.Name, shown(a.Name, clean))
				f.editEnv(e, func(d *projectfile.Dotenv) { d.Set(a.Name, clean) })
			} else if strings.ContainsAny(a.Value, " \t\n") {
				f.at(Problem, Place{e.Name, a.Line, 1}, "the value of %s has a space within; what follows may be a comment without its #", a.Name)
				f.fix("Remove what does not belong to the value of %s.", a.Name)
			}
		}
	}
	if p.House != nil {
		for _, name := range slices.Sorted(maps.Keys(p.House.Variables)) {
			v := p.House.Variables[name]
			if !strings.HasPrefix(name, "WORKOS_") {
				continue
			}
			n++
			if clean := cleaned(v); clean != v {
				f.say(Problem, "the deployment's variable %s has quotation marks or spaces around it", name)
				f.fix("Set it again, without them:\nnpx convex env set %s %s", name, shown(name, clean))
				if !secretName(name) {
					f.Repairs = append(f.Repairs, p.setting(name, clean))
				}
			}
		}
	}
	if len(f.Detail) == 0 && n > 0 {
		f.say(OK, "%d values are clean", n)
	}
}

// cleaned is a value without what people put around values.
func cleaned(v string) string {
	return strings.Trim(v, "\"'`\u201c\u201d\u2018\u2019 \t\r\n;,")
}

// setting is the repair that sets a variable of the deployment.
func (p *Patient) setting(name, value string) Repair {
	return Repair{Call: fmt.Sprintf("set %s=%s in the deployment %s", name, shown(name, value), p.House.URL),
		Do: func(ctx context.Context) error { return p.House.setVariable(ctx, name, value) }}
}

// shown is a value as it may be shown.
func shown(name, value string) string {
	if secretName(name) && len(value) > 8 {
		return value[:8] + "…"
	}
	return value
}

// publicPrefixes are those whose variables end up in pages.
var publicPrefixes = []string{"NEXT_PUBLIC_", "VITE_", "PUBLIC_", "REACT_APP_", "EXPO_PUBLIC_"}

// checkSecretExposed looks for secrets that pages are built with.
func checkSecretExposed(_ context.Context, p *Patient, f *finding) {
	n := 0
	for i := range p.Env {
		e := &p.Env[i]
		for _, a := range e.Assignments() {
			n++
			at := slices.IndexFunc(publicPrefixes, func(prefix string) bool { return strings.HasPrefix(a.Name, prefix) })
			if at < 0 || a.Value == "" || !secretName(a.Name) && !strings.HasPrefix(a.Value, "sk_") && !strings.Contains(a.Value, "|") {
				continue
			}
			name := strings.TrimPrefix(a.Name, publicPrefixes[at])
			f.at(Problem, Place{e.Name, a.Line, 1}, "%s is a secret, and its prefix %s puts it into every page", a.Name, publicPrefixes[at])
			f.fix("Rename it, read it on the server only, and replace the key: whoever opened a page has the old one.\n%s=%s", name, shown(name, a.Value))
			f.editEnv(e, func(d *projectfile.Dotenv) { d.Rename(a.Name, name) })
		}
	}
	for _, file := range p.Sources {
		for i := range publicPrefixes {
			for _, secret := range []string{"WORKOS_API_KEY", "WORKOS_COOKIE_PASSWORD"} {
				if at := strings.Index(string(file.Source), publicPrefixes[i]+secret); at >= 0 && (publicPrefixes[i] != "PUBLIC_") {
					f.at(Problem, place(file, at), "the source reads %s%s, which every page would hold", publicPrefixes[i], secret)
					f.fix("Read %s on the server, and give the page only what it shows.", secret)
				}
			}
		}
	}
	if len(f.Detail) == 0 && n+len(p.Sources) > 0 {
		f.say(OK, "no secret has a public prefix")
	}
}

// checkEnvPrefix looks for variables that the framework does not see.
func checkEnvPrefix(_ context.Context, p *Patient, f *finding) {
	for _, name := range append(p.wantedVariables(), p.Framework.Prefix+"CONVEX_URL") {
		if v, _ := p.env(name); v != "" {
			f.say(OK, "%s is set", name)
			continue
		}
		if e, a := p.misnamed(name); e != nil {
			f.at(Problem, Place{e.Name, a.Line, 1}, "%s does not see %s; expected %s", p.Framework.Name, a.Name, name)
			f.fix("Rename it:\n%s=%s", name, a.Value)
			f.editEnv(e, func(d *projectfile.Dotenv) { d.Rename(a.Name, name) })
		}
	}
}

// misnamed finds the variable that is meant to be name and has another prefix, or
// none.
func (p *Patient) misnamed(name string) (*EnvFile, projectfile.Assignment) {
	bare := strings.TrimPrefix(name, p.Framework.Prefix)
	for i := range p.Env {
		for _, a := range p.Env[i].Assignments() {
			if a.Value == "" || a.Name == name || secretName(name) || unprefixed(a.Name) != bare {
				continue
			}
			// Without a prefix it may be for the server, or for the CLI, where the other
			// is for pages: only a variable that nobody else reads is a mistake.
			if a.Name == "CONVEX_URL" || a.Name == bare && p.Framework.SignIn == Server && bare != "WORKOS_REDIRECT_URI" {
				continue
			}
			return &p.Env[i], a
		}
	}
	return nil, projectfile.Assignment{}
}

// unprefixed is a variable's name without a public prefix.
func unprefixed(name string) string {
	for _, prefix := range publicPrefixes {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest
		}
	}
	return name
}

// minPassword is the least length of a cookie password: authkit-nextjs and iron
// refuse a shorter one.
const minPassword = 32

// checkCookiePassword measures the cookie password.
func checkCookiePassword(_ context.Context, p *Patient, f *finding) {
	if p.Framework.SignIn != Server {
		f.say(Skipped, "sign-in runs in the browser, without a session cookie of the app")
		return
	}
	v, from := p.env("WORKOS_COOKIE_PASSWORD")
	switch {
	case v == "":
		f.say(Skipped, "WORKOS_COOKIE_PASSWORD is not set: see env-local")
		return
	case len(v) < minPassword:
		f.say(Problem, "WORKOS_COOKIE_PASSWORD in %s: expected %d characters or more, got %d", from, minPassword, len(v))
	case guessable(v):
		f.say(Warning, "WORKOS_COOKIE_PASSWORD in %s is one that anybody would guess", from)
	default:
		f.say(OK, "WORKOS_COOKIE_PASSWORD has %d characters", len(v))
		return
	}
	f.fix("Put a random one into .env.local; everybody signs in once more:\necho \"WORKOS_COOKIE_PASSWORD=$(openssl rand -base64 32)\" >> .env.local")
	if from == "" || strings.HasPrefix(from, ".env") {
		e := p.envLocal()
		if from == ".env" {
			e = &p.Env[1]
		}
		f.editEnv(e, func(d *projectfile.Dotenv) { d.Set("WORKOS_COOKIE_PASSWORD", newPassword()) })
	}
}

// guessable reports whether a password is the guide's placeholder or one character
// over and over.
func guessable(v string) bool {
	distinct := map[rune]bool{}
	for _, c := range v {
		distinct[c] = true
	}
	return v == "your_32_char_minimum_password_here" || len(distinct) < 6
}

// keyPattern is an API key of either kind.
var keyPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sk_(test|live)_`) })

// checkKeyKind holds keys against where they are used: .env.local is for
// development, a production deployment for real users.
func checkKeyKind(_ context.Context, p *Patient, f *finding) {
	if v, from := p.env("WORKOS_API_KEY"); strings.HasPrefix(v, "sk_live_") && strings.HasPrefix(from, ".env") {
		f.say(Problem, "WORKOS_API_KEY in %s: expected sk_test_… for development, got sk_live_…: what you try out happens to real users", from)
		f.fix("Put the key of the development environment into %s:\nWORKOS_API_KEY=sk_test_...", from)
	} else if m := keyPattern().FindString(v); m != "" {
		f.say(OK, "WORKOS_API_KEY in %s is %s…", from, m)
	}
	if p.House == nil || p.House.Facts == nil {
		return
	}
	kind, key := p.House.Facts.Kind, p.House.Variables["WORKOS_API_KEY"]
	switch {
	case kind == "prod" && strings.HasPrefix(key, "sk_test_"):
		f.say(Problem, "the production deployment's WORKOS_API_KEY: expected sk_live_…, got sk_test_…: real users would be in a test environment")
		f.fix("Provision a production environment for it:\nnpx convex deploy")
	case kind != "prod" && kind != "" && strings.HasPrefix(key, "sk_live_"):
		f.say(Problem, "the %s deployment's WORKOS_API_KEY: expected sk_test_…, got sk_live_…", kind)
		f.fix("Give it a development environment:\nnpx convex integration workos provision-environment")
	case keyPattern().MatchString(key):
		f.say(OK, "the deployment's WORKOS_API_KEY is %s…", keyPattern().FindString(key))
	}
}

// checkTwoDeployments looks for settings that send the official CLI elsewhere.
func checkTwoDeployments(_ context.Context, p *Patient, f *finding) {
	self, selfFrom := p.env("CONVEX_SELF_HOSTED_URL")
	named, namedFrom := p.env("CONVEX_DEPLOYMENT")
	switch {
	case self != "" && named != "":
		f.say(Problem, "CONVEX_SELF_HOSTED_URL (in %s) and CONVEX_DEPLOYMENT (in %s) are both set: npx convex refuses to choose", selfFrom, namedFrom)
		f.fix("Remove one of them from .env.local: CONVEX_DEPLOYMENT for a deployment of the control plane, CONVEX_SELF_HOSTED_URL for the one of lentil dev.")
	case self != "" || named != "":
		f.say(OK, "npx convex addresses %s", firstOf(self, named))
	default:
		f.say(OK, "npx convex asks which deployment to use")
	}
	if self != "" && p.House != nil && p.House.From != ".env.local" && strings.TrimRight(self, "/") != p.House.URL && !sameAddress(self, p.House.URL) {
		f.say(Problem, "nothing answers at %s (CONVEX_SELF_HOSTED_URL in %s); the deployment is at %s", self, selfFrom, p.House.URL)
		f.fix("Start lentil dev again, which corrects what it wrote, or write:\nCONVEX_SELF_HOSTED_URL=%s", p.House.URL)
	}
	url, from := p.env(p.Framework.Prefix + "CONVEX_URL")
	if self != "" && url != "" && strings.TrimRight(self, "/") != strings.TrimRight(url, "/") && !sameAddress(self, url) {
		f.say(Problem, "the app calls %s (%sCONVEX_URL in %s), and npx convex pushes to %s", url, p.Framework.Prefix, from, self)
		f.fix("Make both the same in .env.local:\n%sCONVEX_URL=%s", p.Framework.Prefix, self)
		if from == ".env.local" {
			f.editEnv(p.envLocal(), func(d *projectfile.Dotenv) { d.Set(p.Framework.Prefix+"CONVEX_URL", self) })
		}
	}
}

// sameAddress reports whether two addresses of this machine are one.
func sameAddress(a, b string) bool {
	u, err1 := url.Parse(a)
	v, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && u.Port() == v.Port() && loopback(u.Hostname()) && loopback(v.Hostname())
}

// firstOf is the first text that is not empty.
func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

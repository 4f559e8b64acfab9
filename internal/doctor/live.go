package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/doctor/source"
	"github.com/lentil-dev/lentil/internal/projectfile"
	"github.com/lentil-dev/lentil/internal/token"
)

// checkHouse says whom the other checks asked.
func checkHouse(_ context.Context, p *Patient, f *finding) {
	switch {
	case p.House == nil && p.paths[".lentil"] || p.House == nil && len(p.opts.Houses) > 0:
		f.say(Warning, "%s", p.HouseWhy)
		f.fix("Start it:\nlentil dev")
	case p.House == nil:
		f.say(Skipped, "%s", p.HouseWhy)
	case p.House.AdminKey == "":
		f.say(OK, "%s answers; without its admin key less can be asked", p.House.URL)
	case p.House.Facts == nil:
		f.say(OK, "%s answers; it is not Lentil's, so less can be asked", p.House.URL)
	default:
		f.say(OK, "%s answers at %s", p.House.Facts.Deployment, p.House.URL)
		for _, problem := range p.House.Facts.Problems {
			f.say(Warning, "%s", problem)
			f.fix("lentil status")
		}
	}
}

// checkVersions compares our version with the house's.
func checkVersions(_ context.Context, p *Patient, f *finding) {
	if theirs := p.House.Facts.Version; theirs != p.opts.Version {
		f.say(Warning, "the running house is %s, this program %s", orNone(theirs), orNone(p.opts.Version))
		f.fix("Stop the house and start it with this program; its data is brought up to date by itself:\nlentil dev")
		return
	}
	f.say(OK, "both are %s", p.opts.Version)
}

// maxSkew is the difference of clocks that token checks forgive.
const maxSkew = 5 * time.Second

// checkClock compares clocks.
func checkClock(_ context.Context, p *Patient, f *finding) {
	h := p.House
	if h.AdminKey == "" {
		f.say(Skipped, "the deployment was not asked for its time")
		return
	}
	skew := h.Skew.Round(100 * time.Millisecond)
	if h.Skew.Abs() > maxSkew+h.Uncertain {
		f.say(Problem, "the clocks of this machine and of %s differ by %v; tokens are refused from %v on", h.URL, skew.Abs(), maxSkew)
		f.fix("Set both clocks by NTP:\ntimedatectl set-ntp true")
		return
	}
	f.say(OK, "clocks differ by %v", skew.Abs())
}

// checkClientIDSet looks for the variable that the guide's auth.config.ts reads.
func checkClientIDSet(_ context.Context, p *Patient, f *finding) {
	if p.House.Variables == nil {
		f.say(Skipped, "%s does not list its environment variables", p.House.URL)
		return
	}
	v := p.House.Variables["WORKOS_CLIENT_ID"]
	if v != "" {
		f.say(OK, "WORKOS_CLIENT_ID=%s", v)
		return
	}
	id, from := p.clientID()
	f.say(Problem, "the deployment %s has no variable WORKOS_CLIENT_ID, so convex/auth.config.ts cannot be pushed", p.House.URL)
	if id != "" {
		f.say(Problem, "the app has %s (%s)", id, from)
	}
	// The id of an app that is new to this house is another service's.
	if p.House.Facts != nil && p.House.Facts.Environment == nil {
		p.offerEnvironment(id, f)
		return
	}
	f.fix("Set it:\nnpx convex env set WORKOS_CLIENT_ID %s", firstOf(id, "client_01..."))
	if id != "" {
		f.Repairs = append(f.Repairs, p.setting("WORKOS_CLIENT_ID", id))
	}
}

// addressed tells whether the official CLI finds the deployment through the control plane,
// and so this house by lentil exec alone.
func (p *Patient) addressed() bool {
	self, _ := p.env("CONVEX_SELF_HOSTED_URL")
	named, _ := p.env("CONVEX_DEPLOYMENT")
	return self == "" && named != "" && p.House != nil && p.House.Facts != nil
}

// checkClientIDMatches compares the client ids of app and deployment.
func checkClientIDMatches(_ context.Context, p *Patient, f *finding) {
	v := p.House.Variables["WORKOS_CLIENT_ID"]
	id, from := p.clientID()
	if v == "" || id == "" {
		return
	}
	if v != id && cleaned(v) == cleaned(id) {
		f.say(Skipped, "one of the two has signs around it: see env-values")
		return
	}
	if v != id {
		f.say(Problem, "the deployment has WORKOS_CLIENT_ID=%s, the app %s (%s): tokens of the app are refused", v, id, from)
		name, file, _ := strings.Cut(from, " in ")
		f.fix("If the deployment's is right, put it into .env.local, else npx convex env set WORKOS_CLIENT_ID %s:\n%s=%s", id, name, v)
		// Which of the two is wrong shows where one of them belongs to nobody.
		if p.House.Facts != nil && p.House.Facts.Environment != nil && strings.HasPrefix(file, ".env") {
			e := p.envLocal()
			if file == ".env" {
				e = &p.Env[1]
			}
			f.editEnv(e, func(d *projectfile.Dotenv) { d.Set(name, v) })
		}
		return
	}
	if p.House.Facts != nil && p.House.Facts.Environment == nil {
		f.say(Warning, "%s is no client of this house: sign-in happens elsewhere, and this house cannot tell how it is set up", v)
		f.fix("If sign-in should be Lentil's, remove the three variables and start lentil dev again:\n" +
			"for v in WORKOS_CLIENT_ID WORKOS_API_KEY WORKOS_ENVIRONMENT_ID; do npx convex env remove $v; done")
		return
	}
	f.say(OK, "app and deployment have %s", v)
}

// checkTokenIssuer holds the issuer of the environment's tokens against the live
// providers.
func checkTokenIssuer(_ context.Context, p *Patient, f *finding) {
	env := p.House.Facts.Environment
	if i := slices.IndexFunc(p.House.Providers, func(q token.Provider) bool {
		return strings.TrimRight(q.Issuer, "/") == strings.TrimRight(env.Issuer, "/")
	}); i >= 0 {
		f.say(OK, "%s is trusted", env.Issuer)
		return
	}
	if len(p.House.Providers) == 0 {
		f.say(Skipped, "nothing was pushed yet")
		return
	}
	var trusted []string
	for _, q := range p.House.Providers {
		trusted = append(trusted, q.Issuer)
	}
	f.say(Problem, "tokens of the environment have the issuer %s, and the deployment trusts %s", env.Issuer, strings.Join(trusted, " and "))
	f.fix("Both providers of the guide belong into convex/auth.config.ts; then push with npx convex dev:\n%s\n%s", diagnosis.FirstProvider, diagnosis.SecondProvider)
}

// checkTokenAudience holds the audience of the environment's tokens against the
// applicationID of the provider that they meet.
func checkTokenAudience(_ context.Context, p *Patient, f *finding) {
	env := p.House.Facts.Environment
	for _, q := range p.House.Providers {
		if strings.TrimRight(q.Issuer, "/") != strings.TrimRight(env.Issuer, "/") {
			continue
		}
		switch {
		case q.ApplicationID == "":
			f.say(OK, "the provider of %s asks for no audience", env.Issuer)
		case env.Audience == q.ApplicationID:
			f.say(OK, "tokens have aud %s", env.Audience)
		case env.Audience == "template":
			f.say(OK, "the JWT template makes aud; look at a token with lentil doctor token")
		case env.Audience == "":
			f.say(Problem, "tokens have no `aud`, and the provider of %s expects %s", q.Issuer, q.ApplicationID)
			f.fix("Set the JWT template of the environment (in the vendor's dashboard: Authentication > Sessions > Configure JWT Template):\n"+
				`curl -X PUT %s/user_management/jwt_template -H "Authorization: Bearer $WORKOS_API_KEY" -H 'Content-Type: application/json' -d '{"content": "{\"aud\": \"%s\"}"}'`,
				p.House.Facts.AuthKitURL, q.ApplicationID)
			if p.House.Variables["WORKOS_API_KEY"] != "" && q.ApplicationID == env.ClientID {
				f.Repairs = append(f.Repairs, Repair{Call: fmt.Sprintf("PATCH %s/_lentil/v1/settings {\"audience\": \"always\"}", p.House.Facts.AuthKitURL),
					Do: func(ctx context.Context) error {
						return p.House.workos(ctx, "PATCH", "/_lentil/v1/settings", map[string]string{"audience": "always"})
					}})
			}
		default:
			f.say(Problem, "aud: the provider of %s expects %s, tokens have %s", q.Issuer, q.ApplicationID, env.Audience)
			f.fix("Set the deployment's client id:\nnpx convex env set WORKOS_CLIENT_ID %s", env.ClientID)
		}
	}
}

// checkConfigPushed holds convex/auth.config.ts, with the deployment's variables
// put in, against what is live.
func checkConfigPushed(_ context.Context, p *Patient, f *finding) {
	if p.House.Providers == nil {
		f.say(Skipped, "%s does not tell its auth providers", p.House.URL)
		return
	}
	if p.Auth.Helper != "" {
		f.say(Skipped, "%s() makes the providers", p.Auth.Helper)
		return
	}
	const push = "Push it:\nnpx convex dev --once"
	var want []string
	for i := range p.Auth.Providers {
		e := &p.Auth.Providers[i]
		text, missing := entryText(e, func(name string) (string, bool) {
			switch name {
			case "CONVEX_SITE_URL":
				if p.House.Facts != nil {
					return p.House.Facts.SiteURL, true
				}
			case "CONVEX_CLOUD_URL":
				return p.House.URL, true
			}
			v, ok := p.House.Variables[name]
			return v, ok
		}, p.House.Facts != nil)
		if len(missing) > 0 {
			slices.Sort(missing)
			f.say(Problem, "%s reads %s, which the deployment has not set, so it cannot be pushed", place(p.Auth.File, e.From), strings.Join(slices.Compact(missing), ", "))
			f.fix("Set it:\nnpx convex env set %s <value>", missing[0])
			return
		}
		want = append(want, text)
	}
	var live []string
	for _, q := range p.House.Providers {
		live = append(live, providerText(q, p.House.Facts != nil))
	}
	if slices.Equal(want, live) {
		f.say(OK, "the %d providers of %s are live", len(want), p.Auth.File.Path)
		return
	}
	f.say(Problem, "%s differs from what is live at %s", p.Auth.File.Path, p.House.URL)
	for _, w := range want {
		if !slices.Contains(live, w) {
			f.say(Problem, "not live: %s", w)
		}
	}
	for _, l := range live {
		if !slices.Contains(want, l) {
			f.say(Problem, "live, and not in the file: %s", l)
		}
	}
	f.fix(push)
}

// entryText is an entry as providerText writes it.
func entryText(e *Entry, env func(string) (string, bool), full bool) (string, []string) {
	var missing []string
	get := func(name string) string {
		v, ok := e.Members[name]
		if !ok {
			return ""
		}
		text, m := v.Fill(env)
		missing = append(missing, m...)
		return text
	}
	q := token.Provider{Type: get("type"), Issuer: get("issuer"), JWKS: get("jwks"), Algorithm: get("algorithm"), ApplicationID: get("applicationID")}
	if q.Type != token.TypeCustomJWT {
		q.Type, q.Issuer = token.TypeOIDC, get("domain")
	}
	return providerText(q, full), missing
}

// providerText writes a provider in one line, for comparing and showing.
func providerText(q token.Provider, full bool) string {
	issuer := strings.TrimRight(q.Issuer, "/")
	if !strings.Contains(issuer, "://") {
		issuer = "https://" + issuer
	}
	text := fmt.Sprintf("%s issuer=%s applicationID=%s", q.Type, issuer, orNone(q.ApplicationID))
	if full && q.Type == token.TypeCustomJWT {
		jwks := q.JWKS
		if !strings.Contains(jwks, "://") && !strings.HasPrefix(jwks, "data:") {
			jwks = "https://" + jwks
		}
		text += " jwks=" + jwks + " algorithm=" + q.Algorithm
	}
	return text
}

// checkFunctionsPushed looks for functions that were never pushed.
func checkFunctionsPushed(_ context.Context, p *Patient, f *finding) {
	n, dir := 0, p.functionsDir()+"/"
	for _, file := range p.Sources {
		if strings.HasPrefix(file.Path, dir) && file.ImportsAny(func(m string) bool { return strings.HasSuffix(m, "_generated/server") || m == "convex/server" }) &&
			!strings.Contains(file.Path, "schema.") && !strings.Contains(file.Path, ".config.") {
			n++
		}
	}
	live := p.House.Facts.Functions
	switch {
	case n == 0:
		return
	case live == 0:
		f.say(Problem, "%s has functions in %s, and the deployment has none", dir, plural(n, "file", "files"))
		f.fix("Push them:\nnpx convex dev --once")
	default:
		f.say(OK, "%s live", plural(live, "function is", "functions are"))
	}
}

// checkSameEnvironment compares the client ids of the project's deployments.
func checkSameEnvironment(_ context.Context, p *Patient, f *finding) {
	facts := p.House.Facts
	mine := p.House.Variables["WORKOS_CLIENT_ID"]
	if mine == "" || facts.Kind == "" {
		return
	}
	for _, s := range facts.Siblings {
		if s.ClientID == mine && (s.Kind == "prod") != (facts.Kind == "prod") {
			f.say(Problem, "%s (%s) and %s (%s) have the same WORKOS_CLIENT_ID %s", facts.Deployment, facts.Kind, s.Name, s.Kind, mine)
			f.fix("Give production an environment of its own, then deploy:\nnpx convex integration workos provision-environment --prod")
		}
	}
	if len(f.Detail) == 0 {
		f.say(OK, "no deployment of another kind has %s", mine)
	}
}

// checkWorkspace looks for "Platform not authorized".
func checkWorkspace(_ context.Context, p *Patient, f *finding) {
	w := p.House.Facts.Workspace
	switch {
	case p.House.Facts.Kind == "":
		return
	case !w.Linked:
		f.say(Warning, "the team has no WorkOS workspace, so environments are not provisioned without asking")
		f.fix("Link one:\nnpx convex integration workos provision-team")
	case !w.Authorized:
		f.say(Problem, "Platform not authorized: the team's workspace %q no longer lets the platform provision in it", w.Name)
		f.fix("Unlink it and link one anew; use another e-mail address for a new workspace:\n" +
			"npx convex integration workos disconnect-team\nnpx convex integration workos provision-team")
	default:
		f.say(OK, "the team's workspace %q is linked", w.Name)
	}
}

// checkRefusedTokens shows why tokens were refused lately.
func checkRefusedTokens(_ context.Context, p *Patient, f *finding) {
	for _, e := range p.refused(diagnosis.Token) {
		s := Problem
		if e.Cause == "token-expired" || e.Cause == "token-unreadable" || p.House.Facts.Now.Sub(e.Last) > time.Hour {
			s = OK
		}
		f.say(s, "%s (%s, last %v ago)", e.Said, times(e.Times), p.House.Facts.Now.Sub(e.Last).Round(time.Second))
		if s == Problem {
			f.fix("%s", e.Fix)
		}
	}
	if len(f.Detail) == 0 {
		f.say(OK, "none since the house started")
	}
	if f.Status == Problem && p.fixedSince() {
		f.Status = Warning
		f.say(Warning, "what is live now accepts the environment's tokens: this is over if it does not happen again")
	}
}

// fixedSince reports whether the cause of refused tokens is gone: the environment's
// own tokens would be accepted now.
func (p *Patient) fixedSince() bool {
	env := p.House.Facts.Environment
	return env != nil && slices.ContainsFunc(p.House.Providers, func(q token.Provider) bool {
		return strings.TrimRight(q.Issuer, "/") == strings.TrimRight(env.Issuer, "/") && (q.ApplicationID == "" || q.ApplicationID == env.Audience || env.Audience == "template")
	})
}

// checkHost looks for a browser app that would call the vendor although the
// deployment's environment is in this house.
func checkHost(_ context.Context, p *Patient, f *finding) {
	named, from := p.env("CONVEX_DEPLOYMENT")
	if named != "" && p.Framework.SignIn == Server {
		f.say(OK, "CONVEX_DEPLOYMENT in %s: below lentil exec the app finds it without settings", from)
		return
	}
	prefix := ""
	if p.Framework.SignIn == Browser {
		prefix = p.Framework.Prefix
	}
	p.checkHostSettings(f, prefix)
	if p.Framework.SignIn == Server {
		if v, from := p.env("WORKOS_API_HOSTNAME"); v != "" {
			f.say(OK, "WORKOS_API_HOSTNAME=%s in %s", v, from)
			return
		}
		f.say(Warning, "WORKOS_API_HOSTNAME is not set, so the app's server calls api.workos.com, where the client id is not known")
		f.fix("Start the app with lentil exec, or let lentil dev write the three variables to .env.local:\nlentil exec -- %s", startOf(p))
		return
	}
	found := false
	p.eachAuthKitProvider(func(file *source.File, e *source.Node, named bool) {
		found = true
		if named {
			f.say(OK, "%s: apiHostname is set", place(file, e.From))
			return
		}
		f.at(Warning, place(file, e.From), "<AuthKitProvider> has no apiHostname, so the page calls api.workos.com, where the client id is not known")
		f.repair(file.Path, file.Source, withAttributes(file.Source, e, hostAttributes))
	})
	if !found {
		return
	}
	beside := ""
	if named != "" {
		beside = " (or open the page with lentil exec --browser " + p.Framework.Origin + ")"
	}
	f.fix("Add three attributes to <AuthKitProvider>%s; without the variables they change nothing:\n%s", beside, strings.Join(hostAttributes, "\n"))
}

// checkHostSettings holds the variables that name the sign-in service's address
// against where it is: they outlive a house that has moved.
func (p *Patient) checkHostSettings(f *finding, prefix string) {
	host, from := p.env(prefix + "WORKOS_API_HOSTNAME")
	port, _ := p.env(prefix + "WORKOS_API_PORT")
	u, err := url.Parse(p.House.Facts.AuthKitURL)
	if host == "" || err != nil {
		return
	}
	want := portOf(u)
	if port == "" || port == want && (host == u.Hostname() || loopback(host) && loopback(u.Hostname())) {
		return
	}
	f.say(Warning, "%sWORKOS_API_HOSTNAME and %sWORKOS_API_PORT in %s name %s:%s, and sign-in is at %s", prefix, prefix, from, host, port, p.House.Facts.AuthKitURL)
	f.fix("Write where it is, unless there is a proxy in between:\n%sWORKOS_API_HOSTNAME=%s\n%sWORKOS_API_PORT=%s", prefix, u.Hostname(), prefix, want)
	if from == ".env.local" {
		f.editEnv(p.envLocal(), func(d *projectfile.Dotenv) {
			d.Set(prefix+"WORKOS_API_HOSTNAME", u.Hostname())
			d.Set(prefix+"WORKOS_API_PORT", want)
		})
	}
}

// portOf is the port that an address means.
func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// startOf is the usual command that starts the project.
func startOf(p *Patient) string {
	if p.Framework.Name == "Next.js" {
		return "npx next dev"
	}
	return "npm run dev"
}

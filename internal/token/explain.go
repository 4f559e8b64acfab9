package token

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/diagnosis"
)

// cause is why a token was refused. Refusals carry it as their details, which no
// front puts into an answer.
type cause string

// The causes.
const (
	causeUnreadable  cause = "token-unreadable"
	causeNoProvider  cause = "no-provider" // Explain finds out which of the causes below
	causeAlgorithm   cause = "wrong-algorithm"
	causeSignature   cause = "wrong-signature"
	causeNoKeyID     cause = "no-key-id"
	causeUnknownKey  cause = "unknown-key"
	causeUnreachable cause = "keys-unreachable"
	causeExpired     cause = "token-expired"
	causeEarly       cause = "token-from-the-future"

	causeNothingPushed  cause = "no-auth-config"
	causeSecondProvider cause = "second-provider"
	causeFirstProvider  cause = "first-provider"
	causeOtherClient    cause = "other-client"
	causeWrongIssuer    cause = "wrong-issuer"
	causeMissingAud     cause = "missing-aud"
	causeWrongAud       cause = "wrong-aud"
)

// causeChecks are the doctor's checks that look for a cause in a project; the
// others need the token.
var causeChecks = map[cause]string{
	causeNothingPushed: "config-pushed", causeSecondProvider: "second-provider", causeFirstProvider: "first-provider", causeOtherClient: "client-id-matches",
	causeWrongIssuer: "token-issuer", causeMissingAud: "token-audience", causeWrongAud: "client-id-matches", causeUnknownKey: "jwks-url",
	causeUnreachable: "jwks-url", causeEarly: "clock", causeAlgorithm: "provider-shape",
}

// userManagement is the path of issuers that name their client.
const userManagement = workosIssuer + "/user_management/"

// Explain says for the developer why a deployment with these providers refused a
// token with err. ok is false for errors that are no refusals. Nothing of the
// explanation is secret: of the token it shows issuer, audience and times.
func Explain(providers []Provider, jwt string, err error, now time.Time) (r diagnosis.Refusal, ok bool) {
	e, ok := apierr.As(err)
	if !ok {
		return r, false
	}
	why, ok := e.Details.(cause)
	if !ok {
		return r, false
	}
	t, perr := parseJWT(jwt)
	if perr != nil {
		why = causeUnreadable
		t = &parsedJWT{}
	}
	if why == causeNoProvider {
		why = unmatched(providers, t)
	}
	r = diagnosis.Refusal{Kind: diagnosis.Token, Cause: string(why), Check: causeChecks[why], Value: clip(t.issuer)}
	r.Said, r.Why, r.Fix = words(why, providers, t, e, now)
	return r, true
}

// unmatched finds out why no provider fits a token.
func unmatched(providers []Provider, t *parsedJWT) cause {
	if len(providers) == 0 {
		return causeNothingPushed
	}
	iss := normalIssuer(t.issuer)
	if slices.ContainsFunc(providers, func(p Provider) bool { return normalIssuer(p.Issuer) == iss }) {
		if len(t.aud) == 0 {
			return causeMissingAud
		}
		return causeWrongAud
	}
	shared := slices.ContainsFunc(providers, func(p Provider) bool { return normalIssuer(p.Issuer) == workosIssuer })
	named := slices.ContainsFunc(providers, func(p Provider) bool { return strings.HasPrefix(p.Issuer, userManagement) })
	switch {
	case strings.HasPrefix(iss, userManagement) && named:
		return causeOtherClient
	case strings.HasPrefix(iss, userManagement) && shared:
		return causeSecondProvider
	case iss == workosIssuer && named:
		return causeFirstProvider
	}
	return causeWrongIssuer
}

// words are the explanation of one cause.
func words(why cause, providers []Provider, t *parsedJWT, e *apierr.Error, now time.Time) (said, background, fix string) {
	iss := clip(t.issuer)
	const push = "then push: npx convex dev --once"
	switch why {
	case causeNothingPushed:
		return fmt.Sprintf("The deployment trusts nobody's tokens: it has no auth providers, and the token is of %s.", iss),
			"A deployment accepts tokens of the providers in its convex/auth.config.ts, and none was pushed to it.",
			"Put the guide's convex/auth.config.ts into the project, " + push
	case causeSecondProvider:
		return fmt.Sprintf("The token's issuer is %s, and auth.config.ts trusts %s only: the second provider is missing.", iss, issuers(providers)),
			"WorkOS signs with two issuers: environments since 2025 with https://api.workos.com/user_management/<client id>, older ones with " +
				"https://api.workos.com. The guide has an entry for each, and both are needed.",
			"Add this entry to `providers` in convex/auth.config.ts, " + push + "\n" + diagnosis.SecondProvider
	case causeFirstProvider:
		return fmt.Sprintf("The token's issuer is %s, and auth.config.ts trusts %s only: the first provider is missing.", iss, issuers(providers)),
			"WorkOS signs with two issuers; this environment uses the shared one. The guide has an entry for each, and both are needed.",
			"Add this entry to `providers` in convex/auth.config.ts, " + push + "\n" + diagnosis.FirstProvider
	case causeOtherClient:
		client := strings.TrimPrefix(iss, userManagement)
		return fmt.Sprintf("The token was issued to the client %s, and auth.config.ts trusts %s: the app and the deployment use different WorkOS environments.", client, issuers(providers)),
			"The app signs in with the client id in its .env.local, the deployment trusts the one in its variable WORKOS_CLIENT_ID. Both must be the same.",
			"If the app's is right, set it in the deployment, else correct .env.local:\nnpx convex env set WORKOS_CLIENT_ID " + client
	case causeWrongIssuer:
		return fmt.Sprintf("No provider in auth.config.ts has the token's issuer: got %s, expected %s.", iss, issuers(providers)),
			"The issuer in the token must equal a provider's `issuer` (or `domain`), to the letter; only a slash at the end is forgiven.",
			"Correct the issuer in convex/auth.config.ts, or sign in where it says, " + push
	case causeMissingAud:
		p := withIssuer(providers, t.issuer)
		return fmt.Sprintf("The token has no claim `aud`, and the provider with issuer %s asks for %s (its applicationID).", p.Issuer, p.ApplicationID),
			"WorkOS puts `aud` into access tokens only if the environment's JWT template says so. The shared issuer " +
				"https://api.workos.com signs for every customer, so there the audience is what tells yours.",
			"Set the JWT template of the environment (in the vendor's dashboard: Authentication > Sessions > Configure JWT Template) to this:\n" +
				fmt.Sprintf(`{"aud": "%s"}`, p.ApplicationID)
	case causeWrongAud:
		p := withIssuer(providers, t.issuer)
		return fmt.Sprintf("The token is meant for another audience: got %s, expected %s.", clip(strings.Join(t.aud, ", ")), p.ApplicationID),
			"`aud` must contain the provider's applicationID, which is the deployment's WORKOS_CLIENT_ID. Usually the app and the deployment use different WorkOS environments.",
			"Compare the client id in .env.local with the deployment's:\nnpx convex env get WORKOS_CLIENT_ID"
	case causeExpired:
		ago := ""
		if exp, ok, err := numericDate(t.payload, "exp"); ok && err == nil {
			ago = fmt.Sprintf(" %v ago", now.Sub(exp).Round(time.Second))
		}
		return fmt.Sprintf("The token of %s expired%s.", iss, ago),
			"Access tokens last minutes; the client gets a new one before the old one ends. A tab that slept sends an old one once and renews it.",
			"If it keeps happening: do not store access tokens, ask the client each time (getAccessToken), and compare the clocks of both machines."
	case causeEarly:
		return "The token is not valid yet: " + e.Message,
			"The clocks of the machine that issued the token and of the one that checks it differ by more than five seconds.",
			"Set both clocks by NTP:\ntimedatectl set-ntp true"
	case causeUnknownKey, causeUnreachable:
		return e.Message,
			"The provider's `jwks` must be the address of the keys that sign the token; they belong to one client id.",
			"Check `jwks` in convex/auth.config.ts; for WorkOS it is:\nhttps://api.workos.com/sso/jwks/${clientId}"
	case causeAlgorithm:
		return e.Message, "A provider accepts the one algorithm that it is configured for; WorkOS signs with RS256.",
			"Correct `algorithm` in convex/auth.config.ts, " + push
	case causeSignature:
		return fmt.Sprintf("The token of %s is not signed by its key: it was changed, cut off or made up.", iss),
			"The signature belongs to exactly these bytes and this key.", "Send the token as it came from the sign-in service, without quotation marks or line breaks."
	}
	return e.Message, "A deployment needs a signed JWT with iss, sub and exp, as access tokens of AuthKit are.",
		"Send the access token (useAccessToken, getAccessToken), not the user's id, a refresh token or an API key."
}

// withIssuer is the first provider of an issuer.
func withIssuer(providers []Provider, issuer string) Provider {
	for _, p := range providers {
		if normalIssuer(p.Issuer) == normalIssuer(issuer) {
			return p
		}
	}
	return Provider{}
}

// issuers lists whom a deployment trusts.
func issuers(providers []Provider) string {
	var list []string
	for _, p := range providers {
		if !slices.Contains(list, clip(p.Issuer)) && len(list) < 4 {
			list = append(list, clip(p.Issuer))
		}
	}
	return strings.Join(list, " and ")
}

// refused explains a refusal to the log, once in a while, and remembers it.
func (g *Gate) refused(providers []Provider, jwt string, err error) {
	r, ok := Explain(providers, jwt, err, time.Now())
	if !ok || g.Refusals == nil {
		return
	}
	if tell := g.Refusals.Note(g.Scope, r, time.Now()); tell && g.Log != nil {
		level := g.Log.Warn
		if r.Cause == string(causeExpired) || r.Cause == string(causeUnreadable) {
			level = g.Log.Debug // happens to good apps, or is somebody's noise
		}
		level("refused an access token", "deployment", g.Scope, "because", r.Said, "fix", r.Fix, "look", r.Look())
	}
}

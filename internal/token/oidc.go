package token

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// discoveryDoc is what is needed of an OpenID Connect discovery document.
type discoveryDoc struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri"`
}

// parseDiscovery reads a discovery document.
func parseDiscovery(body []byte) (discoveryDoc, error) {
	var d discoveryDoc
	if err := json.Unmarshal(body, &d); err != nil {
		return d, &fetchError{message: "Invalid OpenID configuration response body: not valid JSON", cause: err}
	}
	if d.Issuer == "" || d.JWKSURI == "" {
		return d, &fetchError{message: "Invalid OpenID configuration: it needs `issuer` and `jwks_uri`"}
	}
	return d, nil
}

// discoveryFailed is a provider whose configuration or keys cannot be had. When
// asking again may help it is no rejection of the token (convex-sync.md §6).
func discoveryFailed(p Provider, err error) error {
	kind := apierr.Unauthenticated
	var f *fetchError
	if errors.As(err, &f) && f.temporary {
		kind = apierr.Unavailable
	}
	return apierr.New(kind, "AuthProviderDiscoveryFailed", "Auth provider discovery of %s failed: %s", clip(p.Issuer), err).Wrap(err).With(causeUnreachable)
}

// verifyOIDC verifies an ID token of an OpenID Connect provider.
func (v *Verifier) verifyOIDC(ctx context.Context, p Provider, t *parsedJWT) (*Claims, error) {
	if t.alg != AlgRS256 && t.alg != AlgEdDSA {
		return nil, badToken("Could not decode token: it is signed with %q; OIDC providers' tokens must use RS256 or EdDSA.", clip(t.alg)).With(causeAlgorithm)
	}
	if len(t.aud) != 1 {
		return nil, apierr.New(apierr.Unauthenticated, "Unauthenticated",
			"Could not verify OIDC token claim: it names %d audiences, and exactly one is accepted.", len(t.aud))
	}
	issuer := normalIssuer(t.issuer)
	doc, err := v.discover(ctx, issuer+"/.well-known/openid-configuration")
	if err != nil {
		return nil, discoveryFailed(p, err)
	}
	if normalIssuer(doc.Issuer) != issuer {
		return nil, discoveryFailed(p, &fetchError{message: "its configuration names another issuer, " + clip(doc.Issuer)})
	}
	if !strings.HasPrefix(doc.JWKSURI, "https://") && !strings.HasPrefix(doc.JWKSURI, "http://") {
		return nil, discoveryFailed(p, &fetchError{message: "its jwks_uri is not a web address"})
	}
	if t.kid == "" {
		return nil, badToken("The JWT's header is missing a 'kid', the id of the key that signed it.").With(causeNoKeyID)
	}
	key, err := findKey(ctx, v.keySet(doc.JWKSURI), t.kid)
	var fetch *fetchError
	switch {
	case errors.Is(err, ErrNoKey):
		return nil, badToken("Could not decode token: the JWKS at %s has no key with 'kid' %s.", clip(doc.JWKSURI), clip(t.kid)).With(causeUnknownKey)
	case errors.As(err, &fetch):
		return nil, discoveryFailed(p, err)
	case err != nil:
		return nil, err
	}
	if err := t.checkSignature(t.alg, key); err != nil {
		return nil, err
	}
	exp, err := t.checkTimes(time.Now(), 0, 0)
	if err != nil {
		return nil, err
	}
	return t.claims(exp, oidcAttributes)
}

// discover fetches a discovery document, or gives the one kept.
func (v *Verifier) discover(ctx context.Context, url string) (discoveryDoc, error) {
	v.mu.Lock()
	d, ok := v.discovery[url]
	if !ok {
		d = &document[discoveryDoc]{
			url: url, client: v.Client, what: "OpenID configuration",
			accepts: []string{"application/json"}, parse: parseDiscovery,
		}
		v.discovery = keep(v.discovery, url, d)
	}
	v.mu.Unlock()
	return d.get(ctx, false)
}

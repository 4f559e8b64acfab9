package token

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// customSkew is the tolerance of the time claims of customJwt tokens
// (convex-sync.md §7); OIDC tokens have none.
const customSkew = 5 * time.Second

// maxSources bounds the key sets and discovery documents a Verifier keeps.
const maxSources = 1000

// Verifier checks end users' JWTs against a deployment's providers. The zero
// value works; it keeps fetched key sets and may be used by many goroutines.
type Verifier struct {
	// House resolves a JWKS URL to a key set of this house, in-process, or
	// returns nil if the URL is not ours. It is asked for every token.
	House func(jwksURL string) KeySet
	// Retell says what a token of a session of this house would say if it were renewed
	// now; the JWKS URL is one that House knows. Its refusals are Unauthenticated. Nil
	// means that no identity outlives its token.
	Retell func(ctx context.Context, jwksURL, session string) (payload json.RawMessage, err error)
	// Client fetches other providers' keys; nil means http.DefaultClient. Every
	// fetch has a deadline of its own.
	Client *http.Client
	Log    *slog.Logger

	verified verified

	mu        sync.Mutex // guards the maps; never held during a fetch
	sets      map[string]*RemoteKeySet
	discovery map[string]*document[discoveryDoc]
}

// Verify checks a compact JWT and returns the identity it proves. Providers are
// tried as convex-sync.md §7 says: only the first that matches the token's
// issuer and audience. Errors are *apierr.Error: Unauthenticated with the codes
// of that section, or Unavailable when an OIDC provider cannot be reached.
func (v *Verifier) Verify(ctx context.Context, providers []Provider, jwt string) (*Claims, error) {
	known, isKnown := v.verified.get(jwt)
	t := known.parsed
	if !isKnown {
		var err error
		if t, err = parseJWT(jwt); err != nil {
			return nil, err
		}
	}
	p, err := selectProvider(providers, t)
	if err != nil {
		return nil, err
	}
	if isKnown {
		if key, err := findKey(ctx, v.keySet(p.JWKS), t.kid); err == nil && known.stillGood(p, key.key, time.Now()) {
			return known.claims, nil
		}
		if t, err = parseJWT(jwt); err != nil {
			return nil, err
		}
	}
	if p.Type == TypeOIDC {
		return v.verifyOIDC(ctx, p, t)
	}
	return v.verifyCustom(ctx, p, t)
}

// selectProvider finds the one provider that a token is verified against.
func selectProvider(providers []Provider, t *parsedJWT) (Provider, error) {
	iss := normalIssuer(t.issuer)
	for _, p := range providers {
		if p.ApplicationID != "" && !slices.Contains(t.aud, p.ApplicationID) {
			continue
		}
		if normalIssuer(p.Issuer) == iss {
			return p, nil
		}
	}
	list := make([]string, len(providers))
	for i, p := range providers {
		list[i] = p.String()
	}
	listed := strings.Join(list, ", ")
	if listed == "" {
		listed = "none"
	}
	return Provider{}, apierr.New(apierr.Unauthenticated, "NoAuthProvider",
		"No auth provider found matching the given token (iss=%s, aud=%s). Check that your server auth config matches "+
			"the token's issuer and audience. The configured providers are: %s",
		clip(t.issuer), clip(strings.Join(t.aud, " ")), listed).With(causeNoProvider)
}

// verifyCustom verifies a token of a customJwt provider.
func (v *Verifier) verifyCustom(ctx context.Context, p Provider, t *parsedJWT) (*Claims, error) {
	claims, key, err := v.checkCustom(ctx, p, t, 0)
	if err == nil {
		v.verified.put(t.raw, verifiedToken{parsed: t, provider: p, key: key, claims: claims})
	}
	return claims, err
}

// checkCustom is verifyCustom for a token that may have ended a while ago.
func (v *Verifier) checkCustom(ctx context.Context, p Provider, t *parsedJWT, late time.Duration) (*Claims, crypto.PublicKey, error) {
	if t.kid == "" {
		return nil, nil, badToken("The JWT's header is missing a 'kid', the id of the key that signed it.").With(causeNoKeyID)
	}
	if t.alg != p.Algorithm {
		return nil, nil, badToken("Could not decode token: it is signed with %q, but the auth provider is configured for %q.", clip(t.alg), p.Algorithm).With(causeAlgorithm)
	}
	key, err := findKey(ctx, v.keySet(p.JWKS), t.kid)
	var fetch *fetchError
	switch {
	case errors.Is(err, ErrNoKey):
		return nil, nil, badToken("Could not decode token: the JWKS at %s has no key with 'kid' %s.", clip(p.JWKS), clip(t.kid)).With(causeUnknownKey)
	case errors.As(err, &fetch):
		return nil, nil, badToken("Could not validate token: %s", fetch.message).Wrap(err).With(causeUnreachable)
	case err != nil:
		return nil, nil, err
	}
	if err := t.checkSignature(p.Algorithm, key); err != nil {
		return nil, nil, err
	}
	exp, err := t.checkTimes(time.Now(), customSkew, late)
	if err != nil {
		return nil, nil, err
	}
	claims, err := t.claims(exp, customAttributes)
	if err != nil {
		return nil, nil, err
	}
	claims.Origin = v.originOf(p, t, exp)
	return claims, key.key, nil
}

// checkTimes applies exp, nbf and iat with a tolerance and returns exp, which may be
// past by late.
func (t *parsedJWT) checkTimes(now time.Time, skew, late time.Duration) (time.Time, error) {
	exp, ok, err := numericDate(t.payload, "exp")
	if err != nil {
		return exp, err
	}
	if !ok {
		return exp, badToken("The JWT has no claim `exp`.")
	}
	if exp.Before(now.Add(-skew - late)) {
		return exp, badToken("Could not verify token claim: Token expired %d seconds ago.", int64(now.Sub(exp)/time.Second)).With(causeExpired)
	}
	for _, name := range []string{"nbf", "iat"} {
		at, ok, err := numericDate(t.payload, name)
		if err != nil {
			return exp, err
		}
		if ok && at.After(now.Add(skew)) {
			return exp, badToken("Could not verify token claim: by `%s` the token will be valid in %d seconds. Are the clocks of issuer and server in step?",
				name, int64(at.Sub(now)/time.Second)+1).With(causeEarly)
		}
	}
	return exp, nil
}

// keySet finds the keys behind a JWKS URL: the house's own, or a remote set.
func (v *Verifier) keySet(jwksURL string) KeySet {
	if v.House != nil && !strings.HasPrefix(jwksURL, "data:") {
		if s := v.House(jwksURL); s != nil {
			return s
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok := v.sets[jwksURL]
	if !ok {
		s = NewRemoteKeySet(jwksURL, v.Client)
		v.sets = keep(v.sets, jwksURL, s)
	}
	return s
}

// keep adds to a bounded map, dropping any other entry when it is full; what is
// dropped is only fetched again.
func keep[T any](m map[string]T, key string, val T) map[string]T {
	if m == nil {
		m = map[string]T{}
	}
	if len(m) >= maxSources {
		for k := range m {
			delete(m, k)
			break
		}
	}
	m[key] = val
	return m
}

// claims assembles the verified identity; attributes says how the remaining
// claims appear in it.
func (t *parsedJWT) claims(exp time.Time, attributes func(map[string]json.RawMessage) (map[string]json.RawMessage, error)) (*Claims, error) {
	sub, err := stringMember(t.payload, "sub")
	if err != nil {
		return nil, badToken("The JWT has no claim `sub`.")
	}
	attrs, err := attributes(t.payload)
	if err != nil {
		return nil, err
	}
	c := &Claims{TokenIdentifier: t.issuer + "|" + sub, Issuer: t.issuer, Subject: sub, Expires: exp}
	c.Attributes = c.encode(attrs)
	return c, nil
}

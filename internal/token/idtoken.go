package token

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// idTokenSkew is the tolerance of an ID token's times: it comes straight from its
// issuer, whose clock may differ from ours by a little.
const idTokenSkew = time.Minute

// IDTokenRules say which ID token of an OpenID Connect provider is the right one.
type IDTokenRules struct {
	// Issuers lists the accepted iss claims. "{tenantid}" in one stands for the
	// token's own claim tid, which is how Microsoft's shared endpoints name their
	// issuers (https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-the-issuer).
	Issuers []string
	// Audience is our client id at the provider.
	Audience string
	// Nonce is what the authorization request sent; never empty.
	Nonce string
	// Algorithms lists the accepted ones among AlgRS256, AlgES256 and AlgEdDSA; empty
	// means all three.
	Algorithms []string
}

// VerifyIDToken checks an ID token by OpenID Connect Core §3.1.3.7 and gives its
// claims. The signature is always checked, though the token came over TLS: nothing
// then rests on how it was carried.
func VerifyIDToken(ctx context.Context, keys KeySet, raw string, rules IDTokenRules) (map[string]json.RawMessage, error) {
	t, err := parseJWT(raw)
	if err != nil {
		return nil, err
	}
	allowed := rules.Algorithms
	if len(allowed) == 0 {
		allowed = []string{AlgRS256, AlgES256, AlgEdDSA}
	}
	if !slices.Contains(allowed, t.alg) {
		return nil, badToken("The ID token is signed with %q, which is not accepted.", clip(t.alg))
	}
	if !rules.issuedBy(t) {
		return nil, badToken("The ID token was issued by %q and not by the provider.", clip(t.issuer))
	}
	if !slices.Contains(t.aud, rules.Audience) {
		return nil, badToken("The ID token is for another client.")
	}
	if azp, _ := stringMember(t.payload, "azp"); len(t.aud) > 1 && azp != rules.Audience || azp != "" && azp != rules.Audience {
		return nil, badToken("The ID token was issued to another client.")
	}
	if t.kid == "" {
		return nil, badToken("The ID token does not name its key.")
	}
	key, err := findKey(ctx, keys, t.kid)
	if errors.Is(err, ErrNoKey) {
		return nil, badToken("The provider has no key with the ID token's 'kid' %s.", clip(t.kid))
	}
	if err != nil {
		return nil, err
	}
	if err := t.checkSignature(t.alg, key); err != nil {
		return nil, err
	}
	if _, err := t.checkTimes(time.Now(), idTokenSkew, 0); err != nil {
		return nil, err
	}
	nonce, _ := stringMember(t.payload, "nonce")
	if rules.Nonce == "" || subtle.ConstantTimeCompare([]byte(nonce), []byte(rules.Nonce)) != 1 {
		return nil, badToken("The ID token answers another sign-in.")
	}
	if _, err := stringMember(t.payload, "sub"); err != nil {
		return nil, badToken("The ID token has no claim `sub`.")
	}
	return t.payload, nil
}

// issuedBy tells whether the token's issuer is one of the accepted ones.
func (rules IDTokenRules) issuedBy(t *parsedJWT) bool {
	for _, want := range rules.Issuers {
		if strings.Contains(want, "{tenantid}") {
			tid, err := stringMember(t.payload, "tid")
			if err != nil || strings.ContainsAny(tid, "/{}?#") {
				continue
			}
			want = strings.ReplaceAll(want, "{tenantid}", tid)
		}
		if t.issuer == want {
			return true
		}
	}
	return false
}

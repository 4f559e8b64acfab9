package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// maxJWT bounds a token before anything of it is decoded. Real ones are below
// 8 KiB, the size that HTTP servers accept in a header.
const maxJWT = 32 << 10

// parsedJWT is a token taken apart but not verified: nothing of it may be
// believed except for choosing how to verify it.
type parsedJWT struct {
	raw     string
	alg     string
	kid     string
	issuer  string
	aud     []string
	payload map[string]json.RawMessage
}

// badToken is a token that cannot be read or does not pass.
func badToken(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.Unauthenticated, "InvalidAuthHeader", format, args...).With(causeUnreadable)
}

// parseJWT splits and decodes a compact JWT. Header and payload must be JSON
// objects without duplicate members (RFC 8725 §2.4: two readers of one token
// must not see two tokens); critical extensions are refused as none is known.
func parseJWT(raw string) (*parsedJWT, error) {
	if len(raw) > maxJWT {
		return nil, badToken("Could not parse JWT: it is longer than %d bytes.", maxJWT)
	}
	parts := strings.SplitN(raw, ".", 4)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return nil, badToken("Could not parse as a JWT: a JWT is three base64-encoded parts joined by dots (is this an opaque token or an id?).")
	}
	header, err := jwtObject(parts[0])
	if err != nil {
		return nil, badToken("Could not parse as a JWT of three base64-encoded parts: its header is not a JSON object: %s.", jsonFault(err))
	}
	payload, err := jwtObject(parts[1])
	if err != nil {
		return nil, badToken("Could not parse as a JWT of three base64-encoded parts: its payload is not a JSON object: %s.", jsonFault(err))
	}
	t := &parsedJWT{raw: raw, payload: payload}
	if _, ok := header["crit"]; ok {
		return nil, badToken("The JWT names critical header extensions, and none is supported.")
	}
	if t.alg, err = stringMember(header, "alg"); err != nil {
		return nil, badToken("The JWT's header is missing an 'alg'.")
	}
	t.kid, _ = stringMember(header, "kid")
	if t.issuer, err = stringMember(payload, "iss"); err != nil {
		return nil, badToken("The JWT does not name its issuer: its payload needs a string claim `iss`.")
	}
	if t.aud, err = audience(payload["aud"]); err != nil {
		return nil, badToken("The JWT's claim `aud` must be a string or a list of strings.")
	}
	return t, nil
}

// jwtObject decodes one part of a token.
func jwtObject(part string) (map[string]json.RawMessage, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return nil, err
	}
	return objectMembers(b)
}

// stringMember is a member that must be a non-empty string.
func stringMember(m map[string]json.RawMessage, name string) (string, error) {
	var s string
	if raw, ok := m[name]; !ok || json.Unmarshal(raw, &s) != nil || s == "" {
		return "", fmt.Errorf("%s is missing or not a string", name)
	}
	return s, nil
}

// audience reads `aud`, a string or a list of strings; absent is empty.
func audience(raw json.RawMessage) ([]string, error) {
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	err := json.Unmarshal(raw, &many)
	return many, err
}

// numericDate reads a claim in seconds since the epoch (RFC 7519 §2, fractions
// allowed); ok is false when it is absent.
func numericDate(m map[string]json.RawMessage, name string) (t time.Time, ok bool, err error) {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return time.Time{}, false, nil
	}
	var f float64
	// 253402300800 is the year 10000; beyond, time.Time does not marshal.
	if json.Unmarshal(raw, &f) != nil || math.IsNaN(f) || f < 0 || f >= 253402300800 {
		return time.Time{}, false, badToken("The JWT's claim `%s` must be a time in seconds since 1970.", name)
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(frac*1e9)), true, nil
}

// checkSignature verifies the token's signature with a key, for exactly one
// algorithm that the caller has chosen; the token's own `alg` must be equal.
// The key's type must fit, so a public key can never serve as an HMAC secret.
func (t *parsedJWT) checkSignature(alg string, k setKey) error {
	if t.alg != alg {
		return badToken("Could not decode token: it is signed with %q, but the auth provider is configured for %q.", clip(t.alg), alg).With(causeAlgorithm)
	}
	if k.alg != "" && k.alg != alg {
		return badToken("Could not decode token: its key is for %q, but the auth provider is configured for %q.", clip(k.alg), alg).With(causeAlgorithm)
	}
	if !keyFits(alg, k.key) {
		return badToken("Could not decode token: its key is not one for %q.", alg).With(causeAlgorithm)
	}
	sig, err := jose.ParseSignedCompact(t.raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		return badToken("Could not decode token: a JWT is three base64-encoded parts joined by dots.").Wrap(err)
	}
	if _, err := sig.Verify(k.key); err != nil {
		return badToken("Could not decode token: its signature does not match the key of its 'kid'.").Wrap(err).With(causeSignature)
	}
	return nil
}

// keyFits tells whether a public key can verify an algorithm.
func keyFits(alg string, key crypto.PublicKey) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		// Below 2048 bits RFC 7518 §3.3 forbids it; above 8192 verifying is a
		// way to burn our processor.
		return alg == AlgRS256 && k.N.BitLen() >= 2048 && k.N.BitLen() <= 8192
	case *ecdsa.PublicKey:
		return alg == AlgES256 && k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return alg == AlgEdDSA && len(k) == ed25519.PublicKeySize
	default:
		return false
	}
}

// clip shortens foreign text for a message.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

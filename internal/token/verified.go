package token

import (
	"crypto"
	"crypto/sha256"
	"sync"
	"time"
)

// maxVerified bounds how many verified tokens are remembered.
const maxVerified = 4096

// verified remembers tokens whose signature was found good, because HTTP clients
// send the same one with every request and checking it costs more than a cached
// query. What it remembers is only that this text was signed by this key for
// this provider: the provider is chosen anew every time, the key is looked up
// anew (a key that was withdrawn verifies nothing), and exp is checked anew. The
// other times only ever come true as time goes by.
type verified struct {
	mu   sync.Mutex
	list map[[sha256.Size]byte]verifiedToken
}

// verifiedToken is one remembered token.
type verifiedToken struct {
	parsed   *parsedJWT // without its payload
	provider Provider
	key      crypto.PublicKey // a pointer type, so that it can be compared
	claims   *Claims
}

// get finds a token by its text.
func (v *verified) get(jwt string) (verifiedToken, bool) {
	if len(jwt) > maxJWT {
		return verifiedToken{}, false
	}
	sum := sha256.Sum256([]byte(jwt))
	v.mu.Lock()
	defer v.mu.Unlock()
	t, ok := v.list[sum]
	return t, ok
}

// put remembers a token; when there are too many any other is forgotten.
func (v *verified) put(jwt string, t verifiedToken) {
	slim := *t.parsed
	slim.payload, slim.raw = nil, ""
	t.parsed = &slim
	sum := sha256.Sum256([]byte(jwt))
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.list == nil {
		v.list = map[[sha256.Size]byte]verifiedToken{}
	}
	if len(v.list) >= maxVerified {
		for k := range v.list {
			delete(v.list, k)
			break
		}
	}
	v.list[sum] = t
}

// stillGood tells whether a remembered token of a customJwt provider holds now.
func (t verifiedToken) stillGood(p Provider, key crypto.PublicKey, now time.Time) bool {
	return t.provider == p && t.key == key && !t.claims.Expires.Before(now.Add(-customSkew))
}

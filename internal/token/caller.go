package token

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Role is the kind of caller. The order is that of growing power.
type Role uint8

// The roles.
const (
	Anonymous Role = iota // nobody in particular; the zero Caller
	User                  // an end user whose JWT was verified
	Admin                 // a holder of the deployment's admin key
	System                // the house itself: scheduled work, migrations
)

// String names the role for logs.
func (r Role) String() string {
	switch r {
	case User:
		return "user"
	case Admin:
		return "admin"
	case System:
		return "system"
	default:
		return "anonymous"
	}
}

// Caller is on whose behalf something happens. The zero value is anonymous.
// It is a small value, compared by CacheKey and never changed once made.
type Caller struct {
	Role   Role
	Claims *Claims // for User
	Acting *Claims // for Admin acting as a user (`run --identity`, dashboards)
	Key    string  // for Admin, the id of a key that can be revoked; "" for the derived one
}

// Claims is a verified identity: what `ctx.auth.getUserIdentity()` resolves to.
type Claims struct {
	TokenIdentifier string
	Issuer          string
	Subject         string
	// Attributes is the whole identity object as compact JSON with sorted
	// keys, tokenIdentifier, issuer and subject included. It never changes.
	Attributes json.RawMessage
	// Expires is the token's exp; the zero time means never (acting users). For an
	// identity that was carried on it is when to ask again.
	Expires time.Time
	// Origin says where a token of this house's own sign-in came from; nil for others.
	Origin *Origin
}

// Origin is what it takes to ask the house about a token again, see Gate.CarryOn.
type Origin struct {
	Provider Provider  // that it was verified against
	Key      string    // kid
	Session  string    // sid
	Ended    time.Time // the token's own exp
}

// identity is the claims user code may see, nil for callers without identity.
func (c Caller) identity() *Claims {
	switch c.Role {
	case User:
		return c.Claims
	case Admin:
		return c.Acting
	default:
		return nil
	}
}

// IdentityJSON is the answer to `1.0/getUserIdentity`: the identity object, or
// null for anonymous, system and admin callers that act as nobody.
func (c Caller) IdentityJSON() []byte {
	if id := c.identity(); id != nil {
		return id.Attributes
	}
	return []byte("null")
}

// IsAdmin says whether the caller may call internal functions and the
// deployment's own operations.
func (c Caller) IsAdmin() bool { return c.Role == Admin || c.Role == System }

// CacheKey is equal for two callers exactly when user code cannot tell them
// apart: it covers the role and every attribute, but not the token's lifetime,
// so a refreshed token keeps cached results (convex-sync.md §7.1).
func (c Caller) CacheKey() string {
	id := c.identity()
	switch {
	case id == nil && c.Role == Anonymous:
		return ""
	case id == nil:
		return c.Role.String()
	}
	sum := sha256.Sum256(id.Attributes)
	return c.Role.String() + ":" + hex.EncodeToString(sum[:])
}

// Expired says whether the identity may no longer be used at now. There is no
// leeway here: an identity ends exactly at exp (convex-sync.md §6), although
// verification itself tolerates clock skew.
func (c Caller) Expired(now time.Time) bool {
	return c.Role == User && c.Claims != nil && !c.Claims.Expires.IsZero() && !now.Before(c.Claims.Expires)
}

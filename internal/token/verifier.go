package token

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
)

// Verifier checks end users' JWTs against a deployment's providers. The zero
// value works; it keeps fetched key sets and may be used by many goroutines.
type Verifier struct {
	// House resolves a JWKS URL to a key set of this house, in-process, or
	// returns nil if the URL is not ours. It is asked for every token.
	House func(jwksURL string) KeySet
	// Client fetches other providers' keys; nil means http.DefaultClient. Every
	// fetch has a deadline of its own.
	Client *http.Client
	Log    *slog.Logger

	mu   sync.Mutex // guards sets; never held during a fetch
	sets map[string]*RemoteKeySet
	docs map[string]*document // discovery documents by URL
}

// Verify checks a compact JWT and returns the identity it proves. Providers are
// tried as convex-sync.md §7 says: only the first that matches the token's
// issuer and audience. Errors are *apierr.Error: Unauthenticated with the codes
// of that section, or Unavailable when a provider's keys cannot be had.
func (v *Verifier) Verify(ctx context.Context, providers []Provider, jwt string) (*Claims, error) {
	return v.verify(ctx, providers, jwt)
}

package token

import (
	"context"
	"crypto"
	"net/http"
)

// RemoteKeySet is a key set fetched from a provider's JWKS URL and kept as its
// cache headers allow.
type RemoteKeySet struct {
	URL    string
	Client *http.Client
}

// Key finds a key by its id, fetching the set when it is not fresh.
func (s *RemoteKeySet) Key(ctx context.Context, kid string) (crypto.PublicKey, error) {
	k, err := s.keyFor(ctx, kid)
	return k.key, err
}

func (s *RemoteKeySet) keyFor(ctx context.Context, kid string) (setKey, error) { panic("not written yet") }

type document struct{}

func (v *Verifier) verify(ctx context.Context, providers []Provider, jwt string) (*Claims, error) {
	panic("not written yet")
}

package token

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// The signature algorithms of providers' tokens.
const (
	AlgRS256 = "RS256"
	AlgES256 = "ES256"
	AlgEdDSA = "EdDSA" // OIDC providers only
)

// ErrNoKey reports a `kid` that a key set does not hold.
var ErrNoKey = errors.New("token: no such key")

// KeySet finds the key that verifies a token. It is the only thing that the
// two wings of the house share.
type KeySet interface {
	// Key finds a key by its id, or returns ErrNoKey (wrapped). Other errors
	// mean that the set could not be read.
	Key(ctx context.Context, kid string) (crypto.PublicKey, error)
}

// PublicKey is one key of a LocalKeySet.
type PublicKey struct {
	ID          string
	Algorithm   string // AlgRS256 …
	Key         crypto.PublicKey
	Certificate *x509.Certificate // optional, published as x5c
}

// JWKSCacheControl is the Cache-Control header with which a LocalKeySet is
// meant to be published: verifiers may keep it for a while but ask again soon
// after a rotation. Rotation overlaps by far more than this.
const JWKSCacheControl = "public, max-age=300, must-revalidate"

// JWKSContentType is the media type of a published key set as the imitated
// service sends it; the application/json that verifiers ask for covers it.
const JWKSContentType = "application/jwk-set+json"

// LocalKeySet is a fixed set of the house's own public keys: it verifies
// in-process and is published as JWKS. Rotation makes a new set.
type LocalKeySet struct {
	keys map[string]setKey
	jwks []byte
}

// setKey is a key with the algorithm it may be used for; "" allows any that
// fits its type.
type setKey struct {
	key crypto.PublicKey
	alg string
}

// NewLocalKeySet makes a set. Keys are published in the order given: the
// signing key first, then those that only still verify.
func NewLocalKeySet(keys ...PublicKey) (*LocalKeySet, error) {
	s := &LocalKeySet{keys: map[string]setKey{}}
	var set jose.JSONWebKeySet
	set.Keys = []jose.JSONWebKey{}
	for _, k := range keys {
		if k.ID == "" {
			return nil, errors.New("token: a published key needs an id")
		}
		if _, dup := s.keys[k.ID]; dup {
			return nil, fmt.Errorf("token: key %s is in the set twice", k.ID)
		}
		s.keys[k.ID] = setKey{key: k.Key, alg: k.Algorithm}
		j := jose.JSONWebKey{Key: k.Key, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"}
		if k.Certificate != nil {
			j.Certificates = []*x509.Certificate{k.Certificate}
			sum := sha256.Sum256(k.Certificate.Raw)
			j.CertificateThumbprintSHA256 = sum[:]
		}
		if !j.IsPublic() {
			return nil, fmt.Errorf("token: key %s is not a public key", k.ID)
		}
		set.Keys = append(set.Keys, j)
	}
	b, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("token: encode key set: %w", err)
	}
	s.jwks = b
	return s, nil
}

// JWKS is the set as a JSON Web Key Set (RFC 7517), to be served with
// JWKSContentType and JWKSCacheControl. Callers must not change it.
func (s *LocalKeySet) JWKS() []byte { return s.jwks }

// Key finds a key by its id.
func (s *LocalKeySet) Key(ctx context.Context, kid string) (crypto.PublicKey, error) {
	k, err := s.keyFor(ctx, kid)
	return k.key, err
}

// keyFor finds a key together with its declared algorithm.
func (s *LocalKeySet) keyFor(_ context.Context, kid string) (setKey, error) {
	if k, ok := s.keys[kid]; ok {
		return k, nil
	}
	return setKey{}, fmt.Errorf("%w: %q", ErrNoKey, kid)
}

// algKeySet is a KeySet that also knows which algorithm a key is declared for.
type algKeySet interface {
	keyFor(ctx context.Context, kid string) (setKey, error)
}

// findKey asks a set of either kind.
func findKey(ctx context.Context, set KeySet, kid string) (setKey, error) {
	if s, ok := set.(algKeySet); ok {
		return s.keyFor(ctx, kid)
	}
	k, err := set.Key(ctx, kid)
	return setKey{key: k}, err
}

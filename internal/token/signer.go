package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// keyBits is the size of generated keys: what the imitated service uses, and
// the smallest that RFC 7518 §3.3 allows for RS256.
const keyBits = 2048

// Signer signs claims as compact RS256 JWTs with one key. It builds the token
// itself: encoding is a few microseconds and the RSA operation is all the rest
// (docs/decisions/0003-jose.md). It may be used by many goroutines.
type Signer struct {
	kid    string
	key    *rsa.PrivateKey
	prefix []byte // base64url header and its dot, the same for every token
}

// GenerateKey makes a new RSA key for a Signer.
func GenerateKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("token: generate signing key: %w", err)
	}
	return key, nil
}

// MarshalPrivateKey gives a key as PKCS #8 DER, for storing it sealed.
func MarshalPrivateKey(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("token: encode signing key: %w", err)
	}
	return der, nil
}

// ParsePrivateKey reads what MarshalPrivateKey wrote.
func ParsePrivateKey(der []byte) (*rsa.PrivateKey, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("token: decode signing key: %w", err)
	}
	key, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("token: decode signing key: not an RSA key")
	}
	return key, nil
}

// NewSigner makes a signer of a key and its id.
func NewSigner(kid string, key *rsa.PrivateKey) (*Signer, error) {
	if kid == "" || key == nil {
		return nil, errors.New("token: a signer needs a key and its id")
	}
	if key.N.BitLen() < keyBits {
		return nil, fmt.Errorf("token: signing key has %d bits, RS256 needs %d", key.N.BitLen(), keyBits)
	}
	key.Precompute()
	header, err := json.Marshal(map[string]string{"alg": AlgRS256, "typ": "JWT", "kid": kid})
	if err != nil {
		return nil, fmt.Errorf("token: encode header: %w", err)
	}
	prefix := base64.RawURLEncoding.AppendEncode(nil, header)
	return &Signer{kid: kid, key: key, prefix: append(prefix, '.')}, nil
}

// KeyID is the `kid` of the tokens it signs.
func (s *Signer) KeyID() string { return s.kid }

// PublicKey is the key that verifies its tokens, ready for a LocalKeySet.
func (s *Signer) PublicKey() PublicKey {
	return PublicKey{ID: s.kid, Algorithm: AlgRS256, Key: &s.key.PublicKey}
}

// Sign encodes claims as JSON and signs them. A json.RawMessage is signed as
// it stands.
func (s *Signer) Sign(claims any) (string, error) {
	payload, ok := claims.(json.RawMessage)
	if !ok {
		b, err := json.Marshal(claims)
		if err != nil {
			return "", fmt.Errorf("token: encode claims: %w", err)
		}
		payload = b
	}
	enc := base64.RawURLEncoding
	out := make([]byte, 0, len(s.prefix)+enc.EncodedLen(len(payload))+1+enc.EncodedLen(s.key.Size()))
	out = append(out, s.prefix...)
	out = enc.AppendEncode(out, payload)
	digest := sha256.Sum256(out)
	sig, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	out = append(out, '.')
	return string(enc.AppendEncode(out, sig)), nil
}

package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
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

// Signer signs claims as compact JWTs with one key, RS256 or ES256. It builds the token
// itself: encoding is a few microseconds and the operation of the key is all the rest
// (docs/decisions/0003-jose.md). It may be used by many goroutines.
type Signer struct {
	kid    string
	alg    string
	public crypto.PublicKey
	size   int // of a signature
	sign   func(digest []byte) ([]byte, error)
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
func MarshalPrivateKey(key crypto.Signer) ([]byte, error) {
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

// GenerateES256Key makes a new key on the curve P-256 for NewES256Signer.
func GenerateES256Key() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("token: generate signing key: %w", err)
	}
	return key, nil
}

// ParseES256Key reads what MarshalPrivateKey wrote of a key of GenerateES256Key.
func ParseES256Key(der []byte) (*ecdsa.PrivateKey, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("token: decode signing key: %w", err)
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("token: decode signing key: not a key on P-256")
	}
	return key, nil
}

// NewES256Signer makes a signer of a key on P-256 and its id.
func NewES256Signer(kid string, key *ecdsa.PrivateKey) (*Signer, error) {
	if kid == "" || key == nil || key.Curve != elliptic.P256() {
		return nil, errors.New("token: a signer needs a key on P-256 and its id")
	}
	return newSigner(&Signer{kid: kid, alg: AlgES256, public: &key.PublicKey, size: 64, sign: func(digest []byte) ([]byte, error) {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		// RFC 7518 §3.4: both numbers in full length, one after the other.
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig, nil
	}})
}

// NewSigner makes a signer of an RSA key and its id.
func NewSigner(kid string, key *rsa.PrivateKey) (*Signer, error) {
	if kid == "" || key == nil {
		return nil, errors.New("token: a signer needs a key and its id")
	}
	if key.N.BitLen() < keyBits {
		return nil, fmt.Errorf("token: signing key has %d bits, RS256 needs %d", key.N.BitLen(), keyBits)
	}
	key.Precompute()
	slow := func(digest []byte) ([]byte, error) { return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest) }
	sign := slow
	if fast := newFastSigner(key); fast != nil {
		sign = func(digest []byte) ([]byte, error) {
			if sig, err := fast(digest); err == nil {
				return sig, nil
			}
			return slow(digest) // the library may be out of memory; the caller need not care
		}
	}
	return newSigner(&Signer{kid: kid, alg: AlgRS256, public: &key.PublicKey, size: key.Size(), sign: sign})
}

// newSigner encodes the header, which is the same for every token.
func newSigner(s *Signer) (*Signer, error) {
	header, err := json.Marshal(map[string]string{"alg": s.alg, "typ": "JWT", "kid": s.kid})
	if err != nil {
		return nil, fmt.Errorf("token: encode header: %w", err)
	}
	s.prefix = append(base64.RawURLEncoding.AppendEncode(nil, header), '.')
	return s, nil
}

// KeyID is the `kid` of the tokens it signs.
func (s *Signer) KeyID() string { return s.kid }

// PublicKey is the key that verifies its tokens, ready for a LocalKeySet.
func (s *Signer) PublicKey() PublicKey {
	return PublicKey{ID: s.kid, Algorithm: s.alg, Key: s.public}
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
	out := make([]byte, 0, len(s.prefix)+enc.EncodedLen(len(payload))+1+enc.EncodedLen(s.size))
	out = append(out, s.prefix...)
	out = enc.AppendEncode(out, payload)
	digest := sha256.Sum256(out)
	sig, err := s.sign(digest[:])
	if err != nil {
		return "", fmt.Errorf("token: sign: %w", err)
	}
	out = append(out, '.')
	return string(enc.AppendEncode(out, sig)), nil
}

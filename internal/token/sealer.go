package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync"
)

// ErrSealed reports a string that was not sealed by this secret for this
// purpose, or was changed since. It says no more on purpose.
var ErrSealed = errors.New("token: not sealed here for this purpose")

// sealVersion is the first byte of every sealed string.
// 1: 2026-11-23, AES-256-CTR under a synthetic IV of 16 bytes.
const sealVersion = 1

// sivSize is the length of the synthetic IV, which is also the tag.
const sivSize = 16

// maxSealed bounds what Open looks at: sealed strings are small by contract.
const maxSealed = 1 << 20

// Sealer seals small strings (cursors, journals, upload links, cookies) so that
// holders can neither read nor change them, nor use them for another purpose.
//
// Sealing is deterministic: equal inputs give equal strings, because sealed
// cursors are part of query results, which are compared by hash. The
// construction is a synthetic-IV cipher (the idea of RFC 5297 with HMAC-SHA256
// in place of CMAC): the IV is a MAC of the plaintext, so no nonce can repeat
// for different plaintexts. A Sealer may be used by many goroutines.
type Sealer struct {
	secret []byte
	keys   sync.Map // purpose (a constant of the house) → *sealKeys
}

// sealKeys are the keys of one purpose.
type sealKeys struct {
	mac   []byte
	block cipher.Block
}

// NewSealer makes a sealer of a secret of at least 16 random bytes.
func NewSealer(secret []byte) *Sealer {
	return &Sealer{secret: append([]byte(nil), secret...)}
}

// keysFor derives the keys of a purpose once and keeps them.
func (s *Sealer) keysFor(purpose string) *sealKeys {
	if k, ok := s.keys.Load(purpose); ok {
		return k.(*sealKeys)
	}
	b, err := hkdf.Key(sha256.New, s.secret, nil, "lentil seal v1|"+purpose, 64)
	if err != nil {
		panic("token: derive sealing keys: " + err.Error()) // 64 bytes are always within HKDF's limit
	}
	block, err := aes.NewCipher(b[32:])
	if err != nil {
		panic("token: sealing cipher: " + err.Error()) // 32 bytes are an AES-256 key
	}
	k, _ := s.keys.LoadOrStore(purpose, &sealKeys{mac: b[:32], block: block})
	return k.(*sealKeys)
}

// siv is the synthetic IV of a plaintext.
func (k *sealKeys) siv(b []byte) []byte {
	m := hmac.New(sha256.New, k.mac)
	m.Write(b)
	return m.Sum(nil)[:sivSize]
}

// Seal seals b for a purpose. The result is URL-safe text.
func (s *Sealer) Seal(purpose string, b []byte) string {
	k := s.keysFor(purpose)
	out := make([]byte, 1+sivSize+len(b))
	out[0] = sealVersion
	iv := k.siv(b)
	copy(out[1:], iv)
	cipher.NewCTR(k.block, iv).XORKeyStream(out[1+sivSize:], b)
	return base64.RawURLEncoding.EncodeToString(out)
}

// Open gives back what Seal was given, or ErrSealed.
func (s *Sealer) Open(purpose, sealed string) ([]byte, error) {
	if len(sealed) > maxSealed {
		return nil, ErrSealed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) < 1+sivSize || raw[0] != sealVersion {
		return nil, ErrSealed
	}
	k := s.keysFor(purpose)
	iv, body := raw[1:1+sivSize], raw[1+sivSize:]
	out := make([]byte, len(body))
	cipher.NewCTR(k.block, iv).XORKeyStream(out, body)
	if !hmac.Equal(iv, k.siv(out)) {
		return nil, ErrSealed
	}
	return out, nil
}

package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
)

// ErrSealed reports a string that was not sealed by this secret for this
// purpose, or was changed since. It says no more on purpose.
var ErrSealed = errors.New("token: not sealed here for this purpose")

// The first byte of every sealed string.
// 1: 2026-11-23, AES-256-CTR under a synthetic IV of 16 bytes.
// 2: 2026-11-26, before that the key's id and the purpose, for rings of keys.
const (
	sealVersion = 1
	ringVersion = 2
)

// ringHead is how much stands before the purpose in version 2: version, id of the
// key, length of the purpose.
const ringHead = 1 + 4 + 1

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
	ring   []ringSealer // newest first; none seals by version 1
	keys   sync.Map     // purpose (a constant of the house) → *sealKeys
}

// ringSealer is one key of a ring.
type ringSealer struct {
	id     uint32
	sealer *Sealer
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
	if len(s.ring) == 0 {
		return base64.RawURLEncoding.EncodeToString(s.seal([]byte{sealVersion}, purpose, b))
	}
	k := s.ring[0]
	head := append(make([]byte, 0, ringHead+len(purpose)+sivSize+len(b)), ringVersion)
	head = append(binary.BigEndian.AppendUint32(head, k.id), byte(len(purpose)))
	return base64.RawURLEncoding.EncodeToString(k.sealer.seal(append(head, purpose...), purpose, b))
}

// seal appends the synthetic IV and the encrypted bytes to head.
func (s *Sealer) seal(head []byte, purpose string, b []byte) []byte {
	k := s.keysFor(purpose)
	iv := k.siv(b)
	out := append(append(head, iv...), b...)
	body := out[len(out)-len(b):]
	cipher.NewCTR(k.block, iv).XORKeyStream(body, body)
	return out
}

// Open gives back what Seal was given, or ErrSealed.
func (s *Sealer) Open(purpose, sealed string) ([]byte, error) {
	raw, err := sealedBytes(sealed)
	if err != nil {
		return nil, err
	}
	if raw[0] == sealVersion {
		return s.open(purpose, raw[1:])
	}
	k, written, body, err := s.ringPart(raw)
	if err != nil || written != purpose {
		return nil, ErrSealed
	}
	return k.sealer.open(purpose, body)
}

// open decrypts and checks what follows the head.
func (s *Sealer) open(purpose string, raw []byte) ([]byte, error) {
	if len(raw) < sivSize {
		return nil, ErrSealed
	}
	k := s.keysFor(purpose)
	iv, body := raw[:sivSize], raw[sivSize:]
	out := make([]byte, len(body))
	cipher.NewCTR(k.block, iv).XORKeyStream(out, body)
	if !hmac.Equal(iv, k.siv(out)) {
		return nil, ErrSealed
	}
	return out, nil
}

// sealedBytes decodes a sealed string as far as it is the same for all versions.
func sealedBytes(sealed string) ([]byte, error) {
	if len(sealed) > maxSealed {
		return nil, ErrSealed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) < 1+sivSize || raw[0] != sealVersion && raw[0] != ringVersion {
		return nil, ErrSealed
	}
	return raw, nil
}

// ringPart takes a string of version 2 apart.
func (s *Sealer) ringPart(raw []byte) (k ringSealer, purpose string, body []byte, err error) {
	if len(raw) < ringHead || raw[0] != ringVersion || len(raw) < ringHead+int(raw[ringHead-1]) {
		return k, "", nil, ErrSealed
	}
	id := binary.BigEndian.Uint32(raw[1:])
	end := ringHead + int(raw[ringHead-1])
	for _, k := range s.ring {
		if k.id == id {
			return k, string(raw[ringHead:end]), raw[end:], nil
		}
	}
	return k, "", nil, ErrSealed
}

// Reseal seals a string anew with the newest key. ok is false for strings that
// were not sealed here, and for those that are of the newest key already.
// Version 1 does not tell its purpose: older are those that are tried.
func (s *Sealer) Reseal(sealed string, older []string) (fresh string, ok bool) {
	raw, err := sealedBytes(sealed)
	if err != nil || len(s.ring) == 0 {
		return "", false
	}
	if raw[0] == sealVersion {
		for _, purpose := range older {
			if b, err := s.open(purpose, raw[1:]); err == nil {
				return s.Seal(purpose, b), true
			}
		}
		return "", false
	}
	k, purpose, body, err := s.ringPart(raw)
	if err != nil || k.id == s.ring[0].id {
		return "", false
	}
	b, err := k.sealer.open(purpose, body)
	if err != nil {
		return "", false
	}
	return s.Seal(purpose, b), true
}

// Unseal opens a sealed string that tells its purpose, so that it can be sealed anew
// under the keys of another house. ok is false for what was not sealed here.
func (s *Sealer) Unseal(sealed string) (purpose string, b []byte, ok bool) {
	raw, err := sealedBytes(sealed)
	if err != nil || raw[0] != ringVersion {
		return "", nil, false
	}
	k, purpose, body, err := s.ringPart(raw)
	if err != nil {
		return "", nil, false
	}
	b, err = k.sealer.open(purpose, body)
	return purpose, b, err == nil
}

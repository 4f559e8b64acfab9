package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Ring is the secrets of a house. The root never changes: names and addresses are
// derived from it. The keys seal what is secret at rest, and can be renewed.
type Ring struct {
	Root []byte    `json:"root"` // 32 bytes
	Keys []RingKey `json:"keys"` // newest first; none in houses that never renewed any
}

// RingKey is a key that seals. Only the newest seals; the others open what they
// sealed until that is sealed anew.
type RingKey struct {
	ID      uint32    `json:"id"`
	Secret  []byte    `json:"secret"` // 32 bytes
	Created time.Time `json:"created"`
}

// maxRing bounds the keys of a ring; each is of use only until everything it
// sealed is sealed anew.
const maxRing = 16

// Renew puts a new key before the others.
func (r *Ring) Renew(now time.Time) error {
	if len(r.Keys) >= maxRing {
		return fmt.Errorf("token: the ring holds %d keys already", len(r.Keys))
	}
	var b [4]byte
	rand.Read(b[:])
	k := RingKey{ID: uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), Secret: make([]byte, 32), Created: now.UTC().Truncate(time.Second)}
	rand.Read(k.Secret)
	for _, have := range r.Keys {
		if have.ID == k.ID {
			return r.Renew(now)
		}
	}
	r.Keys = append([]RingKey{k}, r.Keys...)
	return nil
}

// Sealer seals with the newest key, and opens with any, the root included.
func (r *Ring) Sealer() *Sealer {
	s := NewSealer(r.Root)
	for _, k := range r.Keys {
		s.ring = append(s.ring, ringSealer{id: k.ID, sealer: NewSealer(k.Secret)})
	}
	return s
}

// ErrMaster reports a ring that was wrapped under another master key, or changed.
var ErrMaster = errors.New("token: the master key does not open the key ring")

// Wrap encrypts the ring under a master key of any length above 16 bytes, by
// AES-256-GCM under a fresh nonce.
func (r *Ring) Wrap(master []byte) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("token: write key ring: %w", err)
	}
	g, err := ringCipher(master)
	if err != nil {
		return nil, err
	}
	return g.Seal(nil, nil, b, nil), nil
}

// UnwrapRing is the reverse of Wrap, or ErrMaster.
func UnwrapRing(master, b []byte) (*Ring, error) {
	g, err := ringCipher(master)
	if err != nil {
		return nil, err
	}
	plain, err := g.Open(nil, nil, b, nil)
	if err != nil {
		return nil, ErrMaster
	}
	r := &Ring{}
	if err := json.Unmarshal(plain, r); err != nil || len(r.Root) < 16 {
		return nil, ErrMaster
	}
	return r, nil
}

// ringCipher is the cipher of a master key.
func ringCipher(master []byte) (cipher.AEAD, error) {
	if len(master) < 16 {
		return nil, fmt.Errorf("token: a master key of %d bytes", len(master))
	}
	key := sha256.Sum256(append([]byte("lentil key ring v1\x00"), master...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("token: key ring: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// MasterID names a master key without telling anything of it.
func MasterID(master []byte) string {
	sum := sha256.Sum256(append([]byte("lentil master id v1\x00"), master...))
	return hex.EncodeToString(sum[:4])
}

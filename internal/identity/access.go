package identity

import (
	"crypto/hmac"
	"crypto/sha256"
)

// Derive makes 32 bytes that only this house can make, for one purpose, from the
// environment's sealed secret. The parts are told apart by their lengths.
func (tx *Tx) Derive(e *Environment, purpose string, parts ...string) ([]byte, error) {
	key, err := tx.s.secretOf(e)
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key)
	for _, p := range append([]string{"lentil derive v1", purpose}, parts...) {
		n := len(p)
		m.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		m.Write([]byte(p))
	}
	return m.Sum(nil), nil
}

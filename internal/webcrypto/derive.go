package webcrypto

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/pbkdf2"
)

// maxDerivation bounds the rounds of PBKDF2 (iterations times blocks of output)
// that one call may ask for: about four seconds of a processor.
const maxDerivation = 10_000_000

// derive gives Length bits; Length 0 means all that a key agreement has.
func (s *Service) derive(p *Params, secret []byte) ([]byte, error) {
	if p.Length < 0 || p.Length%8 != 0 {
		return nil, fail("The length must be a multiple of 8")
	}
	n := p.Length / 8
	switch p.Algorithm {
	case "ECDH", "X25519":
		return p.agree(n)
	}
	h, err := p.hash()
	if err != nil {
		return nil, err
	}
	switch p.Algorithm {
	case "HKDF":
		if n > 255*h.Size() {
			return nil, fail("HKDF gives at most 255 times the length of its digest")
		}
		out, err := hkdf.Key(h.New, secret, p.Salt, string(p.Info), n)
		if err != nil {
			return nil, fail("The key could not be derived")
		}
		return out, nil
	case "PBKDF2":
		if p.Iterations < 1 {
			return nil, fail("PBKDF2 needs iterations above 0")
		}
		if blocks := n/h.Size() + 1; p.Iterations > maxDerivation/blocks {
			return nil, fail("PBKDF2 with %d iterations takes too long; use an action defined in Node.js", p.Iterations)
		}
		out, err := pbkdf2.Key(h.New, string(secret), p.Salt, p.Iterations, n)
		if err != nil {
			return nil, fail("The key could not be derived")
		}
		return out, nil
	}
	return nil, unsupported("Unrecognized algorithm name: %s", p.Algorithm)
}

// agree is the Diffie-Hellman of Key and PublicKey, cut to n bytes.
func (p *Params) agree(n int) ([]byte, error) {
	mine, err := ecdhPrivate(p)
	if err != nil {
		return nil, err
	}
	theirs, err := ecdhPublic(p)
	if err != nil {
		return nil, err
	}
	secret, err := mine.ECDH(theirs)
	if err != nil {
		return nil, fail("The keys do not agree")
	}
	if n > len(secret) {
		return nil, fail("The keys give %d bits only", len(secret)*8)
	}
	if n > 0 {
		secret = secret[:n]
	}
	return secret, nil
}

// ecdhPrivate reads the private side; NIST curves come as ECDSA keys.
func ecdhPrivate(p *Params) (*ecdh.PrivateKey, error) {
	if p.Algorithm == "X25519" {
		return privateKey[*ecdh.PrivateKey](p.Key)
	}
	k, err := privateKey[*ecdsa.PrivateKey](p.Key)
	if err != nil {
		return nil, err
	}
	e, err := k.ECDH()
	if err != nil {
		return nil, fail("The key is not valid")
	}
	return e, nil
}

// ecdhPublic reads the other side.
func ecdhPublic(p *Params) (*ecdh.PublicKey, error) {
	if p.Algorithm == "X25519" {
		return publicKey[*ecdh.PublicKey](p.PublicKey)
	}
	k, err := publicKey[*ecdsa.PublicKey](p.PublicKey)
	if err != nil {
		return nil, err
	}
	e, err := k.ECDH()
	if err != nil {
		return nil, fail("The key is not valid")
	}
	return e, nil
}

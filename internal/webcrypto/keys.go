package webcrypto

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
)

// maxModulus bounds the RSA keys that are made and used, in bits.
const maxModulus = 4096

// A Key is what import answers: a key in our form and what programs see of it.
type Key struct {
	Private  bool   `json:"private"`
	Key      []byte `json:"key"` // PKCS #8 or SubjectPublicKeyInfo
	Curve    string `json:"curve,omitempty"`
	Modulus  int    `json:"modulusLength,omitempty"`
	Exponent []byte `json:"publicExponent,omitempty"` // big endian
}

// A Pair is what generate answers.
type Pair struct {
	PrivateKey Key `json:"privateKey"`
	PublicKey  Key `json:"publicKey"`
}

// curves are the curves of ECDSA and ECDH.
var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// privateKey reads PKCS #8 of a certain type.
func privateKey[T any](der []byte) (T, error) {
	var none T
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return none, bad("The key is not valid PKCS #8 of a known kind")
	}
	t, ok := k.(T)
	if !ok {
		return none, bad("The key is of another algorithm")
	}
	return t, nil
}

// publicKey reads SubjectPublicKeyInfo of a certain type.
func publicKey[T any](der []byte) (T, error) {
	var none T
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return none, bad("The key is not a valid SubjectPublicKeyInfo of a known kind")
	}
	t, ok := k.(T)
	if !ok {
		return none, bad("The key is of another algorithm")
	}
	return t, nil
}

// describe gives a key in our form.
func describe(k any) (Key, error) {
	var out Key
	var err error
	switch k := k.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey, *ecdh.PrivateKey:
		out.Private = true
		out.Key, err = x509.MarshalPKCS8PrivateKey(k)
	default:
		out.Key, err = x509.MarshalPKIXPublicKey(k)
	}
	if err != nil {
		return out, bad("The key is not valid")
	}
	if s, ok := k.(crypto.Signer); ok && out.Private {
		k = s.Public()
	}
	switch k := k.(type) {
	case *rsa.PublicKey:
		out.Modulus = k.N.BitLen()
		for e := k.E; e > 0; e >>= 8 {
			out.Exponent = append([]byte{byte(e)}, out.Exponent...)
		}
		if out.Modulus > maxModulus {
			return out, unsupported("RSA keys may have up to %d bits", maxModulus)
		}
	case *ecdsa.PublicKey:
		out.Curve = k.Curve.Params().Name
	}
	return out, nil
}

// generate makes a pair of keys.
func (s *Service) generate(p *Params, _ []byte) ([]byte, error) {
	var private, public any
	switch p.Algorithm {
	case "RSASSA-PKCS1-v1_5", "RSA-PSS", "RSA-OAEP":
		if p.Exponent != 65537 {
			return nil, unsupported("RSA keys are made with the publicExponent 65537")
		}
		if p.Modulus < 1024 || p.Modulus > maxModulus || p.Modulus%8 != 0 {
			return nil, unsupported("RSA keys are made with a modulusLength of 1024 to %d bits", maxModulus)
		}
		k, err := rsa.GenerateKey(s.Random, p.Modulus)
		if err != nil {
			return nil, fail("The key could not be made")
		}
		private, public = k, &k.PublicKey
	case "ECDSA", "ECDH":
		c := curves[p.Curve]
		if c == nil {
			return nil, unsupported("Unrecognized named curve: %s", p.Curve)
		}
		k, err := ecdsa.GenerateKey(c, s.Random)
		if err != nil {
			return nil, fail("The key could not be made")
		}
		private, public = k, &k.PublicKey
	case "Ed25519":
		pub, k, err := ed25519.GenerateKey(s.Random)
		if err != nil {
			return nil, fail("The key could not be made")
		}
		private, public = k, pub
	case "X25519":
		k, err := ecdh.X25519().GenerateKey(s.Random)
		if err != nil {
			return nil, fail("The key could not be made")
		}
		private, public = k, k.PublicKey()
	default:
		return nil, unsupported("Unrecognized algorithm name: %s", p.Algorithm)
	}
	var out Pair
	var err error
	if out.PrivateKey, err = describe(private); err != nil {
		return nil, err
	}
	if out.PublicKey, err = describe(public); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

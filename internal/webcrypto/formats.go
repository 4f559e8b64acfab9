package webcrypto

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// jwk is a JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
// Fields of other kinds of key stay empty.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	X   octets `json:"x,omitempty"`
	Y   octets `json:"y,omitempty"`
	N   octets `json:"n,omitempty"`
	E   octets `json:"e,omitempty"`
	D   octets `json:"d,omitempty"`
	P   octets `json:"p,omitempty"`
	Q   octets `json:"q,omitempty"`
	DP  octets `json:"dp,omitempty"`
	DQ  octets `json:"dq,omitempty"`
	QI  octets `json:"qi,omitempty"`
}

// octets are bytes as base64url without padding.
type octets []byte

// MarshalText implements encoding.TextMarshaler.
func (o octets) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, o), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *octets) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.AppendDecode(nil, text)
	*o = b
	return err
}

func (o octets) int() *big.Int { return new(big.Int).SetBytes(o) }

// importKey reads a key in a format: spki, pkcs8, raw, or jwk as JSON text.
func (s *Service) importKey(p *Params, data []byte) ([]byte, error) {
	k, err := p.read(data)
	if err != nil {
		return nil, err
	}
	if !p.fits(k) {
		return nil, bad("The key is of another algorithm")
	}
	out, err := describe(k)
	if err != nil {
		return nil, err
	}
	if out.Curve != "" && out.Curve != p.Curve {
		return nil, bad("The key is of the curve %s, not of %s", out.Curve, p.Curve)
	}
	return json.Marshal(out)
}

// read parses the format.
func (p *Params) read(data []byte) (any, error) {
	switch p.Format {
	case "spki":
		return publicKey[any](data)
	case "pkcs8":
		return privateKey[any](data)
	case "raw":
		return p.readRaw(data)
	case "jwk":
		var j jwk
		if err := json.Unmarshal(data, &j); err != nil {
			return nil, bad("The key is not a valid JSON Web Key")
		}
		return p.readJWK(&j)
	}
	return nil, unsupported("The key format %s is not supported", p.Format)
}

// fits tells whether a key may serve the algorithm.
func (p *Params) fits(k any) bool {
	switch p.Algorithm {
	case "RSASSA-PKCS1-v1_5", "RSA-PSS", "RSA-OAEP":
		_, public := k.(*rsa.PublicKey)
		_, private := k.(*rsa.PrivateKey)
		return public || private
	case "ECDSA", "ECDH":
		_, public := k.(*ecdsa.PublicKey)
		_, private := k.(*ecdsa.PrivateKey)
		return public || private
	case "Ed25519":
		_, public := k.(ed25519.PublicKey)
		_, private := k.(ed25519.PrivateKey)
		return public || private
	case "X25519":
		_, public := k.(*ecdh.PublicKey)
		_, private := k.(*ecdh.PrivateKey)
		return public || private
	}
	return false
}

// readRaw reads the point of a public key.
func (p *Params) readRaw(data []byte) (any, error) {
	switch p.Algorithm {
	case "ECDSA", "ECDH":
		c := curves[p.Curve]
		if c == nil {
			return nil, unsupported("Unrecognized named curve: %s", p.Curve)
		}
		k, err := ecdsa.ParseUncompressedPublicKey(c, data)
		if err != nil {
			return nil, bad("The key is not a point of the curve %s", p.Curve)
		}
		return k, nil
	case "Ed25519":
		if len(data) != ed25519.PublicKeySize {
			return nil, bad("An Ed25519 key has 32 bytes")
		}
		return ed25519.PublicKey(data), nil
	case "X25519":
		k, err := ecdh.X25519().NewPublicKey(data)
		if err != nil {
			return nil, bad("An X25519 key has 32 bytes")
		}
		return k, nil
	}
	return nil, unsupported("The key format raw is not supported for %s", p.Algorithm)
}

// readJWK reads a JSON Web Key; one with d is private.
func (p *Params) readJWK(j *jwk) (any, error) {
	switch j.Kty {
	case "RSA":
		e := j.E.int()
		if len(j.N) == 0 || !e.IsInt64() || e.Int64() > 1<<31-1 || e.Int64() < 3 {
			return nil, bad("The key lacks n or e, or they are out of range")
		}
		public := rsa.PublicKey{N: j.N.int(), E: int(e.Int64())}
		if public.N.BitLen() > maxModulus {
			return nil, unsupported("RSA keys may have up to %d bits", maxModulus)
		}
		if len(j.D) == 0 {
			return &public, nil
		}
		k := &rsa.PrivateKey{PublicKey: public, D: j.D.int(), Primes: []*big.Int{j.P.int(), j.Q.int()}}
		if k.Validate() != nil {
			return nil, bad("The key's numbers do not belong together")
		}
		k.Precompute()
		return k, nil
	case "EC":
		c := curves[j.Crv]
		if c == nil {
			return nil, bad("Unrecognized named curve: %s", j.Crv)
		}
		n := (c.Params().BitSize + 7) / 8
		if len(j.X) != n || len(j.Y) != n {
			return nil, bad("The coordinates of the curve %s have %d bytes", j.Crv, n)
		}
		public, err := ecdsa.ParseUncompressedPublicKey(c, append(append([]byte{4}, j.X...), j.Y...))
		if err != nil {
			return nil, bad("The key is not a point of the curve %s", j.Crv)
		}
		if len(j.D) == 0 {
			return public, nil
		}
		k, err := ecdsa.ParseRawPrivateKey(c, j.D)
		if err != nil || !k.PublicKey.Equal(public) {
			return nil, bad("The key's numbers do not belong together")
		}
		return k, nil
	case "OKP":
		return readOKP(j)
	}
	return nil, bad("The key is of another algorithm")
}

// readOKP reads Ed25519 and X25519 keys.
func readOKP(j *jwk) (any, error) {
	if len(j.X) != 32 || len(j.D) != 0 && len(j.D) != 32 {
		return nil, bad("The numbers of %s have 32 bytes", j.Crv)
	}
	switch j.Crv {
	case "Ed25519":
		if len(j.D) == 0 {
			return ed25519.PublicKey(j.X), nil
		}
		k := ed25519.NewKeyFromSeed(j.D)
		if !k.Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(j.X)) {
			return nil, bad("The key's numbers do not belong together")
		}
		return k, nil
	case "X25519":
		public, err := ecdh.X25519().NewPublicKey(j.X)
		if err != nil {
			return nil, bad("The key is not valid")
		}
		if len(j.D) == 0 {
			return public, nil
		}
		k, err := ecdh.X25519().NewPrivateKey(j.D)
		if err != nil || !k.PublicKey().Equal(public) {
			return nil, bad("The key's numbers do not belong together")
		}
		return k, nil
	}
	return nil, bad("Unrecognized named curve: %s", j.Crv)
}

// exportKey writes a key that is in our form in a format; jwk as JSON text.
func (s *Service) exportKey(p *Params, data []byte) ([]byte, error) {
	if p.Format == "spki" && !p.Private || p.Format == "pkcs8" && p.Private {
		return data, nil
	}
	var k any
	var err error
	if p.Private {
		k, err = x509.ParsePKCS8PrivateKey(data)
	} else {
		k, err = x509.ParsePKIXPublicKey(data)
	}
	if err != nil {
		return nil, bad("The key is not valid")
	}
	switch p.Format {
	case "raw":
		return writeRaw(k)
	case "jwk":
		j, err := writeJWK(k)
		if err != nil {
			return nil, err
		}
		return json.Marshal(j)
	}
	return nil, unsupported("The key format %s is not supported for this key", p.Format)
}

// writeRaw gives the point of a public key.
func writeRaw(k any) ([]byte, error) {
	switch k := k.(type) {
	case *ecdsa.PublicKey:
		return k.Bytes()
	case ed25519.PublicKey:
		return k, nil
	case *ecdh.PublicKey:
		return k.Bytes(), nil
	}
	return nil, unsupported("The key format raw is not supported for this key")
}

// writeJWK makes a JSON Web Key.
func writeJWK(k any) (*jwk, error) {
	private := k
	if s, ok := k.(interface{ Public() crypto.PublicKey }); ok {
		k = s.Public()
	}
	var j jwk
	switch k := k.(type) {
	case *rsa.PublicKey:
		j = jwk{Kty: "RSA", N: k.N.Bytes(), E: big.NewInt(int64(k.E)).Bytes()}
	case *ecdsa.PublicKey:
		b, err := k.Bytes()
		if err != nil {
			return nil, bad("The key is not valid")
		}
		n := len(b) / 2
		j = jwk{Kty: "EC", Crv: k.Curve.Params().Name, X: b[1 : 1+n], Y: b[1+n:]}
	case ed25519.PublicKey:
		j = jwk{Kty: "OKP", Crv: "Ed25519", X: octets(k)}
	case *ecdh.PublicKey:
		j = jwk{Kty: "OKP", Crv: "X25519", X: k.Bytes()}
	}
	switch k := private.(type) {
	case *rsa.PrivateKey:
		if len(k.Primes) != 2 {
			return nil, unsupported("RSA keys with more than two primes are not supported")
		}
		j.D, j.P, j.Q = k.D.Bytes(), k.Primes[0].Bytes(), k.Primes[1].Bytes()
		j.DP, j.DQ, j.QI = k.Precomputed.Dp.Bytes(), k.Precomputed.Dq.Bytes(), k.Precomputed.Qinv.Bytes()
	case *ecdsa.PrivateKey:
		b, err := k.Bytes()
		if err != nil {
			return nil, bad("The key is not valid")
		}
		j.D = b
	case ed25519.PrivateKey:
		j.D = octets(k.Seed())
	case *ecdh.PrivateKey:
		j.D = k.Bytes()
	}
	return &j, nil
}

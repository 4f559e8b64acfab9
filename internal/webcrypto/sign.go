package webcrypto

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
)

// yes and no are the answers of verify.
var yes, no = []byte{1}, []byte{0}

// verdict turns a truth into an answer.
func verdict(ok bool) []byte {
	if ok {
		return yes
	}
	return no
}

// sign makes a signature of data with the key.
func (s *Service) sign(p *Params, data []byte) ([]byte, error) {
	switch p.Algorithm {
	case "HMAC":
		return p.mac(data)
	case "Ed25519":
		k, err := privateKey[ed25519.PrivateKey](p.Key)
		if err != nil {
			return nil, err
		}
		return ed25519.Sign(k, data), nil
	}
	h, err := p.hash()
	if err != nil {
		return nil, err
	}
	digest := sum(h, data)
	switch p.Algorithm {
	case "ECDSA":
		k, err := privateKey[*ecdsa.PrivateKey](p.Key)
		if err != nil {
			return nil, err
		}
		// Without a source of randomness the nonce is derived from key and
		// message (RFC 6979), so that queries and mutations may sign too.
		der, err := k.Sign(nil, digest, h)
		if err != nil {
			return nil, fail("The data could not be signed")
		}
		var sig struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &sig); err != nil {
			return nil, fail("The data could not be signed")
		}
		n := (k.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*n)
		sig.R.FillBytes(out[:n])
		sig.S.FillBytes(out[n:])
		return out, nil
	case "RSASSA-PKCS1-v1_5", "RSA-PSS":
		k, err := privateKey[*rsa.PrivateKey](p.Key)
		if err != nil {
			return nil, err
		}
		var sig []byte
		if p.Algorithm == "RSA-PSS" {
			opt, e := p.pss()
			if e != nil {
				return nil, e
			}
			sig, err = rsa.SignPSS(s.Random, k, h, digest, opt)
		} else {
			sig, err = rsa.SignPKCS1v15(nil, k, h, digest)
		}
		if err != nil {
			return nil, fail("The data could not be signed: the key may be too short for this digest")
		}
		return sig, nil
	}
	return nil, unsupported("Unrecognized algorithm name: %s", p.Algorithm)
}

// verify tells whether the signature is of data and the key.
func (s *Service) verify(p *Params, data []byte) ([]byte, error) {
	switch p.Algorithm {
	case "HMAC":
		want, err := p.mac(data)
		return verdict(err == nil && hmac.Equal(want, p.Signature)), err
	case "Ed25519":
		k, err := publicKey[ed25519.PublicKey](p.Key)
		if err != nil {
			return nil, err
		}
		return verdict(ed25519.Verify(k, data, p.Signature)), nil
	}
	h, err := p.hash()
	if err != nil {
		return nil, err
	}
	digest := sum(h, data)
	switch p.Algorithm {
	case "ECDSA":
		k, err := publicKey[*ecdsa.PublicKey](p.Key)
		if err != nil {
			return nil, err
		}
		n := (k.Curve.Params().BitSize + 7) / 8
		if len(p.Signature) != 2*n {
			return no, nil
		}
		r, v := new(big.Int).SetBytes(p.Signature[:n]), new(big.Int).SetBytes(p.Signature[n:])
		return verdict(ecdsa.Verify(k, digest, r, v)), nil
	case "RSASSA-PKCS1-v1_5", "RSA-PSS":
		k, err := publicKey[*rsa.PublicKey](p.Key)
		if err != nil {
			return nil, err
		}
		if p.Algorithm == "RSASSA-PKCS1-v1_5" {
			return verdict(rsa.VerifyPKCS1v15(k, h, digest, p.Signature) == nil), nil
		}
		opt, e := p.pss()
		if e != nil {
			return nil, e
		}
		return verdict(rsa.VerifyPSS(k, h, digest, p.Signature, opt) == nil), nil
	}
	return nil, unsupported("Unrecognized algorithm name: %s", p.Algorithm)
}

// pss are the options of RSA-PSS. Go takes a salt of length zero for "choose
// yourself", so that one cannot be had.
func (p *Params) pss() (*rsa.PSSOptions, error) {
	if p.SaltLength <= 0 {
		return nil, unsupported("RSA-PSS needs a saltLength above 0; use the length of the digest")
	}
	return &rsa.PSSOptions{SaltLength: p.SaltLength}, nil
}

// mac is the HMAC of data.
func (p *Params) mac(data []byte) ([]byte, error) {
	h, err := p.hash()
	if err != nil {
		return nil, err
	}
	m := hmac.New(h.New, p.Key)
	m.Write(data)
	return m.Sum(nil), nil
}

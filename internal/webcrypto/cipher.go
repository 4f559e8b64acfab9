package webcrypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/subtle"
	"math/big"
)

// encrypt seals data with the key.
func (s *Service) encrypt(p *Params, data []byte) ([]byte, error) {
	switch p.Algorithm {
	case "RSA-OAEP":
		h, err := p.hash()
		if err != nil {
			return nil, err
		}
		k, err := publicKey[*rsa.PublicKey](p.Key)
		if err != nil {
			return nil, err
		}
		out, err := rsa.EncryptOAEP(h.New(), s.Random, k, data, p.Label)
		if err != nil {
			return nil, fail("The data are too long for the key")
		}
		return out, nil
	case "AES-CTR":
		return p.ctr(data)
	case "AES-CBC":
		b, err := p.cbc()
		if err != nil {
			return nil, err
		}
		n := aes.BlockSize - len(data)%aes.BlockSize
		out := append(bytes.Clone(data), bytes.Repeat([]byte{byte(n)}, n)...)
		cipher.NewCBCEncrypter(b, p.IV).CryptBlocks(out, out)
		return out, nil
	case "AES-GCM":
		g, err := p.gcm()
		if err != nil {
			return nil, err
		}
		return g.Seal(nil, p.IV, data, p.Data), nil
	}
	return nil, unsupported("Unrecognized algorithm name: %s", p.Algorithm)
}

// errDecrypt says no more than that: what was wrong would help a guesser.
var errDecrypt = &Error{"OperationError", "Decryption failed"}

// decrypt opens what encrypt sealed.
func (s *Service) decrypt(p *Params, data []byte) ([]byte, error) {
	switch p.Algorithm {
	case "RSA-OAEP":
		h, err := p.hash()
		if err != nil {
			return nil, err
		}
		k, err := privateKey[*rsa.PrivateKey](p.Key)
		if err != nil {
			return nil, err
		}
		out, err := rsa.DecryptOAEP(h.New(), nil, k, data, p.Label)
		if err != nil {
			return nil, errDecrypt
		}
		return out, nil
	case "AES-CTR":
		return p.ctr(data)
	case "AES-CBC":
		b, err := p.cbc()
		if err != nil {
			return nil, err
		}
		if len(data) == 0 || len(data)%aes.BlockSize != 0 {
			return nil, errDecrypt
		}
		out := make([]byte, len(data))
		cipher.NewCBCDecrypter(b, p.IV).CryptBlocks(out, data)
		n := int(out[len(out)-1])
		if n < 1 || n > aes.BlockSize {
			return nil, errDecrypt
		}
		if subtle.ConstantTimeCompare(out[len(out)-n:], bytes.Repeat([]byte{byte(n)}, n)) != 1 {
			return nil, errDecrypt
		}
		return out[:len(out)-n], nil
	case "AES-GCM":
		g, err := p.gcm()
		if err != nil {
			return nil, err
		}
		out, err := g.Open(nil, p.IV, data, p.Data)
		if err != nil {
			return nil, errDecrypt
		}
		return out, nil
	}
	return nil, unsupported("Unrecognized algorithm name: %s", p.Algorithm)
}

// block is the AES of the key.
func (p *Params) block() (cipher.Block, error) {
	b, err := aes.NewCipher(p.Key)
	if err != nil {
		return nil, bad("An AES key has 128, 192 or 256 bits")
	}
	return b, nil
}

// cbc checks the arguments of AES-CBC.
func (p *Params) cbc() (cipher.Block, error) {
	if len(p.IV) != aes.BlockSize {
		return nil, fail("The iv of AES-CBC must have 16 bytes")
	}
	return p.block()
}

// gcm is AES-GCM with the lengths that the standard library offers: a tag of 96
// to 128 bits, and an iv of 96 bits where the tag is shorter than 128.
func (p *Params) gcm() (cipher.AEAD, error) {
	b, err := p.block()
	if err != nil {
		return nil, err
	}
	if p.TagLength == 0 {
		p.TagLength = 128
	}
	if len(p.IV) == 0 {
		return nil, fail("The iv of AES-GCM must not be empty")
	}
	var g cipher.AEAD
	switch {
	case p.TagLength == 128:
		g, err = cipher.NewGCMWithNonceSize(b, len(p.IV))
	case p.TagLength < 96 || p.TagLength > 128 || p.TagLength%8 != 0:
		return nil, fail("The tagLength of AES-GCM must be 96, 104, 112, 120 or 128")
	case len(p.IV) != 12:
		return nil, unsupported("AES-GCM with a short tag needs an iv of 12 bytes")
	default:
		g, err = cipher.NewGCMWithTagSize(b, p.TagLength/8)
	}
	if err != nil {
		return nil, fail("The arguments of AES-GCM are not valid")
	}
	return g, nil
}

// ctr is AES-CTR. Only the lowest Length bits of the counter count; where they
// run over, the rest of the block stays as it is.
func (p *Params) ctr(data []byte) ([]byte, error) {
	b, err := p.block()
	if err != nil {
		return nil, err
	}
	if len(p.IV) != aes.BlockSize || p.Length < 1 || p.Length > 128 {
		return nil, fail("AES-CTR needs a counter of 16 bytes and a length of 1 to 128")
	}
	span := new(big.Int).Lsh(big.NewInt(1), uint(p.Length)) // values of the counter
	start := new(big.Int).SetBytes(p.IV)
	low := new(big.Int).Mod(start, span)
	blocks := big.NewInt(int64((len(data) + aes.BlockSize - 1) / aes.BlockSize))
	if blocks.Cmp(span) > 0 {
		return nil, fail("The data are too long for a counter of %d bits", p.Length)
	}
	out := make([]byte, len(data))
	first := len(data)
	if room := new(big.Int).Sub(span, low); room.Cmp(blocks) < 0 {
		first = int(room.Int64()) * aes.BlockSize
	}
	cipher.NewCTR(b, p.IV).XORKeyStream(out[:first], data[:first])
	if first < len(data) {
		again := make([]byte, aes.BlockSize)
		start.Sub(start, low).FillBytes(again)
		cipher.NewCTR(b, again).XORKeyStream(out[first:], data[first:])
	}
	return out, nil
}

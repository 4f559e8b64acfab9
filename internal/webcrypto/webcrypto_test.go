package webcrypto

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
)

// service is one for all tests; it holds no state.
var service = &Service{Random: rand.Reader}

// call performs an operation that must succeed.
func call(t *testing.T, op string, p Params, data []byte) []byte {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	out, err := service.Call(op, b, data)
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	return out
}

// refused performs an operation that must fail, and gives the error's name.
func refused(t *testing.T, op string, p Params, data []byte) string {
	t.Helper()
	b, _ := json.Marshal(p)
	_, err := service.Call(op, b, data)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: got %v, want an *Error", op, err)
	}
	return e.Name
}

// unhex reads a test vector.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// TestVectors holds published results: FIPS 180-4, RFC 4231, RFC 6070, RFC 5869,
// NIST SP 800-38A and the GCM specification.
func TestVectors(t *testing.T) {
	t.Parallel()
	block := unhex("6bc1bee22e409f96e93d7e117393172a")
	aesKey := unhex("2b7e151628aed2a6abf7158809cf4f3c")
	for _, c := range []struct {
		name, op string
		p        Params
		data     []byte
		want     string
	}{
		{"SHA-256", "digest", Params{Hash: "SHA-256"}, []byte("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"HMAC", "sign", Params{Algorithm: "HMAC", Hash: "SHA-256", Key: []byte("Jefe")}, []byte("what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"PBKDF2", "derive", Params{Algorithm: "PBKDF2", Hash: "SHA-1", Salt: []byte("salt"), Iterations: 4096, Length: 160}, []byte("password"), "4b007901b765489abead49d926f721d065a429c1"},
		{"HKDF", "derive", Params{Algorithm: "HKDF", Hash: "SHA-256", Salt: unhex("000102030405060708090a0b0c"), Info: unhex("f0f1f2f3f4f5f6f7f8f9"), Length: 336},
			bytes.Repeat([]byte{0x0b}, 22), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
		{"AES-CTR", "encrypt", Params{Algorithm: "AES-CTR", Key: aesKey, IV: unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), Length: 128}, block, "874d6191b620e3261bef6864990db6ce"},
		{"AES-GCM", "encrypt", Params{Algorithm: "AES-GCM", Key: make([]byte, 16), IV: make([]byte, 12)}, make([]byte, 16), "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hex.EncodeToString(call(t, c.op, c.p, c.data)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestKeysSurviveEveryFormat exports made keys and reads them back.
func TestKeysSurviveEveryFormat(t *testing.T) {
	t.Parallel()
	for _, p := range []Params{
		{Algorithm: "ECDSA", Curve: "P-256"}, {Algorithm: "ECDH", Curve: "P-521"}, {Algorithm: "Ed25519"}, {Algorithm: "X25519"},
		{Algorithm: "RSA-PSS", Modulus: 2048, Exponent: 65537},
	} {
		t.Run(p.Algorithm, func(t *testing.T) {
			t.Parallel()
			var pair Pair
			if err := json.Unmarshal(call(t, "generate", p, nil), &pair); err != nil {
				t.Fatal(err)
			}
			for _, k := range []Key{pair.PrivateKey, pair.PublicKey} {
				formats := []string{"jwk", "spki", "raw"}
				if k.Private {
					formats = []string{"jwk", "pkcs8"}
				}
				for _, f := range formats {
					if f == "raw" && p.Algorithm == "RSA-PSS" {
						continue
					}
					q := p
					q.Format, q.Private = f, k.Private
					var back Key
					if err := json.Unmarshal(call(t, "import", q, call(t, "export", q, k.Key)), &back); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(back.Key, k.Key) || back.Private != k.Private {
						t.Errorf("the key changed on its way through %s", f)
					}
				}
			}
		})
	}
}

// TestRefusals looks at what must not be computed.
func TestRefusals(t *testing.T) {
	t.Parallel()
	aes := Params{Algorithm: "AES-CBC", Key: make([]byte, 16), IV: make([]byte, 16)}
	sealed := call(t, "encrypt", aes, []byte("data"))
	sealed[15] ^= 1
	for _, c := range []struct {
		name, op string
		p        Params
		data     []byte
		want     string
	}{
		{"brokenPadding", "decrypt", aes, sealed, "OperationError"},
		{"halfBlock", "decrypt", aes, sealed[:8], "OperationError"},
		{"shortIV", "encrypt", Params{Algorithm: "AES-CBC", Key: make([]byte, 16), IV: make([]byte, 8)}, nil, "OperationError"},
		{"oddKey", "encrypt", Params{Algorithm: "AES-GCM", Key: make([]byte, 17), IV: make([]byte, 12)}, nil, "DataError"},
		{"counterRunsOut", "encrypt", Params{Algorithm: "AES-CTR", Key: make([]byte, 16), IV: make([]byte, 16), Length: 1}, make([]byte, 33), "OperationError"},
		{"endless", "derive", Params{Algorithm: "PBKDF2", Hash: "SHA-256", Iterations: 1 << 40, Length: 256}, nil, "OperationError"},
		{"hkdfTooLong", "derive", Params{Algorithm: "HKDF", Hash: "SHA-256", Length: 8 * 255 * 33}, nil, "OperationError"},
		{"hash", "digest", Params{Hash: "MD5"}, nil, "NotSupportedError"},
		{"hugeRSA", "generate", Params{Algorithm: "RSA-PSS", Modulus: 65536, Exponent: 65537}, nil, "NotSupportedError"},
		{"offCurve", "import", Params{Algorithm: "ECDSA", Curve: "P-256", Format: "raw"}, append([]byte{4}, make([]byte, 64)...), "DataError"},
		{"otherCurve", "import", Params{Algorithm: "ECDSA", Curve: "P-384", Format: "jwk"}, []byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`), "DataError"},
		{"foreignD", "import", Params{Algorithm: "ECDSA", Curve: "P-256", Format: "jwk"}, []byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`), "DataError"},
		{"rsaAsEC", "import", Params{Algorithm: "RSA-PSS", Format: "jwk"}, []byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`), "DataError"},
		{"unknown", "juggle", Params{}, nil, "NotSupportedError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := refused(t, c.op, c.p, c.data); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// FuzzCall throws anything at the operations: they may refuse, not panic.
func FuzzCall(f *testing.F) {
	f.Add("import", []byte(`{"algorithm":"ECDSA","curve":"P-256","format":"raw"}`), []byte{4, 1})
	f.Add("import", []byte(`{"algorithm":"RSA-OAEP","format":"jwk"}`), []byte(`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQ","p":"Aw","q":"BQ"}`))
	f.Add("import", []byte(`{"algorithm":"Ed25519","format":"spki"}`), unhex("302a300506032b6570032100"))
	f.Add("export", []byte(`{"format":"jwk","private":true}`), []byte{0x30, 0})
	f.Add("verify", []byte(`{"algorithm":"ECDSA","hash":"SHA-256","key":"","signature":""}`), []byte("x"))
	f.Add("decrypt", []byte(`{"algorithm":"AES-CTR","key":"AAAAAAAAAAAAAAAAAAAAAA==","iv":"AAAAAAAAAAAAAAAAAAAAAA==","length":1}`), make([]byte, 40))
	f.Fuzz(func(t *testing.T, op string, params, data []byte) {
		if op == "generate" {
			return // slow, and reads no data
		}
		_, err := service.Call(op, params, data)
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%T is not an *Error: %v", err, err)
		}
	})
}

// Package passkeytest is an authenticator in software, with the browser around it, for
// tests: it does what WebAuthn asks of both, and lies where a test tells it to. It
// shares no code with what it tests.
package passkeytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
)

// Authenticator holds one passkey. Its fields may be changed between ceremonies.
type Authenticator struct {
	Origin     string // of the page, as the browser sees it
	RP         string // that authData is about; what the options say if empty
	Challenge  string // that is repeated; that of the options if empty
	Count      uint32 // of signatures; each Get adds Step
	Step       uint32
	Unverified bool   // the user was there, but not verified
	Format     string // of the attestation; "none" if empty
	Handle     []byte // of the user
	ID         []byte

	key *ecdsa.PrivateKey
}

// New makes an authenticator in a browser that is at origin.
func New(origin string) *Authenticator {
	a := &Authenticator{Origin: origin, Step: 1, ID: make([]byte, 20)}
	rand.Read(a.ID)
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err) // no randomness, no tests
	}
	return a
}

// asked is what is needed of either kind of options.
type asked struct {
	Challenge string
	RPID      string `json:"rpId"`
	RP        struct{ ID string }
	User      struct{ ID string }
}

// b64 is base64url without padding.
func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// read parses options and fills in what the test left to be told.
func (a *Authenticator) read(options string) (o asked) {
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		panic(err)
	}
	if o.RPID == "" {
		o.RPID = o.RP.ID
	}
	if a.RP != "" {
		o.RPID = a.RP
	}
	if a.Challenge != "" {
		o.Challenge = a.Challenge
	}
	return o
}

// clientData is what the browser signs along.
func (a *Authenticator) clientData(kind, challenge string) []byte {
	b, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	if err != nil {
		panic(err)
	}
	return b
}

// authData is the authenticator data with further bytes (WebAuthn §6.1).
func (a *Authenticator) authData(rp string, attested []byte) []byte {
	sum := sha256.Sum256([]byte(rp))
	flags := byte(1)
	if !a.Unverified {
		flags |= 4
	}
	if attested != nil {
		flags |= 0x40
	}
	out := append(sum[:], flags)
	out = binary.BigEndian.AppendUint32(out, a.Count)
	return append(out, attested...)
}

// cborBytes is a byte string of less than 64 KiB in CBOR.
func cborBytes(b []byte) []byte {
	switch n := len(b); {
	case n < 24:
		return append([]byte{0x40 | byte(n)}, b...)
	case n < 256:
		return append([]byte{0x58, byte(n)}, b...)
	default:
		return append([]byte{0x59, byte(n >> 8), byte(n)}, b...)
	}
}

// cborText is a short text in CBOR.
func cborText(s string) []byte { return append([]byte{0x60 | byte(len(s))}, s...) }

// publicKey is the key in COSE: EC2, ES256, P-256.
func (a *Authenticator) publicKey() []byte {
	point, err := a.key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	out := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21}
	out = append(out, cborBytes(point[1:33])...)
	return append(append(out, 0x22), cborBytes(point[33:])...)
}

// Create answers creation options, as JSON.
func (a *Authenticator) Create(options string) string {
	o := a.read(options)
	a.Handle, _ = base64.RawURLEncoding.DecodeString(o.User.ID)
	attested := append(make([]byte, 16), byte(len(a.ID)>>8), byte(len(a.ID)))
	attested = append(append(attested, a.ID...), a.publicKey()...)
	format := a.Format
	if format == "" {
		format = "none"
	}
	data := a.clientData("webauthn.create", o.Challenge)
	object := bytes.Join([][]byte{{0xa3}, cborText("fmt"), cborText(format), cborText("attStmt"), {0xa0}, cborText("authData"), cborBytes(a.authData(o.RPID, attested))}, nil)
	return a.answer(map[string]any{"clientDataJSON": b64(data), "attestationObject": b64(object), "transports": []string{"internal", "hybrid"}})
}

// Get answers request options, as JSON.
func (a *Authenticator) Get(options string) string {
	o := a.read(options)
	a.Count += a.Step
	data := a.clientData("webauthn.get", o.Challenge)
	auth := a.authData(o.RPID, nil)
	hash := sha256.Sum256(data)
	digest := sha256.Sum256(append(bytes.Clone(auth), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		panic(err)
	}
	return a.answer(map[string]any{"clientDataJSON": b64(data), "authenticatorData": b64(auth), "signature": b64(signature), "userHandle": b64(a.Handle)})
}

// answer is a PublicKeyCredential in JSON.
func (a *Authenticator) answer(response map[string]any) string {
	b, err := json.Marshal(map[string]any{"id": b64(a.ID), "rawId": b64(a.ID), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response})
	if err != nil {
		panic(err)
	}
	return string(b)
}

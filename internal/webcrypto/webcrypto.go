package webcrypto

import (
	"crypto"
	_ "crypto/sha1" // the digests that the API names, for crypto.Hash.New
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"io"
)

// Error is a failure that the program sees as a DOMException of that name.
type Error struct {
	Name    string // OperationError, DataError, NotSupportedError
	Message string
}

// Error gives the name and the message, which the shims take apart again.
func (e *Error) Error() string { return e.Name + ": " + e.Message }

// fail, bad and unsupported make the three errors of the specification: the
// operation went wrong, the key's data are wrong, we cannot do that.
func fail(format string, args ...any) *Error {
	return &Error{"OperationError", fmt.Sprintf(format, args...)}
}
func bad(format string, args ...any) *Error { return &Error{"DataError", fmt.Sprintf(format, args...)} }
func unsupported(format string, args ...any) *Error {
	return &Error{"NotSupportedError", fmt.Sprintf(format, args...)}
}

// Params are the arguments of an operation, as the shims send them. Byte
// strings are standard base64 in JSON.
type Params struct {
	Algorithm string `json:"algorithm"` // as the specification spells it
	Hash      string `json:"hash"`
	Curve     string `json:"curve"` // P-256, P-384, P-521
	Format    string `json:"format"`
	Private   bool   `json:"private"` // export: the data are a private key

	Key       []byte `json:"key"`
	PublicKey []byte `json:"publicKey"` // derive: the other side's key
	Signature []byte `json:"signature"`
	IV        []byte `json:"iv"` // also the counter of AES-CTR
	Data      []byte `json:"additionalData"`
	Label     []byte `json:"label"`
	Salt      []byte `json:"salt"`
	Info      []byte `json:"info"`

	Length     int    `json:"length"` // bits; of the counter, or of what is derived
	TagLength  int    `json:"tagLength"`
	SaltLength int    `json:"saltLength"`
	Iterations int    `json:"iterations"`
	Modulus    int    `json:"modulusLength"`
	Exponent   uint64 `json:"publicExponent"`
}

// Service answers operations. Random is the source of keys, salts and blinding.
type Service struct{ Random io.Reader }

// operations are what the shims may ask for, by name.
var operations = map[string]func(*Service, *Params, []byte) ([]byte, error){
	"digest":   (*Service).digest,
	"sign":     (*Service).sign,
	"verify":   (*Service).verify,
	"encrypt":  (*Service).encrypt,
	"decrypt":  (*Service).decrypt,
	"derive":   (*Service).derive,
	"generate": (*Service).generate,
	"import":   (*Service).importKey,
	"export":   (*Service).exportKey,
}

// Call performs an operation on data. Its errors are of type *Error.
func (s *Service) Call(op string, params, data []byte) ([]byte, error) {
	f := operations[op]
	if f == nil {
		return nil, unsupported("Unknown operation %s", op)
	}
	var p Params
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, bad("The arguments of %s are not valid", op)
	}
	return f(s, &p, data)
}

// hashes are the digests by their names in the specification.
var hashes = map[string]crypto.Hash{
	"SHA-1": crypto.SHA1, "SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512,
}

// hash gives the digest that the parameters name.
func (p *Params) hash() (crypto.Hash, error) {
	h, ok := hashes[p.Hash]
	if !ok {
		return 0, unsupported("Unrecognized algorithm name: %s", p.Hash)
	}
	return h, nil
}

// digest hashes the data.
func (s *Service) digest(p *Params, data []byte) ([]byte, error) {
	h, err := p.hash()
	if err != nil {
		return nil, err
	}
	return sum(h, data), nil
}

// sum is the digest of data.
func sum(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}

package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lentil-dev/lentil/internal/identity"
)

// keySize is the length of every key: AES-256.
const keySize = 32

// purposeKey binds the seal of a key encryption key.
const purposeKey = "vault key"

// Context says on whose behalf something is encrypted.
type Context map[string]string

// check refuses contexts that are too large.
func (c Context) check() error {
	if len(c) > maxContextItems {
		return bad("A key context has at most %d members.", maxContextItems)
	}
	for k, v := range c {
		if k == "" || len(k) > maxContextKey || len(v) > maxContextValue {
			return bad("The members of a key context have names of 1 to %d and values of at most %d characters.", maxContextKey, maxContextValue)
		}
	}
	return nil
}

// canonical is the context as text, the same for equal contexts: the encoder
// sorts the members of maps.
func (c Context) canonical() string {
	if c == nil {
		c = Context{}
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic("vault: encode key context: " + err.Error()) // a map of strings always encodes
	}
	return string(b)
}

// kek is a key encryption key.
type kek struct {
	id      string
	context Context
	key     []byte
}

// newKey makes a random key.
func newKey() []byte {
	k := make([]byte, keySize)
	rand.Read(k)
	return k
}

// aead is AES-256-GCM of a key, with a random nonce before each sealed text.
func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("vault: cipher: " + err.Error()) // keys have keySize bytes
	}
	g, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("vault: cipher: " + err.Error())
	}
	return g
}

// bind joins what is authenticated with a sealed text, each part with its length.
func bind(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = fmt.Appendf(b, "%d:%s", len(p), p)
	}
	return b
}

// keyFor finds the key of a context, or makes it.
func (s *Service) keyFor(tx *identity.Tx, env identity.EnvironmentID, c Context, by Actor) (*kek, error) {
	sum := sha256.Sum256([]byte(c.canonical()))
	hash := hex.EncodeToString(sum[:])
	f, err := tx.First(tableKeys, "on_context", string(env), hash)
	if err != nil {
		return nil, err
	}
	if f != nil {
		return s.openKey(f)
	}
	k := &kek{id: identity.NewID("vault_key_"), context: c, key: newKey()}
	sealed := s.Identity.Sealer.Seal(purposeKey, append([]byte(k.id), k.key...))
	err = tx.Add(tableKeys, identity.Row{
		identity.Text("id", k.id), identity.Text("environment", env), identity.Map("context", c), identity.Text("context_hash", hash),
		identity.Text("sealed", sealed), identity.Time("created", tx.Now()),
	})
	if err != nil {
		return nil, err
	}
	return k, tx.Record(env, "vault.kek.created", struct {
		access
		KeyName string `json:"key_name"`
		KeyID   string `json:"key_id"`
	}{by.by(), c.canonical(), k.id})
}

// keyByID finds the key of an id; nil if there is none.
func (s *Service) keyByID(tx *identity.Tx, env identity.EnvironmentID, id string) (*kek, error) {
	f, err := tx.First(tableKeys, "on_environment", string(env), id)
	if err != nil || f == nil {
		return nil, err
	}
	return s.openKey(f)
}

// openKey unseals a key's row.
func (s *Service) openKey(f *identity.Found) (*kek, error) {
	id := f.Text("id")
	b, err := s.Identity.Sealer.Open(purposeKey, f.Text("sealed"))
	if err != nil {
		return nil, fmt.Errorf("vault: unseal key %s: %w (was the house's master key replaced?)", id, err)
	}
	rest, ok := strings.CutPrefix(string(b), id)
	if !ok || len(rest) != keySize {
		return nil, fmt.Errorf("vault: the row of key %s holds another key", id)
	}
	c := Context(f.Map("context"))
	if c == nil {
		c = Context{}
	}
	return &kek{id: id, context: c, key: []byte(rest)}, nil
}

// DataKey is a key for the caller's own encryption and its sealed form.
type DataKey struct {
	ID      string
	Context Context
	Key     string // base64
	Sealed  string // base64: what DecryptDataKey takes
}

// sealedKey is the inside of DataKey.Sealed, before base64.
type sealedKey struct {
	Version int    `json:"v"`
	KeyID   string `json:"k"`
	ID      string `json:"d"`
	Sealed  []byte `json:"s"`
}

// sealedKeyVersion is sealedKey.Version.
// 1: 2026-11-25, AES-256-GCM with a random nonce in front, bound to the three ids.
const sealedKeyVersion = 1

// maxSealedKey bounds what DecryptDataKey looks at.
const maxSealedKey = 4 << 10

// wrap seals a data key under a context's key.
func (k *kek) wrap(env identity.EnvironmentID, id string, key []byte) *DataKey {
	sealed := aead(k.key).Seal(nil, nil, key, bind("data key", string(env), k.id, id))
	b, err := json.Marshal(sealedKey{sealedKeyVersion, k.id, id, sealed})
	if err != nil {
		panic("vault: encode sealed key: " + err.Error()) // strings and bytes always encode
	}
	enc := base64.StdEncoding
	return &DataKey{ID: id, Context: k.context, Key: enc.EncodeToString(key), Sealed: enc.EncodeToString(b)}
}

// readSealedKey decodes DataKey.Sealed.
func readSealedKey(text string) (sealedKey, error) {
	var sk sealedKey
	if len(text) > maxSealedKey {
		return sk, errSealedKey()
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &sk) != nil || sk.Version != sealedKeyVersion {
		return sk, errSealedKey()
	}
	return sk, nil
}

// errSealedKey is the refusal of what is not an encrypted key of the environment.
func errSealedKey() error {
	return bad("These are not encrypted keys of this environment, or they were changed; send encrypted_keys as it was given out.")
}

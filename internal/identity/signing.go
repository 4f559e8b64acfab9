package identity

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// How the keys of one environment overlap. Verifiers keep a key set for up to ten
// minutes (jose, workos-api.md §1.9), so a new key is published for longer than
// that before it signs; and an old one for longer than its last token lives.
const (
	keyLead    = 15 * time.Minute
	keyOverlap = time.Hour
)

// keyPairPrefix begins key ids, as on the imitated service (workos-api.md §2.1).
const keyPairPrefix = "sso_oidc_key_pair_"

// purposeSigningKey binds the seal of a private key.
const purposeSigningKey = "identity signing key"

// publishedKeys is a key set with the ids it was made of and its document.
type publishedKeys struct {
	ids  string
	set  *token.LocalKeySet
	etag string
}

// signingKey is a row of signing_keys.
type signingKey struct {
	row     Found
	id      KeyID
	created time.Time
	active  time.Time // signs from then on, until a newer one does
	retires time.Time // published until then; zero while nothing follows it
}

// addSigningKey writes a key that signs from the given time.
func (tx *Tx) addSigningKey(id EnvironmentID, key *rsa.PrivateKey, active time.Time) (KeyID, error) {
	der, err := token.MarshalPrivateKey(key)
	if err != nil {
		return "", err
	}
	kid := KeyID(NewID(keyPairPrefix))
	return kid, tx.Add(tableSigningKeys, Row{Text("id", kid), Text("environment", id), Text("sealed", tx.s.Sealer.Seal(purposeSigningKey, der)),
		Time("active", active), Time("retires", time.Time{}), Time("created", tx.now)})
}

// signingKeys lists the keys of an environment that are not retired, the one that
// signs now first, then the others, newest first.
func (tx *Tx) signingKeys(id EnvironmentID) ([]signingKey, error) {
	rows, err := tx.All(tableSigningKeys, "on_environment", string(id))
	if err != nil {
		return nil, err
	}
	keys := make([]signingKey, 0, len(rows))
	for _, f := range slices.Backward(rows) {
		k := signingKey{row: f, id: KeyID(f.Text("id")), created: f.Time("created"), active: f.Time("active"), retires: f.Time("retires")}
		if k.retires.IsZero() || tx.now.Before(k.retires) {
			keys = append(keys, k)
		}
	}
	slices.SortStableFunc(keys, func(a, b signingKey) int { return b.active.Compare(a.active) })
	if i := slices.IndexFunc(keys, func(k signingKey) bool { return !k.active.After(tx.now) }); i > 0 {
		k := keys[i]
		keys = slices.Insert(slices.Delete(keys, i, i+1), 0, k)
	}
	return keys, nil
}

// loadedKey is an unsealed key and what is published of it.
type loadedKey struct {
	signer *token.Signer
	public token.PublicKey
}

// load unseals a key, once per process.
func (s *Service) load(k signingKey) (*loadedKey, error) {
	s.mu.Lock()
	have := s.signers[k.id]
	s.mu.Unlock()
	if have != nil {
		return have, nil
	}
	der, err := s.Sealer.Open(purposeSigningKey, k.row.Text("sealed"))
	if err != nil {
		return nil, fmt.Errorf("identity: unseal signing key %s: %w (was the house's master key replaced?)", k.id, err)
	}
	key, err := token.ParsePrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("identity: read signing key %s: %w", k.id, err)
	}
	sg, err := token.NewSigner(string(k.id), key)
	if err != nil {
		return nil, fmt.Errorf("identity: use signing key %s: %w", k.id, err)
	}
	l := &loadedKey{sg, sg.PublicKey()}
	if l.public.Certificate, err = certificate(k, key); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signers[k.id] = l
	return l, nil
}

// certificateLife is how long a key's certificate says that it is good. Nobody
// trusts it for more than the key's name; the key set decides which keys count.
const certificateLife = 30 * 365 * 24 * time.Hour

// certificate is the certificate under which a key is published (RFC 7517 §4.7),
// signed by itself. Nothing in it is left to chance, so that it is the same after
// each start.
func certificate(k signingKey, key *rsa.PrivateKey) (*x509.Certificate, error) {
	serial := sha256.Sum256([]byte(k.id))
	serial[0] &= 0x7f // RFC 5280 §4.1.2.2: positive, at most 20 bytes
	tpl := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:16]), Subject: pkix.Name{CommonName: string(k.id)},
		NotBefore: k.created.Truncate(time.Second), NotAfter: k.created.Add(certificateLife).Truncate(time.Second),
		KeyUsage: x509.KeyUsageDigitalSignature, SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("identity: certify signing key %s: %w", k.id, err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("identity: certify signing key %s: %w", k.id, err)
	}
	return c, nil
}

// Signer is the key that signs an environment's tokens now.
func (tx *Tx) Signer(id EnvironmentID) (*token.Signer, error) {
	keys, err := tx.signingKeys(id)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("identity: environment %s has no signing key", id)
	}
	l, err := tx.s.load(keys[0])
	if err != nil {
		return nil, err
	}
	return l.signer, nil
}

// published is the key set of an environment as verifiers should see it now.
func (s *Service) published(ctx context.Context, client ClientID) (p publishedKeys, err error) {
	var keys []signingKey
	var env EnvironmentID
	err = s.View(ctx, func(tx *Tx) error {
		e, err := tx.EnvironmentByClient(client)
		if err != nil {
			return err
		}
		env = e.ID
		keys, err = tx.signingKeys(e.ID)
		return err
	})
	if err != nil {
		return p, err
	}
	var ids strings.Builder
	for _, k := range keys {
		ids.WriteString(string(k.id) + " ")
	}
	s.mu.Lock()
	p = s.sets[env]
	s.mu.Unlock()
	if p.set != nil && p.ids == ids.String() {
		return p, nil
	}
	var public []token.PublicKey
	for _, k := range keys {
		l, err := s.load(k)
		if err != nil {
			return p, err
		}
		public = append(public, l.public)
	}
	p.ids = ids.String()
	if p.set, err = token.NewLocalKeySet(public...); err != nil {
		return p, err
	}
	sum := sha256.Sum256(p.set.JWKS())
	p.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets[env] = p
	return p, nil
}

// JWKS is the public key set document of a client id, ready to be served, and a
// strong ETag for it.
func (s *Service) JWKS(ctx context.Context, client ClientID) (document []byte, etag string, err error) {
	p, err := s.published(ctx, client)
	if err != nil {
		return nil, "", err
	}
	return p.set.JWKS(), p.etag, nil
}

// KeySet is a client id's keys for verifiers in this process: it follows
// rotations at once. NotFound if no environment has this client id.
func (s *Service) KeySet(ctx context.Context, client ClientID) (token.KeySet, error) {
	if _, err := s.EnvironmentByClient(ctx, client); err != nil {
		return nil, err
	}
	return houseKeys{s, client}, nil
}

// houseKeys reads keys through the store whenever one is asked for.
type houseKeys struct {
	s      *Service
	client ClientID
}

// Key finds a published key.
func (h houseKeys) Key(ctx context.Context, kid string) (crypto.PublicKey, error) {
	p, err := h.s.published(ctx, h.client)
	if err != nil {
		return nil, err
	}
	return p.set.Key(ctx, kid)
}

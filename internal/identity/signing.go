package identity

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
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
		k := signingKey{row: f, id: KeyID(f.Text("id")), active: f.Time("active"), retires: f.Time("retires")}
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

// signer unseals a key, once per process.
func (s *Service) signer(k signingKey) (*token.Signer, error) {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signers[k.id] = sg
	return sg, nil
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
	return tx.s.signer(keys[0])
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
		sg, err := s.signer(k)
		if err != nil {
			return p, err
		}
		public = append(public, sg.PublicKey())
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

// errRotating is the refusal to rotate while a rotation is under way.
var errRotating = errors.New("identity: a rotation is under way; the newer key does not sign yet")

// RotateSigningKey makes a new key and signs with it once verifiers had time to
// see it; the old one stays published until its last token has expired.
func (s *Service) RotateSigningKey(ctx context.Context, id EnvironmentID) (KeyID, error) {
	key, err := token.GenerateKey()
	if err != nil {
		return "", err
	}
	var kid KeyID
	err = s.Update(ctx, func(tx *Tx) error {
		e, err := tx.Environment(id)
		if err != nil {
			return err
		}
		keys, err := tx.signingKeys(id)
		if err != nil {
			return err
		}
		active := tx.now.Add(keyLead)
		for _, k := range keys {
			if k.active.After(tx.now) {
				return errRotating
			}
			if k.retires.IsZero() {
				end := active.Add(e.Settings.Defaulted().AccessTokenLifetime + keyOverlap)
				if err := tx.Patch(&k.row, Row{Time("retires", end)}); err != nil {
					return err
				}
			}
		}
		kid, err = tx.addSigningKey(id, key, active)
		return err
	})
	if err == nil {
		s.Log.Info("signing key rotated", "environment", id, "key", kid)
	}
	return kid, err
}

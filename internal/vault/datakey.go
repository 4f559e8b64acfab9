package vault

import (
	"context"
	"encoding/base64"

	"github.com/lentil-dev/lentil/internal/identity"
)

// CreateDataKey makes a data key under a context's key.
func (s *Service) CreateDataKey(ctx context.Context, env identity.EnvironmentID, c Context, by Actor) (d *DataKey, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		k, err := s.keyFor(tx, env, c, by)
		if err != nil {
			return err
		}
		d = k.wrap(env, identity.NewID("vault_data_key_"), newKey())
		return recordRead(tx, env, k, by)
	})
	return d, err
}

// recordRead tells that a data key was made under k.
func recordRead(tx *identity.Tx, env identity.EnvironmentID, k *kek, by Actor) error {
	return tx.Record(env, "vault.dek.read", struct {
		access
		KeyIDs  []string `json:"key_ids"`
		Context Context  `json:"key_context"`
	}{by.by(), []string{k.id}, k.context})
}

// unwrap opens the sealed form of a data key and tells of it.
func (s *Service) unwrap(tx *identity.Tx, env identity.EnvironmentID, sk sealedKey, by Actor) ([]byte, error) {
	k, err := s.keyByID(tx, env, sk.KeyID)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, errSealedKey()
	}
	key, err := aead(k.key).Open(nil, nil, sk.Sealed, bind("data key", string(env), k.id, sk.ID))
	if err != nil {
		return nil, errSealedKey()
	}
	return key, tx.Record(env, "vault.dek.decrypted", struct {
		access
		KeyID string `json:"key_id"`
	}{by.by(), k.id})
}

// DecryptDataKey gives back the data key of a sealed form.
func (s *Service) DecryptDataKey(ctx context.Context, env identity.EnvironmentID, sealed string, by Actor) (d *DataKey, err error) {
	sk, err := readSealedKey(sealed)
	if err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		key, err := s.unwrap(tx, env, sk, by)
		if err != nil {
			return err
		}
		d = &DataKey{ID: sk.ID, Key: base64.StdEncoding.EncodeToString(key), Sealed: sealed}
		return nil
	})
	return d, err
}

// Rekey seals the data key of a sealed form under the key of another context. The
// data key stays, so what was encrypted with it stays readable.
func (s *Service) Rekey(ctx context.Context, env identity.EnvironmentID, c Context, sealed string, by Actor) (d *DataKey, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	sk, err := readSealedKey(sealed)
	if err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		key, err := s.unwrap(tx, env, sk, by)
		if err != nil {
			return err
		}
		k, err := s.keyFor(tx, env, c, by)
		if err != nil {
			return err
		}
		d = k.wrap(env, sk.ID, key)
		return recordRead(tx, env, k, by)
	})
	return d, err
}

package identity

import (
	"context"
	"crypto/rsa"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// KeyState says what a signing key is used for.
type KeyState string

// The states, in the order of a key's life.
const (
	KeyPublished KeyState = "published" // verifiers are told of it; it signs from Active on
	KeySigning   KeyState = "signing"   // tokens are signed with it
	KeyRetiring  KeyState = "retiring"  // its last tokens are still verified
)

// SigningKey describes a key without its secret.
type SigningKey struct {
	ID      KeyID
	State   KeyState
	Created time.Time
	Active  time.Time
	Retires time.Time // zero while nothing follows it
}

// SigningKeys lists an environment's keys, the one that signs first.
func (s *Service) SigningKeys(ctx context.Context, id EnvironmentID) (list []SigningKey, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		keys, err := tx.signingKeys(id)
		list = list[:0]
		for i, k := range keys {
			state := KeyRetiring
			switch {
			case i == 0:
				state = KeySigning
			case k.active.After(tx.now):
				state = KeyPublished
			}
			list = append(list, SigningKey{k.id, state, k.created, k.active, k.retires})
		}
		return err
	})
	return list, err
}

// errRotating is the refusal to rotate while a rotation is under way.
var errRotating = apierr.New(apierr.Conflict, "rotation_under_way", "A rotation is under way: the newer key does not sign yet.")

// RotateSigningKey makes a new key and signs with it once verifiers had time to
// see it; the old one stays published until its last token has expired.
func (s *Service) RotateSigningKey(ctx context.Context, id EnvironmentID) (KeyID, error) {
	key, err := token.GenerateKey()
	if err != nil {
		return "", err
	}
	var kid KeyID
	err = s.Update(ctx, func(tx *Tx) error {
		kid, err = tx.rotate(id, key)
		return err
	})
	if err == nil {
		s.Log.Info("signing key rotated", "environment", id, "key", kid)
	}
	return kid, err
}

// rotate adds a key that signs later, and says when the others go.
func (tx *Tx) rotate(id EnvironmentID, key *rsa.PrivateKey) (KeyID, error) {
	e, err := tx.Environment(id)
	if err != nil {
		return "", err
	}
	keys, err := tx.signingKeys(id)
	if err != nil {
		return "", err
	}
	active := tx.now.Add(keyLead)
	for _, k := range keys {
		if k.active.After(tx.now) {
			return "", errRotating
		}
		if k.retires.IsZero() {
			end := active.Add(e.Settings.Defaulted().AccessTokenLifetime + keyOverlap)
			if err := tx.Patch(&k.row, Row{Time("retires", end)}); err != nil {
				return "", err
			}
		}
	}
	return tx.addSigningKey(id, key, active)
}

// RevokeSigningKey withdraws a key that somebody else has got hold of: what it
// signed is worth nothing as soon as verifiers look again, and people's clients
// refresh. If it is the one that signs, another takes its place at once.
func (s *Service) RevokeSigningKey(ctx context.Context, id EnvironmentID, kid KeyID) error {
	key, err := token.GenerateKey()
	if err != nil {
		return err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		keys, err := tx.signingKeys(id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(keys, func(k signingKey) bool { return k.id == kid })
		if i < 0 {
			return notFound("Signing key", string(kid))
		}
		if err := tx.Remove(&keys[i].row); err != nil || i > 0 {
			return err
		}
		_, err = tx.addSigningKey(id, key, tx.now)
		return err
	})
	if err == nil {
		s.Log.Warn("signing key revoked", "environment", id, "key", kid)
	}
	return err
}

// rotateOld rotates the keys that are older than their environments wish.
func (s *Service) rotateOld(ctx context.Context) error {
	envs, err := s.Environments(ctx)
	if err != nil {
		return err
	}
	for _, e := range envs {
		if e.Settings.KeyRotation <= 0 {
			continue
		}
		due := false
		err := s.View(ctx, func(tx *Tx) error {
			keys, err := tx.signingKeys(e.ID)
			// Of several, the newest is the last to have been made; it counts whether it
			// signs yet or not.
			due = len(keys) > 0 && !slices.ContainsFunc(keys, func(k signingKey) bool { return tx.now.Sub(k.created) < e.Settings.KeyRotation })
			return err
		})
		if err != nil {
			return err
		}
		if due {
			if _, err := s.RotateSigningKey(ctx, e.ID); err != nil && apierr.KindOf(err) != apierr.Conflict {
				return err
			}
		}
	}
	return nil
}

package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Lengths of API keys that a caller brings along. Short ones are for tests:
// whoever guesses one is in.
const (
	minKeyLength           = 12
	minProductionKeyLength = 32
	maxKeyLength           = 200
)

// keyHash is how a key is stored and found. Keys are long and random, so a plain
// hash cannot be turned back.
func keyHash(secret string) string {
	sum := sha256.Sum256([]byte("lentil api key\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// keyPrefix is how an environment's keys begin.
func keyPrefix(kind EnvironmentKind) string {
	if kind == Production {
		return "sk_live_"
	}
	return "sk_test_"
}

// readAPIKey reads a row of api_keys.
func readAPIKey(r Record) APIKey {
	return APIKey{ID: APIKeyID(r.Text("id")), Name: r.Text("name"), Obfuscated: r.Text("obfuscated"), Created: r.Time("created"), LastUsed: r.Time("last_used")}
}

// CreateAPIKey makes a key and returns its text, which is shown this once: only a
// hash stays. A given secret (sk_…) is taken as it is, so that a development
// house can keep its key over restarts.
func (s *Service) CreateAPIKey(ctx context.Context, id EnvironmentID, name, secret string) (*APIKey, string, error) {
	fresh := secret == ""
	if fresh {
		secret = rand.Text() + rand.Text() // 260 bits
	}
	var k APIKey
	var text string
	err := s.Update(ctx, func(tx *Tx) error {
		e, err := tx.Environment(id)
		if err != nil {
			return err
		}
		text = secret
		if fresh {
			text = keyPrefix(e.Kind) + secret
		}
		least := minKeyLength
		if e.Kind == Production {
			least = minProductionKeyLength
		}
		if !strings.HasPrefix(text, keyPrefix(e.Kind)) || len(text) < least || len(text) > maxKeyLength || !plainURI(text) {
			return apierr.New(apierr.BadRequest, "invalid_api_key", "An API key of this environment begins with %s and has %d to %d characters.",
				keyPrefix(e.Kind), least, maxKeyLength)
		}
		taken, err := tx.First(tableAPIKeys, "on_hash", keyHash(text))
		if err != nil {
			return err
		}
		if taken != nil {
			return apierr.New(apierr.Conflict, "duplicate_api_key", "This API key exists already.")
		}
		k = APIKey{ID: APIKeyID(tx.NewID("api_key_")), Name: name, Obfuscated: "sk_..." + text[len(text)-4:], Created: tx.now}
		return tx.Add(tableAPIKeys, Row{Text("id", k.ID), Text("environment", id), Text("name", name), Text("hash", keyHash(text)),
			Text("obfuscated", k.Obfuscated), Time("created", k.Created), Time("last_used", time.Time{})})
	})
	if err != nil {
		return nil, "", err
	}
	return &k, text, nil
}

// KeyEnvironment finds the environment of an API key's text; nil if the key is
// unknown.
func (tx *Tx) KeyEnvironment(secret string) (*Environment, *APIKey, error) {
	if len(secret) > maxKeyLength || !strings.HasPrefix(secret, "sk_") {
		return nil, nil, nil
	}
	f, err := tx.First(tableAPIKeys, "on_hash", keyHash(secret))
	if err != nil || f == nil {
		return nil, nil, err
	}
	e, err := tx.Environment(EnvironmentID(f.Text("environment")))
	if err != nil {
		return nil, nil, err
	}
	k := readAPIKey(f.Record)
	tx.s.mu.Lock()
	tx.s.used[k.ID] = tx.now
	tx.s.mu.Unlock()
	return e, &k, nil
}

// AuthenticateKey finds the environment of an API key's text, in the form of the
// bearer token; Unauthenticated if there is none.
func (s *Service) AuthenticateKey(ctx context.Context, secret string) (e *Environment, k *APIKey, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		e, k, err = tx.KeyEnvironment(secret)
		return err
	})
	if err == nil && e == nil {
		err = apierr.New(apierr.Unauthenticated, "unauthorized", "Could not authorize the request. Maybe your API key is invalid?")
	}
	return e, k, err
}

// APIKeys lists an environment's keys, oldest first.
func (s *Service) APIKeys(ctx context.Context, id EnvironmentID) (keys []APIKey, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		rows, err := tx.All(tableAPIKeys, "on_environment", string(id))
		keys = keys[:0]
		for _, f := range rows {
			keys = append(keys, readAPIKey(f.Record))
		}
		return err
	})
	return keys, err
}

// DeleteAPIKey ends a key.
func (s *Service) DeleteAPIKey(ctx context.Context, id EnvironmentID, key APIKeyID) error {
	return s.Update(ctx, func(tx *Tx) error {
		f, err := tx.First(tableAPIKeys, "on_environment", string(id), string(key))
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("API key", string(key))
		}
		return tx.Remove(f)
	})
}

// writeUses stores when keys were last used, once for all uses since the last
// call. Losing it in a crash loses a minute of a courtesy.
func (s *Service) writeUses(ctx context.Context) error {
	s.mu.Lock()
	used := s.used
	s.used = map[APIKeyID]time.Time{}
	s.mu.Unlock()
	if len(used) == 0 {
		return nil
	}
	return s.Update(ctx, func(tx *Tx) error {
		envs, err := tx.Environments()
		if err != nil {
			return err
		}
		for _, e := range envs {
			for id, at := range used {
				f, err := tx.First(tableAPIKeys, "on_environment", string(e.ID), string(id))
				if err != nil {
					return err
				}
				if f == nil || at.Sub(f.Time("last_used")) < time.Minute {
					continue
				}
				if err := tx.Patch(f, Row{Time("last_used", at)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

package identity

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
)

// How long an answer is kept for the repetition of its request, and for how many
// requests of an environment at most: a key's hash chooses one of so many places,
// and a newer answer takes the place of an older one. So nobody can fill the store
// with keys, and the retries of a client, which come within minutes, find theirs.
// There are 65,536 places, since a slot is 16 bits.
const (
	keepAnswers   = 24 * time.Hour
	purposeAnswer = "identity kept answer"
	tableAnswers  = "kept_answers"
)

// answerTable holds what was answered to requests with an Idempotency-Key. Answers
// hold secrets, so they are sealed.
var answerTable = database.TableDef{Name: tableAnswers, Indexes: []database.IndexDef{
	{Name: "on_slot", Fields: []string{"environment", "slot"}},
	{Name: "on_expires", Fields: []string{"expires"}},
}}

// Kept is an answer that is kept for the repetition of its request.
type Kept struct {
	Request     string `json:"request"` // hash of the whole request
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Body        []byte `json:"body"`
}

// answerPlace is the hash of a key, and the slot it chooses.
func answerPlace(key string) (hash string, slot uint16) {
	sum := sha256.Sum256([]byte("lentil idempotency key\x00" + key))
	return hex.EncodeToString(sum[:]), binary.BigEndian.Uint16(sum[:])
}

// answerRow finds the row in a key's place, whoever's it is.
func (tx *Tx) answerRow(id EnvironmentID, slot uint16) (*Found, error) {
	return tx.First(tableAnswers, "on_slot", string(id), fmt.Sprintf("%04x", slot))
}

// KeptAnswer finds the answer that was given to a key; nil if there is none.
func (s *Service) KeptAnswer(ctx context.Context, id EnvironmentID, key string) (k *Kept, err error) {
	hash, slot := answerPlace(key)
	err = s.View(ctx, func(tx *Tx) error {
		f, err := tx.answerRow(id, slot)
		if err != nil || f == nil || f.Text("key") != hash || !tx.now.Before(f.Time("expires")) {
			return err
		}
		b, err := s.Sealer.Open(purposeAnswer, f.Text("answer"))
		if err != nil {
			return fmt.Errorf("identity: unseal kept answer: %w", err)
		}
		return json.Unmarshal(b, &k)
	})
	return k, err
}

// KeepAnswer keeps an answer for a day.
func (s *Service) KeepAnswer(ctx context.Context, id EnvironmentID, key string, k Kept) error {
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("identity: encode kept answer: %w", err)
	}
	hash, slot := answerPlace(key)
	sealed := s.Sealer.Seal(purposeAnswer, b)
	return s.Update(ctx, func(tx *Tx) error {
		row := Row{Text("environment", id), Text("slot", fmt.Sprintf("%04x", slot)), Text("key", hash), Text("answer", sealed),
			Time("expires", tx.now.Add(keepAnswers))}
		f, err := tx.answerRow(id, slot)
		if err != nil {
			return err
		}
		if f != nil {
			return tx.Put(f.Doc, row)
		}
		return tx.Add(tableAnswers, row)
	})
}

package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// The life of a password reset (workos-api.md §2.3), how many a user may have in
// a day, and what binds the seal of its token.
const (
	resetLifetime  = time.Hour
	maxResetsDaily = 50
	purposeReset   = "identity password reset"
	resetPrefix    = "password_reset_"
)

// ResetID is "password_reset_…".
type ResetID string

// PasswordReset lets whoever holds its token give a user a new password, once.
type PasswordReset struct {
	ID          ResetID
	Environment EnvironmentID
	User        UserID
	Email       string // where it went
	Token       string
	Expires     time.Time
	Used        time.Time // zero until then
	Created     time.Time
}

// resetHash is how a token is found.
func resetHash(token string) string {
	sum := sha256.Sum256([]byte("lentil password reset\x00" + token))
	return hex.EncodeToString(sum[:])
}

// readReset reads a row of password_resets.
func (tx *Tx) readReset(r Record) (*PasswordReset, error) {
	token, err := tx.s.Sealer.Open(purposeReset, r.Text("token"))
	if err != nil {
		return nil, fmt.Errorf("identity: unseal password reset %s: %w", r.Text("id"), err)
	}
	return &PasswordReset{
		ID: ResetID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), User: UserID(r.Text("user")), Email: r.Text("email"),
		Token: string(token), Expires: r.Time("expires"), Used: r.Time("used"), Created: r.Time("created"),
	}, nil
}

// CreatePasswordReset makes a reset for a user; earlier ones are void.
func (tx *Tx) CreatePasswordReset(id EnvironmentID, user UserID) (*PasswordReset, error) {
	u, err := tx.User(id, user)
	if err != nil {
		return nil, err
	}
	rows, err := tx.All(tableResets, "on_user", string(user))
	if err != nil {
		return nil, err
	}
	made := 0
	for i := range rows {
		f := &rows[i]
		if tx.now.Sub(f.Time("created")) < 24*time.Hour {
			made++
		}
		if f.Time("used").IsZero() && tx.now.Before(f.Time("expires")) {
			if err := tx.Patch(f, Row{Time("expires", tx.now)}); err != nil {
				return nil, err
			}
		}
	}
	if made >= maxResetsDaily {
		return nil, quotaError()
	}
	p := &PasswordReset{
		ID: ResetID(tx.newID(resetPrefix)), Environment: id, User: user, Email: u.Email, Token: rand.Text() + rand.Text(),
		Expires: tx.now.Add(resetLifetime), Created: tx.now,
	}
	if err := tx.Add(tableResets, Row{
		Text("id", p.ID), Text("environment", id), Text("user", user), Text("email", p.Email), Text("hash", resetHash(p.Token)),
		Text("token", tx.s.Sealer.Seal(purposeReset, []byte(p.Token))), Time("expires", p.Expires), Time("used", p.Used), Time("created", p.Created),
		Time("forget", p.Created.Add(keepCodes)),
	}); err != nil {
		return nil, err
	}
	return p, tx.recordSecret(id, "password_reset.created", resetData(p), map[string]string{"password_reset_token": p.Token})
}

// PasswordReset finds a reset, whatever became of it.
func (tx *Tx) PasswordReset(id EnvironmentID, reset ResetID) (*PasswordReset, error) {
	f, err := tx.First(tableResets, "on_id", string(id), string(reset))
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("Password reset", string(reset))
	}
	return tx.readReset(f.Record)
}

// PasswordResetByToken finds the reset that a token can still be used for; an
// error that says why if there is none.
func (tx *Tx) PasswordResetByToken(id EnvironmentID, token string) (*PasswordReset, error) {
	_, p, err := tx.openReset(id, token)
	return p, err
}

// openReset finds the row of a reset that can still be used.
func (tx *Tx) openReset(id EnvironmentID, token string) (*Found, *PasswordReset, error) {
	gone := apierr.New(apierr.NotFound, "entity_not_found", "There is no password reset with this token.")
	if token == "" || len(token) > 256 {
		return nil, nil, gone
	}
	f, err := tx.First(tableResets, "on_hash", resetHash(token))
	if err != nil {
		return nil, nil, err
	}
	if f == nil || f.Text("environment") != string(id) {
		return nil, nil, gone
	}
	p, err := tx.readReset(f.Record)
	if err != nil {
		return nil, nil, err
	}
	refuse := func(code, message string) (*Found, *PasswordReset, error) {
		return nil, nil, apierr.New(apierr.BadRequest, "password_reset_error", "%s", message).With([]FieldError{{Code: code, Message: message}})
	}
	switch {
	case !p.Used.IsZero():
		return refuse("password_reset_token_used", "This password reset was used already. Please ask for a new one.")
	case !tx.now.Before(p.Expires):
		return refuse("password_reset_token_expired", "This password reset has expired. Please ask for a new one.")
	}
	return f, p, nil
}

// ResetPassword gives the user of a token a new password, by its hash, and ends
// everything they are signed in with. Whoever holds the token reads the mailbox,
// so the address counts as verified.
func (tx *Tx) ResetPassword(id EnvironmentID, token, hash string) (*User, error) {
	f, p, err := tx.openReset(id, token)
	if err != nil {
		return nil, err
	}
	u, err := tx.User(id, p.User)
	if err != nil {
		return nil, err
	}
	c := UserChange{PasswordHash: &hash}
	if u.Email == p.Email && !u.EmailVerified {
		verified := true
		c.EmailVerified = &verified
	}
	if u, err = tx.UpdateUser(id, p.User, c); err != nil {
		return nil, err
	}
	if err := tx.Patch(f, Row{Time("used", tx.now)}); err != nil {
		return nil, err
	}
	return u, tx.Record(id, "password_reset.succeeded", resetData(p))
}

// voidResets removes a user's resets.
func (tx *Tx) voidResets(user UserID) error {
	rows, err := tx.All(tableResets, "on_user", string(user))
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// resetData is a reset as events show it: without its token.
func resetData(p *PasswordReset) CodeMade {
	return CodeMade{Object: "password_reset", ID: string(p.ID), UserID: &p.User, Email: p.Email, ExpiresAt: FormatTime(p.Expires), CreatedAt: FormatTime(p.Created)}
}

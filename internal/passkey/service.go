package passkey

import (
	"context"
	"errors"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Bounds of the room.
const (
	maxPasskeys = 20 // of one user
	maxName     = 100
	// offerAgain is how long somebody who did not want a passkey is left alone
	// (workos-api.md, "Passkeys").
	offerAgain = 14 * 24 * time.Hour
)

// The tables of the room, in the house's own store.
const (
	tablePasskeys = "passkeys"
	tableOffers   = "passkey_offers" // who declined, and when
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tablePasskeys, Indexes: []database.IndexDef{
		{Name: "on_user", Fields: []string{"user", "id"}},
		{Name: "on_credential", Fields: []string{"environment", "credential"}},
	}},
	{Name: tableOffers, Indexes: []database.IndexDef{
		{Name: "on_user", Fields: []string{"user"}},
	}},
}

// Service keeps the passkeys of one house. Identity is filled by whoever assembles
// the house; call Open once.
type Service struct {
	Identity *identity.Service
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("passkey: Identity must be set")
	}
	s.Identity.Gone = append(s.Identity.Gone, gone)
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// gone forgets a deleted user's passkeys.
func gone(tx *identity.Tx, what identity.Gone) error {
	if what.User == "" || what.Membership != "" {
		return nil
	}
	for _, table := range []string{tablePasskeys, tableOffers} {
		rows, err := tx.All(table, "on_user", string(what.User))
		if err != nil {
			return err
		}
		for i := range rows {
			if err := tx.Remove(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Offer reports whether to ask a user to make a passkey: they have none and have not
// declined of late.
func (s *Service) Offer(tx *identity.Tx, user identity.UserID) (bool, error) {
	have, err := tx.First(tablePasskeys, "on_user", string(user))
	if err != nil || have != nil {
		return false, err
	}
	row, err := tx.First(tableOffers, "on_user", string(user))
	return row == nil || tx.Now().Sub(row.Time("declined")) >= offerAgain, err
}

// Decline notes that a user was asked and does not want one now.
func (s *Service) Decline(tx *identity.Tx, user identity.UserID) error {
	row, err := tx.First(tableOffers, "on_user", string(user))
	if err != nil {
		return err
	}
	if row != nil {
		return tx.Patch(row, identity.Row{identity.Time("declined", tx.Now())})
	}
	return tx.Add(tableOffers, identity.Row{identity.Text("user", user), identity.Time("declined", tx.Now())})
}

// errTooMany is the refusal of one more.
var errTooMany = apierr.New(apierr.BadRequest, "too_many_passkeys", "An account has at most %d passkeys; remove one first.", maxPasskeys)

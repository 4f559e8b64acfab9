package identity

import (
	"context"

	"github.com/lentil-dev/lentil/internal/database"
)

// RevokeSessionsOf ends everything a user is signed in with, and says how many
// sessions of applications that were.
func (s *Service) RevokeSessionsOf(ctx context.Context, id EnvironmentID, user UserID) (n int, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		if _, err := tx.User(id, user); err != nil {
			return err
		}
		n, err = tx.revokeAll(user)
		return err
	})
	return n, err
}

// RevokeAllSessions signs everybody of an environment out, user by user: people can
// sign in meanwhile, and those who do after their turn stay signed in.
func (s *Service) RevokeAllSessions(ctx context.Context, id EnvironmentID) (n int, err error) {
	after := database.Prefix(key(string(id)))
	for {
		var users []UserID
		err := s.View(ctx, func(tx *Tx) error {
			users = users[:0]
			return tx.Each(tableUsers, "on_environment", after, ascending, func(f Found) (bool, error) {
				users = append(users, UserID(f.Text("id")))
				return len(users) < sweepBatch, nil
			})
		})
		if err != nil || len(users) == 0 {
			return n, err
		}
		batch := 0
		if err := s.Update(ctx, func(tx *Tx) error {
			batch = 0
			for _, u := range users {
				m, err := tx.revokeAll(u)
				if err != nil {
					return err
				}
				batch += m
			}
			return nil
		}); err != nil {
			return n, err
		}
		n += batch
		after.Lower = database.After(key(string(id), string(users[len(users)-1])))
	}
}

// revokeAll is endSessions, counted.
func (tx *Tx) revokeAll(user UserID) (n int, err error) {
	rows, err := tx.All(tableSessions, "on_user", string(user))
	if err != nil {
		return 0, err
	}
	for _, f := range rows {
		if readSession(f.Record).Status(tx.now) == SessionActive {
			n++
		}
	}
	return n, tx.endSessions(user)
}

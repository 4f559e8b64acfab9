package authflow

import (
	"context"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
)

// OutboxKeeper keeps a development outbox in the house's store, so that a code is
// still to be found after a restart: mail.Outbox{Keep: OutboxKeeper{service}}. The
// Flow's Open makes its table.
type OutboxKeeper struct{ Identity *identity.Service }

// Append stores a message and drops the oldest beyond limit.
func (k OutboxKeeper) Append(ctx context.Context, d mail.Delivered, limit int) error {
	return k.Identity.Update(ctx, func(tx *identity.Tx) error {
		if err := tx.Add(tableOutbox, identity.Row{identity.Number("number", int64(d.ID)), identity.Time("time", d.Time), identity.Text("to", d.To),
			identity.Text("subject", d.Subject), identity.Text("text", d.Text), identity.Text("html", d.HTML), identity.Text("code", d.Code),
			identity.Text("owner", d.Owner)}); err != nil {
			return err
		}
		// At most one falls out for each that comes in.
		var old []identity.Found
		err := tx.Each(tableOutbox, "on_number", database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
			if uint64(f.Number("number"))+uint64(limit) > d.ID {
				return false, nil
			}
			old = append(old, f)
			return len(old) < 100, nil
		})
		if err != nil {
			return err
		}
		for i := range old {
			if err := tx.Remove(&old[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Load gives what is stored, oldest first.
func (k OutboxKeeper) Load(ctx context.Context) (out []mail.Delivered, err error) {
	err = k.Identity.View(ctx, func(tx *identity.Tx) error {
		out = nil
		return tx.Each(tableOutbox, "on_number", database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
			out = append(out, mail.Delivered{ID: uint64(f.Number("number")), Time: f.Time("time"), Message: mail.Message{
				To: f.Text("to"), Subject: f.Text("subject"), Text: f.Text("text"), HTML: f.Text("html"), Code: f.Text("code"), Owner: f.Text("owner")}})
			return true, nil
		})
	})
	return out, err
}

// Forget drops the messages of an owner. The outbox is short, so it is read whole.
func (k OutboxKeeper) Forget(ctx context.Context, owner string) error {
	return k.Identity.Update(ctx, func(tx *identity.Tx) error {
		var old []identity.Found
		err := tx.Each(tableOutbox, "on_number", database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
			if f.Text("owner") == owner {
				old = append(old, f)
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		for i := range old {
			if err := tx.Remove(&old[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

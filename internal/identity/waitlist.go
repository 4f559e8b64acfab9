package identity

import (
	"context"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// Bounds of an entry's own fields; ours.
const (
	maxWaitFields = 20
	maxWaitField  = 1000
	waitPrefix    = "wl_user_"
	waitlistName  = "waitlist_"
)

// WaiterID is "wl_user_…".
type WaiterID string

// WaiterState says what became of somebody who waits.
type WaiterState string

// The states of a waiter.
const (
	WaiterPending  WaiterState = "pending"
	WaiterApproved WaiterState = "approved"
	WaiterDenied   WaiterState = "denied"
)

// Waiter is somebody on an environment's waitlist, of which there is one.
type Waiter struct {
	ID          WaiterID
	Environment EnvironmentID
	Email       string
	State       WaiterState
	Fields      map[string]string // what they said of themselves; not to be trusted
	Approved    time.Time
	Created     time.Time
	Updated     time.Time
}

// Waitlist is the id of the environment's waitlist.
func (e *Environment) Waitlist() string {
	return waitlistName + strings.TrimPrefix(string(e.ID), environmentPrefix)
}

// waitlistTables are the tables of this file.
var waitlistTables = []database.TableDef{
	{Name: tableWaiters, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_state", Fields: []string{"environment", "state", "id"}},
		{Name: "on_email", Fields: []string{"environment", "email_key"}},
	}},
}

// waiterRow writes a waiter.
func waiterRow(w *Waiter) Row {
	_, k, _ := ParseEmail(w.Email)
	return Row{
		Text("id", w.ID), Text("environment", w.Environment), Text("email", w.Email), Text("email_key", k), Text("state", w.State),
		Map("fields", w.Fields), Time("approved", w.Approved), Time("created", w.Created), Time("updated", w.Updated),
	}
}

// readWaiter is the reverse of waiterRow.
func readWaiter(r Record) *Waiter {
	return &Waiter{
		ID: WaiterID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Email: r.Text("email"), State: WaiterState(r.Text("state")),
		Fields: r.Map("fields"), Approved: r.Time("approved"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// knownWaitlist refuses any id but the waitlist's own and "default".
func (tx *Tx) knownWaitlist(id EnvironmentID, waitlist string) (*Environment, error) {
	e, err := tx.Environment(id)
	if err == nil && waitlist != "default" && waitlist != e.Waitlist() {
		err = notFound("Waitlist", waitlist)
	}
	return e, err
}

// JoinWaitlist puts an address on the waitlist. One that is there already stays as
// it is; fresh is false then.
func (tx *Tx) JoinWaitlist(id EnvironmentID, waitlist, email string, fields map[string]string) (w *Waiter, fresh bool, err error) {
	if _, err := tx.knownWaitlist(id, waitlist); err != nil {
		return nil, false, err
	}
	email, k, ok := ParseEmail(email)
	if !ok {
		return nil, false, InvalidField("email", "email_invalid", "The email address is not valid.")
	}
	if len(fields) > maxWaitFields {
		return nil, false, InvalidField("additional_fields", "too_many_fields", "Give at most %d additional fields.", maxWaitFields)
	}
	for name, text := range fields {
		if name == "" || len(name) > maxMetadataKey || len(text) > maxWaitField {
			return nil, false, InvalidField("additional_fields", "field_too_long", "Names of additional fields have 1 to %d bytes, texts at most %d.", maxMetadataKey, maxWaitField)
		}
	}
	f, err := tx.First(tableWaiters, "on_email", string(id), k)
	if err != nil {
		return nil, false, err
	}
	if f != nil {
		return readWaiter(f.Record), false, nil
	}
	u, err := tx.First(tableUsers, "on_email", string(id), k)
	if err != nil {
		return nil, false, err
	}
	if u != nil {
		return nil, false, InvalidField("email", "user_already_exists", "There is a user with this email address already; nothing to wait for.")
	}
	w = &Waiter{ID: WaiterID(tx.newID(waitPrefix)), Environment: id, Email: email, State: WaiterPending, Fields: fields, Created: tx.now, Updated: tx.now}
	if err := tx.Add(tableWaiters, waiterRow(w)); err != nil {
		return nil, false, err
	}
	return w, true, tx.recordWaiter(w, "created")
}

// waiterBy finds the row of a waiter of the environment.
func (tx *Tx) waiterBy(id EnvironmentID, waiter WaiterID) (*Found, *Waiter, error) {
	f, err := tx.First(tableWaiters, "on_environment", string(id), string(waiter))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, notFound("Waitlist entry", string(waiter))
	}
	return f, readWaiter(f.Record), nil
}

// DecideWaiter approves or denies a waiter. Whoever is approved is invited; i is nil
// if they are invited or a user already.
func (tx *Tx) DecideWaiter(id EnvironmentID, waiter WaiterID, to WaiterState) (w *Waiter, i *Invitation, err error) {
	f, w, err := tx.waiterBy(id, waiter)
	if err != nil {
		return nil, nil, err
	}
	if w.State == to || w.State != WaiterPending && to == WaiterDenied {
		return nil, nil, InvalidField("state", "waitlist_entry_not_pending", "This entry is %s already.", w.State)
	}
	if w.State, w.Updated = to, tx.later(w.Updated); to == WaiterApproved {
		w.Approved = tx.now
		i, err = tx.CreateInvitation(id, NewInvitation{Email: w.Email})
		if e, ok := apierr.As(err); ok && (e.Code == "email_already_invited" || e.Code == "user_already_exists") {
			i, err = nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if err := tx.Put(f.Doc, waiterRow(w)); err != nil {
		return nil, nil, err
	}
	return w, i, tx.recordWaiter(w, string(to))
}

// DeleteWaiter takes somebody off the waitlist; an invitation stays.
func (tx *Tx) DeleteWaiter(id EnvironmentID, waiter WaiterID) error {
	f, _, err := tx.waiterBy(id, waiter)
	if err != nil {
		return err
	}
	return tx.Remove(f)
}

// Waiters lists who waits, or waited: of one state or address, if given.
func (s *Service) Waiters(ctx context.Context, id EnvironmentID, waitlist string, state WaiterState, email string, p Page) (l *List[Waiter], err error) {
	index, prefix := "on_environment", []string{string(id)}
	if state != "" {
		index, prefix = "on_state", append(prefix, string(state))
	}
	err = s.View(ctx, func(tx *Tx) error {
		if _, err := tx.knownWaitlist(id, waitlist); err != nil {
			return err
		}
		if email != "" {
			l, err = tx.waiterOfEmail(id, state, email, p)
			return err
		}
		l, err = page(tx, tableWaiters, index, prefix, p, func(r Record) (Waiter, string, bool) {
			w := readWaiter(r)
			return *w, string(w.ID), true
		})
		return err
	})
	return l, err
}

// waiterOfEmail lists the one waiter of an address, or nobody.
func (tx *Tx) waiterOfEmail(id EnvironmentID, state WaiterState, email string, p Page) (*List[Waiter], error) {
	var ids []string
	var w *Waiter
	if _, k, ok := ParseEmail(email); ok {
		f, err := tx.First(tableWaiters, "on_email", string(id), k)
		if err != nil {
			return nil, err
		}
		if f != nil && (state == "" || f.Text("state") == string(state)) {
			w = readWaiter(f.Record)
			ids = []string{string(w.ID)}
		}
	}
	return pageOf(ids, p, func(string) (*Waiter, error) { return w, nil })
}

// recordWaiter writes what happened to a waiter (workos-operations.md, WaitlistUser).
func (tx *Tx) recordWaiter(w *Waiter, what string) error {
	e, err := tx.Environment(w.Environment)
	if err != nil {
		return err
	}
	var approved *string
	if !w.Approved.IsZero() {
		approved = nullable(FormatTime(w.Approved))
	}
	return tx.Record(w.Environment, "waitlist_user."+what, map[string]any{
		"object": "waitlist_user", "id": w.ID, "email": w.Email, "state": w.State, "approved_at": approved, "waitlist_id": e.Waitlist(),
		"created_at": FormatTime(w.Created), "updated_at": FormatTime(w.Updated),
	})
}

package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
)

// waitlistObject is the environment's waitlist on the wire.
type waitlistObject struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// newWaitlistObject shows the waitlist of e, which is as old as e.
func newWaitlistObject(e *identity.Environment) waitlistObject {
	return waitlistObject{"waitlist", e.Waitlist(), identity.FormatTime(e.Created), identity.FormatTime(e.Created)}
}

// waiterObject is an entry of a waitlist on the wire.
type waiterObject struct {
	Object     string            `json:"object"`
	ID         string            `json:"id"`
	Email      string            `json:"email"`
	State      string            `json:"state"`
	ApprovedAt *string           `json:"approved_at"`
	Fields     map[string]string `json:"additional_fields"`
	WaitlistID string            `json:"waitlist_id"`
	CreatedAt  string            `json:"created_at"`
	UpdatedAt  string            `json:"updated_at"`
}

// waiter shows entries of the environment's waitlist.
func waiter(e *identity.Environment) func(*identity.Waiter) waiterObject {
	return func(w *identity.Waiter) waiterObject {
		o := waiterObject{"waitlist_entry", string(w.ID), w.Email, string(w.State), timeOrNull(w.Approved), w.Fields, e.Waitlist(),
			identity.FormatTime(w.Created), identity.FormatTime(w.Updated)}
		if o.Fields == nil {
			o.Fields = map[string]string{}
		}
		return o
	}
}

// listWaitlists is GET /user_management/waitlists: there is one.
func (a *API) listWaitlists(w http.ResponseWriter, r *http.Request) error {
	return writeList(w, &identity.List[identity.Environment]{Data: []identity.Environment{*environment(r)}}, newWaitlistObject)
}

// getWaitlist is GET /user_management/waitlists/{id}.
func (a *API) getWaitlist(w http.ResponseWriter, r *http.Request) error {
	if id := r.PathValue("id"); id != "default" && id != environment(r).Waitlist() {
		return identity.NotFound("Waitlist", id)
	}
	return show(w, http.StatusOK, environment(r), nil, newWaitlistObject)
}

// listWaiters is GET /user_management/waitlists/{id}/entries.
func (a *API) listWaiters(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	state := identity.WaiterState(q.Get("state"))
	switch state {
	case "", identity.WaiterPending, identity.WaiterApproved, identity.WaiterDenied:
	default:
		return invalidField("state", "state_invalid", "A state is pending, approved or denied.")
	}
	list, err := a.Identity.Waiters(r.Context(), environment(r).ID, r.PathValue("id"), state, q.Get("email"), page)
	if err != nil {
		return err
	}
	return writeList(w, list, waiter(environment(r)))
}

// joinWaitlist is POST /user_management/waitlists/{id}/entries.
func (a *API) joinWaitlist(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Email   string            `json:"email"`
		Fields  map[string]string `json:"additional_fields"`
		Confirm bool              `json:"send_confirmation_email"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	status := http.StatusOK
	entry, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Waiter, error) {
		entry, fresh, err := tx.JoinWaitlist(env, r.PathValue("id"), b.Email, b.Fields)
		if status = http.StatusOK; fresh {
			status = http.StatusCreated
		}
		return entry, err
	})
	if err == nil && b.Confirm && status == http.StatusCreated {
		err = a.Letters.SendWaiting(environment(r), entry.Email)
	}
	return show(w, status, entry, err, waiter(environment(r)))
}

// decide approves or denies an entry; whoever is approved is invited by mail.
func (a *API) decide(w http.ResponseWriter, r *http.Request, to identity.WaiterState) error {
	var invited *sent
	entry, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Waiter, error) {
		entry, i, err := tx.DecideWaiter(env, identity.WaiterID(r.PathValue("id")), to)
		if invited = nil; err == nil && i != nil {
			invited, err = letterOf(tx, i)
		}
		return entry, err
	})
	if err == nil && invited != nil {
		err = a.Letters.SendInvitation(environment(r), invited.Invitation, a.acceptURL(r, invited.Invitation), invited.who, invited.organization)
	}
	return show(w, http.StatusOK, entry, err, waiter(environment(r)))
}

// approveWaiter is POST /user_management/waitlist_entries/{id}/approve.
func (a *API) approveWaiter(w http.ResponseWriter, r *http.Request) error {
	return a.decide(w, r, identity.WaiterApproved)
}

// denyWaiter is POST /user_management/waitlist_entries/{id}/deny.
func (a *API) denyWaiter(w http.ResponseWriter, r *http.Request) error {
	return a.decide(w, r, identity.WaiterDenied)
}

// deleteWaiter is DELETE /user_management/waitlist_entries/{id}.
func (a *API) deleteWaiter(w http.ResponseWriter, r *http.Request) error {
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		return tx.DeleteWaiter(env, identity.WaiterID(r.PathValue("id")))
	})
}

package server

import (
	"time"
)

// DeploymentStatus is how a deployment beside the home one stands.
type DeploymentStatus struct {
	Name  string `json:"name"`
	State string `json:"state"` // open, closed, or unavailable
	// Reason is why it is unavailable.
	Reason        string `json:"reason,omitempty"`
	Sockets       int    `json:"sockets"`
	Requests      int    `json:"requests"` // being answered
	Subscriptions int    `json:"subscriptions"`
	StoreBytes    int64  `json:"storeBytes,omitempty"` // while open
	// NextJob is when a closed one is opened for a scheduled function or cron job.
	NextJob *time.Time `json:"nextJob,omitempty"`
	// Expires is when it will be deleted.
	Expires *time.Time `json:"expires,omitempty"`
}

// status takes the picture of all but home, and notes what a person should know.
func (f *fleet) status(st *Status) (all []DeploymentStatus) {
	for _, b := range f.all() {
		if b.home {
			continue
		}
		b.mu.Lock()
		d := DeploymentStatus{Name: b.name, State: "closed", Requests: b.uses}
		open := b.vessel != nil
		switch {
		case open:
			d.State = "open"
		case b.fault != nil:
			d.State, d.Reason = "unavailable", b.fault.Error()
		}
		if !open && !b.due.IsZero() {
			due := b.due.UTC()
			d.NextJob = &due
		}
		if !b.expires.IsZero() {
			expires := b.expires.UTC()
			d.Expires = &expires
		}
		b.mu.Unlock()
		if v, done := b.peek(); v != nil {
			db := v.deployment.DB.Stats()
			d.Sockets, d.Subscriptions, d.StoreBytes = v.sync.Connections(), db.Subscriptions, db.DiskBytes
			done()
		}
		if d.State == "unavailable" {
			st.problem("the deployment %s cannot be opened: %s", d.Name, d.Reason)
		}
		if d.Expires != nil && time.Until(*d.Expires) < expiryNotice {
			st.problem("the deployment %s expires at %s and will be deleted with its data", d.Name, d.Expires.Format(time.RFC3339))
		}
		all = append(all, d)
	}
	return all
}

package mail

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// defaultOutboxLimit is how many messages an Outbox keeps unless told otherwise;
// enough for a long test run, little enough to forget about.
const defaultOutboxLimit = 500

// Keeper makes an outbox outlive the process. Append stores a message and may
// drop the oldest ones beyond limit; Load gives what is stored, oldest first.
type Keeper interface {
	Append(ctx context.Context, d Delivered, limit int) error
	Load(ctx context.Context) ([]Delivered, error)
	// Forget drops the messages of an owner.
	Forget(ctx context.Context, owner string) error
}

// Outbox is a Sender for development: it sends nothing and keeps the newest
// messages for a page to show. The zero value is ready.
type Outbox struct {
	Limit int    // messages kept; 0 means 500
	Keep  Keeper // optional

	mu     sync.Mutex // guards the rest; held over calls of Keep so that its order is ours
	loaded bool
	last   uint64
	ring   []Delivered // oldest first
}

// load fetches what Keep holds, once. The caller holds mu.
func (o *Outbox) load(ctx context.Context) error {
	if o.loaded || o.Keep == nil {
		return nil
	}
	kept, err := o.Keep.Load(ctx)
	if err != nil {
		return err
	}
	o.ring = append(kept, o.ring...)
	for _, d := range o.ring {
		o.last = max(o.last, d.ID)
	}
	o.loaded = true
	return nil
}

// limit is the number of messages to keep.
func (o *Outbox) limit() int {
	if o.Limit > 0 {
		return o.Limit
	}
	return defaultOutboxLimit
}

// Send keeps m.
func (o *Outbox) Send(ctx context.Context, m Message) error {
	if err := m.Validate(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.load(ctx); err != nil {
		return err
	}
	d := Delivered{Message: m, ID: o.last + 1, Time: time.Now().UTC()}
	if o.Keep != nil {
		if err := o.Keep.Append(ctx, d, o.limit()); err != nil {
			return err
		}
	}
	o.last = d.ID
	o.ring = append(o.ring, d)
	if n := len(o.ring) - o.limit(); n > 0 {
		o.ring = slices.Delete(o.ring, 0, n)
	}
	return nil
}

// List gives the kept messages to an address, whatever its case, newest first;
// all messages if to is empty.
func (o *Outbox) List(ctx context.Context, to string) ([]Delivered, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.load(ctx); err != nil {
		return nil, err
	}
	out := make([]Delivered, 0, len(o.ring))
	for _, d := range slices.Backward(o.ring) {
		if to == "" || strings.EqualFold(d.To, to) {
			out = append(out, d)
		}
	}
	return out, nil
}

// Forget drops the messages of an owner.
func (o *Outbox) Forget(ctx context.Context, owner string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.load(ctx); err != nil {
		return err
	}
	if o.Keep != nil {
		if err := o.Keep.Forget(ctx, owner); err != nil {
			return err
		}
	}
	o.ring = slices.DeleteFunc(o.ring, func(d Delivered) bool { return d.Owner == owner })
	return nil
}

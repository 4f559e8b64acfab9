package authkit

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// keepRenewal is how long the successor of a refresh token is remembered, for
// requests that were sent with the older cookie.
const keepRenewal = 30 * time.Second

// maxRenewals bounds the remembered successors; the oldest go first.
const maxRenewals = 10_000

// renewal is the exchange of one refresh token, which all requests with it share.
type renewal struct {
	done  chan struct{}
	began time.Time
	next  *sealedSession
	err   error
}

// renew exchanges a session for its successor; remembered says that it was exchanged some
// time ago already.
func (k *Kit) renew(ctx context.Context, s *sealedSession) (next *sealedSession, remembered bool, err error) {
	k.mu.Lock()
	r := k.renewals[s.RefreshToken]
	if r != nil {
		select {
		case <-r.done:
			remembered = true
		default:
		}
	}
	if r == nil {
		k.forget()
		r = &renewal{done: make(chan struct{}), began: k.now()}
		k.renewals[s.RefreshToken] = r
		// The exchange goes on when the request that began it goes away: others wait for it.
		go k.exchange(context.WithoutCancel(ctx), s, r)
	}
	k.mu.Unlock()
	select {
	case <-r.done:
		return r.next, remembered, r.err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// exchange does it.
func (k *Kit) exchange(ctx context.Context, s *sealedSession, r *renewal) {
	defer close(r.done)
	more := map[string]any{"refresh_token": s.RefreshToken}
	if c, ok := readClaims(s.AccessToken); ok && c.OrganizationID != "" {
		more["organization_id"] = c.OrganizationID
	}
	r.next, r.err = k.grant(ctx, "refresh_token", more)
	if r.err != nil {
		// A failure is not remembered: the next request may try again.
		k.mu.Lock()
		delete(k.renewals, s.RefreshToken)
		k.mu.Unlock()
		k.log.Info("authkit: session could not be renewed", "final", final(r.err), "err", r.err)
	}
}

// forget drops what is too old, and something if there is too much. k.mu is held.
func (k *Kit) forget() {
	for t, r := range k.renewals {
		if k.now().Sub(r.began) > keepRenewal || len(k.renewals) >= maxRenewals {
			select {
			case <-r.done:
				delete(k.renewals, t)
			default: // still under way
			}
		}
	}
}

// final says whether the identity service has ended a session, rather than failed
// to answer about it.
func final(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status/100 == 4 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

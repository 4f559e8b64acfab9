package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// How Run works. An endpoint is disabled when nothing arrived for disableAfter and a
// delivery to it is given up.
const (
	maxActive      = 16
	maxPerEndpoint = 4
	idle           = time.Minute // between looks when nothing calls
	leastRest      = 5 * time.Millisecond
	mostRest       = time.Second
	pageOfEvents   = 100
	fewNames       = 8    // up to which the history is asked by name
	farBehind      = 1000 // events looked at in vain after which an endpoint's place is written down
	keepDeliveries = 30 * 24 * time.Hour
	sweepEvery     = time.Hour
	keepAnswer     = 300 // bytes of an answer that is no 2xx
	disableAfter   = 5 * 24 * time.Hour
)

// Run reads the history for all endpoints and delivers what is due, until ctx ends;
// requests under way are broken off then and made again by the next process.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	swept := time.Now()
	for {
		changed, began := s.Identity.EventsRecorded(), time.Now()
		next, err := s.turn(ctx, &wg)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("webhooks not looked at", "err", err)
		}
		if time.Since(swept) > sweepEvery {
			swept = time.Now()
			if err := s.Identity.Sweep(ctx, tableDeliveries, database.ByCreationTime, swept.Add(-keepDeliveries)); err != nil && ctx.Err() == nil {
				s.Log.Warn("old webhook deliveries not swept", "err", err)
			}
		}
		rest := min(max(leastRest, time.Since(began)), mostRest)
		t := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-s.kick:
		case <-t.C:
		}
		t.Reset(rest) // looking takes half of the time at most, however much happens
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// turn looks at every endpoint once and says when to look again at the latest.
func (s *Service) turn(ctx context.Context, wg *sync.WaitGroup) (next time.Duration, err error) {
	var all []*Endpoint
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		all = all[:0]
		return tx.Each(tableEndpoints, "on_status", prefix(string(Enabled)), asc, func(f identity.Found) (bool, error) {
			e, err := s.readEndpoint(f.Record)
			all = append(all, e)
			return true, err
		})
	})
	next = idle
	for _, e := range all {
		if err == nil {
			err = s.queue(ctx, e)
		}
		if err != nil {
			return next, err
		}
		wait, err := s.start(ctx, e, wg)
		if err != nil {
			return next, err
		}
		next = min(next, wait)
	}
	return next, err
}

// place is how far an endpoint has been read, if that is beyond what its row says.
func (s *Service) place(id EndpointID) identity.EventID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[id]
}

// queue writes down deliveries of the events behind an endpoint's place.
func (s *Service) queue(ctx context.Context, e *Endpoint) error {
	at := max(e.cursor, s.place(e.ID))
	for vain := 0; ; {
		q := identity.EventQuery{After: at, Limit: pageOfEvents}
		if len(e.Events) <= fewNames {
			q.Names = e.Events
		}
		l, err := s.Identity.History(ctx, e.Environment, q)
		if err != nil {
			return err
		}
		var found []identity.Event
		for _, ev := range l.Data {
			at = ev.ID
			if vain++; slices.Contains(e.Events, ev.Name) {
				found = append(found, ev)
			}
		}
		if len(found) > 0 || vain >= farBehind {
			moved, err := s.advance(ctx, e, at, found)
			if err != nil || !moved {
				return err
			}
			e.cursor, vain = at, 0
		}
		s.mu.Lock()
		s.seen[e.ID] = at
		s.mu.Unlock()
		if l.After == "" {
			return nil
		}
	}
}

// advance moves an endpoint's place on and writes down what is to be delivered, in
// one transaction. moved is false if the endpoint is not as it was.
func (s *Service) advance(ctx context.Context, e *Endpoint, to identity.EventID, found []identity.Event) (moved bool, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		moved = false
		f, now, err := s.endpoint(tx, e.Environment, e.ID)
		if apierr.KindOf(err) == apierr.NotFound {
			return nil
		}
		if err != nil || now.Status != Enabled || now.cursor != e.cursor || !slices.Equal(now.Events, e.Events) {
			return err
		}
		for i := range found {
			if err := tx.Add(tableDeliveries, deliveryRow(newDelivery(tx, e.Environment, e.ID, &found[i]))); err != nil {
				return err
			}
		}
		moved = true
		return tx.Patch(f, identity.Row{identity.Text("cursor", to)})
	})
	return moved, err
}

// start begins deliveries to an endpoint that are due, as far as there is room, and
// says when the next one is.
func (s *Service) start(ctx context.Context, e *Endpoint, wg *sync.WaitGroup) (next time.Duration, err error) {
	next = idle
	var due []*Delivery
	now := time.Now()
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		due, next = due[:0], idle
		in := prefix(string(e.ID))
		in.Lower = value.AppendKey(identity.Key(string(e.ID)), value.Float64(1)) // 0 is done
		return tx.Each(tableDeliveries, "on_due", in, asc, func(f identity.Found) (bool, error) {
			d := readDelivery(f.Record)
			if wait := d.Due.Sub(now); wait > 0 {
				next = min(next, wait)
				return false, nil
			}
			s.mu.Lock()
			_, running := s.active[d.ID]
			s.mu.Unlock()
			if !running {
				due = append(due, d)
			}
			return len(due) < maxPerEndpoint, nil
		})
	})
	for _, d := range due {
		if !s.take(d) {
			break // whoever ends wakes us
		}
		wg.Go(func() {
			defer s.wake()
			defer s.leave(d)
			if err := s.deliver(ctx, d); err != nil && ctx.Err() == nil {
				s.Log.Warn("webhook delivery not recorded", "delivery", d.ID, "err", err)
			}
		})
	}
	return next, err
}

// take makes room for a delivery; false if there is none.
func (s *Service) take(d *Delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.active) >= maxActive || s.busy[d.Endpoint] >= maxPerEndpoint {
		return false
	}
	s.active[d.ID] = struct{}{}
	s.busy[d.Endpoint]++
	return true
}

// leave is the reverse of take.
func (s *Service) leave(d *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, d.ID)
	if s.busy[d.Endpoint]--; s.busy[d.Endpoint] == 0 {
		delete(s.busy, d.Endpoint)
	}
}

// deliver makes one attempt and records it.
func (s *Service) deliver(ctx context.Context, d *Delivery) error {
	var e *Endpoint
	var env *identity.Environment
	var ev *identity.Event
	err := s.Identity.View(ctx, func(tx *identity.Tx) (err error) {
		var f *identity.Found
		if f, _, err = delivery(tx, d.Environment, d.ID); err != nil {
			return err
		}
		if d = readDelivery(f.Record); d.State != Pending {
			return nil
		}
		if _, e, err = s.endpoint(tx, d.Environment, d.Endpoint); err != nil {
			return err
		}
		if env, err = tx.Environment(d.Environment); err != nil {
			return err
		}
		ev, err = tx.Event(d.Environment, d.Event)
		if apierr.KindOf(err) == apierr.NotFound {
			err = nil // forgotten meanwhile
		}
		return err
	})
	switch {
	case apierr.KindOf(err) == apierr.NotFound:
		return nil // deleted while it waited
	case err != nil:
		return err
	case d.State != Pending || e.Status != Enabled:
		return nil
	case d.Due.After(time.Now()):
		return nil // an attempt was recorded since whoever begins this one looked
	case ev == nil:
		return s.record(ctx, env, d, Attempt{At: time.Now(), Error: "the event is no longer in the history"}, false)
	}
	body, err := payload(ev)
	if err != nil {
		return err
	}
	a, _ := s.send(ctx, env, e.URL, e.Secret, body)
	if ctx.Err() != nil {
		return nil // the house is closing; the next process tries again
	}
	return s.record(ctx, env, d, a, a.Status >= 200 && a.Status < 300)
}

// send posts a signed body and tells what came of it, with the answer's body.
func (s *Service) send(ctx context.Context, env *identity.Environment, url, secret string, body []byte) (a Attempt, answer []byte) {
	a.At = time.Now().UTC()
	defer func() { a.Took = time.Since(a.At).Round(time.Millisecond) }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		a.Error = "the URL cannot be called"
		return a, nil
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Lentil-Webhooks/1.0")
	r.Header.Set(SignatureHeader, sign(secret, time.Now(), body))
	res, err := s.Ways.For(env.Kind.Outbound()).Do(r)
	if err != nil {
		a.Error = clip(reason(err))
		return a, nil
	}
	defer res.Body.Close()
	a.Status = res.StatusCode
	answer, err = io.ReadAll(res.Body)
	switch {
	case a.Status < 200 || a.Status > 299:
		a.Error = clip(string(answer))
	case err != nil:
		a.Error = clip(reason(err))
	}
	return a, answer
}

// reason is the cause of a failed request without the URL, which may hold a secret.
func reason(err error) string {
	for {
		u := errors.Unwrap(err)
		if u == nil {
			return err.Error()
		}
		err = u
	}
}

// clip shortens what others say to what is worth keeping.
func clip(s string) string {
	if len(s) > keepAnswer {
		s = s[:keepAnswer]
	}
	if !utf8.ValidString(s) {
		return string(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD")))
	}
	return s
}

// record writes down an attempt, and with it when the next one is and what the
// endpoint's health is.
func (s *Service) record(ctx context.Context, env *identity.Environment, d *Delivery, a Attempt, arrived bool) error {
	if s.Attempted != nil {
		outcome := "failed"
		if arrived {
			outcome = "delivered"
		}
		s.Attempted(outcome)
	}
	wait, again := backoff(env.Kind, d.Attempts+1)
	var disabled *Endpoint
	err := s.Identity.Update(context.WithoutCancel(ctx), func(tx *identity.Tx) error {
		disabled = nil
		f, now, err := delivery(tx, d.Environment, d.ID)
		if err != nil {
			return err
		}
		now.Log = append(now.Log, a)
		now.Attempts++
		now.Updated = tx.Now()
		switch {
		case arrived:
			now.State, now.Due = Delivered, time.Time{}
		case again:
			now.State, now.Due = Pending, time.Now().Add(wait)
		default:
			now.State, now.Due = Failed, time.Time{}
		}
		if err := tx.Put(f.Doc, deliveryRow(now)); err != nil {
			return err
		}
		ef, e, err := s.endpoint(tx, d.Environment, d.Endpoint)
		if err != nil {
			return err
		}
		switch {
		case arrived && !e.failing.IsZero():
			return tx.Patch(ef, identity.Row{identity.Time("failing", time.Time{})})
		case arrived:
			return nil
		case e.failing.IsZero():
			return tx.Patch(ef, identity.Row{identity.Time("failing", a.At)})
		case now.State == Failed && a.At.Sub(e.failing) > disableAfter && e.Status == Enabled:
			e.Status, e.Reason = Disabled, fmt.Sprintf("Nothing arrived since %s.", identity.FormatTime(e.failing))
			disabled = e
			return tx.Put(ef.Doc, s.endpointRow(e))
		}
		return nil
	})
	if apierr.KindOf(err) == apierr.NotFound {
		return nil // deleted meanwhile
	}
	if err == nil && disabled != nil {
		s.Log.Warn("webhook endpoint disabled, nothing arrived for days", "endpoint", disabled.ID, "environment", env.ID, "failing_since", disabled.failing)
	}
	return err
}

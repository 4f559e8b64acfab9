package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Short names for what scans of indexes take.
const asc = database.Asc

// prefix is the part of an index whose first fields have the values.
func prefix(values ...string) database.Interval { return database.Prefix(identity.Key(values...)) }

// deliveryPrefix is how ids of deliveries begin.
const deliveryPrefix = "webhook_delivery_"

// keepLog is how many attempts a delivery remembers.
const keepLog = 12

// DeliveryID is "webhook_delivery_…".
type DeliveryID string

// State says what became of a delivery.
type State string

// The states.
const (
	Pending   State = "pending"   // due, or waiting for the next attempt
	Delivered State = "delivered" // answered with a 2xx
	Failed    State = "failed"    // every attempt failed: a dead letter, until it is replayed
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID          DeliveryID
	Environment identity.EnvironmentID
	Endpoint    EndpointID
	Event       identity.EventID
	Name        string // of the event
	State       State
	Attempts    int       // since it was made or replayed
	Due         time.Time // of the next attempt; zero if there is none
	Log         []Attempt // the latest, oldest first
	Created     time.Time
	Updated     time.Time
}

// Attempt is one request and what came of it.
type Attempt struct {
	At     time.Time     `json:"at"`
	Status int           `json:"status,omitempty"` // of the answer; 0 if there was none
	Error  string        `json:"error,omitempty"`  // why there was none, or the beginning of one that was no 2xx
	Took   time.Duration `json:"took"`
}

// deliveryRow writes a delivery.
func deliveryRow(d *Delivery) identity.Row {
	log := make([]string, 0, len(d.Log))
	for _, a := range d.Log[max(0, len(d.Log)-keepLog):] {
		b, _ := json.Marshal(a) // of text and numbers
		log = append(log, string(b))
	}
	return identity.Row{
		identity.Text("id", d.ID), identity.Text("environment", d.Environment), identity.Text("endpoint", d.Endpoint), identity.Text("event", d.Event),
		identity.Text("name", d.Name), identity.Text("state", d.State), identity.Number("attempts", d.Attempts), identity.Time("due", d.Due),
		identity.Texts("log", log), identity.Time("created", d.Created), identity.Time("updated", d.Updated),
	}
}

// readDelivery is the reverse of deliveryRow.
func readDelivery(r identity.Record) *Delivery {
	d := &Delivery{
		ID: DeliveryID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Endpoint: EndpointID(r.Text("endpoint")),
		Event: identity.EventID(r.Text("event")), Name: r.Text("name"), State: State(r.Text("state")), Attempts: int(r.Number("attempts")),
		Due: r.Time("due"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
	for _, line := range r.Texts("log") {
		var a Attempt
		if json.Unmarshal([]byte(line), &a) == nil {
			d.Log = append(d.Log, a)
		}
	}
	return d
}

// schedule is how long is waited after each failed attempt, before jitter: six
// attempts over three days where real users depend on them, over minutes elsewhere
// (workos-api.md §6.1).
func schedule(kind identity.EnvironmentKind) []time.Duration {
	if kind == identity.Production {
		return []time.Duration{time.Minute, 15 * time.Minute, 2 * time.Hour, 12 * time.Hour, 58 * time.Hour}
	}
	return []time.Duration{2 * time.Second, 8 * time.Second, 30 * time.Second, 2 * time.Minute, 8 * time.Minute}
}

// backoff is the wait after so many failed attempts, give or take a fifth, so that
// an endpoint that comes back is not met by everything at once; ok is false if there
// is to be no further attempt.
func backoff(kind identity.EnvironmentKind, attempts int) (wait time.Duration, ok bool) {
	s := schedule(kind)
	if attempts > len(s) {
		return 0, false
	}
	d := s[max(attempts, 1)-1]
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64())), true
}

// DeliveryQuery says which deliveries of an environment are wanted.
type DeliveryQuery struct {
	identity.Page
	Endpoint EndpointID // any if empty
	State    State      // any if empty
}

// Deliveries lists the delivery log.
func (s *Service) Deliveries(ctx context.Context, env identity.EnvironmentID, q DeliveryQuery) (l *identity.List[Delivery], err error) {
	index, first := "on_environment", string(env)
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if q.Endpoint != "" {
			if _, _, err := s.endpoint(tx, env, q.Endpoint); err != nil {
				return err
			}
			index, first = "on_endpoint", string(q.Endpoint)
		}
		l, err = identity.PageOf(tx, tableDeliveries, index, []string{first}, q.Page, func(r identity.Record) (Delivery, string, bool) {
			d := readDelivery(r)
			return *d, string(d.ID), q.State == "" || d.State == q.State
		})
		return err
	})
	return l, err
}

// delivery finds a delivery of an environment and its row.
func delivery(tx *identity.Tx, env identity.EnvironmentID, id DeliveryID) (*identity.Found, *Delivery, error) {
	f, err := tx.First(tableDeliveries, "on_environment", string(env), string(id))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, identity.NotFound("Webhook delivery", string(id))
	}
	return f, readDelivery(f.Record), nil
}

// Delivery finds a delivery.
func (s *Service) Delivery(ctx context.Context, env identity.EnvironmentID, id DeliveryID) (d *Delivery, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, d, err = delivery(tx, env, id)
		return err
	})
	return d, err
}

// Replay delivers once more, whatever became of the delivery, with a full set of
// attempts.
func (s *Service) Replay(ctx context.Context, env identity.EnvironmentID, id DeliveryID) (d *Delivery, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, d, err = delivery(tx, env, id); err != nil {
			return err
		}
		_, e, err := s.endpoint(tx, env, d.Endpoint)
		if err != nil {
			return err
		}
		if e.Status != Enabled {
			return apierr.New(apierr.Conflict, "endpoint_disabled", "The webhook endpoint is disabled; enable it first.")
		}
		if _, err := tx.Event(env, d.Event); err != nil {
			return err
		}
		d.State, d.Attempts, d.Due, d.Updated = Pending, 0, time.Now(), tx.Now()
		return tx.Put(f.Doc, deliveryRow(d))
	})
	if err == nil {
		s.wake()
	}
	return d, err
}

// Test sends the newest event of a name, or of any that the endpoint subscribes to,
// to one endpoint: what it gets is genuine.
func (s *Service) Test(ctx context.Context, env identity.EnvironmentID, id EndpointID, name string) (d *Delivery, err error) {
	e, err := s.Endpoint(ctx, env, id)
	if err != nil {
		return nil, err
	}
	names := e.Events
	if name != "" {
		if !identity.WebhookEvent(name) {
			return nil, invalid("event", "There is no event %.100q that webhooks carry.", name)
		}
		names = []string{name}
	}
	if e.Status != Enabled {
		return nil, apierr.New(apierr.Conflict, "endpoint_disabled", "The webhook endpoint is disabled; enable it first.")
	}
	newest, err := s.Identity.NewestEvent(ctx, env)
	if err != nil {
		return nil, err
	}
	l, err := s.Identity.History(ctx, env, identity.EventQuery{Names: names, Before: newest + "~", Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(l.Data) == 0 {
		return nil, apierr.New(apierr.BadRequest, "no_such_event_yet", "No such event has happened yet; create a user, for example, and try again.")
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, _, err := s.endpoint(tx, env, id); err != nil {
			return err
		}
		d = newDelivery(tx, env, id, &l.Data[0])
		return tx.Add(tableDeliveries, deliveryRow(d))
	})
	if err == nil {
		s.wake()
	}
	return d, err
}

// newDelivery is a delivery that is due now: by the house's clock, which a test may
// have put ahead in its environment.
func newDelivery(tx *identity.Tx, env identity.EnvironmentID, to EndpointID, ev *identity.Event) *Delivery {
	return &Delivery{ID: DeliveryID(identity.NewID(deliveryPrefix)), Environment: env, Endpoint: to, Event: ev.ID, Name: ev.Name, State: Pending,
		Due: time.Now(), Created: tx.Now(), Updated: tx.Now()}
}

// payload is the body of a delivery (workos-api.md §6.1).
func payload(ev *identity.Event) ([]byte, error) {
	b, err := json.Marshal(struct {
		ID        identity.EventID `json:"id"`
		Event     string           `json:"event"`
		Data      json.RawMessage  `json:"data"`
		CreatedAt string           `json:"created_at"`
		Context   json.RawMessage  `json:"context,omitempty"`
	}{ev.ID, ev.Name, ev.Data, identity.FormatTime(ev.Created), ev.Context})
	if err != nil {
		return nil, fmt.Errorf("webhook: encode event %s: %w", ev.ID, err)
	}
	return canonical(b)
}

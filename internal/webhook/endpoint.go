package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Bounds of endpoints.
const (
	maxEndpoints   = 50 // of an environment
	maxSecret      = 200
	minSecret      = 16
	endpointPrefix = "we_"
	purposeSecret  = "webhook endpoint secret"
)

// EndpointID is "we_…".
type EndpointID string

// Status says whether an endpoint is told anything.
type Status string

// The statuses.
const (
	Enabled  Status = "enabled"
	Disabled Status = "disabled"
)

// Endpoint is an address that is told of events.
type Endpoint struct {
	ID          EndpointID
	Environment identity.EnvironmentID
	URL         string
	Secret      string // signs what is sent
	Status      Status
	Reason      string // why it is disabled, if the house did it
	Events      []string
	Created     time.Time
	Updated     time.Time

	cursor  identity.EventID // the newest event that was looked at
	failing time.Time        // since when nothing arrived; zero if the last delivery did
}

// endpointRow writes an endpoint.
func (s *Service) endpointRow(e *Endpoint) identity.Row {
	return identity.Row{
		identity.Text("id", e.ID), identity.Text("environment", e.Environment), identity.Text("url", e.URL),
		identity.Text("secret", s.Identity.Sealer.Seal(purposeSecret, []byte(e.Secret))), identity.Text("status", e.Status),
		identity.Text("reason", e.Reason), identity.Texts("events", e.Events), identity.Text("cursor", e.cursor),
		identity.Time("failing", e.failing), identity.Time("created", e.Created), identity.Time("updated", e.Updated),
	}
}

// readEndpoint is the reverse of endpointRow.
func (s *Service) readEndpoint(r identity.Record) (*Endpoint, error) {
	secret, err := s.Identity.Sealer.Open(purposeSecret, r.Text("secret"))
	if err != nil {
		return nil, fmt.Errorf("webhook: unseal secret of %s: %w", r.Text("id"), err)
	}
	return &Endpoint{
		ID: EndpointID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), URL: r.Text("url"), Secret: string(secret),
		Status: Status(r.Text("status")), Reason: r.Text("reason"), Events: r.Texts("events"), cursor: identity.EventID(r.Text("cursor")),
		failing: r.Time("failing"), Created: r.Time("created"), Updated: r.Time("updated"),
	}, nil
}

// endpoint finds an endpoint of an environment and its row.
func (s *Service) endpoint(tx *identity.Tx, env identity.EnvironmentID, id EndpointID) (*identity.Found, *Endpoint, error) {
	f, err := tx.First(tableEndpoints, "on_environment", string(env), string(id))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, identity.NotFound("Webhook endpoint", string(id))
	}
	e, err := s.readEndpoint(f.Record)
	return f, e, err
}

// Endpoints lists an environment's endpoints.
func (s *Service) Endpoints(ctx context.Context, env identity.EnvironmentID, p identity.Page) (l *identity.List[Endpoint], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		var fault error
		l, err = identity.PageOf(tx, tableEndpoints, "on_environment", []string{string(env)}, p, func(r identity.Record) (Endpoint, string, bool) {
			e, err := s.readEndpoint(r)
			if err != nil {
				fault = err
				return Endpoint{}, "", false
			}
			return *e, string(e.ID), true
		})
		if err == nil {
			err = fault
		}
		return err
	})
	return l, err
}

// Endpoint finds an endpoint.
func (s *Service) Endpoint(ctx context.Context, env identity.EnvironmentID, id EndpointID) (e *Endpoint, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, e, err = s.endpoint(tx, env, id)
		return err
	})
	return e, err
}

// NewEndpoint is what a caller says of an endpoint to be made. Secret is chosen if
// empty; seeds bring one along.
type NewEndpoint struct {
	URL    string
	Secret string
	Events []string
}

// CreateEndpoint registers an address, which hears of what happens from now on.
func (s *Service) CreateEndpoint(ctx context.Context, env *identity.Environment, n NewEndpoint) (*Endpoint, error) {
	if n.Secret == "" {
		n.Secret = newSecret()
	}
	least := minSecret
	if env.Kind != identity.Production {
		least = 1 // tests know theirs by heart
	}
	if len(n.Secret) < least || len(n.Secret) > maxSecret {
		return nil, invalid("secret", "A webhook secret has %d to %d characters.", least, maxSecret)
	}
	events, err := checkEvents(n.Events)
	if err != nil {
		return nil, err
	}
	if err := env.Kind.Outbound().Check(n.URL); err != nil {
		return nil, err
	}
	newest, err := s.Identity.NewestEvent(ctx, env.ID)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{ID: EndpointID(identity.NewID(endpointPrefix)), Environment: env.ID, URL: n.URL, Secret: n.Secret, Status: Enabled, Events: events, cursor: newest}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if err := s.free(tx, env.ID, n.URL); err != nil {
			return err
		}
		all, err := tx.All(tableEndpoints, "on_environment", string(env.ID))
		if err != nil {
			return err
		}
		if len(all) >= maxEndpoints {
			return apierr.New(apierr.BadRequest, "too_many_endpoints", "An environment has at most %d webhook endpoints; delete one first.", maxEndpoints)
		}
		e.Created, e.Updated = tx.Now(), tx.Now()
		return tx.Add(tableEndpoints, s.endpointRow(e))
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	return e, nil
}

// newSecret makes a secret of 130 bits.
func newSecret() string { return rand.Text() }

// free refuses an address that is registered already.
func (s *Service) free(tx *identity.Tx, env identity.EnvironmentID, url string) error {
	taken, err := tx.First(tableEndpoints, "on_url", string(env), url)
	if err == nil && taken != nil {
		err = apierr.New(apierr.Conflict, "duplicate_endpoint", "There is a webhook endpoint for this URL already.")
	}
	return err
}

// EndpointChange is what is to become of an endpoint; nil fields stay.
type EndpointChange struct {
	URL    *string
	Status *Status
	Events *[]string
}

// UpdateEndpoint changes an endpoint. One that is enabled again hears of what
// happens from then on; what was due when it was disabled is delivered.
func (s *Service) UpdateEndpoint(ctx context.Context, env *identity.Environment, id EndpointID, c EndpointChange) (e *Endpoint, err error) {
	var events []string
	if c.Events != nil {
		if events, err = checkEvents(*c.Events); err != nil {
			return nil, err
		}
	}
	if c.Status != nil && *c.Status != Enabled && *c.Status != Disabled {
		return nil, invalid("status", "The status is %q or %q.", Enabled, Disabled)
	}
	if c.URL != nil {
		if err := env.Kind.Outbound().Check(*c.URL); err != nil {
			return nil, err
		}
	}
	newest, err := s.Identity.NewestEvent(ctx, env.ID)
	if err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, e, err = s.endpoint(tx, env.ID, id); err != nil {
			return err
		}
		if c.URL != nil && *c.URL != e.URL {
			if err := s.free(tx, env.ID, *c.URL); err != nil {
				return err
			}
			e.URL = *c.URL
		}
		if c.Status != nil && *c.Status != e.Status {
			e.Status, e.Reason, e.failing = *c.Status, "", time.Time{}
			if e.Status == Enabled {
				e.cursor = max(e.cursor, newest)
			}
		}
		if events != nil {
			// What it did not subscribe to when it happened stays unsaid.
			e.Events, e.cursor = events, max(e.cursor, s.place(id))
		}
		e.Updated = tx.Now()
		if !e.Updated.After(f.Time("updated")) {
			e.Updated = f.Time("updated").Add(time.Millisecond)
		}
		return tx.Put(f.Doc, s.endpointRow(e))
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	return e, nil
}

// DeleteEndpoint removes an endpoint and all that was for it.
func (s *Service) DeleteEndpoint(ctx context.Context, env identity.EnvironmentID, id EndpointID) error {
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, _, err := s.endpoint(tx, env, id)
		if err != nil {
			return err
		}
		return tx.Remove(f)
	})
	s.mu.Lock()
	delete(s.seen, id)
	s.mu.Unlock()
	for more := err == nil; more && err == nil; {
		err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
			more, err = s.forget(tx, id)
			return err
		})
	}
	return err
}

// forget removes some of an endpoint's deliveries and says whether there are more.
func (s *Service) forget(tx *identity.Tx, id EndpointID) (more bool, err error) {
	const batch = 200
	var rows []identity.Found
	err = tx.Each(tableDeliveries, "on_endpoint", prefix(string(id)), asc, func(f identity.Found) (bool, error) {
		rows = append(rows, f)
		return len(rows) < batch, nil
	})
	for i := range rows {
		if err == nil {
			err = tx.Remove(&rows[i])
		}
	}
	return len(rows) == batch, err
}

// checkEvents refuses names that webhooks do not carry and sorts the rest.
func checkEvents(names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, invalid("events", "Name at least one event.")
	}
	for _, n := range names {
		if !identity.WebhookEvent(n) {
			return nil, invalid("events", "There is no event %.100q that webhooks carry.", n)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names))), nil
}

// Fault names what is wrong with one member; the front lists it.
type Fault struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// invalid refuses the value of one member.
func invalid(field, format string, args ...any) error {
	e := apierr.New(apierr.BadRequest, "invalid_request_parameters", format, args...)
	return e.With([]Fault{{"invalid_" + field, field, e.Message}})
}

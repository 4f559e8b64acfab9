package dashboard

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// shownMails is how many messages the outbox page shows.
const shownMails = 100

// outboxView shows what the environment has mailed, where mail stays in the house.
type outboxView struct {
	*signIn
	Kept  bool // mail stays here
	Mails []mail.Delivered
	To    string
}

func (outboxView) template() string { return "workos-outbox" }
func (outboxView) heading() string  { return "Mail" }

// showOutbox lists the messages, newest first. There is none where mail is really
// sent, and none of an environment with real users.
func (s *Site) showOutbox(p *signIn) (view, error) {
	out := &outboxView{signIn: p, To: strings.TrimSpace(p.Q("to")), Kept: s.Outbox != nil && !p.Production()}
	if !out.Kept {
		return out, nil
	}
	may, err := p.May("provision") // codes sign people in: whoever only looks must not read them
	if err != nil || !may {
		return out, err
	}
	list, err := s.Outbox.List(p.ctx, out.To)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.Owner == string(p.Env.ID) && len(out.Mails) < shownMails {
			out.Mails = append(out.Mails, m)
		}
	}
	p.every = liveHealth // the outbox tells nobody
	return out, nil
}

// eventsView shows what happened in the environment.
type eventsView struct {
	*signIn
	Rows  []eventRow
	Name  string
	After string // the id from which older ones begin
}

// eventRow is an event with its data for people.
type eventRow struct {
	identity.Event
	Text string
	Open bool
}

func (eventsView) template() string { return "workos-events" }
func (eventsView) heading() string  { return "Events" }

// shownEvents is how many events a page shows.
const shownEvents = 50

// showEvents lists events, newest first.
func (s *Site) showEvents(p *signIn) (view, error) {
	out := &eventsView{signIn: p, Name: strings.TrimSpace(p.Q("name"))}
	var names []string
	if out.Name != "" {
		names = []string{out.Name}
	}
	l, err := s.Identity.LatestEvents(p.ctx, p.Env.ID, names, identity.EventID(p.Q("after")), shownEvents)
	if err != nil {
		return nil, err
	}
	for _, e := range l.Data {
		var b bytes.Buffer
		if json.Indent(&b, e.Data, "", "  ") != nil {
			b.Write(e.Data)
		}
		out.Rows = append(out.Rows, eventRow{Event: e, Text: b.String()})
	}
	out.After = l.After
	return out, nil
}

// webhooksView shows endpoints and what was delivered to them.
type webhooksView struct {
	*signIn
	Endpoints  []endpointRow
	Deliveries []deliveryRow
	Reveal     string // the endpoint whose secret is shown
	State      string
}

// endpointRow is an endpoint; its secret is shown on demand.
type endpointRow struct {
	webhook.Endpoint
	Shown bool
}

// deliveryRow is a delivery with its last attempt.
type deliveryRow struct {
	webhook.Delivery
	Last *webhook.Attempt
	To   string
}

func (webhooksView) template() string { return "workos-webhooks" }
func (webhooksView) heading() string  { return "Webhooks" }

// showWebhooks lists endpoints and deliveries.
func (s *Site) showWebhooks(p *signIn) (view, error) {
	out := &webhooksView{signIn: p, State: p.Q("state")}
	if s.Webhooks == nil {
		return out, nil
	}
	may, err := p.May("endpoint")
	if err != nil {
		return nil, err
	}
	l, err := s.Webhooks.Endpoints(p.ctx, p.Env.ID, identity.Page{Limit: listed, Order: identity.OldestFirst})
	if err != nil {
		return nil, err
	}
	urls := map[webhook.EndpointID]string{}
	for _, e := range l.Data {
		shown := may && p.Q("reveal") == string(e.ID)
		urls[e.ID] = e.URL
		if !shown {
			e.Secret = ""
		}
		out.Endpoints = append(out.Endpoints, endpointRow{e, shown})
	}
	d, err := s.Webhooks.Deliveries(p.ctx, p.Env.ID, webhook.DeliveryQuery{Page: identity.Page{Limit: shownEvents}, State: webhook.State(out.State)})
	if err != nil {
		return nil, err
	}
	for _, x := range d.Data {
		r := deliveryRow{Delivery: x, To: urls[x.Endpoint]}
		if n := len(x.Log); n > 0 {
			r.Last = &x.Log[n-1]
		}
		out.Deliveries = append(out.Deliveries, r)
	}
	return out, nil
}

// hooks is the room of webhooks, or an error where there is none.
func (s *Site) hooks() (*webhook.Service, error) {
	if s.Webhooks == nil {
		return nil, apierr.New(apierr.Unsupported, "NoWebhooks", "This house delivers no webhooks.")
	}
	return s.Webhooks, nil
}

// addEndpoint registers an address. Events are separated by commas or spaces.
func (s *Site) addEndpoint(p *signIn) (string, error) {
	h, err := s.hooks()
	if err != nil {
		return "", err
	}
	events := strings.FieldsFunc(p.PostForm.Get("events"), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' })
	e, err := h.CreateEndpoint(p.ctx, p.Env, webhook.NewEndpoint{URL: strings.TrimSpace(p.PostForm.Get("url")), Events: events})
	if err != nil {
		return "", err
	}
	p.Say("%s hears of what happens from now on.", e.URL)
	return p.Base() + "/webhooks?reveal=" + string(e.ID), nil
}

// switchEndpoint enables or disables an endpoint.
func (s *Site) switchEndpoint(p *signIn) (string, error) {
	h, err := s.hooks()
	if err != nil {
		return "", err
	}
	to := webhook.Status(p.PostForm.Get("status"))
	if !slices.Contains([]webhook.Status{webhook.Enabled, webhook.Disabled}, to) {
		return "", apierr.New(apierr.BadRequest, "InvalidStatus", "An endpoint is enabled or disabled.")
	}
	if _, err := h.UpdateEndpoint(p.ctx, p.Env, webhook.EndpointID(p.PostForm.Get("id")), webhook.EndpointChange{Status: &to}); err != nil {
		return "", err
	}
	p.Say("The endpoint is %s.", to)
	return "", nil
}

// deleteEndpoint removes one.
func (s *Site) deleteEndpoint(p *signIn) (string, error) {
	h, err := s.hooks()
	if err != nil {
		return "", err
	}
	if err := h.DeleteEndpoint(p.ctx, p.Env.ID, webhook.EndpointID(p.PostForm.Get("id"))); err != nil {
		return "", err
	}
	p.Say("Removed.")
	return "", nil
}

// testEndpoint sends an event that is marked as a test.
func (s *Site) testEndpoint(p *signIn) (string, error) {
	h, err := s.hooks()
	if err != nil {
		return "", err
	}
	if _, err := h.Test(p.ctx, p.Env.ID, webhook.EndpointID(p.PostForm.Get("id")), ""); err != nil {
		return "", err
	}
	p.Say("A test is on its way; it appears among the deliveries.")
	return "", nil
}

// replayDelivery delivers once more.
func (s *Site) replayDelivery(p *signIn) (string, error) {
	h, err := s.hooks()
	if err != nil {
		return "", err
	}
	if _, err := h.Replay(p.ctx, p.Env.ID, webhook.DeliveryID(p.PostForm.Get("id"))); err != nil {
		return "", err
	}
	p.Say("It is delivered once more.")
	return "", nil
}

package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// webhookRoutes are about webhook endpoints, and, for operators, what was sent to
// them.
func (a *API) webhookRoutes() []Route {
	return []Route{
		{"GET", "/webhook_endpoints", "listWebhookEndpoints", "key", corsNone, false, a.listWebhookEndpoints},
		{"POST", "/webhook_endpoints", "createWebhookEndpoint", "key", corsNone, false, a.createWebhookEndpoint},
		{"PATCH", "/webhook_endpoints/{id}", "updateWebhookEndpoint", "key", corsNone, false, a.updateWebhookEndpoint},
		{"DELETE", "/webhook_endpoints/{id}", "deleteWebhookEndpoint", "key", corsNone, false, a.deleteWebhookEndpoint},
		{"POST", "/_lentil/v1/webhook_endpoints/{id}/test", "", "key", corsNone, false, a.testWebhookEndpoint},
		{"GET", "/_lentil/v1/webhook_deliveries", "", "key", corsNone, false, a.listWebhookDeliveries},
		{"GET", "/_lentil/v1/webhook_deliveries/{id}", "", "key", corsNone, false, a.getWebhookDelivery},
		{"POST", "/_lentil/v1/webhook_deliveries/{id}/replay", "", "key", corsNone, false, a.replayWebhookDelivery},
		{"GET", "/_lentil/v1/actions", "", "key", corsNone, false, a.listActions},
		{"PUT", "/_lentil/v1/actions/{kind}", "", "key", corsNone, false, a.putAction},
		{"DELETE", "/_lentil/v1/actions/{kind}", "", "key", corsNone, false, a.deleteAction},
	}
}

// webhookEndpointObject is a webhook endpoint.
type webhookEndpointObject struct {
	Object    string   `json:"object"`
	ID        string   `json:"id"`
	URL       string   `json:"endpoint_url"`
	Secret    string   `json:"secret"`
	Status    string   `json:"status"`
	Events    []string `json:"events"`
	CreatedAt string   `json:"created_at"`
	UpdatedAt string   `json:"updated_at"`
}

// newWebhookEndpointObject shows e.
func newWebhookEndpointObject(e *webhook.Endpoint) webhookEndpointObject {
	return webhookEndpointObject{"webhook_endpoint", string(e.ID), e.URL, e.Secret, string(e.Status), e.Events,
		identity.FormatTime(e.Created), identity.FormatTime(e.Updated)}
}

// listWebhookEndpoints is GET /webhook_endpoints.
func (a *API) listWebhookEndpoints(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Webhooks.Endpoints(r.Context(), environment(r).ID, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newWebhookEndpointObject)
}

// createWebhookEndpoint is POST /webhook_endpoints. The public description knows no
// secret; seeds have one.
func (a *API) createWebhookEndpoint(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		URL    string   `json:"endpoint_url"`
		Events []string `json:"events"`
		Secret string   `json:"secret"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	e, err := a.Webhooks.CreateEndpoint(r.Context(), environment(r), webhook.NewEndpoint{URL: body.URL, Events: body.Events, Secret: body.Secret})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newWebhookEndpointObject(e))
	return nil
}

// updateWebhookEndpoint is PATCH /webhook_endpoints/{id}.
func (a *API) updateWebhookEndpoint(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		URL    *string         `json:"endpoint_url"`
		Status *webhook.Status `json:"status"`
		Events *[]string       `json:"events"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	e, err := a.Webhooks.UpdateEndpoint(r.Context(), environment(r), webhook.EndpointID(r.PathValue("id")),
		webhook.EndpointChange{URL: body.URL, Status: body.Status, Events: body.Events})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newWebhookEndpointObject(e))
	return nil
}

// deleteWebhookEndpoint is DELETE /webhook_endpoints/{id}.
func (a *API) deleteWebhookEndpoint(w http.ResponseWriter, r *http.Request) error {
	if err := a.Webhooks.DeleteEndpoint(r.Context(), environment(r).ID, webhook.EndpointID(r.PathValue("id"))); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// webhookDeliveryObject is one event on its way to one endpoint.
type webhookDeliveryObject struct {
	Object     string                 `json:"object"`
	ID         string                 `json:"id"`
	EndpointID string                 `json:"webhook_endpoint_id"`
	EventID    string                 `json:"event_id"`
	Event      string                 `json:"event"`
	State      string                 `json:"state"`
	Attempts   int                    `json:"attempts"`
	NextAt     *string                `json:"next_attempt_at"`
	Log        []webhookAttemptObject `json:"log"`
	CreatedAt  string                 `json:"created_at"`
	UpdatedAt  string                 `json:"updated_at"`
}

// webhookAttemptObject is one request and what came of it.
type webhookAttemptObject struct {
	At       string  `json:"at"`
	Status   *int    `json:"status"`
	Error    *string `json:"error"`
	Duration int64   `json:"duration_ms"`
}

// newWebhookDeliveryObject shows d.
func newWebhookDeliveryObject(d *webhook.Delivery) webhookDeliveryObject {
	o := webhookDeliveryObject{"webhook_delivery", string(d.ID), string(d.Endpoint), string(d.Event), d.Name, string(d.State), d.Attempts,
		timeOrNull(d.Due), []webhookAttemptObject{}, identity.FormatTime(d.Created), identity.FormatTime(d.Updated)}
	for _, at := range d.Log {
		line := webhookAttemptObject{At: identity.FormatTime(at.At), Error: orNull(at.Error), Duration: at.Took.Milliseconds()}
		if at.Status != 0 {
			line.Status = &at.Status
		}
		o.Log = append(o.Log, line)
	}
	return o
}

// listWebhookDeliveries is the delivery log: of an endpoint or of all, in one state
// or in any.
func (a *API) listWebhookDeliveries(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := webhook.DeliveryQuery{Page: page, Endpoint: webhook.EndpointID(r.URL.Query().Get("webhook_endpoint_id")), State: webhook.State(r.URL.Query().Get("state"))}
	switch q.State {
	case "", webhook.Pending, webhook.Delivered, webhook.Failed:
	default:
		return invalidField("state", "invalid_state", "state must be pending, delivered or failed.")
	}
	list, err := a.Webhooks.Deliveries(r.Context(), environment(r).ID, q)
	if err != nil {
		return err
	}
	return writeList(w, list, newWebhookDeliveryObject)
}

// getWebhookDelivery shows one delivery.
func (a *API) getWebhookDelivery(w http.ResponseWriter, r *http.Request) error {
	return a.showDelivery(w)(a.Webhooks.Delivery(r.Context(), environment(r).ID, webhook.DeliveryID(r.PathValue("id"))))
}

// replayWebhookDelivery delivers once more.
func (a *API) replayWebhookDelivery(w http.ResponseWriter, r *http.Request) error {
	return a.showDelivery(w)(a.Webhooks.Replay(r.Context(), environment(r).ID, webhook.DeliveryID(r.PathValue("id"))))
}

// testWebhookEndpoint sends the newest event, of the name that the body may give, to
// one endpoint.
func (a *API) testWebhookEndpoint(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Event string `json:"event"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	return a.showDelivery(w)(a.Webhooks.Test(r.Context(), environment(r).ID, webhook.EndpointID(r.PathValue("id")), body.Event))
}

// showDelivery answers with a delivery or the error that there was instead.
func (a *API) showDelivery(w http.ResponseWriter) func(*webhook.Delivery, error) error {
	return func(d *webhook.Delivery, err error) error {
		if err == nil {
			writeJSON(w, http.StatusOK, newWebhookDeliveryObject(d))
		}
		return err
	}
}

package workos

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWebhookEndpointsOverTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	arrived := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Header.Get("WorkOS-Signature")
	}))
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Webhooks.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	made := h.call("POST", "/webhook_endpoints", map[string]any{"endpoint_url": srv.URL, "events": []string{"user.created"}}).want(http.StatusCreated)
	id := made.text("id")
	if s := made.text("secret"); len(s) < 20 || made.text("status") != "enabled" {
		t.Errorf("%s", made.raw)
	}
	if c := h.call("POST", "/webhook_endpoints", map[string]any{"endpoint_url": srv.URL, "events": []string{"user.created"}}).want(http.StatusConflict).text("code"); c != "duplicate_endpoint" {
		t.Error(c)
	}
	seeded := h.call("POST", "/webhook_endpoints", map[string]any{"endpoint_url": srv.URL + "/seeded", "events": []string{"user.deleted"}, "secret": "whsec"}).want(http.StatusCreated)
	if seeded.text("secret") != "whsec" {
		t.Errorf("%s", seeded.raw)
	}
	h.call("DELETE", "/webhook_endpoints/"+seeded.text("id"), nil).want(http.StatusNoContent)
	if c := h.call("POST", "/webhook_endpoints", map[string]any{"endpoint_url": "http://10.0.0.1/", "events": []string{"user.created"}}).want(http.StatusUnprocessableEntity).text("code"); c != "invalid_url" {
		t.Error(c)
	}
	bad := h.call("POST", "/webhook_endpoints", map[string]any{"endpoint_url": srv.URL + "/b", "events": []string{"user.exploded"}}).want(http.StatusUnprocessableEntity)
	if bad.text("code") != "invalid_request_parameters" || bad.size("errors") != 1 || bad.text("errors", 0, "message") == "" {
		t.Errorf("%s", bad.raw)
	}
	h.call("POST", "/user_management/users", map[string]any{"email": "ada@example.com"}).want(http.StatusCreated)
	if s := <-arrived; !strings.HasPrefix(s, "t=") {
		t.Errorf("signature %q", s)
	}
	list := h.call("GET", "/_lentil/v1/webhook_deliveries?webhook_endpoint_id="+id, nil).want(http.StatusOK)
	if list.size("data") != 1 || list.text("data", 0, "event") != "user.created" {
		t.Fatalf("%s", list.raw)
	}
	delivery := list.text("data", 0, "id")
	for h.call("GET", "/_lentil/v1/webhook_deliveries/"+delivery, nil).want(http.StatusOK).text("state") != "delivered" {
		time.Sleep(time.Millisecond) // the answer arrives before it is written down
	}
	h.call("POST", "/_lentil/v1/webhook_deliveries/"+delivery+"/replay", nil).want(http.StatusOK)
	<-arrived
	h.call("POST", "/_lentil/v1/webhook_endpoints/"+id+"/test", map[string]any{"event": "user.created"}).want(http.StatusOK)
	<-arrived
	h.call("GET", "/_lentil/v1/webhook_deliveries?state=odd", nil).want(http.StatusUnprocessableEntity)
	h.call("GET", "/_lentil/v1/webhook_deliveries/webhook_delivery_x", nil).want(http.StatusNotFound)
	h.call("POST", "/_lentil/v1/webhook_endpoints/we_x/test", nil).want(http.StatusNotFound)

	changed := h.call("PATCH", "/webhook_endpoints/"+id, map[string]any{"status": "disabled", "events": []string{"user.deleted", "user.created"}}).want(http.StatusOK)
	if changed.text("status") != "disabled" || changed.size("events") != 2 || changed.text("updated_at") <= made.text("updated_at") {
		t.Errorf("%s", changed.raw)
	}
	h.call("PATCH", "/webhook_endpoints/"+id, map[string]any{"status": "odd"}).want(http.StatusUnprocessableEntity)
	h.call("POST", "/_lentil/v1/webhook_deliveries/"+delivery+"/replay", nil).want(http.StatusConflict)
	if n := h.call("GET", "/webhook_endpoints", nil).want(http.StatusOK).size("data"); n != 1 {
		t.Errorf("%d endpoints", n)
	}
	h.call("DELETE", "/webhook_endpoints/"+id, nil).want(http.StatusNoContent)
	if c := h.call("DELETE", "/webhook_endpoints/"+id, nil).want(http.StatusNotFound).text("code"); c != "entity_not_found" {
		t.Error(c)
	}
}

func TestActionsOverTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.call("PUT", "/_lentil/v1/actions/authentication", map[string]any{"endpoint_url": "http://localhost:3000/action", "timeout_ms": 2000}).want(http.StatusOK)
	if made.text("on_failure") != "Deny" || made.text("kind") != "authentication" || len(made.text("secret")) < 20 {
		t.Errorf("%s", made.raw)
	}
	changed := h.call("PUT", "/_lentil/v1/actions/authentication", map[string]any{"on_failure": "Allow", "enabled": false}).want(http.StatusOK)
	if changed.text("secret") != made.text("secret") || changed.text("on_failure") != "Allow" {
		t.Errorf("%s", changed.raw)
	}
	if n := h.call("GET", "/_lentil/v1/actions", nil).want(http.StatusOK).size("data"); n != 1 {
		t.Errorf("%d actions", n)
	}
	h.call("PUT", "/_lentil/v1/actions/authentication", map[string]any{"on_failure": "Perhaps"}).want(http.StatusUnprocessableEntity)
	h.call("PUT", "/_lentil/v1/actions/authentication", map[string]any{"timeout_ms": 1 << 60}).want(http.StatusUnprocessableEntity)
	h.call("PUT", "/_lentil/v1/actions/soup", map[string]any{"endpoint_url": "http://localhost:3000/action"}).want(http.StatusNotFound)
	h.call("PUT", "/_lentil/v1/actions/user_registration", map[string]any{}).want(http.StatusUnprocessableEntity)
	h.call("DELETE", "/_lentil/v1/actions/authentication", nil).want(http.StatusNoContent)
	h.call("DELETE", "/_lentil/v1/actions/authentication", nil).want(http.StatusNotFound)
}

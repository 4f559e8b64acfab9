package workos

import (
	"context"
	"encoding/csv"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// signedIn is a schema for the tests.
var signedIn = object{
	"actor":    object{"metadata": object{"type": "object", "properties": object{"role": object{"type": "string"}}}},
	"targets":  []object{{"type": "team", "metadata": object{"type": "object", "properties": object{"seats": object{"type": "number"}}, "required": []string{"seats"}}}, {"type": "user"}},
	"metadata": object{"type": "object", "properties": object{"mfa": object{"type": "boolean"}}, "additionalProperties": false},
}

// signIn is an event that fits it.
func signIn(at time.Time, actor string) object {
	return object{
		"action": "user.signed_in", "occurred_at": at.Format(time.RFC3339Nano),
		"actor":   object{"id": actor, "type": "user", "name": strings.ToUpper(actor), "metadata": object{"role": "admin"}},
		"targets": []object{{"id": "team_1", "type": "team", "metadata": object{"seats": 3}}},
		"context": object{"location": "192.0.2.1", "user_agent": "Chrome"}, "metadata": object{"mfa": true},
	}
}

// org makes an organisation.
func (h *house) org(name string) identity.OrganizationID {
	h.t.Helper()
	o, err := h.Identity.CreateOrganization(h.t.Context(), h.env.ID, identity.NewOrganization{Name: name})
	check(h.t, err)
	return o.ID
}

func TestAuditSchemasHaveVersions(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	first := h.call("POST", "/audit_logs/actions/user.signed_in/schemas", signedIn).want(201)
	if first.at("version") != 1.0 || first.text("targets", 0, "metadata", "properties", "seats", "type") != "number" || first.text("object") != "audit_log_schema" {
		t.Errorf("schema: %s", first.raw)
	}
	second := h.call("POST", "/audit_logs/actions/user.signed_in/schemas", object{"targets": []object{{"type": "door"}}}).want(201)
	if second.at("version") != 2.0 {
		t.Errorf("second: %s", second.raw)
	}
	page := h.call("GET", "/audit_logs/actions/user.signed_in/schemas?limit=1", nil).want(200)
	if page.at("data", 0, "version") != 2.0 {
		t.Errorf("page: %s", page.raw)
	}
	if rest := h.call("GET", "/audit_logs/actions/user.signed_in/schemas?after="+page.text("list_metadata", "after"), nil).want(200); rest.size("data") != 1 || rest.at("data", 0, "version") != 1.0 {
		t.Errorf("rest: %s", rest.raw)
	}
	actions := h.call("GET", "/audit_logs/actions", nil).want(200)
	if actions.size("data") != 1 || actions.text("data", 0, "name") != "user.signed_in" || actions.at("data", 0, "schema", "version") != 2.0 {
		t.Errorf("actions: %s", actions.raw)
	}
	h.call("GET", "/audit_logs/actions/nothing/schemas", nil).want(404)
	h.stranger().call("GET", "/audit_logs/actions/user.signed_in/schemas", nil).want(404)
	for _, bad := range []object{
		{"targets": []object{}}, {"targets": []object{{"type": ""}}}, {"targets": []object{{"type": "a"}, {"type": "a"}}},
		{"targets": []object{{"type": "a"}}, "metadata": object{"type": "thing"}},
		{"targets": []object{{"type": "a"}}, "metadata": object{"oneOf": []object{}}},
		{"targets": []object{{"type": "a"}}, "metadata": object{"properties": object{"x": object{"pattern": "("}}}},
	} {
		h.call("POST", "/audit_logs/actions/x/schemas", bad).want(422)
	}
}

func TestAuditEventsMustFitTheirSchema(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	org := h.org("Soup")
	h.call("POST", "/audit_logs/actions/user.signed_in/schemas", signedIn).want(201)
	send := func(change func(object), headers ...string) *answer {
		e := signIn(time.Now(), "ada")
		if change != nil {
			change(e)
		}
		return h.call("POST", "/audit_logs/events", object{"organization_id": org, "event": e}, headers...)
	}
	if ok := send(nil).want(200); ok.at("success") != true {
		t.Errorf("answer: %s", ok.raw)
	}
	for at, change := range map[string]func(object){
		"/metadata":                 func(e object) { e["metadata"] = object{"other": 1} },
		"/metadata/mfa":             func(e object) { e["metadata"] = object{"mfa": "yes"} },
		"/actor/metadata/role":      func(e object) { e["actor"].(object)["metadata"] = object{"role": 7} },
		"/targets/0/metadata":       func(e object) { e["targets"].([]object)[0]["metadata"] = object{} },
		"/targets/0/metadata/seats": func(e object) { e["targets"].([]object)[0]["metadata"] = object{"seats": "3"} },
		"/targets/0/type":           func(e object) { e["targets"] = []object{{"id": "x", "type": "boat"}} },
	} {
		no := send(change).want(400)
		if no.text("code") != "invalid_audit_log" || no.text("errors", 0, "instancePath") != at {
			t.Errorf("at %s: %s", at, no.raw)
		}
	}
	send(func(e object) { e["action"] = "unheard.of" }).want(404)
	send(func(e object) { e["version"] = 2 }).want(404)
	if no := send(func(e object) { delete(e["actor"].(object), "id") }).want(422); no.text("errors", 0, "field") != "event.actor.id" {
		t.Errorf("without an actor: %s", no.raw)
	}
	send(func(e object) { delete(e, "occurred_at") }).want(422)
	h.call("POST", "/audit_logs/events", object{"organization_id": "org_x", "event": signIn(time.Now(), "ada")}).want(404)
	at := time.Now()
	same := func(e object) { e["occurred_at"] = at.Format(time.RFC3339Nano) }
	send(same, "Idempotency-Key", "k").want(200)
	send(same, "Idempotency-Key", "k").want(200)
	send(func(e object) { same(e); e["metadata"] = object{} }, "Idempotency-Key", "k").want(400)
	n := 0
	check(t, h.Identity.View(t.Context(), func(tx *identity.Tx) error {
		rows, err := tx.All("audit_events", "on_organization", string(h.env.ID), string(org))
		n = len(rows)
		return err
	}))
	if n != 2 {
		t.Errorf("%d events are stored, wanted 2", n)
	}
}

func TestAuditExportsAreFilesOfWhatThereWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.AuditLogs.Run(ctx) }()
		defer func() { cancel(); check(t, <-done) }()
		org, other := h.org("Soup"), h.org("Salad")
		h.call("POST", "/audit_logs/actions/user.signed_in/schemas", signedIn).want(201)
		from := time.Now()
		for _, actor := range []string{"ada", "bob", "=cmd()", "ada"} {
			time.Sleep(time.Second)
			h.call("POST", "/audit_logs/events", object{"organization_id": org, "event": signIn(time.Now(), actor)}).want(200)
		}
		h.call("POST", "/audit_logs/events", object{"organization_id": other, "event": signIn(time.Now(), "eve")}).want(200)
		file := func(more object) [][]string {
			t.Helper()
			body := object{"organization_id": org, "range_start": from.Format(time.RFC3339), "range_end": time.Now().Format(time.RFC3339)}
			for k, v := range more {
				body[k] = v
			}
			made := h.call("POST", "/audit_logs/exports", body).want(201)
			if made.text("state") != "pending" || made.at("url") != nil {
				t.Errorf("made: %s", made.raw)
			}
			synctest.Wait()
			got := h.call("GET", "/audit_logs/exports/"+made.text("id"), nil).want(200)
			if got.text("state") != "ready" {
				t.Fatalf("state: %s", got.raw)
			}
			res := h.do("GET", got.text("url"), "")
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
				t.Fatalf("download: %d %v", res.StatusCode, res.Header)
			}
			rows, err := csv.NewReader(res.Body).ReadAll()
			check(t, err)
			return rows[1:]
		}
		all := file(nil)
		if len(all) != 4 || all[0][5] != "ada" || all[2][5] != "'=cmd()" || all[0][8] != `[{"id":"team_1","type":"team","metadata":{"seats":3}}]` || all[0][11] != `{"mfa":true}` {
			t.Errorf("all: %v", all)
		}
		for name, want := range map[string]int{"ada": 2, "bob": 1, "eve": 0} {
			if got := file(object{"actor_ids": []string{name}}); len(got) != want {
				t.Errorf("of %s: %v", name, got)
			}
		}
		if got := file(object{"actor_names": []string{"BOB"}}); len(got) != 1 {
			t.Errorf("of a name: %v", got)
		}
		if got := file(object{"actions": []string{"other"}}); len(got) != 0 {
			t.Errorf("of another action: %v", got)
		}
		if got := file(object{"targets": []string{"team"}, "range_end": from.Add(2 * time.Second).Format(time.RFC3339)}); len(got) != 2 {
			t.Errorf("of two seconds: %v", got)
		}
		h.call("POST", "/audit_logs/exports", object{"organization_id": org, "range_start": "2026-02-01T00:00:00Z", "range_end": "2026-01-01T00:00:00Z"}).want(400)
		h.call("POST", "/audit_logs/exports", object{"organization_id": "org_x", "range_start": "2026-01-01T00:00:00Z", "range_end": "2026-02-01T00:00:00Z"}).want(400)

		made := h.call("POST", "/audit_logs/exports", object{"organization_id": org, "range_start": from.Format(time.RFC3339), "range_end": time.Now().Format(time.RFC3339)}).want(201)
		synctest.Wait()
		url := h.call("GET", "/audit_logs/exports/"+made.text("id"), nil).text("url")
		if res := h.do("GET", url+"x", ""); res.StatusCode != 404 {
			t.Errorf("a changed link: %d", res.StatusCode)
		}
		time.Sleep(11 * time.Minute)
		if res := h.do("GET", url, ""); res.StatusCode != 404 {
			t.Errorf("an old link: %d", res.StatusCode)
		}
		fresh := h.call("GET", "/audit_logs/exports/"+made.text("id"), nil).text("url")
		res := h.do("GET", fresh, "")
		if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || len(b) == 0 {
			t.Errorf("a fresh link: %d", res.StatusCode)
		}
		h.stranger().call("GET", "/audit_logs/exports/"+made.text("id"), nil).want(404)
		time.Sleep(8 * 24 * time.Hour)
		synctest.Wait()
		h.call("GET", "/audit_logs/exports/"+made.text("id"), nil).want(404)
	})
}

func TestAuditEventsAreKeptAsLongAsWanted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		var unsure atomic.Bool // of the clock
		h.Identity.Doubt = unsure.Load
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.AuditLogs.Run(ctx) }()
		defer func() { cancel(); check(t, <-done) }()
		org := h.org("Soup")
		path := "/organizations/" + string(org) + "/audit_logs_retention"
		if got := h.call("GET", path, nil).want(200); got.at("retention_period_in_days") != nil {
			t.Errorf("unset: %s", got.raw)
		}
		if c := h.call("GET", "/organizations/"+string(org)+"/audit_log_configuration", nil).want(200); c.text("state") != "inactive" || c.at("retention_period_in_days") != 365.0 {
			t.Errorf("configuration: %s", c.raw)
		}
		h.call("PUT", path, object{"retention_period_in_days": 0}).want(422)
		h.call("PUT", path, object{}).want(422)
		if got := h.call("PUT", path, object{"retention_period": "2_MONTHS"}).want(200); got.at("retention_period_in_days") != 60.0 {
			t.Errorf("of the clients: %s", got.raw)
		}
		h.call("PUT", path, object{"retention_period_in_days": 30}).want(200)
		if c := h.call("GET", "/organizations/"+string(org)+"/audit_log_configuration", nil).want(200); c.text("state") != "active" || c.at("retention_period_in_days") != 30.0 {
			t.Errorf("configuration: %s", c.raw)
		}
		h.call("POST", "/audit_logs/actions/user.signed_in/schemas", signedIn).want(201)
		for _, age := range []int{45, 29, 1} {
			h.call("POST", "/audit_logs/events", object{"organization_id": org, "event": signIn(time.Now().AddDate(0, 0, -age), "ada")}).want(200)
		}
		count := func() (n int) {
			check(t, h.Identity.View(t.Context(), func(tx *identity.Tx) error {
				rows, err := tx.All("audit_events", "on_organization", string(h.env.ID), string(org))
				n = len(rows)
				return err
			}))
			return n
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if count() != 2 {
			t.Errorf("%d events are left, wanted 2", count())
		}
		unsure.Store(true)
		time.Sleep(40 * 24 * time.Hour)
		synctest.Wait()
		if count() != 2 {
			t.Errorf("%d events are left by a clock that may be wrong, wanted 2", count())
		}
		unsure.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if count() != 0 {
			t.Errorf("%d events are left, wanted none", count())
		}
		h.stranger().call("GET", path, nil).want(404)
		h.stranger().call("PUT", path, object{"retention_period_in_days": 3}).want(404)
	})
}

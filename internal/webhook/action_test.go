package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire/workos/contract"
)

// signed is an action's answer.
func signed(secret, object, payload string, ms int64) string {
	return fmt.Sprintf(`{"object":%q,"payload":%s,"signature":%q}`, object, payload, mac(secret, ms, []byte(payload)))
}

func TestActionsDecide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Development)
		ctx := t.Context()
		u, err := w.Identity.CreateUser(ctx, w.env.ID, identity.NewUser{Email: "ada@example.com", FirstName: "Ada"})
		must(t, err)
		about := ActionContext{User: u, Method: "Password", IPAddress: "192.0.2.1", UserAgent: "soup"}
		ask := func(kind ActionKind, c ActionContext) Verdict {
			t.Helper()
			v, err := w.Action(ctx, w.env, kind, c)
			must(t, err)
			return v
		}
		if ask(ActionAuthentication, about).Denied {
			t.Error("denied where nobody is asked")
		}
		e, err := w.PutAction(ctx, w.env, ActionAuthentication, ActionChange{URL: "http://app.example/action"})
		must(t, err)
		if !e.Enabled || e.OnFailure != Deny || len(e.Secret) < minSecret {
			t.Errorf("%+v", e)
		}
		now := time.Now().UnixMilli()
		payload := func(ms int64, verdict, more string) string {
			return fmt.Sprintf(`{"timestamp":%d,"verdict":%q%s}`, ms, verdict, more)
		}
		const object = "authentication_action_response"
		for name, tt := range map[string]struct {
			answer string
			status int
			denied bool
			says   string
		}{
			"allow":             {signed(e.Secret, object, payload(now, "Allow", ""), now), 200, false, ""},
			"deny":              {signed(e.Secret, object, payload(now, "Deny", ",\"error_message\":\"<Not> “here”\u2028\""), now), 200, true, "<Not> “here”\u2028"},
			"deny, 201":         {signed(e.Secret, object, payload(now, "Deny", ""), now), 201, true, ""},
			"unsigned":          {`{"object":"` + object + `","payload":` + payload(now, "Allow", "") + `}`, 200, true, ""},
			"another secret":    {signed(e.Secret+"x", object, payload(now, "Allow", ""), now), 200, true, ""},
			"another kind":      {signed(e.Secret, "user_registration_action_response", payload(now, "Allow", ""), now), 200, true, ""},
			"old":               {signed(e.Secret, object, payload(now-31_000, "Allow", ""), now-31_000), 200, true, ""},
			"of the future":     {signed(e.Secret, object, payload(now+31_000, "Allow", ""), now+31_000), 200, true, ""},
			"recent":            {signed(e.Secret, object, payload(now-29_000, "Allow", ""), now-29_000), 200, false, ""},
			"no verdict":        {signed(e.Secret, object, payload(now, "Maybe", ""), now), 200, true, ""},
			"changed":           {strings.Replace(signed(e.Secret, object, payload(now, "Deny", ""), now), "Deny", "Allow", 1), 200, true, ""},
			"an error":          {signed(e.Secret, object, payload(now, "Allow", ""), now), 500, true, ""},
			"a redirect":        {signed(e.Secret, object, payload(now, "Allow", ""), now), 302, true, ""},
			"no connection":     {"", 0, true, ""},
			"nothing":           {"", 200, true, ""},
			"no JSON":           {"<html>", 200, true, ""},
			"a payload's text":  {`{"object":"` + object + `","payload":"x","signature":""}`, 200, true, ""},
			"a very long story": {signed(e.Secret, object, payload(now, "Deny", `,"error_message":"`+strings.Repeat("é", 2000)+`"`), now), 200, true, strings.Repeat("é", maxMessage)},
		} {
			w.mu.Lock()
			w.answer = func(request, int) (int, string) { return tt.status, tt.answer }
			w.mu.Unlock()
			if v := ask(ActionAuthentication, about); v.Denied != tt.denied || v.Message != tt.says {
				t.Errorf("%s: %+v", name, v)
			}
		}
		_, err = w.PutAction(ctx, w.env, ActionAuthentication, ActionChange{OnFailure: Allow})
		must(t, err)
		w.mu.Lock()
		w.answer = func(request, int) (int, string) { return 0, "" }
		w.mu.Unlock()
		if ask(ActionAuthentication, about).Denied {
			t.Error("a failure counts as a denial where it should not")
		}

		// What was asked, and what was told of it.
		got := w.requests("app.example")[0]
		var body struct {
			ID, Object string
			User       struct{ Email string }
			Method     string `json:"authentication_method"`
			IP         string `json:"ip_address"`
		}
		must(t, json.Unmarshal([]byte(got.body), &body))
		if body.Object != "authentication_action_context" || body.User.Email != "ada@example.com" || body.Method != "Password" || body.IP != "192.0.2.1" || !strings.HasPrefix(got.signature, "t=") {
			t.Errorf("%s %s", got.body, got.signature)
		}
		l, err := w.Identity.Events(ctx, w.env.ID, []string{"action.authentication.denied"}, identity.Page{Limit: 100})
		must(t, err)
		if len(l.Data) != 16 {
			t.Errorf("%d denials", len(l.Data))
		}
		data, err := payloadOf(&l.Data[0])
		must(t, err)
		for _, v := range contract.Errors(contract.CheckEvent(data)) {
			t.Errorf("%s: %s", v, data)
		}
	})
}

// payloadOf is an event as lists show it.
func payloadOf(e *identity.Event) ([]byte, error) {
	b, err := payload(e)
	if err != nil {
		return nil, err
	}
	return append([]byte(`{"object":"event",`), b[1:]...), nil
}

func TestActionsHaveADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, identity.Development)
		w.answer = func(request, int) (int, string) { time.Sleep(time.Hour); return 200, "" }
		_, err := w.PutAction(t.Context(), w.env, ActionUserRegistration, ActionChange{URL: "http://app.example/action", Timeout: 2 * time.Second})
		must(t, err)
		v, err := w.Action(t.Context(), w.env, ActionUserRegistration, ActionContext{Email: "ada@example.com", FirstName: "Ada", InvitedTo: "org_1", Invitation: map[string]any{"id": "invitation_1"}})
		if err != nil || !v.Denied {
			t.Errorf("%+v %v", v, err)
		}
		if got := w.requests("app.example"); len(got) != 1 || !strings.Contains(got[0].body, `"user_data":{"email":"ada@example.com","first_name":"Ada","last_name":"","object":"user_data"}`) {
			t.Errorf("%+v", got)
		}
		l, err := w.Identity.Events(t.Context(), w.env.ID, []string{"action.user_registration.denied"}, identity.Page{})
		must(t, err)
		data, err := payloadOf(&l.Data[0])
		must(t, err)
		for _, v := range contract.Errors(contract.CheckEvent(data)) {
			t.Errorf("%s: %s", v, data)
		}
	})
}

func TestActionSettingsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, identity.Production)
	ctx := t.Context()
	for _, tt := range []struct {
		kind ActionKind
		c    ActionChange
		want string
	}{
		{"soup", ActionChange{URL: "https://app.example/"}, "entity_not_found"},
		{ActionAuthentication, ActionChange{}, "invalid_url"},
		{ActionAuthentication, ActionChange{URL: "https://127.0.0.1/"}, "invalid_url"},
		{ActionAuthentication, ActionChange{URL: "http://app.example/"}, "invalid_url"},
		{ActionAuthentication, ActionChange{URL: "https://app.example/", OnFailure: "Perhaps"}, "invalid_request_parameters"},
		{ActionAuthentication, ActionChange{URL: "https://app.example/", Timeout: time.Minute}, "invalid_request_parameters"},
		{ActionAuthentication, ActionChange{URL: "https://app.example/", Secret: "short"}, "invalid_request_parameters"},
	} {
		_, err := w.PutAction(ctx, w.env, tt.kind, tt.c)
		if e, ok := apierr.As(err); !ok || e.Code != tt.want {
			t.Errorf("%s %+v: %v", tt.kind, tt.c, err)
		}
	}
	if l, err := w.Actions(ctx, w.env.ID); err != nil || len(l) != 0 {
		t.Errorf("%+v %v", l, err)
	}
	no := false
	made, err := w.PutAction(ctx, w.env, ActionAuthentication, ActionChange{URL: "https://app.example/", Enabled: &no})
	must(t, err)
	again, err := w.PutAction(ctx, w.env, ActionAuthentication, ActionChange{Timeout: time.Second})
	must(t, err)
	if again.ID != made.ID || again.Secret != made.Secret || again.Enabled || again.Timeout != time.Second || again.URL != made.URL {
		t.Errorf("%+v, then %+v", made, again)
	}
	must(t, w.DeleteAction(ctx, w.env.ID, ActionAuthentication))
	if err := w.DeleteAction(ctx, w.env.ID, ActionAuthentication); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("%v", err)
	}
}

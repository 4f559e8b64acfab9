package workos

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

// createUser posts a user with an Idempotency-Key.
func (h *house) createUser(key, email string) *answer {
	return h.call("POST", "/user_management/users", map[string]any{"email": email}, "Idempotency-Key", key)
}

func TestIdempotencyKeyRepeatsTheAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	first := h.createUser("k1", "ada@example.com").want(201)
	again := h.createUser("k1", "ada@example.com").want(201)
	if string(first.raw) != string(again.raw) || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%s, then %s", first.raw, again.raw)
	}
	if again.header.Get("X-Request-Id") == first.header.Get("X-Request-Id") {
		t.Error("both answers have the same request id")
	}
	if a := h.createUser("k1", "bob@example.com").want(422); a.at("code") != "idempotency_key_reused" {
		t.Errorf("%s", a.raw)
	}
	// Without the key, or with another, it is another request.
	h.createUser("k2", "ada@example.com").want(400)
	// What was refused did nothing, and is tried again.
	id := first.at("id").(string)
	h.call("DELETE", "/user_management/users/"+id, nil).want(204)
	if a := h.createUser("k2", "ada@example.com").want(201); a.at("id") == id {
		t.Errorf("%s", a.raw)
	}
	// The same key means nothing on another path.
	h.call("POST", "/user_management/redirect_uris", map[string]any{"uri": "http://localhost:1/x"}, "Idempotency-Key", "k1").want(201)
	if a := h.createUser(strings.Repeat("k", 300), "x@example.com").want(422); !strings.Contains(string(a.raw), "Idempotency-Key") {
		t.Errorf("%s", a.raw)
	}
}

func TestIdempotencyKeyOfAnotherEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	first := h.createUser("k1", "ada@example.com").want(201)
	other, err := h.Identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	check(t, err)
	_, key, err := h.Identity.CreateAPIKey(t.Context(), other.ID, "k", "")
	check(t, err)
	h.key = key
	if a := h.createUser("k1", "ada@example.com").want(201); a.at("id") == first.at("id") {
		t.Errorf("%s", a.raw)
	}
}

func TestIdempotencyKeysAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	var wg sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		wg.Go(func() {
			answers[i] = string(h.createUser(fmt.Sprint("k", i%2), fmt.Sprintf("u%d@example.com", i%2)).raw)
		})
	}
	wg.Wait()
	for i, a := range answers {
		if a != answers[i%2] || !strings.Contains(a, fmt.Sprintf("u%d@", i%2)) {
			t.Errorf("%d: %s", i, a)
		}
	}
	list := h.call("GET", "/user_management/users", nil).want(200)
	if n := len(list.at("data").([]any)); n != 2 {
		t.Errorf("%d users", n)
	}
	if len(h.running.keys) != 0 {
		t.Errorf("still running: %v", h.running.keys)
	}
}

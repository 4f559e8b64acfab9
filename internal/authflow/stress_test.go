package authflow_test

import (
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// TestCrowdRefreshesAndSignsInAtOnce is one user with many devices: nobody is
// refused because others write the same rows.
func TestCrowdRefreshesAndSignsInAtOnce(t *testing.T) {
	t.Parallel()
	h := restart(t, persistence.NewMemory(), "0123456789abcdef")
	var err error
	h.env, err = h.ids.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "Test"})
	must(t, err)
	hash, err := cheap().Hash(t.Context(), goodPassword)
	must(t, err)
	_, err = h.ids.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@example.com", EmailVerified: true, PasswordHash: hash})
	must(t, err)
	h.flow.Hasher = &authflow.Hasher{Memory: 64, Passes: 1, Queue: 1000}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			begun, err := h.flow.Begin(t.Context(), authflow.Visitor{}, h.request())
			if err != nil {
				t.Error(err)
				return
			}
			v := authflow.Visitor{Browser: begun.Browser}
			s, err := h.flow.Submit(t.Context(), v, begun.Attempt, authflow.EnterPassword{Email: "ada@example.com", Password: goodPassword})
			if err != nil {
				t.Error(err)
				return
			}
			if problem(s) == "too_many_attempts" {
				return // fifty at once look like guessing until they succeed
			}
			g, err := h.redeem(codeOf(t, s, h.request().State))
			if err != nil {
				t.Error(err)
				return
			}
			var tabs sync.WaitGroup
			for range 10 {
				tabs.Go(func() {
					if _, err := h.refresh(g.RefreshToken); err != nil {
						t.Error(err)
					}
				})
			}
			tabs.Wait()
		})
	}
	wg.Wait()
}

package convex_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/convex"
	"github.com/lentil-dev/lentil/internal/server"
)

// workos calls the house's identity API.
func (h *house) workos(ctx context.Context, path string, body map[string]any, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.AuthKitURL+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+h.APIKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// user is somebody signed in, whose tokens are renewed as AuthKit's clients do.
type user struct {
	h       *house
	ID      string
	mu      sync.Mutex
	access  string
	refresh string
	renewed int
}

// signIn makes a user and signs in with a password.
func (h *house) signIn(t testing.TB) *user {
	t.Helper()
	u := &user{h: h}
	var made struct{ ID string }
	if err := h.workos(t.Context(), "/user_management/users", map[string]any{"email": "ada@example.com", "password": "correct horse battery", "email_verified": true}, &made); err != nil {
		t.Fatal(err)
	}
	u.ID = made.ID
	err := u.grant(t.Context(), map[string]any{"grant_type": "password", "email": "ada@example.com", "password": "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *user) grant(ctx context.Context, more map[string]any) error {
	more["client_id"], more["client_secret"] = u.h.ClientID, u.h.APIKey
	var got struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := u.h.workos(ctx, "/user_management/authenticate", more, &got); err != nil {
		return err
	}
	u.access, u.refresh = got.AccessToken, got.RefreshToken
	return nil
}

// token is a convex.TokenSource.
func (u *user) token(ctx context.Context, refresh bool) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !refresh {
		return u.access, nil
	}
	u.renewed++
	err := u.grant(ctx, map[string]any{"grant_type": "refresh_token", "refresh_token": u.refresh})
	return u.access, err
}

// trust is the guide's auth.config.ts, compiled.
const trust = `const clientId = process.env.WORKOS_CLIENT_ID;
export default { providers: [
  { type: "customJwt", issuer: "https://api.workos.com/", algorithm: "RS256", applicationID: clientId, jwks: "https://api.workos.com/sso/jwks/" + clientId },
  { type: "customJwt", issuer: "https://api.workos.com/user_management/" + clientId, algorithm: "RS256", jwks: "https://api.workos.com/sso/jwks/" + clientId },
] };`

func TestAUserStaysSignedIn(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	h := startWith(t, func(c *server.Config) { c.AccessTokenLifetime = 2e9 })
	h.push(t, app, trust)
	u := h.signIn(t)
	c := connect(t, h.URL, convex.Options{Token: u.token})
	var me *struct{ Subject string }
	if err := c.Query(ctx, "app:me", nil, &me); err != nil || me == nil || me.Subject != u.ID {
		t.Fatalf("me = %+v, %v; want %s", me, err, u.ID)
	}
	// While tokens come and go nobody is signed out: not a live query, not a mutation.
	sub, err := c.Subscribe("app:me", nil)
	if err != nil {
		t.Fatal(err)
	}
	watching, stop := context.WithCancel(ctx)
	out := make(chan string, 1)
	go func() {
		defer close(out)
		for {
			err := sub.Next(watching, &me)
			if watching.Err() != nil {
				return
			}
			if err != nil || me == nil || me.Subject != u.ID {
				out <- fmt.Sprintf("%+v, %v", me, err)
				return
			}
		}
	}()
	calls := 0
	for renewed := 0; renewed < 3; calls++ {
		if err := c.Mutate(ctx, "app:count", nil, nil); err != nil {
			t.Fatal(err)
		}
		u.mu.Lock()
		renewed = u.renewed
		u.mu.Unlock()
	}
	stop()
	if what, ok := <-out; ok {
		t.Errorf("while watching: %s", what)
	}
	var n int
	if err := c.Query(ctx, "app:total", nil, &n); err != nil || n != calls {
		t.Errorf("counted %d of %d, %v", n, calls, err)
	}
}

package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// ownJWKS is where the tests' house publishes its keys.
const ownJWKS = "https://api.workos.com/sso/jwks/client_1"

// standing is a house whose sessions say what the test wants.
type standing struct {
	gate    *token.Gate
	payload map[string]any // of a renewed token
	refusal error
	keys    token.KeySet
	list    []token.Provider
	asked   int
}

// stand opens one.
func stand(t *testing.T) *standing {
	s := &standing{payload: claims(map[string]any{"jti": nil, "iat": nil, "exp": nil}), keys: keySet(t)}
	s.list = providers(t, custom("https://api.workos.com/user_management/client_1", ownJWKS, "RS256", ""))
	s.gate = &token.Gate{
		Providers: func(context.Context) ([]token.Provider, error) { return s.list, nil },
		Verifier: &token.Verifier{
			House: func(url string) token.KeySet {
				if url != ownJWKS {
					return nil
				}
				return s.keys
			},
			Retell: func(_ context.Context, url, session string) (json.RawMessage, error) {
				s.asked++
				if s.refusal != nil {
					return nil, s.refusal
				}
				if url != ownJWKS || session != "session_1" {
					t.Errorf("asked for %s of %s", session, url)
				}
				return json.Marshal(s.payload)
			},
		},
	}
	return s
}

// enter brings a token of five minutes.
func (s *standing) enter(t *testing.T, changes map[string]any) token.Caller {
	t.Helper()
	c, err := s.gate.Message(t.Context(), "User", signWith(t, jose.RS256, keys().rsa, "rsa", claims(changes)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCarryOnWhileTheSessionGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := stand(t)
		c := s.enter(t, nil)
		key := c.CacheKey()
		time.Sleep(6 * time.Minute)
		if !c.Expired(time.Now()) {
			t.Fatal("the token has not ended")
		}
		for range 5 {
			var err error
			if c, err = s.gate.CarryOn(t.Context(), c); err != nil || c.Expired(time.Now()) || c.CacheKey() != key {
				t.Fatalf("%v %v", c, err)
			}
			time.Sleep(11 * time.Second)
			if !c.Expired(time.Now()) {
				t.Fatal("believed for longer than ten seconds")
			}
		}
		s.payload["role"] = "admin" // what a renewed token would say counts
		c, err := s.gate.CarryOn(t.Context(), c)
		if err != nil || !strings.Contains(string(c.IdentityJSON()), `"role":"admin"`) {
			t.Fatalf("%s %v", c.IdentityJSON(), err)
		}
		time.Sleep(24 * time.Hour)
		if _, err := s.gate.CarryOn(t.Context(), c); !errors.Is(err, token.ErrExpired) {
			t.Fatalf("a day after the token: %v", err)
		}
	})
}

func TestReadmitTakesAnEndedTokenForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := stand(t)
		jwt := signWith(t, jose.RS256, keys().rsa, "rsa", claims(nil))
		forged := signWith(t, jose.RS256, keys().other, "rsa", claims(nil))
		time.Sleep(time.Hour)
		if _, err := s.gate.Message(t.Context(), "User", jwt, nil); apierr.KindOf(err) != apierr.Unauthenticated {
			t.Fatalf("an ended token by itself: %v", err)
		}
		c, err := s.gate.Readmit(t.Context(), jwt)
		if err != nil || c.Claims.Subject != "user_1" || c.Expired(time.Now()) {
			t.Fatalf("%v %v", c, err)
		}
		if _, err := s.gate.Readmit(t.Context(), forged); apierr.KindOf(err) != apierr.Unauthenticated {
			t.Errorf("a forged token: %v", err)
		}
		if _, err := s.gate.Message(t.Context(), "User", jwt, nil); apierr.KindOf(err) != apierr.Unauthenticated {
			t.Errorf("an ended token by itself, after it was readmitted: %v", err)
		}
		s.refusal = apierr.New(apierr.Unauthenticated, "SessionEnded", "over")
		if _, err := s.gate.Readmit(t.Context(), jwt); apierr.KindOf(err) != apierr.Unauthenticated {
			t.Errorf("an ended session: %v", err)
		}
		s.refusal = nil
		time.Sleep(24 * time.Hour)
		if _, err := s.gate.Readmit(t.Context(), jwt); apierr.KindOf(err) != apierr.Unauthenticated {
			t.Errorf("a day later: %v", err)
		}
	})
}

func TestCarryOnRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, s *standing){
		"an ended session": func(_ *testing.T, s *standing) {
			s.refusal = apierr.New(apierr.Unauthenticated, "SessionEnded", "over")
		},
		"another organization":    func(_ *testing.T, s *standing) { s.payload["org_id"] = "org_2" },
		"another person":          func(_ *testing.T, s *standing) { s.payload["sub"] = "user_2" },
		"another session":         func(_ *testing.T, s *standing) { s.payload["sid"] = "session_2" },
		"another issuer":          func(_ *testing.T, s *standing) { s.payload["iss"] = "https://api.workos.com/" },
		"a provider that is gone": func(_ *testing.T, s *standing) { s.list = nil },
		"a provider that changed": func(t *testing.T, s *standing) {
			s.list = providers(t, custom("https://api.workos.com/user_management/client_1", "https://elsewhere.example/jwks", "RS256", ""))
		},
		"a key that was withdrawn": func(t *testing.T, s *standing) {
			set, err := token.NewLocalKeySet(token.PublicKey{ID: "ec", Algorithm: token.AlgES256, Key: &keys().ec.PublicKey})
			if err != nil {
				t.Fatal(err)
			}
			s.keys = set
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stand(t)
			c := s.enter(t, nil)
			change(t, s)
			if got, err := s.gate.CarryOn(t.Context(), c); apierr.KindOf(err) != apierr.Unauthenticated {
				t.Fatalf("%s %v", got.IdentityJSON(), err)
			}
		})
	}
}

func TestCarryOnIsForSessionsOfTheHouseAlone(t *testing.T) {
	t.Parallel()
	s := stand(t)
	for name, c := range map[string]token.Caller{
		"nobody":                    {},
		"an admin":                  {Role: token.Admin},
		"a token without a session": s.enter(t, map[string]any{"sid": nil}),
		"an impersonator":           s.enter(t, map[string]any{"act": map[string]any{"sub": "op@example.com"}}),
	} {
		if _, err := s.gate.CarryOn(t.Context(), c); !errors.Is(err, token.ErrExpired) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.list = providers(t, custom("https://api.workos.com/user_management/client_1", dataJWKS(t), "RS256", ""))
	if _, err := s.gate.CarryOn(t.Context(), s.enter(t, nil)); !errors.Is(err, token.ErrExpired) {
		t.Errorf("a stranger's token: %v", err)
	}
	if s.asked != 0 {
		t.Errorf("the house was asked %d times", s.asked)
	}
	s = stand(t)
	c := s.enter(t, nil)
	s.refusal = errors.New("the disk is gone") // ours, and no sign-out
	if _, err := s.gate.CarryOn(t.Context(), c); err == nil || apierr.KindOf(err) == apierr.Unauthenticated {
		t.Errorf("a fault: %v", err)
	}
}

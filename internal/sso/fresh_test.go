package sso

import (
	"context"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
)

func TestFreshHoldsProvidersToWhatWasAsked(t *testing.T) {
	t.Parallel()
	elsewhere := &Connection{Name: "Okta", Config: Config{Protocol: SAML}}
	social := &Connection{Name: "GitHub", Config: Config{Protocol: OAuth}}
	for _, tt := range []struct {
		name string
		c    *Connection
		d    Departure
		ago  time.Duration // since the sign-in there; negative if it is not said
		away time.Duration
		ok   bool
	}{
		{"nothing asked", elsewhere, Departure{}, time.Hour, 0, true},
		{"anew", elsewhere, Departure{Prompt: "login"}, 0, 0, true},
		{"not anew", elsewhere, Departure{Prompt: "consent login"}, time.Hour, time.Minute, false},
		{"a slow person", elsewhere, Departure{Prompt: "login"}, 10 * time.Minute, 10 * time.Minute, true},
		{"recent enough", elsewhere, Departure{MaxAge: "7200"}, time.Hour, 0, true},
		{"too old", elsewhere, Departure{MaxAge: "60"}, time.Hour, 0, false},
		{"prompt is stricter", elsewhere, Departure{MaxAge: "7200", Prompt: "login"}, time.Hour, 0, false},
		{"not said", elsewhere, Departure{MaxAge: "60"}, -1, 0, false},
		{"not said, and not owed", elsewhere, Departure{Prompt: "login"}, -1, 0, true},
		{"not said by a social provider", social, Departure{MaxAge: "60"}, -1, 0, true},
		{"said by a social provider", social, Departure{MaxAge: "60"}, time.Hour, 0, false},
		{"a clock that went back", elsewhere, Departure{MaxAge: "60"}, 90 * time.Second, -time.Hour, true},
	} {
		p := &connector.Person{ID: "ada"}
		if tt.ago >= 0 {
			p.Authenticated = time.Now().Add(-tt.ago)
		}
		got, err := tt.d.fresh(tt.c, tt.away, func(context.Context) (*connector.Person, error) { return p, nil })(t.Context())
		if e, _ := apierr.As(err); (err == nil) != tt.ok || err != nil && (e == nil || e.Code != "login_required" || got != nil) {
			t.Errorf("%s: %v %v", tt.name, got, err)
		}
	}
}

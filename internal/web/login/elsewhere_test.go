package login

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
)

// TestSignInThatLeadsElsewhere: the page that begins is at another port than the app
// that gets the sign-in.
func TestSignInThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, referrer string
		change         func(*authflow.Screen, *Pages)
		told           bool
	}{
		{"another port", "http://localhost:5174/", nil, true},
		{"its own", "http://localhost:5173/", nil, false},
		{"a page of ours", "http://localhost:4100/login/attempt_1/sign-up", nil, false},
		{"in production", "http://localhost:5174/", func(s *authflow.Screen, _ *Pages) { s.Environment.Kind = identity.Production }, false},
		{"in a house for others", "http://localhost:5174/", func(_ *authflow.Screen, p *Pages) { p.Outbox = nil }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ask := &authflow.AskSignIn{Screen: screen()}
			ask.LeadsTo = "http://localhost:5173/callback"
			var ledger diagnosis.Ledger
			p := open(t, &script{step: ask, begun: &authflow.Begun{Attempt: "attempt_1", Step: ask}}, func(p *Pages) {
				p.Refusals = &ledger
				if c.change != nil {
					c.change(&ask.Screen, p)
				}
			})
			r := httptest.NewRequest("GET", "http://localhost:4100/user_management/authorize", nil)
			r.Header.Set("Referer", c.referrer)
			w := httptest.NewRecorder()
			if err := p.Authorize(w, r, authflow.AuthorizeRequest{}); err != nil {
				t.Fatal(err)
			}
			to := w.Header().Get("Location")
			if got := to != "/login/attempt_1"; got != c.told {
				t.Errorf("leads to %s", to)
			}
			w = httptest.NewRecorder()
			p.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost:4100"+to, nil))
			said := ""
			for _, note := range parse(t, w.Result()).all("div.note") {
				said += textOf(note)
			}
			if got := strings.Contains(said, "http://localhost:5174/callback"); got != c.told || len(ledger.List()) > 0 != c.told {
				t.Errorf("the page says %q, the ledger has %d", said, len(ledger.List()))
			}
		})
	}
}

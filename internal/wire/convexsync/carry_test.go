package convexsync_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// porter admits the token "t" while it is good, and says what becomes of ended ones.
type porter struct {
	mu      sync.Mutex
	good    bool
	role    string
	refusal error
}

// set changes the porter's mind.
func (p *porter) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// caller is ada, whose token has ended.
func (p *porter) caller() token.Caller {
	return token.Caller{Role: token.User, Claims: &token.Claims{
		Subject: "ada", Attributes: json.RawMessage(`{"role":"` + p.role + `"}`), Expires: time.Now().Add(-time.Minute), Origin: &token.Origin{Ended: time.Now().Add(-time.Minute)},
	}}
}

func (p *porter) authenticate(_ context.Context, _, value string, _ json.RawMessage) (token.Caller, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.good || value != "t" {
		return token.Caller{}, apierr.New(apierr.Unauthenticated, "InvalidAuthHeader", "Token expired")
	}
	return p.caller(), nil
}

func (p *porter) carryOn(_ context.Context, c token.Caller) (token.Caller, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return token.Caller{}, p.refusal
	}
	next := p.caller()
	next.Claims.Expires = time.Now().Add(time.Hour)
	return next, nil
}

func (p *porter) readmit(ctx context.Context, _ string) (token.Caller, error) {
	return p.carryOn(ctx, token.Caller{})
}

// lodge starts a server with a porter.
func lodge(t *testing.T) (*porter, *httptest.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); db.Run(ctx) }()
	p := &porter{good: true, role: "member"}
	s := &convexsync.Server{Runner: &functions{db: db, cache: map[string]*udf.Outcome{}}, DB: db, Authenticate: p.authenticate,
		CarryOn: p.carryOn, Readmit: p.readmit, Known: filepath.Join(t.TempDir(), "known")}
	mux := http.NewServeMux()
	s.Mount(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.Close()
		wait, stop := context.WithTimeout(ctx, 5*time.Second)
		s.Wait(wait)
		stop()
		cancel()
		<-done
		db.Close()
	})
	return p, srv
}

// enter dials with a session id and brings a token.
func enter(t *testing.T, srv *httptest.Server, id, value string) *client {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), srv.URL+"/api/1.48.0/sync", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	c := &client{t, conn}
	c.say(`{"type":"Connect","sessionId":"` + id + `","connectionCount":0,"lastCloseReason":"InitialConnect","clientTs":1}`)
	c.say(`{"type":"Authenticate","baseVersion":0,"tokenType":"User","value":"` + value + `"}`)
	c.say(add(0, 0, "me", "m"))
	return c
}

// sees waits until the query says what is wanted.
func (c *client) sees(want string) {
	c.t.Helper()
	for {
		m := c.transition()
		for _, change := range m.Modifications {
			if string(change.Value) == want {
				return
			}
			c.t.Errorf("the query says %s", change.Value)
		}
	}
}

// refused waits until the connection is ended by a refusal of its identity.
func (c *client) refused() {
	c.t.Helper()
	if m, _, _ := c.closed(); m.Type != "AuthError" {
		c.t.Errorf("%+v", m)
	}
}

func TestConnectionOutlivesItsToken(t *testing.T) {
	t.Parallel()
	_, srv := lodge(t)
	c := enter(t, srv, session, "t")
	c.sees(`{"role":"member"}`)
	c.say(`{"type":"Mutation","requestId":1,"udfPath":"send","args":[{"table":"m"}]}`)
	for {
		if m := c.hear(); m.Type == "MutationResponse" {
			if !m.Success {
				t.Errorf("%+v", m)
			}
			break
		}
	}
}

func TestConnectionEndsWithItsSession(t *testing.T) {
	t.Parallel()
	p, srv := lodge(t)
	p.set(func() { p.refusal = token.ErrExpired })
	enter(t, srv, session, "t").refused()
	p.set(func() { p.refusal = errors.New("the disk is gone") })
	// No AuthError: the client would take it for a sign-out.
	if m, code, _ := enter(t, srv, session, "t").closed(); m.Type == "AuthError" || code != 1011 {
		t.Errorf("%+v %d", m, code)
	}
}

func TestEndedTokenIsTakenBackFromItsOwnClientAlone(t *testing.T) {
	t.Parallel()
	p, srv := lodge(t)
	c := enter(t, srv, session, "t")
	c.sees(`{"role":"member"}`)
	c.conn.CloseNow()
	p.set(func() { p.good = false })
	enter(t, srv, session, "t").sees(`{"role":"member"}`)
	enter(t, srv, "00000000-8b86-4d01-b42d-00cf4fc964ff", "t").refused() // a thief has the token and not the page
	enter(t, srv, session, "u").refused()
	p.set(func() { p.refusal = token.ErrExpired })
	enter(t, srv, session, "t").refused()
}

package convexsync_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coder/websocket"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// slow runs actions that last as long as a test wants.
type slow struct {
	convexsync.Functions
	began, finish chan struct{}
	srv           *httptest.Server
}

func (f *slow) Action(context.Context, udf.Request) (*udf.Outcome, error) {
	f.began <- struct{}{}
	<-f.finish
	return &udf.Outcome{Value: []byte(`"done"`)}, nil
}

// slowHouse serves such actions.
func slowHouse(t *testing.T) (*slow, *convexsync.Server, *client) {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &slow{began: make(chan struct{}), finish: make(chan struct{})}
	s := &convexsync.Server{Runner: f, DB: db}
	mux := http.NewServeMux()
	s.Mount(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	f.srv = srv
	c := dial(t, srv, "/api/1.48.0/sync")
	c.say(`{"type":"Action","requestId":7,"udfPath":"slow","args":[{}]}`)
	<-f.began
	return f, s, c
}

func TestActionIsAnsweredBeforeGoodbye(t *testing.T) {
	t.Parallel()
	f, s, c := slowHouse(t)
	idle := dial(t, f.srv, "/api/1.48.0/sync")
	waited := make(chan struct{})
	go func() { s.Wait(t.Context()); close(waited) }()
	idle.closed() // goodbye was said, to all
	close(f.finish)
	var m message
	for m = c.hear(); m.Type != "ActionResponse"; m = c.hear() {
	}
	if m.RequestID != 7 || !m.Success || string(m.Result) != `"done"` {
		t.Errorf("%+v", m)
	}
	if _, code, reason := c.closed(); code != websocket.StatusGoingAway || reason != "Shutdown" {
		t.Errorf("closed with %d %q", code, reason)
	}
	<-waited
}

func TestGoodbyeHasAnEnd(t *testing.T) {
	t.Parallel()
	f, s, c := slowHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // there is no time at all
	s.Wait(ctx)
	if _, code, _ := c.closed(); code != websocket.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
	close(f.finish)
	s.Wait(t.Context())
}

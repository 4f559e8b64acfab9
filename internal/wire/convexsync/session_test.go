package convexsync_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// functions is a tiny app written in Go: "list" counts the rows of the table in
// args, "send" inserts one, and a few misbehave. It works on a real database.
type functions struct {
	db      *database.DB
	queries atomic.Int64
	mu      sync.Mutex
	cache   map[string]*udf.Outcome
	hold    chan struct{} // if set, queries wait for it
}

func (f *functions) Query(ctx context.Context, q udf.Request) (*udf.Outcome, error) {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch q.Path {
	case "unsupported":
		return nil, apierr.New(apierr.Unsupported, "X", "components are not here yet")
	case "me":
		return &udf.Outcome{Value: q.Caller.IdentityJSON(), UsedCaller: true, Hash: sum(q.Caller.CacheKey())}, nil
	case "big":
		v, _ := json.Marshal(strings.Repeat("😀é\"", 1_500_000))
		return &udf.Outcome{Value: v, Hash: sum("big")}, nil
	case "panics":
		panic("a fault of ours")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.cache[string(q.Args)]; o != nil && f.db.Unchanged(o.Reads, o.TS, q.At) {
		return o, nil
	}
	f.queries.Add(1)
	tx, err := f.db.BeginAt(ctx, q.At)
	if err != nil {
		return nil, err
	}
	var args []struct{ Table string }
	json.Unmarshal(q.Args, &args)
	c := tx.Scan(args[0].Table, database.ByCreationTime, database.Interval{}, database.Asc)
	n := 0
	for {
		d, err := c.Next(ctx)
		if err != nil {
			return nil, err
		}
		if d == nil {
			break
		}
		n++
	}
	o := &udf.Outcome{Value: fmt.Appendf(nil, "%d", n), Reads: tx.Reads(), TS: q.At, Hash: sum(fmt.Sprint(n))}
	f.cache[string(q.Args)] = o
	return o, nil
}

func (f *functions) Mutation(ctx context.Context, q udf.Request) (*udf.Outcome, error) {
	if q.Path == "breaks" {
		return nil, errors.New("the disk is full")
	}
	var args []struct{ Table string }
	json.Unmarshal(q.Args, &args)
	ts, err := f.db.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Insert(ctx, args[0].Table, value.ObjectOf())
		return err
	})
	return &udf.Outcome{Value: []byte(`"` + q.RequestID + `"`), TS: ts, Logs: []string{"[LOG] 'sent'"}}, err
}

func (f *functions) Action(_ context.Context, q udf.Request) (*udf.Outcome, error) {
	return &udf.Outcome{Failure: &udf.Failure{Message: "no " + q.Path, Data: []byte(`{"code":1}`)}}, nil
}

func sum(s string) (h [16]byte) {
	b := sha256.Sum256([]byte(s))
	copy(h[:], b[:])
	return h
}

// house starts a sync server.
func house(t testing.TB) (*functions, *httptest.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); db.Run(ctx) }()
	f := &functions{db: db, cache: map[string]*udf.Outcome{}}
	s := &convexsync.Server{Runner: f, DB: db, Authenticate: func(_ context.Context, typ, val string, _ json.RawMessage) (token.Caller, error) {
		if typ == "None" {
			return token.Caller{}, nil
		}
		if val == "bad" {
			return token.Caller{}, apierr.New(apierr.Unauthenticated, "InvalidAuthHeader", "bad token")
		}
		return token.Caller{Role: token.User, Claims: &token.Claims{Subject: val, Attributes: json.RawMessage(`{"subject":"` + val + `"}`)}}, nil
	}}
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
	return f, srv
}

// client is one side of a socket.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

const session = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"

// dial connects and says hello.
func dial(t *testing.T, srv *httptest.Server, path string) *client {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 30)
	t.Cleanup(func() { conn.CloseNow() })
	c := &client{t, conn}
	c.say(`{"type":"Connect","sessionId":"` + session + `","connectionCount":0,"lastCloseReason":"InitialConnect","clientTs":1}`)
	return c
}

// say sends a message.
func (c *client) say(s string) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, []byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

// message is any message of the server.
type message struct {
	Type                     string
	StartVersion, EndVersion struct {
		QuerySet, Identity int
		TS                 string
	}
	Modifications []struct {
		Type         string
		QueryID      int
		Value        json.RawMessage
		ErrorMessage string
	}
	RequestID  int
	Success    bool
	Result     json.RawMessage
	TS         *string
	ErrorData  json.RawMessage
	Error      string
	Chunk      string
	PartNumber int
	TotalParts int
}

// hear reads the next message. Pings are passed over, as clients do: on a busy machine
// there is one after every fifteen seconds.
func (c *client) hear() message {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for {
		_, b, err := c.conn.Read(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		var m message
		if err := json.Unmarshal(b, &m); err != nil {
			c.t.Fatalf("%s: %v", b, err)
		}
		if m.Type != "Ping" {
			return m
		}
	}
}

// transition reads messages until a transition.
func (c *client) transition() message {
	c.t.Helper()
	for {
		if m := c.hear(); m.Type == "Transition" {
			return m
		}
	}
}

// closed reads until the socket closes and returns how.
func (c *client) closed() (last message, code websocket.StatusCode, reason string) {
	c.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
		_, b, err := c.conn.Read(ctx)
		cancel()
		if err != nil {
			var ce websocket.CloseError
			if !errors.As(err, &ce) {
				c.t.Fatalf("closed without a close frame: %v", err)
			}
			return last, ce.Code, ce.Reason
		}
		last = message{}
		json.Unmarshal(b, &last)
	}
}

// add subscribes to a query.
func add(base, id int, path, table string) string {
	return fmt.Sprintf(`{"type":"ModifyQuerySet","baseVersion":%d,"newVersion":%d,"modifications":[{"type":"Add","queryId":%d,"udfPath":%q,"args":[{"table":%q}]}]}`,
		base, base+1, id, path, table)
}

func TestServerSyncsAWriteToAnotherClient(t *testing.T) {
	t.Parallel()
	_, srv := house(t)
	a, b := dial(t, srv, "/api/1.48.0/sync"), dial(t, srv, "/api/sync")
	a.say(add(0, 0, "list", "messages"))
	b.say(add(0, 0, "list", "messages"))
	for _, c := range []*client{a, b} {
		if m := c.transition(); string(m.Modifications[0].Value) != "0" || m.EndVersion.QuerySet != 1 {
			t.Fatalf("first = %+v", m)
		}
	}
	a.say(`{"type":"Mutation","requestId":0,"udfPath":"send","args":[{"table":"messages"}]}`)
	if m := b.transition(); string(m.Modifications[0].Value) != "1" {
		t.Fatalf("other client = %+v", m)
	}
	var response message
	sawValue := false
	for response.Type == "" || !sawValue {
		switch m := a.hear(); m.Type {
		case "MutationResponse":
			response = m
		case "Transition":
			sawValue = sawValue || len(m.Modifications) == 1
		}
	}
	if !response.Success || response.TS == nil || string(response.Result) != `"`+udf.SessionRequestID(session, 0)+`"` {
		t.Fatalf("response = %+v", response)
	}
	// A client resolves its promise by a transition that was computed after the response.
	a.say(`{"type":"Mutation","requestId":1,"udfPath":"send","args":[{"table":"other"}]}`)
	for a.hear().Type != "MutationResponse" {
	}
	if m := a.transition(); len(m.Modifications) != 0 {
		t.Fatalf("after an unrelated write = %+v", m)
	}
	a.say(`{"type":"Action","requestId":2,"udfPath":"act","args":[{}]}`)
	if m := a.hear(); m.Type != "ActionResponse" || m.Success || string(m.ErrorData) != `{"code":1}` {
		t.Fatalf("action = %+v", m)
	}
}

func TestServerRunsASharedQueryOnce(t *testing.T) {
	t.Parallel()
	f, srv := house(t)
	const n = 100
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = dial(t, srv, "/api/1.48.0/sync")
		clients[i].say(add(0, 0, "list", "messages"))
	}
	for _, c := range clients {
		c.transition()
	}
	before := f.queries.Load()
	if _, err := f.Mutation(context.Background(), udf.Request{Args: []byte(`[{"table":"messages"}]`)}); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		if m := c.transition(); string(m.Modifications[0].Value) != "1" {
			t.Fatalf("value = %+v", m)
		}
	}
	if ran := f.queries.Load() - before; ran != 1 {
		t.Errorf("the query ran %d times", ran)
	}
}

func TestServerKeepsTransitionsContiguous(t *testing.T) {
	t.Parallel()
	f, srv := house(t)
	c := dial(t, srv, "/api/1.48.0/sync")
	c.say(`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[]}`)
	for i := range 20 {
		c.say(add(i+1, i, "list", fmt.Sprintf("t%d", i%3)))
	}
	for range 30 {
		if _, err := f.Mutation(context.Background(), udf.Request{Args: []byte(`[{"table":"t1"}]`)}); err != nil {
			t.Fatal(err)
		}
	}
	var last message
	got := map[int]string{}
	for len(got) < 20 || got[1] != "30" || last.EndVersion.QuerySet != 21 {
		m := c.transition()
		if last.Type != "" && m.StartVersion != last.EndVersion {
			t.Fatalf("%+v follows %+v", m.StartVersion, last.EndVersion)
		}
		for _, x := range m.Modifications {
			got[x.QueryID] = string(x.Value)
		}
		if got[1] != got[4] && got[4] != "" {
			t.Fatalf("two queries of one table differ in one transition: %v", got)
		}
		last = m
	}
}

func TestServerRefusesAToken(t *testing.T) {
	t.Parallel()
	_, srv := house(t)
	c := dial(t, srv, "/api/1.48.0/sync")
	c.say(`{"type":"Authenticate","tokenType":"User","value":"bad","baseVersion":0}`)
	last, code, _ := c.closed()
	if last.Type != "AuthError" || last.Error != "bad token" || code != websocket.StatusNoStatusRcvd {
		t.Fatalf("%+v, code %d", last, code)
	}
}

func TestServerShowsIdentityToQueries(t *testing.T) {
	t.Parallel()
	_, srv := house(t)
	c := dial(t, srv, "/api/1.48.0/sync")
	c.say(`{"type":"Authenticate","tokenType":"User","value":"ada","baseVersion":0}`)
	c.say(add(0, 0, "me", ""))
	m := c.transition()
	for len(m.Modifications) == 0 {
		m = c.transition()
	}
	if m.EndVersion.Identity != 1 || string(m.Modifications[0].Value) != `{"subject":"ada"}` {
		t.Fatalf("%+v", m)
	}
	c.say(`{"type":"Authenticate","tokenType":"None","baseVersion":1}`)
	if m := c.transition(); m.EndVersion.Identity != 2 || string(m.Modifications[0].Value) != "null" {
		t.Fatalf("signed out: %+v", m)
	}
}

func TestServerEndsConnections(t *testing.T) {
	t.Parallel()
	_, srv := house(t)
	for _, tt := range []struct {
		name, say, last string
		code            websocket.StatusCode
	}{
		{"not JSON", `hello`, "FatalError", websocket.StatusNoStatusRcvd},
		{"version mismatch", add(3, 0, "list", "x"), "FatalError", websocket.StatusNoStatusRcvd},
		{"fault of ours in a mutation", `{"type":"Mutation","requestId":0,"udfPath":"breaks","args":[{}]}`, "", websocket.StatusInternalError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, srv, "/api/1.48.0/sync")
			c.say(tt.say)
			if last, code, _ := c.closed(); last.Type != tt.last || code != tt.code {
				t.Fatalf("%+v, code %d", last, code)
			}
		})
	}
	t.Run("binary frame", func(t *testing.T) {
		t.Parallel()
		c := dial(t, srv, "/api/1.48.0/sync")
		if err := c.conn.Write(t.Context(), websocket.MessageBinary, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if last, _, _ := c.closed(); last.Type != "FatalError" {
			t.Fatalf("%+v", last)
		}
	})
}

func TestServerTellsAQueryThatItIsNotOffered(t *testing.T) {
	t.Parallel()
	_, srv := house(t)
	c := dial(t, srv, "/api/1.48.0/sync")
	c.say(add(0, 0, "unsupported", ""))
	if m := c.transition(); m.Modifications[0].Type != "QueryFailed" || !strings.Contains(m.Modifications[0].ErrorMessage, "components") {
		t.Fatalf("%+v", m)
	}
}

func TestServerSendsALargeTransitionInParts(t *testing.T) {
	t.Parallel()
	_, srv := house(t)
	c := dial(t, srv, "/api/1.48.0/sync")
	c.say(add(0, 0, "big", ""))
	var whole strings.Builder
	for part := 0; ; part++ {
		m := c.hear()
		if m.Type != "TransitionChunk" || m.PartNumber != part {
			t.Fatalf("part %d is %s %d", part, m.Type, m.PartNumber)
		}
		whole.WriteString(m.Chunk)
		if part == m.TotalParts-1 {
			break
		}
	}
	var m message
	if err := json.Unmarshal([]byte(whole.String()), &m); err != nil || m.Type != "Transition" || len(m.Modifications) != 1 {
		t.Fatalf("%v %s", err, m.Type)
	}
	old := dial(t, srv, "/api/1.27.5/sync")
	old.say(add(0, 0, "big", ""))
	if m := old.hear(); m.Type != "Transition" {
		t.Fatalf("an old client got %s", m.Type)
	}
}

func TestServerRemovesAQueryInFlight(t *testing.T) {
	t.Parallel()
	f, srv := house(t)
	f.hold = make(chan struct{})
	c := dial(t, srv, "/api/1.48.0/sync")
	c.say(add(0, 0, "list", "x"))
	c.say(`{"type":"ModifyQuerySet","baseVersion":1,"newVersion":2,"modifications":[{"type":"Remove","queryId":0}]}`)
	close(f.hold)
	m := c.transition()
	for m.EndVersion.QuerySet != 2 {
		m = c.transition()
	}
	if len(m.Modifications) != 1 || m.Modifications[0].Type != "QueryRemoved" {
		t.Fatalf("%+v", m)
	}
}

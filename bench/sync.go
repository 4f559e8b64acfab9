package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// client speaks the sync protocol as the official clients do, with just enough
// understanding to measure.
type client struct {
	conn *websocket.Conn
	// onUpdate is called for each changed query of a transition, from the reading
	// goroutine; set it before subscribe.
	onUpdate func(query int, value json.RawMessage, at time.Time)

	mu      sync.Mutex
	next    uint32
	waiting map[uint32]chan answer
	set     int // version of the query set
	queries int
	failed  error
}

// answer is a response to a mutation.
type answer struct {
	Success bool            `json:"success"`
	Result  json.RawMessage `json:"result"`
	at      time.Time
}

// dial opens a socket, says Connect and reads from then on.
func dial(ctx context.Context, url string) (*client, error) {
	c, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	err = c.hello(ctx)
	go c.read(ctx)
	return c, err
}

// connect opens a socket.
func connect(ctx context.Context, url string) (*client, error) {
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+"/api/1.48.0/sync", nil)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(64 << 20)
	return &client{conn: conn, waiting: map[uint32]chan answer{}}, nil
}

// hello says Connect.
func (c *client) hello(ctx context.Context) error {
	id := make([]byte, 16)
	rand.Read(id)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return c.send(ctx, map[string]any{
		"type": "Connect", "sessionId": fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]),
		"connectionCount": 0, "lastCloseReason": "InitialConnect", "clientTs": time.Now().UnixMilli(),
	})
}

// send writes one message.
func (c *client) send(ctx context.Context, m any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return c.conn.Write(ctx, websocket.MessageText, b)
}

// read takes messages until the socket ends.
func (c *client) read(ctx context.Context) {
	for {
		_, b, err := c.conn.Read(ctx)
		if err != nil {
			c.fail(err)
			return
		}
		at := time.Now()
		var m struct {
			Type          string
			RequestID     uint32
			Error         string
			Modifications []struct {
				Type    string
				QueryID int
				Value   json.RawMessage
			}
		}
		if err := json.Unmarshal(b, &m); err != nil {
			c.fail(err)
			return
		}
		switch m.Type {
		case "Transition":
			for _, q := range m.Modifications {
				if c.onUpdate != nil && q.Type == "QueryUpdated" {
					c.onUpdate(q.QueryID, q.Value, at)
				}
			}
		case "MutationResponse":
			a := answer{at: at}
			json.Unmarshal(b, &a)
			c.mu.Lock()
			ch := c.waiting[m.RequestID]
			delete(c.waiting, m.RequestID)
			c.mu.Unlock()
			ch <- a
		case "FatalError", "AuthError":
			c.fail(fmt.Errorf("%s: %s", m.Type, m.Error))
			return
		}
	}
}

// fail wakes everybody who waits.
func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
	for id, ch := range c.waiting {
		close(ch)
		delete(c.waiting, id)
	}
}

// mutate calls a mutation and waits for its response.
func (c *client) mutate(ctx context.Context, path string, args any) (answer, error) {
	ch := make(chan answer, 1)
	c.mu.Lock()
	id := c.next
	c.next++
	c.waiting[id] = ch
	failed := c.failed
	c.mu.Unlock()
	if failed != nil {
		return answer{}, failed
	}
	if err := c.send(ctx, map[string]any{"type": "Mutation", "requestId": id, "udfPath": path, "args": []any{args}}); err != nil {
		return answer{}, err
	}
	select {
	case a, ok := <-ch:
		switch {
		case !ok:
			return a, fmt.Errorf("socket ended: %w", c.failed)
		case !a.Success:
			return a, fmt.Errorf("%s: %s", path, a.Result)
		}
		return a, nil
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

// subscribe adds queries to the set; their ids follow each other from the
// returned one.
func (c *client) subscribe(ctx context.Context, path string, args []any) (int, error) {
	first := c.queries
	var mods []any
	for i, a := range args {
		mods = append(mods, map[string]any{"type": "Add", "queryId": first + i, "udfPath": path, "args": []any{a}})
	}
	c.queries += len(args)
	c.set++
	return first, c.send(ctx, map[string]any{"type": "ModifyQuerySet", "baseVersion": c.set - 1, "newVersion": c.set, "modifications": mods})
}

// close ends the socket.
func (c *client) close() { c.conn.CloseNow() }

package convex

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Times of a connection. Silence is what the official client takes for a dead
// connection (convex-sync.md §1.2); waits between attempts are the official client's,
// from a shorter first one on (§3.8).
const (
	dialTime  = 10 * time.Second
	writeTime = 15 * time.Second
	silence   = 60 * time.Second
	firstWait = 100 * time.Millisecond
	maxWait   = 16 * time.Second
	// renewBefore is how long before a token's end a new one is asked for.
	renewBefore = 10 * time.Second
	// maxFrame bounds one message from the deployment, in bytes.
	maxFrame = 64 << 20
)

// refused is a connection's end because of its token.
type refused struct{ message string }

// Error is part of error.
func (r *refused) Error() string { return r.message }

// loop keeps a connection until Close or a fatal error.
func (c *Client) loop() {
	defer close(c.done)
	reason, wait, count := "InitialConnect", time.Duration(0), 0
	var no *refused // why the last connection ended, if it was its token
	last := ""      // that token
	for c.ctx.Err() == nil {
		healthy := false
		token, err := c.token(c.ctx, no != nil)
		if err == nil && no != nil && (token == "" || token == last) {
			err = &AuthError{Message: no.message}
		}
		again := no != nil // this is the attempt with a new token
		no = nil
		if err == nil {
			last = token
			healthy, err = c.connection(token, count, reason)
			count++
		} else {
			c.mu.Lock()
			c.refuse(err)
			c.mu.Unlock()
		}
		c.mu.Lock()
		c.lost()
		c.mu.Unlock()
		if c.ctx.Err() != nil {
			return
		}
		var fatal *FatalError
		if errors.As(err, &fatal) {
			c.log.Error("convex: session ended", "err", err)
			c.mu.Lock()
			c.end(err)
			c.mu.Unlock()
			return
		}
		reason = closeReason(err)
		if healthy {
			wait = 0
		}
		if errors.As(err, &no) && (healthy || !again) {
			continue // with a new token, at once
		}
		wait = min(max(2*wait, firstWait), maxWait)
		c.log.Info("convex: connection lost", "reason", reason, "again_in", wait)
		select {
		case <-time.After(time.Duration(float64(wait) * (0.5 + rand.Float64()))):
		case <-c.ctx.Done():
		}
	}
}

// token asks the token source.
func (c *Client) token(ctx context.Context, refresh bool) (string, error) {
	if c.opts.Token == nil {
		return c.opts.AdminKey, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	t, err := c.opts.Token(ctx, refresh)
	if err != nil {
		return "", fmt.Errorf("convex: token: %w", err)
	}
	return t, nil
}

// credential is the message that says who we are; nil for nobody.
func (c *Client) credential(token string) *message {
	switch {
	case token == "":
		return nil
	case c.opts.AdminKey != "":
		return &message{TokenType: "Admin", Value: token}
	}
	return &message{TokenType: "User", Value: token}
}

// connection is one connection from its beginning to its end. healthy says that it
// came as far as a transition.
func (c *Client) connection(token string, count int, reason string) (healthy bool, err error) {
	dial, cancel := context.WithTimeout(c.ctx, dialTime)
	ws, _, err := websocket.Dial(dial, c.address, &websocket.DialOptions{HTTPClient: c.opts.HTTPClient})
	cancel()
	if err != nil {
		return false, err
	}
	defer ws.CloseNow()
	ws.SetReadLimit(maxFrame)

	ctx, end := context.WithCancelCause(c.ctx)
	defer end(nil)
	c.mu.Lock()
	c.opening(message{Type: "Connect", SessionID: c.session, ConnectionCount: &count, LastCloseReason: &reason, ClientTS: time.Now().UnixMilli()}, c.credential(token))
	c.mu.Unlock()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		if err := c.write(ctx, ws); err != nil {
			end(err)
		}
	}()
	renew := c.renewLater(ctx, token)
	defer renew()
	healthy, err = c.read(ctx, ws)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	end(nil)
	<-wrote
	if c.ctx.Err() != nil {
		_ = ws.Close(websocket.StatusNormalClosure, "OnCloseInvoked") // a courtesy; CloseNow follows
	}
	return healthy, err
}

// write sends what is queued until ctx ends.
func (c *Client) write(ctx context.Context, ws *websocket.Conn) error {
	for {
		c.mu.Lock()
		list := c.out
		c.out = nil
		c.mu.Unlock()
		for i := range list {
			b, err := json.Marshal(&list[i])
			if err != nil {
				return fmt.Errorf("convex: encode %s: %w", list[i].Type, err)
			}
			one, cancel := context.WithTimeout(ctx, writeTime)
			err = ws.Write(one, websocket.MessageText, b)
			cancel()
			if err != nil {
				return err
			}
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// read takes messages until the connection ends.
func (c *Client) read(ctx context.Context, ws *websocket.Conn) (healthy bool, err error) {
	var parts chunks
	for {
		one, cancel := context.WithTimeout(ctx, silence)
		_, b, err := ws.Read(one)
		late := one.Err() != nil && ctx.Err() == nil
		cancel()
		if late {
			return healthy, errors.New("InactiveServer")
		}
		if err != nil {
			return healthy, err
		}
		var a answer
		if err := json.Unmarshal(b, &a); err != nil {
			return healthy, fmt.Errorf("convex: the deployment sent what is no message: %w", err)
		}
		if a.Type == "TransitionChunk" {
			whole, err := parts.add(&a)
			if err != nil {
				return healthy, err
			}
			if whole == nil {
				continue
			}
			a = answer{}
			if err := json.Unmarshal(whole, &a); err != nil {
				return healthy, fmt.Errorf("convex: the parts of a transition are no message: %w", err)
			}
		}
		if err := c.take(&a); err != nil {
			return healthy, err
		}
		healthy = healthy || a.Type == "Transition"
	}
}

// take acts on one message.
func (c *Client) take(a *answer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch a.Type {
	case "Transition":
		if !c.transition(a) {
			return errors.New("convex: a transition does not begin where the last one ended")
		}
	case "MutationResponse", "ActionResponse":
		c.respond(a)
	case "AuthError":
		return &refused{a.Error}
	case "FatalError":
		return &FatalError{Message: a.Error}
	}
	return nil // Ping, and what newer deployments may say
}

// renewLater sends a new token shortly before the present one ends, for as long as
// the connection lives. It gives what stops it.
func (c *Client) renewLater(ctx context.Context, token string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	if c.opts.Token == nil {
		return cancel
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			left, ok := remaining(token, time.Now())
			if !ok {
				return // the deployment will tell
			}
			select {
			case <-time.After(left):
			case <-ctx.Done():
				return
			}
			fresh, err := c.token(ctx, true)
			if err != nil || fresh == "" || fresh == token {
				return
			}
			token = fresh
			c.mu.Lock()
			if c.live && ctx.Err() == nil {
				c.authenticate(*c.credential(fresh))
			}
			c.mu.Unlock()
		}
	}()
	return func() { cancel(); <-done }
}

// remaining is how long until a JWT should be renewed, by its own claims; ok is
// false if it does not say. Tokens that live shorter than twice the margin are renewed
// at half their life.
func remaining(token string, now time.Time) (left time.Duration, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return 0, false
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(b, &claims) != nil || claims.Exp <= 0 {
		return 0, false
	}
	left = time.UnixMilli(int64(claims.Exp * 1000)).Sub(now)
	if left < 2*renewBefore {
		return max(left/2, 0), left > 0
	}
	return left - renewBefore, true
}

// closeReason says why a connection ended, for the next one's first message.
func closeReason(err error) string {
	var closed websocket.CloseError
	switch {
	case err == nil:
		return "unknown"
	case errors.As(err, &closed) && closed.Reason != "":
		return closed.Reason
	case errors.As(err, &closed):
		return fmt.Sprintf("closed with code %d", closed.Code)
	}
	return err.Error()
}

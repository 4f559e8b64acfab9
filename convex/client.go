package convex

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// TokenSource gives the JWT of the user that the client acts for; "" means nobody.
// refresh says that the last one was refused or is about to expire, and that a new
// one is wanted.
type TokenSource func(ctx context.Context, refresh bool) (string, error)

// Options are what can be set about a client. The zero value is a client that acts
// for nobody.
type Options struct {
	// Token gives the user's token.
	Token TokenSource
	// AdminKey is the deployment's admin or deploy key, instead of Token: internal
	// functions can be called with it.
	AdminKey string
	// HTTPClient opens the socket; nil means http.DefaultClient. Its Timeout must be 0.
	HTTPClient *http.Client
	// Log is told of lost connections and what else a person may want to know; nil
	// means nobody.
	Log *slog.Logger
}

// maxRequests is how many mutations and actions may be under way at once; more wait.
// The official backend takes as many (convex-sync.md §4.3).
const maxRequests = 1000

// Client is a connection to a deployment. It may be used by many goroutines.
type Client struct {
	address string // of the socket
	opts    Options
	log     *slog.Logger
	session string
	slots   chan struct{} // one for each request under way

	ctx   context.Context // ends with Close
	stop  context.CancelFunc
	begin sync.Once
	done  chan struct{} // closed when the loop has ended; nil before begin

	mu sync.Mutex
	state
}

// New makes a client of the deployment at an address such as
// "https://happy-otter-123.convex.cloud". It connects when it is first used.
func New(address string, o Options) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("convex: %q is not the address of a deployment, such as https://happy-otter-123.convex.cloud", address)
	}
	if strings.HasSuffix(u.Hostname(), ".convex.site") {
		return nil, fmt.Errorf("convex: %q serves HTTP actions; the client needs the address that ends in .convex.cloud", address)
	}
	if o.Token != nil && o.AdminKey != "" {
		return nil, fmt.Errorf("convex: Options has both Token and AdminKey; a client acts for one")
	}
	u.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
	u.Path = strings.TrimRight(u.Path, "/") + "/api/" + protocolVersion + "/sync"
	c := &Client{address: u.String(), opts: o, log: o.Log, session: uuid(), slots: make(chan struct{}, maxRequests)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.state.init()
	return c, nil
}

// uuid makes a random UUID (RFC 9562 §5.4), as a session is named.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// start runs the connection's loop, once.
func (c *Client) start() {
	c.begin.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ctx.Err() != nil {
			return
		}
		c.done = make(chan struct{})
		go c.loop()
	})
}

// Close ends the connection. Calls that are waiting return ErrClosed; a mutation
// among them may have run.
func (c *Client) Close() error {
	c.stop()
	c.begin.Do(func() {}) // nothing begins any more
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	if done != nil {
		<-done
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(ErrClosed)
	return nil
}

// Query runs a query once and decodes its result into out, a pointer or nil. Errors
// of the function are *FunctionError.
func (c *Client) Query(ctx context.Context, path string, args, out any) error {
	s, err := c.Subscribe(path, args)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Next(ctx, out)
}

// Mutate runs a mutation exactly once and decodes its result into out, a pointer or
// nil. Mutations of one client run in the order of their calls. When Mutate
// returns, the client's live queries have seen its writes. If ctx ends first, the mutation
// may still run.
func (c *Client) Mutate(ctx context.Context, path string, args, out any) error {
	return c.call(ctx, kindMutation, path, args, out)
}

// Act runs an action at most once and decodes its result into out, a pointer or nil.
func (c *Client) Act(ctx context.Context, path string, args, out any) error {
	return c.call(ctx, kindAction, path, args, out)
}

// call sends a request and waits for its end.
func (c *Client) call(ctx context.Context, kind requestKind, path string, args, out any) error {
	raw, err := encodeArgs(args)
	if err != nil {
		return err
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("convex: %s: %w", path, ctx.Err())
	}
	c.start()
	c.mu.Lock()
	// A mutation whose caller has gone keeps its place until it is answered: the
	// deployment counts it as long.
	r, err := c.addRequest(kind, path, raw, func() { <-c.slots })
	c.mu.Unlock()
	if err != nil {
		<-c.slots
		return err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		c.mu.Lock()
		c.abandon(r)
		c.mu.Unlock()
		return fmt.Errorf("convex: %s: %w", path, ctx.Err())
	}
	if r.err != nil {
		return r.err
	}
	return decodeResult(r.result, out)
}

// canonical is the name of a function as the protocol wants it.
func canonical(path string) string {
	module, name, ok := strings.Cut(path, ":")
	if !ok {
		name = "default"
	}
	return strings.TrimSuffix(module, ".js") + ":" + name
}

// arguments wraps an arguments object as the protocol wants it.
func arguments(args json.RawMessage) []json.RawMessage { return []json.RawMessage{args} }

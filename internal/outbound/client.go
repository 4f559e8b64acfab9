package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// The defaults of a Policy and the bounds that no policy changes.
const (
	DefaultTimeout = 10 * time.Second
	DefaultBody    = 1 << 20

	dialTimeout  = 5 * time.Second
	maxHeader    = 64 << 10
	maxURL       = 2048
	maxRedirects = 3
	perHost      = 16 // connections; more requests wait, within their deadline
	idlePerHost  = 2
	keepIdle     = 15 * time.Second
)

// Policy says which addresses beyond the public internet a client may dial, and
// how much time and space an exchange may take. The zero value is the strictest.
type Policy struct {
	// Loopback allows this machine: where people develop, that is where their
	// servers are.
	Loopback bool
	// Private allows private networks, for operators whose servers live there.
	Private bool
	// Timeout bounds an exchange from dialling to the last byte; 0 means
	// DefaultTimeout.
	Timeout time.Duration
	// MaxBody bounds the body of an answer; 0 means DefaultBody.
	MaxBody int64
}

// ErrTooLarge is what reading a body gives once it passes its bound.
var ErrTooLarge = errors.New("the answer is larger than allowed")

// Client makes a client that keeps to the policy. It has connections of its own;
// callers keep it, or use Clients.
func Client(p Policy) *http.Client { return newClient(p, nil) }

// newClient makes a client that resolves names by r, nil being the system's way.
func newClient(p Policy, r *net.Resolver) *http.Client {
	if p.Timeout <= 0 {
		p.Timeout = DefaultTimeout
	}
	if p.MaxBody <= 0 {
		p.MaxBody = DefaultBody
	}
	dialer := &net.Dialer{
		Timeout:  dialTimeout,
		Resolver: r,
		// Called with the very address of the connection that is about to be made.
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return p.allow(to.Addr())
		},
	}
	return &http.Client{
		Timeout: p.Timeout,
		Transport: &bounded{max: p.MaxBody, next: &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    dialTimeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxConnsPerHost:        perHost,
			MaxIdleConnsPerHost:    idlePerHost,
			IdleConnTimeout:        keepIdle,
			ForceAttemptHTTP2:      true,
		}},
		CheckRedirect: redirect,
	}
}

// redirect follows within an origin; what leads elsewhere is left to the caller,
// who sees its status.
func redirect(r *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || first.Method != http.MethodGet && first.Method != http.MethodHead ||
		r.URL.Scheme != first.URL.Scheme || r.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// bounded cuts off bodies that are too long, counted after decompression.
type bounded struct {
	next *http.Transport
	max  int64
}

// CloseIdleConnections is what http.Client calls by that name.
func (b *bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

// RoundTrip sends a request whose URL is one that this house would send to.
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" || r.URL.User != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errors.New("only plain http and https addresses are called")
	}
	res, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &body{ReadCloser: res.Body, left: b.max}
	return res, nil
}

// body is the body of an answer with what may still come of it.
type body struct {
	io.ReadCloser
	left int64
}

// Read reads on until the bound is passed.
func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}

// Check judges an address as far as it can be without resolving names, so that
// whoever registers it hears at once; what it resolves to is judged again at each
// dial. The error is an *apierr.Error with the code invalid_url.
func (p Policy) Check(address string) error {
	bad := func(why string) error {
		return apierr.New(apierr.BadRequest, "invalid_url", "The address %.200q cannot be called: %s.", address, why)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxURL:
		return bad("it is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("it must begin with https://")
	case u.Hostname() == "" || u.Opaque != "":
		return bad("it names no host")
	case u.User != nil:
		return bad("it must not hold a user name or password")
	case u.Fragment != "":
		return bad("it must not hold a fragment")
	}
	local := u.Hostname() == "localhost"
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := p.allow(ip); err != nil {
			return bad(err.Error())
		}
		local = within(loopback, plain(ip)) || within(private, plain(ip))
	} else if local && !p.Loopback {
		return bad("this environment does not call its own machine")
	}
	if u.Scheme == "http" && !local && !p.Loopback {
		return bad("this environment calls https addresses only")
	}
	return nil
}

// Clients keeps one client for each policy, so that connections are shared. The
// zero value is ready.
type Clients struct {
	mu  sync.Mutex // leaf
	all map[Policy]*http.Client
}

// For is the client of a policy.
func (c *Clients) For(p Policy) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[Policy]*http.Client{}
	}
	client := c.all[p]
	if client == nil {
		client = Client(p)
		c.all[p] = client
	}
	return client
}

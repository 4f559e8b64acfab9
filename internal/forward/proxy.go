package forward

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// The bounds of a proxy. It serves one command and what that starts.
const (
	maxTunnels    = 1024             // at once; more are told to come again
	dialTimeout   = 30 * time.Second // to a host, or to the proxy before it
	headerTimeout = 10 * time.Second
	answerTimeout = 10 * time.Minute // until a plain request's answer begins
	tunnelIdle    = time.Hour        // without a byte either way
	maxHeader     = 64 << 10
)

// user is the name in the proxy's credentials; the password is the secret.
const user = "lentil"

// Proxy is a forward proxy for one command. Its fields are set before Serve.
type Proxy struct {
	// House dials the house, which ends TLS for the vendor's host. Its error is a
	// line for the person who waits for the answer.
	House func(ctx context.Context, host string) (net.Conn, error)
	// Upstream tells the proxy that a request to a URL goes through, as the user had
	// set it before; nil means none. It must not be asked about loopback hosts.
	Upstream func(*http.Request) (*url.URL, error)
	// Log receives what went wrong.
	Log *slog.Logger

	secret   [sha256.Size]byte // hash of the password
	password string
	self     netip.AddrPort
	plain    *httputil.ReverseProxy
	tunnels  atomic.Int64
}

// Open binds a port of the loopback address for the proxy and chooses its
// credentials.
func (p *Proxy) Open(ctx context.Context) (net.Listener, error) {
	if p.House == nil || p.Log == nil {
		return nil, errors.New("forward: a proxy needs House and Log")
	}
	b := make([]byte, 24)
	rand.Read(b)
	p.password = base64.RawURLEncoding.EncodeToString(b)
	p.secret = sha256.Sum256([]byte(p.password))
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	p.self = l.Addr().(*net.TCPAddr).AddrPort()
	p.plain = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL = r.In.URL
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Proxy-Authorization")
		},
		Transport: &http.Transport{
			Proxy:                  p.proxyFor,
			DialContext:            p.dial,
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  answerTimeout,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true, // bytes pass as they are
		},
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			p.Log.Debug("request did not pass", "host", r.URL.Host, "err", err)
			refuse(w, http.StatusBadGateway, err.Error())
		},
	}
	return l, nil
}

// URL is the proxy's address with its credentials, for the environment of the
// command and of nobody else.
func (p *Proxy) URL() string {
	return (&url.URL{Scheme: "http", User: url.UserPassword(user, p.password), Host: p.self.String()}).String()
}

// Serve answers until ctx ends; then it cuts what is open.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ServeHTTP answers a request to the proxy.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !p.admits(r.Header.Get("Proxy-Authorization")):
		w.Header().Set("Proxy-Authenticate", `Basic realm="lentil exec"`)
		refuse(w, http.StatusProxyAuthRequired, "this proxy serves the command that lentil exec started, and what that starts")
	case r.Method == http.MethodConnect:
		p.connect(w, r)
	case r.URL.Host == "":
		refuse(w, http.StatusBadRequest, "this is a forward proxy: it takes requests for other hosts")
	case r.URL.Scheme != "http":
		refuse(w, http.StatusBadRequest, "what is not plain http passes by CONNECT")
	case p.isSelf(hostPort(r.URL.Host, "80")):
		refuse(w, http.StatusLoopDetected, "the request leads back to this proxy")
	case Owns(r.URL.Hostname()):
		// The vendors' hosts speak TLS only.
		w.Header().Set("Location", "https://"+r.URL.Hostname()+r.URL.RequestURI())
		refuse(w, http.StatusPermanentRedirect, "this host is reached by https")
	default:
		p.plain.ServeHTTP(w, r)
	}
}

// refuse answers a request that does not pass.
func refuse(w http.ResponseWriter, status int, why string) {
	http.Error(w, "lentil exec: "+why, status)
}

// admits checks the credentials.
func (p *Proxy) admits(header string) bool {
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return false
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return false
	}
	_, password, _ := strings.Cut(string(b), ":")
	sum := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(sum[:], p.secret[:]) == 1
}

// hostPort is a URL's host with the port that it means.
func hostPort(host, byDefault string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), byDefault)
}

// isSelf says whether an address is this proxy's own.
func (p *Proxy) isSelf(address string) bool {
	host, port, err := net.SplitHostPort(address)
	return err == nil && port == fmt.Sprint(p.self.Port()) && isLoopback(host)
}

// isLoopback says whether a host means this machine.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && (ip.Unmap().IsLoopback() || ip.IsUnspecified())
}

// proxyFor is the proxy before a request, none for this machine.
func (p *Proxy) proxyFor(r *http.Request) (*url.URL, error) {
	if p.Upstream == nil || isLoopback(r.URL.Hostname()) {
		return nil, nil
	}
	return p.Upstream(r)
}

// dial connects to a host of the network.
func (p *Proxy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, network, address)
}

// connect joins the client with the host that it names.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil || host == "" || port == "" {
		refuse(w, http.StatusBadRequest, "CONNECT needs host:port")
		return
	}
	if p.isSelf(r.Host) {
		refuse(w, http.StatusLoopDetected, "the connection leads back to this proxy")
		return
	}
	defer p.tunnels.Add(-1)
	if p.tunnels.Add(1) > maxTunnels {
		refuse(w, http.StatusServiceUnavailable, "too many connections at once")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), dialTimeout)
	defer cancel()
	var far net.Conn
	level := slog.LevelDebug // programs tell what they could not reach, or do without, as when offline
	if Owns(host) && port == "443" {
		level = slog.LevelWarn
		far, err = p.House(ctx, strings.ToLower(host))
	} else {
		far, err = p.through(ctx, r.Host)
	}
	if err != nil {
		p.Log.Log(r.Context(), level, "connection did not pass", "host", host, "err", err)
		refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	defer near.Close()
	defer context.AfterFunc(r.Context(), func() { near.Close(); far.Close() })()
	near.SetDeadline(time.Time{})
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	// What came with the request is passed on first. The server's reader is of no use
	// beyond: at the end of what it reads it ends the request's context.
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	join(&begunConn{Conn: near, early: early}, far)
}

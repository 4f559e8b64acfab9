package forward

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// through connects to a host, by way of the proxy that the user had set, if any.
func (p *Proxy) through(ctx context.Context, address string) (net.Conn, error) {
	// The scheme decides which variable counts; what is tunnelled is TLS as a rule.
	target := &http.Request{Method: http.MethodConnect, URL: &url.URL{Scheme: "https", Host: address}}
	via, err := p.proxyFor(target)
	if err != nil {
		return nil, fmt.Errorf("the proxy that was set before lentil exec: %w", err)
	}
	if via == nil {
		return p.dial(ctx, "tcp", address)
	}
	c, err := p.dialProxy(ctx, via)
	if err != nil {
		return nil, fmt.Errorf("the proxy %s: %w", via.Redacted(), err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline)
	}
	head := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if via.User != nil {
		password, _ := via.User.Password()
		head += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(via.User.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		c.Close()
		return nil, err
	}
	r := bufio.NewReader(io.LimitReader(c, maxHeader))
	res, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("it answered %s", res.Status)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("the proxy %s: %w", via.Redacted(), err)
	}
	c.SetDeadline(time.Time{})
	early, _ := r.Peek(r.Buffered()) // a server that speaks first, as of mail
	return &begunConn{Conn: c, early: early}, nil
}

// dialProxy connects to a proxy.
func (p *Proxy) dialProxy(ctx context.Context, via *url.URL) (net.Conn, error) {
	switch via.Scheme {
	case "http":
		return p.dial(ctx, "tcp", hostPort(via.Host, "80"))
	case "https":
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: &tls.Config{MinVersion: tls.VersionTLS12}}
		return d.DialContext(ctx, "tcp", hostPort(via.Host, "443"))
	default:
		return nil, fmt.Errorf("lentil exec goes through http and https proxies, not %s", via.Scheme)
	}
}

// begunConn is a connection of which a part was read already.
type begunConn struct {
	net.Conn
	early []byte
}

// Read gives that part first.
func (c *begunConn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// CloseWrite ends what is sent.
func (c *begunConn) CloseWrite() error { return closeWrite(c.Conn) }

// join passes bytes both ways until both ways have ended, or nothing came for
// long.
func join(near, far net.Conn) {
	var wg sync.WaitGroup
	touch := func() {
		end := time.Now().Add(tunnelIdle)
		near.SetDeadline(end)
		far.SetDeadline(end)
	}
	touch()
	pass := func(to, from net.Conn) {
		b := make([]byte, 32<<10)
		for {
			n, err := from.Read(b)
			if n > 0 {
				touch()
				if _, werr := to.Write(b[:n]); werr != nil {
					near.Close()
					far.Close()
					return
				}
			}
			if err == io.EOF {
				closeWrite(to)
				return
			}
			if err != nil {
				near.Close()
				far.Close()
				return
			}
		}
	}
	wg.Go(func() { pass(far, near) })
	wg.Go(func() { pass(near, far) })
	wg.Wait()
}

// closeWrite ends what is sent on a connection and lets the other way go on.
func closeWrite(c net.Conn) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

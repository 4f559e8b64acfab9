package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The PROXY protocol tells on a connection itself who is behind it, before the first
// byte of the client: for proxies that pass TLS through and cannot add a header.
// Both versions: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
const (
	proxyV1      = "PROXY "
	proxyV2      = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV1Limit = 107 // bytes of the longest line, its end with it (§2.1)
	proxyV2Head  = 16
	proxyTime    = 10 * time.Second // that a header may take
)

var errProxyHeader = errors.New("the connection does not begin with a header of the PROXY protocol, as those of trusted proxies must (proxies.protocol)")

// proxied is a listener whose trusted peers begin each connection with that header.
// The connections of all others are theirs, and a header there is no header.
type proxied struct {
	net.Listener
	trusts func(netip.Addr) bool
}

// Accept is part of net.Listener. It does not wait for the header: a peer that sends
// none must not keep others out.
func (p *proxied) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || !p.trusts(peer.Addr()) {
		return c, nil
	}
	return &proxiedConn{Conn: c, r: bufio.NewReaderSize(c, 512)}, nil
}

// dial is how the house itself asks such a listener something.
func (p *peers) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if own, err := netip.ParseAddrPort(c.LocalAddr().String()); err == nil && p.trusts(own.Addr()) {
		if _, err := io.WriteString(c, proxyV1+"UNKNOWN\r\n"); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// proxiedConn reads the header when it is first asked for something. net/http asks for
// the address before it sets a deadline of its own, in the connection's own goroutine.
type proxiedConn struct {
	net.Conn
	r    *bufio.Reader
	once sync.Once
	from net.Addr // nil: as the connection has it
	err  error
}

// open reads the header.
func (c *proxiedConn) open() {
	c.once.Do(func() {
		_ = c.Conn.SetReadDeadline(time.Now().Add(proxyTime))
		var from netip.AddrPort
		if from, c.err = readProxyHeader(c.r); from.IsValid() {
			c.from = net.TCPAddrFromAddrPort(from)
		}
		_ = c.Conn.SetReadDeadline(time.Time{})
	})
}

// Read is part of net.Conn.
func (c *proxiedConn) Read(b []byte) (int, error) {
	if c.open(); c.err != nil {
		return 0, c.err
	}
	return c.r.Read(b)
}

// RemoteAddr is the client's address.
func (c *proxiedConn) RemoteAddr() net.Addr {
	if c.open(); c.from != nil {
		return c.from
	}
	return c.Conn.RemoteAddr()
}

// readProxyHeader reads a header of either version; an address that is not valid means
// the connection's own, as health checks of the proxy have it.
func readProxyHeader(r *bufio.Reader) (netip.AddrPort, error) {
	first, err := r.Peek(1)
	switch {
	case err != nil:
		return netip.AddrPort{}, err
	case first[0] == proxyV1[0]:
		return readProxyV1(r)
	case first[0] == proxyV2[0]:
		return readProxyV2(r)
	}
	return netip.AddrPort{}, errProxyHeader
}

// readProxyV1 reads PROXY TCP4 FROM TO PORT PORT, or PROXY UNKNOWN and anything (§2.1).
func readProxyV1(r *bufio.Reader) (none netip.AddrPort, err error) {
	var line []byte
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		b, err := r.ReadByte()
		if err != nil {
			return none, err
		}
		if line = append(line, b); len(line) > proxyV1Limit {
			return none, errProxyHeader
		}
	}
	words := strings.Split(strings.TrimSuffix(string(line), "\r\n"), " ")
	if words[0]+" " != proxyV1 || len(words) < 2 {
		return none, errProxyHeader
	}
	if words[1] == "UNKNOWN" {
		return none, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return none, errProxyHeader
	}
	from, err := netip.ParseAddr(words[2])
	port, perr := strconv.ParseUint(words[4], 10, 16)
	if err != nil || perr != nil || from.Zone() != "" || from.Is4() != (words[1] == "TCP4") {
		return none, errProxyHeader
	}
	return netip.AddrPortFrom(from.Unmap(), uint16(port)), nil
}

// readProxyV2 reads the binary header: a signature, version and command, family, and
// the length of addresses and extensions (§2.2). Extensions are passed over.
func readProxyV2(r *bufio.Reader) (none netip.AddrPort, err error) {
	var head [proxyV2Head]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return none, err
	}
	if string(head[:12]) != proxyV2 || head[12]>>4 != 2 {
		return none, errProxyHeader
	}
	rest := make([]byte, binary.BigEndian.Uint16(head[14:])) // 64 KiB at the most, from a trusted peer
	if _, err := io.ReadFull(r, rest); err != nil {
		return none, err
	}
	switch command, family := head[12]&15, head[13]; {
	case command == 0: // LOCAL: the proxy speaks for itself
		return none, nil
	case command != 1:
		return none, fmt.Errorf("%w: command %d", errProxyHeader, command)
	case family == 0x11 && len(rest) >= 12: // TCP over IPv4
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest[:4])), binary.BigEndian.Uint16(rest[8:])), nil
	case family == 0x21 && len(rest) >= 36: // TCP over IPv6
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest[:16])).Unmap(), binary.BigEndian.Uint16(rest[32:])), nil
	case family == 0x11 || family == 0x21:
		return none, errProxyHeader
	}
	return none, nil // a family that says nothing of addresses here
}

package server

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// v2 makes a binary header.
func v2(command, family byte, rest []byte) string {
	head := append([]byte(proxyV2), 0x20|command, family)
	return string(append(binary.BigEndian.AppendUint16(head, uint16(len(rest))), rest...))
}

// v2v4 are the addresses of a connection over IPv4, with an extension after them.
func v2v4(from string, port uint16) []byte {
	b := append(netip.MustParseAddr(from).AsSlice(), 192, 0, 2, 1)
	b = binary.BigEndian.AppendUint16(b, port)
	return append(binary.BigEndian.AppendUint16(b, 443), 0x04, 0, 1, 'x') // PP2_TYPE_NOOP
}

// v2v6 are those of one over IPv6.
func v2v6(from string, port uint16) []byte {
	b := append(netip.MustParseAddr(from).AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice()...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, port), 443)
}

func TestProxyProtocolTellsWhoAsks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, trusted, header string
		want                  string // "" if the connection is cut; peer for the proxy itself
	}{
		{"version 1", "127.0.0.1", "PROXY TCP4 203.0.113.9 192.0.2.1 50123 443\r\n", "203.0.113.9:50123"},
		{"version 1, IPv6", "127.0.0.1", "PROXY TCP6 2001:db8::9 2001:db8::1 50123 443\r\n", "[2001:db8::9]:50123"},
		{"version 1, unknown", "127.0.0.1", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "peer"},
		{"version 2", "127.0.0.1", v2(1, 0x11, v2v4("203.0.113.9", 50123)), "203.0.113.9:50123"},
		{"version 2, IPv6", "127.0.0.1", v2(1, 0x21, v2v6("2001:db8::9", 50123)), "[2001:db8::9]:50123"},
		{"version 2, a health check", "127.0.0.1", v2(0, 0, nil), "peer"},
		{"version 2, a UNIX socket", "127.0.0.1", v2(1, 0x31, make([]byte, 216)), "peer"},
		{"nothing", "127.0.0.1", "", ""},
		{"a line that is too long", "127.0.0.1", "PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n", ""},
		{"an address of the other family", "127.0.0.1", "PROXY TCP4 2001:db8::9 2001:db8::1 1 2\r\n", ""},
		{"addresses that are cut short", "127.0.0.1", v2(1, 0x11, []byte{1, 2, 3}), ""},
		{"a command that there is not", "127.0.0.1", v2(7, 0x11, v2v4("203.0.113.9", 1)), ""},
		{"a stranger without a header", "10.0.0.0/8", "", "peer"},
		{"a stranger who says so", "10.0.0.0/8", "PROXY TCP4 203.0.113.9 192.0.2.1 50123 443\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			trusted, err := parseProxies(tt.trusted)
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			peers := &peers{trusted: trusted}
			s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })}
			go s.Serve(&proxied{Listener: l, trusts: peers.trusts})
			defer s.Close()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, tt.header+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			got := ""
			if res, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && res.StatusCode == http.StatusOK {
				b, _ := io.ReadAll(res.Body)
				got = string(b)
			}
			want := tt.want
			if want == "peer" {
				want = c.LocalAddr().String()
			}
			if got != want {
				t.Errorf("saw %q, want %q", got, want)
			}
		})
	}
}

// TestProxyProtocolKeepsNobodyOut holds that a peer which says nothing does not keep
// others waiting.
func TestProxyProtocolKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := parseProxies("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	peers := &peers{trusted: trusted}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })}
	go s.Serve(&proxied{Listener: l, trusts: peers.trusts})
	defer s.Close()
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: peers.dial, DisableKeepAlives: true}}
	res, err := client.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.9 192.0.2.1 50123 443\r\nrest"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(1, 0x21, v2v6("2001:db8::9", 1)) + "rest"))
	f.Add([]byte(v2(0, 0, nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		from, err := readProxyHeader(bufio.NewReader(strings.NewReader(string(b))))
		if err != nil && from.IsValid() {
			t.Errorf("%v with %v", from, err)
		}
		if from.Addr().Is4In6() {
			t.Errorf("%v is an IPv4 address in disguise", from)
		}
	})
}

package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/wire"
)

// peers finds out who a request is from when proxies stand in front.
type peers struct {
	trusted []netip.Prefix
	header  string // canonical: X-Forwarded-For, Forwarded, or one that holds an address alone
	// nearby says that programs of this machine count as proxies where none is named:
	// development servers pass requests on.
	nearby bool
}

// defaultPeerHeader is what most proxies append the address of their peer to.
const defaultPeerHeader = "X-Forwarded-For"

// from is the handler with RemoteAddr set to the client's address. Only the one
// header that was chosen is read, because a proxy passes on the others as it got
// them from strangers; and only as far as the addresses in it, from the nearest
// on, are those of trusted proxies.
func (p *peers) from(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.forwards(r) {
			h.ServeHTTP(w, r.WithContext(wire.WithoutForwarded(r.Context())))
			return
		}
		if a := p.client(r); a.IsValid() {
			r = r.WithContext(r.Context()) // a copy: the server keeps the original
			r.RemoteAddr = netip.AddrPortFrom(a, 0).String()
		}
		h.ServeHTTP(w, r)
	})
}

// forwards tells whether what a request says of how it was asked for is from one of
// our proxies.
func (p *peers) forwards(r *http.Request) bool {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	if len(p.trusted) == 0 {
		return p.nearby && a.Addr().Unmap().IsLoopback()
	}
	return p.trusts(a.Addr())
}

// client is the address of the first machine, from here on, that is no trusted
// proxy; invalid if that is the peer itself.
func (p *peers) client(r *http.Request) (client netip.Addr) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return client
	}
	near, err := netip.ParseAddr(host)
	if err != nil || !p.trusts(near) {
		return client
	}
	hops := strings.Split(strings.Join(r.Header.Values(p.header), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, ok := hopAddress(hop, p.header == "Forwarded")
		if !ok {
			break // what lies beyond cannot be told apart from an invention
		}
		client = a
		if !p.trusts(a) {
			break
		}
	}
	return client
}

// trusts tells whether an address is that of one of our proxies.
func (p *peers) trusts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(p.trusted, func(n netip.Prefix) bool { return n.Contains(a) })
}

// hopAddress reads one element of the header: an address with or without a port,
// or the "for" parameter of RFC 7239 §4.
func hopAddress(text string, forwarded bool) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if forwarded {
		value := ""
		for pair := range strings.SplitSeq(text, ";") {
			if k, v, _ := strings.Cut(pair, "="); strings.EqualFold(strings.TrimSpace(k), "for") {
				value = strings.Trim(strings.TrimSpace(v), `"`)
			}
		}
		text = value
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.Unmap(), true
	}
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a.Addr().Unmap(), true
	}
	return netip.Addr{}, false
}

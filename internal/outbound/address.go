package outbound

import (
	"fmt"
	"net/netip"
)

// Special-purpose address blocks, from the registries of RFC 6890
// (https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-).
var (
	loopback = prefixes("127.0.0.0/8", "::1/128")
	private  = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")

	// metadata are addresses at which clouds hand out credentials, refused whatever
	// the policy, also where they lie in a private block.
	metadata = prefixes(
		"169.254.169.254/32",     // most clouds; link-local as well
		"168.63.129.16/32",       // Azure's wire server, a public address
		"100.100.100.200/32",     // Alibaba
		"192.0.0.192/32",         // Oracle
		"fd00:ec2::254/128",      // AWS
		"fd20:ce::254/128",       // Google
		"fd00:c1::a9fe:a9fe/128", // Oracle
	)

	// reserved are blocks of the global ranges in which no server of the public
	// internet lies. IPv6 outside 2000::/3 needs no entry.
	reserved = prefixes(
		"0.0.0.0/8",       // this network; Linux dials 0.0.0.0 as loopback
		"100.64.0.0/10",   // carrier-grade NAT
		"169.254.0.0/16",  // link-local
		"192.0.0.0/24",    // IETF protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, and the broadcast address
		"2001::/23",       // IETF protocol assignments: Teredo, ORCHID, benchmarks
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4: an IPv4 address in disguise
		"3fff::/20",       // documentation
	)

	global6 = netip.MustParsePrefix("2000::/3")
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
)

// prefixes parses a table of blocks.
func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// within reports whether one of the blocks holds ip.
func within(blocks []netip.Prefix, ip netip.Addr) bool {
	for _, p := range blocks {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// plain is the address that ip stands for: an IPv4 address out of its mapped or
// NAT64 form (RFC 4291 §2.5.5.2, RFC 6052).
func plain(ip netip.Addr) netip.Addr {
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

// Forbidden is the refusal to dial an address.
type Forbidden struct{ Address netip.Addr }

// Error says which address.
func (f *Forbidden) Error() string {
	return fmt.Sprintf("%s is not an address of the public internet", f.Address)
}

// allow judges an address; the error is a *Forbidden.
func (p Policy) allow(ip netip.Addr) error {
	a := plain(ip)
	switch {
	case !a.IsValid(), a.Zone() != "", within(metadata, a):
	case within(loopback, a):
		if p.Loopback {
			return nil
		}
	case within(private, a):
		if p.Private {
			return nil
		}
	case within(reserved, a):
	case a.Is4(), global6.Contains(a):
		return nil
	}
	return &Forbidden{ip}
}

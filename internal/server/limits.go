package server

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Limits bound what strangers and heavy load can take of the machine. A zero is
// the default.
type Limits struct {
	// Connections bounds the open HTTP connections of all listeners together;
	// one more is answered 503 and closed. Sockets of the sync protocol are
	// counted by themselves. Default 10,000, or what the process may open.
	Connections int
	// Sockets bounds the open sockets of the sync protocol. Default 20,000, or
	// what the process may open.
	Sockets int
	// Requests bounds the HTTP requests being answered at once. Default 5,000.
	Requests int
	// Queue bounds the functions that wait for a JavaScript worker. Default 10,000.
	Queue int
	// Retention is how long old revisions stay readable. Default 4 hours.
	Retention time.Duration
	// WriteLog is how many written index keys are remembered to find conflicts
	// and changed queries. Default 200,000.
	WriteLog int
}

// The defaults of Limits, and the bounds of Retention. A page of results or a
// live query that is asked for again must find its snapshot, so that a shorter
// retention would make requests fail.
const (
	defaultConnections = 10_000
	defaultSockets     = 20_000
	defaultRequests    = 5_000
	defaultQueue       = 10_000
	defaultRetention   = 4 * time.Hour
	defaultWriteLog    = 200_000
	minRetention       = 10 * time.Second
	maxRetention       = 90 * 24 * time.Hour
)

// whole are the limits that are numbers, by the name of their flag.
func (l *Limits) whole() map[string]*int {
	return map[string]*int{
		"max-connections": &l.Connections, "max-sockets": &l.Sockets, "max-requests": &l.Requests,
		"max-queue": &l.Queue, "write-log": &l.WriteLog,
	}
}

// prepare checks the limits and fills in the defaults. files is how many the
// process may have open: sockets and connections get seven eighths of them at
// most, the stores share the rest.
func (l *Limits) prepare(files int) error {
	for flag, field := range l.whole() {
		if *field < 0 {
			return fmt.Errorf("%s must not be negative; leave it out for the default", flag)
		}
	}
	if l.Retention != 0 && (l.Retention < minRetention || l.Retention > maxRetention) {
		return fmt.Errorf("the retention must be between %v and %v, not %v", minRetention, maxRetention, l.Retention)
	}
	byDefault := func(field *int, d int) {
		if *field == 0 {
			*field = d
		}
	}
	byDefault(&l.Sockets, max(16, min(defaultSockets, files/2)))
	byDefault(&l.Connections, max(16, min(defaultConnections, files*3/8)))
	byDefault(&l.Requests, defaultRequests)
	byDefault(&l.Queue, defaultQueue)
	byDefault(&l.WriteLog, defaultWriteLog)
	if l.Retention == 0 {
		l.Retention = defaultRetention
	}
	return nil
}

// storeCache is how many bytes of blocks the stores of a house keep in memory
// together, as they are needed.
const storeCache = 128 << 20

// What a deployment keeps in memory to answer sooner, as it is needed: decoded
// documents and results of queries. wholeCaches deployments get all of it; one that is
// opened when more are open gets the less the more there are, and the least at last.
const (
	documentCache, leastDocuments = 32 << 20, 2 << 20
	resultCache, leastResults     = 128 << 20, 4 << 20
	wholeCaches                   = 4
)

// cacheShare are the sizes of the caches of a deployment that is opened when others
// are open.
func cacheShare(open int) (documents int, results int64) {
	n := max(wholeCaches, open+1)
	return max(leastDocuments, documentCache*wholeCaches/n), int64(max(leastResults, resultCache*wholeCaches/n))
}

// storeFiles is half of how many files the stores may keep open together.
func storeFiles(files int) int { return max(16, min(500, files/16)) }

// raiseFiles lifts the number of files that the process may open to what the
// system allows it, and tells the number. (Go does so when a program starts, but
// not where a parent has left soft and hard limit different on purpose.)
func raiseFiles() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 1024
	}
	if r.Cur < r.Max {
		higher := syscall.Rlimit{Cur: r.Max, Max: r.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher); err == nil {
			r = higher
		}
	}
	return int(min(r.Cur, 1<<20))
}

// parseProxies reads a list of addresses and networks.
func parseProxies(list string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil {
				a = a.Unmap()
				p = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

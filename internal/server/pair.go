package server

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"syscall"

	"github.com/lentil-dev/lentil/internal/platform"
)

// Where deployments other than the home one answer: pairs of ports from here on, far
// from what people and browsers use. The range is below those that systems give to
// outgoing connections (Linux: 32768, RFC 6335: 49152).
const (
	firstFleetPort = 17000
	fleetPairs     = 2000
)

// bindPair binds the two ports of a deployment: those where it answered last time,
// or else a pair that is free.
func (f *fleet) bindPair(ctx context.Context, name string, last platform.Ports) (pair []*socket, err error) {
	host := f.server.cfg.Host
	both := func(functions, site int) ([]*socket, error) {
		a, err := bind(ctx, host, "the deployment "+name, functions)
		if err != nil {
			return nil, err
		}
		b, err := bind(ctx, host, "HTTP actions of "+name, site)
		if err != nil {
			a.close()
			return nil, err
		}
		return []*socket{a, b}, nil
	}
	if last.Deployment != 0 {
		if pair, err = both(last.Deployment, last.Site); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return pair, err
		}
	}
	// The search begins at a place that the name decides, so that houses of one machine,
	// of which not all may run now, do not take each other's.
	hash := fnv.New32a()
	hash.Write([]byte(name))
	begin := int(hash.Sum32() % fleetPairs)
	for i := range fleetPairs {
		n := firstFleetPort + 2*((begin+i)%fleetPairs)
		if pair, err = both(n, n+1); err == nil {
			if last.Deployment != 0 {
				f.server.cfg.Notice("port %d or %d is taken; %s answers on %d", last.Deployment, last.Site, name, n)
			}
			return pair, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no free pair of ports for %s between %d and %d", name, firstFleetPort, firstFleetPort+2*fleetPairs)
}

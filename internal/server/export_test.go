package server

import (
	"context"
	"errors"

	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
)

// HouseKeys lets tests ask which JWKS URLs are this house's own.
func (s *Server) HouseKeys(jwksURL string) token.KeySet { return s.houseKeys(jwksURL) }

// Platform lets tests make deployments.
func (s *Server) Platform() *platform.Service { return s.platform }

// ClockLeaps makes a house that does not run yet take its clock for months ahead.
func (s *Server) ClockLeaps() { s.clock.leapt = true }

// OpenDeployments lets tests see which deployments are open.
func (s *Server) OpenDeployments() (names []string) {
	for _, b := range s.fleet.all() {
		if b.current() != nil {
			names = append(names, b.name)
		}
	}
	return names
}

// Opening lets a test look at the house as it is while a deployment is being opened.
func (s *Server) Opening(name string, look func()) {
	s.fleet.mu.Lock()
	b := s.fleet.berths[name]
	s.fleet.mu.Unlock()
	b.mu.Lock()
	b.moving = make(chan struct{})
	b.mu.Unlock()
	look()
	b.mu.Lock()
	b.settle()
	b.mu.Unlock()
}

// OpenAround opens a deployment as a request does; what happens meanwhile comes between
// its opening and its lying in the berth.
func (s *Server) OpenAround(ctx context.Context, name string, meanwhile func()) error {
	b, err := s.fleet.berth(ctx, name)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.moving = make(chan struct{})
	b.mu.Unlock()
	v, err := s.fleet.launch(ctx, b)
	meanwhile()
	b.mu.Lock()
	b.vessel = v
	b.settle()
	b.mu.Unlock()
	return err
}

// FleetRuns says whether the fleet has started what was open when it began.
func (s *Server) FleetRuns() bool {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	return s.fleet.running != nil
}

// Fail breaks the store of a deployment that is open, as a disk would.
func (s *Server) Fail(name string) {
	s.fleet.mu.Lock()
	b := s.fleet.berths[name]
	s.fleet.mu.Unlock()
	_ = b.current().deployment.DB.Close()
	s.fleet.failed(b, errors.New("the disk is gone"))
}

// Moor makes the berth of a deployment whose row was read before.
func (s *Server) Moor(ctx context.Context, row *platform.Deployment) error {
	_, err := s.fleet.moor(ctx, row)
	return err
}

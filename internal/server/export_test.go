package server

import (
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
)

// HouseKeys lets tests ask which JWKS URLs are this house's own.
func (s *Server) HouseKeys(jwksURL string) token.KeySet { return s.houseKeys(jwksURL) }

// Platform lets tests make deployments.
func (s *Server) Platform() *platform.Service { return s.platform }

// OpenDeployments lets tests see which deployments are open.
func (s *Server) OpenDeployments() (names []string) {
	for _, b := range s.fleet.all() {
		if b.current() != nil {
			names = append(names, b.name)
		}
	}
	return names
}

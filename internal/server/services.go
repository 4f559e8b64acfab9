package server

import (
	"context"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/vault"
	"github.com/lentil-dev/lentil/internal/wire/workos"
)

// services are the smaller services beside sign-in.
type services struct {
	vault vault.Service
}

// open opens them all over the house's identity service.
func (s *services) open(ctx context.Context, id *identity.Service) error {
	s.vault.Identity = id
	return s.vault.Open(ctx)
}

// fill puts them behind the API.
func (s *services) fill(api *workos.API) {
	api.Vault = &s.vault
}

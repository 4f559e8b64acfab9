package deploy

import (
	"context"

	"github.com/lentil-dev/lentil/internal/token"
)

// allowShared is the variable by which the owner of a deployment says that it may use
// the identity environment of one of another kind.
const allowShared = "LENTIL_ALLOW_SHARED_ENVIRONMENT"

// guard asks Guard about what a deployment with these variables is to be given.
func (s *Service) guard(ctx context.Context, env map[string]string, texts []string) error {
	if s.Guard == nil || len(texts) == 0 || env[allowShared] == "true" || env[allowShared] == "1" {
		return nil
	}
	return s.Guard(ctx, texts)
}

// namedBy is what names an identity environment in auth providers.
func namedBy(list []token.Provider) (texts []string) {
	for _, p := range list {
		texts = append(texts, p.ApplicationID, p.Issuer, p.JWKS)
	}
	return texts
}

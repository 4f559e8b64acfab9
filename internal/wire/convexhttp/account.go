package convexhttp

import (
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/wire"
)

// The CLI's MCP server works for those only who are signed in to the account
// service, at CONVEX_PROVISION_HOST. A deployment stands in for that service in
// the two requests it makes: who holds the admin key is signed in.

// signedIn checks an access token of the account service, which is the admin key.
func (s *Server) signedIn(q *request) error {
	key, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return apierr.New(apierr.Unauthenticated, "MissingAccessToken", "Set CONVEX_OVERRIDE_ACCESS_TOKEN to the deployment's admin key.")
	}
	_, err := s.Gate.Key(q.Context(), key)
	return err
}

// authorize answers HEAD /api/authorize: whether the token is good.
func (s *Server) authorize(q *request) error {
	if err := s.signedIn(q); err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte("{}"))
}

// checkOptIns answers POST /api/check_opt_ins: there are no terms to accept.
func (s *Server) checkOptIns(q *request) error {
	if err := s.signedIn(q); err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte(`{"optInsToAccept":[]}`))
}

package convexhttp

import (
	"context"

	"github.com/lentil-dev/lentil/internal/udf"
)

// runTestFunction answers POST /api/run_test_function: a query whose source comes
// with the request (`run --inline-query`, the MCP server's runOneoffQuery).
func (s *Server) runTestFunction(q *request) error {
	var b struct {
		callBody
		Bundle struct {
			Path   string `json:"path"`
			Source string `json:"source"`
		} `json:"bundle"`
		ComponentID *string `json:"componentId"` // a component's path, for all that the CLI calls it an id
	}
	if err := s.body(q, maxArgsBody, &b); err != nil {
		return err
	}
	if b.Component == nil {
		b.Component = b.ComponentID
	}
	return s.call(q, b.callBody, func(r *udf.Runner, ctx context.Context, req udf.Request) (*udf.Outcome, error) {
		return r.TestQuery(ctx, req, b.Bundle.Path, b.Bundle.Source)
	})
}

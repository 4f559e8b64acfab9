package convexhttp

import (
	"github.com/lentil-dev/lentil/internal/wire"
)

// jobBody is the body of the routes of scheduled functions.
type jobBody struct {
	ID          string  `json:"id"`
	UDFPath     *string `json:"udfPath"`
	ComponentID *string `json:"componentId"`
}

// jobs reads the body, and the component that is meant: its path is its id.
func (s *Server) jobs(q *request) (b jobBody, component string, err error) {
	if err = s.body(q, maxSmallBody, &b); err == nil && b.ComponentID != nil {
		component = *b.ComponentID
	}
	return b, component, err
}

// cancelJob answers POST /api/cancel_job.
func (s *Server) cancelJob(q *request) error {
	b, component, err := s.jobs(q)
	if err != nil {
		return err
	}
	if err := s.Runner.CancelJob(q.Context(), component, b.ID); err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte("null"))
}

// cancelAllJobs answers POST /api/cancel_all_jobs: of one function, or of all.
func (s *Server) cancelAllJobs(q *request) error {
	b, component, err := s.jobs(q)
	if err != nil {
		return err
	}
	path := ""
	if b.UDFPath != nil {
		path = *b.UDFPath
	}
	n, err := s.Runner.CancelAllJobs(q.Context(), component, path)
	if err != nil {
		return err
	}
	s.Log.Info("scheduled functions canceled", "count", n, "function", path)
	return wire.WriteRawJSON(q.w, []byte("null"))
}

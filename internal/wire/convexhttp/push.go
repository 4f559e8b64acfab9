package convexhttp

import (
	"context"
	"encoding/json"

	"github.com/lentil-dev/lentil/internal/deploy"
	"github.com/lentil-dev/lentil/internal/wire"
)

// maxSmallBody bounds bodies that hold a handful of members.
const maxSmallBody = 4 << 20

// configHashes answers POST /api/get_config_hashes.
func (s *Server) configHashes(q *request) error {
	var b struct {
		Version string `json:"version"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	out, err := s.Deploy.ConfigHashes(q.Context())
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, out)
}

// step answers a route of the push protocol that takes and gives a struct.
func step[In, Out any](s *Server, q *request, do func(context.Context, *In) (Out, error)) error {
	in := new(In)
	if err := s.body(q, deploy.MaxPushBytes, in); err != nil {
		return err
	}
	out, err := do(q.Context(), in)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, out)
}

// evaluateSchema answers POST /api/deploy2/evaluate_schema.
func (s *Server) evaluateSchema(q *request) error { return step(s, q, s.Deploy.EvaluateSchema) }

// evaluatePush answers POST /api/deploy2/evaluate_push, of older clients.
func (s *Server) evaluatePush(q *request) error { return step(s, q, s.Deploy.EvaluatePush) }

// startPush answers POST /api/deploy2/start_push.
func (s *Server) startPush(q *request) error { return step(s, q, s.Deploy.StartPush) }

// waitForSchema answers POST /api/deploy2/wait_for_schema.
func (s *Server) waitForSchema(q *request) error {
	waiting, over := wire.Waiting(q.Request)
	defer over()
	q.Request = q.WithContext(waiting)
	return step(s, q, s.Deploy.WaitForSchema)
}

// finishPush answers POST /api/deploy2/finish_push. Once begun it is finished,
// whether or not the caller waits.
func (s *Server) finishPush(q *request) error {
	return step(s, q, func(ctx context.Context, r *deploy.FinishPushRequest) (*deploy.FinishPushDiff, error) {
		return s.Deploy.FinishPush(context.WithoutCancel(ctx), r)
	})
}

// reportPushCompleted answers POST /api/deploy2/report_push_completed.
func (s *Server) reportPushCompleted(q *request) error {
	var b struct {
		Spans []json.RawMessage `json:"spans"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	if err := s.Deploy.ReportPushCompleted(q.Context(), b.Spans); err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte("null"))
}

// updateEnvironment answers POST /api/update_environment_variables. The body of
// the answer is null; clients look at the status only.
func (s *Server) updateEnvironment(q *request) error {
	var b deploy.UpdateEnvironmentRequest
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	if err := s.Deploy.UpdateEnvironment(q.Context(), &b); err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte("null"))
}

// prepareSchema answers POST /api/prepare_schema, of CLIs up to 1.25.
func (s *Server) prepareSchema(q *request) error { return step(s, q, s.Deploy.PrepareSchema) }

// schemaState answers GET /api/schema_state/{id}, of the same.
func (s *Server) schemaState(q *request) error {
	out, err := s.Deploy.SchemaState(q.Context(), q.PathValue("id"))
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, out)
}

// pushConfig answers POST /api/push_config, of the same. Like finish_push it
// goes on when the caller is gone.
func (s *Server) pushConfig(q *request) error {
	return step(s, q, func(ctx context.Context, r *deploy.PushConfigRequest) (struct{}, error) {
		return struct{}{}, s.Deploy.PushConfig(context.WithoutCancel(ctx), r)
	})
}

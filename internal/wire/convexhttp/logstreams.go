package convexhttp

import (
	"encoding/json"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/logstream"
	"github.com/lentil-dev/lentil/internal/wire"
)

// webhook is the only type of log streams that is offered.
const webhook = "webhook"

// streamConfig is a log stream as clients get it (npm @convex-dev/platform 0.1.10).
func streamConfig(st *logstream.Stream) map[string]any {
	status := map[string]any{"type": st.State}
	if st.Reason != "" {
		status["reason"] = st.Reason
	}
	return map[string]any{"logStreamType": webhook, "id": st.ID, "url": st.URL, "format": st.Format, "topics": st.Topics, "hmacSecret": st.Secret, "status": status}
}

// listLogStreams answers GET /api/v1/list_log_streams.
func (s *Server) listLogStreams(q *request) error {
	all, err := s.Streams.List(q.Context())
	if err != nil {
		return err
	}
	out := []map[string]any{}
	for _, st := range all {
		out = append(out, streamConfig(st))
	}
	return wire.WriteJSON(q.w, out)
}

// getLogStream answers GET /api/v1/get_log_stream/{id}.
func (s *Server) getLogStream(q *request) error {
	st, err := s.Streams.Get(q.Context(), q.PathValue("id"))
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, streamConfig(st))
}

// logStreamBody reads what a log stream is to be.
func (s *Server) logStreamBody(q *request) (o logstream.Options, err error) {
	var b struct {
		Type   string          `json:"logStreamType"`
		URL    *string         `json:"url"`
		Format *string         `json:"format"`
		Topics json.RawMessage `json:"topics"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return o, err
	}
	if b.Type != webhook {
		return o, apierr.New(apierr.Unsupported, "LogStreamTypeNotSupported", "Log streams of the type %q are not offered by this version of Lentil; use a webhook.", clip(b.Type))
	}
	o = logstream.Options{URL: b.URL, Format: b.Format}
	if len(b.Topics) > 0 {
		o.Topics = new([]string)
		if err := wire.Decode(b.Topics, o.Topics); err != nil {
			return o, err
		}
	}
	return o, nil
}

// createLogStream answers POST /api/v1/create_log_stream.
func (s *Server) createLogStream(q *request) error {
	o, err := s.logStreamBody(q)
	if err != nil {
		return err
	}
	st, err := s.Streams.Create(q.Context(), o)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]string{"logStreamType": webhook, "id": st.ID, "hmacSecret": st.Secret})
}

// updateLogStream answers POST /api/v1/update_log_stream/{id}.
func (s *Server) updateLogStream(q *request) error {
	o, err := s.logStreamBody(q)
	if err != nil {
		return err
	}
	return done(q, s.Streams.Update(q.Context(), q.PathValue("id"), o))
}

// deleteLogStream answers POST /api/v1/delete_log_stream/{id}.
func (s *Server) deleteLogStream(q *request) error {
	return done(q, s.Streams.Delete(q.Context(), q.PathValue("id")))
}

// rotateWebhookSecret answers POST /api/v1/rotate_webhook_secret/{id}.
func (s *Server) rotateWebhookSecret(q *request) error {
	st, err := s.Streams.Rotate(q.Context(), q.PathValue("id"))
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]string{"logStreamType": webhook, "hmacSecret": st.Secret})
}

package convexhttp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire"
)

// logWait is how long a reader of logs is held when there is nothing new.
const logWait = 50 * time.Second

// listEnvironment answers GET /api/v1/list_environment_variables.
func (s *Server) listEnvironment(q *request) error {
	var env map[string]string
	err := s.DB.View(q.Context(), func(tx *database.Tx) (err error) {
		env, err = udf.Environment(q.Context(), tx)
		return err
	})
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]any{"environmentVariables": env})
}

// logPage is an answer with log entries.
type logPage struct {
	Entries   []udf.LogEntry `json:"entries"`
	NewCursor int64          `json:"newCursor"`
}

// logsSince reads a page of the log, waiting for entries behind a cursor. A
// client that has no cursor yet (0) is answered at once, because what comes
// first counts as history to it.
func (s *Server) logsSince(q *request) (logPage, error) {
	cursor := int64(0)
	if c := q.URL.Query().Get("cursor"); c != "" {
		f, err := strconv.ParseFloat(c, 64)
		if err != nil || f < 0 || f > 1<<53 {
			return logPage{}, apierr.New(apierr.BadRequest, "InvalidCursor", "The query parameter `cursor` must be a number of milliseconds.")
		}
		cursor = int64(f)
	}
	wait := logWait
	if cursor == 0 {
		wait = 0
	}
	waiting, over := wire.Waiting(q.Request)
	defer over()
	ctx, cancel := context.WithTimeout(waiting, wait)
	defer cancel()
	// What is logged within this millisecond may still grow, so the first cursor
	// lies before it.
	now := time.Now().UnixMilli() - 1
	entries, next, err := s.Runner.Logs().Since(ctx, cursor)
	if err != nil {
		return logPage{}, err
	}
	if next == 0 {
		next = now
	}
	if entries == nil {
		entries = []udf.LogEntry{}
	}
	return logPage{Entries: entries, NewCursor: next}, nil
}

// functionLogs answers GET /api/stream_function_logs.
func (s *Server) functionLogs(q *request) error {
	page, err := s.logsSince(q)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, page)
}

// completions answers GET /api/stream_udf_execution: the same without progress.
func (s *Server) completions(q *request) error {
	page, err := s.logsSince(q)
	if err != nil {
		return err
	}
	done := []udf.LogEntry{}
	for _, e := range page.Entries {
		if e.Kind == "Completion" {
			done = append(done, e)
		}
	}
	page.Entries = done
	return wire.WriteJSON(q.w, page)
}

// canonicalURLs answers GET /api/v1/get_canonical_urls.
func (s *Server) canonicalURLs(q *request) error {
	return wire.WriteJSON(q.w, map[string]string{"convexCloudUrl": s.CloudURL, "convexSiteUrl": s.SiteURL})
}

// checkAdminKey answers GET /api/check_admin_key; the table has checked it.
func (s *Server) checkAdminKey(q *request) error {
	return wire.WriteRawJSON(q.w, []byte(`{"success":true,"allowedOps":[],"isReadOnly":false}`))
}

// deploymentInfo answers GET /api/v1/deployment_info.
func (s *Server) deploymentInfo(q *request) error {
	return wire.WriteRawJSON(q.w, []byte(`{"kind":"selfHosted"}`))
}

// shapes answers GET /api/shapes2: the tables. Shapes are not inferred from
// documents; "Unknown" is a shape that tools know.
func (s *Server) shapes(q *request) error {
	shapes := map[string]map[string]string{}
	err := s.DB.View(q.Context(), func(tx *database.Tx) error {
		for _, t := range tx.Tables() {
			if t.System() {
				continue
			}
			n, err := tx.Count(q.Context(), t.Name)
			if err != nil {
				return err
			}
			if n == 0 {
				shapes[t.Name] = map[string]string{"type": "Never"}
			} else {
				shapes[t.Name] = map[string]string{"type": "Unknown"}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, shapes)
}

// ignore takes what clients report about themselves.
func (s *Server) ignore(q *request) error { return wire.WriteRawJSON(q.w, []byte("null")) }

// jwks answers GET /.well-known/jwks.json: the keys that verify what ctx.auth.signJwt signs.
func (s *Server) jwks(q *request) error {
	q.w.Header().Set("Content-Type", token.JWKSContentType)
	q.w.Header().Set("Cache-Control", token.JWKSCacheControl)
	if _, err := q.w.Write(s.Runner.Keys().JWKS()); err != nil {
		return wire.ErrAborted
	}
	return nil
}

// health answers GET /health for supervisors and load balancers: 200 as long as
// requests are answered. What a person should look at is told in words that give
// strangers no figures away.
func (s *Server) health(q *request) error {
	state := "ok"
	if s.Problems != nil && len(s.Problems()) > 0 {
		state = "attention"
	}
	q.w.Header().Set("Cache-Control", "no-store")
	advice := ""
	if state != "ok" {
		advice = "Run `lentil status` on the server to see what needs attention."
	}
	return wire.WriteJSON(q.w, map[string]string{"status": state, "advice": advice})
}

// status answers GET /_lentil/status.
func (s *Server) status(q *request) error {
	if s.Status == nil {
		return wire.WriteRawJSON(q.w, []byte("{}"))
	}
	return wire.WriteJSON(q.w, s.Status())
}

// diagnosis answers GET /_lentil/v1/diagnosis.
func (s *Server) diagnosis(q *request) error {
	if s.Diagnosis == nil {
		return wire.WriteRawJSON(q.w, []byte("{}"))
	}
	facts, err := s.Diagnosis(q.Context())
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, facts)
}

// version answers GET /version.
func (s *Server) version(q *request) error { return text(q.w, http.StatusOK, s.Version) }

// instanceName answers GET /instance_name.
func (s *Server) instanceName(q *request) error { return text(q.w, http.StatusOK, s.Name) }

// root answers GET / for people who open the address.
func (s *Server) root(q *request) error {
	return text(q.w, http.StatusOK, fmt.Sprintf("This is the deployment %s, served by Lentil. "+
		"Point a Convex client at this address; HTTP actions are at %s.\n", s.Name, s.SiteURL))
}

const (
	// maxEcho is the largest body that network tests send.
	maxEcho = 64 << 20
	// maxEchoes is how many large echoes are held at once.
	maxEchoes = 2
)

// echo answers POST /echo with the body it was sent. It is read whole first:
// clients of HTTP/1 do not read while they write.
func (s *Server) echo(q *request) error {
	select {
	case s.echoes <- struct{}{}:
		defer func() { <-s.echoes }()
	case <-q.Context().Done():
		return wire.ErrAborted
	}
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, http.MaxBytesReader(q.w, q.Body, maxEcho)); err != nil {
		return apierr.New(apierr.TooLarge, "RequestBodyTooLarge", "The body to echo is cut off or larger than %d bytes.", maxEcho).Wrap(err)
	}
	q.w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := q.w.Write(buf.Bytes()); err != nil {
		return wire.ErrAborted
	}
	return nil
}

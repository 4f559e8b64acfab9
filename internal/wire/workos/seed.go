package workos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/transfer"
	"github.com/lentil-dev/lentil/internal/wire"
)

// seedingKey is the context key of calls that a seed makes: these may choose ids, and
// passwords that people could not.
type seedingKey struct{}

// seeding reports whether a seed makes the call.
func seeding(r *http.Request) bool {
	yes, _ := r.Context().Value(seedingKey{}).(bool)
	return yes
}

// seed is POST /_lentil/v1/seed: a seed file, in YAML or JSON. What the file names is
// made unless it is there; the answer counts. With ?validate=true it is only checked.
func (a *API) seed(w http.ResponseWriter, r *http.Request) error {
	b, err := wire.Body(r, transfer.MaxSeed)
	if err != nil {
		return err
	}
	s, problems := transfer.Parse(b)
	if problems != nil {
		var faults []fieldFault
		for _, p := range problems {
			faults = append(faults, fieldFault{Code: "invalid", Field: p.Path, Message: p.Message})
		}
		return apierr.New(apierr.BadRequest, "invalid_seed", "The seed cannot be used: %s.", problems[0].Error()).With(faults)
	}
	report := &transfer.Report{}
	if r.URL.Query().Get("validate") != "true" {
		if report, err = s.Apply(context.WithValue(r.Context(), seedingKey{}, true), a.within(r)); err != nil {
			if p, ok := err.(transfer.Problem); ok {
				return apierr.New(apierr.BadRequest, "invalid_seed", "The seed stopped: %s.", p.Error()).
					With([]fieldFault{{Code: "refused", Field: p.Path, Message: p.Message}})
			}
			return err
		}
	}
	writeJSON(w, http.StatusOK, report)
	return nil
}

// within makes calls of this API with the key of r, without leaving the process.
func (a *API) within(r *http.Request) transfer.Caller {
	return func(ctx context.Context, method, path string, body any) (int, map[string]any, error) {
		var text []byte
		if body != nil {
			var err error
			if text, err = json.Marshal(body); err != nil {
				return 0, nil, err
			}
		}
		q, err := http.NewRequestWithContext(ctx, method, "http://"+r.Host+path, bytes.NewReader(text))
		if err != nil {
			return 0, nil, fmt.Errorf("workos: make call of a seed: %w", err)
		}
		q.Header.Set("Authorization", r.Header.Get("Authorization"))
		q.RemoteAddr, q.TLS = r.RemoteAddr, r.TLS
		if body != nil {
			q.Header.Set("Content-Type", "application/json")
		}
		kept := &keptAnswer{header: http.Header{}, status: http.StatusOK}
		a.ServeHTTP(kept, q)
		answer := map[string]any{}
		if b := bytes.TrimSpace(kept.body.Bytes()); len(b) > 0 {
			if b[0] == '[' {
				var list []any
				err = json.Unmarshal(b, &list)
				answer["data"] = list
			} else {
				err = json.Unmarshal(b, &answer)
			}
		}
		return kept.status, answer, err
	}
}

// keptAnswer is an answer that stays in the process.
type keptAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the answer's header.
func (k *keptAnswer) Header() http.Header { return k.header }

// WriteHeader notes the status.
func (k *keptAnswer) WriteHeader(status int) { k.status = status }

// Write keeps the body.
func (k *keptAnswer) Write(b []byte) (int, error) { return k.body.Write(b) }

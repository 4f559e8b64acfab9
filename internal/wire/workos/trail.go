package workos

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// trailPatience bounds the writing of an entry once the answer is out.
const trailPatience = 10 * time.Second

// trailed reports whether what a row does goes into the trail of operations:
// everything that changes something by an API key. Signing in has events of its own.
func (row Route) trailed() bool {
	switch row.Operation {
	case "createValidation", "checkAuthorization", "validateCredential":
		return false // these ask, however they are spelt
	}
	return row.Auth == "key" && !row.ownAuth && row.Method != http.MethodGet
}

// trail writes down who changed what, and what came of it. The entry follows the
// change: in a crash between them the change is known by its event alone.
func (a *API) trail(row Route, h http.Handler) http.Handler {
	if !row.trailed() {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := &operator{}
		rec := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), operatorKey{}, who)))
		if who.env == nil {
			return // nobody we know
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), trailPatience)
		defer cancel()
		err := a.Identity.RecordOperation(ctx, who.env.ID, identity.Operation{Request: wire.RequestID(r.Context()), Key: who.key.ID, Method: r.Method,
			Path: r.URL.Path, Status: rec.status, IPAddress: a.clientIP(r), UserAgent: r.UserAgent()})
		if err != nil && !errors.Is(err, context.Canceled) {
			a.Log.Error("operation not written into the trail", "method", r.Method, "path", clip(r.URL.Path, 256), "status", rec.status, "err", err)
		}
	})
}

// operator is filled in by guard, once it is known whose key came.
type operator struct {
	env *identity.Environment
	key *identity.APIKey
}

// operatorKey is the context key of the operator.
type operatorKey struct{}

// admitOperator tells the trail whose key came.
func admitOperator(r *http.Request, env *identity.Environment, key *identity.APIKey) {
	if who, ok := r.Context().Value(operatorKey{}).(*operator); ok {
		who.env, who.key = env, key
	}
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

// WriteHeader remembers the first status.
func (s *statusRecorder) WriteHeader(status int) {
	if !s.wrote {
		s.status, s.wrote = status, true
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write counts as an answer of 200.
func (s *statusRecorder) Write(b []byte) (int, error) {
	s.wrote = true
	return s.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// operationObject is an entry of the trail.
type operationObject struct {
	Object    string  `json:"object"`
	ID        string  `json:"id"`
	RequestID string  `json:"request_id"`
	APIKeyID  string  `json:"api_key_id"`
	Method    string  `json:"method"`
	Path      string  `json:"path"`
	Status    int     `json:"status"`
	IPAddress *string `json:"ip_address"`
	UserAgent *string `json:"user_agent"`
	CreatedAt string  `json:"created_at"`
}

// listOperations is GET /_lentil/v1/operations.
func (a *API) listOperations(w http.ResponseWriter, r *http.Request) error {
	p, err := pageOf(r)
	if err != nil {
		return err
	}
	l, err := a.Identity.Operations(r.Context(), environment(r).ID, identity.APIKeyID(clip(r.URL.Query().Get("api_key_id"), 128)), p)
	if err != nil {
		return err
	}
	return writeList(w, l, func(o *identity.Operation) operationObject {
		return operationObject{Object: "operation", ID: o.ID, RequestID: o.Request, APIKeyID: string(o.Key), Method: o.Method, Path: o.Path, Status: o.Status,
			IPAddress: orNull(o.IPAddress), UserAgent: orNull(o.UserAgent), CreatedAt: identity.FormatTime(o.Created)}
	})
}

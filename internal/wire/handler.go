package wire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Handler answers a request, or returns why it cannot. It must not return an
// error after it has begun to write.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Dialect is how one protocol says no: it writes status, headers and body.
type Dialect func(w http.ResponseWriter, r *http.Request, e *apierr.Error)

// Front turns Handlers into http.Handlers that speak one dialect.
type Front struct {
	Dialect Dialect
	Log     *slog.Logger
}

// ErrAborted is returned by handlers whose answer breaks off, mostly because the
// caller went away; nothing is logged for it.
var ErrAborted = errors.New("wire: caller went away")

// errStopping is the answer to a request whose context ended while its caller is still
// there. Without an answer of ours net/http would say 200 for it.
var errStopping = apierr.New(apierr.Overloaded, "HouseStopping", "This house is stopping. Try again in a moment.")

// Handle makes an http.Handler: it gives the request an id, turns a returned
// error into the dialect's answer, and a panic into an Internal one.
func (f Front) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if RequestID(r.Context()) == "" {
			r = r.WithContext(WithRequestID(r.Context(), NewRequestID()))
		}
		cw := &countingWriter{ResponseWriter: w}
		err := Recover(func() error { return h(cw, r) })
		if err == nil {
			return
		}
		e := errStopping // which a caller that went away does not read
		if !interrupted(r, err) {
			e = f.Public(r, err)
		}
		if cw.wrote {
			// The status is gone already; cutting the connection is the only
			// honest way to tell the caller that the body is not whole.
			panic(http.ErrAbortHandler)
		}
		f.Dialect(w, r, e)
	})
}

// Public is the error as the caller may see it. Faults of ours are logged here,
// once, with the request id that the caller is shown.
func (f Front) Public(r *http.Request, err error) *apierr.Error {
	e, ok := apierr.As(err)
	id := RequestID(r.Context())
	if !ok {
		e = apierr.New(apierr.Internal, "InternalServerError",
			"Your request couldn't be completed. Try again later. (request id %s)", id).Wrap(err)
	}
	if f.Log != nil {
		level := slog.LevelDebug
		if e.Kind == apierr.Internal {
			level = slog.LevelError
		}
		f.Log.Log(r.Context(), level, "request refused", "method", r.Method, "path", r.URL.Path, "request", id,
			"code", e.Code, "err", err)
	}
	return e
}

// panicError is a recovered panic with the stack where it happened.
type panicError struct {
	value any
	stack []byte
}

// Error tells what panicked, and where.
func (p *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// Recover runs f and turns a panic into an error, so that one request's fault
// stays its own. http.ErrAbortHandler passes through, as net/http expects.
func Recover(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return f()
}

// requestIDKey is the context key of the request id.
type requestIDKey struct{}

// NewRequestID makes an id of 16 hexadecimal digits, the form of the imitated
// service.
func NewRequestID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// WithRequestID puts a request id into a context.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id of the request that a context belongs to, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// countingWriter remembers whether anything was written.
type countingWriter struct {
	http.ResponseWriter
	wrote bool
}

// WriteHeader notes that the status is out.
func (w *countingWriter) WriteHeader(status int) {
	w.wrote = w.wrote || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

// Write notes that the status is out.
func (w *countingWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the real writer.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush sends what is buffered, if the writer below can.
func (w *countingWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Status is the usual HTTP status of a kind. Dialects with other habits decide
// for themselves.
func Status(k apierr.Kind) int {
	switch k {
	case apierr.BadRequest:
		return http.StatusBadRequest
	case apierr.Unauthenticated:
		return http.StatusUnauthorized
	case apierr.Forbidden:
		return http.StatusForbidden
	case apierr.NotFound:
		return http.StatusNotFound
	case apierr.Conflict:
		return http.StatusConflict
	case apierr.TooLarge:
		return http.StatusRequestEntityTooLarge
	case apierr.RateLimited:
		return http.StatusTooManyRequests
	case apierr.Overloaded, apierr.Unavailable:
		return http.StatusServiceUnavailable
	case apierr.Unsupported:
		return http.StatusNotImplemented
	default:
		return http.StatusInternalServerError
	}
}

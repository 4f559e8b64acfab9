package management

import (
	"encoding/json"
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/wire"
)

// dialect writes a refusal as the official tools read it.
func dialect(w http.ResponseWriter, _ *http.Request, e *apierr.Error) {
	status := wire.Status(e.Kind)
	switch e.Kind {
	case apierr.Unauthenticated:
		w.Header().Set("WWW-Authenticate", `Bearer realm="Lentil"`)
	case apierr.Overloaded, apierr.Unavailable, apierr.RateLimited:
		w.Header().Set("Retry-After", "1")
	}
	write(w, status, map[string]string{"code": e.Code, "message": e.Message})
}

// oauthDialect writes a refusal of the login (RFC 6749 §5.2). All of them are 400:
// clients of the device flow look at the code.
func oauthDialect(w http.ResponseWriter, _ *http.Request, e *apierr.Error) {
	status := http.StatusBadRequest
	if e.Kind == apierr.Internal || e.Kind == apierr.Overloaded {
		status = wire.Status(e.Kind)
	}
	code := e.Code
	if e.Kind == apierr.Internal {
		code = "server_error"
	}
	write(w, status, map[string]string{"error": code, "error_description": e.Message})
}

// write answers with JSON and a status. Nothing of this protocol is for caches.
func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"code":"InternalServerError","message":"The answer could not be encoded."}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller went away; nobody is left to tell
}

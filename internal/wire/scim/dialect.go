package scim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/wire"
)

// The schemas of messages (RFC 7644 §3).
const (
	errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"
	listSchema  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
)

// scimTypes are the codes that clients may see as scimType (RFC 7644 §3.12), with
// their statuses.
var scimTypes = map[string]int{
	"invalidFilter": http.StatusBadRequest, "tooMany": http.StatusBadRequest, "uniqueness": http.StatusConflict,
	"mutability": http.StatusBadRequest, "invalidSyntax": http.StatusBadRequest, "invalidPath": http.StatusBadRequest,
	"noTarget": http.StatusBadRequest, "invalidValue": http.StatusBadRequest,
}

// dialect writes a refusal.
func dialect(w http.ResponseWriter, r *http.Request, e *apierr.Error) {
	status := wire.Status(e.Kind)
	body := map[string]any{"schemas": []string{errorSchema}, "detail": e.Message}
	if s, ok := scimTypes[e.Code]; ok {
		body["scimType"] = e.Code
		if e.Kind != apierr.TooLarge {
			status = s
		}
	}
	switch {
	case e.Code == "versionMismatch":
		status = http.StatusPreconditionFailed
	case e.Kind == apierr.Internal:
		body["detail"] = "Something went wrong on our side. (request id " + wire.RequestID(r.Context()) + ")"
	case e.Kind == apierr.Unauthenticated:
		w.Header().Set("WWW-Authenticate", `Bearer realm="SCIM"`)
	case e.Kind == apierr.Overloaded || e.Kind == apierr.Unavailable || e.Kind == apierr.RateLimited:
		w.Header().Set("Retry-After", "1")
	}
	body["status"] = strconv.Itoa(status)
	write(w, status, body)
}

// write writes an answer with a status.
func write(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"schemas":["` + errorSchema + `"],"status":"500","detail":"The answer could not be written."}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/scim+json;charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// fault says what is wrong with a JSON text, without echoing it.
func fault(err error) string { return strings.TrimPrefix(err.Error(), "json: ") }

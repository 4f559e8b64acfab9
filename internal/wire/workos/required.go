package workos

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// fieldFault is one line of the errors list of a body that is refused.
type fieldFault struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// missing refuses a body that lacks members; it names all of them at once.
func missing(names ...string) error {
	var faults []fieldFault
	for _, n := range names {
		faults = append(faults, fieldFault{Code: "required", Field: n, Message: "The member " + n + " is missing."})
	}
	word := "member"
	if len(names) > 1 {
		word = "members"
	}
	return invalid("The body lacks the %s %s.", word, strings.Join(names, ", ")).With(faults)
}

// checkRequired refuses a body that lacks what the inventory says the operation of
// the request cannot do without. It runs before a handler looks at the body, so
// that all operations say this alike.
func checkRequired(r *http.Request, body []byte) error {
	c, ok := r.Context().Value(callerKey{}).(*caller)
	if !ok || len(c.required) == 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if len(bytes.TrimSpace(body)) > 0 && json.Unmarshal(body, &members) != nil {
		return nil // not an object: decoding says so with the place of the fault
	}
	var lacks []string
	for _, name := range c.required {
		if v, ok := members[name]; !ok || bytes.Equal(v, []byte("null")) {
			lacks = append(lacks, name)
		}
	}
	if lacks != nil {
		return missing(lacks...)
	}
	return nil
}

// requiredBy are the members of the body without which an operation does nothing.
func requiredBy(operation string) []string {
	for _, op := range Inventory() {
		if op.Name == operation {
			return op.Required
		}
	}
	return nil
}

// invalidField refuses the value of one member, naming it in the errors list.
func invalidField(field, code, format string, args ...any) *apierr.Error {
	e := invalid(format, args...)
	return e.With([]fieldFault{{Code: code, Field: field, Message: e.Message}})
}

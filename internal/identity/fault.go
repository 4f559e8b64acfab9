package identity

import (
	"maps"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Fault is one line of the errors list of a request whose members are not right.
type Fault struct {
	Code  string `json:"code"`
	Field string `json:"field"`
}

// InvalidField refuses one member of a request; fronts say it with 422 and an
// errors list.
func InvalidField(field, code, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalid_request_parameters", format, args...).With([]Fault{{Code: code, Field: field}})
}

// checkText refuses a text that is longer than most, or empty where it is needed.
func checkText(field, text string, most int, needed bool) error {
	switch n := utf8.RuneCountInString(text); {
	case n == 0 && needed:
		return InvalidField(field, field+"_required", "The member %s is missing.", field)
	case n > most:
		return InvalidField(field, field+"_too_long", "%s is longer than %d characters.", field, most)
	}
	return nil
}

// checkExternalID refuses an id of the caller's own that is too long or holds
// more than ASCII (workos-operations.md).
func checkExternalID(id string) error {
	if len(id) > maxExternalID {
		return InvalidField("external_id", "external_id_too_long", "external_id is longer than %d characters.", maxExternalID)
	}
	for i := range len(id) {
		if id[i] >= 0x80 {
			return InvalidField("external_id", "external_id_invalid", "external_id may hold ASCII characters only.")
		}
	}
	return nil
}

// checkMetadata refuses metadata that is too large.
func checkMetadata(m map[string]string) error {
	if len(m) > maxMetadata {
		return apierr.New(apierr.BadRequest, "invalid_metadata", "Metadata may have at most %d keys.", maxMetadata)
	}
	for k, v := range m {
		if k == "" || utf8.RuneCountInString(k) > maxMetadataKey || utf8.RuneCountInString(v) > maxMetadataValue {
			return apierr.New(apierr.BadRequest, "invalid_metadata", "Metadata keys have 1 to %d characters, values at most %d.", maxMetadataKey, maxMetadataValue)
		}
	}
	return nil
}

// mergeMetadata is m with change laid over it; an empty value removes its key.
func mergeMetadata(m, change map[string]string) map[string]string {
	if change == nil {
		return m
	}
	out := maps.Clone(m)
	if out == nil {
		out = map[string]string{}
	}
	for k, v := range change {
		if v == "" {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

// shownMetadata is m as JSON wants it: never null.
func shownMetadata(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

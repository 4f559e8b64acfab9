package workos

import (
	"net/http"
	"strconv"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// pageOf reads the parameters that every list takes.
func pageOf(r *http.Request) (identity.Page, error) {
	q := r.URL.Query()
	p := identity.Page{Before: q.Get("before"), After: q.Get("after")}
	if p.Before != "" && p.After != "" {
		return p, invalid("Give before or after, not both.")
	}
	if len(p.Before) > 128 || len(p.After) > 128 {
		return p, invalid("The cursor is not an id.")
	}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 100 {
			return p, invalid("limit must be a number from 1 to 100.")
		}
		p.Limit = n
	}
	switch s := q.Get("order"); s {
	case "", "desc", "normal":
		p.Order = identity.NewestFirst
	case "asc":
		p.Order = identity.OldestFirst
	default:
		return p, invalid("order must be asc or desc.")
	}
	return p, nil
}

// listMetadata holds the cursors of the neighbouring pages.
type listMetadata struct {
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// listObject is the envelope of every list.
type listObject[T any] struct {
	Object   string       `json:"object"`
	Data     []T          `json:"data"`
	Metadata listMetadata `json:"list_metadata"`
}

// writeList writes a page, each item as object says.
func writeList[T, U any](w http.ResponseWriter, list *identity.List[T], object func(*T) U) error {
	out := listObject[U]{Object: "list", Data: make([]U, len(list.Data)),
		Metadata: listMetadata{Before: orNull(list.Before), After: orNull(list.After)}}
	for i := range list.Data {
		out.Data[i] = object(&list.Data[i])
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// decodeBody reads a JSON body. Its faults are the protocol's 422; an empty body
// counts as an empty object, for clients that send a content type with none.
func decodeBody(r *http.Request, v any) error {
	b, err := wire.Body(r, maxBody)
	if err != nil {
		return err
	}
	if err := checkRequired(r, b); err != nil {
		return err
	}
	if len(b) == 0 {
		return nil
	}
	if err := wire.Decode(b, v); err != nil {
		if e, ok := apierr.As(err); ok {
			return invalid("%s", e.Message).Wrap(err)
		}
		return err
	}
	return nil
}

// orNull is s, or JSON's null if it is empty.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// timeOrNull is t on the wire, or null if it is zero.
func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := identity.FormatTime(t)
	return &s
}

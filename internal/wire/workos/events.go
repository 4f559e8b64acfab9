package workos

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// eventRoutes are about the history.
func (a *API) eventRoutes() []Route {
	return []Route{
		{"GET", "/events", "listEvents", "key", corsNone, false, a.listEvents},
	}
}

// eventObject is an event. Its context is absent rather than null: a client's
// validator refuses null (workos-api.md §6.2).
type eventObject struct {
	Object    string          `json:"object"`
	ID        string          `json:"id"`
	Event     string          `json:"event"`
	Data      json.RawMessage `json:"data"`
	CreatedAt string          `json:"created_at"`
	Context   json.RawMessage `json:"context,omitempty"`
}

// newEventObject shows e.
func newEventObject(e *identity.Event) eventObject {
	return eventObject{"event", string(e.ID), e.Name, e.Data, identity.FormatTime(e.Created), e.Context}
}

// listEvents is GET /events: always oldest first whatever order says, strictly
// after the cursor; list_metadata has no before (workos-api.md §6.2).
func (a *API) listEvents(w http.ResponseWriter, r *http.Request) error {
	q, err := eventQuery(r.URL.Query())
	if err != nil {
		return err
	}
	list, err := a.Identity.History(r.Context(), environment(r).ID, q)
	if err != nil {
		return err
	}
	out := struct {
		Object   string        `json:"object"`
		Data     []eventObject `json:"data"`
		Metadata struct {
			After *string `json:"after"`
		} `json:"list_metadata"`
	}{Object: "list", Data: make([]eventObject, len(list.Data))}
	for i := range list.Data {
		out.Data[i] = newEventObject(&list.Data[i])
	}
	out.Metadata.After = orNull(list.After)
	writeJSON(w, http.StatusOK, out)
	return nil
}

// eventQuery reads the parameters of GET /events.
func eventQuery(v url.Values) (q identity.EventQuery, err error) {
	for _, names := range append(v["events"], v["events[]"]...) {
		for name := range strings.SplitSeq(names, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if !identity.KnownEvent(name) {
				return q, invalidField("events", "invalid_event", "There is no event %.100q.", name)
			}
			q.Names = append(q.Names, name)
		}
	}
	q.Organization = v.Get("organization_id")
	for field, into := range map[string]*identity.EventID{"after": &q.After, "before": &q.Before} {
		if s := v.Get(field); s != "" {
			if !identity.ValidID("event_", s) {
				return q, invalidField(field, "invalid_cursor", "%s must be the id of an event.", field)
			}
			*into = identity.EventID(s)
		}
	}
	for field, into := range map[string]*time.Time{"range_start": &q.Start, "range_end": &q.End} {
		if s := v.Get(field); s != "" {
			t, ok := parseISO(s)
			if !ok {
				return q, invalidField(field, "invalid_date", "%s must be an ISO 8601 time such as 2026-01-31T12:00:00.000Z.", field)
			}
			*into = t
		}
	}
	switch {
	case q.After != "" && !q.Start.IsZero():
		return q, invalidField("after", "mutually_exclusive", "Give after or range_start, not both.")
	case q.After != "" && q.Before != "":
		return q, invalidField("before", "mutually_exclusive", "Give before or after, not both.")
	case !q.Start.IsZero() && !q.End.IsZero() && q.End.Before(q.Start):
		return q, invalidField("range_end", "invalid_range", "range_end lies before range_start.")
	}
	if s := v.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit < 1 || q.Limit > 100 {
			return q, invalidField("limit", "invalid_limit", "limit must be a number from 1 to 100.")
		}
	}
	switch v.Get("order") {
	case "", "asc", "desc", "normal":
		return q, nil
	}
	return q, invalidField("order", "invalid_order", "order must be asc or desc.")
}

// parseISO reads a time as JavaScript and people write it: with or without
// fractions, an offset, or a time of day; without an offset it is UTC.
func parseISO(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

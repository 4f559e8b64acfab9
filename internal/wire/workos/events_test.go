package workos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire/workos/contract"
)

// eventPage is an answer of GET /events.
type eventPage struct {
	Data     []json.RawMessage
	Metadata map[string]*string `json:"list_metadata"`
	Code     string
	Message  string
	Errors   []struct{ Code, Field string }
}

// listEventsOf reads GET /events.
func (h *house) listEventsOf(query string) (int, eventPage) {
	h.t.Helper()
	res := h.do("GET", "/events?"+query, "", "Authorization", "Bearer "+h.key)
	var p eventPage
	check(h.t, json.NewDecoder(res.Body).Decode(&p))
	return res.StatusCode, p
}

// checkEvents holds every event of an environment against the public description.
func checkEvents(t testing.TB, ids *identity.Service, env identity.EnvironmentID) {
	t.Helper()
	for after := identity.EventID(""); ; {
		l, err := ids.History(context.Background(), env, identity.EventQuery{After: after, Limit: 100})
		check(t, err)
		for i := range l.Data {
			after = l.Data[i].ID
			b, err := json.Marshal(newEventObject(&l.Data[i]))
			check(t, err)
			for _, v := range contract.Errors(contract.CheckEvent(b)) {
				t.Errorf("%s\n%s", v, b)
			}
		}
		if l.After == "" {
			return
		}
	}
}

// ofNouns are the tables whose rows do not say their environment, since they go with
// what they are of: users, memberships, the house.
var ofNouns = []string{"environments", "passwords", "recovery_codes", "group_members", "passkey_offers", "outbox"}

// checkRows fails unless every row of the house says its environment: a reset finds
// it by that.
func checkRows(t testing.TB, ids *identity.Service) {
	t.Helper()
	check(t, ids.View(context.Background(), func(tx *identity.Tx) error {
		for _, table := range tx.Tables() {
			if table.System() || slices.Contains(ofNouns, table.Name) {
				continue
			}
			err := tx.Each(table.Name, database.ByID, database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
				if f.Text("environment") == "" {
					t.Errorf("a row of %s does not say its environment", table.Name)
					return false, nil
				}
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestEventsComeOldestFirstStrictlyAfter(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	key := []string{"Authorization", "Bearer " + h.key}
	began := time.Now().UTC()
	for i := range 5 {
		res := h.do("POST", "/user_management/users", fmt.Sprintf(`{"email":"u%d@example.com"}`, i), key...)
		if res.StatusCode != http.StatusCreated {
			t.Fatal(res.Status)
		}
		var u struct{ ID string }
		check(t, json.NewDecoder(res.Body).Decode(&u))
		h.do("PUT", "/user_management/users/"+u.ID, `{"first_name":"<b>&\u2028 Ada"}`, key...)
	}
	var last struct {
		ID, Event string
		Created   string `json:"created_at"`
		Context   struct {
			Client   string `json:"client_id"`
			Actor    identity.Actor
			Previous map[string]any `json:"previous_attributes"`
		}
	}
	seen := []string{}
	query := "order=desc&limit=3&events=user.created,user.updated"
	for after := ""; ; {
		status, p := h.listEventsOf(query + after)
		if status != http.StatusOK {
			t.Fatal(status, p)
		}
		for _, e := range p.Data {
			if strings.Contains(string(e), `"context":null`) {
				t.Errorf("%s", e)
			}
			check(t, json.Unmarshal(e, &last))
			seen = append(seen, last.Event)
		}
		next, ok := p.Metadata["after"]
		if !ok {
			t.Error("no after in list_metadata")
		}
		if next == nil {
			break
		}
		if *next != last.ID {
			t.Errorf("after %s, last %s", *next, last.ID)
		}
		after = "&after=" + *next
	}
	if got := strings.Join(seen, " "); got != strings.TrimSpace(strings.Repeat("user.created user.updated ", 5)) {
		t.Errorf("order: %s", got)
	}
	c := last.Context
	if c.Client != string(h.env.ClientID) || c.Actor.Source != "api" || c.Actor.ID == "" || len(c.Previous) == 0 || c.Previous["updated_at"] != nil {
		t.Errorf("context %+v", c)
	}
	if v, ok := c.Previous["first_name"]; !ok || v != nil {
		t.Errorf("previous %v", c.Previous)
	}
	for query, want := range map[string]int{
		"events[]=user.created&events[]=user.updated&limit=100":                                         10,
		"events=user.created&limit=100":                                                                 5,
		"limit=100&range_start=" + url.QueryEscape(began.Add(-time.Second).Format(identity.TimeFormat)): 10,
		"limit=100&range_end=" + url.QueryEscape(began.Add(-time.Second).Format(identity.TimeFormat)):   0,
		"range_start=2020-01-01&range_end=2020-12-31T00:00:00+02:00":                                    -1, // "+" is a space here
		"range_start=2020-01-01&range_end=2020-12-31T00:00:00%2B02:00":                                  0,
		"organization_id=org_none":                                                                      0,
		"after=" + last.ID:                                                                              0,
		"before=" + last.ID + "&limit=100":                                                              9,
		"events=":                                                                                       10,
		"events=user.exploded":                                                                          -1,
		"after=user_1":                                                                                  -1,
		"after=" + last.ID + "&range_start=2020-01-01":                                                  -1,
		"after=" + last.ID + "&before=" + last.ID:                                                       -1,
		"range_start=2021-01-01&range_end=2020-01-01":                                                   -1,
		"range_start=yesterday":                                                                         -1,
		"limit=0":                                                                                       -1,
		"limit=101":                                                                                     -1,
		"order=up":                                                                                      -1,
	} {
		status, p := h.listEventsOf(query)
		switch {
		case want < 0:
			if status != http.StatusUnprocessableEntity || p.Message == "" || len(p.Errors) != 1 || p.Errors[0].Code == "" || p.Errors[0].Field == "" {
				t.Errorf("%s: %d %+v", query, status, p)
			}
		case status != http.StatusOK || len(p.Data) != want:
			t.Errorf("%s: %d, %d events", query, status, len(p.Data))
		}
	}
}

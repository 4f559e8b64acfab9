package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/wire/workos/contract"
)

func TestCatalogueIsThePublicOne(t *testing.T) {
	t.Parallel()
	want := slices.Sorted(maps.Keys(contract.Load().Events))
	if d := cmp.Diff(want, identity.EventNames()); d != "" || len(want) != 111 {
		t.Errorf("%d names: %s", len(want), d)
	}
	if !identity.WebhookEvent("user.created") || identity.WebhookEvent("vault.data.read") || identity.WebhookEvent("user.exploded") {
		t.Error("what webhooks may carry is wrong")
	}
}

// record writes events of the given names, one a transaction.
func record(t *testing.T, s *identity.Service, e *identity.Environment, data map[string]any, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := s.Update(t.Context(), func(tx *identity.Tx) error { return tx.Record(e.ID, n, data) }); err != nil {
			t.Fatal(err)
		}
	}
}

// names lists what a query finds.
func names(t *testing.T, s *identity.Service, e *identity.Environment, q identity.EventQuery) (list []string, after string) {
	t.Helper()
	l, err := s.History(t.Context(), e.ID, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range l.Data {
		list = append(list, ev.Name)
	}
	return list, l.After
}

func TestRecordRefusesWhatIsNotInTheCatalogue(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	err := s.Update(t.Context(), func(tx *identity.Tx) error { return tx.Record(e.ID, "user.exploded", map[string]any{}) })
	if err == nil {
		t.Error("an event that nobody knows was recorded")
	}
	err = s.View(t.Context(), func(tx *identity.Tx) error { return tx.Record(e.ID, "user.created", map[string]any{}) })
	if err == nil {
		t.Error("an event was recorded by a view")
	}
}

func TestEventsAreFilteredByNameOrganizationAndTime(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	other, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	record(t, s, other, map[string]any{}, "user.created")
	record(t, s, e, map[string]any{"object": "organization", "id": "org_1"}, "organization.created")
	record(t, s, e, map[string]any{"object": "user", "id": "user_1"}, "user.created")
	record(t, s, e, map[string]any{"organization_id": "org_1"}, "organization_membership.created")
	record(t, s, e, map[string]any{"owner": map[string]any{"type": "organization", "id": "org_1"}}, "api_key.created")
	record(t, s, e, map[string]any{"owner": map[string]any{"type": "user", "id": "user_1", "organization_id": "org_2"}}, "api_key.created")
	record(t, s, e, map[string]any{"organization_domain": map[string]any{"organization_id": "org_1"}}, "organization_domain.verified")
	record(t, s, e, map[string]any{"user": "not an object", "sso": map[string]any{"organization_id": "org_1"}}, "authentication.sso_succeeded")

	all, after := names(t, s, e, identity.EventQuery{Limit: 100})
	if len(all) != 7 || all[0] != "organization.created" || after != "" {
		t.Errorf("all: %v, after %q", all, after)
	}
	if got, _ := names(t, s, e, identity.EventQuery{Names: []string{"user.created", "api_key.created", "user.created"}}); !cmp.Equal(got, []string{"user.created", "api_key.created", "api_key.created"}) {
		t.Errorf("by name: %v", got)
	}
	if got, _ := names(t, s, e, identity.EventQuery{Organization: "org_1"}); !cmp.Equal(got, []string{"organization.created", "organization_membership.created", "api_key.created", "organization_domain.verified", "authentication.sso_succeeded"}) {
		t.Errorf("by organization: %v", got)
	}
	if got, _ := names(t, s, e, identity.EventQuery{Organization: "org_2", Names: []string{"api_key.created", "user.created"}}); !cmp.Equal(got, []string{"api_key.created"}) {
		t.Errorf("by both: %v", got)
	}
	l, err := s.History(t.Context(), e.ID, identity.EventQuery{Limit: 3})
	if err != nil || len(l.Data) != 3 || l.After != string(l.Data[2].ID) {
		t.Fatalf("%+v %v", l, err)
	}
	rest, _ := names(t, s, e, identity.EventQuery{After: l.Data[2].ID, Limit: 100})
	if !cmp.Equal(rest, all[3:]) {
		t.Errorf("after the third: %v", rest)
	}
	before, after := names(t, s, e, identity.EventQuery{Before: l.Data[2].ID, Limit: 1})
	if !cmp.Equal(before, all[1:2]) || after != string(l.Data[1].ID) {
		t.Errorf("before the third: %v, after %q", before, after)
	}
	first := l.Data[0].Created
	if got, _ := names(t, s, e, identity.EventQuery{Start: first, Limit: 100}); len(got) != 7 {
		t.Errorf("from the first on: %v", got)
	}
	if got, _ := names(t, s, e, identity.EventQuery{End: first.Add(-time.Millisecond)}); len(got) != 0 {
		t.Errorf("before there was any: %v", got)
	}
	if got, _ := names(t, s, e, identity.EventQuery{Start: first, End: time.Now().Add(time.Hour), Limit: 100}); len(got) != 7 {
		t.Errorf("a range: %v", got)
	}
	if got, _ := names(t, s, e, identity.EventQuery{Start: time.Now().Add(time.Hour)}); len(got) != 0 {
		t.Errorf("the future: %v", got)
	}
}

func TestEventsTellWhoAndWhatWas(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	u := user(t, s, e, "ada@example.com")
	name, first := "key", "Ada"
	ctx := identity.WithActor(t.Context(), identity.Actor{ID: "api_key_1", Source: "api", Name: &name})
	if _, err := s.UpdateUser(ctx, e.ID, u.ID, identity.UserChange{FirstName: &first, Metadata: map[string]string{"a": "1"}}); err != nil {
		t.Fatal(err)
	}
	record(t, s, e, map[string]any{}, "flag.created")
	l, err := s.History(t.Context(), e.ID, identity.EventQuery{})
	if err != nil || len(l.Data) != 3 {
		t.Fatalf("%+v %v", l, err)
	}
	if len(l.Data[0].Context) != 0 {
		t.Errorf("context without an actor: %s", l.Data[0].Context)
	}
	for i, want := range map[int]string{
		1: fmt.Sprintf(`{"actor":{"id":"api_key_1","source":"api","name":"key"},"client_id":%q,"previous_attributes":{"first_name":null,"metadata":{},"name":null}}`, e.ClientID),
		2: fmt.Sprintf(`{"actor":{"id":%q,"source":"system","name":null},"client_id":%q}`, e.ID, e.ClientID),
	} {
		var got, wanted map[string]any
		json.Unmarshal(l.Data[i].Context, &got)
		json.Unmarshal([]byte(want), &wanted)
		if d := cmp.Diff(wanted, got); d != "" {
			t.Errorf("context of %s: %s", l.Data[i].Name, d)
		}
	}
}

// TestReadersMissNothingWhileManyWrite polls as clients do, strictly after the last
// id, while transactions commit in another order than they got their ids.
func TestReadersMissNothingWhileManyWrite(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- s.DB.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-running })
	const writers, each = 8, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := s.Update(ctx, func(tx *identity.Tx) error {
					if err := tx.Record(e.ID, "user.created", map[string]any{"id": fmt.Sprintf("%d/%d", w, i)}); err != nil {
						return err
					}
					if i%5 == 0 { // others overtake
						time.Sleep(time.Millisecond)
					}
					if i%7 == 0 {
						return errAbort
					}
					return nil
				})
				if err != nil && !errors.Is(err, errAbort) {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen := map[string]bool{}
	var after identity.EventID
	for last := false; ; {
		l, err := s.History(ctx, e.ID, identity.EventQuery{Names: []string{"user.created"}, After: after, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range l.Data {
			if ev.ID <= after {
				t.Errorf("%s after %s", ev.ID, after)
			}
			if after = ev.ID; seen[string(ev.Data)] {
				t.Errorf("%s twice", ev.Data)
			}
			seen[string(ev.Data)] = true
		}
		if last && len(l.Data) == 0 {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	aborted := (each + 6) / 7
	if want := writers * (each - aborted); len(seen) != want {
		t.Errorf("saw %d of %d events", len(seen), want)
	}
}

// errAbort undoes a transaction.
var errAbort = errors.New("abort")

func TestReadersOfTheirOwnWritesWaitForOthers(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	inside, release := make(chan struct{}), make(chan struct{})
	slow := make(chan error, 1)
	go func() {
		slow <- s.Update(t.Context(), func(tx *identity.Tx) error {
			err := tx.Record(e.ID, "user.created", map[string]any{"id": "slow"})
			close(inside)
			<-release
			return err
		})
	}()
	<-inside
	changed := s.EventsRecorded()
	record(t, s, e, map[string]any{"id": "quick"}, "user.deleted")
	<-changed
	got := make(chan []string)
	go func() {
		l, _ := names(t, s, e, identity.EventQuery{})
		got <- l
	}()
	close(release)
	if l := <-got; !cmp.Equal(l, []string{"user.created", "user.deleted"}) {
		t.Errorf("%v", l)
	}
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
}

func TestEventIdsRiseOverRestarts(t *testing.T) {
	t.Parallel()
	store := persistence.NewMemory()
	open := func() *identity.Service {
		db, err := database.Open(t.Context(), database.Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		s := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	e, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for range 5 {
		for range 20 {
			record(t, s, e, map[string]any{}, "user.created")
		}
		newest, err := s.NewestEvent(t.Context(), e.ID)
		if err != nil || !strings.HasPrefix(string(newest), "event_") {
			t.Fatalf("%q %v", newest, err)
		}
		l, err := s.History(t.Context(), e.ID, identity.EventQuery{After: identity.EventID(last), Limit: 100})
		if err != nil || len(l.Data) != 20 || l.Data[19].ID != newest || string(l.Data[0].ID) <= last {
			t.Fatalf("%d events, newest %s, last %s: %v", len(l.Data), newest, last, err)
		}
		last = string(newest)
		s = open() // the same store; the earlier process is gone
	}
}

func TestSecretsAreInEventsOnlyWhereATestWantsThem(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	u := user(t, s, e, "ada@example.com")
	made := func() (code *identity.OneTimeCode) {
		t.Helper()
		err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
			code, err = tx.CreateCode(e.ID, identity.NewCode{Kind: identity.CodeMagicAuth, User: u.ID, Email: u.Email})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	shows := func(c *identity.OneTimeCode) bool {
		t.Helper()
		l, err := s.History(t.Context(), e.ID, identity.EventQuery{Names: []string{"magic_auth.created"}, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range l.Data {
			if strings.Contains(string(ev.Data), string(c.ID)) {
				return strings.Contains(string(ev.Data), `"code":"`+c.Code+`"`)
			}
		}
		t.Fatalf("no event of %s", c.ID)
		return false
	}
	set := func(on bool) error {
		_, err := s.ChangeSettings(t.Context(), e.ID, func(st *identity.Settings) { st.EmulatorPayloads = on })
		return err
	}
	quiet := made()
	if err := set(true); err != nil {
		t.Fatal(err)
	}
	open := made()
	if shows(quiet) || !shows(open) {
		t.Errorf("with the setting: before %v, after %v", shows(quiet), shows(open))
	}
	if err := set(false); err != nil {
		t.Fatal(err)
	}
	if shows(open) {
		t.Error("shown after the setting was taken back")
	}
	if _, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "live", Kind: identity.Production, Settings: identity.Settings{EmulatorPayloads: true}}); err == nil {
		t.Error("a production environment shows secrets")
	}
}

func TestLatestEventsPageFromTheNewest(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	before, err := s.NewestEvent(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		record(t, s, e, map[string]any{"n": i}, "user.created")
		record(t, s, e, map[string]any{"n": i}, "user.updated")
	}
	var got []string
	at := identity.EventID("")
	for pages := 1; ; pages++ {
		l, err := s.LatestEvents(t.Context(), e.ID, []string{"user.created"}, at, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range l.Data {
			got = append(got, string(ev.Data))
		}
		if l.After == "" || l.Before != "" {
			if pages != 3 || l.Before != "" {
				t.Errorf("%d pages, the last with before %q", pages, l.Before)
			}
			break
		}
		at = identity.EventID(l.After)
	}
	if d := cmp.Diff([]string{`{"n":4}`, `{"n":3}`, `{"n":2}`, `{"n":1}`, `{"n":0}`}, got); d != "" {
		t.Error(d)
	}
	all, err := s.LatestEvents(t.Context(), e.ID, nil, "", 1)
	if err != nil || len(all.Data) != 1 || all.Data[0].Name != "user.updated" || all.Data[0].ID <= before {
		t.Errorf("the newest of all: %+v, %v", all, err)
	}
}

package identity_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// zone is a DNS of TXT records.
type zone struct {
	mu      sync.Mutex // guards the rest
	records map[string][]string
	asked   int
}

// LookupTXT finds the records of a name.
func (z *zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	if r, ok := z.records[name]; ok {
		return r, nil
	}
	return nil, errors.New("no such host")
}

// put makes a record.
func (z *zone) put(name, text string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = []string{"v=spf1 -all", text}
}

func TestVerifyDomainByDNS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dns := &zone{records: map[string][]string{}}
		db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
		if err != nil {
			t.Fatal(err)
		}
		s := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef")), Resolver: dns}
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		defer func() { cancel(); <-done; db.Close() }()
		e, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "staging", Kind: identity.Staging})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(org, domain string) *identity.Domain {
			o := organization(t, s, e, org)
			d, err := s.CreateDomain(t.Context(), e.ID, o.ID, identity.NewDomain{Name: domain})
			if err == nil {
				d, err = s.VerifyDomain(t.Context(), e.ID, d.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		state := func(d *identity.Domain) identity.DomainState {
			got, err := s.Domain(t.Context(), e.ID, d.ID)
			if err != nil {
				t.Fatal(err)
			}
			return got.State
		}
		first, rival, never := ask("First", "foo.com"), ask("Rival", "foo.com"), ask("Never", "never.com")
		if first.State != identity.DomainPending {
			t.Errorf("without a record: %s", first.State)
		}
		dns.put(first.Prefix+".foo.com.", first.Token)
		dns.put(never.Prefix+".never.com.", "something else")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := state(first); got != identity.DomainVerified {
			t.Errorf("with the record: %s", got)
		}
		if got := state(rival); got != identity.DomainFailed {
			t.Errorf("of another organization: %s", got)
		}
		time.Sleep(29 * 24 * time.Hour)
		synctest.Wait()
		if got := state(never); got != identity.DomainPending {
			t.Errorf("within 30 days: %s", got)
		}
		time.Sleep(2 * 24 * time.Hour)
		synctest.Wait()
		if got := state(never); got != identity.DomainFailed {
			t.Errorf("after 30 days: %s", got)
		}
		if dns.asked > 300 {
			t.Errorf("the DNS was asked %d times", dns.asked)
		}
		l, err := s.Events(t.Context(), e.ID, []string{"organization_domain.verified", "organization_domain.verification_failed"}, identity.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, ev := range l.Data {
			names = append(names, ev.Name)
		}
		if diff := cmp.Diff([]string{"organization_domain.verified", "organization_domain.verification_failed", "organization_domain.verification_failed"}, names); diff != "" {
			t.Error(diff)
		}
	})
}

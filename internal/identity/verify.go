package identity

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// How domains are verified: how long one look at the DNS may take, for how long it
// is looked at again, how often at least and at most, and how many in one round.
const (
	lookWithin   = 5 * time.Second
	verifyPeriod = 30 * 24 * time.Hour // https://workos.com/docs/events, organization_domain.verification_failed
	lookSoonest  = time.Minute
	lookLatest   = 6 * time.Hour
	looksAtOnce  = 20
)

// Resolver looks up TXT records; *net.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// txtHolds reports whether the DNS has the token where the domain's owner is to put
// it. What cannot be looked up is not there.
func (s *Service) txtHolds(ctx context.Context, d *Domain) bool {
	resolver := s.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	records, err := resolver.LookupTXT(ctx, d.Prefix+"."+d.Name+".")
	if err != nil {
		s.Log.Debug("domain not verified yet", "domain", d.ID, "err", err)
		return false
	}
	return slices.Contains(records, d.Token)
}

// VerifyDomain begins the verification of a domain: the DNS is looked at now and,
// if the record is not there yet, again and again for 30 days. In development
// environments nobody has a DNS to change, so asking is enough.
func (s *Service) VerifyDomain(ctx context.Context, id EnvironmentID, domain DomainID) (d *Domain, err error) {
	var e *Environment
	err = s.View(ctx, func(tx *Tx) error {
		if e, err = tx.Environment(id); err != nil {
			return err
		}
		if d, err = tx.Domain(id, domain); err == nil && d.State.Verified() {
			err = apierr.New(apierr.BadRequest, "domain_already_verified", "The domain %s is verified already.", d.Name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	strategy, found := DomainByDNS, false
	if e.Kind == Development {
		strategy, found = DomainByHand, true
	} else {
		found = s.txtHolds(ctx, d)
	}
	err = s.Update(ctx, func(tx *Tx) error {
		d, err = tx.settleDomain(id, domain, strategy, found, true)
		return err
	})
	return d, err
}

// settleDomain writes down what a look at the DNS has shown.
func (tx *Tx) settleDomain(id EnvironmentID, domain DomainID, strategy DomainStrategy, found, asked bool) (*Domain, error) {
	f, err := tx.domainRowOf(id, domain)
	if err != nil {
		return nil, err
	}
	d := readDomain(f.Record)
	if d.State.Verified() {
		return d, nil
	}
	if asked {
		d.asked = tx.now
	}
	before, event, reason := d.State, "organization_domain.updated", ""
	d.Strategy, d.check = strategy, time.Time{}
	other, err := tx.verifiedDomain(id, d.Name)
	switch since := tx.now.Sub(d.asked); {
	case err != nil:
		return nil, err
	case other != nil:
		d.State, reason = DomainFailed, "domain_verified_by_other_organization"
	case found:
		d.State, event = DomainVerified, "organization_domain.verified"
	case since >= verifyPeriod:
		d.State, reason = DomainFailed, "domain_verification_period_expired"
	default:
		d.State = DomainPending
		d.check = tx.now.Add(min(max(since/4, lookSoonest), lookLatest))
	}
	moved := d.State != before
	if moved || asked {
		d.Updated = tx.later(d.Updated)
	}
	if err := tx.Put(f.Doc, domainRow(d)); err != nil {
		return nil, err
	}
	switch {
	case reason != "":
		err = tx.Record(id, "organization_domain.verification_failed", map[string]any{"reason": reason, "organization_domain": domainData(d)})
	case moved:
		err = tx.Record(id, event, domainData(d))
	}
	if err == nil && moved {
		err = tx.touch(id, d.Organization)
	}
	return d, err
}

// checkDomains looks again at the domains whose time has come.
func (s *Service) checkDomains(ctx context.Context) error {
	var due []Domain
	err := s.View(ctx, func(tx *Tx) error {
		due = due[:0]
		return tx.Each(tableDomains, "on_check", sweepSpan(tx.now), database.Asc, func(f Found) (bool, error) {
			due = append(due, *readDomain(f.Record))
			return len(due) < looksAtOnce, nil
		})
	})
	if err != nil {
		return err
	}
	for i := range due {
		d := &due[i]
		found := s.txtHolds(ctx, d)
		err := s.Update(ctx, func(tx *Tx) error {
			_, err := tx.settleDomain(d.Environment, d.ID, DomainByDNS, found, false)
			return err
		})
		if err != nil && apierr.KindOf(err) != apierr.NotFound {
			return err
		}
	}
	return nil
}

package identity

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// DomainState says how sure it is that a domain is the organization's.
type DomainState string

// The states of a domain. Only DomainVerified gives an organization power over
// people of the domain; DomainLegacyVerified stands in imported data and counts
// the same.
const (
	DomainPending        DomainState = "pending"
	DomainUnverified     DomainState = "unverified"
	DomainVerified       DomainState = "verified"
	DomainLegacyVerified DomainState = "legacy_verified"
	DomainFailed         DomainState = "failed"
)

// Verified reports whether the domain is certainly the organization's.
func (s DomainState) Verified() bool { return s == DomainVerified || s == DomainLegacyVerified }

// DomainStrategy is how a domain was or will be verified.
type DomainStrategy string

// The strategies: a TXT record in the DNS, or somebody's word.
const (
	DomainByDNS  DomainStrategy = "dns"
	DomainByHand DomainStrategy = "manual"
)

// Domain is an internet domain of an organization.
type Domain struct {
	ID           DomainID
	Environment  EnvironmentID
	Organization OrganizationID
	Name         string // "foo-corp.com", lower case
	State        DomainState
	Strategy     DomainStrategy
	Prefix       string // the label below the domain whose TXT record is to hold Token
	Token        string
	Created      time.Time
	Updated      time.Time

	asked time.Time // when verification was asked for; zero if never
	check time.Time // when the DNS is to be looked at next; zero if it is not
}

// NewDomain is what a caller says of a domain of an organization.
type NewDomain struct {
	Name  string
	State DomainState // DomainPending or DomainVerified
}

// consumerDomains give everybody an address; no organization can own them
// (https://workos.com/docs/reference/domain-verification).
var consumerDomains = map[string]bool{
	"aol.com": true, "fastmail.com": true, "gmail.com": true, "gmx.com": true, "gmx.de": true, "gmx.net": true, "googlemail.com": true,
	"hey.com": true, "hotmail.co.uk": true, "hotmail.com": true, "hotmail.fr": true, "icloud.com": true, "live.com": true, "mac.com": true,
	"mail.com": true, "mail.ru": true, "me.com": true, "msn.com": true, "naver.com": true, "outlook.com": true, "pm.me": true, "proton.me": true,
	"protonmail.com": true, "qq.com": true, "web.de": true, "yahoo.co.jp": true, "yahoo.co.uk": true, "yahoo.com": true, "yahoo.fr": true,
	"yandex.com": true, "yandex.ru": true, "ymail.com": true, "zoho.com": true, "163.com": true, "126.com": true,
}

// ConsumerDomain reports whether a domain gives everybody an address.
func ConsumerDomain(domain string) bool { return consumerDomains[strings.ToLower(domain)] }

// EmailDomain is the domain of an address, in lower case; "" if it has none.
func EmailDomain(email string) string {
	_, k, ok := ParseEmail(email)
	if !ok {
		return ""
	}
	return k[strings.LastIndexByte(k, '@')+1:]
}

// parseDomain reads a domain as a person types it.
func parseDomain(s string) (string, error) {
	s = strings.ToLower(strings.Trim(s, " \t\r\n"))
	_, _, ok := ParseEmail("a@" + s)
	switch {
	case !ok || !strings.Contains(s, "."):
		return "", InvalidField("domain", "domain_invalid", "%.100q is not a domain such as example.com.", s)
	case consumerDomains[s]:
		return "", InvalidField("domain", "consumer_domain_forbidden", "%s gives everybody an address, so no organization can own it.", s)
	}
	return s, nil
}

// domainRow writes a domain.
func domainRow(d *Domain) Row {
	return Row{
		Text("id", d.ID), Text("environment", d.Environment), Text("organization", d.Organization), Text("domain", d.Name), Text("state", d.State),
		Text("strategy", d.Strategy), Text("prefix", d.Prefix), Text("token", d.Token), Time("asked", d.asked), Time("check", d.check),
		Time("created", d.Created), Time("updated", d.Updated),
	}
}

// readDomain is the reverse of domainRow.
func readDomain(r Record) *Domain {
	return &Domain{
		ID: DomainID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Organization: OrganizationID(r.Text("organization")),
		Name: r.Text("domain"), State: DomainState(r.Text("state")), Strategy: DomainStrategy(r.Text("strategy")), Prefix: r.Text("prefix"),
		Token: r.Text("token"), asked: r.Time("asked"), check: r.Time("check"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// OrganizationByDomain finds the organization that a domain certainly belongs to;
// nil if there is none.
func (tx *Tx) OrganizationByDomain(id EnvironmentID, domain string) (*Organization, error) {
	d, err := tx.verifiedDomain(id, strings.ToLower(domain))
	if err != nil || d == nil {
		return nil, err
	}
	return tx.Organization(id, d.Organization)
}

// verifiedDomain finds the one verified domain of a name; nil if there is none.
func (tx *Tx) verifiedDomain(id EnvironmentID, name string) (*Domain, error) {
	rows, err := tx.All(tableDomains, "on_domain", string(id), name)
	if err != nil {
		return nil, err
	}
	for _, f := range rows {
		if d := readDomain(f.Record); d.State.Verified() {
			return d, nil
		}
	}
	return nil, nil
}

// domainTaken is the refusal of a domain that is certainly another organization's.
func domainTaken(name string) error {
	return apierr.New(apierr.Conflict, "domain_already_exists", "The domain %s already exists. It must be removed where it is before it can be added here.", name)
}

// addDomain makes a domain of an organization and tells nobody yet.
func (tx *Tx) addDomain(o *Organization, n NewDomain) (*Domain, error) {
	if n.State == "" {
		n.State = DomainPending
	}
	if n.State != DomainPending && n.State != DomainVerified && n.State != DomainLegacyVerified {
		return nil, InvalidField("domain_data", "domain_state_invalid", "A domain is made %q or %q.", DomainPending, DomainVerified)
	}
	name, err := parseDomain(n.Name)
	if err != nil {
		return nil, err
	}
	if len(o.Domains) >= maxDomains {
		return nil, InvalidField("domains", "too_many_domains", "An organization has at most %d domains.", maxDomains)
	}
	if other, err := tx.verifiedDomain(o.Environment, name); err != nil {
		return nil, err
	} else if other != nil {
		return nil, domainTaken(name)
	}
	if slices.ContainsFunc(o.Domains, func(d Domain) bool { return d.Name == name }) {
		return nil, domainTaken(name)
	}
	d := &Domain{
		ID: DomainID(tx.newID(domainPrefix)), Environment: o.Environment, Organization: o.ID, Name: name, State: n.State, Strategy: DomainByDNS,
		Prefix: "lentil-domain-verification-" + strings.ToLower(rand.Text()[:6]), Token: rand.Text(), Created: tx.now, Updated: tx.now,
	}
	if d.State.Verified() {
		d.Strategy = DomainByHand
	}
	if err := tx.Add(tableDomains, domainRow(d)); err != nil {
		return nil, err
	}
	o.Domains = append(o.Domains, *d)
	return d, nil
}

// told is a domain event to be written once its organization's is.
type told struct {
	name string
	d    Domain
}

// setDomains makes an organization's domains what want says. The events come
// afterwards, by the returned function: the organization's own goes first.
func (tx *Tx) setDomains(o *Organization, want []NewDomain) (tell func() error, err error) {
	var events []told
	wanted := map[string]DomainState{}
	for _, n := range want {
		name, err := parseDomain(n.Name)
		if err != nil {
			return nil, err
		}
		wanted[name] = n.State
	}
	kept := o.Domains[:0:0]
	for _, d := range o.Domains {
		state, keep := wanted[d.Name]
		f, err := tx.First(tableDomains, "on_environment", string(o.Environment), string(d.ID))
		if err != nil {
			return nil, err
		}
		switch {
		case !keep:
			events = append(events, told{"organization_domain.deleted", d})
			if err := tx.Remove(f); err != nil {
				return nil, err
			}
			continue
		case state == DomainVerified && !d.State.Verified():
			if other, err := tx.verifiedDomain(o.Environment, d.Name); err != nil {
				return nil, err
			} else if other != nil {
				return nil, domainTaken(d.Name)
			}
			d.State, d.Strategy, d.check, d.Updated = DomainVerified, DomainByHand, time.Time{}, tx.later(d.Updated)
			events = append(events, told{"organization_domain.updated", d}, told{"organization_domain.verified", d})
			if err := tx.Put(f.Doc, domainRow(&d)); err != nil {
				return nil, err
			}
		}
		kept = append(kept, d)
		delete(wanted, d.Name)
	}
	o.Domains = kept
	for _, n := range want {
		name, _ := parseDomain(n.Name)
		if _, open := wanted[name]; !open {
			continue
		}
		delete(wanted, name)
		d, err := tx.addDomain(o, n)
		if err != nil {
			return nil, err
		}
		events = append(events, told{"organization_domain.created", *d})
		if d.State.Verified() {
			events = append(events, told{"organization_domain.verified", *d})
		}
	}
	return func() error {
		for _, e := range events {
			if err := tx.Record(o.Environment, e.name, domainData(&e.d)); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// removeDomains deletes an organization's domains.
func (tx *Tx) removeDomains(o *Organization) error {
	tell, err := tx.setDomains(o, nil)
	if err != nil {
		return err
	}
	return tell()
}

// CreateDomain adds a domain to an organization, to be verified.
func (tx *Tx) CreateDomain(id EnvironmentID, org OrganizationID, n NewDomain) (*Domain, error) {
	o, err := tx.Organization(id, org)
	if err != nil {
		return nil, err
	}
	d, err := tx.addDomain(o, n)
	if err != nil {
		return nil, err
	}
	if err := tx.Record(id, "organization_domain.created", domainData(d)); err != nil {
		return nil, err
	}
	if d.State.Verified() {
		if err := tx.Record(id, "organization_domain.verified", domainData(d)); err != nil {
			return nil, err
		}
	}
	return d, tx.touch(id, org)
}

// domainRowOf finds a domain's row; NotFound if there is none.
func (tx *Tx) domainRowOf(id EnvironmentID, domain DomainID) (*Found, error) {
	f, err := tx.First(tableDomains, "on_environment", string(id), string(domain))
	if err == nil && f == nil {
		err = notFound("Organization domain", string(domain))
	}
	return f, err
}

// Domain finds a domain of an organization of the environment.
func (tx *Tx) Domain(id EnvironmentID, domain DomainID) (*Domain, error) {
	f, err := tx.domainRowOf(id, domain)
	if err != nil {
		return nil, err
	}
	return readDomain(f.Record), nil
}

// DeleteDomain takes a domain from its organization.
func (tx *Tx) DeleteDomain(id EnvironmentID, domain DomainID) error {
	f, err := tx.domainRowOf(id, domain)
	if err != nil {
		return err
	}
	d := readDomain(f.Record)
	if err := tx.Remove(f); err != nil {
		return err
	}
	if err := tx.Record(id, "organization_domain.deleted", domainData(d)); err != nil {
		return err
	}
	return tx.touch(id, d.Organization)
}

// CreateDomain is Tx.CreateDomain in a transaction of its own.
func (s *Service) CreateDomain(ctx context.Context, id EnvironmentID, org OrganizationID, n NewDomain) (d *Domain, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		d, err = tx.CreateDomain(id, org, n)
		return err
	})
	return d, err
}

// Domain finds a domain of an organization of the environment.
func (s *Service) Domain(ctx context.Context, id EnvironmentID, domain DomainID) (d *Domain, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		d, err = tx.Domain(id, domain)
		return err
	})
	return d, err
}

// DeleteDomain is Tx.DeleteDomain in a transaction of its own.
func (s *Service) DeleteDomain(ctx context.Context, id EnvironmentID, domain DomainID) error {
	return s.Update(ctx, func(tx *Tx) error { return tx.DeleteDomain(id, domain) })
}

// domainData is a domain as events show it.
func domainData(d *Domain) map[string]any {
	return map[string]any{
		"object": "organization_domain", "id": d.ID, "organization_id": d.Organization, "domain": d.Name, "state": d.State,
		"verification_strategy": d.Strategy, "verification_prefix": d.Prefix, "verification_token": d.Token,
		"created_at": FormatTime(d.Created), "updated_at": FormatTime(d.Updated),
	}
}

package identity

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// maxOrganizationName and maxDomains bound an organization; both are ours.
const (
	maxOrganizationName = 256
	maxDomains          = 100
)

// Organization is a customer of an environment's application: a body of people
// with domains, roles and rules of their own.
type Organization struct {
	ID          OrganizationID
	Environment EnvironmentID
	Name        string
	// AllowProfilesOutside lets people of other domains in through the
	// organization's connections.
	AllowProfilesOutside bool
	ExternalID           string
	StripeCustomerID     string
	Metadata             map[string]string
	Domains              []Domain // oldest first
	Created              time.Time
	Updated              time.Time
}

// NewOrganization is what a caller says of an organization to be made.
type NewOrganization struct {
	ID                   OrganizationID // chosen if empty
	Name                 string
	AllowProfilesOutside bool
	ExternalID           string
	StripeCustomerID     string
	Metadata             map[string]string
	Domains              []NewDomain
}

// OrganizationChange names the fields of an organization to change; nil ones stay.
type OrganizationChange struct {
	Name                 *string
	AllowProfilesOutside *bool
	ExternalID           *string
	StripeCustomerID     *string
	Metadata             map[string]string // merged; an empty value removes the key; nil leaves all
	ClearMetadata        bool              // before Metadata is merged
	Domains              *[]NewDomain      // what is not named is deleted
}

// organizationRow writes an organization; its domains have rows of their own.
func organizationRow(o *Organization) Row {
	r := Row{
		Text("id", o.ID), Text("environment", o.Environment), Text("name", o.Name), Flag("allow_profiles_outside", o.AllowProfilesOutside),
		Map("metadata", o.Metadata), Time("created", o.Created), Time("updated", o.Updated),
	}
	// Left out otherwise, so that no two empty ones meet in the index.
	if o.ExternalID != "" {
		r = append(r, Text("external_id", o.ExternalID))
	}
	if o.StripeCustomerID != "" {
		r = append(r, Text("stripe_customer_id", o.StripeCustomerID))
	}
	return r
}

// readOrganization is the reverse of organizationRow.
func readOrganization(r Record) *Organization {
	return &Organization{
		ID: OrganizationID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Name: r.Text("name"),
		AllowProfilesOutside: r.Flag("allow_profiles_outside"), ExternalID: r.Text("external_id"), StripeCustomerID: r.Text("stripe_customer_id"),
		Metadata: r.Map("metadata"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// check refuses an organization whose fields cannot be.
func (o *Organization) check() error {
	if err := checkText("name", strings.TrimSpace(o.Name), maxOrganizationName, true); err != nil {
		return err
	}
	if err := checkExternalID(o.ExternalID); err != nil {
		return err
	}
	if err := checkText("stripe_customer_id", o.StripeCustomerID, maxExternalID, false); err != nil {
		return err
	}
	return checkMetadata(o.Metadata)
}

// organizationRowOf finds an organization's row; NotFound if there is none.
func (tx *Tx) organizationRowOf(id EnvironmentID, org OrganizationID) (*Found, error) {
	f, err := tx.First(tableOrganizations, "on_environment", string(id), string(org))
	if err == nil && f == nil {
		err = notFound("Organization", string(org))
	}
	return f, err
}

// withDomains reads an organization's row and its domains.
func (tx *Tx) withDomains(f *Found) (*Organization, error) {
	o := readOrganization(f.Record)
	rows, err := tx.All(tableDomains, "on_organization", string(o.Environment), string(o.ID))
	if err != nil {
		return nil, err
	}
	for _, d := range rows {
		o.Domains = append(o.Domains, *readDomain(d.Record))
	}
	return o, nil
}

// Organization finds an organization of the environment.
func (tx *Tx) Organization(id EnvironmentID, org OrganizationID) (*Organization, error) {
	f, err := tx.organizationRowOf(id, org)
	if err != nil {
		return nil, err
	}
	return tx.withDomains(f)
}

// OrganizationByExternalID finds an organization by the caller's own id.
func (tx *Tx) OrganizationByExternalID(id EnvironmentID, external string) (*Organization, error) {
	if external == "" {
		return nil, notFound("Organization", external)
	}
	f, err := tx.First(tableOrganizations, "on_external_id", string(id), external)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("Organization", external)
	}
	return tx.withDomains(f)
}

// free refuses values that another organization of the environment has.
func (tx *Tx) free(o *Organization) error {
	for _, u := range []struct{ index, value, code, name string }{
		{"on_external_id", o.ExternalID, "external_id_already_used", "external id"},
		{"on_stripe", o.StripeCustomerID, "stripe_customer_id_already_used", "Stripe customer id"},
	} {
		if u.value == "" {
			continue
		}
		f, err := tx.First(tableOrganizations, u.index, string(o.Environment), u.value)
		if err != nil {
			return err
		}
		if f != nil && f.Text("id") != string(o.ID) {
			return apierr.New(apierr.BadRequest, u.code, "Another organization has this %s already; choose a different one or change the other.", u.name)
		}
	}
	return nil
}

// CreateOrganization makes an organization with its domains.
func (tx *Tx) CreateOrganization(id EnvironmentID, n NewOrganization) (*Organization, error) {
	if _, err := tx.Environment(id); err != nil {
		return nil, err
	}
	if n.ID == "" {
		n.ID = OrganizationID(tx.newID(organizationPrefix))
	} else if !strings.HasPrefix(string(n.ID), organizationPrefix) || !plainURI(string(n.ID)) || len(n.ID) > maxExternalID {
		return nil, InvalidField("id", "id_invalid", "Organization ids begin with %q.", organizationPrefix)
	}
	o := &Organization{
		ID: n.ID, Environment: id, Name: strings.TrimSpace(n.Name), AllowProfilesOutside: n.AllowProfilesOutside, ExternalID: n.ExternalID,
		StripeCustomerID: n.StripeCustomerID, Metadata: mergeMetadata(nil, n.Metadata), Created: tx.now, Updated: tx.now,
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := tx.free(o); err != nil {
		return nil, err
	}
	if f, err := tx.First(tableOrganizations, "on_environment", string(id), string(o.ID)); err != nil {
		return nil, err
	} else if f != nil {
		return nil, apierr.New(apierr.Conflict, "organization_exists", "There is an organization %s already.", o.ID)
	}
	if err := tx.Add(tableOrganizations, organizationRow(o)); err != nil {
		return nil, err
	}
	made, err := tx.setDomains(o, n.Domains)
	if err != nil {
		return nil, err
	}
	if err := tx.setTerms(id, o.ID, o.terms()); err != nil {
		return nil, err
	}
	if err := tx.Record(id, "organization.created", organizationData(o)); err != nil {
		return nil, err
	}
	return o, made()
}

// UpdateOrganization changes an organization.
func (tx *Tx) UpdateOrganization(id EnvironmentID, org OrganizationID, c OrganizationChange) (*Organization, error) {
	f, err := tx.organizationRowOf(id, org)
	if err != nil {
		return nil, err
	}
	o, err := tx.withDomains(f)
	if err != nil {
		return nil, err
	}
	before := organizationData(o)
	if c.Name != nil {
		o.Name = strings.TrimSpace(*c.Name)
	}
	if c.AllowProfilesOutside != nil {
		o.AllowProfilesOutside = *c.AllowProfilesOutside
	}
	if c.ExternalID != nil {
		o.ExternalID = *c.ExternalID
	}
	if c.StripeCustomerID != nil {
		o.StripeCustomerID = *c.StripeCustomerID
	}
	if c.ClearMetadata {
		o.Metadata = nil
	}
	o.Metadata = mergeMetadata(o.Metadata, c.Metadata)
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := tx.free(o); err != nil {
		return nil, err
	}
	made := func() error { return nil }
	if c.Domains != nil {
		if made, err = tx.setDomains(o, *c.Domains); err != nil {
			return nil, err
		}
	}
	o.Updated = tx.later(o.Updated)
	if err := tx.Put(f.Doc, organizationRow(o)); err != nil {
		return nil, err
	}
	if err := tx.setTerms(id, org, o.terms()); err != nil {
		return nil, err
	}
	if err := tx.RecordChange(id, "organization.updated", organizationData(o), before); err != nil {
		return nil, err
	}
	return o, made()
}

// touch notes that something shown with an organization changed, and tells it.
func (tx *Tx) touch(id EnvironmentID, org OrganizationID) error {
	_, err := tx.UpdateOrganization(id, org, OrganizationChange{})
	return err
}

// DeleteOrganization removes an organization and all that is only its own:
// memberships, invitations, groups, roles, domains, and the sessions people have
// with it.
func (tx *Tx) DeleteOrganization(id EnvironmentID, org OrganizationID) error {
	f, err := tx.organizationRowOf(id, org)
	if err != nil {
		return err
	}
	o, err := tx.withDomains(f)
	if err != nil {
		return err
	}
	for _, remove := range []func(*Organization) error{
		tx.removeTerms, tx.removeInvitations, tx.removeContacts, tx.removeMemberships, tx.removeGroups, tx.removeOrganizationRoles, tx.removeDomains, tx.endOrganizationSessions,
		tx.removeOrganizationPolicy,
	} {
		if err := remove(o); err != nil {
			return err
		}
	}
	if err := tx.s.gone(tx, Gone{Environment: id, Organization: org}); err != nil {
		return err
	}
	if err := tx.Remove(f); err != nil {
		return err
	}
	return tx.Record(id, "organization.deleted", organizationData(o))
}

// endOrganizationSessions ends the sessions people have with an organization.
func (tx *Tx) endOrganizationSessions(o *Organization) error {
	rows, err := tx.All(tableSessions, "on_organization", string(o.ID))
	if err != nil {
		return err
	}
	return tx.endRows(o.Environment, rows)
}

// endRows ends the sessions of rows that are the environment's and still active.
// The people stay signed in on the pages' host: they may have other organizations.
func (tx *Tx) endRows(id EnvironmentID, rows []Found) error {
	for i := range rows {
		st := readSession(rows[i].Record)
		if st.Environment != id {
			continue
		}
		if err := tx.endOnly(&rows[i], st); err != nil {
			return err
		}
	}
	return nil
}

// CreateOrganization is Tx.CreateOrganization in a transaction of its own.
func (s *Service) CreateOrganization(ctx context.Context, id EnvironmentID, n NewOrganization) (o *Organization, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		o, err = tx.CreateOrganization(id, n)
		return err
	})
	return o, err
}

// Organization finds an organization of the environment.
func (s *Service) Organization(ctx context.Context, id EnvironmentID, org OrganizationID) (o *Organization, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		o, err = tx.Organization(id, org)
		return err
	})
	return o, err
}

// OrganizationByExternalID finds an organization by the caller's own id.
func (s *Service) OrganizationByExternalID(ctx context.Context, id EnvironmentID, external string) (o *Organization, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		o, err = tx.OrganizationByExternalID(id, external)
		return err
	})
	return o, err
}

// UpdateOrganization is Tx.UpdateOrganization in a transaction of its own.
func (s *Service) UpdateOrganization(ctx context.Context, id EnvironmentID, org OrganizationID, c OrganizationChange) (o *Organization, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		o, err = tx.UpdateOrganization(id, org, c)
		return err
	})
	return o, err
}

// leaveBatch is how many members at once leave an organization that is deleted.
const leaveBatch = 200

// DeleteOrganization is Tx.DeleteOrganization, after members have left in batches: in
// one transaction, thousands whose sessions are refreshed meanwhile would make it
// begin anew again and again. Until the last one, the organization is there and
// smaller.
func (s *Service) DeleteOrganization(ctx context.Context, id EnvironmentID, org OrganizationID) error {
	for n := leaveBatch; n == leaveBatch; {
		err := s.Update(ctx, func(tx *Tx) error {
			if _, err := tx.organizationRowOf(id, org); err != nil {
				return err
			}
			var rows []Found
			err := tx.Each(tableMemberships, "on_organization", prefixOf(string(id), string(org)), ascending, func(f Found) (bool, error) {
				rows = append(rows, f)
				return len(rows) < leaveBatch, nil
			})
			if err != nil {
				return err
			}
			if n = len(rows); n < leaveBatch {
				return tx.DeleteOrganization(id, org)
			}
			for i := range rows {
				if err := tx.removeMember(&rows[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// OrganizationQuery narrows a list of organizations.
type OrganizationQuery struct {
	Page
	Domains []string // any of these, whatever their state
	Search  string   // beginnings of words of the name or a domain, whatever their case
}

// Organizations lists organizations.
func (s *Service) Organizations(ctx context.Context, id EnvironmentID, q OrganizationQuery) (l *List[Organization], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		switch {
		case len(q.Domains) > 0:
			l, err = tx.organizationsOfDomains(id, q)
		case q.Search != "":
			l, err = tx.organizationsFound(id, q)
		default:
			l, err = tx.allOrganizations(id, q.Page, func(*Organization) bool { return true })
		}
		return err
	})
	return l, err
}

// allOrganizations reads one page of those organizations that are wanted.
func (tx *Tx) allOrganizations(id EnvironmentID, p Page, wanted func(*Organization) bool) (*List[Organization], error) {
	var failed error
	l, err := page(tx, tableOrganizations, "on_environment", []string{string(id)}, p, func(r Record) (Organization, string, bool) {
		o, err := tx.withDomains(&Found{Record: r})
		if err != nil {
			failed = err
			return Organization{}, "", false
		}
		return *o, string(o.ID), wanted(o)
	})
	if err == nil {
		err = failed
	}
	return l, err
}

// organizationsOfDomains lists the organizations that have any of the domains.
func (tx *Tx) organizationsOfDomains(id EnvironmentID, q OrganizationQuery) (*List[Organization], error) {
	if len(q.Domains) > maxDomains {
		return nil, InvalidField("domains", "too_many_domains", "Give at most %d domains.", maxDomains)
	}
	var ids []string
	for _, name := range q.Domains {
		rows, err := tx.All(tableDomains, "on_domain", string(id), strings.ToLower(strings.TrimSpace(name)))
		if err != nil {
			return nil, err
		}
		for _, f := range rows {
			ids = append(ids, f.Text("organization"))
		}
	}
	slices.Sort(ids)
	return pageOf(slices.Compact(ids), q.Page, func(org string) (*Organization, error) {
		o, err := tx.Organization(id, OrganizationID(org))
		if err == nil && !o.matches(wordsOf(q.Search)) {
			o = nil
		}
		return o, err
	})
}

// organizationData is an organization as events show it (workos-operations.md).
func organizationData(o *Organization) map[string]any {
	domains := make([]any, len(o.Domains))
	for i := range o.Domains {
		domains[i] = domainData(&o.Domains[i])
	}
	m := map[string]any{
		"object": "organization", "id": o.ID, "name": o.Name, "domains": domains, "metadata": shownMetadata(o.Metadata),
		"external_id": nullable(o.ExternalID), "created_at": FormatTime(o.Created), "updated_at": FormatTime(o.Updated),
	}
	if o.StripeCustomerID != "" {
		m["stripe_customer_id"] = o.StripeCustomerID
	}
	return m
}

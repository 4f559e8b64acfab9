package workos

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/identity"
)

// organizationRoutes are about organizations and their domains.
func (a *API) organizationRoutes() []Route {
	return []Route{
		{"GET", "/organizations", "listOrganizations", "key", corsNone, false, a.listOrganizations},
		{"POST", "/organizations", "createOrganization", "key", corsNone, false, a.createOrganization},
		{"GET", "/organizations/external_id/{external_id}", "getOrganizationByExternalId", "key", corsNone, false, a.organizationByExternalID},
		{"GET", "/organizations/{id}", "getOrganization", "key", corsNone, false, a.getOrganization},
		{"PUT", "/organizations/{id}", "updateOrganization", "key", corsNone, false, a.updateOrganization},
		{"DELETE", "/organizations/{id}", "deleteOrganization", "key", corsNone, false, a.deleteOrganization},
		{"POST", "/organization_domains", "createOrganizationDomain", "key", corsNone, false, a.createDomain},
		{"GET", "/organization_domains/{id}", "getOrganizationDomain", "key", corsNone, false, a.getDomain},
		{"DELETE", "/organization_domains/{id}", "deleteOrganizationDomain", "key", corsNone, false, a.deleteDomain},
		{"POST", "/organization_domains/{id}/verify", "verifyOrganizationDomain", "key", corsNone, false, a.verifyDomain},
		// Not in the public description, but the official client calls them.
		{"GET", "/organizations/{id}/it_contacts", "", "key", corsNone, false, a.listContacts},
		{"POST", "/organizations/{id}/it_contacts", "", "key", corsNone, false, a.createContact},
		{"DELETE", "/organizations/{id}/it_contacts/{contact}", "", "key", corsNone, false, a.deleteContact},
		{"POST", "/organizations/{id}/it_contacts/{contact}/invite", "", "key", corsNone, false, a.inviteContact},
		{"POST", "/organizations/{id}/it_contacts/{contact}/revoke", "", "key", corsNone, false, a.revokeContact},
	}
}

// domainObject is a domain on the wire.
type domainObject struct {
	Object         string `json:"object"`
	ID             string `json:"id"`
	OrganizationID string `json:"organization_id"`
	Domain         string `json:"domain"`
	State          string `json:"state"`
	Prefix         string `json:"verification_prefix"`
	Token          string `json:"verification_token"`
	Strategy       string `json:"verification_strategy"`
	CreatedAt      string `json:"created_at"`
	UpdatedAt      string `json:"updated_at"`
}

// newDomainObject shows d.
func newDomainObject(d *identity.Domain) domainObject {
	return domainObject{
		Object: "organization_domain", ID: string(d.ID), OrganizationID: string(d.Organization), Domain: d.Name, State: string(d.State),
		Prefix: d.Prefix, Token: d.Token, Strategy: string(d.Strategy),
		CreatedAt: identity.FormatTime(d.Created), UpdatedAt: identity.FormatTime(d.Updated),
	}
}

// organizationObject is an organization on the wire.
type organizationObject struct {
	Object               string            `json:"object"`
	ID                   string            `json:"id"`
	Name                 string            `json:"name"`
	AllowProfilesOutside bool              `json:"allow_profiles_outside_organization"`
	Domains              []domainObject    `json:"domains"`
	Metadata             map[string]string `json:"metadata"`
	ExternalID           *string           `json:"external_id"`
	StripeCustomerID     string            `json:"stripe_customer_id,omitempty"`
	CreatedAt            string            `json:"created_at"`
	UpdatedAt            string            `json:"updated_at"`
}

// newOrganizationObject shows o.
func newOrganizationObject(o *identity.Organization) organizationObject {
	out := organizationObject{
		Object: "organization", ID: string(o.ID), Name: o.Name, AllowProfilesOutside: o.AllowProfilesOutside,
		Domains: make([]domainObject, len(o.Domains)), Metadata: o.Metadata, ExternalID: orNull(o.ExternalID), StripeCustomerID: o.StripeCustomerID,
		CreatedAt: identity.FormatTime(o.Created), UpdatedAt: identity.FormatTime(o.Updated),
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	for i := range o.Domains {
		out.Domains[i] = newDomainObject(&o.Domains[i])
	}
	return out
}

// organizationBody is the body of creating and of changing an organization.
type organizationBody struct {
	ID                   member[string]       `json:"id"` // seeds only
	Name                 member[string]       `json:"name"`
	AllowProfilesOutside member[bool]         `json:"allow_profiles_outside_organization"`
	Domains              member[[]string]     `json:"domains"`
	DomainData           member[[]domainData] `json:"domain_data"`
	Metadata             member[metadata]     `json:"metadata"`
	ExternalID           member[string]       `json:"external_id"`
	StripeCustomerID     member[string]       `json:"stripe_customer_id"`
}

// metadata is a map of texts in a body; a null removes its key.
type metadata = map[string]string

// domainData is a domain of an organization as a body names it.
type domainData struct {
	Domain string `json:"domain"`
	State  string `json:"state"`
}

// domains are the domains that the body wants, with what have already. Those of
// the older member "domains" come without proof and are believed: whoever holds
// the API key may say "verified" in the newer one just as well.
func (b *organizationBody) domains(have []identity.Domain) ([]identity.NewDomain, error) {
	var out []identity.NewDomain
	for _, d := range b.DomainData.value {
		switch d.State {
		case "pending", "verified":
		default:
			return nil, invalidField("domain_data", "domain_state_invalid", "The state of a domain is pending or verified.")
		}
		out = append(out, identity.NewDomain{Name: d.Domain, State: identity.DomainState(d.State)})
	}
	for _, name := range b.Domains.value {
		same := func(other string) bool { return strings.EqualFold(strings.TrimSpace(name), other) }
		if slices.ContainsFunc(out, func(d identity.NewDomain) bool { return same(d.Name) }) {
			continue
		}
		n := identity.NewDomain{Name: name, State: identity.DomainVerified}
		if slices.ContainsFunc(have, func(d identity.Domain) bool { return same(d.Name) }) {
			n.State = "" // stays as it is
		}
		out = append(out, n)
	}
	return out, nil
}

// listOrganizations is GET /organizations.
func (a *API) listOrganizations(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list, err := a.Identity.Organizations(r.Context(), environment(r).ID, identity.OrganizationQuery{
		Page: page, Domains: listed(q["domains"], q["domains[]"]), Search: q.Get("search"),
	})
	if err != nil {
		return err
	}
	return writeList(w, list, newOrganizationObject)
}

// listed reads a list parameter: comma-separated as the official client writes it,
// or repeated as others do.
func listed(values ...[]string) []string {
	var out []string
	for _, v := range slices.Concat(values...) {
		for one := range strings.SplitSeq(v, ",") {
			if one = strings.TrimSpace(one); one != "" {
				out = append(out, one)
			}
		}
	}
	return out
}

// createOrganization is POST /organizations.
func (a *API) createOrganization(w http.ResponseWriter, r *http.Request) error {
	var b organizationBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	domains, err := b.domains(nil)
	if err != nil {
		return err
	}
	pinned := identity.OrganizationID("")
	if seeding(r) {
		pinned = identity.OrganizationID(b.ID.value)
	}
	o, err := a.Identity.CreateOrganization(r.Context(), environment(r).ID, identity.NewOrganization{
		ID: pinned, Name: b.Name.value, AllowProfilesOutside: b.AllowProfilesOutside.value, ExternalID: b.ExternalID.value,
		StripeCustomerID: b.StripeCustomerID.value, Metadata: b.Metadata.value, Domains: domains,
	})
	return show(w, http.StatusCreated, o, err, newOrganizationObject)
}

// getOrganization is GET /organizations/{id}.
func (a *API) getOrganization(w http.ResponseWriter, r *http.Request) error {
	o, err := a.Identity.Organization(r.Context(), environment(r).ID, identity.OrganizationID(r.PathValue("id")))
	return show(w, http.StatusOK, o, err, newOrganizationObject)
}

// organizationByExternalID is GET /organizations/external_id/{external_id}.
func (a *API) organizationByExternalID(w http.ResponseWriter, r *http.Request) error {
	o, err := a.Identity.OrganizationByExternalID(r.Context(), environment(r).ID, r.PathValue("external_id"))
	return show(w, http.StatusOK, o, err, newOrganizationObject)
}

// updateOrganization is PUT /organizations/{id}: members that are absent stay.
func (a *API) updateOrganization(w http.ResponseWriter, r *http.Request) error {
	var b organizationBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	o, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Organization, error) {
		id := identity.OrganizationID(r.PathValue("id"))
		o, err := tx.Organization(env, id)
		if err != nil {
			return nil, err
		}
		c := identity.OrganizationChange{
			Name: b.Name.pointer(), AllowProfilesOutside: b.AllowProfilesOutside.pointer(), ExternalID: b.ExternalID.pointer(),
			StripeCustomerID: b.StripeCustomerID.pointer(), Metadata: b.Metadata.value, ClearMetadata: b.Metadata.given && b.Metadata.value == nil,
		}
		if b.Domains.given || b.DomainData.given {
			domains, err := b.domains(o.Domains)
			if err != nil {
				return nil, err
			}
			c.Domains = &domains
		}
		return tx.UpdateOrganization(env, id, c)
	})
	return show(w, http.StatusOK, o, err, newOrganizationObject)
}

// deleteOrganization is DELETE /organizations/{id}.
func (a *API) deleteOrganization(w http.ResponseWriter, r *http.Request) error {
	err := a.Identity.DeleteOrganization(r.Context(), environment(r).ID, identity.OrganizationID(r.PathValue("id")))
	if err == nil {
		w.WriteHeader(http.StatusOK)
	}
	return err
}

// createDomain is POST /organization_domains.
func (a *API) createDomain(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Domain         string `json:"domain"`
		OrganizationID string `json:"organization_id"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	d, err := a.Identity.CreateDomain(r.Context(), environment(r).ID, identity.OrganizationID(b.OrganizationID), identity.NewDomain{Name: b.Domain})
	return show(w, http.StatusCreated, d, err, newDomainObject)
}

// getDomain is GET /organization_domains/{id}.
func (a *API) getDomain(w http.ResponseWriter, r *http.Request) error {
	d, err := a.Identity.Domain(r.Context(), environment(r).ID, identity.DomainID(r.PathValue("id")))
	return show(w, http.StatusOK, d, err, newDomainObject)
}

// deleteDomain is DELETE /organization_domains/{id}.
func (a *API) deleteDomain(w http.ResponseWriter, r *http.Request) error {
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		return tx.DeleteDomain(env, identity.DomainID(r.PathValue("id")))
	})
}

// verifyDomain is POST /organization_domains/{id}/verify.
func (a *API) verifyDomain(w http.ResponseWriter, r *http.Request) error {
	d, err := a.Identity.VerifyDomain(r.Context(), environment(r).ID, identity.DomainID(r.PathValue("id")))
	return show(w, http.StatusCreated, d, err, newDomainObject)
}

package identity

import (
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// How many contacts an organization has at most, ours, and what binds the seal of
// their links.
const (
	maxContacts    = 100
	contactPrefix  = "it_contact_"
	purposeContact = "identity it contact"
)

// ContactID is "it_contact_…".
type ContactID string

// Contact is somebody who sets up an organization's connections for it.
type Contact struct {
	ID           ContactID
	Environment  EnvironmentID
	Organization OrganizationID
	Email        string
	Created      time.Time
	Updated      time.Time
}

// contactTables are the tables of this file.
var contactTables = []database.TableDef{
	{Name: tableContacts, Indexes: []database.IndexDef{
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
	}},
}

// readContact reads a row of it_contacts.
func readContact(r Record) *Contact {
	return &Contact{
		ID: ContactID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Organization: OrganizationID(r.Text("organization")),
		Email: r.Text("email"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// Contacts lists an organization's contacts, newest first.
func (tx *Tx) Contacts(id EnvironmentID, org OrganizationID) ([]Contact, error) {
	if _, err := tx.organizationRowOf(id, org); err != nil {
		return nil, err
	}
	var out []Contact
	err := tx.Each(tableContacts, "on_organization", prefixOf(string(id), string(org)), database.Desc, func(f Found) (bool, error) {
		out = append(out, *readContact(f.Record))
		return true, nil
	})
	return out, err
}

// AddContact adds a contact to an organization; nobody is written to.
func (tx *Tx) AddContact(id EnvironmentID, org OrganizationID, email string) (*Contact, error) {
	email, k, ok := ParseEmail(email)
	if !ok {
		return nil, InvalidField("email", "email_invalid", "The email address is not valid.")
	}
	all, err := tx.Contacts(id, org)
	if err != nil {
		return nil, err
	}
	if len(all) >= maxContacts {
		return nil, InvalidField("email", "too_many_contacts", "An organization has at most %d IT contacts.", maxContacts)
	}
	for _, c := range all {
		if _, other, _ := ParseEmail(c.Email); other == k {
			return nil, apierr.New(apierr.Conflict, "it_contact_already_exists", "This address is an IT contact of the organization already.")
		}
	}
	c := &Contact{ID: ContactID(tx.newID(contactPrefix)), Environment: id, Organization: org, Email: email, Created: tx.now, Updated: tx.now}
	return c, tx.Add(tableContacts, Row{Text("id", c.ID), Text("environment", id), Text("organization", org), Text("email", email),
		Text("link", ""), Time("created", c.Created), Time("updated", c.Updated)})
}

// contactRow finds a contact's row; NotFound if there is none.
func (tx *Tx) contactRow(id EnvironmentID, org OrganizationID, contact ContactID) (*Found, error) {
	if _, err := tx.organizationRowOf(id, org); err != nil {
		return nil, err
	}
	f, err := tx.First(tableContacts, "on_organization", string(id), string(org), string(contact))
	if err == nil && f == nil {
		err = notFound("IT contact", string(contact))
	}
	return f, err
}

// InviteContact notes the secret of the link that goes to a contact.
func (tx *Tx) InviteContact(id EnvironmentID, org OrganizationID, contact ContactID, secret string) (*Contact, error) {
	f, err := tx.contactRow(id, org, contact)
	if err != nil {
		return nil, err
	}
	updated := tx.later(f.Time("updated"))
	if err := tx.Patch(f, Row{Text("link", tx.s.Sealer.Seal(purposeContact, []byte(secret))), Time("updated", updated)}); err != nil {
		return nil, err
	}
	c := readContact(f.Record)
	c.Updated = updated
	return c, nil
}

// ContactLinks gives the secrets of the links that an organization's contacts hold,
// and forgets them.
func (tx *Tx) ContactLinks(id EnvironmentID, org OrganizationID) (secrets []string, err error) {
	rows, err := tx.All(tableContacts, "on_organization", string(id), string(org))
	if err != nil {
		return nil, err
	}
	for i := range rows {
		sealed := rows[i].Text("link")
		if sealed == "" {
			continue
		}
		secret, err := tx.s.Sealer.Open(purposeContact, sealed)
		if err != nil {
			return nil, fmt.Errorf("identity: unseal link of %s: %w", rows[i].Text("id"), err)
		}
		secrets = append(secrets, string(secret))
		if err := tx.Patch(&rows[i], Row{Text("link", "")}); err != nil {
			return nil, err
		}
	}
	return secrets, nil
}

// KnownContact refuses a contact that the organization does not have.
func (tx *Tx) KnownContact(id EnvironmentID, org OrganizationID, contact ContactID) error {
	_, err := tx.contactRow(id, org, contact)
	return err
}

// RemoveContact takes a contact from an organization. Their link is the caller's to
// revoke, by ContactLinks.
func (tx *Tx) RemoveContact(id EnvironmentID, org OrganizationID, contact ContactID) error {
	f, err := tx.contactRow(id, org, contact)
	if err != nil {
		return err
	}
	return tx.Remove(f)
}

// removeContacts deletes an organization's contacts.
func (tx *Tx) removeContacts(o *Organization) error {
	rows, err := tx.All(tableContacts, "on_organization", string(o.Environment), string(o.ID))
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

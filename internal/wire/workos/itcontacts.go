package workos

import (
	"net/http"
	"net/url"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// setupLife is for how long the link of an IT contact may be opened.
const setupLife = 30 * 24 * time.Hour

// contactObject is an IT contact on the wire.
type contactObject struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	Email     string `json:"email"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// newContactObject shows c.
func newContactObject(c *identity.Contact) contactObject {
	return contactObject{"it_contact", string(c.ID), c.Email, identity.FormatTime(c.Created), identity.FormatTime(c.Updated)}
}

// contactPath is the organization and the contact that a request names.
func contactPath(r *http.Request) (identity.OrganizationID, identity.ContactID) {
	return identity.OrganizationID(r.PathValue("id")), identity.ContactID(r.PathValue("contact"))
}

// listContacts is GET /organizations/{id}/it_contacts; they are few and come at once.
func (a *API) listContacts(w http.ResponseWriter, r *http.Request) error {
	org, _ := contactPath(r)
	all, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) ([]identity.Contact, error) {
		return tx.Contacts(env, org)
	})
	if err != nil {
		return err
	}
	return writeList(w, &identity.List[identity.Contact]{Data: all}, newContactObject)
}

// createContact is POST /organizations/{id}/it_contacts.
func (a *API) createContact(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Email string `json:"email"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	org, _ := contactPath(r)
	c, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.Contact, error) {
		return tx.AddContact(env, org, b.Email)
	})
	return show(w, http.StatusCreated, c, err, newContactObject)
}

// dropLinks makes the links that an organization's contacts hold worthless.
func (a *API) dropLinks(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID) error {
	secrets, err := tx.ContactLinks(env, org)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		if err := a.SSO.DropLink(tx, secret); err != nil {
			return err
		}
	}
	return nil
}

// deleteContact is DELETE /organizations/{id}/it_contacts/{contact}.
func (a *API) deleteContact(w http.ResponseWriter, r *http.Request) error {
	org, contact := contactPath(r)
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		if err := tx.KnownContact(env, org, contact); err != nil {
			return err
		}
		if err := a.dropLinks(tx, env, org); err != nil {
			return err
		}
		return tx.RemoveContact(env, org, contact)
	})
}

// inviteContact is POST /organizations/{id}/it_contacts/{contact}/invite. An
// organization has one such link at a time.
func (a *API) inviteContact(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Intents []string `json:"intents"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	org, contact := contactPath(r)
	p := sso.Portal{Environment: environment(r).ID, Organization: org}
	if len(b.Intents) == 1 {
		p.Intent = sso.Intent(b.Intents[0]) // of several, the portal offers all
	}
	type invited struct{ email, organization, secret string }
	i, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*invited, error) {
		o, err := tx.Organization(env, org)
		if err != nil {
			return nil, err
		}
		if err := tx.KnownContact(env, org, contact); err != nil {
			return nil, err
		}
		if err := a.dropLinks(tx, env, org); err != nil {
			return nil, err
		}
		secret, err := a.SSO.SetupLink(tx, p, setupLife)
		if err != nil {
			return nil, err
		}
		c, err := tx.InviteContact(env, org, contact, secret)
		if err != nil {
			return nil, err
		}
		return &invited{c.Email, o.Name, secret}, nil
	})
	if err != nil {
		return err
	}
	if err := a.Letters.SendSetup(environment(r), i.email, a.baseURL(r)+PortalPath+"?secret="+url.QueryEscape(i.secret), i.organization); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// revokeContact is POST /organizations/{id}/it_contacts/{contact}/revoke.
func (a *API) revokeContact(w http.ResponseWriter, r *http.Request) error {
	org, contact := contactPath(r)
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		if err := tx.KnownContact(env, org, contact); err != nil {
			return err
		}
		return a.dropLinks(tx, env, org)
	})
}

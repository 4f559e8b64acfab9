package sso

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Intent is what an organisation's administrator is sent to the portal for.
type Intent string

// The intents; an empty one means whatever the portal offers.
const (
	IntentSSO         Intent = "sso"
	IntentDirectory   Intent = "dsync"
	IntentAuditLogs   Intent = "audit_logs"
	IntentLogStreams  Intent = "log_streams"
	IntentDomains     Intent = "domain_verification"
	IntentCertificate Intent = "certificate_renewal"
	IntentOwnKey      Intent = "bring_your_own_key"
)

// intents are all of them.
var intents = []Intent{"", IntentSSO, IntentDirectory, IntentAuditLogs, IntentLogStreams, IntentDomains, IntentCertificate, IntentOwnKey}

// linkLife is how long a link to the portal may be opened (the vendor's five
// minutes), portalLife how long what it opens may be used.
const (
	linkLife   = 5 * time.Minute
	portalLife = 2 * time.Hour
)

// Portal is one administrator's visit, bound to an organisation and an intent.
type Portal struct {
	Environment  identity.EnvironmentID
	Organization identity.OrganizationID
	Intent       Intent
	ReturnURL    string
	SuccessURL   string
}

// PortalLink makes a link's secret.
func (s *Service) PortalLink(ctx context.Context, p Portal) (secret string, err error) {
	if !slices.Contains(intents, p.Intent) {
		return "", identity.InvalidField("intent", "invalid_intent", "intent is none of those that exist.")
	}
	for field, address := range map[string]string{"return_url": p.ReturnURL, "success_url": p.SuccessURL} {
		if address != "" && !connector.IsWeb(address) {
			return "", identity.InvalidField(field, "invalid_url", "%s is no web address.", field)
		}
	}
	secret = rand.Text() + rand.Text()
	return secret, s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(p.Environment, p.Organization); err != nil {
			return err
		}
		return tx.Add(tableLinks, portalRow("portal link", secret, p, tx.Now().Add(linkLife)))
	})
}

// SetupLink makes, within a transaction, the secret of a link that goes out by mail:
// it may be opened again and again for as long as life.
func (s *Service) SetupLink(tx *identity.Tx, p Portal, life time.Duration) (secret string, err error) {
	if !slices.Contains(intents, p.Intent) {
		return "", identity.InvalidField("intents", "invalid_intent", "%.40q is no intent.", string(p.Intent))
	}
	secret = rand.Text() + rand.Text()
	return secret, tx.Add(tableLinks, append(portalRow("portal link", secret, p, tx.Now().Add(life)), identity.Flag("keep", true)))
}

// DropLink makes a link worthless; one that is gone already is no error.
func (s *Service) DropLink(tx *identity.Tx, secret string) error {
	f, _, err := portalAt(tx, tableLinks, "portal link", secret)
	if err != nil || f == nil {
		return err
	}
	return tx.Remove(f)
}

// portalRow writes a link or a visit.
func portalRow(purpose, secret string, p Portal, expires time.Time) identity.Row {
	return identity.Row{identity.Text("hash", hash(purpose, secret)), identity.Text("environment", p.Environment), identity.Text("organization", p.Organization),
		identity.Text("intent", p.Intent), identity.Text("return_url", p.ReturnURL), identity.Text("success_url", p.SuccessURL), identity.Time("expires", expires)}
}

// portalAt finds a link or a visit that is still good; nil if there is none.
func portalAt(tx *identity.Tx, table, purpose, secret string) (*identity.Found, *Portal, error) {
	if len(secret) != 52 {
		return nil, nil, nil
	}
	f, err := tx.First(table, "on_hash", hash(purpose, secret))
	if err != nil {
		return nil, nil, err
	}
	if fresh, err := tx.Fresh(f); err != nil || !fresh {
		return nil, nil, err
	}
	return f, &Portal{Environment: identity.EnvironmentID(f.Text("environment")), Organization: identity.OrganizationID(f.Text("organization")),
		Intent: Intent(f.Text("intent")), ReturnURL: f.Text("return_url"), SuccessURL: f.Text("success_url")}, nil
}

// EnterPortal uses a link up and gives the secret of the visit that it opens.
func (s *Service) EnterPortal(ctx context.Context, link string) (visit string, err error) {
	visit = rand.Text() + rand.Text()
	return visit, s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, p, err := portalAt(tx, tableLinks, "portal link", link)
		if err != nil {
			return err
		}
		if f == nil {
			return apierr.New(apierr.NotFound, "portal_link_expired", "This link was used already or is older than five minutes. Go back to the app and open the portal from there.")
		}
		if !f.Flag("keep") {
			if err := tx.Remove(f); err != nil {
				return err
			}
		}
		return tx.Add(tablePortals, portalRow("portal visit", visit, *p, tx.Now().Add(portalLife)))
	})
}

// Visit finds an administrator's visit; Unauthenticated if it is over.
func (s *Service) Visit(ctx context.Context, visit string) (p *Portal, org *identity.Organization, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, p, err = portalAt(tx, tablePortals, "portal visit", visit); err != nil {
			return err
		}
		if p != nil {
			org, err = tx.Organization(p.Environment, p.Organization)
		}
		if p == nil || apierr.KindOf(err) == apierr.NotFound && err != nil {
			return apierr.New(apierr.Unauthenticated, "portal_session_expired", "Your visit to the portal has ended. Go back to the app and open it again from there.")
		}
		return err
	})
	return p, org, err
}

// Begin notes a departure in a transaction of its own, fetching before what it
// needs.
func (s *Service) Begin(ctx context.Context, env identity.EnvironmentID, id ConnectionID, d Departure) (address string, err error) {
	var e *identity.Environment
	var c *Connection
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if e, err = tx.Environment(env); err != nil {
			return err
		}
		c, err = s.Connection(tx, env, id)
		return err
	})
	if err != nil {
		return "", err
	}
	found, err := s.Ready(ctx, e, c)
	if err != nil {
		return "", err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		address, err = s.Leave(tx, e, c, d, found)
		return err
	})
	return address, err
}

// Tested is the outcome of an administrator's try, used up.
func (s *Service) Tested(ctx context.Context, env identity.EnvironmentID, key, browser string) (o *Outcome, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if o, err = s.Outcome(tx, env, key, ForTest, browser); err != nil {
			return err
		}
		return o.Use(tx)
	})
	return o, err
}

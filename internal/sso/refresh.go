package sso

import (
	"context"
	"errors"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// How often metadata is fetched again, how many connections one round looks at, and
// how long before its end a certificate is spoken of.
const (
	refreshEvery  = 24 * time.Hour
	refreshBatch  = 20
	renewalNotice = 30 * 24 * time.Hour
)

// Refresh looks after the SAML connections that are due: it fetches the metadata
// whose address is known, and tells of certificates that are about to end. What
// cannot be fetched stays as it was.
func (s *Service) Refresh(ctx context.Context, now time.Time) error {
	var due []*Connection
	err := s.Identity.View(ctx, func(tx *identity.Tx) error {
		due = nil
		in := database.Interval{Lower: value.AppendKey(nil, value.Float64(0)), Upper: value.AppendKey(nil, value.Float64(now.UnixMilli()))}
		return tx.Each(tableConnections, "on_refresh", in, database.Asc, func(f identity.Found) (bool, error) {
			c, err := readConnection(f.Record)
			if err == nil {
				due = append(due, c)
			}
			return len(due) < refreshBatch, err
		})
	})
	if err != nil {
		return err
	}
	var failures []error
	for _, c := range due {
		if err := s.refresh(ctx, c, now); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// refresh looks after one connection.
func (s *Service) refresh(ctx context.Context, c *Connection, now time.Time) error {
	var facts *connector.IDPFacts
	if c.Config.MetadataURL != "" && !c.Config.Test {
		e, err := s.Identity.Environment(ctx, c.Environment)
		if err != nil {
			return err
		}
		f, err := connector.FetchMetadata(ctx, s.client(e), c.Config.MetadataURL)
		if err != nil {
			s.Log.Warn("metadata not fetched", "connection", c.ID, "err", err)
		} else {
			facts = &f
		}
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, c, err := connectionOf(tx, c.Environment, c.ID)
		if apierr.KindOf(err) == apierr.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		old := c.Config.IDP
		// A document that names another entity is not the same provider's: who can put it
		// there could sign anybody in. Only an administrator changes that.
		if facts != nil && facts.EntityID == old.EntityID {
			c.Config.IDP = *facts
		} else if facts != nil {
			s.Log.Warn("metadata names another entity, kept the old", "connection", c.ID)
		}
		if err := renewals(tx, c, old, now); err != nil {
			return err
		}
		row := connectionRow(c)
		for i := range row {
			if row[i].Name == "refresh" {
				row[i] = identity.Time("refresh", now.Add(refreshEvery))
			}
		}
		return tx.Put(f.Doc, row)
	})
}

// renewals tells of certificates that end soon, and of those that came in.
func renewals(tx *identity.Tx, c *Connection, old connector.IDPFacts, now time.Time) error {
	connection := map[string]any{"id": c.ID}
	if c.Organization != "" {
		connection["organization_id"] = c.Organization
	}
	had := map[string]bool{}
	for _, text := range old.Certificates {
		had[text] = true
	}
	var latest time.Time // an old certificate beside a newer one is no trouble
	for _, text := range c.Config.IDP.Certificates {
		cert, err := connector.ParseCertificate(text)
		if err != nil {
			return err
		}
		if cert.NotAfter.After(latest) {
			latest = cert.NotAfter
		}
		if !had[text] {
			if err := tx.Record(c.Environment, "connection.saml_certificate_renewed", map[string]any{"connection": connection, "renewed_at": identity.FormatTime(now),
				"certificate": map[string]any{"certificate_type": "ResponseSigning", "expiry_date": identity.FormatTime(cert.NotAfter)}}); err != nil {
				return err
			}
		}
	}
	if latest.IsZero() || latest.Sub(now) > renewalNotice {
		return nil
	}
	return tx.Record(c.Environment, "connection.saml_certificate_renewal_required", map[string]any{"connection": connection, "days_until_expiry": int(latest.Sub(now) / (24 * time.Hour)),
		"certificate": map[string]any{"certificate_type": "ResponseSigning", "expiry_date": identity.FormatTime(latest), "is_expired": !now.Before(latest)}})
}

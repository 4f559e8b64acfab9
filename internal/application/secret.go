package application

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Secret is one secret of an application, without its text.
type Secret struct {
	ID       string
	Hint     string // its last characters
	LastUsed time.Time
	Created  time.Time
	Updated  time.Time
}

// maxSecrets is how many secrets an application may have at a time: two for a
// change without a gap, and a few for deployments that change apart.
const maxSecrets = 10

// readSecret reads a row of connect_secrets.
func readSecret(r identity.Record) Secret {
	return Secret{ID: r.Text("id"), Hint: r.Text("hint"), LastUsed: r.Time("last_used"), Created: r.Time("created"), Updated: r.Time("updated")}
}

// CreateSecret makes a secret and returns its text, which is shown this once.
func (s *Service) CreateSecret(ctx context.Context, env identity.EnvironmentID, application string) (c *Secret, text string, err error) {
	return s.PinSecret(ctx, env, application, newSecret())
}

// PinSecret is CreateSecret with a text of the caller's choosing, which only seeds
// may have: it is kept as hashes of long random texts are.
func (s *Service) PinSecret(ctx context.Context, env identity.EnvironmentID, application, text string) (c *Secret, _ string, err error) {
	if len(text) < 12 || len(text) > 200 {
		return nil, "", badField("secret", "A client secret has 12 to 200 characters.")
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		_, a, err := find(tx, env, application)
		if err != nil {
			return err
		}
		rows, err := tx.All(tableSecrets, "on_application", string(env), a.ID)
		if err != nil {
			return err
		}
		if len(rows) >= maxSecrets {
			return apierr.New(apierr.BadRequest, "invalid_request_parameters", "An application has at most %d secrets; delete one that is not used.", maxSecrets)
		}
		c = &Secret{ID: tx.NewID("secret_"), Hint: text[len(text)-6:], Created: tx.Now(), Updated: tx.Now()}
		return tx.Add(tableSecrets, identity.Row{identity.Text("id", c.ID), identity.Text("environment", env), identity.Text("application", a.ID),
			identity.Text("hash", secretHash("client secret", text)), identity.Text("hint", c.Hint), identity.Time("last_used", time.Time{}),
			identity.Time("created", c.Created), identity.Time("updated", c.Updated)})
	})
	return c, text, err
}

// Secrets lists the secrets of an application, oldest first.
func (s *Service) Secrets(ctx context.Context, env identity.EnvironmentID, application string) (list []Secret, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, a, err := find(tx, env, application)
		if err != nil {
			return err
		}
		rows, err := tx.All(tableSecrets, "on_application", string(env), a.ID)
		list = list[:0]
		for _, f := range rows {
			list = append(list, readSecret(f.Record))
		}
		return err
	})
	return list, err
}

// DeleteSecret ends a secret.
func (s *Service) DeleteSecret(ctx context.Context, env identity.EnvironmentID, id string) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableSecrets, "on_environment", string(env), id)
		if err != nil {
			return err
		}
		if f == nil {
			return identity.NotFound("Client secret", id)
		}
		return tx.Remove(f)
	})
}

// noteUseEvery is how exactly the last use of a secret is known.
const noteUseEvery = time.Minute

// proves says whether text is a secret of the application, and notes its use.
func proves(tx *identity.Tx, a *Application, text string) (bool, error) {
	if text == "" || len(text) > 256 {
		return false, nil
	}
	rows, err := tx.All(tableSecrets, "on_application", string(a.Environment), a.ID)
	if err != nil {
		return false, err
	}
	hash := []byte(secretHash("client secret", text))
	for i := range rows {
		f := &rows[i]
		if subtle.ConstantTimeCompare(hash, []byte(f.Text("hash"))) != 1 {
			continue
		}
		if tx.Now().Sub(f.Time("last_used")) >= noteUseEvery {
			return true, tx.Patch(f, identity.Row{identity.Time("last_used", tx.Now())})
		}
		return true, nil
	}
	return false, nil
}

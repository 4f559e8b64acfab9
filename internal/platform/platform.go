package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// Service keeps the control plane's rows in the house's own store. Fill the
// fields and call Open once.
type Service struct {
	DB       *database.DB
	Identity *identity.Service
	// Sealer protects API keys at rest.
	Sealer *token.Sealer
	Log    *slog.Logger
}

// table is where the deployments' rows are.
const table = "deployments"

// sealAPIKey is the purpose under which API keys are sealed.
const sealAPIKey = "platform: api key of a deployment's environment"

// Deployment is one row: a deployment of this house.
type Deployment struct {
	Name        string
	Kind        string // "dev" is the only kind so far
	Environment identity.EnvironmentID
	Client      identity.ClientID
	APIKey      string // as it was given out once; sealed in the row
	Ports       Ports
}

// Ports are where a deployment's listeners answered last time, so that they can
// be found at the same addresses again.
type Ports struct{ Deployment, Site, AuthKit int }

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	err := s.DB.EnsureTables(ctx, []database.TableDef{{Name: table, Indexes: []database.IndexDef{{Name: "by_name", Fields: []string{"name"}}}}})
	if err != nil {
		return fmt.Errorf("platform: open: %w", err)
	}
	return nil
}

// EnsureDeployment finds the house's deployment, or creates one: with the wished
// name, or a fresh one if the wish is empty. A wish for a name that the house
// does not have, while it has another deployment, is a Conflict: this version
// serves one deployment a house.
func (s *Service) EnsureDeployment(ctx context.Context, wish string) (*Deployment, error) {
	if wish != "" && !ValidName(wish) {
		return nil, apierr.New(apierr.BadRequest, "InvalidDeploymentName",
			"%q cannot name a deployment: use lower-case letters, digits and hyphens, as in happy-otter-123.", wish)
	}
	var d *Deployment
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		rows, err := s.rows(ctx, tx)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			d = &rows[0].Deployment
			if wish != "" && wish != d.Name {
				return apierr.New(apierr.Conflict, "OtherDeployment",
					"This data directory holds the deployment %s, not %s. Use another directory for another deployment.", d.Name, wish)
			}
			return nil
		}
		d = &Deployment{Name: wish, Kind: "dev"}
		if d.Name == "" {
			d.Name = NewName()
		}
		_, err = tx.Insert(ctx, table, s.encode(d))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("platform: ensure deployment: %w", err)
	}
	return d, nil
}

// Deployments lists the deployments of the house, oldest first.
func (s *Service) Deployments(ctx context.Context) ([]Deployment, error) {
	var list []Deployment
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		rows, err := s.rows(ctx, tx)
		for _, r := range rows {
			list = append(list, r.Deployment)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("platform: list deployments: %w", err)
	}
	return list, nil
}

// SavePorts remembers where a deployment answers.
func (s *Service) SavePorts(ctx context.Context, name string, p Ports) error {
	return s.change(ctx, name, func(d *Deployment) bool {
		if d.Ports == p {
			return false
		}
		d.Ports = p
		return true
	})
}

// errNoDeployment means that a row which was there is gone.
var errNoDeployment = errors.New("platform: no such deployment")

// change edits one row in a transaction; edit may run again and says whether
// anything changed.
func (s *Service) change(ctx context.Context, name string, edit func(*Deployment) bool) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		rows, err := s.rows(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Name != name {
				continue
			}
			if !edit(&r.Deployment) {
				return nil
			}
			return tx.Replace(ctx, r.id, s.encode(&r.Deployment))
		}
		return errNoDeployment
	})
	if err != nil {
		return fmt.Errorf("platform: change deployment %s: %w", name, err)
	}
	return nil
}

// row is a deployment with the id of its document.
type row struct {
	Deployment
	id value.ID
}

// rows reads the whole table, which has as many rows as the house has deployments.
func (s *Service) rows(ctx context.Context, tx *database.Tx) ([]row, error) {
	cur := tx.Scan(table, "by_creation_time", database.Interval{}, database.Asc)
	defer cur.Close()
	var out []row
	for {
		doc, err := cur.Next(ctx)
		if err != nil || doc == nil {
			return out, err
		}
		d, err := s.decode(doc.Object())
		if err != nil {
			return nil, err
		}
		out = append(out, row{Deployment: *d, id: doc.ID})
	}
}

// encode writes a row's fields.
func (s *Service) encode(d *Deployment) value.Object {
	m := map[string]value.Value{
		"name": value.String(d.Name), "kind": value.String(d.Kind),
		"environment": value.String(d.Environment), "client": value.String(d.Client),
		"ports": value.NewObject(map[string]value.Value{
			"deployment": value.Float64(d.Ports.Deployment), "site": value.Float64(d.Ports.Site), "authKit": value.Float64(d.Ports.AuthKit),
		}),
	}
	if d.APIKey != "" {
		m["apiKey"] = value.String(s.Sealer.Seal(sealAPIKey, []byte(d.APIKey)))
	}
	return value.NewObject(m)
}

// decode reads what encode wrote.
func (s *Service) decode(o value.Object) (*Deployment, error) {
	text := func(name string) string {
		v, _ := o.Get(name)
		t, _ := v.(value.String)
		return string(t)
	}
	d := &Deployment{
		Name: text("name"), Kind: text("kind"),
		Environment: identity.EnvironmentID(text("environment")), Client: identity.ClientID(text("client")),
	}
	if v, _ := o.Get("ports"); v != nil {
		port := func(name string) int {
			f, _ := value.Path(v, name).(value.Float64)
			return int(f)
		}
		d.Ports = Ports{Deployment: port("deployment"), Site: port("site"), AuthKit: port("authKit")}
	}
	if sealed := text("apiKey"); sealed != "" {
		b, err := s.Sealer.Open(sealAPIKey, sealed)
		if err != nil {
			return nil, fmt.Errorf("the API key of %s cannot be read with this house's secret: %w", d.Name, err)
		}
		d.APIKey = string(b)
	}
	return d, nil
}

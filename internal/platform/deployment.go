package platform

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Kind says what a deployment is for.
type Kind string

// The kinds of deployment, as the official tools name them.
const (
	Dev        Kind = "dev"
	Prod       Kind = "prod"
	Preview    Kind = "preview"
	CustomKind Kind = "custom"
)

// Production says whether real users depend on deployments of this kind.
func (k Kind) Production() bool { return k == Prod }

// Deployment is one row: a deployment of this house.
type Deployment struct {
	Name    string // unique in the house
	Kind    Kind
	Project int64
	// Reference names it within the project, as people do: "dev/ada", "prod",
	// "preview/login-page". Unique in the project.
	Reference string
	// Default says that it is its project's production deployment, or its creator's
	// deployment for development.
	Default bool
	// Home says that it answers on the house's main ports.
	Home    bool
	Creator OperatorID
	Created time.Time
	Expires time.Time // zero for never

	Environment identity.EnvironmentID
	Client      identity.ClientID
	APIKey      string // as it was given out once; sealed in the row
	Ports       Ports
	// Prepared says that the deployment has had its first variables.
	Prepared bool
	// Awake says that it is open, or was when the house ended without a word; else Due
	// is when it must be opened for a scheduled function or cron job, zero for never.
	Awake bool
	Due   time.Time
	// Deleting says that it is going: nobody finds it any more, and the house deletes
	// what is left of it.
	Deleting bool
}

// Ports are where a deployment's listeners answered last time, so that they can
// be found at the same addresses again. AuthKit is the home deployment's alone, and
// so is Control.
type Ports struct{ Deployment, Site, AuthKit, Control, VendorTLS int }

// NewDeployment is what to make.
type NewDeployment struct {
	Project   int64
	Kind      Kind
	Reference string // chosen if empty
	Name      string // chosen if empty
	Default   bool
	Creator   OperatorID
	Expires   time.Time
}

// maxDeployments bounds the deployments of a project; each has ports and files.
const maxDeployments = 1000

// previewLife is how long a preview lives unless it is told otherwise.
const previewLife = 14 * 24 * time.Hour

// referenceForm is what a reference may be.
var referenceForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$`)

// checkReference refuses what cannot be a reference.
func checkReference(r string) error {
	if len(r) > 120 {
		return apierr.New(apierr.BadRequest, "InvalidReference", "The reference of a deployment has at most 120 bytes.")
	}
	if !referenceForm.MatchString(r) {
		return apierr.New(apierr.BadRequest, "InvalidReference",
			"%q cannot be a deployment's reference: use lower-case letters, digits, hyphens and slashes, as in preview/login-page.", r)
	}
	return nil
}

// Reference makes a reference of what people write, such as a branch's name.
func Reference(prefix, text string) string {
	var parts []string
	for p := range strings.SplitSeq(text, "/") {
		if p != "" {
			parts = append(parts, Slug(p))
		}
	}
	r := strings.Join(parts, "-")
	if len(r) > 100 {
		r = strings.TrimRight(r[:100], "-")
	}
	return prefix + "/" + r
}

// EnsureDeployment finds the house's home deployment, or creates it: with the wished
// name, or a fresh one if the wish is empty. A wish for another name than it has is
// a Conflict.
func (s *Service) EnsureDeployment(ctx context.Context, wish string) (*Deployment, error) {
	if wish != "" && !ValidName(wish) {
		return nil, apierr.New(apierr.BadRequest, "InvalidDeploymentName",
			"%q cannot name a deployment: use lower-case letters, digits and hyphens, as in happy-otter-123.", wish)
	}
	var d *Deployment
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		d = nil
		var other string
		err := tx.Each(tableDeployments, "by_name", database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
			if !f.Flag("home") {
				return true, nil
			}
			found, err := s.decode(f.Record)
			if err == nil && wish != "" && wish != found.Name {
				other = found.Name
			}
			d = found
			return false, err
		})
		if err != nil {
			return err
		}
		if other != "" {
			return apierr.New(apierr.Conflict, "OtherDeployment",
				"This data directory holds the deployment %s, not %s. Use another directory for another deployment.", other, wish)
		}
		if d != nil {
			return nil
		}
		p, err := first(tx, tableProjects, "on_id", database.Interval{})
		if err != nil || p == nil {
			return fmt.Errorf("no first project: %w", err)
		}
		d = &Deployment{Name: wish, Kind: Dev, Project: int64(p.Number("id")), Reference: "dev", Default: true, Home: true, Created: tx.Now()}
		if owner, err := tx.First(tableOperators, "on_id"); err != nil {
			return err
		} else if owner != nil {
			d.Creator = OperatorID(owner.Text("id"))
		}
		return s.addDeployment(tx, d)
	})
	if err != nil {
		return nil, fmt.Errorf("platform: ensure deployment: %w", err)
	}
	return d, nil
}

// addDeployment writes a row, under a fresh name if it has none.
func (s *Service) addDeployment(tx *identity.Tx, d *Deployment) error {
	for wish := d.Name; ; {
		if wish == "" {
			d.Name = NewName()
		}
		taken, err := tx.First(tableDeployments, "by_name", d.Name)
		if err != nil {
			return err
		}
		was, err := retired(tx, d.Name)
		if err != nil {
			return err
		}
		if taken == nil && !was {
			return tx.Add(tableDeployments, s.encode(d))
		}
		if wish != "" && was {
			return apierr.New(apierr.Conflict, "DeploymentNameTaken", "There was a deployment %s, which was deleted. A name is given once: keys and backups of the old one would be the new one's.", d.Name)
		}
		if wish != "" {
			return apierr.New(apierr.Conflict, "DeploymentNameTaken", "There is a deployment %s already.", d.Name)
		}
	}
}

// CreateDeployment makes a deployment's row. The Fleet opens it when it is first
// asked for.
func (s *Service) CreateDeployment(ctx context.Context, n NewDeployment) (*Deployment, error) {
	switch n.Kind {
	case Dev, Prod, Preview, CustomKind:
	default:
		return nil, apierr.New(apierr.BadRequest, "InvalidDeploymentType", "A deployment is of type dev, prod, preview or custom, not %q.", n.Kind)
	}
	if n.Name != "" && !ValidName(n.Name) {
		return nil, apierr.New(apierr.BadRequest, "InvalidDeploymentName",
			"%q cannot name a deployment: use lower-case letters, digits and hyphens, as in happy-otter-123.", n.Name)
	}
	if n.Reference != "" {
		if err := checkReference(n.Reference); err != nil {
			return nil, err
		}
	}
	var d *Deployment
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := projectRow(tx, n.Project); err != nil {
			return err
		}
		d = &Deployment{Name: n.Name, Kind: n.Kind, Project: n.Project, Reference: n.Reference, Default: n.Default, Creator: n.Creator, Created: tx.Now(), Expires: n.Expires}
		if d.Kind == Preview && d.Expires.IsZero() {
			d.Expires = tx.Now().Add(previewLife)
		}
		taken := map[string]bool{}
		err := tx.Each(tableDeployments, "on_project", numberKey(n.Project), database.Asc, func(f identity.Found) (bool, error) {
			if f.Flag("deleting") {
				return true, nil
			}
			taken[f.Text("reference")] = true
			if n.Default && n.Kind == Prod && f.Flag("default") && Kind(f.Text("kind")) == Prod {
				return false, apierr.New(apierr.Conflict, "ProductionExists", "The project has its production deployment already: %s.", f.Text("name"))
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		if most := cmp.Or(s.MaxDeployments, maxDeployments); len(taken) >= most {
			return apierr.New(apierr.Conflict, "TooManyDeployments", "The project has %d deployments: delete those that nobody uses.", most)
		}
		if d.Reference == "" {
			base := string(n.Kind)
			for i := 1; d.Reference == ""; i++ {
				if r := base; i == 1 && !taken[r] {
					d.Reference = r
				} else if r := fmt.Sprintf("%s-%d", base, i); i > 1 && !taken[r] {
					d.Reference = r
				}
			}
		} else if taken[d.Reference] {
			return apierr.New(apierr.Conflict, "ReferenceTaken", "The project has a deployment %s already.", d.Reference)
		}
		return s.addDeployment(tx, d)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Deployments lists all deployments of the house by name.
func (s *Service) Deployments(ctx context.Context) ([]Deployment, error) {
	return s.deployments(ctx, "by_name", database.Interval{})
}

// DeploymentsOf lists a project's deployments by name.
func (s *Service) DeploymentsOf(ctx context.Context, project int64) ([]Deployment, error) {
	return s.deployments(ctx, "on_project", numberKey(project))
}

func (s *Service) deployments(ctx context.Context, index string, in database.Interval) (list []Deployment, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list = nil
		return tx.Each(tableDeployments, index, in, database.Asc, func(f identity.Found) (bool, error) {
			d, err := s.decode(f.Record)
			if err == nil && !d.Deleting {
				list = append(list, *d)
			}
			return true, err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("platform: list deployments: %w", err)
	}
	return list, nil
}

// Deployment finds a deployment by its name.
func (s *Service) Deployment(ctx context.Context, name string) (*Deployment, error) {
	d, err := s.deployment(ctx, name)
	if err == nil && d.Deleting {
		return nil, noDeployment(name)
	}
	return d, err
}

// noDeployment is the answer to a name that no deployment has.
func noDeployment(name string) error {
	return notFound("DeploymentNotFound", "There is no deployment %q.", name)
}

// deploymentRow finds a deployment's row; DeploymentNotFound if there is none, or it is
// going.
func deploymentRow(tx *identity.Tx, name string) (*identity.Found, error) {
	f, err := tx.First(tableDeployments, "by_name", name)
	if err == nil && (f == nil || f.Flag("deleting")) {
		return nil, noDeployment(name)
	}
	return f, err
}

// deployment is Deployment for one that may be going.
func (s *Service) deployment(ctx context.Context, name string) (d *Deployment, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableDeployments, "by_name", name)
		if err != nil {
			return err
		}
		if f == nil {
			return noDeployment(name)
		}
		d, err = s.decode(f.Record)
		return err
	})
	return d, err
}

// DeploymentByReference finds a deployment of a project by its reference.
func (s *Service) DeploymentByReference(ctx context.Context, project int64, reference string) (*Deployment, error) {
	list, err := s.DeploymentsOf(ctx, project)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Reference == reference {
			return &list[i], nil
		}
	}
	return nil, notFound("DeploymentNotFound", "The project has no deployment %q.", reference)
}

// DefaultDeployment finds a project's production deployment, or by's deployment
// for development.
func (s *Service) DefaultDeployment(ctx context.Context, project int64, kind Kind, by OperatorID) (*Deployment, error) {
	list, err := s.DeploymentsOf(ctx, project)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if d := &list[i]; d.Default && d.Kind == kind && (kind == Prod || d.Creator == by) {
			return d, nil
		}
	}
	return nil, notFound("DeploymentNotFound", "The project has no default deployment of type %s.", kind)
}

// Expired lists the deployments whose time is over.
func (s *Service) Expired(ctx context.Context, now time.Time) (list []Deployment, err error) {
	all, err := s.Deployments(ctx)
	for i := range all {
		if all[i].over(now) {
			list = append(list, all[i])
		}
	}
	return list, err
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

// ChangeDeployment edits a deployment's reference, expiry or default mark.
func (s *Service) ChangeDeployment(ctx context.Context, name string, edit func(*Deployment)) error {
	return s.change(ctx, name, func(d *Deployment) bool {
		was := *d
		edit(d)
		return *d != was
	})
}

// change edits one row in a transaction; edit may run again and says whether
// anything changed. That of a deployment which is going is not changed any more.
func (s *Service) change(ctx context.Context, name string, edit func(*Deployment) bool) error {
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := deploymentRow(tx, name)
		if err != nil {
			return err
		}
		d, err := s.decode(f.Record)
		if err != nil || !edit(d) {
			return err
		}
		return tx.Put(f.Doc, s.encode(d))
	})
	if err != nil {
		return fmt.Errorf("platform: change deployment %s: %w", name, err)
	}
	return nil
}

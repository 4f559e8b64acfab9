package platform

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// CredentialKind says what a credential opens.
type CredentialKind string

// The kinds of credential.
const (
	PersonalToken CredentialKind = "personal" // an operator's, for programs
	SessionToken  CredentialKind = "session"  // an operator's, for a browser at the dashboard
	LinkToken     CredentialKind = "link"     // signs an operator in once
	ProjectKey    CredentialKind = "project"  // all of a project
	PreviewKey    CredentialKind = "preview"  // makes a project's previews
	DeployKey     CredentialKind = "deploy"   // one deployment
)

// Credential describes a token or key without its text, of which only a hash is kept.
type Credential struct {
	ID         string
	Kind       CredentialKind
	Name       string
	Operator   OperatorID // whose it is, or who made it
	Project    int64      // of project and preview keys
	Deployment string     // of deploy keys
	Created    time.Time
	LastUsed   time.Time // to the minute
	Expires    time.Time // zero for never
}

// Lives of what is for browsers.
const (
	linkLife    = 15 * time.Minute
	sessionLife = 30 * 24 * time.Hour
	// usedEvery is how exactly LastUsed is kept.
	usedEvery = time.Minute
)

// credentialHash is how credentials are stored and found: they are long and random.
func credentialHash(secret string) string {
	sum := sha256.Sum256([]byte("lentil platform credential\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// Scopes are what credentials are listed by.
func operatorScope(id OperatorID) string         { return "operator:" + string(id) }
func projectScope(id int64) string               { return "project:" + strconv.FormatInt(id, 10) }
func deploymentScope(name string) string         { return "deployment:" + name }
func (c *Credential) expired(now time.Time) bool { return !c.Expires.IsZero() && !c.Expires.After(now) }

func (c *Credential) scope() string {
	switch c.Kind {
	case ProjectKey, PreviewKey:
		return projectScope(c.Project)
	case DeployKey:
		return deploymentScope(c.Deployment)
	}
	return operatorScope(c.Operator)
}

func readCredential(r identity.Record) Credential {
	return Credential{ID: r.Text("id"), Kind: CredentialKind(r.Text("kind")), Name: r.Text("name"), Operator: OperatorID(r.Text("operator")),
		Project: int64(r.Number("project")), Deployment: r.Text("deployment"),
		Created: r.Time("created"), LastUsed: r.Time("used"), Expires: r.Time("expires")}
}

// credentialRow writes a credential; hash is of its secret part.
func credentialRow(c *Credential, hash string) identity.Row {
	return identity.Row{identity.Text("id", c.ID), identity.Text("kind", c.Kind), identity.Text("name", c.Name), identity.Text("operator", c.Operator),
		identity.Number("project", c.Project), identity.Text("deployment", c.Deployment), identity.Text("scope", c.scope()), identity.Text("hash", hash),
		identity.Time("created", c.Created), identity.Time("used", c.LastUsed), identity.Time("expires", c.Expires)}
}

// NewCredential is what to make: Kind and Name, and whose or what for.
type NewCredential = Credential

// CreateCredential makes a token or key and gives its text, which is shown this
// once. The text is as the official tools know it: "dev:name|…" and "prod:name|…"
// for a deployment, "project:team:project|…", "preview:team:project|…"
// (convex-cli.md §1.1), and opaque for operators.
func (s *Service) CreateCredential(ctx context.Context, n NewCredential) (*Credential, string, error) {
	secret := strings.ToLower(rand.Text() + rand.Text()) // 260 bits
	var c Credential
	var prefix string
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		c = n
		c.ID, c.Created, c.LastUsed = tx.NewID("credential_"), tx.Now(), time.Time{}
		prefix = ""
		switch c.Kind {
		case PersonalToken:
			prefix = "lentil_"
		case SessionToken:
			if c.Expires.IsZero() {
				c.Expires = tx.Now().Add(sessionLife)
			}
		case LinkToken:
			if c.Expires.IsZero() {
				c.Expires = tx.Now().Add(linkLife)
			}
		case ProjectKey, PreviewKey:
			p, err := projectRow(tx, c.Project)
			if err != nil {
				return err
			}
			t, err := teamRow(tx, int64(p.Number("team")))
			if err != nil {
				return err
			}
			prefix = string(c.Kind) + ":" + t.Text("slug") + ":" + p.Text("slug") + "|"
		case DeployKey:
			d, err := deploymentRow(tx, c.Deployment)
			if err != nil {
				return err
			}
			prefix = "dev:"
			if Kind(d.Text("kind")) != Dev {
				prefix = "prod:" // the official tools know no other prefix for a deployment's key
			}
			prefix += c.Deployment + "|"
		default:
			return apierr.New(apierr.BadRequest, "InvalidCredentialKind", "There are no credentials of the kind %q.", c.Kind)
		}
		if err := sweepCredentials(tx); err != nil {
			return err
		}
		if err := makeRoom(tx, &c); err != nil {
			return err
		}
		return tx.Add(tableCredentials, credentialRow(&c, credentialHash(secret)))
	})
	if err != nil {
		return nil, "", err
	}
	return &c, prefix + secret, nil
}

// sweptAtOnce is how many expired credentials are removed when one is made: more
// than one, so that they become fewer.
const sweptAtOnce = 10

// sweepCredentials removes some that have expired. They open nothing any more; this
// keeps logins and links of years from piling up.
func sweepCredentials(tx *identity.Tx) error {
	var over []identity.Found
	span := database.Interval{ // those that never expire have 0
		Lower: database.Prefix(value.AppendKey(nil, value.Float64(1))).Lower,
		Upper: database.Prefix(value.AppendKey(nil, value.Float64(tx.Now().UnixMilli()))).Lower,
	}
	err := tx.Each(tableCredentials, "on_expires", span, database.Asc, func(f identity.Found) (bool, error) {
		over = append(over, f)
		return len(over) < sweptAtOnce, nil
	})
	for i := range over {
		if err == nil {
			err = tx.Remove(&over[i])
		}
	}
	return err
}

// Bounds of the credentials of one operator, project or deployment.
const (
	maxKeys     = 500 // that people name and revoke
	maxBrowsers = 50  // sessions and links, of which the oldest make room
)

// makeRoom keeps the credentials of a scope within bounds.
func makeRoom(tx *identity.Tx, n *Credential) error {
	forBrowsers := func(k CredentialKind) bool { return k == SessionToken || k == LinkToken }
	all, err := tx.All(tableCredentials, "on_scope", n.scope())
	if err != nil {
		return err
	}
	same, oldest := 0, -1
	for i := range all {
		c := readCredential(all[i].Record)
		switch {
		case c.expired(tx.Now()): // goes when it is swept
		case forBrowsers(c.Kind) == forBrowsers(n.Kind):
			if same++; oldest < 0 || c.Created.Before(readCredential(all[oldest].Record).Created) {
				oldest = i
			}
		}
	}
	switch {
	case forBrowsers(n.Kind) && same >= maxBrowsers:
		return tx.Remove(&all[oldest])
	case !forBrowsers(n.Kind) && same >= maxKeys:
		return apierr.New(apierr.Conflict, "TooManyKeys", "There are %d tokens or keys here already: revoke those that nobody uses.", same)
	}
	return nil
}

// secretOf is the part of a credential's text that is secret.
func secretOf(text string) string {
	if i := strings.LastIndexByte(text, '|'); i >= 0 {
		return text[i+1:]
	}
	return strings.TrimPrefix(text, "lentil_")
}

// maxCredential bounds the text of a credential.
const maxCredential = 512

// lookUp finds a live credential by its text; nil if there is none. The text before
// the bar must be the credential's own.
func (s *Service) lookUp(ctx context.Context, text string) (c *Credential, err error) {
	if len(text) > maxCredential || len(secretOf(text)) < 40 {
		return nil, nil
	}
	var stale bool
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		c = nil
		f, err := tx.First(tableCredentials, "on_hash", credentialHash(secretOf(text)))
		if err != nil || f == nil {
			return err
		}
		found := readCredential(f.Record)
		if found.expired(tx.Now()) {
			return nil
		}
		c, stale = &found, tx.Now().Sub(found.LastUsed) >= usedEvery
		return nil
	})
	if err != nil || c == nil || !stale {
		return c, err
	}
	return c, s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableCredentials, "on_id", c.ID)
		if err != nil || f == nil {
			return err
		}
		return tx.Patch(f, identity.Row{identity.Time("used", tx.Now())})
	})
}

// Credentials lists those of an operator (personal tokens and sessions).
func (s *Service) Credentials(ctx context.Context, o OperatorID) ([]Credential, error) {
	return s.listCredentials(ctx, operatorScope(o))
}

// ProjectCredentials lists a project's keys.
func (s *Service) ProjectCredentials(ctx context.Context, project int64) ([]Credential, error) {
	return s.listCredentials(ctx, projectScope(project))
}

// DeployKeys lists a deployment's keys, without the one that is derived.
func (s *Service) DeployKeys(ctx context.Context, deployment string) ([]Credential, error) {
	return s.listCredentials(ctx, deploymentScope(deployment))
}

func (s *Service) listCredentials(ctx context.Context, scope string) (list []Credential, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list = nil
		found, err := tx.All(tableCredentials, "on_scope", scope)
		for _, f := range found {
			if c := readCredential(f.Record); !c.expired(tx.Now()) {
				list = append(list, c)
			}
		}
		return err
	})
	return list, err
}

// Credential finds a credential by its id.
func (s *Service) Credential(ctx context.Context, id string) (c *Credential, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableCredentials, "on_id", id)
		if err == nil && f == nil {
			err = notFound("CredentialNotFound", "There is no such token or key.")
		}
		if err == nil {
			found := readCredential(f.Record)
			c = &found
		}
		return err
	})
	return c, err
}

// RevokeCredential ends a token or key at once.
func (s *Service) RevokeCredential(ctx context.Context, id string) error {
	var c Credential
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableCredentials, "on_id", id)
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("CredentialNotFound", "There is no such token or key.")
		}
		c = readCredential(f.Record)
		return tx.Remove(f)
	})
	if err == nil && s.Revoked != nil {
		s.Revoked(c)
	}
	return err
}

// UseLink signs an operator in by a link, which is good for one time: it gives the
// text of a session.
func (s *Service) UseLink(ctx context.Context, text string) (o *Operator, session string, err error) {
	c, err := s.lookUp(ctx, text)
	if err != nil {
		return nil, "", err
	}
	if c == nil || c.Kind != LinkToken {
		return nil, "", apierr.New(apierr.Unauthenticated, "LinkUsed", "This link was used already, or is older than %d minutes. Ask for a new one with: lentil dashboard", linkLife/time.Minute)
	}
	if err := s.RevokeCredential(ctx, c.ID); err != nil {
		return nil, "", err
	}
	if o, err = s.Operator(ctx, c.Operator); err != nil {
		return nil, "", err
	}
	_, session, err = s.CreateCredential(ctx, NewCredential{Kind: SessionToken, Name: "Dashboard", Operator: o.ID})
	return o, session, err
}

// CheckDeployKey says whether a text is a live key of a deployment.
func (s *Service) CheckDeployKey(ctx context.Context, deployment, text string) (bool, error) {
	id, err := s.DeployKeyID(ctx, deployment, text)
	return id != "", err
}

// DeployKeyID is the id of the live key of a deployment that a text is; "" for none.
func (s *Service) DeployKeyID(ctx context.Context, deployment, text string) (string, error) {
	c, err := s.lookUp(ctx, text)
	if err != nil || c == nil || c.Kind != DeployKey || c.Deployment != deployment {
		return "", err
	}
	return c.ID, nil
}

// isHouseToken compares in constant time.
func (s *Service) isHouseToken(text string) bool {
	return s.HouseToken != "" && subtle.ConstantTimeCompare([]byte(text), []byte(s.HouseToken)) == 1
}

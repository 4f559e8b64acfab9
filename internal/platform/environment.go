package platform

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// DevEnvironment is what a deployment wants of its environment.
type DevEnvironment struct {
	// Kind is Development unless it says otherwise.
	Kind         identity.EnvironmentKind
	Name         string // for lists; the deployment's name if empty
	RedirectURIs []string
	CORSOrigins  []string
	HomepageURL  string
	// Client is the client id of an environment to be made; chosen if empty.
	Client identity.ClientID
	// Settings edits the environment's settings; nil leaves them.
	Settings func(*identity.Settings)
}

// EnsureDevEnvironment gives the deployment an environment, unless it has one,
// and registers what is wanted and not registered yet. It never removes anything.
// The API key stays the same for the life of the environment.
func (s *Service) EnsureDevEnvironment(ctx context.Context, deployment string, want DevEnvironment) (*Deployment, error) {
	if want.Kind == "" {
		want.Kind = identity.Development
	}
	d, err := s.ensureEnvironment(ctx, deployment, want)
	if err == nil {
		err = s.register(ctx, d.Environment, want)
	}
	if err != nil {
		return nil, fmt.Errorf("platform: environment of %s: %w", deployment, err)
	}
	return d, nil
}

// ensureEnvironment makes environment and key under ids that are written down first. If
// the deployment is deleted meanwhile, the environment goes with it.
func (s *Service) ensureEnvironment(ctx context.Context, name string, want DevEnvironment) (*Deployment, error) {
	d, err := s.makeEnvironment(ctx, name, want)
	if err != nil {
		return nil, err
	}
	if _, err := s.Deployment(ctx, name); apierr.KindOf(err) == apierr.NotFound {
		if gone := s.Identity.DeleteEnvironment(context.WithoutCancel(ctx), d.Environment); apierr.KindOf(gone) != apierr.NotFound && gone != nil {
			return nil, gone
		}
		return nil, err
	}
	return d, nil
}

// makeEnvironment is ensureEnvironment for a deployment that stays.
func (s *Service) makeEnvironment(ctx context.Context, name string, want DevEnvironment) (*Deployment, error) {
	var d Deployment
	fresh := Deployment{
		Environment: identity.EnvironmentID(identity.NewID("environment_")),
		Client:      identity.ClientID(identity.NewID("client_")),
		APIKey:      newAPIKey(want.Kind),
	}
	if want.Client != "" {
		fresh.Client = want.Client
	}
	err := s.change(ctx, name, func(r *Deployment) bool {
		changed := r.Environment == ""
		if changed {
			r.Environment, r.Client, r.APIKey = fresh.Environment, fresh.Client, fresh.APIKey
		}
		d = *r
		return changed
	})
	if err != nil {
		return nil, err
	}
	n := identity.NewEnvironment{ID: d.Environment, ClientID: d.Client, Name: cmp.Or(want.Name, name), Kind: want.Kind}
	if want.Settings != nil {
		want.Settings(&n.Settings)
	}
	e, _, err := s.complete(ctx, n, name, d.APIKey)
	if err != nil {
		return nil, err
	}
	if want.Settings != nil {
		now := e.Settings
		want.Settings(&now)
		if settingsDiffer(now, e.Settings) {
			if _, err := s.Identity.ChangeSettings(ctx, d.Environment, want.Settings); err != nil {
				return nil, err
			}
		}
	}
	return &d, nil
}

// complete makes what there is not yet of an environment and its API key, whose ids are
// written down somewhere; whole says that there was everything.
func (s *Service) complete(ctx context.Context, n identity.NewEnvironment, label, key string) (e *identity.Environment, whole bool, err error) {
	whole = true
	e, err = s.Identity.Environment(ctx, n.ID)
	if apierr.KindOf(err) == apierr.NotFound {
		whole = false
		e, err = s.Identity.CreateEnvironment(ctx, n)
	}
	if err != nil {
		return nil, false, err
	}
	_, _, err = s.Identity.AuthenticateKey(ctx, key)
	if apierr.KindOf(err) == apierr.Unauthenticated {
		whole = false
		_, _, err = s.Identity.CreateAPIKey(ctx, n.ID, "Made for "+label, key)
	}
	return e, whole, err
}

// settingsDiffer compares the settings that a configuration may set.
func settingsDiffer(a, b identity.Settings) bool {
	return a.Configured != b.Configured || a.IssuerTemplate != b.IssuerTemplate || a.AccessTokenLifetime != b.AccessTokenLifetime ||
		a.RefreshReuseWindow != b.RefreshReuseWindow || a.HomepageURL != b.HomepageURL
}

// register adds redirect URIs, origins and the homepage; what is there already is fine.
func (s *Service) register(ctx context.Context, id identity.EnvironmentID, want DevEnvironment) error {
	known := func(err error) bool { return err == nil || apierr.KindOf(err) == apierr.Conflict }
	for _, uri := range want.RedirectURIs {
		if _, err := s.Identity.AddRedirectURI(ctx, id, uri); !known(err) {
			return fmt.Errorf("register redirect URI %q: %w", uri, err)
		}
	}
	for _, origin := range want.CORSOrigins {
		if _, err := s.Identity.AddCORSOrigin(ctx, id, origin); !known(err) {
			return fmt.Errorf("register CORS origin %q: %w", origin, err)
		}
	}
	if want.HomepageURL == "" {
		return nil
	}
	e, err := s.Identity.Environment(ctx, id)
	if err == nil && e.Settings.HomepageURL != want.HomepageURL {
		err = s.Identity.SetHomepage(ctx, id, want.HomepageURL)
	}
	if err != nil {
		return fmt.Errorf("set homepage %q: %w", want.HomepageURL, err)
	}
	return nil
}

// newAPIKey makes the text of a key: the vendor's prefix for the kind of
// environment and 160 random bits.
func newAPIKey(kind identity.EnvironmentKind) string {
	prefix := "sk_test_"
	if kind == identity.Production {
		prefix = "sk_live_"
	}
	b := make([]byte, 20)
	rand.Read(b)
	return prefix + strings.TrimRight(base32.StdEncoding.EncodeToString(b), "=")
}

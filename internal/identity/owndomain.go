package identity

import (
	"context"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// environmentAt finds the row of the environment whose own domain a host is, with or
// without the port that its scheme implies; nil if there is none.
func (tx *Tx) environmentAt(host string) (*Found, error) {
	host = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80"))
	if host == "" || len(host) > 300 {
		return nil, nil
	}
	return tx.First(tableEnvironments, "on_domain", host)
}

// EnvironmentAt finds the environment whose own authentication domain a Host header
// names; nil if there is none.
func (s *Service) EnvironmentAt(ctx context.Context, host string) (e *Environment, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		f, err := tx.environmentAt(host)
		if err == nil && f != nil {
			e = readEnvironment(f.Record)
		}
		return err
	})
	return e, err
}

// domainFree refuses a domain that another environment has.
func (tx *Tx) domainFree(e *Environment) error {
	if e.Settings.Domain == "" {
		return nil
	}
	f, err := tx.environmentAt(e.Settings.Domain)
	if err != nil {
		return err
	}
	if f != nil && f.Text("id") != string(e.ID) {
		return apierr.New(apierr.BadRequest, "invalid_settings", "Another environment has the authentication domain %q.", e.Settings.Domain)
	}
	return nil
}

// OwnURL is the address of the environment's own domain.
func (e *Environment) OwnURL(secure bool) string {
	if secure {
		return "https://" + e.Settings.Domain
	}
	return "http://" + e.Settings.Domain
}

// homeKey is the context key of the environment whose own domain a request came to.
type homeKey struct{}

// WithHome says that a request came to an environment's own domain.
func WithHome(ctx context.Context, e *Environment) context.Context {
	return context.WithValue(ctx, homeKey{}, e)
}

// Home is the environment whose own domain a request came to; nil on the house's
// common address.
func Home(ctx context.Context) *Environment {
	e, _ := ctx.Value(homeKey{}).(*Environment)
	return e
}

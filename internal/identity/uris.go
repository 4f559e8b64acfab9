package identity

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// maxURIs bounds the redirect URIs, and the origins, of one environment: every
// authorize request may look at all of them.
const maxURIs = 500

// readRedirect reads a row of redirect_uris.
func readRedirect(r Record) RedirectURI {
	return RedirectURI{ID: RedirectURIID(r.Text("id")), URI: r.Text("uri"), Default: r.Flag("default"), Created: r.Time("created"), Updated: r.Time("updated")}
}

// readOrigin reads a row of cors_origins.
func readOrigin(r Record) CORSOrigin {
	return CORSOrigin{ID: CORSOriginID(r.Text("id")), Origin: r.Text("origin"), Created: r.Time("created"), Updated: r.Time("updated")}
}

// AddRedirectURI registers an address; Conflict with code
// "duplicate_redirect_uri" if it is registered already. The first one is the
// default.
func (s *Service) AddRedirectURI(ctx context.Context, id EnvironmentID, uri string) (*RedirectURI, error) {
	var out RedirectURI
	err := s.Update(ctx, func(tx *Tx) error {
		e, err := tx.Environment(id)
		if err != nil {
			return err
		}
		if err := checkRedirectURI(uri, e.Kind); err != nil {
			return err
		}
		all, err := tx.redirects(id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(r RedirectURI) bool { return r.URI == uri }) {
			return apierr.New(apierr.Conflict, "duplicate_redirect_uri", "Redirect URI %s already exists.", uri)
		}
		if len(all) >= maxURIs {
			return apierr.New(apierr.Conflict, "too_many_redirect_uris", "An environment has at most %d redirect URIs; use a wildcard.", maxURIs)
		}
		out = RedirectURI{ID: RedirectURIID(tx.NewID("redir_")), URI: uri, Default: len(all) == 0, Created: tx.now, Updated: tx.now}
		return tx.Add(tableRedirects, Row{Text("id", out.ID), Text("environment", id), Text("uri", uri), Flag("default", out.Default),
			Time("created", tx.now), Time("updated", tx.now)})
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// redirects lists an environment's registered addresses, oldest first.
func (tx *Tx) redirects(id EnvironmentID) ([]RedirectURI, error) {
	rows, err := tx.All(tableRedirects, "on_environment", string(id))
	out := make([]RedirectURI, len(rows))
	for i, f := range rows {
		out[i] = readRedirect(f.Record)
	}
	return out, err
}

// RedirectURIs lists the registered addresses.
func (s *Service) RedirectURIs(ctx context.Context, id EnvironmentID, p Page) (l *List[RedirectURI], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		l, err = page(tx, tableRedirects, "on_environment", []string{string(id)}, p, func(r Record) (RedirectURI, string, bool) {
			u := readRedirect(r)
			return u, string(u.ID), true
		})
		return err
	})
	return l, err
}

// DeleteRedirectURI removes one; Conflict if it is the default one.
func (s *Service) DeleteRedirectURI(ctx context.Context, id EnvironmentID, uri RedirectURIID) error {
	return s.Update(ctx, func(tx *Tx) error {
		f, err := tx.First(tableRedirects, "on_environment", string(id), string(uri))
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("Redirect URI", string(uri))
		}
		if f.Flag("default") {
			return apierr.New(apierr.Conflict, "default_redirect_uri", "The default redirect URI cannot be deleted.")
		}
		return tx.Remove(f)
	})
}

// RedirectAllowed reports whether codes of the environment may go to uri: it is
// registered, fits a registered wildcard, or leads to this machine and the
// environment is not production (workos-api.md §1.7).
func (tx *Tx) RedirectAllowed(e *Environment, uri string) (bool, error) {
	if !plainURI(uri) {
		return false, nil
	}
	f, err := tx.First(tableRedirects, "on_uri", string(e.ID), uri)
	if err != nil || f != nil && !strings.Contains(uri, "*") {
		return err == nil, err
	}
	if e.Kind != Production && loopbackRedirect(uri) {
		return true, nil
	}
	all, err := tx.redirects(e.ID)
	return slices.ContainsFunc(all, func(r RedirectURI) bool { return strings.Contains(r.URI, "*") && matchRedirect(r.URI, uri) }), err
}

// RedirectAllowed is Tx.RedirectAllowed in a transaction of its own.
func (s *Service) RedirectAllowed(ctx context.Context, e *Environment, uri string) (ok bool, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		ok, err = tx.RedirectAllowed(e, uri)
		return err
	})
	return ok, err
}

// RegisteredRedirects lists a few registered addresses, the default one first.
func (tx *Tx) RegisteredRedirects(id EnvironmentID, limit int) ([]string, error) {
	all, err := tx.redirects(id)
	slices.SortStableFunc(all, func(a, b RedirectURI) int {
		switch {
		case a.Default == b.Default:
			return 0
		case a.Default:
			return -1
		}
		return 1
	})
	var out []string
	for _, r := range all[:min(len(all), limit)] {
		out = append(out, r.URI)
	}
	return out, err
}

// ReturnAllowed reports whether a sign-out of the environment may lead to uri: a
// logout redirect says so, or it lies on the origin of the homepage, of a
// redirect URI or of a CORS origin, or on this machine outside of production.
func (tx *Tx) ReturnAllowed(e *Environment, uri string) (bool, error) {
	origin := originOf(uri)
	if origin == "" {
		return false, nil
	}
	if e.Kind != Production && loopbackRedirect(uri) || originOf(e.Settings.HomepageURL) == origin {
		return true, nil
	}
	if slices.ContainsFunc(e.Settings.LogoutRedirects, func(r string) bool { return matchRedirect(r, uri) }) {
		return true, nil
	}
	if f, err := tx.First(tableOrigins, "on_origin", origin, string(e.ID)); err != nil || f != nil {
		return err == nil, err
	}
	all, err := tx.redirects(e.ID)
	return slices.ContainsFunc(all, func(r RedirectURI) bool { return originOf(r.URI) == origin }), err
}

// Homepage is where a sign-out leads that names no usable address: the homepage,
// else the origin of the default redirect URI, else "".
func (tx *Tx) Homepage(e *Environment) (string, error) {
	if e.Settings.HomepageURL != "" {
		return e.Settings.HomepageURL, nil
	}
	some, err := tx.RegisteredRedirects(e.ID, maxURIs)
	for _, uri := range some {
		if o := originOf(uri); o != "" {
			return o + "/", err
		}
	}
	return "", err
}

// AddCORSOrigin registers an origin; Conflict with code "duplicate_cors_origin"
// if it is registered already.
func (s *Service) AddCORSOrigin(ctx context.Context, id EnvironmentID, origin string) (*CORSOrigin, error) {
	origin, err := normalOrigin(origin)
	if err != nil {
		return nil, err
	}
	var out CORSOrigin
	err = s.Update(ctx, func(tx *Tx) error {
		if _, err := tx.Environment(id); err != nil {
			return err
		}
		f, err := tx.First(tableOrigins, "on_origin", origin, string(id))
		if err != nil {
			return err
		}
		if f != nil {
			return apierr.New(apierr.Conflict, "duplicate_cors_origin", "CORS origin %s already exists.", origin)
		}
		all, err := tx.All(tableOrigins, "on_environment", string(id))
		if err != nil {
			return err
		}
		if len(all) >= maxURIs {
			return apierr.New(apierr.Conflict, "too_many_cors_origins", "An environment has at most %d CORS origins.", maxURIs)
		}
		out = CORSOrigin{ID: CORSOriginID(tx.NewID("cors_origin_")), Origin: origin, Created: tx.now, Updated: tx.now}
		return tx.Add(tableOrigins, Row{Text("id", out.ID), Text("environment", id), Text("origin", origin), Time("created", tx.now), Time("updated", tx.now)})
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// CORSOrigins lists the registered origins.
func (s *Service) CORSOrigins(ctx context.Context, id EnvironmentID, p Page) (l *List[CORSOrigin], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		l, err = page(tx, tableOrigins, "on_environment", []string{string(id)}, p, func(r Record) (CORSOrigin, string, bool) {
			o := readOrigin(r)
			return o, string(o.ID), true
		})
		return err
	})
	return l, err
}

// DeleteCORSOrigin removes one.
func (s *Service) DeleteCORSOrigin(ctx context.Context, id EnvironmentID, origin CORSOriginID) error {
	return s.Update(ctx, func(tx *Tx) error {
		f, err := tx.First(tableOrigins, "on_environment", string(id), string(origin))
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("CORS origin", string(origin))
		}
		return tx.Remove(f)
	})
}

// OriginAllowed reports whether the origin is registered with the environment.
func (s *Service) OriginAllowed(ctx context.Context, id EnvironmentID, origin string) (bool, error) {
	return s.originRegistered(ctx, origin, string(id))
}

// OriginKnown reports whether any environment of the house registered the
// origin. A preflight names no client, so this is all that can be asked then.
func (s *Service) OriginKnown(ctx context.Context, origin string) (bool, error) {
	return s.originRegistered(ctx, origin)
}

// originRegistered looks an origin up, in one environment or in all.
func (s *Service) originRegistered(ctx context.Context, origin string, id ...string) (ok bool, err error) {
	if normal, err := normalOrigin(origin); err != nil || normal != origin {
		return false, nil
	}
	err = s.View(ctx, func(tx *Tx) error {
		f, err := tx.First(tableOrigins, "on_origin", append([]string{origin}, id...)...)
		ok = f != nil
		return err
	})
	return ok, err
}

// sweepSpan is the interval of an index on a time up to and including t, without
// the rows whose time is not set.
func sweepSpan(t time.Time) database.Interval {
	return database.Interval{Lower: timeKey(1), Upper: timeKey(t.UnixMilli() + 1)}
}

// domainName tells whether s is a host name in lower case, with or without a port.
func domainName(s string) bool {
	host, port, cut := strings.Cut(s, ":")
	if cut {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || port[0] == '0' || port[0] == '+' {
			return false
		}
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

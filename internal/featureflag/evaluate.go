package featureflag

import (
	"context"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// subject is whom flags are evaluated for: any of the targets.
type subject []Target

// targeted gives the ids of the flags that have one of the targets.
func (who subject) targeted(tx *identity.Tx, env identity.EnvironmentID) (map[string]bool, error) {
	on := map[string]bool{}
	for _, t := range who {
		span := database.Prefix(identity.Key(string(env), t.Kind, t.ID))
		err := tx.Each(tableTargets, "on_target", span, database.Asc, func(f identity.Found) (bool, error) {
			on[f.Text("flag")] = true
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return on, nil
}

// Enabled gives the slugs of the flags that are on for a user in an organisation, in
// alphabetical order; org may be empty.
func (s *Service) Enabled(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID, org identity.OrganizationID) ([]string, error) {
	who := subject{{KindUser, string(user)}}
	if org != "" {
		who = append(who, Target{KindOrganization, string(org)})
	}
	on, err := who.targeted(tx, env)
	if err != nil {
		return nil, err
	}
	slugs := []string{}
	err = tx.Each(tableFlags, "on_slug", database.Prefix(identity.Key(string(env))), database.Asc, func(f identity.Found) (bool, error) {
		if f.Flag("enabled") && (f.Flag("default") || on[f.Text("id")]) {
			slugs = append(slugs, f.Text("slug"))
		}
		return true, nil
	})
	return slugs, err
}

// page lists the flags that are on for who.
func (who subject) page(tx *identity.Tx, env identity.EnvironmentID, p identity.Page) (*identity.List[Flag], error) {
	on, err := who.targeted(tx, env)
	if err != nil {
		return nil, err
	}
	return identity.PageOf(tx, tableFlags, "on_environment", []string{string(env)}, p, func(r identity.Record) (Flag, string, bool) {
		f := readFlag(r)
		return f, f.ID, f.Enabled && (f.Default || on[f.ID])
	})
}

// OfOrganization lists the flags that are on for an organisation.
func (s *Service) OfOrganization(ctx context.Context, env identity.EnvironmentID, org identity.OrganizationID, p identity.Page) (l *identity.List[Flag], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, org); err != nil {
			return err
		}
		l, err = subject{{KindOrganization, string(org)}}.page(tx, env, p)
		return err
	})
	return l, err
}

// OfUser lists the flags that are on for a user or for an organisation of which the
// user is an active member.
func (s *Service) OfUser(ctx context.Context, env identity.EnvironmentID, user identity.UserID, p identity.Page) (l *identity.List[Flag], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, err := tx.User(env, user); err != nil {
			return err
		}
		who := subject{{KindUser, string(user)}}
		members, err := tx.Memberships(env, user)
		if err != nil {
			return err
		}
		for _, m := range members {
			if m.Status == identity.MembershipActive {
				who = append(who, Target{KindOrganization, string(m.Organization)})
			}
		}
		l, err = who.page(tx, env, p)
		return err
	})
	return l, err
}

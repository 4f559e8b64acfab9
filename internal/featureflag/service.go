package featureflag

import (
	"context"
	"errors"
	"regexp"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The tables of the room, in the house's own store.
const (
	tableFlags   = "feature_flags"
	tableTargets = "feature_flag_targets"
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableFlags, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_slug", Fields: []string{"environment", "slug"}},
	}},
	{Name: tableTargets, Indexes: []database.IndexDef{
		{Name: "on_flag", Fields: []string{"environment", "flag", "kind", "target"}},
		{Name: "on_target", Fields: []string{"environment", "kind", "target", "flag"}},
	}},
}

// Bounds, ours. Every evaluation reads all flags of an environment, so their
// number is limited.
const (
	maxFlags       = 500
	maxName        = 200
	maxDescription = 1000
	maxTags        = 20
)

// slugShape is what a slug looks like.
var slugShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`) })

// Service keeps the flags of one house. Identity is filled by whoever assembles
// the house; call Open once.
type Service struct {
	Identity *identity.Service
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("featureflag: Identity must be set")
	}
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// Flag is one switch.
type Flag struct {
	ID          string
	Environment identity.EnvironmentID
	Slug        string
	Name        string
	Description string
	Owner       *Owner // nil if nobody is named
	Tags        []string
	Enabled     bool
	Default     bool // what it is for those who are no target, while enabled
	Created     time.Time
	Updated     time.Time
}

// Owner is who looks after a flag.
type Owner struct {
	Email     string
	FirstName string
	LastName  string
}

// flagRow writes a flag.
func flagRow(f *Flag) identity.Row {
	o := Owner{}
	if f.Owner != nil {
		o = *f.Owner
	}
	return identity.Row{
		identity.Text("id", f.ID), identity.Text("environment", f.Environment), identity.Text("slug", f.Slug), identity.Text("name", f.Name),
		identity.Text("description", f.Description), identity.Text("owner_email", o.Email), identity.Text("owner_first_name", o.FirstName),
		identity.Text("owner_last_name", o.LastName), identity.Texts("tags", f.Tags), identity.Flag("enabled", f.Enabled),
		identity.Flag("default", f.Default), identity.Time("created", f.Created), identity.Time("updated", f.Updated),
	}
}

// readFlag is the reverse of flagRow.
func readFlag(r identity.Record) Flag {
	f := Flag{ID: r.Text("id"), Environment: identity.EnvironmentID(r.Text("environment")), Slug: r.Text("slug"), Name: r.Text("name"),
		Description: r.Text("description"), Tags: r.Texts("tags"), Enabled: r.Flag("enabled"), Default: r.Flag("default"),
		Created: r.Time("created"), Updated: r.Time("updated")}
	if email := r.Text("owner_email"); email != "" {
		f.Owner = &Owner{email, r.Text("owner_first_name"), r.Text("owner_last_name")}
	}
	if f.Tags == nil {
		f.Tags = []string{}
	}
	return f
}

// check refuses a flag that breaks a rule.
func (f *Flag) check() error {
	bad := func(field, format string, args ...any) error {
		return apierr.New(apierr.BadRequest, "invalid_request_parameters", format, args...).
			With(map[string]any{"errors": []map[string]string{{"code": "invalid", "field": field}}})
	}
	switch {
	case !slugShape().MatchString(f.Slug):
		return bad("slug", "A slug has up to 100 lower-case letters, digits, - and _, and begins with a letter or digit.")
	case f.Name == "" || utf8.RuneCountInString(f.Name) > maxName:
		return bad("name", "A flag needs a name of at most %d characters.", maxName)
	case utf8.RuneCountInString(f.Description) > maxDescription:
		return bad("description", "A description has at most %d characters.", maxDescription)
	case len(f.Tags) > maxTags:
		return bad("tags", "A flag has at most %d tags.", maxTags)
	}
	return nil
}

// eventObject is a flag as events show it.
type eventObject struct {
	Object        string      `json:"object"`
	ID            string      `json:"id"`
	EnvironmentID string      `json:"environment_id"`
	Slug          string      `json:"slug"`
	Name          string      `json:"name"`
	Description   *string     `json:"description"`
	Owner         *eventOwner `json:"owner"`
	Tags          []string    `json:"tags"`
	Enabled       bool        `json:"enabled"`
	DefaultValue  bool        `json:"default_value"`
	CreatedAt     string      `json:"created_at"`
	UpdatedAt     string      `json:"updated_at"`
}

// eventOwner is an owner as events show it.
type eventOwner struct {
	Email     string  `json:"email"`
	FirstName *string `json:"first_name"`
	LastName  *string `json:"last_name"`
}

// record writes an event about f.
func record(tx *identity.Tx, name string, f *Flag, more map[string]any) error {
	e := eventObject{Object: "feature_flag", ID: f.ID, EnvironmentID: string(f.Environment), Slug: f.Slug, Name: f.Name,
		Description: orNull(f.Description), Tags: f.Tags, Enabled: f.Enabled, DefaultValue: f.Default,
		CreatedAt: identity.FormatTime(f.Created), UpdatedAt: identity.FormatTime(f.Updated)}
	if f.Owner != nil {
		e.Owner = &eventOwner{f.Owner.Email, orNull(f.Owner.FirstName), orNull(f.Owner.LastName)}
	}
	return tx.RecordWith(f.Environment, name, e, more)
}

// orNull is s, or JSON's null if it is empty.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

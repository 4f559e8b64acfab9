package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Bounds of what an operator sets.
const (
	maxName  = 200
	maxRoles = 100
)

// EndpointPath begins the path of a directory's endpoint; its id follows.
const EndpointPath = "/scim/v2.0/"

// Endpoint is the address that the directory's owner enters at Okta or Entra ID;
// base is the public address of the house.
func (d *Directory) Endpoint(base string) string {
	return strings.TrimSuffix(base, "/") + EndpointPath + string(d.ID)
}

// tokenHash is how a token is stored and compared.
func tokenHash(text string) string {
	sum := sha256.Sum256([]byte("lentil directory token\x00" + text))
	return hex.EncodeToString(sum[:])
}

// freshToken makes a token of 260 bits. It is made before the transaction, which
// may run twice.
func freshToken() string { return "dsync_" + rand.Text() + rand.Text() }

// suffix is the part of a token that may be shown.
func suffix(text string) string { return text[len(text)-4:] }

// directoryRow writes a directory.
func directoryRow(d *Directory) identity.Row {
	return identity.Row{
		identity.Text("id", d.ID), identity.Text("environment", d.Environment), identity.Text("organization", d.Organization), identity.Text("name", d.Name),
		identity.Text("type", d.Type), identity.Text("state", d.State), identity.Text("external_key", d.ExternalKey), identity.Text("domain", d.Domain),
		identity.Text("token", d.token), identity.Text("token_hash", d.hash), identity.Text("token_suffix", d.TokenSuffix), identity.Time("token_made", d.tokenMade),
		identity.Map("roles", d.Roles), identity.Text("default_role", d.DefaultRole), identity.Text("pending", d.pending), identity.Text("pending_after", d.pendingAfter),
		identity.Time("created", d.Created), identity.Time("updated", d.Updated),
	}
}

// readDirectory is the reverse of directoryRow.
func readDirectory(r identity.Record) *Directory {
	return &Directory{
		ID: ID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Organization: identity.OrganizationID(r.Text("organization")), Name: r.Text("name"),
		Type: Type(r.Text("type")), State: State(r.Text("state")), ExternalKey: r.Text("external_key"), Domain: r.Text("domain"),
		token: TokenID(r.Text("token")), hash: r.Text("token_hash"), TokenSuffix: r.Text("token_suffix"), tokenMade: r.Time("token_made"),
		Roles: r.Map("roles"), DefaultRole: r.Text("default_role"), pending: r.Text("pending"), pendingAfter: UserID(r.Text("pending_after")),
		Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// find finds a directory of the environment.
func find(tx *identity.Tx, env identity.EnvironmentID, id ID) (*identity.Found, *Directory, error) {
	f, err := tx.First(tableDirectories, onID, string(id))
	if err != nil {
		return nil, nil, err
	}
	if f == nil || f.Text("environment") != string(env) {
		return nil, nil, notFound("Directory", string(id))
	}
	return f, readDirectory(f.Record), nil
}

// Create makes a directory and gives its token's text, which is shown this once:
// only a hash stays.
func (s *Service) Create(ctx context.Context, env identity.EnvironmentID, n New) (d *Directory, token string, err error) {
	if n.Type == "" {
		n.Type = GenericSCIM
	}
	if !slices.Contains(types, n.Type) {
		return nil, "", invalid("type must be one of the SCIM types: %s.", strings.Join(names(types), ", "))
	}
	token = freshToken()
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		org, err := tx.Organization(env, n.Organization)
		if err != nil {
			return err
		}
		if n.Name == "" {
			n.Name = org.Name
		}
		d = &Directory{ID: ID(tx.NewID("directory_")), Environment: env, Organization: n.Organization, Name: n.Name, Type: n.Type, State: Linked,
			ExternalKey: strings.ToLower(rand.Text()[:16]), Domain: n.Domain, Roles: n.Roles, DefaultRole: n.DefaultRole, Created: tx.Now(), Updated: tx.Now()}
		if err := d.check(); err != nil {
			return err
		}
		d.setToken(tx, token)
		if err := tx.Add(tableDirectories, directoryRow(d)); err != nil {
			return err
		}
		if err := tx.Add(tableCounts, countsRow(d, Counts{})); err != nil {
			return err
		}
		if err := tx.Record(env, "dsync.activated", d.activatedData(org)); err != nil {
			return err
		}
		return tx.Record(env, "dsync.token.created", d.tokenData())
	})
	if err != nil {
		return nil, "", err
	}
	return d, token, nil
}

// names are strings of another type as strings.
func names[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// setToken gives the directory a new token.
func (d *Directory) setToken(tx *identity.Tx, text string) {
	d.token, d.hash, d.TokenSuffix, d.tokenMade = TokenID(tx.NewID("directory_token_")), tokenHash(text), suffix(text), tx.Now()
}

// check refuses settings that are too long.
func (d *Directory) check() error {
	switch {
	case utf8.RuneCountInString(d.Name) > maxName:
		return invalid("name is longer than %d characters.", maxName)
	case len(d.Domain) > 253:
		return invalid("domain is longer than 253 characters.")
	case len(d.Roles) > maxRoles:
		return invalid("group_roles has more than %d groups.", maxRoles)
	}
	for g, r := range d.Roles {
		if g == "" || r == "" || utf8.RuneCountInString(g) > maxText || len(r) > 48 {
			return invalid("group_roles maps the names or ids of groups to the slugs of roles.")
		}
	}
	return nil
}

// RotateToken replaces the token; the one before is dead at once.
func (s *Service) RotateToken(ctx context.Context, env identity.EnvironmentID, id ID) (d *Directory, token string, err error) {
	token = freshToken()
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, d, err = find(tx, env, id); err != nil {
			return err
		}
		if d.State == Deleting {
			return notFound("Directory", string(id))
		}
		if err := tx.Record(env, "dsync.token.revoked", d.tokenData()); err != nil {
			return err
		}
		d.setToken(tx, token)
		if err := tx.Put(f.Doc, directoryRow(d)); err != nil {
			return err
		}
		return tx.Record(env, "dsync.token.created", d.tokenData())
	})
	if err != nil {
		return nil, "", err
	}
	return d, token, nil
}

// Configure changes what an operator may set. A changed mapping of roles is applied
// to all users: to those of a small directory before it returns, else by Run.
func (s *Service) Configure(ctx context.Context, env identity.EnvironmentID, id ID, c Settings) (d *Directory, err error) {
	mapped := c.Roles != nil || c.DefaultRole != nil
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, d, err = find(tx, env, id); err != nil {
			return err
		}
		if d.State == Deleting {
			return notFound("Directory", string(id))
		}
		for _, p := range []struct{ dst, src *string }{{&d.Name, c.Name}, {&d.Domain, c.Domain}, {&d.DefaultRole, c.DefaultRole}} {
			if p.src != nil {
				*p.dst = *p.src
			}
		}
		if c.Roles != nil {
			d.Roles = c.Roles
		}
		if err := d.check(); err != nil {
			return err
		}
		if mapped {
			d.pending, d.pendingAfter = pendingRoles, ""
		}
		d.Updated = tx.Now()
		return tx.Put(f.Doc, directoryRow(d))
	})
	if err == nil && mapped {
		_, err = s.remap(ctx, env, id)
	}
	return d, err
}

// Directory finds a directory of the environment.
func (s *Service) Directory(ctx context.Context, env identity.EnvironmentID, id ID) (d *Directory, c Counts, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, d, err = find(tx, env, id); err != nil {
			return err
		}
		_, c, err = counts(tx, id)
		return err
	})
	return d, c, err
}

// ByOrganization lists an organisation's directories, oldest first.
func (s *Service) ByOrganization(ctx context.Context, env identity.EnvironmentID, organization identity.OrganizationID) (list []Directory, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		rows, err := tx.All(tableDirectories, "on_organization", string(env), string(organization))
		list = list[:0]
		for _, f := range rows {
			list = append(list, *readDirectory(f.Record))
		}
		return err
	})
	return list, err
}

// Query narrows a list of directories.
type Query struct {
	identity.Page
	Organization identity.OrganizationID
	Search       string // part of the name, whatever its case
	Domain       string
}

// Directories lists directories.
func (s *Service) Directories(ctx context.Context, env identity.EnvironmentID, q Query) (l *identity.List[Directory], err error) {
	index, prefix := "on_environment", []string{string(env)}
	if q.Organization != "" {
		index, prefix = "on_organization", append(prefix, string(q.Organization))
	}
	search := strings.ToLower(q.Search)
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		l, err = identity.PageOf(tx, tableDirectories, index, prefix, q.Page, func(r identity.Record) (Directory, string, bool) {
			d := readDirectory(r)
			ok := strings.Contains(strings.ToLower(d.Name), search) && (q.Domain == "" || strings.EqualFold(d.Domain, q.Domain))
			return *d, string(d.ID), ok
		})
		return err
	})
	return l, err
}

// Authenticate finds the directory of a SCIM request by the id in its path and the
// bearer token in its header.
func (s *Service) Authenticate(ctx context.Context, id ID, token string) (d *Directory, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableDirectories, onID, string(id))
		if err != nil {
			return err
		}
		d = nil
		stored := strings.Repeat("0", 2*sha256.Size) // no hash is this: the comparison takes the same time
		if f != nil {
			d = readDirectory(f.Record)
			stored = d.hash
		}
		if subtle.ConstantTimeCompare([]byte(stored), []byte(tokenHash(token))) != 1 || d == nil || d.State != Linked {
			return apierr.New(apierr.Unauthenticated, "unauthorized", "The bearer token is not this directory's. Copy endpoint and token again, or make a new token.")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// countsRow writes how many of what a directory has.
func countsRow(d *Directory, c Counts) identity.Row {
	return identity.Row{identity.Text("environment", d.Environment), identity.Text("directory", d.ID), identity.Number("active", c.Active), identity.Number("inactive", c.Inactive), identity.Number("groups", c.Groups)}
}

// counts reads how many of what a directory has; nil and zeros if it is gone.
func counts(tx *identity.Tx, id ID) (*identity.Found, Counts, error) {
	f, err := tx.First(tableCounts, onDirectory, string(id))
	if err != nil || f == nil {
		return nil, Counts{}, err
	}
	return f, Counts{Active: int(f.Number("active")), Inactive: int(f.Number("inactive")), Groups: int(f.Number("groups"))}, nil
}

// count changes the counts: the user's state before and after, "" where there was
// or is none, and the number of groups.
func count(tx *identity.Tx, d *Directory, before, after UserState, groups int) error {
	if before == after && groups == 0 {
		return nil
	}
	f, c, err := counts(tx, d.ID)
	if err != nil || f == nil {
		return err
	}
	add := func(s UserState, n int) {
		switch s {
		case Active:
			c.Active += n
		case Suspended, Inactive:
			c.Inactive += n
		}
	}
	add(before, -1)
	add(after, 1)
	c.Groups += groups
	return tx.Put(f.Doc, countsRow(d, c))
}

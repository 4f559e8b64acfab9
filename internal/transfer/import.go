package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Bounds of an import: rows of a transaction, refusals of one before its rows go
// alone, refusals that are told, and organizations that are remembered.
const (
	importBatch   = 200
	batchRefusals = 4
	maxTold       = 1000
	maxRemembered = 10_000
)

// OnConflict says what becomes of a row whose user is there already.
type OnConflict string

// What becomes of it: nothing; the user gets what the row says; the row is refused.
const (
	Skip   OnConflict = "skip"
	Update OnConflict = "update"
	Refuse OnConflict = "fail"
)

// Import is a file of users on its way into an environment.
type Import struct {
	Identity    *identity.Service
	Environment identity.EnvironmentID
	Hash        HashReader
	Firebase    Firebase   // parameters of hashes of that kind
	Source      string     // where the file comes from; "" if that is to be told from the file
	OnConflict  OnConflict // Skip if empty
	DryRun      bool       // everything but the writing
}

// Imported is what became of a file.
type Imported struct {
	Source  string   `json:"source"`
	Format  string   `json:"format"`
	DryRun  bool     `json:"dry_run"`
	Ignored []string `json:"ignored_columns"` // of a CSV

	Rows          int `json:"rows"`
	Created       int `json:"created"`
	Updated       int `json:"updated"`
	Skipped       int `json:"skipped"` // whose user was there already
	Failed        int `json:"failed"`
	Passwords     int `json:"passwords"`     // of users that were created or had none
	Organizations int `json:"organizations"` // that were made
	Memberships   int `json:"memberships"`   // that were made

	Errors   []RowError `json:"errors"` // the first thousand
	LeftOut  int        `json:"errors_left_out"`
	Complete bool       `json:"complete"` // the file was read to its end
	Stopped  *RowError  `json:"stopped"`  // why it was not
}

// RowError is why a row was not imported.
type RowError struct {
	Line    int    `json:"line"`
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error is one line.
func (e RowError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return fmt.Sprintf("line %d: %s: %s", e.Line, e.Field, e.Message)
}

// pending is a row on its way into a transaction.
type pending struct {
	line   int
	person *person
}

// counts are what one transaction did; it may run again, so they are added up after it.
type counts struct {
	created, updated, skipped, passwords, organizations, memberships int
	made                                                             map[string]identity.OrganizationID
}

// errDry ends a transaction that was only tried.
var errDry = errors.New("transfer: dry run")

// Run reads the file and imports its users, batch by batch. The error is *apierr.Error
// if the file cannot be used at all; what goes wrong later is in the answer.
func (i *Import) Run(ctx context.Context, file io.Reader) (*Imported, error) {
	if i.OnConflict == "" {
		i.OnConflict = Skip
	}
	if !slices.Contains([]OnConflict{Skip, Update, Refuse}, i.OnConflict) {
		return nil, invalidImport("on_conflict is skip, update or fail; %.40q is none.", string(i.OnConflict))
	}
	all, kind, err := open(file)
	if err != nil {
		return nil, unusable(ctx, err)
	}
	first, line, err := all.next()
	if err == io.EOF {
		return nil, invalidImport("The file cannot be imported: it has no users.")
	}
	if bad := (badRow{}); err != nil && !errors.As(err, &bad) {
		return nil, unusable(ctx, err)
	}
	src, srcErr := sourceOf(i.Source, first, all.columns())
	if srcErr != nil {
		return nil, invalidImport("The file cannot be imported: %v.", srcErr)
	}
	d := &reader{source: src, hash: i.Hash, firebase: i.Firebase}
	if c := all.columns(); c != nil && !slices.ContainsFunc(c, func(n string) bool { return slices.Contains(names["email"], plain(n)) }) {
		return nil, invalidImport("The file cannot be imported: its header has no column email, but %.200q.", c)
	}
	r := &importing{Import: i, reader: d, done: &Imported{Source: src.name, Format: string(kind), DryRun: i.DryRun, Errors: []RowError{}, Ignored: ignored(all.columns())},
		organizations: map[string]identity.OrganizationID{}}
	for ; err != io.EOF; first, line, err = all.next() {
		if err := r.row(ctx, first, line, err); err != nil {
			return r.end(ctx, line, err)
		}
	}
	if err := r.flush(ctx); err != nil {
		return r.end(ctx, line, err)
	}
	r.done.Complete = true
	return r.done, nil
}

// importing is an import that runs.
type importing struct {
	*Import
	reader        *reader
	done          *Imported
	batch         []pending
	organizations map[string]identity.OrganizationID // by what rows call them
}

// invalidImport refuses a file.
func invalidImport(format string, args ...any) error {
	return apierr.New(apierr.BadRequest, "invalid_import", format, args...)
}

// unusable refuses a file of which nothing was imported.
func unusable(ctx context.Context, err error) error {
	if _, ok := apierr.As(err); ok || ctx.Err() != nil {
		return err
	}
	return invalidImport("The file cannot be imported: %v.", err)
}

// ignored are the columns that mean nothing here.
func ignored(columns []string) []string {
	known := map[string]bool{"": true, "metadata": true, "organizations": true, "memberships": true, "object": true, "salt": true, "passwordsalt": true,
		"customattributes": true, "rawusermetadata": true, "usermetadata": true, "publicmetadata": true, "verifiedemailaddresses": true, "cognitousername": true, "username": true}
	for _, list := range slices.Concat(slices.Collect(maps.Values(names)), slices.Collect(maps.Values(organizationNames))) {
		for _, n := range list {
			known[n] = true
		}
	}
	out := []string{}
	for _, c := range columns {
		if !known[plain(c)] {
			out = append(out, c)
		}
	}
	return out
}

// row takes one row of the file. An error ends the import.
func (r *importing) row(ctx context.Context, f fields, line int, err error) error {
	bad := badRow{}
	switch {
	case errors.As(err, &bad):
		r.done.Rows++
		r.refuse(line, rowFault{"", "invalid_row", bad.Message})
		return nil
	case err != nil:
		return err
	}
	r.done.Rows++
	p, err := r.reader.person(f)
	fault := rowFault{}
	if errors.As(err, &fault) {
		r.refuse(line, fault)
		return nil
	}
	if err != nil {
		return err
	}
	if r.batch = append(r.batch, pending{line, p}); len(r.batch) < importBatch {
		return nil
	}
	return r.flush(ctx)
}

// refuse notes why a row was not imported.
func (r *importing) refuse(line int, f rowFault) {
	r.done.Failed++
	if len(r.done.Errors) == maxTold {
		r.done.LeftOut++
		return
	}
	r.done.Errors = append(r.done.Errors, RowError{line, f.field, f.code, f.message})
}

// end gives the answer of an import that did not come to its end.
func (r *importing) end(ctx context.Context, line int, err error) (*Imported, error) {
	if e, ok := apierr.As(err); (!ok || e.Kind == apierr.Internal) && errors.Is(err, context.Canceled) {
		return nil, err
	}
	if ferr := r.flush(ctx); ferr != nil && ctx.Err() != nil {
		return nil, ferr
	}
	stopped := RowError{Line: line, Code: "stopped", Message: err.Error()}
	if e, ok := apierr.As(err); ok {
		stopped.Message = e.Message
	}
	if r.done.Created+r.done.Updated+r.done.Skipped == 0 {
		return nil, invalidImport("Nothing was imported: line %d: %s.", line, stopped.Message)
	}
	r.done.Stopped = &stopped
	return r.done, nil
}

// flush imports what waits: together, or one by one if too many are refused.
func (r *importing) flush(ctx context.Context) error {
	batch := r.batch
	r.batch = nil
	for refusals := 0; len(batch) > 0; {
		size := len(batch)
		if refusals >= batchRefusals {
			size = 1
		}
		c, at, err := r.commit(ctx, batch[:size])
		if err == nil {
			r.add(c)
			batch = batch[size:]
			continue
		}
		fault, ok := faultOf(err)
		if !ok {
			return fmt.Errorf("import users: %w", err)
		}
		r.refuse(batch[at].line, fault)
		batch = slices.Delete(slices.Clone(batch), at, at+1)
		refusals++
	}
	return nil
}

// faultOf reads a refusal of a row; ok is false for what is no fault of the row.
func faultOf(err error) (rowFault, bool) {
	if f := (rowFault{}); errors.As(err, &f) {
		return f, true
	}
	e, ok := apierr.As(err)
	if !ok || e.Kind == apierr.Internal || e.Kind == apierr.Overloaded {
		return rowFault{}, false
	}
	f := rowFault{"", e.Code, e.Message}
	switch d := e.Details.(type) {
	case []identity.FieldError:
		if len(d) > 0 {
			f.code, f.message = d[0].Code, d[0].Message
		}
	case []identity.Fault:
		if len(d) > 0 {
			f.code, f.field = d[0].Code, d[0].Field
		}
	}
	if f.field == "" {
		f.field = map[string]string{"invalid_email": "email", "email_not_available": "email", "external_id_already_used": "external_id", "user_exists": "id",
			"invalid_metadata": "metadata", "invalid_locale": "locale", "invalid_role": "role"}[f.code]
	}
	return f, true
}

// add adds up what a transaction did.
func (r *importing) add(c counts) {
	d := r.done
	d.Created, d.Updated, d.Skipped = d.Created+c.created, d.Updated+c.updated, d.Skipped+c.skipped
	d.Passwords, d.Organizations, d.Memberships = d.Passwords+c.passwords, d.Organizations+c.organizations, d.Memberships+c.memberships
	if r.DryRun {
		return // what was made is gone again
	}
	if len(r.organizations) > maxRemembered {
		clear(r.organizations)
	}
	maps.Copy(r.organizations, c.made)
}

// commit imports rows in one transaction. at is the row that an error is about.
func (r *importing) commit(ctx context.Context, batch []pending) (c counts, at int, err error) {
	err = r.Identity.Update(ctx, func(tx *identity.Tx) error {
		c = counts{made: map[string]identity.OrganizationID{}}
		for n := range batch {
			at = n
			if err := r.one(tx, batch[n].person, &c); err != nil {
				return err
			}
		}
		if r.DryRun {
			return errDry
		}
		return nil
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	return c, at, err
}

// one imports one user.
func (r *importing) one(tx *identity.Tx, p *person, c *counts) error {
	u, err := r.there(tx, p)
	if err != nil {
		return err
	}
	switch {
	case u == nil:
		if u, err = tx.CreateUser(r.Environment, p.NewUser); err != nil {
			return err
		}
		c.created++
		if p.PasswordHash != "" {
			c.passwords++
		}
	case r.OnConflict == Refuse:
		return rowFault{"email", "user_exists", fmt.Sprintf("there is a user with this address or id already (%s); say --on-conflict skip or update", u.ID)}
	case r.OnConflict == Update:
		if err := r.update(tx, u, p, c); err != nil {
			return err
		}
	default:
		c.skipped++
	}
	for _, at := range p.places {
		if err := r.join(tx, u, at, c); err != nil {
			return err
		}
	}
	return nil
}

// there finds the user of a row by id, external id or address; nil if there is none.
func (r *importing) there(tx *identity.Tx, p *person) (u *identity.User, err error) {
	if p.ID != "" {
		if u, err = tx.UserNamed(r.Environment, p.ID); err != nil || u != nil {
			return u, err
		}
	}
	if u, err = tx.UserByExternalID(r.Environment, p.ExternalID); err != nil || u != nil {
		return u, err
	}
	return tx.UserByEmail(r.Environment, p.Email)
}

// update gives a user what the row says. A password that the user has here stays: it
// may be newer than the file.
func (r *importing) update(tx *identity.Tx, u *identity.User, p *person, c *counts) error {
	var ch identity.UserChange
	if p.Email != u.Email {
		ch.Email = &p.Email
	}
	if p.given.verified {
		ch.EmailVerified = &p.EmailVerified
	}
	for _, f := range []struct {
		given bool
		text  *string
		into  **string
	}{
		{p.given.first, &p.FirstName, &ch.FirstName}, {p.given.last, &p.LastName, &ch.LastName}, {p.given.picture, &p.ProfilePictureURL, &ch.ProfilePictureURL},
		{p.given.external, &p.ExternalID, &ch.ExternalID}, {p.given.locale, &p.Locale, &ch.Locale},
	} {
		if f.given {
			*f.into = f.text
		}
	}
	ch.Metadata = p.Metadata
	if _, err := tx.UpdateUser(r.Environment, u.ID, ch); err != nil {
		return err
	}
	c.updated++
	if p.PasswordHash == "" {
		return nil
	}
	have, err := tx.Password(u.ID)
	if err != nil || have != "" {
		return err
	}
	c.passwords++
	return tx.Rehash(u.ID, p.PasswordHash)
}

// join makes a user a member of an organization, which is made if a name or an external
// id calls for it.
func (r *importing) join(tx *identity.Tx, u *identity.User, at place, c *counts) error {
	org, err := r.organization(tx, at, c)
	if err != nil {
		return err
	}
	m, err := tx.Membership(r.Environment, u.ID, org)
	if err != nil {
		return err
	}
	if m != nil {
		if r.OnConflict == Update && len(at.Roles) > 0 && m.Status == identity.MembershipActive && !slices.Equal(m.Roles, at.Roles) {
			_, err = tx.UpdateMembership(r.Environment, m.ID, identity.MembershipChange{Roles: at.Roles})
		}
		return err
	}
	c.memberships++
	_, err = tx.AddMembership(r.Environment, identity.NewMembership{User: u.ID, Organization: org, Roles: at.Roles})
	return err
}

// organization finds or makes the organization of a row.
func (r *importing) organization(tx *identity.Tx, at place, c *counts) (identity.OrganizationID, error) {
	if at.ID != "" {
		o, err := tx.Organization(r.Environment, identity.OrganizationID(at.ID))
		if apierr.KindOf(err) == apierr.NotFound {
			return "", rowFault{"organization_id", "organization_not_found", "there is no such organization; name it by organization_external_id or organization_name to have it made"}
		}
		if err != nil {
			return "", err
		}
		return o.ID, nil
	}
	key := at.ExternalID + "\x00" + at.Name
	if id, ok := c.made[key]; ok {
		return id, nil
	}
	if id, ok := r.organizations[key]; ok {
		if _, err := tx.Organization(r.Environment, id); apierr.KindOf(err) != apierr.NotFound {
			return id, err
		}
	}
	var o *identity.Organization
	var err error
	if at.ExternalID != "" {
		if o, err = tx.OrganizationByExternalID(r.Environment, at.ExternalID); apierr.KindOf(err) == apierr.NotFound {
			o, err = nil, nil
		}
	} else {
		o, err = tx.OrganizationNamed(r.Environment, at.Name)
	}
	if err != nil {
		return "", err
	}
	if o == nil {
		name := at.Name
		if name == "" {
			name = at.ExternalID
		}
		if o, err = tx.CreateOrganization(r.Environment, identity.NewOrganization{Name: name, ExternalID: at.ExternalID}); err != nil {
			return "", err
		}
		c.organizations++
	}
	c.made[key] = o.ID
	return o.ID, nil
}

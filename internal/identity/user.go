package identity

import (
	"context"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// Bounds of a user's fields; those of metadata are the imitated service's.
const (
	maxName          = 200
	maxURL           = 2048
	maxExternalID    = 128
	maxMetadata      = 50
	maxMetadataKey   = 40
	maxMetadataValue = 600
)

// userPrefix begins user ids.
const userPrefix = "user_"

// FieldError is one line of the errors list of a refused user.
type FieldError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// userRefused is the refusal of a user's fields; its Details are []FieldError.
func userRefused(code, message string) *apierr.Error {
	return apierr.New(apierr.BadRequest, "user_creation_error", "Could not create user.").With([]FieldError{{Code: code, Message: message}})
}

// userRow writes a user. validFrom is the time before which no sign-in counts.
func userRow(u *User, emailKey string, validFrom time.Time) Row {
	r := Row{
		Text("id", u.ID), Text("environment", u.Environment), Text("email", u.Email), Text("email_key", emailKey), Flag("email_verified", u.EmailVerified),
		Text("first_name", u.FirstName), Text("last_name", u.LastName), Text("profile_picture_url", u.ProfilePictureURL),
		Text("locale", u.Locale), Map("metadata", u.Metadata), Time("last_sign_in", u.LastSignIn),
		Time("created", u.Created), Time("updated", u.Updated), Time("valid_from", validFrom),
	}
	if u.ExternalID != "" {
		r = append(r, Text("external_id", u.ExternalID)) // left out otherwise, so that no two empty ones meet in the index
	}
	return r
}

// readUser is the reverse of userRow.
func readUser(r Record) *User {
	return &User{
		ID: UserID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Email: r.Text("email"), EmailVerified: r.Flag("email_verified"),
		FirstName: r.Text("first_name"), LastName: r.Text("last_name"), ProfilePictureURL: r.Text("profile_picture_url"),
		ExternalID: r.Text("external_id"), Locale: r.Text("locale"), Metadata: r.Map("metadata"),
		LastSignIn: r.Time("last_sign_in"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// check refuses a user whose fields are too long.
func (u *User) check() error {
	for _, f := range []struct {
		name, text string
		max        int
	}{
		{"first_name", u.FirstName, maxName}, {"last_name", u.LastName, maxName}, {"profile_picture_url", u.ProfilePictureURL, maxURL},
	} {
		if utf8.RuneCountInString(f.text) > f.max {
			return apierr.New(apierr.BadRequest, "invalid_request_parameters", "%s is longer than %d characters.", f.name, f.max)
		}
	}
	if err := checkExternalID(u.ExternalID); err != nil {
		return err
	}
	if u.Locale != "" && !wellFormedLocale(u.Locale) {
		return apierr.New(apierr.BadRequest, "invalid_locale", "%.40q is not a locale such as en or de-DE.", u.Locale)
	}
	return checkMetadata(u.Metadata)
}

// userRowOf finds a user's row; nil if there is none.
func (tx *Tx) userRowOf(id EnvironmentID, user UserID) (*Found, error) {
	return tx.First(tableUsers, "on_environment", string(id), string(user))
}

// User finds a user of the environment.
func (tx *Tx) User(id EnvironmentID, user UserID) (*User, error) {
	f, err := tx.userRowOf(id, user)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("User", string(user))
	}
	return readUser(f.Record), nil
}

// UserByEmail finds a user by address, whatever its case; nil if there is none.
func (tx *Tx) UserByEmail(id EnvironmentID, email string) (*User, error) {
	_, k, ok := ParseEmail(email)
	if !ok {
		return nil, nil
	}
	f, err := tx.First(tableUsers, "on_email", string(id), k)
	if err != nil || f == nil {
		return nil, err
	}
	return readUser(f.Record), nil
}

// CreateUser makes a user; BadRequest "user_creation_error" if the address is
// taken (workos-api.md §4.7, #108).
func (tx *Tx) CreateUser(id EnvironmentID, n NewUser) (*User, error) {
	email, k, ok := ParseEmail(n.Email)
	if !ok {
		return nil, userRefused("invalid_email", "The email address is not valid.")
	}
	if _, err := tx.Environment(id); err != nil {
		return nil, err
	}
	taken, err := tx.First(tableUsers, "on_email", string(id), k)
	if err != nil {
		return nil, err
	}
	if taken != nil {
		return nil, userRefused("email_not_available", "This email address is not available.")
	}
	if n.ExternalID != "" {
		if taken, err = tx.First(tableUsers, "on_external_id", string(id), n.ExternalID); err != nil {
			return nil, err
		}
		if taken != nil {
			return nil, userRefused("external_id_already_used", "This external id is already in use.")
		}
	}
	if n.ID == "" {
		n.ID = UserID(tx.newID(userPrefix))
	} else if err := tx.freeUserID(n.ID); err != nil {
		return nil, err
	}
	u := &User{
		ID: n.ID, Environment: id, Email: email, EmailVerified: n.EmailVerified, FirstName: n.FirstName, LastName: n.LastName,
		ProfilePictureURL: n.ProfilePictureURL, ExternalID: n.ExternalID, Locale: n.Locale, Metadata: maps.Clone(n.Metadata), Created: tx.now, Updated: tx.now,
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	if err := tx.Add(tableUsers, userRow(u, k, time.Time{})); err != nil {
		return nil, err
	}
	if n.PasswordHash != "" {
		if err := tx.putPassword(u.ID, n.PasswordHash); err != nil {
			return nil, err
		}
	}
	return u, tx.Record(id, "user.created", userData(u))
}

// UpdateUser changes a user. A changed password ends all sessions, a changed address
// voids what was mailed to the former one.
func (tx *Tx) UpdateUser(id EnvironmentID, user UserID, c UserChange) (*User, error) {
	f, err := tx.userRowOf(id, user)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("User", string(user))
	}
	u, k, validFrom := readUser(f.Record), f.Text("email_key"), f.Time("valid_from")
	before := userData(u)
	set := func(dst *string, src *string) {
		if src != nil {
			*dst = *src
		}
	}
	set(&u.FirstName, c.FirstName)
	set(&u.LastName, c.LastName)
	set(&u.ProfilePictureURL, c.ProfilePictureURL)
	set(&u.Locale, c.Locale)
	if c.EmailVerified != nil {
		u.EmailVerified = *c.EmailVerified
	}
	if c.Email != nil {
		email, newKey, ok := ParseEmail(*c.Email)
		if !ok {
			return nil, apierr.New(apierr.BadRequest, "invalid_email", "The email address is not valid.")
		}
		if newKey != k {
			taken, err := tx.First(tableUsers, "on_email", string(id), newKey)
			if err != nil {
				return nil, err
			}
			if taken != nil {
				return nil, emailTaken(apierr.BadRequest)
			}
			u.EmailVerified = c.EmailVerified != nil && *c.EmailVerified
			// What went to the former mailbox opens nothing any more.
			if err := tx.voidCodes(user, CodeEmailVerification); err != nil {
				return nil, err
			}
			if err := tx.voidCodes(user, CodeMagicAuth); err != nil {
				return nil, err
			}
			if err := tx.voidResets(user); err != nil {
				return nil, err
			}
		}
		u.Email, k = email, newKey
	}
	if c.ExternalID != nil && *c.ExternalID != u.ExternalID {
		if *c.ExternalID != "" {
			taken, err := tx.First(tableUsers, "on_external_id", string(id), *c.ExternalID)
			if err != nil {
				return nil, err
			}
			if taken != nil {
				return nil, apierr.New(apierr.BadRequest, "external_id_already_used", "This external id is already in use.")
			}
		}
		u.ExternalID = *c.ExternalID
	}
	if c.ClearMetadata {
		u.Metadata = nil
	}
	u.Metadata = mergeMetadata(u.Metadata, c.Metadata)
	if err := u.check(); err != nil {
		return nil, err
	}
	if c.PasswordHash != nil {
		if err := tx.putPassword(user, *c.PasswordHash); err != nil {
			return nil, err
		}
		if !c.KeepSessions {
			validFrom = tx.now
			if err := tx.endSessions(user); err != nil {
				return nil, err
			}
		}
	}
	u.Updated = tx.later(u.Updated)
	if err := tx.Put(f.Doc, userRow(u, k, validFrom)); err != nil {
		return nil, err
	}
	return u, tx.RecordChange(id, "user.updated", userData(u), before)
}

// SignedIn notes a sign-in. It is no change of the user: neither updated_at nor an
// event tells of it (workos-api.md §1.6).
func (tx *Tx) SignedIn(id EnvironmentID, user UserID) error {
	f, err := tx.userRowOf(id, user)
	if err != nil {
		return err
	}
	if f == nil {
		return notFound("User", string(user))
	}
	return tx.Patch(f, Row{Time("last_sign_in", tx.now)})
}

// freeUserID refuses an id that some user has, whatever their environment: what
// belongs to a user is found by the user's id alone.
func (tx *Tx) freeUserID(user UserID) error {
	if !strings.HasPrefix(string(user), userPrefix) || !plainURI(string(user)) || len(user) > maxExternalID {
		return InvalidField("id", "id_invalid", "User ids begin with %q.", userPrefix)
	}
	envs, err := tx.Environments()
	if err != nil {
		return err
	}
	for _, e := range envs {
		f, err := tx.userRowOf(e.ID, user)
		if err != nil {
			return err
		}
		if f != nil {
			return apierr.New(apierr.Conflict, "user_exists", "There is a user %s already.", user)
		}
	}
	return nil
}

// DeleteUser removes a user with credentials and sessions.
func (tx *Tx) DeleteUser(id EnvironmentID, user UserID) error {
	f, err := tx.userRowOf(id, user)
	if err != nil {
		return err
	}
	if f == nil {
		return notFound("User", string(user))
	}
	if err := tx.endSessions(user); err != nil {
		return err
	}
	if err := tx.deleteFactors(user); err != nil {
		return err
	}
	if err := tx.voidCodes(user, ""); err != nil {
		return err
	}
	if err := tx.voidResets(user); err != nil {
		return err
	}
	if err := tx.dropInvitations("on_email", string(id), f.Text("email_key")); err != nil {
		return err
	}
	memberships, err := tx.All(tableMemberships, "on_user", string(id), string(user))
	if err != nil {
		return err
	}
	for i := range memberships {
		if err := tx.removeMember(&memberships[i]); err != nil {
			return err
		}
	}
	if err := tx.s.gone(tx, Gone{Environment: id, User: user}); err != nil {
		return err
	}
	p, err := tx.First(tablePasswords, "on_user", string(user))
	if err != nil {
		return err
	}
	if p != nil {
		if err := tx.Remove(p); err != nil {
			return err
		}
	}
	if err := tx.Remove(f); err != nil {
		return err
	}
	return tx.Record(id, "user.deleted", userData(readUser(f.Record)))
}

// Password is the hash of a user's password; "" if the user has none.
func (tx *Tx) Password(user UserID) (string, error) {
	f, err := tx.First(tablePasswords, "on_user", string(user))
	if err != nil || f == nil {
		return "", err
	}
	return f.Text("hash"), nil
}

// Rehash stores the same password's hash in a newer form.
func (tx *Tx) Rehash(user UserID, hash string) error { return tx.putPassword(user, hash) }

// putPassword stores the hash of a user's password.
func (tx *Tx) putPassword(user UserID, hash string) error {
	f, err := tx.First(tablePasswords, "on_user", string(user))
	if err != nil {
		return err
	}
	row := Row{Text("user", user), Text("hash", hash), Time("updated", tx.now)}
	if f != nil {
		return tx.Put(f.Doc, row)
	}
	return tx.Add(tablePasswords, row)
}

// CreateUser is Tx.CreateUser in a transaction of its own.
func (s *Service) CreateUser(ctx context.Context, id EnvironmentID, n NewUser) (u *User, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		u, err = tx.CreateUser(id, n)
		return err
	})
	return u, err
}

// User finds a user of the environment.
func (s *Service) User(ctx context.Context, id EnvironmentID, user UserID) (u *User, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		u, err = tx.User(id, user)
		return err
	})
	return u, err
}

// UserByEmail finds a user by address, whatever its case.
func (s *Service) UserByEmail(ctx context.Context, id EnvironmentID, email string) (u *User, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		u, err = tx.UserByEmail(id, email)
		return err
	})
	if err == nil && u == nil {
		err = notFound("User", email)
	}
	return u, err
}

// UpdateUser is Tx.UpdateUser in a transaction of its own.
func (s *Service) UpdateUser(ctx context.Context, id EnvironmentID, user UserID, c UserChange) (u *User, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		u, err = tx.UpdateUser(id, user, c)
		return err
	})
	return u, err
}

// DeleteUser is Tx.DeleteUser in a transaction of its own.
func (s *Service) DeleteUser(ctx context.Context, id EnvironmentID, user UserID) error {
	return s.Update(ctx, func(tx *Tx) error { return tx.DeleteUser(id, user) })
}

// timeKey is the index key of a stored time.
func timeKey(ms int64) []byte { return value.AppendKey(nil, value.Float64(ms)) }

// userData is a user as events show it (workos-api.md §1.6).
func userData(u *User) any {
	var last *string
	if !u.LastSignIn.IsZero() {
		last = nullable(FormatTime(u.LastSignIn))
	}
	return map[string]any{
		"object": "user", "id": u.ID, "email": u.Email, "email_verified": u.EmailVerified,
		"first_name": nullable(u.FirstName), "last_name": nullable(u.LastName), "name": nullable(strings.TrimSpace(u.FirstName + " " + u.LastName)), "profile_picture_url": nullable(u.ProfilePictureURL),
		"last_sign_in_at": last, "external_id": nullable(u.ExternalID), "metadata": shownMetadata(u.Metadata), "locale": nullable(u.Locale),
		"created_at": FormatTime(u.Created), "updated_at": FormatTime(u.Updated),
	}
}

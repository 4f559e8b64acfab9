package identity

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// CreateEmailVerification makes a code that proves a user's own address.
func (tx *Tx) CreateEmailVerification(id EnvironmentID, user UserID) (*User, *OneTimeCode, error) {
	u, err := tx.User(id, user)
	if err != nil {
		return nil, nil, err
	}
	if u.EmailVerified {
		return nil, nil, apierr.New(apierr.BadRequest, "email_already_verified", "This email address is verified already.")
	}
	c, err := tx.CreateCode(id, NewCode{Kind: CodeEmailVerification, User: user, Email: u.Email})
	return u, c, err
}

// VerifyEmail takes a user's answer to the code of their address. Wrong answers
// count, so a refusal comes beside err, and the transaction is to be committed.
func (tx *Tx) VerifyEmail(id EnvironmentID, user UserID, answer string) (u *User, refusal *apierr.Error, err error) {
	if u, err = tx.User(id, user); err != nil {
		return nil, nil, err
	}
	refuse := func(code, message string) (*User, *apierr.Error, error) {
		return nil, apierr.New(apierr.BadRequest, code, "%s", message), nil
	}
	if u.EmailVerified {
		return refuse("email_previously_verified", "This email address is verified already.")
	}
	c, verdict, err := tx.AnswerCode(id, CodeEmailVerification, user, answer)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case verdict == CodeUsed:
		return refuse("email_verification_code_previously_used", "This code was used already. Please ask for a new one.")
	case verdict == CodeExpired || verdict == CodeTooMany || verdict == CodeRight && c.Email != u.Email:
		return refuse("email_verification_code_expired", "This code is no longer valid. Please ask for a new one.")
	case verdict != CodeRight:
		return refuse("email_verification_code_incorrect", "This code is not right.")
	}
	yes := true
	u, err = tx.UpdateUser(id, user, UserChange{EmailVerified: &yes})
	return u, nil, err
}

// emailTaken is the refusal of an address that another user has.
func emailTaken(kind apierr.Kind) error {
	return apierr.New(kind, "email_not_available", "This email address is not available.")
}

// CreateEmailChange makes a code that proves a user's new address; what the user
// has stays until it is answered.
func (tx *Tx) CreateEmailChange(id EnvironmentID, user UserID, email string) (*User, *OneTimeCode, error) {
	u, err := tx.User(id, user)
	if err != nil {
		return nil, nil, err
	}
	email, k, ok := ParseEmail(email)
	if !ok {
		return nil, nil, apierr.New(apierr.BadRequest, "invalid_email", "The email address is not valid.")
	}
	if email == u.Email {
		return nil, nil, apierr.New(apierr.Conflict, "email_change_not_needed", "This is the user's email address already.")
	}
	if err := tx.mayMove(id, u, k); err != nil {
		return nil, nil, err
	}
	c, err := tx.CreateCode(id, NewCode{Kind: CodeEmailChange, User: user, Email: email})
	return u, c, err
}

// mayMove refuses a new address that somebody else has, and of a user whose address
// is a directory's to change.
func (tx *Tx) mayMove(id EnvironmentID, u *User, emailKey string) error {
	f, err := tx.First(tableUsers, "on_email", string(id), emailKey)
	if err != nil {
		return err
	}
	if f != nil && f.Text("id") != string(u.ID) {
		return emailTaken(apierr.Conflict)
	}
	return tx.ownAddress(id, u.ID, apierr.Conflict)
}

// ownAddress refuses to change the address of a user whose directory sets it.
func (tx *Tx) ownAddress(id EnvironmentID, user UserID, kind apierr.Kind) error {
	memberships, err := tx.Memberships(id, user)
	if err != nil {
		return err
	}
	for _, m := range memberships {
		if m.DirectoryManaged {
			return apierr.New(kind, "email_change_not_allowed", "The user's directory sets their email address; change it there.")
		}
	}
	return nil
}

// EditUser is UpdateUser for an application, which may not change what a directory
// sets.
func (s *Service) EditUser(ctx context.Context, id EnvironmentID, user UserID, c UserChange) (u *User, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		if c.Email != nil {
			if u, err = tx.User(id, user); err != nil {
				return err
			}
			if *c.Email != u.Email {
				if err := tx.ownAddress(id, user, apierr.BadRequest); err != nil {
					return err
				}
			}
		}
		u, err = tx.UpdateUser(id, user, c)
		return err
	})
	return u, err
}

// ConfirmEmailChange takes a user's answer to the code of a new address, which is
// the user's from now on, and verified. former is what it was. A refusal comes
// beside err as with VerifyEmail.
func (tx *Tx) ConfirmEmailChange(id EnvironmentID, user UserID, answer string) (u *User, former string, refusal *apierr.Error, err error) {
	if u, err = tx.User(id, user); err != nil {
		return nil, "", nil, err
	}
	c, verdict, err := tx.AnswerCode(id, CodeEmailChange, user, answer)
	if err != nil {
		return nil, "", nil, err
	}
	refuse := func(kind apierr.Kind, code, message string) (*User, string, *apierr.Error, error) {
		return nil, "", apierr.New(kind, code, "%s", message), nil
	}
	switch verdict {
	case CodeNone:
		return refuse(apierr.Conflict, "no_pending_email_change", "No change of the email address was asked for.")
	case CodeUsed:
		return refuse(apierr.Conflict, "email_change_code_previously_used", "This code was used already.")
	case CodeExpired:
		return refuse(apierr.BadRequest, "email_change_code_expired", "This code has expired. Please ask for a new one.")
	case CodeTooMany:
		return refuse(apierr.RateLimited, "email_change_too_many_attempts", "Too many wrong codes. Please ask for a new one.")
	case CodeWrong:
		return refuse(apierr.BadRequest, "email_change_code_incorrect", "This code is not right.")
	}
	_, k, _ := ParseEmail(c.Email)
	if err := tx.mayMove(id, u, k); err != nil {
		return nil, "", nil, err
	}
	former, yes := u.Email, true
	u, err = tx.UpdateUser(id, user, UserChange{Email: &c.Email, EmailVerified: &yes})
	return u, former, nil, err
}

// UserByExternalID finds a user by the caller's own id; nil if there is none.
func (tx *Tx) UserByExternalID(id EnvironmentID, external string) (*User, error) {
	if external == "" {
		return nil, nil
	}
	f, err := tx.First(tableUsers, "on_external_id", string(id), external)
	if err != nil || f == nil {
		return nil, err
	}
	return readUser(f.Record), nil
}

// UserByExternalID finds a user by the caller's own id.
func (s *Service) UserByExternalID(ctx context.Context, id EnvironmentID, external string) (u *User, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		if u, err = tx.UserByExternalID(id, external); err == nil && u == nil {
			err = notFound("User", external)
		}
		return err
	})
	return u, err
}

// UserQuery narrows a list of users.
type UserQuery struct {
	Page
	Email        string         // exactly this address, if not empty
	Organization OrganizationID // active members of this organization, if not empty
}

// Users lists users.
func (s *Service) Users(ctx context.Context, id EnvironmentID, q UserQuery) (l *List[User], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		switch {
		case q.Email != "":
			l, err = tx.userOfEmail(id, q)
		case q.Organization != "":
			var failed error
			l, err = page(tx, tableMemberships, "on_member", []string{string(id), string(q.Organization)}, q.Page, func(r Record) (User, string, bool) {
				m := readMembership(r)
				if m.Status != MembershipActive {
					return User{}, "", false
				}
				u, err := tx.User(id, m.User)
				if err != nil {
					failed = err
					return User{}, "", false
				}
				return *u, string(u.ID), true
			})
			if err == nil {
				err = failed
			}
		default:
			l, err = page(tx, tableUsers, "on_environment", []string{string(id)}, q.Page, func(r Record) (User, string, bool) {
				u := readUser(r)
				return *u, string(u.ID), true
			})
		}
		return err
	})
	return l, err
}

// userOfEmail lists the one user of an address, or nobody.
func (tx *Tx) userOfEmail(id EnvironmentID, q UserQuery) (*List[User], error) {
	u, err := tx.UserByEmail(id, q.Email)
	if err == nil && u != nil && q.Organization != "" {
		var m *Membership
		if m, err = tx.Membership(id, u.ID, q.Organization); m == nil || m.Status != MembershipActive {
			u = nil
		}
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	if u != nil {
		ids = append(ids, string(u.ID))
	}
	return pageOf(ids, q.Page, func(string) (*User, error) { return u, nil })
}

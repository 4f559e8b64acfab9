package account

import (
	"cmp"
	"context"
	"crypto/rand"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/passkey"
)

// problemOf makes a problem of a refusal from below; err stays what is none.
func problemOf(field authflow.Field, err error) (*authflow.Problem, error) {
	e, ok := apierr.As(err)
	if !ok {
		return nil, err
	}
	switch e.Kind {
	case apierr.BadRequest, apierr.Conflict, apierr.RateLimited, apierr.Forbidden:
		return &authflow.Problem{Field: field, Code: e.Code, Message: e.Message}, nil
	}
	return nil, err
}

// ChangePassword sets a password. Who has one shows it. With everywhere all other
// devices are signed out.
func (s *Service) ChangePassword(ctx context.Context, p *Person, current, chosen string, everywhere bool) (*authflow.Problem, error) {
	if !p.Fresh {
		return nil, ErrStale
	}
	var has string
	err := s.Identity.View(ctx, func(tx *identity.Tx) (err error) {
		has, err = tx.Password(p.User.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if has != "" {
		u, pb, err := s.Flow.CheckPassword(ctx, p.Environment, p.Visitor, p.User.Email, current)
		if err != nil || pb != nil {
			return pb, err
		}
		if u == nil || u.ID != p.User.ID {
			return &authflow.Problem{Code: "invalid_credentials", Message: "Your current password is not right."}, nil
		}
	}
	if pb, err := s.Flow.Policy.Check(p.Environment, chosen, p.User.Email); err != nil || pb != nil {
		return pb, err
	}
	hash, err := s.Flow.Hasher.Hash(ctx, chosen)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, p, true, func(tx *identity.Tx) error {
		if _, err := tx.UpdateUser(p.Environment.ID, p.User.ID, identity.UserChange{PasswordHash: &hash, KeepSessions: true}); err != nil || !everywhere {
			return err
		}
		_, err := tx.EndOthers(p.Environment.ID, p.User.ID, p.Browser)
		return err
	})
	if err == nil {
		s.tell(p, "Your password was changed on your account page.")
	}
	return nil, err
}

// SendEmailCode mails a code to a new address.
func (s *Service) SendEmailCode(ctx context.Context, p *Person, email string) (*authflow.Problem, error) {
	if !p.Fresh {
		return nil, ErrStale
	}
	if _, _, ok := identity.ParseEmail(email); !ok {
		return &authflow.Problem{Field: authflow.FieldEmail, Code: "invalid_email", Message: "Enter your new e-mail address, like ada@example.com."}, nil
	}
	if pb := s.Flow.MailHeld(p.Environment, p.Visitor, email); pb != nil {
		return pb, nil
	}
	var c *identity.OneTimeCode
	err := s.change(ctx, p, true, func(tx *identity.Tx) (err error) {
		_, c, err = tx.CreateEmailChange(p.Environment.ID, p.User.ID, email)
		return err
	})
	if err != nil {
		return problemOf(authflow.FieldEmail, err)
	}
	return nil, s.Flow.SendCode(p.Environment, c)
}

// ConfirmEmail takes that code; whoever reads the former mailbox is told.
func (s *Service) ConfirmEmail(ctx context.Context, p *Person, code string) (*authflow.Problem, error) {
	var former string
	var refusal *apierr.Error
	err := s.change(ctx, p, true, func(tx *identity.Tx) (err error) {
		_, former, refusal, err = tx.ConfirmEmailChange(p.Environment.ID, p.User.ID, code)
		return err // and a wrong answer is counted
	})
	if err == nil && refusal != nil {
		err = refusal
	}
	if err != nil {
		return problemOf(authflow.FieldCode, err)
	}
	if err := s.Flow.SendMoved(p.Environment, former); err != nil {
		s.Log.Warn("nobody told of a changed address", "user", p.User.ID, "err", err)
	}
	return nil, nil
}

// The purposes of the secrets that are derived from a browser's sign-in.
const (
	purposeFactor  = "account authenticator secret"
	purposePasskey = "account passkey challenge"
)

// NewFactor gives the secret for an authenticator app, the same until it is enrolled.
func (s *Service) NewFactor(ctx context.Context, p *Person) (secret, uri string, err error) {
	if !p.Fresh {
		return "", "", ErrStale
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		b, err := tx.BrowserSecret(p.Environment, p.Browser, purposeFactor)
		secret = identity.TOTPSecretOf(b)
		return err
	})
	return secret, identity.TOTPURI(cmp.Or(p.Brand.Name, p.Environment.Name), p.User.Email, secret), err
}

// AddFactor enrols the app whose code is right. codes are recovery codes if it is the
// first, to be shown this once.
func (s *Service) AddFactor(ctx context.Context, p *Person, code string) (codes []string, pb *authflow.Problem, err error) {
	wrong := false
	err = s.change(ctx, p, true, func(tx *identity.Tx) error {
		codes, wrong = nil, false
		b, err := tx.BrowserSecret(p.Environment, p.Browser, purposeFactor)
		if err != nil {
			return err
		}
		secret := identity.TOTPSecretOf(b)
		step, ok := identity.TOTPStep(secret, code, tx.Now())
		if wrong = !ok; wrong {
			return nil
		}
		have, err := tx.Factors(p.Environment.ID, p.User.ID)
		if err != nil {
			return err
		}
		f, _, err := tx.EnrollFactor(p.Environment.ID, identity.NewFactor{User: p.User.ID, Type: identity.FactorTOTP, Issuer: cmp.Or(p.Brand.Name, p.Environment.Name),
			Account: p.User.Email, Secret: secret})
		if err != nil {
			return err
		}
		if err := tx.MarkFactorUsed(p.Environment.ID, f.ID, step); err != nil {
			return err
		}
		if err := tx.UseUp(p.Browser); err != nil {
			return err
		}
		if len(have) > 0 {
			return nil
		}
		codes = newCodes()
		return tx.SetRecoveryCodes(p.User.ID, codes)
	})
	if err != nil {
		pb, err = problemOf(authflow.FieldCode, err)
		return nil, pb, err
	}
	if wrong {
		return nil, &authflow.Problem{Field: authflow.FieldCode, Code: "code_wrong", Message: "This code is not right. Check that the clock of your phone is, and enter the newest code."}, nil
	}
	s.tell(p, "An authenticator app was added: its codes are asked for when you sign in.")
	return codes, nil, nil
}

// newCodes makes recovery codes.
func newCodes() []string {
	seed := make([]byte, identity.RecoverySeed)
	rand.Read(seed)
	return identity.RecoveryCodes(seed)
}

// RemoveFactor removes an authenticator app.
func (s *Service) RemoveFactor(ctx context.Context, p *Person, id identity.FactorID) error {
	err := s.change(ctx, p, true, func(tx *identity.Tx) error {
		f, err := tx.Factor(p.Environment.ID, id)
		if err != nil {
			return err
		}
		if f.User != p.User.ID {
			return identity.NotFound("Authentication Factor", string(id))
		}
		return tx.DeleteFactor(p.Environment.ID, id)
	})
	if err == nil {
		s.tell(p, "An authenticator app was removed.")
	}
	return err
}

// NewRecoveryCodes replaces the recovery codes.
func (s *Service) NewRecoveryCodes(ctx context.Context, p *Person) (codes []string, err error) {
	err = s.change(ctx, p, true, func(tx *identity.Tx) error {
		have, err := tx.Factors(p.Environment.ID, p.User.ID)
		if err != nil {
			return err
		}
		if len(have) == 0 {
			return apierr.New(apierr.BadRequest, "no_factor", "Recovery codes stand in for an authenticator app; add one first.")
		}
		codes = newCodes()
		return tx.SetRecoveryCodes(p.User.ID, codes)
	})
	if err == nil {
		s.tell(p, "New recovery codes were made; the former ones work no longer.")
	}
	return codes, err
}

// ceremony is the exchange with an authenticator that the account page asks for.
func ceremony(tx *identity.Tx, p *Person) (passkey.Ceremony, error) {
	challenge, err := tx.BrowserSecret(p.Environment, p.Browser, purposePasskey)
	return passkey.Ceremony{Environment: p.Environment.ID, Origin: p.Visitor.Origin, Challenge: challenge}, err
}

// CanAddPasskey reports whether passkeys can be made here.
func (s *Service) CanAddPasskey(p *Person) bool {
	return s.Passkeys != nil && p.Environment.Settings.SignIn.Passkeys && passkey.RP(p.Visitor.Origin) != ""
}

// NewPasskey is what the page's script needs to make a passkey.
func (s *Service) NewPasskey(ctx context.Context, p *Person) (options string, err error) {
	if !p.Fresh {
		return "", ErrStale
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		c, err := ceremony(tx, p)
		if err != nil {
			return err
		}
		options, err = s.Passkeys.Creation(tx, p.Environment, c, p.User, cmp.Or(p.Brand.Name, p.Environment.Name))
		return err
	})
	return options, err
}

// AddPasskey keeps what the browser made. The challenge is used up either way.
func (s *Service) AddPasskey(ctx context.Context, p *Person, response string) (*authflow.Problem, error) {
	var refused error
	err := s.change(ctx, p, true, func(tx *identity.Tx) error {
		c, err := ceremony(tx, p)
		if err != nil {
			return err
		}
		if err := tx.UseUp(p.Browser); err != nil {
			return err
		}
		made, err := c.Make(response)
		if refused = err; err != nil {
			return nil
		}
		_, err = s.Passkeys.Add(tx, p.Environment.ID, p.User.ID, made)
		if k := apierr.KindOf(err); k == apierr.BadRequest || k == apierr.Conflict {
			refused = err
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if refused != nil {
		s.Log.Info("new passkey refused", "environment", p.Environment.ID, "user", p.User.ID, "reason", refused)
		return &authflow.Problem{Code: "passkey_refused", Message: "That did not work: the passkey is known already or was refused. Try again, or with another one."}, nil
	}
	s.tell(p, "A passkey was added: it signs in without a password.")
	return nil, nil
}

// RenamePasskey names a passkey.
func (s *Service) RenamePasskey(ctx context.Context, p *Person, id passkey.ID, name string) (*authflow.Problem, error) {
	err := s.change(ctx, p, false, func(tx *identity.Tx) error { return s.Passkeys.Rename(tx, p.Environment.ID, p.User.ID, id, name) })
	return problemOf("", err)
}

// RemovePasskey removes a passkey, if that is not the last way in.
func (s *Service) RemovePasskey(ctx context.Context, p *Person, id passkey.ID) (*authflow.Problem, error) {
	o, err := s.Overview(ctx, p)
	if err != nil {
		return nil, err
	}
	if len(o.Passkeys) == 1 && o.WaysIn(p.Environment.Settings.SignIn) < 2 {
		return &authflow.Problem{Code: "last_way_in", Message: "This is the only way you can sign in. Set a password first."}, nil
	}
	err = s.change(ctx, p, true, func(tx *identity.Tx) error { return s.Passkeys.Remove(tx, p.Environment.ID, p.User.ID, id) })
	if err == nil {
		s.tell(p, "A passkey was removed.")
	}
	return nil, err
}

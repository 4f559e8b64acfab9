package account

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/passkey"
	"github.com/lentil-dev/lentil/internal/sso"
)

// FreshFor is how old a sign-in may be for changes that could take an account away.
const FreshFor = 5 * time.Minute

// ErrStale asks for a new sign-in before a change.
var ErrStale = errors.New("account: the sign-in is too old for this change")

// Service serves people's accounts. The fields are filled by whoever assembles the
// house; Passkeys, SSO and Applications may be nil.
type Service struct {
	Identity     *identity.Service
	Flow         *authflow.Flow
	Passkeys     *passkey.Service
	SSO          *sso.Service
	Applications *application.Service
	Log          *slog.Logger
}

// Person is who sits before a browser. User is nil if nobody is signed in.
type Person struct {
	Environment   *identity.Environment
	Brand         *identity.Branding
	User          *identity.User
	Browser       identity.BrowserID
	Authenticated time.Time
	Visitor       authflow.Visitor
	Fresh         bool
}

// Who finds who a browser is signed in as in a client's environment.
func (s *Service) Who(ctx context.Context, client identity.ClientID, v authflow.Visitor) (p *Person, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		e, err := tx.EnvironmentByClient(client)
		if err != nil {
			return err
		}
		p = &Person{Environment: e, Visitor: v}
		if p.Brand, err = tx.Branding(e.ID); err != nil {
			return err
		}
		b, u, err := tx.Browser(e, v.SSO)
		if err != nil || b == nil {
			return err
		}
		p.User, p.Browser, p.Authenticated, p.Fresh = u, b.ID, b.Authenticated, tx.Now().Sub(b.Authenticated) <= FreshFor
		return nil
	})
	return p, err
}

// change runs f for a person whose browser is still signed in as them; with fresh, only
// if they were so of late.
func (s *Service) change(ctx context.Context, p *Person, fresh bool, f func(tx *identity.Tx) error) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		e, err := tx.Environment(p.Environment.ID) // whose clock it is
		if err != nil {
			return err
		}
		b, u, err := tx.Browser(e, p.Visitor.SSO)
		if err != nil {
			return err
		}
		if b == nil || u.ID != p.User.ID || fresh && tx.Now().Sub(b.Authenticated) > FreshFor {
			return ErrStale
		}
		return f(tx)
	})
}

// tell mails a person what was changed. The change stands if that fails.
func (s *Service) tell(p *Person, what string) {
	if err := s.Flow.SendAccountChanged(p.Environment, p.User.ID, what); err != nil {
		s.Log.Warn("nobody told of a changed account", "user", p.User.ID, "err", err)
	}
}

// Overview is all that a person sees of their account.
type Overview struct {
	HasPassword  bool
	Factors      []identity.Factor
	CodesLeft    int
	Passkeys     []passkey.Passkey
	Devices      []identity.Device
	Linked       []sso.Upstream
	Applications []application.Authorized
}

// maxApplications is how many authorized applications the page lists.
const maxApplications = 100

// Overview looks at everything.
func (s *Service) Overview(ctx context.Context, p *Person) (*Overview, error) {
	o := &Overview{}
	err := s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Environment(p.Environment.ID); err != nil { // whose clock it is
			return err
		}
		env, user := p.Environment.ID, p.User.ID
		hash, err := tx.Password(user)
		if err != nil {
			return err
		}
		o.HasPassword = hash != ""
		if o.Factors, err = tx.Factors(env, user); err != nil {
			return err
		}
		o.Factors = slices.DeleteFunc(o.Factors, func(f identity.Factor) bool { return f.Type != identity.FactorTOTP })
		if o.CodesLeft, err = tx.RecoveryCodesLeft(user); err != nil {
			return err
		}
		if s.Passkeys != nil {
			if o.Passkeys, err = s.Passkeys.List(tx, env, user); err != nil {
				return err
			}
		}
		o.Devices, err = tx.Devices(env, user)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.SSO != nil {
		if o.Linked, err = s.SSO.Identities(ctx, p.Environment.ID, p.User.ID); err != nil {
			return nil, err
		}
	}
	if s.Applications != nil {
		l, err := s.Applications.OfUser(ctx, p.Environment.ID, p.User.ID, identity.Page{Limit: maxApplications})
		if err != nil {
			return nil, err
		}
		o.Applications = l.Data
	}
	return o, nil
}

// WaysIn counts the ways to sign in that a person has.
func (o *Overview) WaysIn(m identity.SignInMethods) (n int) {
	if o.HasPassword && !m.NoPassword {
		n++
	}
	if m.NoPassword || !m.NoMagicCode { // without passwords the address is asked for and a code mailed
		n++
	}
	if len(o.Passkeys) > 0 && m.Passkeys {
		n++
	}
	return n + len(o.Linked)
}

// Rename changes a person's names.
func (s *Service) Rename(ctx context.Context, p *Person, first, last string) error {
	return s.change(ctx, p, false, func(tx *identity.Tx) error {
		_, err := tx.UpdateUser(p.Environment.ID, p.User.ID, identity.UserChange{FirstName: &first, LastName: &last})
		return err
	})
}

// EndSession signs one device out.
func (s *Service) EndSession(ctx context.Context, p *Person, id identity.SessionID) error {
	return s.change(ctx, p, false, func(tx *identity.Tx) error {
		se, err := tx.FindSession(id)
		if err != nil {
			return err
		}
		if se == nil || se.User != p.User.ID || se.Environment != p.Environment.ID {
			return identity.NotFound("Session", string(id))
		}
		_, err = tx.EndSession(p.Environment.ID, id)
		return err
	})
}

// EndOthers signs a person out everywhere else.
func (s *Service) EndOthers(ctx context.Context, p *Person) error {
	return s.change(ctx, p, false, func(tx *identity.Tx) error {
		_, err := tx.EndOthers(p.Environment.ID, p.User.ID, p.Browser)
		return err
	})
}

// SignOut ends this browser's sign-in with the sessions that came from it, and says
// where the application is at home.
func (s *Service) SignOut(ctx context.Context, p *Person) (home string, err error) {
	err = s.change(ctx, p, false, func(tx *identity.Tx) error {
		all, err := tx.Devices(p.Environment.ID, p.User.ID)
		if err != nil {
			return err
		}
		for _, d := range all {
			if d.Browser == p.Browser {
				if _, err := tx.EndSession(p.Environment.ID, d.ID); err != nil {
					return err
				}
			}
		}
		if err := tx.EndBrowser(p.Environment, p.Visitor.SSO); err != nil {
			return err
		}
		home, err = tx.Homepage(p.Environment)
		return err
	})
	return home, err
}

// Unlink takes an account elsewhere away, if that is not the last way in.
func (s *Service) Unlink(ctx context.Context, p *Person, u sso.Upstream) (*authflow.Problem, error) {
	o, err := s.Overview(ctx, p)
	if err != nil {
		return nil, err
	}
	if o.WaysIn(p.Environment.Settings.SignIn) < 2 {
		return &authflow.Problem{Code: "last_way_in", Message: "This is the only way you can sign in. Set a password or add a passkey first."}, nil
	}
	err = s.change(ctx, p, true, func(tx *identity.Tx) error { return s.SSO.Unlink(tx, p.Environment.ID, p.User.ID, u) })
	if err == nil {
		s.tell(p, "An account of another service was unlinked and can no longer be used to sign in.")
	}
	return nil, err
}

// Withdraw takes back what an application may do.
func (s *Service) Withdraw(ctx context.Context, p *Person, id string) error {
	if s.Applications == nil {
		return apierr.New(apierr.NotFound, "page_not_found", "There are no applications here.")
	}
	return s.Applications.Withdraw(ctx, p.Environment.ID, p.User.ID, id)
}

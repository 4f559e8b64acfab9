package authflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// randomBytes fills b.
func randomBytes(b []byte) { rand.Read(b) }

// world is what the machine may know of an environment.
func (f *Flow) world(e *identity.Environment, now time.Time, code string) world {
	return world{Now: now, Code: code, SignUpAllowed: !e.Settings.SignUpDisabled, Methods: e.Settings.SignIn, MFA: e.Settings.MFA}
}

// dress adds to a page what the machine does not know: the environment, and what is
// secret or a list.
func (f *Flow) dress(tx *identity.Tx, s Step, e *identity.Environment, a *attempt) (_ Step, err error) {
	if sc := s.screen(); sc != nil {
		sc.Environment = *e
		if sc.Brand, err = tx.Branding(e.ID); err != nil {
			return nil, err
		}
	}
	switch s := s.(type) {
	case *Done:
		s.Client = e.ClientID
	case *AskEnroll:
		if s.Secret, err = enrollSecret(tx, e, a.ID); err == nil {
			s.URI = identity.TOTPURI(cmp.Or(s.Brand.Name, e.Name), a.Email, s.Secret)
		}
	case *TellRecoveryCodes:
		s.Codes, err = recoveryCodes(tx, e, a.ID)
	case *AskOrganization:
		s.Organizations, err = choices(tx, e, a.Proof.User)
	case *TellNotMember:
		var o *identity.Organization
		if o, err = tx.Organization(e.ID, a.Organization); err == nil {
			s.Organization = o.Name
		} else if apierr.KindOf(err) == apierr.NotFound {
			err = nil
		}
	}
	return s, err
}

// choices are the organizations that a person can go on with, by name.
func choices(tx *identity.Tx, e *identity.Environment, user identity.UserID) ([]Choice, error) {
	all, err := tx.Memberships(e.ID, user)
	if err != nil {
		return nil, err
	}
	var out []Choice
	for _, m := range all {
		if m.Status != identity.MembershipActive {
			continue
		}
		o, err := tx.Organization(e.ID, m.Organization)
		if err != nil {
			return nil, err
		}
		out = append(out, Choice{o.ID, o.Name})
	}
	slices.SortFunc(out, func(a, b Choice) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// open finds an attempt for a visitor. over is the page to show if it cannot go
// on for them.
func (f *Flow) open(tx *identity.Tx, v Visitor, id AttemptID) (row *identity.Found, a attempt, e *identity.Environment, over *Over, err error) {
	row, err = findAttempt(tx, id)
	if err != nil {
		return nil, a, nil, nil, err
	}
	if row == nil {
		return nil, a, nil, &Over{Screen: Screen{Attempt: id}, Reason: OverUnknown}, nil
	}
	a = readAttempt(row.Record)
	if e, err = tx.Environment(a.Environment); err != nil {
		return nil, a, nil, nil, err
	}
	reason := OverReason("")
	switch {
	case subtle.ConstantTimeCompare([]byte(a.Browser), []byte(secretHash("browser", v.Browser))) != 1:
		reason = OverOtherBrowser
	case !tx.Now().Before(a.Expires):
		reason = OverUnknown
	default:
		return row, a, e, nil, nil
	}
	home, err := tx.Homepage(e)
	if err != nil {
		return nil, a, e, nil, err
	}
	over = &Over{Screen: Screen{Attempt: id}, Reason: reason, AppURL: home}
	_, err = f.dress(tx, over, e, &a)
	return nil, a, e, over, err
}

// present is the step of an attempt as it is stored. An attempt that is done leads
// to the same redirect as long as its code was not redeemed: whoever sends a form
// twice sees only the second answer.
func (f *Flow) present(tx *identity.Tx, e *identity.Environment, a attempt) (Step, error) {
	if a.Stage != atDone {
		return f.dress(tx, ask(a, f.world(e, tx.Now(), ""), nil), e, &a)
	}
	code, err := attemptCode(tx, e, a.ID)
	if err != nil {
		return nil, err
	}
	row, err := findCode(tx, code)
	if err != nil {
		return nil, err
	}
	if row != nil {
		if c := readCodeRow(row.Record); c.Redeemed.IsZero() && tx.Now().Before(c.Expires) {
			return &Done{RedirectTo: grantedTo(a.RedirectURI, code, string(a.State), a.HasState), Client: e.ClientID}, nil
		}
	}
	home, err := tx.Homepage(e)
	if err != nil {
		return nil, err
	}
	return f.dress(tx, &Over{Screen: Screen{Attempt: a.ID}, Reason: OverFinished, AppURL: home}, e, &a)
}

// attemptCode is the authorization code of an attempt: derived, so that the same
// answer can be given again, and known to nobody who lacks the sealed secret.
func attemptCode(tx *identity.Tx, e *identity.Environment, id AttemptID) (string, error) {
	b, err := tx.Derive(e, "authorization code", string(id))
	if err != nil {
		return "", err
	}
	return ulid.ULID(b[:16]).String(), nil
}

// Step says what to ask now, without answering anything: GET of an attempt's page.
func (f *Flow) Step(ctx context.Context, v Visitor, id AttemptID) (s Step, err error) {
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		_, a, e, over, err := f.open(tx, v, id)
		if err != nil {
			return err
		}
		if over != nil {
			s = over
			return nil
		}
		s, err = f.present(tx, e, a)
		return err
	})
	return s, err
}

// maxRounds bounds how often the machine may ask within one answer.
const maxRounds = 8

// Submit answers the present step and says what comes next. Errors are ours
// alone, or Overloaded when the house is too busy to hash or to send.
func (f *Flow) Submit(ctx context.Context, v Visitor, id AttemptID, ans Answer) (Step, error) {
	var old attempt
	var e *identity.Environment
	var already Step
	var secret string
	err := f.Identity.View(ctx, func(tx *identity.Tx) error {
		_, a, env, over, err := f.open(tx, v, id)
		old, e, already = a, env, nil
		if err != nil || over == nil && a.Stage != atDone {
			if err == nil && a.Stage == atEnroll {
				secret, err = enrollSecret(tx, env, a.ID)
			}
			return err
		}
		if over != nil {
			already = over
			return nil
		}
		already, err = f.present(tx, env, a)
		return err
	})
	if err != nil || already != nil {
		return already, err
	}
	code, err := e.MakeCode()
	if err != nil {
		return nil, err
	}
	w := f.world(e, e.Now().UTC(), code)
	w.Secret = secret
	a, in := old, input(ans)
	if retry := f.heldBack(e, v, &a, ans); retry > 0 {
		in = guessedTooMuch{Retry: retry}
	}
	var doing []effect
	for range maxRounds {
		moved, step, effects := next(a, in, w)
		if step == nil && len(effects) > 0 {
			last := len(effects) - 1
			outcome, err := f.ask(ctx, v, e, &moved, effects[last])
			if err != nil {
				return nil, err
			}
			doing = append(doing, effects[:last]...)
			a, in = moved, outcome
			continue
		}
		return f.commitAsking(ctx, v, e, w, &old, &moved, step, append(doing, effects...))
	}
	return nil, fmt.Errorf("authflow: attempt %s asks without end", id)
}

// emailKey is the attempt's address in comparable form.
func (a *attempt) emailKey() string {
	_, k, _ := identity.ParseEmail(a.Email)
	return k
}

// heldBack tells how long a limit keeps the visitor from giving this answer.
func (f *Flow) heldBack(e *identity.Environment, v Visitor, a *attempt, ans Answer) time.Duration {
	switch ans.(type) {
	case EnterCode:
		if a.Stage != atVerify && a.Stage != atReset && a.Stage != atMagic {
			return 0
		}
		return f.limits.locked(accountKey("code", string(e.ID), a.emailKey()), time.Now())
	case SendAgain:
		return f.mailHeldBack(e, v, a)
	}
	return 0
}

// mailHeldBack tells how long no more mail goes to the attempt's mailbox, or from
// the visitor's address to any.
func (f *Flow) mailHeldBack(e *identity.Environment, v Visitor, a *attempt) time.Duration {
	now := time.Now()
	d := f.limits.locked(accountKey("send", string(e.ID), a.emailKey()), now)
	if k, ok := addressKey("send", string(e.ID), v.IPAddress); ok {
		d = max(d, f.limits.locked(k, now))
	}
	return d
}

// countMail counts a mail towards those limits.
func (f *Flow) countMail(e *identity.Environment, v Visitor, emailKey string) {
	now := time.Now()
	f.limits.take(accountKey("send", string(e.ID), emailKey), limitSend, now)
	if k, ok := addressKey("send", string(e.ID), v.IPAddress); ok {
		f.limits.take(k, limitSendFrom, now)
	}
}

// ask carries out an asking effect.
func (f *Flow) ask(ctx context.Context, v Visitor, e *identity.Environment, a *attempt, fx effect) (input, error) {
	switch fx := fx.(type) {
	case checkCredentials:
		user, retry, err := f.checkPassword(ctx, e, v, fx.Email, fx.Password)
		if err != nil {
			return nil, err
		}
		if retry > 0 {
			return guessedTooMuch{Retry: retry}, nil
		}
		if user == nil {
			return passwordChecked{}, nil
		}
		return passwordChecked{User: user.ID}, nil
	case hashPassword:
		if a.Stage == atSignUp { // mail follows
			if retry := f.mailHeldBack(e, v, a); retry > 0 {
				return guessedTooMuch{Retry: retry}, nil
			}
		}
		hash, err := f.Hasher.Hash(ctx, fx.Password)
		return passwordHashed{Hash: hash}, err
	case lookAccount:
		if retry := f.mailHeldBack(e, v, a); retry > 0 {
			return guessedTooMuch{Retry: retry}, nil
		}
		var out accountLooked
		err := f.Identity.View(ctx, func(tx *identity.Tx) error {
			u, err := tx.UserByEmail(e.ID, fx.Email)
			if u != nil {
				out.User = u.ID
			}
			return err
		})
		return out, err
	case checkFactor:
		return f.checkFactor(ctx, e, v, fx.User, func(tx *identity.Tx) (out factorChecked, err error) {
			out.OK, err = tx.VerifyAnyFactor(e.ID, fx.User, fx.Code)
			return out, err
		})
	case checkRecoveryCode:
		return f.checkFactor(ctx, e, v, fx.User, func(tx *identity.Tx) (out factorChecked, err error) {
			out.OK, out.Left, err = tx.UseRecoveryCode(fx.User, fx.Code)
			return out, err
		})
	case lookStanding:
		var st standing
		err := f.Identity.View(ctx, func(tx *identity.Tx) (err error) {
			st, err = f.standing(tx, e, fx)
			return err
		})
		return st, err
	}
	return nil, fmt.Errorf("authflow: %T is no question", fx)
}

// checkFactor lets look tell whether a second factor is right, as often as the limits
// on guessing allow.
func (f *Flow) checkFactor(ctx context.Context, e *identity.Environment, v Visitor, user identity.UserID, look func(*identity.Tx) (factorChecked, error)) (input, error) {
	k := accountKey("factor", string(e.ID), string(user))
	if retry := f.limits.take(k, limitCode, time.Now()); retry > 0 {
		return guessedTooMuch{Retry: retry}, nil
	}
	var out factorChecked
	err := f.Identity.Update(ctx, func(tx *identity.Tx) (err error) {
		if out, err = look(tx); err != nil || out.OK {
			return err
		}
		u, err := tx.User(e.ID, user)
		if err != nil {
			return err
		}
		ev := authentication("mfa", "failed", u, v.IPAddress, v.UserAgent, u.Email)
		ev.Error = &identity.EventErr{Code: "invalid_one_time_code", Message: "Invalid one-time code."}
		return tx.RecordAuthentication(e.ID, ev)
	})
	if apierr.KindOf(err) == apierr.NotFound { // deleted meanwhile
		return factorChecked{}, nil
	}
	if err == nil && out.OK {
		f.limits.clear(k)
	}
	return out, err
}

// standing is the outcome of lookStanding.
func (f *Flow) standing(tx *identity.Tx, e *identity.Environment, ask lookStanding) (st standing, err error) {
	u, err := userOf(tx, e, ask.User, ask.Email)
	if err != nil {
		return st, err
	}
	if u == nil { // a sign-up
		if ask.Invitation != "" {
			st.Invited, err = invitationOf(tx, e, ask.Invitation, &identity.User{Email: ask.Email})
			if org := st.Invited.Organization; err == nil && org != "" {
				m := membership{Organization: org}
				m.MFA, err = tx.OrganizationMFA(e.ID, org)
				st.Members = append(st.Members, m)
			}
		}
		return st, err
	}
	st.User, st.Verified = u.ID, u.EmailVerified
	factors, err := tx.Factors(e.ID, u.ID)
	if err != nil {
		return st, err
	}
	st.Factor = slices.ContainsFunc(factors, func(f identity.Factor) bool { return f.Type == identity.FactorTOTP })
	all, err := tx.Memberships(e.ID, u.ID)
	if err != nil {
		return st, err
	}
	for _, m := range all {
		if m.Status != identity.MembershipActive {
			continue
		}
		p, err := tx.OrganizationMFA(e.ID, m.Organization)
		if err != nil {
			return st, err
		}
		st.Members = append(st.Members, membership{m.Organization, p})
	}
	if ask.Invitation == "" {
		return st, nil
	}
	if st.Invited, err = invitationOf(tx, e, ask.Invitation, u); err != nil || st.Invited.Organization == "" {
		return st, err
	}
	if !slices.ContainsFunc(st.Members, func(m membership) bool { return m.Organization == st.Invited.Organization }) {
		p, err := tx.OrganizationMFA(e.ID, st.Invited.Organization)
		if err != nil {
			return st, err
		}
		st.Members = append(st.Members, membership{st.Invited.Organization, p})
	}
	return st, nil
}

// invitationOf tells whether a user can use an invitation, which organization it is to
// then, or why not.
func invitationOf(tx *identity.Tx, e *identity.Environment, id identity.InvitationID, u *identity.User) (out invitation, err error) {
	i, err := tx.Invitation(e.ID, id)
	if apierr.KindOf(err) == apierr.NotFound {
		return invitation{Fault: InvitationUnknown}, nil
	}
	if err != nil {
		return out, err
	}
	out.Fault = faultOf(i, tx.Now())
	if i.AcceptedBy != "" && i.AcceptedBy == u.ID {
		out.Fault = ""
	}
	if out.Fault == "" && !i.Invites(u.Email) {
		out.Fault = InvitationOther
	}
	if out.Fault == "" {
		out.Organization = i.Organization
	}
	return out, nil
}

// faultOf is why an invitation cannot be used by anybody; "" if it can.
func faultOf(i *identity.Invitation, now time.Time) LinkFault {
	return map[identity.InvitationState]LinkFault{identity.InvitationAccepted: InvitationUsed, identity.InvitationExpired: InvitationExpired,
		identity.InvitationRevoked: InvitationRevoked}[i.State(now)]
}

// userOf finds a user by id or, without one, by address; nil if there is none.
func userOf(tx *identity.Tx, e *identity.Environment, id identity.UserID, email string) (*identity.User, error) {
	if id == "" {
		return tx.UserByEmail(e.ID, email)
	}
	u, err := tx.User(e.ID, id)
	if apierr.KindOf(err) == apierr.NotFound {
		return nil, nil
	}
	return u, err
}

// commit stores a moved attempt with what it brings about, then sends mail.
func (f *Flow) commit(ctx context.Context, v Visitor, e *identity.Environment, old, moved *attempt, step Step, effects []effect) (Step, error) {
	letters := f.lettersOf(e, moved, effects)
	if len(letters) > 0 && f.mailBusy() {
		return nil, errMailBusy
	}
	if len(effects) > 0 || moved.moved(old) {
		var overtaken, after Step
		err := f.Identity.Update(ctx, func(tx *identity.Tx) error {
			overtaken = nil
			row, stored, env, over, err := f.open(tx, v, old.ID)
			if err != nil {
				return err
			}
			if over != nil {
				overtaken = over
				return nil
			}
			if stored.Revision != old.Revision {
				overtaken, err = f.present(tx, env, stored)
				return err
			}
			a := *moved
			if after, err = f.apply(tx, v, env, &a, step, effects); err != nil {
				return err
			}
			if after, err = f.dress(tx, after, env, &a); err != nil {
				return err
			}
			a.Revision++
			a.Expires = tx.Now().Add(attemptLifetime)
			return tx.Put(row.Doc, attemptRow(&a))
		})
		if err != nil || overtaken != nil {
			return overtaken, err
		}
		step = after
	} else if err := f.Identity.View(ctx, func(tx *identity.Tx) (err error) {
		step, err = f.dress(tx, step, e, moved)
		return err
	}); err != nil {
		return nil, err
	}
	for _, fx := range effects {
		k := moved.emailKey()
		switch fx.(type) {
		case codeFailed:
			f.limits.take(accountKey("code", string(e.ID), k), limitCode, time.Now())
		case codeRight:
			f.limits.clear(accountKey("code", string(e.ID), k))
			f.limits.clear(accountKey("send", string(e.ID), k))
		case changePassword:
			f.limits.clear(accountKey("password", string(e.ID), k))
		case mailCode:
			f.countMail(e, v, k)
		}
	}
	f.post(letters)
	return step, nil
}

package authflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/lentil-dev/lentil/internal/identity"
)

// randomBytes fills b.
func randomBytes(b []byte) { rand.Read(b) }

// world is what the machine may know of an environment.
func (f *Flow) world(e *identity.Environment, now time.Time, code string) world {
	w := world{Now: now, Code: code, SignUpAllowed: !e.Settings.SignUpDisabled, Methods: e.Settings.SignIn, MFA: e.Settings.MFA, Words: wordsOf(e)}
	w.Methods.Passkeys = w.Methods.Passkeys && f.Passkeys != nil
	return w
}

// open finds an attempt for a visitor. over is the page to show if it cannot go
// on for them.
func (f *Flow) open(tx *identity.Tx, v Visitor, id AttemptID) (row *identity.Found, a attempt, e *identity.Environment, over *Over, err error) {
	row, err = findAttempt(tx, id)
	if err != nil {
		return nil, a, nil, nil, err
	}
	if row == nil {
		home, err := onlyWayOn(tx)
		return nil, a, nil, &Over{Screen: Screen{Attempt: id}, Reason: OverUnknown, AppURL: home}, err
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
	home, err := wayOn(tx, e)
	if err != nil {
		return nil, a, e, nil, err
	}
	over = &Over{Screen: Screen{Attempt: id}, Reason: reason, AppURL: home}
	_, err = f.dress(tx, over, e, &a)
	return nil, a, e, over, err
}

// wayOn is where a person begins again after an attempt that cannot go on: where the
// application begins sign-ins if it says so, else its homepage; empty if neither is
// known.
func wayOn(tx *identity.Tx, e *identity.Environment) (string, error) {
	if e.Settings.InitiateLoginURI != "" {
		return e.Settings.InitiateLoginURI, nil
	}
	return tx.Homepage(e)
}

// onlyWayOn is wayOn of the only environment there is, for attempts that nothing is
// known of; empty if there are several.
func onlyWayOn(tx *identity.Tx) (string, error) {
	all, err := tx.Environments()
	if err != nil || len(all) != 1 {
		return "", err
	}
	return wayOn(tx, &all[0])
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
			return &Done{RedirectTo: a.granted(code), Client: e.ClientID}, nil
		}
	}
	home, err := wayOn(tx, e)
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
	a := old
	in, err := f.homeOf(ctx, e, ans)
	if err != nil {
		return nil, err
	}
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
	d := max(f.limits.locked(accountKey("send", string(e.ID), a.emailKey()), now), f.sent.held(string(e.ID), rateSend, now, false))
	if k, ok := addressKey("send", string(e.ID), v.IPAddress); ok {
		d = max(d, f.limits.locked(k, now))
	}
	return d
}

// countMail counts a mail towards those limits.
func (f *Flow) countMail(e *identity.Environment, v Visitor, emailKey string) {
	now := time.Now()
	f.limits.take(accountKey("send", string(e.ID), emailKey), limitSend, now)
	f.sent.held(string(e.ID), rateSend, now, true)
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
		if p, err := f.Policy.breached(fx.Password); err != nil || p != nil {
			return passwordRefused{Problem: *cmp.Or(p, &Problem{})}, err
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
	case lookAway:
		return f.lookAwayFrom(ctx, e, fx)
	case lookArrival:
		return f.lookBack(ctx, v, e, a.ID, fx.Key)
	case checkPasskey:
		return f.lookAtPasskey(ctx, e, v, a, fx)
	case makePasskey:
		return f.tryPasskey(ctx, e, a, fx)
	case lookStanding:
		var st standing
		err := f.Identity.View(ctx, func(tx *identity.Tx) (err error) {
			if st, err = f.standing(tx, e, fx); err != nil {
				return err
			}
			return f.offerPasskey(tx, e, &st)
		})
		return st, err
	}
	return nil, fmt.Errorf("authflow: %T is no question", fx)
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
		case passkeyFailed:
			if k, ok := addressKey("passkey", string(e.ID), v.IPAddress); ok {
				f.limits.take(k, limitCode, time.Now())
			}
		}
	}
	f.post(letters)
	return step, nil
}
